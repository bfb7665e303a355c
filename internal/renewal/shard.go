package renewal

// What is remembered: one renewal for each session and generation, in shards.

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"example.com/oxdauth/internal/expiring"
	"example.com/oxdauth/internal/flight"
	"example.com/oxdauth/internal/session"
)

const maxRenewals = 200 // in each of 64 shards, about 80 MB with 6 KB of tokens each

// key is what a renewal is about. Its fields have a fixed size, so two keys cannot be confused.
type key struct {
	id         session.ID
	generation uint64
}

// renewal is one renewal, in progress until it is finished.
type renewal struct {
	*flight.Flight[Result]
	seen atomic.Bool // a request has brought the cookies of the successor
}

func newRenewal() *renewal { return &renewal{Flight: flight.New[Result]()} }

func (r *renewal) failed() bool {
	if !r.Finished() {
		return false
	}
	_, err := r.Result()
	return err != nil
}

func (r *renewal) succeeded() bool { return r.Finished() && !r.failed() }

// wait returns the outcome. It waits for Timeout at most.
func (r *renewal) wait(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	return r.Wait(ctx)
}

// shard has some of the renewals. One in progress is kept Forever. A full shard gives up the
// successor that would be dropped next: its session has to sign in again if its browser has not
// received it.
type shard struct {
	mu       sync.Mutex // taken when a renewal takes the place of none or of a failed one
	renewals *expiring.Map[key, *renewal]
}

func (g *Group) shard(id session.ID) *shard { return &g.shards[int(id[0])%len(g.shards)] }

func (s *shard) init() { s.renewals = expiring.New[key, *renewal](maxRenewals, expiring.DropSoonest) }

func (s *shard) get(about key) *renewal {
	there, _ := s.renewals.Get(about)
	return there
}

// arrived notes that a browser has the cookies of a successor, which is kept for the grace from the
// first time on.
func (s *shard) arrived(about key) {
	there := s.get(about)
	if there == nil || !there.succeeded() || there.seen.Swap(true) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.get(about) == there {
		s.renewals.Expire(about, time.Now().Add(grace))
	}
}
