package oxdauth

// What depends on time: locks that are not given back, waits, stragglers.

import (
	"context"
	"errors"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// mapStore is a store in memory whose writes take a while.
type mapStore struct {
	latency time.Duration
	failing atomic.Bool

	mu     sync.Mutex // guards values
	values map[string][]byte
}

func (s *mapStore) Find(key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.values[key]
	return b, ok, s.err()
}

func (s *mapStore) Commit(key string, b []byte, expiry time.Time) error {
	time.Sleep(s.latency)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string][]byte{}
	}
	if s.err() == nil {
		s.values[key] = b
		time.AfterFunc(time.Until(expiry), func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			if string(s.values[key]) == string(b) {
				delete(s.values, key)
			}
		})
	}
	return s.err()
}

func (s *mapStore) Delete(key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return s.err()
}

func (s *mapStore) err() error {
	if s.failing.Load() {
		return errors.New("down")
	}
	return nil
}

func refreshing(f *fakeOxd) {
	f.answer = func(context.Context, int32) (string, error) { return refreshed, nil }
}

// replicasOf gives two middlewares with the same keys, oxd and store.
func replicasOf(t *testing.T, f *fakeOxd, store Store) [2]*Middleware {
	t.Helper()
	key := randomKey()
	var m [2]*Middleware
	for i := range m {
		m[i] = newTestMiddleware(t, f, WithKeys(key), WithStore(store), WithSessionLifetime(12*time.Hour, 12*time.Hour))
	}
	return m
}

func (v *visitor) at(m *Middleware) *visitor {
	twin := v.copy()
	twin.m = m
	return twin
}

func TestAStragglerIsGivenTheSuccessorByAnyReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{}
		refreshing(f)
		m := replicasOf(t, f, &mapStore{})
		v := newVisitor(t, m[0], 100*time.Second)
		old := v.copy()
		time.Sleep(90 * time.Second)
		v.visit() // starts it, in the background
		time.Sleep(time.Second)
		synctest.Wait()
		status, token, cookies := v.visit()
		require.Equal(t, []any{200, "new", 1}, []any{status, token, cookies})
		time.Sleep(2 * time.Minute)
		for _, replica := range m {
			status, token, cookies := old.at(replica).visit()
			assert.Equal(t, []any{200, "new", 1}, []any{status, token, cookies})
		}
		assert.EqualValues(t, 1, f.refreshes.Load())
	})
}

func TestAReplicaThatDiesDuringARefreshHoldsUpTheOthersForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store := &fakeOxd{}, &mapStore{}
		refreshing(f)
		m := replicasOf(t, f, store)
		v := newVisitor(t, m[0], 100*time.Second)
		time.Sleep(90 * time.Second)
		id, _ := m[0].readIdentity(readJar(v.request(), m[0].prefix))
		_, err := m[0].shared.lock(t.Context(), m[0].shared.key(lockKind, id.id))
		require.NoError(t, err)

		start := time.Now()
		status, token, _ := v.at(m[1]).visit()
		assert.Equal(t, []any{200, "old"}, []any{status, token}, "the access token still holds")
		assert.Zero(t, time.Since(start), "so nobody waits")
		time.Sleep(10 * time.Second) // now it has expired
		start = time.Now()
		status, _, _ = v.at(m[1]).visit()
		assert.Equal(t, 200, status, "as during an outage")
		assert.LessOrEqual(t, time.Since(start), refreshTimeout)
		assert.Zero(t, f.refreshes.Load(), "nobody knows whether the other one has used the refresh token")
		time.Sleep(lockTTL)
		_, token, _ = v.at(m[1]).visit()
		assert.Equal(t, "new", token)
	})
}

func TestAMarkerIsALockWhileWritesAreQuick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &mapStore{latency: 49 * time.Millisecond}
		m := replicasOf(t, &fakeOxd{}, store)
		var holders, turns atomic.Int32
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				time.Sleep(time.Duration(i*7) * time.Millisecond)
				unlock, err := m[i%2].shared.lock(t.Context(), "lock")
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
		assert.Empty(t, store.values)
	})
}

