package replica

// A lock that one replica at a time holds.

import (
	"context"
	"crypto/rand"
	"time"
)

const (
	markerSettle = 50 * time.Millisecond  // until a marker is read back; see mark
	markerPoll   = 100 * time.Millisecond // how often the marker of another replica is read
)

// locker is a store that has a lock of its own.
type locker interface {
	Lock(ctx context.Context, key string, ttl time.Duration) (unlock func(), err error)
}

// Lock waits until no replica holds the lock of id, or ctx is done, and takes it for at most ttl.
// It uses the store's own lock if the store has one. Otherwise the lock is exact as long as a
// write is visible to the other replicas within 50 ms, and best effort on a slower store. Without
// a store the lock is free.
func (s *Values) Lock(ctx context.Context, id [16]byte, ttl time.Duration) (unlock func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	key := s.key(lockKind, id)
	if store, ok := s.store.(locker); ok {
		unlock, err = store.Lock(ctx, key, ttl)
	} else {
		unlock, err = s.mark(ctx, key, ttl)
	}
	return unlock, storeError("locking", err)
}

// mark is a lock made of reads and writes alone (Fischer's algorithm). If there is no marker it
// writes one, waits markerSettle for concurrent writers, and reads back: the lock is held if its
// own marker is the one that stayed.
func (s *Values) mark(ctx context.Context, key string, ttl time.Duration) (unlock func(), err error) {
	mine := rand.Text()
	holding := func(ctx context.Context) (held, byMe bool, err error) {
		b, found, err := s.find(ctx, key)
		return found, found && string(b) == mine, err
	}
	for {
		held, _, err := holding(ctx)
		if err != nil {
			return nil, err
		}
		if !held {
			if err := s.commit(ctx, key, []byte(mine), time.Now().Add(ttl)); err != nil {
				return nil, err
			}
			if err := pause(ctx, markerSettle); err != nil {
				return nil, err
			}
			if _, byMe, err := holding(ctx); err != nil {
				return nil, err
			} else if byMe {
				break
			}
		}
		if err := pause(ctx, markerPoll); err != nil {
			return nil, err
		}
	}
	return func() {
		ctx := context.WithoutCancel(ctx)
		if _, byMe, err := holding(ctx); err == nil && byMe {
			_ = s.delete(ctx, key) // it expires otherwise
		}
	}, nil
}

// pause waits for d or until ctx is done, which is an error.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
