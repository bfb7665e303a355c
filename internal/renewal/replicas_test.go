package renewal_test

// Two replicas with one store: one refresh, locks that are not returned, stores that fail. Time is
// simulated.

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/renewal"
	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/replica/replicatest"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

// newReplicas returns two groups with the same oxd, and the store they share.
func newReplicas(t testing.TB, f *fakeOxd, store replica.Store) ([2]*renewal.Group, *replica.Values) {
	t.Helper()
	sealer, err := sealed.NewSealer("oxdauth", "store", "audience", [][]byte{sealed.RandomKey()}, 12*time.Hour)
	require.NoError(t, err)
	values := replica.New(store, sealer, "audience", slog.New(slog.DiscardHandler))
	var groups [2]*renewal.Group
	for i := range groups {
		groups[i] = newGroup(t, f, func(c *renewal.Config) { c.Values, c.Idle = values, 12*time.Hour })
	}
	return groups, values
}

// newStored returns a browser whose tokens are in the store.
func newStored(t testing.TB, g *renewal.Group, values *replica.Values, lifetime time.Duration) *browser {
	t.Helper()
	b := newBrowser(g, lifetime)
	require.NoError(t, values.PutTokens(t.Context(), b.v, b.tokens))
	b.tokens, b.read = nil, values.Tokens
	return b
}

func (b *browser) at(g *renewal.Group) *browser {
	twin := b.copy()
	twin.group = g
	return twin
}

func TestAStragglerGetsTheSuccessorFromAnyReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always(refreshed)}
		g, values := newReplicas(t, f, new(replicatest.Store))
		b := newStored(t, g[0], values, 100*time.Second)
		old := b.copy()
		time.Sleep(90 * time.Second)
		_, err := b.visit() // starts it, in the background
		require.NoError(t, err)
		time.Sleep(time.Second)
		synctest.Wait()
		token, renewed, err := b.visitFor(t.Context())
		require.NoError(t, err)
		require.Equal(t, []any{"new", true}, []any{token, renewed})
		time.Sleep(2 * time.Minute)
		for _, group := range g {
			token, renewed, err := old.at(group).visitFor(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []any{"new", true}, []any{token, renewed})
		}
		assert.EqualValues(t, 1, f.refreshes.Load())
	})
}

func TestTwoReplicasMakeOneRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) {
			time.Sleep(300 * time.Millisecond)
			return refreshed, nil
		}}
		g, values := newReplicas(t, f, new(replicatest.Store))
		b := newStored(t, g[0], values, time.Second)
		time.Sleep(time.Minute)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				token, renewed, err := b.at(g[i%2]).visitFor(t.Context())
				assert.NoError(t, err)
				assert.Equal(t, []any{"new", true}, []any{token, renewed})
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, f.refreshes.Load())
	})
}

func TestAReplicaThatDiesDuringARefreshHoldsUpTheOthersForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always(refreshed)}
		g, values := newReplicas(t, f, new(replicatest.Store))
		b := newStored(t, g[0], values, 100*time.Second)
		time.Sleep(90 * time.Second)
		_, err := values.Lock(t.Context(), b.v.ID, renewal.LockTTL)
		require.NoError(t, err)

		start := time.Now()
		token, err := b.at(g[1]).visit()
		require.NoError(t, err)
		assert.Equal(t, "old", token, "the access token still holds")
		assert.Zero(t, time.Since(start), "so nobody waits")
		time.Sleep(10 * time.Second) // now it has expired
		start = time.Now()
		_, err = b.at(g[1]).visit()
		require.NoError(t, err, "as during an outage")
		assert.LessOrEqual(t, time.Since(start), renewal.Timeout)
		assert.Zero(t, f.refreshes.Load(), "nobody knows whether the other one has used the refresh token")
		time.Sleep(renewal.LockTTL)
		token, err = b.at(g[1]).visit()
		require.NoError(t, err)
		assert.Equal(t, "new", token)
	})
}

