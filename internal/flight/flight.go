// Package flight has one call whose outcome several callers wait for.
package flight

import "context"

// Flight is a call under way, or its outcome. It is safe for concurrent use. [New] makes it.
type Flight[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// New returns a flight that has not finished.
func New[T any]() *Flight[T] { return &Flight[T]{done: make(chan struct{})} }

// Finish sets the outcome and wakes everybody who waits. It must be called exactly once.
func (f *Flight[T]) Finish(value T, err error) {
	f.value, f.err = value, err
	close(f.done)
}

// Finished reports whether the outcome is there.
func (f *Flight[T]) Finished() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// Result returns the outcome. It must be called only after Finished has reported true.
func (f *Flight[T]) Result() (T, error) { return f.value, f.err }

// Wait returns the outcome once it is there, or the error of ctx. The call goes on in that case.
func (f *Flight[T]) Wait(ctx context.Context) (T, error) {
	select {
	case <-f.done:
		return f.value, f.err
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}
