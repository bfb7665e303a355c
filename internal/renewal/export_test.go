package renewal

// What the tests of this package call by its name.

import (
	"time"

	"example.com/oxdauth/internal/expiring"
	"example.com/oxdauth/internal/flight"
	"example.com/oxdauth/internal/session"
)

const (
	Grace         = grace
	Backoff       = backoff
	LockTTL       = lockTTL
	SuccessorWait = successorWait
	MaxRenewals   = maxRenewals
)

// Fill puts a renewal into the shard of id. It has succeeded if it expires, and is in progress for
// good otherwise.
func (g *Group) Fill(id session.ID, generation uint64, until time.Time) {
	filler := &renewal{Flight: flight.New[Result]()}
	if until != expiring.Forever {
		filler.Finish(Result{Identity: &session.Identity{ID: id, Generation: generation + 1}}, nil)
	}
	g.shard(id).renewals.Put(key{id, generation}, filler, until)
}

// Remembers reports whether a renewal of this session and generation is remembered.
func (g *Group) Remembers(id session.ID, generation uint64) bool {
	return g.shard(id).get(key{id, generation}) != nil
}
