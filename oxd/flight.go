package oxd

// flight: something that several callers need and that is fetched once.

import (
	"context"
	"sync"
)

// flight runs one function at a time. Who comes while it runs gets its result.
// Waiting ends with the context of each caller; the function goes on without
// them, because a registration broken off half way leaves a client at the
// provider that nobody knows.
type flight[T any] struct {
	mu      sync.Mutex
	running *landing[T] // guarded by mu
}

type landing[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// do waits for run. The caller is inside the gate, and so is run: it keeps Close
// waiting even if no caller does. command is for the error of those who leave.
func (f *flight[T]) do(ctx context.Context, g *gate, command string, run func(context.Context) (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, &TransportError{Command: command, Err: err}
	}
	l := f.join(ctx, g, run)
	select {
	case <-l.done:
		return l.value, l.err
	case <-ctx.Done():
		return zero, &TransportError{Command: command, Err: ctx.Err()}
	}
}

func (f *flight[T]) join(ctx context.Context, g *gate, run func(context.Context) (T, error)) *landing[T] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running != nil {
		return f.running
	}
	g.stay()
	l := &landing[T]{done: make(chan struct{})}
	f.running = l
	go func() {
		defer g.leave()
		l.value, l.err = run(context.WithoutCancel(ctx))
		f.mu.Lock()
		f.running = nil
		f.mu.Unlock()
		close(l.done)
	}()
	return l
}
