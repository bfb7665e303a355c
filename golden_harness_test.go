package oxdauth_test

// An application in simulated time (testing/synctest) with an oxd of a few lines, so that cookies
// and stored values recorded by one version can be opened by every later one. Only the exported
// names of the package are used.

import (
	"context"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

const (
	goldenOrigin = "https://app.example"
	goldenIssuer = "https://idp.example"
)

// goldenKeys seal the recorded values; the second one is a newer key than that of the record.
var goldenKeys = [][]byte{
	[]byte("golden key 1: \x8e\x02\xf1\x5b\xa7\x33\xc9\x6d\x10\xe4\x78\xbb\x2f\x95\x4c\xd0\x61\xfa"),
	[]byte("golden key 2: \x17\xc3\x9a\x44\xee\x80\x5d\xb2\x09\x76\xd1\x3e\xa8\x6b\xf5\x20\xcc\x91"),
}

// goldenOxd is the oxd and the provider of a goldenApp.
type goldenOxd struct {
	mu              sync.Mutex // guards the rest
	seen            []string   // "command value", where value is the one that was in a cookie or the store
	states          int
	access, idToken string
	acr             string
	forgetsStates   bool
	gathers         bool            // wants claims before it gives an RPT
	grants          map[string]bool // by RPT
	duringRefresh   func()
}

func (f *goldenOxd) RoundTrip(_ context.Context, req *oxd.Request) (*oxd.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := map[string]any{}
	if err := json.Unmarshal(req.Params, &p); err != nil {
		return nil, err
	}
	text := func(name string) string { s, _ := p[name].(string); return s }
	saw := func(name string) { f.seen = append(f.seen, req.Command+" "+text(name)) }
	status, data := "ok", any(map[string]any{"oxd_id": "golden-site", "op_host": goldenIssuer})
	switch req.Command {
	case "get_authorization_url":
		f.states++
		data = map[string]any{"authorization_url": fmt.Sprintf("%s/authorize?client_id=golden-client&redirect_uri=%s/auth/callback&response_type=code&state=golden-state-%020d&nonce=golden-nonce-%020d",
			goldenIssuer, goldenOrigin, f.states, f.states)}
	case "get_tokens_by_code":
		saw("state")
		if f.forgetsStates {
			status, data = "error", map[string]any{"error": "bad_request", "error_description": "'state' is not registered."}
			break
		}
		data = map[string]any{"access_token": f.access, "refresh_token": "golden-refresh", "id_token": f.idToken, "expires_in": 300,
			"id_token_claims": map[string]any{
				"iss": []string{goldenIssuer}, "sub": []string{"golden-user"}, "aud": []string{"golden-client"}, "sid": []string{"golden-sid"},
				"acr": []string{f.acr}, "auth_time": []int64{946684799}, "nonce": []string{strings.Replace(text("state"), "state", "nonce", 1)},
				"name": []string{"Zoë 李 😀"}, "groups": []string{"staff", "admins"},
			}}
	case "get_access_token_by_refresh_token":
		saw("refresh_token")
		if f.duringRefresh != nil {
			f.duringRefresh()
		}
		data = map[string]any{"access_token": "golden-access-2", "refresh_token": "golden-refresh-2", "expires_in": 300, "scope": "openid"}
	case "get_logout_uri":
		data = map[string]any{"uri": goldenIssuer + "/logout?id_token_hint=" + url.QueryEscape(text("id_token_hint"))}
	case "introspect_rpt":
		status, data = "error", map[string]any{"error": "unsupported_operation"}
	case "uma_rs_check_access":
		saw("rpt")
		data = map[string]any{"access": "granted"}
		if !f.grants[text("rpt")] {
			data = map[string]any{"access": "denied", "ticket": "golden-ticket"}
		}
	case "uma_rp_get_rpt":
		saw("pct")
		data = map[string]any{"access_token": "golden-rpt", "token_type": "Bearer", "pct": "golden-pct"}
		if f.gathers && text("state") == "" {
			status, data = "error", map[string]any{"error": "need_info", "error_description": "", "details": map[string]any{
				"error": "need_info", "ticket": "golden-gathering-ticket", "redirect_user": goldenIssuer + "/gather"}}
		}
	case "uma_rp_get_claims_gathering_url":
		f.states++
		state := fmt.Sprintf("golden-state-%020d", f.states)
		data = map[string]any{"state": state, "url": fmt.Sprintf("%s/gather?state=%s&claims_redirect_uri=%s/auth/claims", goldenIssuer, state, goldenOrigin)}
	}
	encoded, err := json.Marshal(data)
	return &oxd.Response{Status: status, Data: encoded}, err
}

// saw reports which values oxd was asked with, of one command.
func (f *goldenOxd) saw(command string) (values []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, call := range f.seen {
		if value, ok := strings.CutPrefix(call, command+" "); ok {
			values = append(values, value)
		}
	}
	return values
}

// goldenApp is one replica.
type goldenApp struct {
	http.Handler
	auth     *oxdauth.Middleware
	oxd      *goldenOxd
	audience string // what keys are derived for
}

// goldenSetup is what a case needs of its application, when it is recorded and when it is opened.
type goldenSetup struct {
	store      *plainStore // nil: tokens are in cookies
	registered bool        // the site is registered by the application
	jwks       string      // of the provider, for back-channel logout
	keys       [][]byte
}

func newGoldenApp(t *testing.T, s goldenSetup) *goldenApp {
	t.Helper()
	f := &goldenOxd{access: "golden-access", idToken: "e30.e30.Z29sZGVu", acr: "otp", grants: map[string]bool{"golden-rpt": true}}
	site := siteOf("golden-site", goldenOrigin+"/auth/callback")
	if s.registered {
		site = oxd.Site{Params: oxd.RegisterSiteParams{OPHost: goldenIssuer, AuthorizationRedirectURI: goldenOrigin + "/auth/callback"}}
	}
	client, err := oxd.NewClient(f, site)
	require.NoError(t, err)
	log := (&logBuffer{}).logger()
	options := []oxdauth.Option{oxdauth.WithKeys(s.keys[0], s.keys[1:]...), oxdauth.WithLogger(log), oxdauth.WithFormPreservation(), oxdauth.WithFrontChannelLogout(),
		oxdauth.WithClaims("name", "groups")}
	if s.store != nil {
		options = append(options, oxdauth.WithStore(s.store))
	}
	if s.jwks != "" {
		options = append(options, oxdauth.WithBackChannelLogout(goldenIssuer, &http.Client{Transport: goldenProvider(s.jwks)}))
	}
	m, err := oxdauth.New(client, options...)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, m.Close()) })
	g, err := oxdauth.NewGuard(client, "photos", oxdauth.WithSessions(m, "/auth/claims"), oxdauth.WithGuardLogger(log),
		oxdauth.WithAuthorizationServer(goldenIssuer))
	require.NoError(t, err)
	who := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oxdauth.SessionFromContext(r.Context())
		_ = json.NewEncoder(w).Encode(newGoldenSession(session))
	})
	mux := http.NewServeMux()
	g.Handle(mux, "GET /photos/{id}", who, oxdauth.Resource{Scopes: []string{"view"}})
	mux.Handle("/auth/claims", g.ClaimsCallback())
	mux.Handle("/otp", m.RequireACR("otp")(who))
	mux.Handle("/recent", m.RequireMaxAge(time.Minute)(who))
	mux.Handle("/", m.Handler(who))
	require.NoError(t, g.Protect(t.Context()))
	f.seen = nil
	return &goldenApp{mux, m, f, goldenOrigin + "/auth/callback " + client.Audience()}
}

