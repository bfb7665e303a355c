// The store: its bound, and the end of its entries.

package oauth_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"example.com/oxdauth/oxdtest/internal/oauth"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStoreIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var store oauth.Store[string]
		put := func(key string, lifetime time.Duration) { store.Put(key, key, lifetime) }
		for i := range oauth.MaxEntries - 1 {
			put("short"+strconv.Itoa(i), time.Second)
		}
		put("long", time.Hour)
		time.Sleep(time.Second)
		put("new", time.Hour)
		assert.Equal(t, 2, store.Len(), "a full store drops what has expired")
		for i := range oauth.MaxEntries + 10 {
			put("more"+strconv.Itoa(i), time.Hour)
			_, kept := store.Get("more" + strconv.Itoa(i))
			require.True(t, kept, "the newest entry is always there")
		}
		assert.LessOrEqual(t, store.Len(), oauth.MaxEntries)
		assert.Greater(t, store.Len(), oauth.MaxEntries*3/4, "no more is dropped than needed")
	})
}

func TestStoreEntriesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var store oauth.Store[string]
		store.Put("a", "a", time.Second)
		got, ok := store.Take("a")
		assert.True(t, ok)
		assert.Equal(t, "a", got)
		_, ok = store.Take("a")
		assert.False(t, ok, "taken once")
		store.Put("b", "b", time.Second)
		time.Sleep(time.Second)
		_, ok = store.Get("b")
		assert.False(t, ok)
		assert.Zero(t, store.Len())
	})
}
