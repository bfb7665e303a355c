// Package redisstore keeps what oxdauth shares between replicas in Redis or Valkey:
//
//	store := redisstore.New(redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"}))
//	auth, err := oxdauth.New(client, callback, oxdauth.WithKeys(key), oxdauth.WithStore(store))
//
// [oxdauth.WithStore] says what is stored, what it costs, and what happens while Redis is away.
// Redis has to write to disk, or a restart forgets which sessions have ended, and to evict nothing
// (maxmemory-policy noeviction), for the same reason. Reads have to go to the primary, which is the
// default of go-redis.
package redisstore

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"example.com/oxdauth"
)

var (
	_ oxdauth.ContextStore = (*Store)(nil)
	_ oxdauth.Locker       = (*Store)(nil)
)

const (
	callTimeout = 3 * time.Second       // of calls that come without a context
	lockPoll    = 30 * time.Millisecond // how often a lock that is taken is tried again
)

// Store is an [oxdauth.ContextStore] and an [oxdauth.Locker]. It is safe for concurrent use.
type Store struct{ client redis.UniversalClient }

// New makes a store of a client, which stays the caller's to configure and to close. Redis is not
// contacted, so it may start later.
func New(client redis.UniversalClient) *Store { return &Store{client} }

// FindCtx returns the value of a key.
func (s *Store) FindCtx(ctx context.Context, key string) (b []byte, found bool, err error) {
	b, err = s.client.Get(ctx, key).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// CommitCtx sets the value of a key until expiry, which is counted from now on the clock of Redis.
func (s *Store) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	ttl := time.Until(expiry)
	if ttl < time.Millisecond { // zero would be for ever
		return s.DeleteCtx(ctx, key)
	}
	return s.client.Set(ctx, key, b, ttl).Err()
}

// DeleteCtx removes a key.
func (s *Store) DeleteCtx(ctx context.Context, key string) error { return s.client.Del(ctx, key).Err() }

// Find is FindCtx within three seconds.
func (s *Store) Find(key string) (b []byte, found bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return s.FindCtx(ctx, key)
}

// Commit is CommitCtx within three seconds.
func (s *Store) Commit(key string, b []byte, expiry time.Time) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return s.CommitCtx(ctx, key, b, expiry)
}

// Delete is DeleteCtx within three seconds.
func (s *Store) Delete(key string) error {
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	return s.DeleteCtx(ctx, key)
}

// acquire takes a lock that is free. A lock this owner has already is taken too: go-redis repeats a
// command whose answer was lost.
var acquire = redis.NewScript(`
if redis.call("set", KEYS[1], ARGV[1], "nx", "px", ARGV[2]) or redis.call("get", KEYS[1]) == ARGV[1] then return 1 end
return 0`)

// release gives back this owner's lock and nobody else's.
var release = redis.NewScript(`
if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) end
return 0`)

// Lock waits for the lock of a key and takes it for at most ttl. Errors are those of Redis and of
// ctx. It is a lock of one primary: a failover to a replica that had not heard of it loses it.
func (s *Store) Lock(ctx context.Context, key string, ttl time.Duration) (unlock func(), err error) {
	owner := rand.Text()
	wait := time.NewTicker(lockPoll)
	defer wait.Stop()
	for {
		taken, err := acquire.Run(ctx, s.client, []string{key}, owner, ttl.Milliseconds()).Bool()
		if err != nil {
			return nil, err
		}
		if taken {
			return func() { s.unlock(ctx, key, owner) }, nil
		}
		select {
		case <-wait.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (s *Store) unlock(ctx context.Context, key, owner string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	_ = release.Run(ctx, s.client, []string{key}, owner).Err() // it ends by itself with its ttl
}
