package oxdauth_test

// Two replicas with one store, in simulated time: stragglers, replicas that die, stores that are
// slow or fail, and what ends everywhere. What the store holds is tested in internal/replica.

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/internal/renewal"
	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/replica/replicatest"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

const (
	refreshLock   = 30 * time.Second // for which a replica that has died holds up the others
	successorWait = 10 * time.Second // for a store that has failed during a refresh
	groupPause    = 5 * time.Second  // how long an answer of the store about a user is used
)

// pair is two replicas with the same keys, oxd and store.
type pair struct {
	key []byte
	m   [2]*oxdauth.Middleware
}

func newPair(t testing.TB, f *fakeOxd, store oxdauth.Store) pair {
	t.Helper()
	p := pair{key: sealed.RandomKey()}
	for i := range p.m {
		p.m[i] = newAuth(t, f, oxdauth.WithKeys(p.key), oxdauth.WithStore(store), oxdauth.WithSessionLifetime(12*time.Hour, 12*time.Hour))
	}
	return p
}

// identityOf opens the identity cookie of a visitor.
func identityOf(v *visitor, key []byte) *session.Identity {
	v.t.Helper()
	identity, cookie := new(session.Identity), newCookie(v.t, "", "identity", key)
	_, err := cookie.Open(nil, v.jar[cookie.Name()], identity)
	require.NoError(v.t, err)
	return identity
}

func TestAStragglerGetsTheSuccessorFromAnyReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always(refreshed)}
		p := newPair(t, f, new(replicatest.Store))
		v := newVisitor(t, p.m[0], f, 100*time.Second)
		old := v.copy()
		time.Sleep(90 * time.Second)
		v.visit() // starts it, in the background
		time.Sleep(time.Second)
		synctest.Wait()
		status, token, cookies := v.visit()
		require.Equal(t, []any{http.StatusOK, "new", 1}, []any{status, token, cookies})
		time.Sleep(2 * time.Minute)
		for _, m := range p.m {
			status, token, cookies := old.at(m).visit()
			assert.Equal(t, []any{http.StatusOK, "new", 1}, []any{status, token, cookies})
		}
		assert.EqualValues(t, 1, f.refreshes.Load())
	})
}

func TestAReplicaThatDiesDuringARefreshHoldsUpTheOthersForAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store := &fakeOxd{answer: always(refreshed)}, new(replicatest.Store)
		p := newPair(t, f, store)
		v := newVisitor(t, p.m[0], f, 100*time.Second)
		time.Sleep(90 * time.Second)
		dying := replica.New(store, nil, visitAudience(t), slog.New(slog.DiscardHandler))
		_, err := dying.Lock(t.Context(), identityOf(v, p.key).ID, refreshLock)
		require.NoError(t, err)

		start := time.Now()
		status, token, _ := v.at(p.m[1]).visit()
		assert.Equal(t, []any{http.StatusOK, "old"}, []any{status, token}, "the access token still holds")
		assert.Zero(t, time.Since(start), "so nobody waits")
		time.Sleep(10 * time.Second) // now it has expired
		start = time.Now()
		status, _, _ = v.at(p.m[1]).visit()
		assert.Equal(t, http.StatusOK, status, "as during an outage")
		assert.LessOrEqual(t, time.Since(start), renewal.Timeout)
		assert.Zero(t, f.refreshes.Load(), "nobody knows whether the other one has used the refresh token")
		time.Sleep(refreshLock)
		_, token, _ = v.at(p.m[1]).visit()
		assert.Equal(t, "new", token)
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
		p := newPair(t, f, &replicatest.Store{Latency: 200 * time.Millisecond})
		v := newVisitor(t, p.m[0], f, 100*time.Second)
		time.Sleep(100 * time.Second)
		var wg sync.WaitGroup
		for i, m := range p.m {
			wg.Go(func() {
				time.Sleep(time.Duration(i*150) * time.Millisecond)
				status, token, _ := v.at(m).visit()
				assert.Equal(t, []any{http.StatusOK, "new"}, []any{status, token})
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
				store := new(replicatest.Store)
				f := &fakeOxd{answer: func(context.Context, int32) (string, error) {
					store.Failing.Store(true)
					time.AfterFunc(tc.away, func() { store.Failing.Store(false) })
					return refreshed, nil
				}}
				p := newPair(t, f, store)
				v := newVisitor(t, p.m[0], f, 100*time.Second)
				time.Sleep(100 * time.Second)
				v.visit()
				time.Sleep(2 * time.Second)
				for _, m := range p.m {
					assert.Equal(t, tc.token, v.at(m).session().AccessToken().Reveal())
				}
				assert.EqualValues(t, 1, f.refreshes.Load())
			})
		})
	}
}

