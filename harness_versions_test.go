package oxdauth_test

// Two versions of this package behind one address, as during a rolling update and after a rollback:
// the newer one writes payloads that the older one cannot read, and reads both.

import (
	"bytes"
	"compress/flate"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/internal/replica/replicatest"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/oxd"
)

// reversioned is a payload whose version is other than ours.
type reversioned struct{ plain []byte }

func (v *reversioned) Marshal() []byte          { return v.plain }
func (v *reversioned) Unmarshal(b []byte) error { v.plain = bytes.Clone(b); return nil }

// raise and lower turn a payload of one version into one of the other. They report whether it was
// of the first one.
func (v *reversioned) raise() bool { return v.change(sealed.Version, sealed.Version+1) }
func (v *reversioned) lower() bool { return v.change(sealed.Version+1, sealed.Version) }

func (v *reversioned) change(from, to byte) bool {
	const deflated = 0x80 // stands where the version otherwise does
	plain := v.plain
	if len(plain) > 0 && plain[0] == deflated {
		plain, _ = io.ReadAll(flate.NewReader(bytes.NewReader(plain[1:])))
	}
	if len(plain) == 0 || plain[0] != from {
		return false
	}
	plain[0] = to
	if v.plain[0] == deflated {
		b := bytes.NewBuffer([]byte{deflated})
		w, _ := flate.NewWriter(b, flate.DefaultCompression)
		_, _ = w.Write(plain)
		_ = w.Close()
		plain = b.Bytes()
	}
	v.plain = plain
	return true
}

// newerStore is a store as a newer version sees it.
type newerStore struct {
	*replicatest.Store
	sealer *sealed.Sealer
}

func newNewerStore(t *testing.T, store *replicatest.Store, key []byte) *newerStore {
	t.Helper()
	s, err := sealed.NewSealer("__Host-oxdauth", "store", visitAudience(t), [][]byte{key}, 12*time.Hour)
	require.NoError(t, err)
	return &newerStore{store, s}
}

func (s *newerStore) change(key string, b []byte, change func(*reversioned) bool) []byte {
	var v reversioned
	if _, err := s.sealer.Open(key, string(b), &v); err != nil || !change(&v) {
		return b
	}
	value, _ := s.sealer.Seal(key, &v)
	return []byte(value)
}

func (s *newerStore) Commit(key string, b []byte, expiry time.Time) error {
	if string(b) == "\x01" {
		b = []byte{sealed.Version + 1} // a mark without content
	}
	return s.Store.Commit(key, s.change(key, b, (*reversioned).raise), expiry)
}

func (s *newerStore) Find(key string) ([]byte, bool, error) {
	b, found, err := s.Store.Find(key)
	return s.change(key, b, (*reversioned).lower), found, err
}

// newerCookies are the kinds of cookies of one version.
type newerCookies []*sealed.Cookie

func newNewerCookies(t *testing.T, key []byte) newerCookies {
	t.Helper()
	return newerCookies{
		newCookie(t, "-login-", "login", key), newCookie(t, "-claims-", "claims", key), newCookie(t, "-form", "form", key),
		newCookie(t, "-tokens", "tokens", key), newCookie(t, "", "identity", key),
	}
}

// change returns what is in a cookie sealed anew, if it is of another version.
func (kinds newerCookies) change(t *testing.T, jar sealed.Jar, c sealed.Pair, change func(*reversioned) bool) []sealed.Pair {
	t.Helper()
	for _, kind := range kinds {
		trip := strings.HasSuffix(kind.Name(), "-") && strings.HasPrefix(c.Name, kind.Name())
		if !trip && c.Name != kind.Name() {
			continue
		}
		var v reversioned
		if _, err := kind.Open(jar, c.Value, &v); err != nil || !change(&v) {
			continue
		}
		if trip {
			value, err := kind.SealOne(&v)
			require.NoError(t, err)
			return []sealed.Pair{{Name: c.Name, Value: value}}
		}
		rec := httptest.NewRecorder()
		require.NoError(t, kind.Write(rec, nil, &v))
		var pairs []sealed.Pair
		for _, c := range rec.Result().Cookies() {
			pairs = append(pairs, sealed.Pair{Name: c.Name, Value: c.Value})
		}
		return pairs
	}
	return []sealed.Pair{c}
}

// around serves as a newer version of next would.
func (kinds newerCookies) around(t *testing.T, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		jar := sealed.ReadJar(r, "__Host-oxdauth")
		r.Header.Del("Cookie")
		for _, c := range jar {
			for _, c := range kinds.change(t, jar, c, (*reversioned).lower) {
				r.Header.Add("Cookie", c.Name+"="+c.Value)
			}
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		var set sealed.Jar
		for _, c := range rec.Result().Cookies() {
			set = append(set, sealed.Pair{Name: c.Name, Value: c.Value})
		}
		for i, c := range rec.Result().Cookies() {
			for _, pair := range kinds.change(t, set, set[i], (*reversioned).raise) {
				c.Name, c.Value = pair.Name, pair.Value
				http.SetCookie(w, c)
			}
		}
		for name, values := range rec.Header() {
			if name != "Set-Cookie" {
				w.Header()[name] = values
			}
		}
		w.WriteHeader(rec.Code)
		_, _ = rec.Body.WriteTo(w)
	})
}

