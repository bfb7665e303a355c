package limit

// Token buckets: one for all requests, and one for each client.

import (
	"crypto/sha256"
	"maps"
	"net/http"
	"sync"
	"time"
)

// Bucket is a token bucket, full at first. It is safe for concurrent use.
type Bucket struct {
	rate, burst float64

	mu   sync.Mutex // guards left and last
	left float64
	last time.Time
}

// NewBucket returns a bucket that holds burst tokens and gains perSecond of them in a second.
func NewBucket(perSecond float64, burst int) *Bucket {
	return &Bucket{rate: perSecond, burst: float64(burst), left: float64(burst)}
}

// Take takes a token and reports whether there was one.
func (b *Bucket) Take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fillLocked(now)
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// state reports whether there is a token to take, and whether the bucket is full.
func (b *Bucket) state(now time.Time) (some, full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fillLocked(now)
	return b.left >= 1, b.left >= b.burst
}

func (b *Bucket) fillLocked(now time.Time) {
	if !b.last.IsZero() && now.After(b.last) {
		b.left = min(b.burst, b.left+now.Sub(b.last).Seconds()*b.rate)
	}
	if now.After(b.last) {
		b.last = now
	}
}

const (
	maxClients = 10_000      // told apart, about 2 MB
	sweepPause = time.Second // between two looks for buckets that are full again
)

// Client is the fixed-size name of a client.
type Client [16]byte

// Clients has a token bucket for each client that was refused. A client whose bucket is full needs
// none. 10,000 clients are told apart; the others share one bucket. A nil Clients limits nothing.
// It is safe for concurrent use.
type Clients struct {
	rate   float64
	burst  int
	name   func(*http.Request) string
	others *Bucket

	mu      sync.Mutex // guards the rest
	buckets map[Client]*Bucket
	swept   time.Time
}

// NewClients returns Clients with buckets as of [NewBucket]. name returns who sends a request, and
// has to be safe for concurrent use.
func NewClients(perSecond float64, burst int, name func(*http.Request) string) *Clients {
	return &Clients{
		rate: perSecond, burst: burst, name: name,
		others: NewBucket(perSecond, burst), buckets: make(map[Client]*Bucket),
	}
}

// Name returns the client that sends a request.
func (c *Clients) Name(r *http.Request) Client {
	if c == nil {
		return Client{}
	}
	sum := sha256.Sum256([]byte(c.name(r)))
	return Client(sum[:16])
}

// Allow reports whether a client may ask. It takes nothing: a refusal is counted by Refused.
func (c *Clients) Allow(client Client, now time.Time) bool {
	if c == nil {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	bucket := c.buckets[client]
	if bucket == nil {
		if len(c.buckets) < maxClients {
			return true
		}
		bucket = c.others
	}
	some, _ := bucket.state(now)
	return some
}

// Refused takes a token from the bucket of a client.
func (c *Clients) Refused(client Client, now time.Time) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	bucket := c.buckets[client]
	if bucket == nil {
		bucket = c.addLocked(client, now)
	}
	bucket.Take(now)
}

// addLocked returns a new bucket for a client or, without room, the shared one. Full buckets make
// room.
func (c *Clients) addLocked(client Client, now time.Time) *Bucket {
	if len(c.buckets) >= maxClients && now.Sub(c.swept) > sweepPause {
		c.swept = now
		maps.DeleteFunc(c.buckets, func(_ Client, b *Bucket) bool { _, full := b.state(now); return full })
	}
	if len(c.buckets) >= maxClients {
		return c.others
	}
	bucket := NewBucket(c.rate, c.burst)
	c.buckets[client] = bucket
	return bucket
}
