package pending

// The states that have come back.

import (
	"time"

	"example.com/oxdauth/internal/expiring"
)

const maxUsed = 50_000 // about 10 MB

// Used remembers the states that have come back. Each is thereby single-use on our side before oxd
// is asked: oxd keeps a state alive after a failed exchange, and the provider revokes the tokens of
// a code that is presented twice. It is safe for concurrent use.
//
// Anybody can fill it, so that a full one must not be a reason to refuse a login: it then drops
// entries. A state that is dropped too early can be replayed only by who kept a copy of its cookie,
// and at most until oxd or the provider refuses the code.
type Used struct {
	states *expiring.Map[[16]byte, string]
}

// NewUsed returns an empty Used.
func NewUsed() *Used {
	return &Used{expiring.New[[16]byte, string](maxUsed, expiring.DropTenth)}
}

// Take reports whether state is used for the first time. If not, it returns the page that the first
// one was for.
func (u *Used) Take(state [16]byte, returnTo string) (earlier string, first bool) {
	// As long as the cookie could be presented, plus clock rounding.
	until := time.Now().Add(max(loginLifetime, GatheringLifetime) + time.Second)
	there, added, kept := u.states.Add(state, returnTo, until)
	if kept && !added {
		return there, false
	}
	return "", true
}

// Find returns the page that a used state was for.
func (u *Used) Find(state [16]byte) (returnTo string, ok bool) { return u.states.Get(state) }