// goldenProvider answers discovery and the request for keys.
type goldenProvider string

func (p goldenProvider) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	if r.URL.Path == "/jwks" {
		_, _ = rec.WriteString(string(p))
	} else {
		fmt.Fprintf(rec, `{"issuer":%q,"jwks_uri":%q}`, goldenIssuer, goldenIssuer+"/jwks")
	}
	return rec.Result(), nil
}

// goldenSession is a session as the application sees it.
type goldenSession struct {
	Subject, Issuer, ACR, SID                                   string
	AuthTime, Created, IdleExpires, Expires, AccessTokenExpires time.Time
	Claims                                                      oxd.Claims
	AccessToken, IDToken                                        string
}

func newGoldenSession(s *oxdauth.Session) goldenSession {
	return goldenSession{
		s.Subject, s.Issuer, s.ACR, s.SID,
		s.AuthTime.UTC(), s.Created.UTC(), s.IdleExpires.UTC(), s.Expires.UTC(), s.AccessTokenExpires.UTC(),
		s.Claims, s.AccessToken().Reveal(), s.IDToken().Reveal(),
	}
}

// goldenBrowser keeps cookies.
type goldenBrowser struct {
	t   *testing.T
	jar map[string]string
}

func (b *goldenBrowser) header() string {
	var pairs []string
	for _, name := range slices.Sorted(maps.Keys(b.jar)) {
		pairs = append(pairs, name+"="+b.jar[name])
	}
	return strings.Join(pairs, "; ")
}

func (b *goldenBrowser) request(method, target, form string) *http.Request {
	r := httptest.NewRequestWithContext(b.t.Context(), method, goldenOrigin+target, strings.NewReader(form))
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Origin", goldenOrigin)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if cookies := b.header(); cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	return r
}

func (b *goldenBrowser) send(a *goldenApp, method, target, form string) (*http.Response, string) {
	b.t.Helper()
	rec := httptest.NewRecorder()
	a.ServeHTTP(rec, b.request(method, target, form))
	res := rec.Result()
	for _, c := range res.Cookies() {
		b.jar[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.jar, c.Name)
		}
	}
	return res, html.UnescapeString(readBody(b.t, res))
}

func (b *goldenBrowser) get(a *goldenApp, target string) (*http.Response, string) {
	b.t.Helper()
	return b.send(a, http.MethodGet, target, "")
}

// session loads a page and returns the session that its handler had.
func (b *goldenBrowser) session(a *goldenApp) (s goldenSession) {
	b.t.Helper()
	res, body := b.get(a, "/")
	require.Equal(b.t, http.StatusOK, res.StatusCode, body)
	require.NoError(b.t, json.Unmarshal([]byte(body), &s))
	return s
}

// leave loads a page that sends the browser to the provider and returns the state it is sent with.
func (b *goldenBrowser) leave(a *goldenApp, method, target, form string) string {
	b.t.Helper()
	res, body := b.send(a, method, target, form)
	require.Contains(b.t, []int{http.StatusFound, http.StatusSeeOther}, res.StatusCode, body)
	location, err := res.Location()
	require.NoError(b.t, err)
	require.NotEmpty(b.t, location.Query().Get("state"), location)
	return location.Query().Get("state")
}

func (b *goldenBrowser) callback(a *goldenApp, state string) (*http.Response, string) {
	b.t.Helper()
	return b.get(a, "/auth/callback?code=golden-code&state="+state)
}

// signIn goes through a login.
func (b *goldenBrowser) signIn(a *goldenApp) {
	b.t.Helper()
	res, body := b.callback(a, b.leave(a, http.MethodGet, "/", ""))
	require.Equal(b.t, http.StatusSeeOther, res.StatusCode, body)
}