// twoVersions is an older and a newer replica behind one address, and a browser.
type twoVersions struct {
	t            *testing.T
	older, newer http.Handler
	m            *oxdauth.Middleware // the older one
	other        *oxdauth.Middleware // which the newer one is made of
	store        *replicatest.Store  // nil: tokens are in cookies
	key          []byte
	jar          map[string]string
}

func newTwoVersions(t *testing.T, withStore bool) *twoVersions {
	t.Helper()
	v := &twoVersions{t: t, jar: map[string]string{}, key: sealed.RandomKey()}
	f := &fakeOxd{
		answer: always(refreshed),
		logins: map[string]visitLogin{"x": {5 * time.Minute, false, map[string][]string{"sid": {"s"}, "groups": {}}}},
		other:  func(*oxd.Request) (string, error) { return refreshed, nil }, // which is no logout URL
	}
	start := func(store oxdauth.Store) (*oxdauth.Middleware, http.Handler) {
		opts := []oxdauth.Option{oxdauth.WithKeys(v.key), oxdauth.WithLogger(slog.New(slog.DiscardHandler)), oxdauth.WithClaims("groups"), oxdauth.WithFormPreservation()}
		if store != nil {
			opts = append(opts, oxdauth.WithStore(store))
		}
		m := newAuth(t, f, opts...)
		who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s, ok := oxdauth.SessionFromContext(r.Context()); ok {
				fmt.Fprint(w, s.Subject, " ", s.AccessToken().Reveal())
			}
		})
		mux := http.NewServeMux()
		mux.Handle("/", m.Handler(who))
		mux.Handle("/open", m.Optional(who))
		return m, mux
	}
	if withStore {
		v.store = new(replicatest.Store)
		v.m, v.older = start(v.store)
		v.other, v.newer = start(newNewerStore(t, v.store, v.key))
	} else {
		v.m, v.older = start(nil)
		v.other, v.newer = start(nil)
	}
	v.newer = newNewerCookies(t, v.key).around(t, v.newer)
	return v
}

// send makes one request; a script's unless page. It returns the status, the body and the names of
// the cookies removed.
func (v *twoVersions) send(h http.Handler, method, target string, page bool) (status int, body string, removed []string) {
	v.t.Helper()
	r := httptest.NewRequest(method, visitOrigin+target, strings.NewReader("a=b"))
	if page {
		r.Header.Set("Accept", "text/html")
	}
	r.Header.Set("Origin", visitOrigin)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for name, value := range v.jar {
		r.Header.Add("Cookie", name+"="+value)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		v.jar[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(v.jar, c.Name)
			removed = append(removed, c.Name)
		}
	}
	body = rec.Body.String()
	if location := rec.Header().Get("Location"); location != "" {
		body = location
	}
	return rec.Code, body, removed
}

func (v *twoVersions) page(h http.Handler, target string) (int, string, []string) {
	v.t.Helper()
	return v.send(h, http.MethodGet, target, true)
}

// leave sends the browser to the provider and returns the path it comes back to.
func (v *twoVersions) leave(h http.Handler, method, target string) string {
	v.t.Helper()
	status, location, removed := v.send(h, method, target, true)
	require.Contains(v.t, []int{http.StatusFound, http.StatusSeeOther}, status, location)
	require.Empty(v.t, removed)
	u, err := url.Parse(location)
	require.NoError(v.t, err)
	return "/auth/callback?code=x&state=" + u.Query().Get("state")
}

func (v *twoVersions) signIn(h http.Handler) {
	v.t.Helper()
	status, body, _ := v.page(h, v.leave(h, http.MethodGet, "/"))
	require.Equal(v.t, http.StatusSeeOther, status, body)
	delete(v.jar, roundCookie)
}

func (v *twoVersions) requireSession(h http.Handler, token string) {
	v.t.Helper()
	status, body, _ := v.page(h, "/")
	require.Equal(v.t, []any{http.StatusOK, "alice " + token}, []any{status, body})
}

// stored returns what is in the store.
func (v *twoVersions) stored() string {
	v.t.Helper()
	if v.store == nil {
		return ""
	}
	all, err := json.Marshal(v.store.Values())
	require.NoError(v.t, err)
	return string(all)
}

func overBoth(t *testing.T, test func(t *testing.T, v *twoVersions)) {
	t.Parallel()
	for name, withStore := range map[string]bool{"without a store": false, "with a store": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := newTwoVersions(t, withStore)
				test(t, v)
				require.NoError(t, v.m.Close())
				require.NoError(t, v.other.Close())
			})
		})
	}
}
