package main

// The same measurements under go test -bench, and a check that the short form of the program is
// complete.

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"testing"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
	"github.com/alexedwards/scs/v2/memstore"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQuickRunReportsEverything(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(&out, glance, true))
	var r report
	require.NoError(t, json.Unmarshal(out.Bytes(), &r))
	groups := map[string]int{}
	for _, m := range r.Measurements {
		groups[m.Group]++
		assert.NotEmpty(t, m.Name)
		assert.True(t, m.Nanos > 0 || m.Note != "", "%s: %s: neither a time nor a reason", m.Group, m.Name)
	}
	for group, least := range map[string]int{
		"read a session, payload S": 9, "read a session, payload M": 9, "read a session, payload L": 9,
		"write a session, payload S": 11, "write a session, payload M": 11, "write a session, payload L": 11,
		"refuse a forged cookie, payload M": 4, "a whole request over loopback, payload M": 8,
		"UMA check over the socket, 1 callers": 3, "UMA check over the socket, 8 callers": 3,
		"UMA check over the socket, 64 callers": 3, "UMA check over the socket, 512 callers": 3,
		"UMA check over the socket, 64 callers, size of the pool": 4, "UMA grant from the cache": 5,
		"a request with a session through Rules":          2,
		"read a session, payload S, after so many others": 1, "read a session, payload M, by GOMAXPROCS": 1,
	} {
		assert.GreaterOrEqual(t, groups[group], least, group)
		delete(groups, group)
	}
	assert.Empty(t, groups, "unknown groups")
	assert.Len(t, r.Goals, 16)
	for _, g := range r.Goals {
		assert.NotEmpty(t, g.What)
	}
	out.Reset()
	require.NoError(t, r.print(&out))
	assert.Contains(t, out.String(), "UMA grant from the cache")
	assert.Contains(t, out.String(), "reached")
}

// TestAStoreMadeForSCSFits is here because this module has scs.
func TestAStoreMadeForSCSFits(t *testing.T) {
	srv := oxdtest.NewServer()
	defer srv.Close()
	store := memstore.NewWithCleanupInterval(0)
	replicas := make([]*oxdauth.Middleware, 2)
	base := srv.ServeApp(func(base string) http.Handler {
		key, site := random(32), srv.Site(base+"/auth/callback")
		for i := range replicas {
			client, err := oxd.NewClient(srv.Transport(), site)
			require.NoError(t, err)
			replicas[i], err = oxdauth.New(client, oxdauth.WithKeys(key), oxdauth.WithStore(store), oxdauth.WithLogger(quiet))
			require.NoError(t, err)
		}
		return replicas[0].Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	})
	b := srv.Browser()
	res, err := b.LogIn(base+"/", "alice", "alice-secret")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, http.StatusNoContent, res.StatusCode)
	u, err := url.Parse(base)
	require.NoError(t, err)
	request := newRequest("")
	for _, c := range b.Jar.Cookies(u) {
		request.AddCookie(c)
	}
	session, err := replicas[1].Authenticate(request)
	require.NoError(t, err)
	assert.False(t, session.AccessToken().IsZero(), "the other replica finds the tokens")
	require.NoError(t, replicas[1].RevokeSubject(t.Context(), session.Issuer, session.Subject))
	_, err = replicas[1].Authenticate(request)
	assert.ErrorIs(t, err, oxdauth.ErrNoSession)
}

// loop runs one measurement as a benchmark.
func loop(b *testing.B, do func() error) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		if err := do(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	a, err := theApp()
	require.NoError(b, err)
	for _, payload := range payloads {
		keepers, err := newKeepers(a, payload)
		require.NoError(b, err)
		for _, k := range keepers {
			if k.header != "" {
				b.Run(payload.name+"/"+k.name, func(b *testing.B) { loop(b, k.reading()) })
			}
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	a, err := theApp()
	require.NoError(b, err)
	for _, payload := range payloads {
		b.Run(payload.name, func(b *testing.B) { loop(b, rewriting(a, payload)) })
	}
}

func BenchmarkCheck(b *testing.B) {
	_, client, end, err := connected()
	require.NoError(b, err)
	defer end()
	b.Run("1", func(b *testing.B) { loop(b, checking(client)) })
	b.Run("64", func(b *testing.B) {
		b.ReportAllocs()
		require.NoError(b, together("", repeated(64, checking(client))).run(b.N))
	})
}

func BenchmarkGrant(b *testing.B) {
	guard, handler, err := newGuard(1)
	require.NoError(b, err)
	b.Run("decision", func(b *testing.B) { loop(b, deciding(guard)) })
	b.Run("request", func(b *testing.B) { loop(b, passing(handler)) })
}
