package oxdauth

// What keeps a guard from wearing out oxd and the authorization server: a limit on tickets for requests without RPT, and a
// breaker that stops asking an oxd that does not answer.

import (
	"sync"
	"time"
)

// limiter is a token bucket. It is safe for concurrent use.
type limiter struct {
	rate, burst float64

	mu   sync.Mutex // guards left and last
	left float64
	last time.Time
}

func newLimiter(perSecond float64, burst int) *limiter {
	return &limiter{rate: perSecond, burst: float64(burst), left: float64(burst)}
}

func (l *limiter) take(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() && now.After(l.last) {
		l.left = min(l.burst, l.left+now.Sub(l.last).Seconds()*l.rate)
	}
	if now.After(l.last) {
		l.last = now
	}
	if l.left < 1 {
		return false
	}
	l.left--
	return true
}

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

func (b *breaker) done(now time.Time, failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	if !failed {
		b.failures = 0
		return
	}
	b.failures++
	b.until = now.Add(breakerPause)
}
