package ended_test

// What has ended on several replicas with one store. Time is simulated.

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/ended"
	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/replica/replicatest"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

func newValues(t testing.TB, store replica.Store, secrets ...[]byte) *replica.Values {
	t.Helper()
	sealer, err := sealed.NewSealer("oxdauth", "store", "audience", secrets, lifetime)
	require.NoError(t, err)
	return replica.New(store, sealer, "audience", slog.New(slog.DiscardHandler))
}

func newReplica(values *replica.Values) *ended.Registry {
	return ended.New(ended.Config{Values: values, Lifetime: lifetime, Logger: slog.New(slog.DiscardHandler)})
}

// newReplicas returns two registries with one store.
func newReplicas(t testing.TB, store replica.Store) [2]*ended.Registry {
	t.Helper()
	values := newValues(t, store, sealed.RandomKey())
	return [2]*ended.Registry{newReplica(values), newReplica(values)}
}

func hasEnded(t testing.TB, r *ended.Registry, v *session.Identity) bool {
	t.Helper()
	has, err := r.Check(t.Context(), v)
	require.NoError(t, err)
	return has
}

// countKind returns how many values of a kind the store holds.
func countKind(store *replicatest.Store, kind replica.Kind) (n int) {
	for key := range store.Values() {
		if strings.Contains(key, ":"+string(kind)+":") {
			n++
		}
	}
	return n
}

func TestAnEndedSessionHasEndedOnEveryReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(replicatest.Store)
		values := newValues(t, store, sealed.RandomKey())
		r := [2]*ended.Registry{newReplica(values), newReplica(values)}
		v, other := newSession(""), newSession("")
		for _, v := range []*session.Identity{v, other} {
			require.NoError(t, values.PutTokens(t.Context(), v, &session.Tokens{ID: v.ID}))
			require.NoError(t, values.PutRPTs(t.Context(), v, session.RPTs{PCT: "p"}))
		}
		assert.True(t, r[0].End(t.Context(), v))
		assert.False(t, r[1].Has(v), "as far as it knows by itself")
		for _, replica := range r {
			assert.True(t, hasEnded(t, replica, v))
			assert.False(t, hasEnded(t, replica, other))
		}
		assert.Len(t, store.Values(), 1+2, "what an ended session had is not kept")
		time.Sleep(lifetime + time.Second)
		assert.Empty(t, store.Values())
	})
}

func TestAnEndedUserIsGoneFromEveryReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(replicatest.Store)
		r := newReplicas(t, store)
		v := newSession("")
		require.False(t, hasEnded(t, r[1], v), "which knows now that nobody has ended it")
		time.Sleep(time.Second)
		r[0].EndGroup(t.Context(), session.GroupOfSubject(issuer, "bob"))
		r[0].EndGroup(t.Context(), session.GroupOfSubject(issuer, "alice"))
		assert.True(t, r[0].Has(v), "at once")
		time.Sleep(ended.GroupPause)
		assert.True(t, hasEnded(t, r[1], v), "within the pause")

		again := newSession("")
		for _, replica := range r {
			assert.False(t, hasEnded(t, replica, again), "signed in again")
		}
		time.Sleep(lifetime - ended.GroupPause - 2*time.Second)
		assert.True(t, hasEnded(t, r[1], v), "to the end of the absolute lifetime")
		time.Sleep(10 * time.Second)
		assert.Zero(t, countKind(store, replica.Group), "and no longer")
	})
}

func TestAnEndSurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store, key := new(replicatest.Store), sealed.RandomKey()
		v := newSession("")
		newReplica(newValues(t, store, key)).EndGroup(t.Context(), session.GroupOfSubject(issuer, "alice"))
		after := newReplica(newValues(t, store, sealed.RandomKey(), key))
		assert.True(t, hasEnded(t, after, v), "with new keys as well")
	})
}

func TestAnEndWhileTheStoreFailsIsWrittenLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(replicatest.Store)
		r := newReplicas(t, store)
		v, other, single := newSession(""), newSession(""), newSession("")
		store.Failing.Store(true)
		r[0].EndGroup(t.Context(), session.GroupOfSubject(issuer, "alice"))
		r[0].End(t.Context(), single)
		store.Failing.Store(false)
		time.Sleep(time.Second)
		assert.True(t, hasEnded(t, r[0], other))
		assert.False(t, hasEnded(t, r[1], v), "nobody has told it")
		time.Sleep(time.Second)
		require.False(t, hasEnded(t, r[0], newSession("")), "which also writes to the store")
		assert.Zero(t, r[0].Unwritten())
		assert.True(t, hasEnded(t, r[1], single))
		time.Sleep(ended.GroupPause)
		assert.True(t, hasEnded(t, r[1], v))
	})
}

