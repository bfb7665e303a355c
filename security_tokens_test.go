package oxdauth_test

// Tokens and keys: where a token must not appear, and what happens to sessions when keys change. Tests with a V are named by
// the case they show.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxdtest"
)

func TestV93AnAlteredSealedValueIsRefused(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	b := a.signedIn(user, password)
	for _, c := range a.cookies(b) {
		for _, i := range []int{0, len(c.Value) / 2, len(c.Value) - 1} {
			altered := []byte(c.Value)
			altered[i] ^= 1
			res, _ := a.once(nil, a.request("GET", "/", "Cookie", c.Name+"="+string(altered)))
			assert.Equal(t, http.StatusUnauthorized, res.StatusCode, "%s, byte %d", c.Name, i)
		}
	}
	b = a.srv.Browser()
	callback := a.callback(b, a.base+"/x")
	before := a.srv.CallCount("get_tokens_by_code")
	altered := *callback
	q := altered.Query()
	q.Set("state", "x"+q.Get("state"))
	altered.RawQuery = q.Encode()
	res, _ := a.once(b, a.navigation(altered.RequestURI()))
	assert.NotEqual(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, before, a.srv.CallCount("get_tokens_by_code"))
}

func TestV94NoTokenIsShownOrSentInAURL(t *testing.T) {
	t.Parallel()
	var secrets []string
	a := newApp(t, setup{handler: func(a *app) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, _ := oxdauth.SessionFromContext(r.Context())
			secrets = append(secrets, s.AccessToken().Reveal(), s.IDToken().Reveal())
			for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
				fmt.Fprintf(w, format+"\n", s)
				fmt.Fprintf(w, format+"\n", *s)
			}
			data, err := json.Marshal(s)
			assert.NoError(a.t, err)
			_, _ = w.Write(data)
		})
	}})
	b := a.srv.Browser()
	var urls []string
	b.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		urls = append(urls, req.URL.String())
		return nil
	}
	page := a.login(b, a.base+"/", user, password)
	res, body := a.get(b, "/auth/logout")
	seen := page + body + res.Request.URL.String() + strings.Join(urls, "\n")
	require.Len(t, secrets, 2)
	for _, secret := range secrets {
		require.Greater(t, len(secret), 20)
		assert.NotContains(t, seen, secret)
		assert.NotContains(t, seen, fmt.Sprintf("%x", secret))
	}
}

func TestV97TwoSessionsOfOneUserAreIndependent(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", a.whoami())
		mux.HandleFunc("/refresh", func(w http.ResponseWriter, r *http.Request) {
			_, err := m.Refresh(w, r)
			assert.NoError(a.t, err)
		})
		return m.Handler(mux)
	}})
	one, two := a.signedIn(user, password), a.signedIn(user, password)
	for range 2 {
		a.get(one, "/refresh")
		a.get(two, "/refresh")
	}
	assert.Equal(t, 4, a.srv.Provider.Refreshes())
	assert.Zero(t, a.srv.Provider.ReuseDetected())
	page, err := one.Get(a.base + "/auth/logout")
	require.NoError(t, err)
	res, err := one.Submit(page, nil)
	require.NoError(t, err)
	readBody(t, res)
	res, _ = a.once(one, a.navigation("/"))
	assert.Equal(t, http.StatusFound, res.StatusCode)
	_, body := a.get(two, "/here")
	assert.Contains(t, body, "at /here")
}

func TestKeysAreRotatedUnderLoadWithoutASignOut(t *testing.T) {
	t.Parallel()
	older, newer := bytes.Repeat([]byte("old key 0123456789abcdef"), 2), bytes.Repeat([]byte("new key 0123456789abcdef"), 2)
	var current atomic.Pointer[oxdauth.Middleware]
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithKeys(older)}, mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		current.Store(m)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			current.Load().Handler(a.whoami()).ServeHTTP(w, r)
		})
	}})
	replace := func(keys ...[]byte) {
		m := a.middleware(a.base, setup{options: []oxdauth.Option{oxdauth.WithKeys(keys[0], keys[1:]...)}})
		t.Cleanup(func() { require.NoError(t, m.Close()) })
		current.Store(m)
	}
	var browsers []*oxdtest.Browser
	for range 4 {
		browsers = append(browsers, a.signedIn(user, password))
	}
	away := a.signedIn(user, password)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, b := range browsers {
		wg.Go(func() {
			for {
				res, body := a.once(b, a.navigation("/"))
				if !assert.Equal(t, http.StatusOK, res.StatusCode, body) {
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	replace(newer, older)
	for _, b := range browsers {
		a.get(b, "/seen") // its cookies are rewritten, by this request or one before
	}
	close(stop)
	wg.Wait()
	replace(newer)
	for _, b := range browsers {
		_, body := a.get(b, "/after")
		assert.Contains(t, body, "at /after")
	}
	res, _ := a.once(away, a.navigation("/"))
	assert.Equal(t, http.StatusFound, res.StatusCode, "who was away signs in once more")
	a.login(away, a.base+"/back", user, password)
}
