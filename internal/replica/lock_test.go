package replica_test

// Locks. Time is simulated.

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/replica/replicatest"
	"example.com/oxdauth/internal/sealed"
)

func TestAMarkerIsALockWhileWritesAreQuick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, key := &replicatest.Store{Latency: 49 * time.Millisecond}, sealed.RandomKey()
		replicas := [2]*replica.Values{newValues(t, store, key), newValues(t, store, key)}
		var holders, turns atomic.Int32
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				time.Sleep(time.Duration(i*7) * time.Millisecond)
				unlock, err := replicas[i%2].Lock(t.Context(), [16]byte{1}, time.Minute)
				if !assert.NoError(t, err) {
					return
				}
				assert.EqualValues(t, 1, holders.Add(1))
				turns.Add(1)
				time.Sleep(30 * time.Millisecond)
				holders.Add(-1)
				unlock()
			})
		}
		wg.Wait()
		assert.EqualValues(t, 12, turns.Load())
		assert.Empty(t, store.Values())
	})
}

func TestALockThatIsNotReturnedExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		values := newValues(t, new(replicatest.Store), sealed.RandomKey())
		_, err := values.Lock(t.Context(), [16]byte{1}, time.Minute)
		require.NoError(t, err)
		_, err = values.Lock(t.Context(), [16]byte{2}, time.Minute)
		require.NoError(t, err, "another one is free")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err = values.Lock(ctx, [16]byte{1}, time.Minute)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, replica.ErrStore)
		time.Sleep(time.Minute)
		unlock, err := values.Lock(t.Context(), [16]byte{1}, time.Minute)
		require.NoError(t, err)
		unlock()
	})
}

func TestUnlockingLeavesALaterLockAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(replicatest.Store)
		values := newValues(t, store, sealed.RandomKey())
		late, err := values.Lock(t.Context(), [16]byte{1}, time.Second)
		require.NoError(t, err)
		time.Sleep(2 * time.Second)
		_, err = values.Lock(t.Context(), [16]byte{1}, time.Minute)
		require.NoError(t, err)
		held := store.Values()
		late()
		assert.Equal(t, held, store.Values())
	})
}

// lockingStore has a lock for all keys.
type lockingStore struct {
	replicatest.Store
	lock chan struct{}
	key  string
	ttl  time.Duration
}

func (s *lockingStore) Lock(ctx context.Context, key string, ttl time.Duration) (func(), error) {
	s.key, s.ttl = key, ttl
	select {
	case s.lock <- struct{}{}:
		return func() { <-s.lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func TestTheLockOfAStoreIsUsed(t *testing.T) {
	t.Parallel()
	store := &lockingStore{lock: make(chan struct{}, 1)}
	values := newValues(t, store, sealed.RandomKey())
	unlock, err := values.Lock(t.Context(), [16]byte{1}, time.Minute)
	require.NoError(t, err)
	assert.Equal(t, values.Key(replica.LockKind, [16]byte{1}), store.key)
	assert.Equal(t, time.Minute, store.ttl)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = values.Lock(ctx, [16]byte{1}, time.Minute)
	require.ErrorIs(t, err, replica.ErrStore)
	unlock()
	unlock, err = values.Lock(t.Context(), [16]byte{1}, time.Minute)
	require.NoError(t, err)
	unlock()
	assert.Zero(t, store.Writes.Load(), "no marker is written")
}
