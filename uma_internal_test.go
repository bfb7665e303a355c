package oxdauth

// The parts of the guard that read foreign bytes or keep keys apart.

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestB18_keys_of_different_parts_differ(t *testing.T) {
	t.Parallel()
	seen := map[grantKey][]string{}
	for _, parts := range [][]string{
		{"a$$b", "c"}, {"a", "b$$c"}, {"ab", "c"}, {"a", "bc"}, {"abc"}, {"abc", ""}, {"", "abc"}, {"a", "b", "c"}, {}, {""}, {"\x01a"}, {"a\x01b"},
	} {
		key := newGrantKey(parts...)
		assert.Empty(t, seen[key], "%q", parts)
		seen[key] = parts
	}
	assert.Equal(t, newGrantKey("a", "b"), newGrantKey("a", "b"))
}

func TestGuardCacheIsBounded(t *testing.T) {
	t.Parallel()
	cache, now := newGrantCache(2, time.Minute), time.Now()
	a, b, d := newGrantKey("a"), newGrantKey("b"), newGrantKey("d")
	require.Len(t, cache.shards, 1)
	c := cache.shard(a)
	c.addLocked(grant{key: a, expires: now.Add(time.Second)})
	c.addLocked(grant{key: b, expires: now.Add(time.Second)})
	require.NotNil(t, c.hitLocked(a, now), "a is used, so b is the oldest")
	c.addLocked(grant{key: d, expires: now.Add(time.Second)})
	assert.Nil(t, c.hitLocked(b, now))
	assert.NotNil(t, c.hitLocked(a, now))
	assert.Nil(t, c.hitLocked(a, now.Add(time.Second)), "not at its end")
	assert.Len(t, c.entries, 1)
	cache.purge()
	assert.Nil(t, c.hitLocked(d, now))
	assert.Zero(t, c.recent.Len())
	(*grantCache)(nil).purge()
}

func TestALargeGrantCacheIsBoundedInAllItsParts(t *testing.T) {
	t.Parallel()
	const size = 1000
	c, now := newGrantCache(size, time.Minute), time.Now()
	require.Greater(t, len(c.shards), 1)
	for i := range 10 * size {
		key := newGrantKey(strconv.Itoa(i))
		c.shard(key).addLocked(grant{key: key, expires: now.Add(time.Second)})
	}
	held := 0
	for i := range c.shards {
		held += len(c.shards[i].entries)
	}
	assert.LessOrEqual(t, held, size)
	assert.Greater(t, held, size*9/10)
	c.purge()
	for i := range c.shards {
		assert.Empty(t, c.shards[i].entries)
	}
}

func TestTheClientsOfALimitAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s guardSettings
		require.NoError(t, WithClientLimit(1, 2, func(r *http.Request) string { return r.RemoteAddr }).applyGuard(&s))
		c := s.clients
		of := func(i int) [16]byte { return c.name(&http.Request{RemoteAddr: strconv.Itoa(i)}) }
		refuse := func(i, times int) {
			for range times {
				c.refused(of(i), time.Now())
			}
		}
		allowed := func(i int) bool { return c.allows(of(i), time.Now()) }
		for i := range maxLimitedClients {
			assert.True(t, allowed(i))
			refuse(i, 1)
		}
		refuse(5, 1)
		assert.False(t, allowed(5))
		assert.True(t, allowed(6))
		refuse(-1, 1)
		assert.True(t, allowed(-1))
		refuse(-2, 1)
		assert.False(t, allowed(-1), "without room clients share one limit")
		assert.False(t, allowed(-3))
		time.Sleep(3 * time.Second)
		assert.True(t, allowed(-1))
		refuse(-1, 1)
		assert.Len(t, c.buckets, 1, "those that may ask as before are forgotten")
	})
}

