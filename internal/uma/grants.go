package uma

// The cache of grants and the joining of equal questions. Neither ever holds anything but a grant:
// each denial has to come with a ticket of its own.

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"time"

	"example.com/oxdauth/internal/flight"
)

// grantKey is a hash over all that a grant depends on.
type grantKey [sha256.Size]byte

// newGrantKey prefixes each part with its length, so that different lists of parts have different
// keys.
func newGrantKey(parts ...string) grantKey {
	b := append(make([]byte, 0, 512), "oxdauth grant 1"...) // on the stack, unless an RPT is long
	for _, part := range parts {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return sha256.Sum256(b)
}

// Grants keeps grants for a limited time and joins equal questions. It is bounded; the grant that
// was not used for the longest time goes first. A nil *Grants keeps and joins nothing. It is safe
// for concurrent use.
type Grants struct {
	asker           *Asker
	maxTTL          time.Duration
	fingerprint     func(RPT) string
	shards          []grantShard // by the first byte of the key, so that callers rarely meet
	noIntrospection atomic.Bool  // oxd does not have introspect_rpt
}

// grantShard is one of several lists; a small cache has one.
type grantShard struct {
	size int

	mu      sync.Mutex // guards the rest; never held while oxd is asked
	entries map[grantKey]*list.Element
	recent  list.List // of *grant, the latest in front
	purges  int
	flights map[grantKey]*flight.Flight[bool] // questions under way; true: granted
}

type grant struct {
	key     grantKey
	expires time.Time // monotonic: setting the clock changes nothing

	fingerprint string // of the RPT; computing it would cost more than the rest of a hit
}

// NewGrants returns an empty cache for the given number of grants, at least 1, of about 200 bytes
// each. A grant is kept for at most maxTTL. fingerprint is called once for each grant that is
// kept; it must be safe for concurrent use.
func NewGrants(asker *Asker, entries int, maxTTL time.Duration, fingerprint func(RPT) string) *Grants {
	g := &Grants{asker: asker, maxTTL: maxTTL, fingerprint: fingerprint, shards: make([]grantShard, min(max(entries/64, 1), 16))}
	for i := range g.shards {
		g.shards[i] = grantShard{
			size: entries / len(g.shards), entries: map[grantKey]*list.Element{}, flights: map[grantKey]*flight.Flight[bool]{},
		}
	}
	return g
}

// Do answers a question from the cache, joins an equal question that is under way, or calls ask,
// which asks oxd and reports whether access was granted. now is the time before.
//
// If shared is true, access is granted and ask was not called; fingerprint is that of the RPT, or
// "" if it is not at hand. If shared is false and err is nil, ask was called once and its outcome
// is the answer. That includes a caller that has waited for an equal question which was not
// granted, because a ticket is for one client. err is the error of ctx, which ended while the
// caller waited.
//
// Questions without RPT, or about a resource that is not protected, are never kept or joined.
func (g *Grants) Do(ctx context.Context, r *Resource, rpt RPT, now time.Time, ask func() (granted bool)) (shared bool, fingerprint string, err error) {
	registered := r.protected.Load()
	if g == nil || rpt.IsZero() || registered == nil {
		ask()
		return false, "", nil
	}
	key := newGrantKey(string(registered[:]), rpt.token)
	s := g.shard(key)
	s.mu.Lock()
	if found := s.hitLocked(key, now); found != nil {
		s.mu.Unlock()
		return true, found.fingerprint, nil
	}
	if other := s.flights[key]; other != nil {
		s.mu.Unlock()
		granted, err := other.Wait(ctx)
		if err == nil && !granted {
			ask()
		}
		return granted, "", err
	}
	mine, purges := flight.New[bool](), s.purges
	s.flights[key] = mine
	s.mu.Unlock()
	g.lead(ctx, s, mine, purges, key, rpt, now, ask)
	return false, "", nil
}

// lead asks a question that others may join, and keeps a grant unless there was a purge since.
func (g *Grants) lead(ctx context.Context, s *grantShard, mine *flight.Flight[bool], purges int, key grantKey, rpt RPT, now time.Time, ask func() bool) {
	granted, expires := false, time.Time{}
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.flights[key] == mine {
			delete(s.flights, key)
		}
		if granted && s.purges == purges && now.Before(expires) {
			s.addLocked(grant{key, expires, g.fingerprint(rpt)})
		}
		mine.Finish(granted, nil)
	}()
	if granted = ask(); granted {
		expires = g.introspectedExpiry(ctx, rpt, jwtExpiry(rpt, now, g.maxTTL))
	}
}

// Purge forgets all grants. Questions under way are answered, but not kept.
func (g *Grants) Purge() {
	if g == nil {
		return
	}
	for i := range g.shards {
		g.shards[i].purge()
	}
}

func (g *Grants) shard(key grantKey) *grantShard { return &g.shards[int(key[0])%len(g.shards)] }

// hitLocked returns a live grant or nil. Using a grant does not extend it.
func (s *grantShard) hitLocked(key grantKey, now time.Time) *grant {
	e, ok := s.entries[key]
	if !ok {
		return nil
	}
	found := e.Value.(*grant)
	if !now.Before(found.expires) {
		s.dropLocked(e)
		return nil
	}
	s.recent.MoveToFront(e)
	return found
}

func (s *grantShard) dropLocked(e *list.Element) {
	s.recent.Remove(e)
	delete(s.entries, e.Value.(*grant).key)
}

// addLocked keeps a grant that is not there: a question is only asked for want of one.
func (s *grantShard) addLocked(added grant) {
	s.entries[added.key] = s.recent.PushFront(&added)
	for len(s.entries) > s.size {
		s.dropLocked(s.recent.Back())
	}
}

func (s *grantShard) purge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.entries)
	clear(s.flights)
	s.recent.Init()
	s.purges++
}
