package limit

// The gate, which bounds how many questions are under way at a time.

import "errors"

// ErrBusy is returned by a full gate.
var ErrBusy = errors.New("oxdauth: too many questions to oxd at a time")

// Gate has a number of places, one for each call under way. It is safe for concurrent use.
type Gate struct{ places chan struct{} }

// NewGate returns a gate with n places.
func NewGate(n int) *Gate { return &Gate{make(chan struct{}, n)} }

// Do runs call in a place of its own and returns its error, or [ErrBusy] at once if there is no
// free place.
func (g *Gate) Do(call func() error) error {
	select {
	case g.places <- struct{}{}:
		defer func() { <-g.places }()
		return call()
	default:
		return ErrBusy
	}
}
