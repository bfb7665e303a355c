package oxd

// joined: something that several callers need and that is fetched once.

import (
	"context"
	"sync"

	"example.com/oxdauth/internal/flight"
)

// joined runs one function at a time. Who comes while it runs gets its result.
// Waiting ends with the context of each caller; the function goes on without
// them, because a registration broken off half way leaves a client at the
// provider that is in no file.
type joined[T any] struct {
	mu      sync.Mutex
	running *flight.Flight[T] // guarded by mu
}

// do waits for run. The caller is inside the gate, and so is run: it keeps Close
// waiting even if no caller does. command is for the error of those who leave.
func (f *joined[T]) do(ctx context.Context, g *gate, command string, run func(context.Context) (T, error)) (T, error) {
	var zero T
	if err := ctx.Err(); err != nil {
		return zero, &TransportError{Command: command, Err: err}
	}
	current := f.join(ctx, g, run)
	value, err := current.Wait(ctx)
	if left := ctx.Err(); left != nil && err == left {
		return zero, &TransportError{Command: command, Err: err}
	}
	return value, err
}

func (f *joined[T]) join(ctx context.Context, g *gate, run func(context.Context) (T, error)) *flight.Flight[T] {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.running != nil {
		return f.running
	}
	g.stay()
	current := flight.New[T]()
	f.running = current
	go func() {
		defer g.leave()
		value, err := run(context.WithoutCancel(ctx))
		f.mu.Lock()
		f.running = nil
		f.mu.Unlock()
		current.Finish(value, err)
	}()
	return current
}
