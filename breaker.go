package oxdauth

// The breaker that stops asking an oxd that does not answer.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/oxdauth/oxd"
)

const (
	breakerFailures = 5               // without an answer in a row, before oxd is left alone
	breakerPause    = 5 * time.Second // until one question is let through to see
)

// breaker counts questions without answer. A refusal is an answer. It is safe for concurrent use.
type breaker struct {
	mu       sync.Mutex // guards the rest
	failures int
	until    time.Time
	probing  bool
}

// errLeftAlone is in the place of an answer while the breaker is open.
var errLeftAlone = fmt.Errorf("oxdauth: not asked, because it has not answered lately: %w", oxd.ErrUnavailable)

// call asks oxd unless it is to be left alone.
func (b *breaker) call(ask func() error) error {
	if !b.allow(time.Now()) {
		return errLeftAlone
	}
	err := ask()
	b.done(time.Now(), err)
	return err
}

// allow must be followed by done when it is true.
func (b *breaker) allow(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failures < breakerFailures {
		return true
	}
	if b.probing || now.Before(b.until) {
		return false
	}
	b.probing = true
	return true
}

func (b *breaker) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures >= breakerFailures
}

// done counts an outcome. A client that went away says nothing about oxd.
func (b *breaker) done(now time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	switch {
	case errors.Is(err, context.Canceled):
	case errors.Is(err, oxd.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		b.failures++
		b.until = now.Add(breakerPause)
	default:
		b.failures = 0
	}
}
