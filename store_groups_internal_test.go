package oxdauth

// Ended users on several replicas, and what is remembered of them.

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func (v *visitor) status(m *Middleware) int {
	status, _, _ := v.at(m).visit()
	return status
}

func TestARevokedUserIsGoneFromEveryReplica(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store := &fakeOxd{}, &mapStore{}
		m := replicasOf(t, f, store)
		v := newVisitor(t, m[0], 0)
		require.Equal(t, 200, v.status(m[1]), "which knows now that nobody has ended it")
		time.Sleep(time.Second)
		m[0].RevokeSubject(testIssuer, "bob")
		m[0].RevokeSubject(testIssuer, "alice")
		assert.Equal(t, 401, v.status(m[0]), "at once")
		time.Sleep(groupPause)
		assert.Equal(t, 401, v.status(m[1]), "within the pause")

		again := newVisitor(t, m[1], 0)
		for _, replica := range m {
			assert.Equal(t, 200, again.status(replica), "signed in again")
		}
		time.Sleep(12*time.Hour - groupPause - 2*time.Second)
		assert.Equal(t, 401, v.status(m[1]), "to the end of the absolute lifetime")
		time.Sleep(10 * time.Second)
		store.mu.Lock()
		defer store.mu.Unlock()
		for key := range store.values {
			assert.NotContains(t, key, ":"+groupKind+":", "and no longer")
		}
	})
}

func TestARevocationSurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store, key := &fakeOxd{}, &mapStore{}, randomKey()
		before := newTestMiddleware(t, f, WithKeys(key), WithStore(store))
		v := newVisitor(t, before, 0)
		before.RevokeSubject(testIssuer, "alice")
		after := newTestMiddleware(t, f, WithKeys(randomKey(), key), WithStore(store))
		assert.Equal(t, 401, v.status(after), "with new keys as well")
	})
}

func TestARevocationWhileTheStoreFailsIsToldToItLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, store := &fakeOxd{}, &mapStore{}
		m := replicasOf(t, f, store)
		v, other := newVisitor(t, m[0], 0), newVisitor(t, m[0], 0)
		store.failing.Store(true)
		m[0].RevokeSubject(testIssuer, "alice")
		store.failing.Store(false)
		time.Sleep(time.Second)
		assert.Equal(t, 401, other.status(m[0]))
		assert.Equal(t, 200, v.status(m[1]), "nobody has told it")
		time.Sleep(time.Second)
		require.Equal(t, 200, newVisitor(t, m[0], 0).status(m[0]), "which tells the store")
		time.Sleep(groupPause)
		assert.Equal(t, 401, v.status(m[1]))
	})
}

func TestWhatIsRememberedOfGroupsIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &storage{}
		fill := func(from uint32) {
			for i := range uint32(maxKnownGroups + 10) {
				var id groupID
				binary.BigEndian.PutUint32(id[:], from+i)
				s.rememberGroup(id, knownGroup{until: time.Now().Add(groupPause)})
			}
		}
		fill(0)
		assert.Len(t, s.groups, maxKnownGroups)
		time.Sleep(groupPause + time.Second)
		fill(1 << 20)
		assert.Len(t, s.groups, maxKnownGroups)
		var id groupID
		binary.BigEndian.PutUint32(id[:], 1<<20)
		assert.Contains(t, s.groups, id, "the old ones have made room")
	})
}
