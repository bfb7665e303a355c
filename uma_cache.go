package oxdauth

// The cache of grants, off by default, and the joining of equal questions. Neither ever holds anything but a grant: each
// denial has to come with a ticket of its own.

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"example.com/oxdauth/oxd"
)

// grantKey is a hash over all that a grant depends on.
type grantKey [sha256.Size]byte

// newGrantKey prefixes each part with its length, so that no two lists of parts are alike.
func newGrantKey(parts ...string) grantKey {
	b := append(make([]byte, 0, 512), "oxdauth grant 1"...) // on the stack, unless an RPT is long
	for _, part := range parts {
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
	}
	return sha256.Sum256(b)
}

// grantCache is bounded, the least recently used grant going first. It is safe for concurrent use.
type grantCache struct {
	maxTTL time.Duration
	shards []grantShard // by the first byte of the key: requests with different RPTs rarely meet
}

// grantShard is one of several lists, unless the cache is small.
type grantShard struct {
	size int

	mu      sync.Mutex // guards the rest; never held while oxd is asked
	entries map[grantKey]*list.Element
	recent  list.List // of *grant, the latest in front
	purges  int
	flights map[grantKey]*grantFlight
}

type grant struct {
	key     grantKey
	expires time.Time // monotonic: setting the clock changes nothing

	fingerprint string // of the RPT, which costs more than the rest of a hit
}

// grantFlight is a question under way until done is closed; v is written before.
type grantFlight struct {
	done chan struct{}
	v    verdict
}

func newGrantCache(size int, maxTTL time.Duration) *grantCache {
	c := &grantCache{maxTTL: maxTTL, shards: make([]grantShard, min(max(size/64, 1), 16))}
	for i := range c.shards {
		c.shards[i] = grantShard{size: size / len(c.shards), entries: map[grantKey]*list.Element{}, flights: map[grantKey]*grantFlight{}}
	}
	return c
}

func (c *grantCache) shard(key grantKey) *grantShard { return &c.shards[int(key[0])%len(c.shards)] }

// hitLocked gives a live grant or nil. Using it does not extend it.
func (c *grantShard) hitLocked(key grantKey, now time.Time) *grant {
	e, ok := c.entries[key]
	if !ok {
		return nil
	}
	found := e.Value.(*grant)
	if !now.Before(found.expires) {
		c.dropLocked(e)
		return nil
	}
	c.recent.MoveToFront(e)
	return found
}

func (c *grantShard) dropLocked(e *list.Element) {
	c.recent.Remove(e)
	delete(c.entries, e.Value.(*grant).key)
}

func (c *grantShard) addLocked(added grant) {
	if e, ok := c.entries[added.key]; ok {
		c.dropLocked(e)
	}
	c.entries[added.key] = c.recent.PushFront(&added)
	for len(c.entries) > c.size {
		c.dropLocked(c.recent.Back())
	}
}

// purge forgets all grants, and those under way. A nil cache has none.
func (c *grantCache) purge() {
	if c == nil {
		return
	}
	for i := range c.shards {
		c.shards[i].purge()
	}
}

func (c *grantShard) purge() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.entries)
	clear(c.flights)
	c.recent.Init()
	c.purges++
}

// Purge forgets all cached grants, so that each RPT is checked by oxd again.
func (g *Guard) Purge() { g.cache.purge() }

// askCached answers from the cache, joins an equal question, or asks. Only a grant is shared: who waits for anything else
// asks on their own, because a ticket is for one client.
func (g *Guard) askCached(ctx context.Context, rt *route, rpt string, started time.Time) verdict {
	key := newGrantKey(string(rt.protected.Load()[:]), rpt)
	c := g.cache.shard(key)
	c.mu.Lock()
	if found := c.hitLocked(key, started); found != nil {
		c.mu.Unlock()
		return verdict{outcome: Granted, cached: true, fingerprint: found.fingerprint}
	}
	if other := c.flights[key]; other != nil {
		c.mu.Unlock()
		select {
		case <-other.done:
			if other.v.outcome == Granted {
				return verdict{outcome: Granted, cached: true}
			}
			return g.question(ctx, rt, rpt)
		case <-ctx.Done():
			return verdict{outcome: Unavailable, reason: "the client has gone away"}
		}
	}
	mine, purges := &grantFlight{done: make(chan struct{}), v: verdict{outcome: Unavailable}}, c.purges
	c.flights[key] = mine
	c.mu.Unlock()
	expires := grantExpiry(rpt, started, g.cache.maxTTL)
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.flights[key] == mine {
			delete(c.flights, key)
		}
		if mine.v.outcome == Granted && c.purges == purges && started.Before(expires) {
			c.addLocked(grant{key, expires, g.fingerprint(rpt)})
		}
		close(mine.done)
	}()
	mine.v = g.question(ctx, rt, rpt)
	if mine.v.outcome == Granted {
		expires = g.introspectedExpiry(ctx, rpt, expires)
	}
	return mine.v
}

// introspectedExpiry ends a grant with the RPT and each of its permissions, where oxd can say when that is (introspect_rpt,
// oxd 3.1.2 and later). If it could and does not, the grant is not kept.
func (g *Guard) introspectedExpiry(ctx context.Context, rpt string, expires time.Time) time.Time {
	if g.noIntrospection.Load() {
		return expires
	}
	var about *oxd.RPTIntrospection
	err := g.call(ctx, func(ctx context.Context) (err error) {
		about, err = g.client.IntrospectRPT(ctx, oxd.NewSecret(rpt))
		return err
	})
	switch {
	case errors.Is(err, oxd.ErrUnsupported):
		g.noIntrospection.Store(true)
		return expires
	case err != nil || !about.Active:
		return time.Time{}
	}
	ends := []time.Time{about.ExpiresAt}
	for _, permission := range about.Permissions {
		ends = append(ends, permission.ExpiresAt)
	}
	now := time.Now()
	for _, end := range ends {
		if left := now.Add(time.Until(end) - maxClockSkew); !end.IsZero() && left.Before(expires) {
			expires = left
		}
	}
	return expires
}

const maxClockSkew = 5 * time.Second

// grantExpiry counts from before oxd was asked. The exp of an RPT that is a JWT is not verified, and only ever shortens.
func grantExpiry(rpt string, now time.Time, maxTTL time.Duration) time.Time {
	parts := strings.Split(rpt, ".")
	if len(parts) != 3 {
		return now.Add(maxTTL)
	}
	var claims struct {
		Exp *float64 `json:"exp"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil || claims.Exp == nil {
		return now.Add(maxTTL)
	}
	left := min(*claims.Exp-float64(now.Unix())-maxClockSkew.Seconds(), maxTTL.Seconds())
	return now.Add(time.Duration(left * float64(time.Second)))
}