func TestGuardTokensSurviveTheCookie(t *testing.T) {
	t.Parallel()
	u := umaTokens{pct: "pct"}
	for i := range byte(8) {
		u = u.with(sessionRPT{resource: [8]byte{i}, gathered: int64(i), token: "rpt." + string('a'+rune(i))})
	}
	require.Len(t, u.rpts, maxSessionRPTs)
	_, old := u.find([8]byte{0})
	assert.False(t, old, "the oldest have gone")
	again := u.with(sessionRPT{resource: [8]byte{7}, token: "newer"})
	assert.Len(t, again.rpts, maxSessionRPTs)
	kept, ok := again.find([8]byte{7})
	assert.True(t, ok)
	assert.Equal(t, "newer", kept.token)
	assert.Equal(t, "rpt.h", u.rpts[0].token, "the shared list is not changed")

	in := &tokens{access: "a", refresh: "r", idToken: "i", uma: u}
	out := new(tokens)
	require.NoError(t, out.unmarshal(in.marshal()))
	assert.Equal(t, in, out)
	plain := &tokens{access: "a"}
	require.NoError(t, out.unmarshal(plain.marshal()))

	g := &gathering{created: 5, session: sessionID{1}, state: [16]byte{2}, ticket: [16]byte{3}, resource: [8]byte{4}, returnTo: "/x?y"}
	back := new(gathering)
	require.NoError(t, back.unmarshal(g.marshal()))
	assert.Equal(t, g, back)
}

func FuzzGuardPayloads(f *testing.F) {
	f.Add((&tokens{access: "a", uma: umaTokens{pct: "p", rpts: []sessionRPT{{token: "r"}}}}).marshal())
	f.Add((&gathering{returnTo: "/"}).marshal())
	f.Add([]byte{payloadVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		var v tokens
		if v.unmarshal(b) == nil {
			assert.LessOrEqual(t, len(v.uma.rpts), maxSessionRPTs)
			var again tokens
			require.NoError(t, again.unmarshal(v.marshal()))
		}
		var g gathering
		if g.unmarshal(b) == nil && !bytes.Equal(b, g.marshal()) {
			var again gathering
			require.NoError(t, again.unmarshal(g.marshal()))
			assert.Equal(t, g, again)
		}
	})
}

func FuzzGuardRPT(f *testing.F) {
	for _, seed := range []string{"Bearer abc", "bearer  a==", "Bearer", "Bearer *", "Basic x", "", "Bearer\tx", "Bearer gat_x", "Bearer a=b", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		rpt, err := requestRPT(http.Header{"Authorization": {value}})
		if err != nil || rpt == "" {
			return
		}
		assert.Empty(t, strings.Trim(rpt, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/="))
		assert.False(t, strings.HasPrefix(strings.ToLower(rpt), "gat_"))
		assert.True(t, strings.EqualFold(value[:7], "bearer ") && strings.HasSuffix(value, rpt))
		_, err = requestRPT(http.Header{"Authorization": {value, value}})
		assert.Error(t, err)
	})
}

func FuzzGuardPath(f *testing.F) {
	for _, seed := range []string{"/a", "/a/../b", "/a/..;x/b", "/a\x00", "/a\\b", "/a/%2e%2e", "//a", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if checkPath(&url.URL{Path: path}, false) == nil {
			assert.NotContains(t, "/"+path+"/", "/../")
			assert.NotContains(t, path, "\\")
			assert.NotContains(t, path, "\x00")
		}
	})
}

func TestAnRPTThatComesAfterARefreshIsKeptWithTheNewTokens(t *testing.T) {
	t.Parallel()
	m := newTestMiddleware(t, &fakeOxd{answer: func(context.Context, int32) (string, error) { return refreshed, nil }})
	visitor := newVisitor(t, m, time.Hour)
	r := visitor.request()
	s, err := m.Authenticate(r)
	require.NoError(t, err)
	_, err = m.Refresh(httptest.NewRecorder(), visitor.request())
	require.NoError(t, err)

	rec := httptest.NewRecorder()
	u := umaTokens{}.with(sessionRPT{resource: [8]byte{1}, token: "rpt"})
	require.NoError(t, s.keepUMA(rec, r, u))
	visitor.keep(rec.Result())
	kept, err := m.Authenticate(visitor.request())
	require.NoError(t, err)
	assert.Equal(t, "new", kept.AccessToken().Reveal())
	assert.Equal(t, u, kept.umaTokens())

	m.end(httptest.NewRecorder(), r, nil, kept.state.identity, EndedByLogout)
	assert.ErrorIs(t, s.keepUMA(httptest.NewRecorder(), r, u), ErrNoSession, "signed out meanwhile")
}
