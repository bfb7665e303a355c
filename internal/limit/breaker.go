// Package limit keeps oxd from being asked too often: after it has failed to answer, by one
// client, or by too many at a time.
package limit

// The breaker, which stops asking an oxd that does not answer.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/oxdauth/oxd"
)

// maxFailures is how many questions in a row stay without an answer before a breaker opens.
const maxFailures = 5

// Pause is the time from a failure until an open breaker lets one question through.
const Pause = 5 * time.Second

// ErrOpen takes the place of an answer while a breaker is open. It is [oxd.ErrUnavailable].
var ErrOpen = fmt.Errorf("oxdauth: not asked, because it has not answered lately: %w", oxd.ErrUnavailable)

// Breaker counts questions without an answer. A refusal is an answer. Its zero value is ready for
// use and closed. It is safe for concurrent use.
type Breaker struct {
	mu       sync.Mutex // guards the rest
	failures int
	until    time.Time // an open breaker lets one question through from then on
	probing  bool      // that question is under way
}

// Call asks unless the breaker is open, and returns the error of ask or [ErrOpen]. Without an
// answer are [oxd.ErrUnavailable], [context.DeadlineExceeded] and a panic. [context.Canceled]
// counts as neither.
func (b *Breaker) Call(ask func() error) (err error) {
	if !b.allow(time.Now()) {
		return ErrOpen
	}
	err = oxd.ErrUnavailable // in case ask panics
	defer func() { b.count(time.Now(), err) }()
	err = ask()
	return err
}

// Open reports whether questions are held back.
func (b *Breaker) Open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= maxFailures
}

// allow reports whether a question may be asked. If so, count has to follow.
func (b *Breaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < maxFailures {
		return true
	}
	if b.probing || now.Before(b.until) {
		return false
	}
	b.probing = true
	return true
}

func (b *Breaker) count(now time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	switch {
	case errors.Is(err, context.Canceled): // the client has gone away, which says nothing about oxd
	case errors.Is(err, oxd.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		b.failures++
		b.until = now.Add(Pause)
	default:
		b.failures = 0
	}
}
