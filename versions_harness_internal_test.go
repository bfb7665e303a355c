package oxdauth

// Two versions of this package behind one address, as during a rolling update and after a rollback:
// the newer one writes payloads that the older one cannot read, and reads both.

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
)

// reversioned is a payload whose version is other than ours.
type reversioned struct{ plain []byte }

func (v *reversioned) marshal() []byte          { return v.plain }
func (v *reversioned) unmarshal(b []byte) error { v.plain = append([]byte(nil), b...); return nil }

// raise and lower turn a payload of one version into one of the other. They report whether it was
// of the first one.
func (v *reversioned) raise() bool { return v.change(payloadVersion, payloadVersion+1) }
func (v *reversioned) lower() bool { return v.change(payloadVersion+1, payloadVersion) }

func (v *reversioned) change(from, to byte) bool {
	wasDeflated := len(v.plain) > 0 && v.plain[0] == deflated
	if wasDeflated {
		v.plain, _ = inflate(v.plain[1:])
	}
	if len(v.plain) == 0 || v.plain[0] != from {
		return false
	}
	v.plain[0] = to
	if wasDeflated {
		v.plain = deflate(v.plain)
	}
	return true
}

// newerStore is a store as a newer version sees it.
type newerStore struct {
	*mapStore
	m *Middleware
}

func (s *newerStore) change(key string, b []byte, change func(*reversioned) bool) []byte {
	id, sealed, ok := strings.Cut(string(b), ".")
	var v reversioned
	for _, k := range s.m.shared.sealer.keys {
		if ok && k.id == id && k.codec.Decode(key, sealed, &v) == nil && change(&v) {
			sealed, _ := k.codec.Encode(key, v.plain)
			return []byte(id + "." + sealed)
		}
	}
	return b
}

func (s *newerStore) Commit(key string, b []byte, expiry time.Time) error {
	if string(b) == "\x01" {
		b = []byte{payloadVersion + 1} // a mark without content
	}
	return s.mapStore.Commit(key, s.change(key, b, (*reversioned).raise), expiry)
}

func (s *newerStore) Find(key string) ([]byte, bool, error) {
	b, found, err := s.mapStore.Find(key)
	return s.change(key, b, (*reversioned).lower), found, err
}

// kinds returns the sealers of m that write cookies.
func (m *Middleware) kinds() []*sealer {
	return []*sealer{m.logins, m.gatherings, m.forms, m.tokens, m.identity}
}

// change seals anew what is in a cookie, if it is of another version.
func (m *Middleware) change(t *testing.T, j jar, c cookiePair, change func(*reversioned) bool) []cookiePair {
	t.Helper()
	for _, s := range m.kinds() {
		attempt := strings.HasSuffix(s.name, "-") && strings.HasPrefix(c.name, s.name)
		var v reversioned
		if _, ok := s.open(j, c.value, &v); !ok || !attempt && c.name != s.name || !change(&v) {
			continue
		}
		values, err := s.seal(&v)
		require.NoError(t, err)
		var pairs []cookiePair
		for i, value := range values {
			pairs = append(pairs, cookiePair{c.name + strings.TrimPrefix(s.chunkName(i), s.name), value})
		}
		return pairs
	}
	return []cookiePair{c}
}

// newer serves as a newer version of m would.
func newer(t *testing.T, m *Middleware, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.Clone(r.Context())
		j := readJar(r, m.prefix)
		r.Header.Del("Cookie")
		for _, c := range j {
			for _, c := range m.change(t, j, c, (*reversioned).lower) {
				r.Header.Add("Cookie", c.name+"="+c.value)
			}
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		var set jar
		for _, c := range rec.Result().Cookies() {
			set = append(set, cookiePair{c.Name, c.Value})
		}
		for i, c := range rec.Result().Cookies() {
			for _, pair := range m.change(t, set, set[i], (*reversioned).raise) {
				c.Name, c.Value = pair.name, pair.value
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

// signsInOxd signs everybody in as alice.
type signsInOxd struct{ states int }

func (f *signsInOxd) RoundTrip(_ context.Context, req *oxd.Request) (*oxd.Response, error) {
	var p struct{ State string }
	if err := json.Unmarshal(req.Params, &p); err != nil {
		return nil, err
	}
	data := refreshed
	switch req.Command {
	case "get_authorization_url":
		f.states++
		data = fmt.Sprintf(`{"authorization_url":"https://idp.example/?client_id=c&redirect_uri=https://app.example/auth/callback&state=state-%020d&nonce=nonce-%020d"}`, f.states, f.states)
	case "get_tokens_by_code":
		data = fmt.Sprintf(`{"access_token":"old","refresh_token":"first","id_token":"id","expires_in":300,
			"id_token_claims":{"iss":["https://idp.example"],"sub":["alice"],"aud":["c"],"sid":["s"],"nonce":["%s"]}}`, strings.Replace(p.State, "state", "nonce", 1))
	}
	return &oxd.Response{Status: "ok", Data: json.RawMessage(data)}, nil
}

// twoVersions is an older and a newer replica behind one address, and a browser.
type twoVersions struct {
	t            *testing.T
	older, newer http.Handler
	m            *Middleware // the older one
	other        *Middleware // which the newer one is made of
	store        *mapStore   // nil: tokens are in cookies
	jar          map[string]string
}

func newTwoVersions(t *testing.T, withStore bool) *twoVersions {
	t.Helper()
	f, v, key := &signsInOxd{}, &twoVersions{t: t, jar: map[string]string{}}, randomKey()
	client, err := oxd.NewClient(f, oxd.Site{OxdID: "site"})
	require.NoError(t, err)
	make := func(store Store) (*Middleware, http.Handler) {
		opts := []Option{WithKeys(key), WithLogger(slog.New(slog.DiscardHandler)), WithClaims("groups"), WithFormPreservation()}
		if store != nil {
			opts = append(opts, WithStore(store))
		}
		m, err := New(client, "https://app.example/auth/callback", opts...)
		require.NoError(t, err)
		who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if s, ok := SessionFromContext(r.Context()); ok {
				fmt.Fprint(w, s.Subject, " ", s.AccessToken().Reveal())
			}
		})
		mux := http.NewServeMux()
		mux.Handle("/", m.Handler(who))
		mux.Handle("/open", m.Optional(who))
		return m, mux
	}
	if !withStore {
		v.m, v.older = make(nil)
		v.other, v.newer = make(nil)
	} else {
		v.store = &mapStore{}
		raising := &newerStore{mapStore: v.store}
		v.m, v.older = make(v.store)
		v.other, v.newer = make(raising)
		raising.m = v.other
	}
	v.newer = newer(t, v.other, v.newer)
	return v
}

// send makes one request; a script's unless page. It returns the status, the body and the names of
// the cookies removed.
func (v *twoVersions) send(h http.Handler, method, target string, page bool) (status int, body string, removed []string) {
	v.t.Helper()
	r := httptest.NewRequest(method, "https://app.example"+target, strings.NewReader("a=b"))
	if page {
		r.Header.Set("Accept", "text/html")
	}
	r.Header.Set("Origin", "https://app.example")
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
}

func (v *twoVersions) requireSession(h http.Handler, token string) {
	v.t.Helper()
	status, body, _ := v.page(h, "/")
	require.Equal(v.t, []any{http.StatusOK, "alice " + token}, []any{status, body})
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

