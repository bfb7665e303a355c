package redisstore_test

// The store by itself.

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/redisstore"
)

func TestAValueIsFoundUntilItIsDeletedOrExpires(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	store := redisstore.New(srv.client)
	_, found, err := store.Find("k")
	require.NoError(t, err, "what is not there is no error")
	assert.False(t, found)
	require.NoError(t, store.Delete("k"))

	require.NoError(t, store.Commit("k", []byte("one"), time.Now().Add(time.Hour)))
	require.NoError(t, store.Commit("k", []byte{0, 0xff}, time.Now().Add(time.Hour)))
	b, found, err := store.Find("k")
	require.NoError(t, err)
	assert.True(t, found)
	assert.Equal(t, []byte{0, 0xff}, b, "the last one, byte by byte")
	ttl, err := srv.client.PTTL(t.Context(), "k").Result()
	require.NoError(t, err)
	assert.LessOrEqual(t, ttl, time.Hour)
	assert.Greater(t, ttl, 50*time.Minute)

	require.NoError(t, store.Delete("k"))
	_, found, err = store.Find("k")
	require.NoError(t, err)
	assert.False(t, found)

	for _, expiry := range []time.Time{{}, time.Now().Add(-time.Hour), time.Now()} {
		require.NoError(t, store.Commit("k", []byte("late"), expiry))
		_, found, err = store.Find("k")
		require.NoError(t, err)
		assert.False(t, found, "committed with an expiry that has passed")
	}
}

func TestALockIsHeldByOneAtATime(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	stores := []*redisstore.Store{redisstore.New(srv.client), redisstore.New(srv.newClient())}
	var holders, most, turns atomic.Int32
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			unlock, err := stores[i%2].Lock(t.Context(), "lock", time.Minute)
			if !assert.NoError(t, err) {
				return
			}
			most.Store(max(most.Load(), holders.Add(1)))
			assert.NoError(t, srv.client.Ping(t.Context()).Err())
			turns.Add(1)
			holders.Add(-1)
			unlock()
		})
	}
	wg.Wait()
	assert.EqualValues(t, 20, turns.Load())
	assert.EqualValues(t, 1, most.Load())
	assert.Empty(t, srv.dump(), "every lock was given back")
}

func TestALockThatWasLostIsNotTakenFromTheNextHolder(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	store := redisstore.New(srv.client)
	unlockFirst, err := store.Lock(t.Context(), "lock", 20*time.Millisecond) // and no longer
	require.NoError(t, err)
	unlockSecond, err := store.Lock(t.Context(), "lock", time.Minute)
	require.NoError(t, err, "the lock of who does not give it back ends by itself")
	unlockFirst()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = store.Lock(ctx, "lock", time.Minute)
	require.ErrorIs(t, err, context.DeadlineExceeded, "the second one still has it, and waiting for it is bounded")
	unlockSecond()
	assert.Empty(t, srv.dump())
}

func TestALockIsGivenBackAfterItsRequestHasGoneAway(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	unlock, err := redisstore.New(srv.client).Lock(ctx, "lock", time.Minute)
	require.NoError(t, err)
	cancel()
	unlock()
	assert.Empty(t, srv.dump())
}

func TestWithoutRedisEverythingIsAnError(t *testing.T) {
	t.Parallel()
	srv := newServer(t)
	store := redisstore.New(srv.client)
	srv.stop()
	_, found, err := store.Find("k")
	assert.Error(t, err)
	assert.False(t, found)
	assert.Error(t, store.Commit("k", []byte("v"), time.Now().Add(time.Hour)))
	assert.Error(t, store.Delete("k"))
	_, err = store.Lock(t.Context(), "lock", time.Minute)
	assert.Error(t, err)
}