func TestARefreshHasItsWholeTimeFromTheLockOn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(ctx context.Context, _ int32) (string, error) {
			time.Sleep(renewal.Timeout - time.Second)
			return refreshed, ctx.Err()
		}}
		g, values := newReplicas(t, f, new(replicatest.Store))
		b := newStored(t, g[0], values, time.Second)
		time.Sleep(time.Minute)
		unlock, err := values.Lock(t.Context(), b.v.ID, renewal.LockTTL)
		require.NoError(t, err)
		time.AfterFunc(10*time.Second, unlock)
		start := time.Now()
		_, err = b.copy().visit()
		require.NoError(t, err)
		assert.Equal(t, renewal.Timeout, time.Since(start), "the request goes on without")
		time.Sleep(renewal.Timeout)
		token, err := b.visit()
		require.NoError(t, err)
		assert.Equal(t, "new", token)
		assert.EqualValues(t, 1, f.refreshes.Load())
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
		g, values := newReplicas(t, f, &replicatest.Store{Latency: 200 * time.Millisecond})
		b := newStored(t, g[0], values, 100*time.Second)
		time.Sleep(100 * time.Second)
		var wg sync.WaitGroup
		for i, group := range g {
			wg.Go(func() {
				time.Sleep(time.Duration(i*150) * time.Millisecond)
				token, err := b.at(group).visit()
				assert.NoError(t, err)
				assert.Equal(t, "new", token)
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
		"it comes back in time": {renewal.SuccessorWait - time.Second, "new"},
		"it does not":           {renewal.SuccessorWait + time.Second, "old"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := new(replicatest.Store)
				f := &fakeOxd{answer: func(context.Context, int32) (string, error) {
					store.Failing.Store(true)
					time.AfterFunc(tc.away, func() { store.Failing.Store(false) })
					return refreshed, nil
				}}
				g, values := newReplicas(t, f, store)
				b := newStored(t, g[0], values, 100*time.Second)
				time.Sleep(100 * time.Second)
				_, _ = b.copy().visit() // reading its tokens fails with the store
				time.Sleep(2 * time.Second)
				for _, group := range g {
					v := b.v
					if newer := group.Successor(v); newer.Identity != nil {
						v = newer.Identity
					}
					_, tokens, err := values.Tokens(t.Context(), v)
					require.NoError(t, err)
					assert.Equal(t, tc.token, tokens.Access)
				}
				assert.EqualValues(t, 1, f.refreshes.Load())
			})
		})
	}
}

func TestNoTokenIsRefreshedThatCouldNotBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store := &fakeOxd{answer: always(refreshed)}, new(replicatest.Store)
		g, values := newReplicas(t, f, store)
		b := newStored(t, g[0], values, 100*time.Second)
		v, tokens, err := values.Tokens(t.Context(), b.v)
		require.NoError(t, err)
		require.Equal(t, "old", tokens.Access, "its tokens are known")
		store.Failing.Store(true)
		_, err = g[0].Refresh(t.Context(), v, tokens)
		require.ErrorIs(t, err, replica.ErrStore)
		assert.Zero(t, f.refreshes.Load())
	})
}

func TestWithoutTokensInTheStoreASessionEndsWhenItIsDue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always(refreshed)}
		g, values := newReplicas(t, f, new(replicatest.Store))
		b := newBrowser(g[0], 100*time.Second) // from before there was a store
		old := b.tokens
		b.tokens, b.read = nil, values.Tokens
		token, err := b.visit()
		require.NoError(t, err)
		assert.Empty(t, token)
		time.Sleep(90 * time.Second)
		_, err = b.visit()
		require.ErrorIs(t, err, renewal.ErrGone)
		_, err = g[0].Refresh(t.Context(), b.v, old)
		require.ErrorIs(t, err, renewal.ErrGone, "as when they vanish while the lock is waited for")
		assert.Zero(t, f.refreshes.Load())
	})
}

func TestWhatAnotherReplicaHasRenewedIsTakenAsItIs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always(refreshed)}
		g, values := newReplicas(t, f, new(replicatest.Store))
		b := newStored(t, g[0], values, 100*time.Second)
		time.Sleep(100 * time.Second)
		_, err := b.copy().visit()
		require.NoError(t, err)
		newer, err := g[1].Renew(t.Context(), b.v, nil, g[1].Due(b.v, time.Now()), values.Tokens)
		require.NoError(t, err)
		require.NotNil(t, newer.Identity)
		assert.EqualValues(t, 1, newer.Identity.Generation)
		assert.Equal(t, "new", newer.Tokens.Access)
		assert.False(t, g[1].Remembers(b.v.ID, 0), "there was nothing to renew")
		assert.EqualValues(t, 1, f.refreshes.Load())
	})
}

func TestARequestGoesOnWhileTheTokensCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store := &fakeOxd{answer: always(refreshed)}, new(replicatest.Store)
		g, values := newReplicas(t, f, store)
		b := newStored(t, g[0], values, time.Second)
		time.Sleep(time.Minute)
		store.Failing.Store(true)
		newer, err := g[0].Renew(t.Context(), b.v, nil, session.Need{Tokens: true, Wait: true}, values.Tokens)
		require.NoError(t, err, "whether it has ended is asked by the caller")
		assert.Zero(t, newer)
		assert.Zero(t, f.refreshes.Load())
	})
}
