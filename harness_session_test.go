package oxdauth_test

// Visitors: browsers with a session, without a server and, in testing/synctest, in simulated time.
// oxd is a Transport in the same process that answers as the test says.

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/oxd"
)

const (
	visitOrigin = "https://app.example"
	visitIssuer = "https://idp.example"
)

// fakeOxd answers logins by itself, refreshes and userinfo as the test says, and nothing else. An
// answer is the data of oxd, or "error" and a code.
type fakeOxd struct {
	refreshes, userinfos, exchanges atomic.Int32 // how often oxd was asked; exchanges are of codes

	answer, userinfo func(ctx context.Context, n int32) (data string, err error)
	other            func(*oxd.Request) (data string, err error) // nil: other commands are faults
	issuer           string                                      // of the ID tokens; empty: visitIssuer
	authorization    string                                      // the answer to a login that begins; empty: one of its own for each

	states atomic.Int32
	mu     sync.Mutex            // guards logins
	logins map[string]visitLogin // by code
}

// visitLogin is what the provider says of a login.
type visitLogin struct {
	lifetime  time.Duration // of the access token; zero: it does not say
	noRefresh bool          // there is no refresh token
	claims    map[string][]string
}

const refreshed = `{"access_token":"new","refresh_token":"next","expires_in":300,"scope":"openid"}`

// always returns an answer that is the same each time.
func always(data string) func(context.Context, int32) (string, error) {
	return func(context.Context, int32) (string, error) { return data, nil }
}

func (f *fakeOxd) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	data, err := f.respond(ctx, req)
	if err != nil {
		return nil, err
	}
	if code, refused := strings.CutPrefix(data, "error "); refused {
		return &oxd.Response{Status: "error", Data: json.RawMessage(`{"error":"` + code + `","error_description":""}`)}, nil
	}
	return &oxd.Response{Status: "ok", Data: json.RawMessage(data)}, nil
}

func (f *fakeOxd) respond(ctx context.Context, req *oxd.Request) (string, error) {
	switch {
	case req.Command == "get_authorization_url" && f.authorization != "":
		return f.authorization, nil
	case req.Command == "get_authorization_url":
		return authorizationURL(f.states.Add(1)), nil
	case req.Command == "get_tokens_by_code":
		f.exchanges.Add(1)
		return f.tokens(req.Params)
	case req.Command == "get_access_token_by_refresh_token" && f.answer != nil:
		return f.answer(ctx, f.refreshes.Add(1))
	case req.Command == "get_user_info" && f.userinfo != nil:
		return f.userinfo(ctx, f.userinfos.Add(1))
	case f.other != nil:
		return f.other(req)
	}
	return "", errors.New("unexpected " + req.Command)
}

// authorizationURL is an answer of oxd, with a state and a nonce of its own for each n.
func authorizationURL(n int32) string {
	return fmt.Sprintf(`{"authorization_url":"%s/authorize?client_id=c&redirect_uri=%s/auth/callback&state=state-%020d&nonce=nonce-%020d"}`,
		visitIssuer, visitOrigin, n, n)
}

func (f *fakeOxd) tokens(params json.RawMessage) (string, error) {
	var p struct{ Code, State string }
	if err := json.Unmarshal(params, &p); err != nil {
		return "", err
	}
	f.mu.Lock()
	login := f.logins[p.Code]
	f.mu.Unlock()
	claims := map[string][]string{
		"iss": {cmp.Or(f.issuer, visitIssuer)}, "sub": {"alice"}, "aud": {"c"}, "nonce": {strings.Replace(p.State, "state", "nonce", 1)},
	}
	maps.Copy(claims, login.claims)
	answer := map[string]any{
		"access_token": "old", "refresh_token": "first", "id_token": "id", "id_token_claims": claims,
		"expires_in": int(login.lifetime / time.Second),
	}
	if login.noRefresh {
		delete(answer, "refresh_token")
	}
	data, err := json.Marshal(answer)
	return string(data), err
}

// newAuth returns a middleware that asks this oxd and has a key of its own.
func newAuth(t testing.TB, transport oxd.Transport, opts ...oxdauth.Option) *oxdauth.Middleware {
	t.Helper()
	client, err := oxd.NewClient(transport, siteOf("site", "https://app.example/auth/callback"))
	require.NoError(t, err)
	opts = append([]oxdauth.Option{oxdauth.WithKeys(sealed.RandomKey()), oxdauth.WithLogger(slog.New(slog.DiscardHandler)), oxdauth.WithFrontChannelLogout()}, opts...)
	m, err := oxdauth.New(client, opts...)
	require.NoError(t, err)
	return m
}

// visitAudience is what the cookies of newAuth are sealed for.
func visitAudience(t testing.TB) string {
	t.Helper()
	client, err := oxd.NewClient(&fakeOxd{}, siteOf("site", "https://app.example/auth/callback"))
	require.NoError(t, err)
	return visitOrigin + "/auth/callback " + client.Audience()
}

// newCookie returns a kind of cookie that newAuth with these keys opens and seals.
func newCookie(t testing.TB, suffix, purpose string, keys ...[]byte) *sealed.Cookie {
	t.Helper()
	c, err := sealed.NewCookie("__Host-oxdauth"+suffix, purpose, visitAudience(t), keys, 12*time.Hour, true)
	require.NoError(t, err)
	return c
}

