package oxdauth

// What keeps a guard from wearing out the authorization server: a limit on tickets for requests without RPT.

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