// readOnlyStore fails at writes alone, once it is told to.
type readOnlyStore struct {
	replicatest.Store
	readOnly bool
}

func (s *readOnlyStore) Commit(key string, b []byte, expiry time.Time) error {
	if s.readOnly {
		return replicatest.ErrDown
	}
	return s.Store.Commit(key, b, expiry)
}

func TestNoTokenIsRefreshedThatCouldNotBeStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store := &fakeOxd{answer: always(refreshed)}, new(readOnlyStore)
		p := newPair(t, f, store)
		v := newVisitor(t, p.m[0], f, 100*time.Second)
		require.Equal(t, "old", v.session().AccessToken().Reveal())
		store.readOnly = true
		_, err := p.m[0].Refresh(httptest.NewRecorder(), v.request())
		require.ErrorIs(t, err, oxdauth.ErrStore)
		store.Failing.Store(true)
		_, err = p.m[0].Refresh(httptest.NewRecorder(), v.request())
		require.ErrorIs(t, err, oxdauth.ErrStore)
		assert.Zero(t, f.refreshes.Load())
	})
}

func TestALogoutOnAnotherReplicaDuringARefreshWins(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		after time.Duration
		calls int32 // of oxd by then
	}{
		"while the lock is taken": {0, 0},
		"while oxd is asked":      {time.Second, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				release := make(chan struct{})
				f := &fakeOxd{answer: func(context.Context, int32) (string, error) { <-release; return refreshed, nil }}
				p := newPair(t, f, new(replicatest.Store))
				v := newVisitor(t, p.m[0], f, 100*time.Second)
				time.Sleep(100 * time.Second)
				done := make(chan int)
				go func() { done <- v.at(p.m[0]).status() }()
				time.Sleep(tc.after)
				synctest.Wait()
				assert.Equal(t, tc.calls, f.refreshes.Load())
				v.at(p.m[1]).signOut()
				close(release)
				assert.Equal(t, http.StatusUnauthorized, <-done)
				for _, m := range p.m {
					assert.Equal(t, http.StatusUnauthorized, v.at(m).status())
				}
			})
		})
	}
}

func TestSessionsFromBeforeTheStoreLastUntilTheirRefresh(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, key := &fakeOxd{answer: always(refreshed)}, sealed.RandomKey()
		v := newVisitor(t, newAuth(t, f, oxdauth.WithKeys(key)), f, 100*time.Second)
		v.m = newAuth(t, f, oxdauth.WithKeys(key), oxdauth.WithStore(new(replicatest.Store)))
		status, token, _ := v.visit()
		assert.Equal(t, []any{http.StatusOK, ""}, []any{status, token})
		time.Sleep(90 * time.Second)
		status, _, _ = v.visit()
		assert.Equal(t, http.StatusUnauthorized, status)
		assert.Zero(t, f.refreshes.Load())
	})
}

func TestARevokedUserIsGoneFromEveryReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store := &fakeOxd{}, new(replicatest.Store)
		p := newPair(t, f, store)
		v := newVisitor(t, p.m[0], f, 0)
		require.Equal(t, http.StatusOK, v.at(p.m[1]).status(), "which knows now that nobody has ended it")
		time.Sleep(time.Second)
		require.NoError(t, p.m[0].RevokeSubject(t.Context(), visitIssuer, "bob"))
		require.NoError(t, p.m[0].RevokeSubject(t.Context(), visitIssuer, "alice"))
		assert.Equal(t, http.StatusUnauthorized, v.at(p.m[0]).status(), "at once")
		time.Sleep(groupPause)
		assert.Equal(t, http.StatusUnauthorized, v.at(p.m[1]).status(), "within the pause")

		again := newVisitor(t, p.m[1], f, 0)
		for _, m := range p.m {
			assert.Equal(t, http.StatusOK, again.at(m).status(), "signed in again")
		}
		time.Sleep(12*time.Hour - groupPause - 2*time.Second)
		assert.Equal(t, http.StatusUnauthorized, v.at(p.m[1]).status(), "to the end of the absolute lifetime")
		time.Sleep(10 * time.Second)
		for key := range store.Values() {
			assert.NotContains(t, key, ":group:", "and no longer")
		}
	})
}

func TestARevocationSurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store, key := &fakeOxd{}, new(replicatest.Store), sealed.RandomKey()
		before := newAuth(t, f, oxdauth.WithKeys(key), oxdauth.WithStore(store))
		v := newVisitor(t, before, f, 0)
		require.NoError(t, before.RevokeSubject(t.Context(), visitIssuer, "alice"))
		after := newAuth(t, f, oxdauth.WithKeys(sealed.RandomKey(), key), oxdauth.WithStore(store))
		assert.Equal(t, http.StatusUnauthorized, v.at(after).status(), "with new keys as well")
	})
}

func TestARevocationWhileTheStoreFailsIsWrittenLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store := &fakeOxd{}, new(replicatest.Store)
		p := newPair(t, f, store)
		v, other := newVisitor(t, p.m[0], f, 0), newVisitor(t, p.m[0], f, 0)
		store.Failing.Store(true)
		require.ErrorIs(t, p.m[0].RevokeSubject(t.Context(), visitIssuer, "alice"), oxdauth.ErrStore)
		store.Failing.Store(false)
		time.Sleep(time.Second)
		assert.Equal(t, http.StatusUnauthorized, other.at(p.m[0]).status())
		assert.Equal(t, http.StatusOK, v.at(p.m[1]).status(), "nobody has told it")
		time.Sleep(time.Second)
		require.Equal(t, http.StatusOK, newVisitor(t, p.m[0], f, 0).status(), "which also writes to the store")
		time.Sleep(groupPause)
		assert.Equal(t, http.StatusUnauthorized, v.at(p.m[1]).status())
	})
}

func TestWhatASessionLeavesInTheStoreNamesNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store := &fakeOxd{}, new(replicatest.Store)
		p := newPair(t, f, store)
		login := visitLogin{lifetime: time.Hour, claims: map[string][]string{"sid": {"sid-secret"}}}
		v, ended := newVisitorOf(t, p.m[0], f, login), newVisitorOf(t, p.m[0], f, login)
		ended.signOut()
		require.NoError(t, p.m[0].RevokeSubject(t.Context(), visitIssuer, "bob"))

		identity := identityOf(v, p.key)
		held := store.Values()
		require.Len(t, held, 4, "the tokens of one session, the sid, the end of the other one, and the end of a user")
		for key, value := range held {
			assert.Regexp(t, `^[A-Za-z0-9_:-]{1,64}$`, key)
			inner := value[strings.IndexByte(string(value), '.')+1:]
			outer, _ := base64.URLEncoding.DecodeString(string(inner))
			for _, layer := range []string{key, string(value), string(outer)} {
				for _, secret := range []string{
					"secret", "alice", "bob", "first", string(identity.ID[:]), hex.EncodeToString(identity.ID[:]),
					base64.RawURLEncoding.EncodeToString(identity.ID[:]),
				} {
					assert.NotContains(t, layer, secret)
				}
			}
		}
		var tokens string
		for key := range held {
			if strings.Contains(key, ":tokens:") {
				tokens = key
			}
		}
		good := held[tokens]
		assert.Equal(t, "old", v.session().AccessToken().Reveal())
		for name, value := range map[string][]byte{"garbage": []byte("x"), "nothing": nil, "a changed one": good[:len(good)-9]} {
			store.Set(tokens, value)
			assert.True(t, v.session().AccessToken().IsZero(), name)
			assert.Equal(t, http.StatusOK, v.status(), name)
		}
	})
}