// visitor is a browser that has a session and keeps its cookies.
type visitor struct {
	t   testing.TB
	m   *oxdauth.Middleware
	jar map[string]string
}

// newVisitor returns a visitor who has just signed in at m, which asks f. The lifetime is that of
// the access token.
func newVisitor(t testing.TB, m *oxdauth.Middleware, f *fakeOxd, lifetime time.Duration) *visitor {
	t.Helper()
	return newVisitorOf(t, m, f, visitLogin{lifetime: lifetime})
}

func newVisitorOf(t testing.TB, m *oxdauth.Middleware, f *fakeOxd, login visitLogin) *visitor {
	t.Helper()
	v := &visitor{t: t, m: m, jar: map[string]string{}}
	v.signIn(f, login)
	return v
}

// signIn goes through a login, whether or not there is a session.
func (v *visitor) signIn(f *fakeOxd, login visitLogin) {
	v.t.Helper()
	out := (&visitor{t: v.t, m: v.m, jar: map[string]string{}}).leave("/")
	f.mu.Lock()
	if f.logins == nil {
		f.logins = map[string]visitLogin{}
	}
	code := fmt.Sprintf("code-%d", len(f.logins))
	f.logins[code] = login
	f.mu.Unlock()
	maps.Copy(v.jar, out.jar)
	res, body := v.send(v.m.Callback(), v.page("/auth/callback?code="+code+"&state="+out.state))
	require.Equal(v.t, http.StatusSeeOther, res.StatusCode, body)
	delete(v.jar, roundCookie)
}

// roundCookie counts logins and is removed by the first page after one, which these tests leave
// out.
const roundCookie = "__Host-oxdauth-round"

// away is a visitor at the provider.
type away struct {
	*visitor
	state string
}

// leave loads a page that sends the browser to the provider.
func (v *visitor) leave(target string) away {
	v.t.Helper()
	res, body := v.send(v.m.Handler(http.NotFoundHandler()), v.page(target))
	require.Equal(v.t, http.StatusFound, res.StatusCode, body)
	location, err := res.Location()
	require.NoError(v.t, err)
	return away{v, location.Query().Get("state")}
}

// send makes a request and keeps the cookies of the answer.
func (v *visitor) send(h http.Handler, r *http.Request) (*http.Response, string) {
	v.t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	v.keep(rec)
	return rec.Result(), rec.Body.String()
}

func (v *visitor) keep(rec *httptest.ResponseRecorder) {
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(v.jar, c.Name)
		} else {
			v.jar[c.Name] = c.Value
		}
	}
}

// copy returns a copy of the browser.
func (v *visitor) copy() *visitor { return v.at(v.m) }

// at returns a copy of the browser in front of another replica.
func (v *visitor) at(m *oxdauth.Middleware) *visitor {
	return &visitor{t: v.t, m: m, jar: maps.Clone(v.jar)}
}

// request is what a script sends.
func (v *visitor) request() *http.Request { return v.requestTo(http.MethodGet, "/") }

// page is what the browser sends to load a page.
func (v *visitor) page(target string) *http.Request {
	r := v.requestTo(http.MethodGet, target)
	r.Header.Set("Accept", "text/html")
	return r
}

func (v *visitor) requestTo(method, target string) *http.Request {
	r := httptest.NewRequestWithContext(v.t.Context(), method, visitOrigin+target, nil)
	for name, value := range v.jar {
		r.Header.Add("Cookie", name+"="+value)
	}
	return r
}

// visit makes a request. It returns its status, the access token that the handler saw, and the
// number of cookies set.
func (v *visitor) visit() (status int, accessToken string, cookies int) {
	rec := httptest.NewRecorder()
	v.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := oxdauth.SessionFromContext(r.Context())
		accessToken = s.AccessToken().Reveal()
	})).ServeHTTP(rec, v.request())
	v.keep(rec)
	return rec.Code, accessToken, len(rec.Result().Cookies())
}

// status is that of one request, whose cookies get lost.
func (v *visitor) status() int {
	status, _, _ := v.copy().visit()
	return status
}

// session is what the application sees of a session without serving a page.
func (v *visitor) session() *oxdauth.Session {
	v.t.Helper()
	s, err := v.m.Authenticate(v.request())
	require.NoError(v.t, err)
	return s
}

// signOut posts the form of the logout page. oxd has no part in it.
func (v *visitor) signOut() {
	v.t.Helper()
	r := v.requestTo(http.MethodPost, v.m.LogoutPath())
	r.Header.Set("Origin", visitOrigin)
	res, body := v.send(v.m.Logout(), r)
	require.Equal(v.t, http.StatusOK, res.StatusCode, body)
}

// frontChannel sends a logout of the provider over the front channel, which carries no cookies.
func frontChannel(m *oxdauth.Middleware, sid string) int {
	rec := httptest.NewRecorder()
	q := url.Values{"iss": {visitIssuer}, "sid": {sid}}
	m.FrontChannelLogout().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, m.FrontChannelLogoutPath()+"?"+q.Encode(), nil))
	return rec.Code
}

// siteOf is a site that is registered elsewhere, with its callback.
func siteOf(oxdID, callback string) oxd.Site {
	return oxd.Site{OxdID: oxdID, Params: oxd.RegisterSiteParams{AuthorizationRedirectURI: callback}}
}
