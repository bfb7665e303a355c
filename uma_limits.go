package oxdauth

// What keeps a guard from wearing out the authorization server: limits on tickets, for all requests without RPT and for each
// client.

import (
	"maps"
	"net/http"
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
	l.fillLocked(now)
	if l.left < 1 {
		return false
	}
	l.left--
	return true
}

// has reports whether take would succeed; full, whether nothing has been taken that matters any more.
func (l *limiter) has(now time.Time) (some, full bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fillLocked(now)
	return l.left >= 1, l.left >= l.burst
}

func (l *limiter) fillLocked(now time.Time) {
	if !l.last.IsZero() && now.After(l.last) {
		l.left = min(l.burst, l.left+now.Sub(l.last).Seconds()*l.rate)
	}
	if now.After(l.last) {
		l.last = now
	}
}

const maxLimitedClients = 10_000 // about 2 MB

// clientLimiter has a token bucket for each client that was lately refused. It is safe for concurrent use. A nil one limits
// nothing.
type clientLimiter struct {
	rate   float64
	burst  int
	client func(*http.Request) string

	mu       sync.Mutex // guards the rest
	buckets  map[[16]byte]*limiter
	others   *limiter // shared by the clients there is no room for
	nextLook time.Time
}

func (c *clientLimiter) name(r *http.Request) [16]byte {
	if c == nil {
		return [16]byte{}
	}
	return hash16("client", c.client(r))
}

// allows reports whether a client may ask. A refusal has to be counted by refused.
func (c *clientLimiter) allows(client [16]byte, now time.Time) bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.buckets[client]
	if known == nil {
		if len(c.buckets) < maxLimitedClients {
			return true
		}
		known = c.others
	}
	some, _ := known.has(now)
	return some
}

func (c *clientLimiter) refused(client [16]byte, now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.buckets[client]
	if known == nil {
		if len(c.buckets) >= maxLimitedClients && now.After(c.nextLook) {
			c.nextLook = now.Add(time.Second)
			maps.DeleteFunc(c.buckets, func(_ [16]byte, l *limiter) bool { _, full := l.has(now); return full })
		}
		known = c.others
		if len(c.buckets) < maxLimitedClients {
			known = newLimiter(c.rate, c.burst)
			c.buckets[client] = known
		}
	}
	known.take(now)
}