func TestWhatTheStoreHasMissedIsWrittenInParts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(replicatest.Store)
		r := newReplicas(t, store)
		store.Failing.Store(true)
		var ends []*session.Identity
		for range 40 { // more than two requests write
			v := newSession("")
			r[0].End(t.Context(), v)
			ends = append(ends, v)
		}
		expired := created("", time.Now().Unix()-int64(lifetime/time.Second))
		r[0].End(t.Context(), expired)
		store.Failing.Store(false)
		other := newSession("")
		for _, want := range []int{25, 9, 0} {
			require.False(t, hasEnded(t, r[0], other))
			assert.Equal(t, want, r[0].Unwritten())
		}
		for _, v := range ends {
			assert.True(t, hasEnded(t, r[1], v))
		}
		assert.Len(t, store.Values(), 40, "what has expired is not written")
		writes := store.Writes.Load()
		require.False(t, hasEnded(t, r[0], other))
		assert.Equal(t, writes, store.Writes.Load(), "once")
	})
}

// wakingStore fails in the middle of catching up.
type wakingStore struct {
	replicatest.Store
	writesLeft int
}

func (s *wakingStore) Commit(key string, b []byte, expiry time.Time) error {
	if s.writesLeft--; s.writesLeft < 0 {
		return replicatest.ErrDown
	}
	return s.Store.Commit(key, b, expiry)
}

func TestAStoreThatFailsAgainLosesNoEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(wakingStore)
		r := newReplicas(t, store)
		for range 10 {
			r[0].End(t.Context(), newSession(""))
		}
		assert.Equal(t, 10, r[0].Unwritten())
		store.writesLeft = 4
		require.False(t, hasEnded(t, r[0], newSession("")))
		assert.Equal(t, 6, r[0].Unwritten())
		store.writesLeft = 100
		require.False(t, hasEnded(t, r[0], newSession("")))
		assert.Zero(t, r[0].Unwritten())
		assert.Equal(t, 10, countKind(&store.Store, replica.Ended))
	})
}

// hookedStore calls a function once, after the next write.
type hookedStore struct {
	replicatest.Store
	hook func()
}

func (s *hookedStore) Commit(key string, b []byte, expiry time.Time) error {
	err := s.Store.Commit(key, b, expiry)
	if hook := s.hook; hook != nil && err == nil {
		s.hook = nil
		hook()
	}
	return err
}

func TestAGroupThatEndsOnceMoreWhileItIsWrittenIsWrittenAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(hookedStore)
		r := newReplicas(t, store)
		g := session.GroupOfSubject(issuer, "alice")
		bob := newSession("")
		bob.Subject = "bob"
		store.Failing.Store(true)
		r[0].EndGroup(t.Context(), g)
		store.Failing.Store(false)
		var between *session.Identity
		store.hook = func() {
			time.Sleep(time.Second)
			between = newSession("")
			store.Failing.Store(true)
			r[0].EndGroup(t.Context(), g)
			store.Failing.Store(false)
		}
		for range 2 {
			require.False(t, hasEnded(t, r[0], bob))
		}
		assert.Zero(t, r[0].Unwritten())
		assert.True(t, hasEnded(t, r[1], between))
	})
}

func TestWhileTheStoreFailsNobodyCanTell(t *testing.T) {
	t.Parallel()
	store := new(replicatest.Store)
	r := newReplicas(t, store)
	v := newSession("s")
	store.Failing.Store(true)
	for _, check := range []func() (bool, error){
		func() (bool, error) { return r[0].Check(t.Context(), v) },
		func() (bool, error) { return r[0].Elsewhere(t.Context(), v) },
	} {
		has, err := check()
		require.ErrorIs(t, err, replica.ErrStore)
		assert.False(t, has)
	}
	require.ErrorIs(t, r[0].Register(t.Context(), v), replica.ErrStore)
	assert.False(t, r[0].EndIfKnown(t.Context(), session.GroupOfSID(issuer, "s")), "it has not begun")
	require.ErrorIs(t, r[0].Once(t.Context(), [16]byte{1}, time.Now().Add(time.Minute)), replica.ErrStore)
	store.Failing.Store(false)
	require.NoError(t, r[0].Once(t.Context(), [16]byte{1}, time.Now().Add(time.Minute)), "it has not been used")
}