func TestASlowStoreMayLetTwoThroughAndTheLaterOneTakesWhatThereIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(_ context.Context, n int32) (string, error) {
			if n == 1 {
				return refreshed, nil
			}
			time.Sleep(time.Second)
			return "error invalid_grant", nil
		}}
		store := &mapStore{latency: 200 * time.Millisecond}
		m := replicasOf(t, f, store)
		v := newVisitor(t, m[0], 100*time.Second)
		time.Sleep(100 * time.Second)
		var wg sync.WaitGroup
		for i, replica := range m {
			wg.Go(func() {
				time.Sleep(time.Duration(i*150) * time.Millisecond)
				status, token, _ := v.at(replica).visit()
				assert.Equal(t, []any{200, "new"}, []any{status, token})
			})
		}
		wg.Wait()
		assert.EqualValues(t, 2, f.refreshes.Load())
	})
}

func TestAStoreThatFailsDuringARefreshIsWaitedFor(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		away  time.Duration
		token string
	}{
		"it comes back in time": {successorWait - time.Second, "new"},
		"it does not":           {successorWait + time.Second, "old"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &mapStore{}
				f := &fakeOxd{answer: func(context.Context, int32) (string, error) {
					store.failing.Store(true)
					time.AfterFunc(tc.away, func() { store.failing.Store(false) })
					return refreshed, nil
				}}
				m := replicasOf(t, f, store)
				v := newVisitor(t, m[0], 100*time.Second)
				time.Sleep(100 * time.Second)
				v.visit()
				time.Sleep(2 * time.Second)
				for _, replica := range m {
					s, err := replica.Authenticate(v.request())
					require.NoError(t, err)
					assert.Equal(t, tc.token, s.AccessToken().Reveal())
				}
				assert.EqualValues(t, 1, f.refreshes.Load())
			})
		})
	}
}

func TestNoTokenIsRefreshedThatCouldNotBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store := &fakeOxd{}, &mapStore{}
		refreshing(f)
		m := replicasOf(t, f, store)
		v := newVisitor(t, m[0], 100*time.Second)
		s, err := m[0].Authenticate(v.request())
		require.NoError(t, err)
		require.Equal(t, "old", s.AccessToken().Reveal(), "its tokens are known")
		store.failing.Store(true)
		_, _, err = await(t, m[0], s.state.identity, s.state.tokens)
		require.ErrorIs(t, err, ErrStore)
		assert.Zero(t, f.refreshes.Load())
	})
}

func TestALogoutOnAnotherReplicaDuringARefreshWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, release := &fakeOxd{}, make(chan struct{})
		f.answer = func(context.Context, int32) (string, error) { <-release; return refreshed, nil }
		m := replicasOf(t, f, &mapStore{})
		v := newVisitor(t, m[0], 100*time.Second)
		time.Sleep(100 * time.Second)
		done := make(chan int)
		go func() { status, _, _ := v.at(m[0]).visit(); done <- status }()
		synctest.Wait()
		id, _ := m[1].readIdentity(readJar(v.request(), m[1].prefix))
		m[1].end(httptest.NewRecorder(), v.request(), nil, id, EndedByLogout)
		close(release)
		assert.Equal(t, 401, <-done)
	})
}

func TestSessionsFromBeforeTheStoreLastUntilTheirRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, key := &fakeOxd{}, randomKey()
		refreshing(f)
		v := newVisitor(t, newTestMiddleware(t, f, WithKeys(key)), 100*time.Second)
		v.m = newTestMiddleware(t, f, WithKeys(key), WithStore(&mapStore{}))
		status, token, _ := v.visit()
		assert.Equal(t, []any{200, ""}, []any{status, token})
		time.Sleep(90 * time.Second)
		status, _, _ = v.visit()
		assert.Equal(t, 401, status)
		assert.Zero(t, f.refreshes.Load())
	})
}