// laterEnd is an end of a later release.
type laterEnd struct{}

func (laterEnd) Marshal() []byte        { return []byte{sealed.Version + 1, 'x'} }
func (laterEnd) Unmarshal([]byte) error { return sealed.ErrVersion }

func TestAnEndOfALaterReleaseLetsNobodyThrough(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(replicatest.Store)
		values := newValues(t, store, sealed.RandomKey())
		r, v := newReplica(values), newSession("s")
		for _, g := range v.Groups() {
			require.NoError(t, values.Put(t.Context(), replica.Group, g, laterEnd{}, v.Expires))
			held := store.Values()
			for range 2 {
				_, err := r.Check(t.Context(), v)
				require.ErrorIs(t, err, replica.ErrStore, "nobody can tell which sessions it ends")
				require.ErrorIs(t, err, sealed.ErrVersion)
				time.Sleep(ended.GroupPause + time.Second)
			}
			assert.Equal(t, held, store.Values())
			require.NoError(t, values.Put(t.Context(), replica.Group, g, &ended.GroupEnd{}, v.Expires))
			assert.False(t, hasEnded(t, r, v))
			time.Sleep(ended.GroupPause + time.Second)
		}
	})
}

func TestAReplicaThatHasNotSeenASessionEndsItForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(replicatest.Store)
		r := newReplicas(t, store)
		v := newSession("s")
		require.NoError(t, r[0].Register(t.Context(), v))
		assert.False(t, r[1].EndIfKnown(t.Context(), session.GroupOfSID(issuer, "guessed")))
		assert.Zero(t, countKind(store, replica.Group), "guessing fills no store")
		assert.True(t, r[1].EndIfKnown(t.Context(), session.GroupOfSID(issuer, "s")))
		assert.Equal(t, 1, countKind(store, replica.Group))
		for _, replica := range r {
			assert.True(t, hasEnded(t, replica, v))
		}

		store.Failing.Store(true)
		w := newSession("t")
		assert.False(t, r[1].EndIfKnown(t.Context(), session.GroupOfSID(issuer, "t")))
		assert.True(t, r[1].Has(w), "on this replica alone")
	})
}

func TestALogoutTokenIsUsedOnceByAllReplicas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(replicatest.Store)
		r := newReplicas(t, store)
		until := time.Now().Add(time.Minute)
		require.NoError(t, r[0].Once(t.Context(), [16]byte{1}, until))
		for _, replica := range r {
			require.ErrorIs(t, replica.Once(t.Context(), [16]byte{1}, until), ended.ErrUsed)
		}
		require.NoError(t, r[1].Once(t.Context(), [16]byte{2}, until))
		time.Sleep(time.Minute + time.Second)
		assert.Empty(t, store.Values())
	})
}

func TestWhatIsRememberedOfGroupsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := new(countingStore)
		r := newReplica(newValues(t, store, sealed.RandomKey()))
		reads := func(from int) (n int) {
			before := store.reads
			for i := range ended.MaxGroups/2 + 5 { // of which each has two
				v := created("s"+string(rune(from+i)), time.Now().Unix())
				v.Subject = string(rune(from + i))
				if has, err := r.Elsewhere(t.Context(), v); has || err != nil {
					t.Fatal(err)
				}
			}
			return store.reads - before
		}
		sessions := ended.MaxGroups/2 + 5
		assert.Equal(t, 3*sessions, reads(0x10000))
		assert.Equal(t, sessions+10, reads(0x10000), "the last five sessions are read again")
		time.Sleep(11 * time.Second)
		assert.Equal(t, 3*sessions, reads(0x20000))
		assert.Equal(t, sessions+10, reads(0x20000), "the old ones have made room")
	})
}

// countingStore counts reads.
type countingStore struct {
	replicatest.Store
	reads int
}

func (s *countingStore) Find(key string) ([]byte, bool, error) {
	s.reads++
	return s.Store.Find(key)
}
