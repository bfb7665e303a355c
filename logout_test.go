package oxdauth_test

// Logouts that begin at the provider, over the front and the back channel.

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
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

	"example.com/oxdauth"
	"example.com/oxdauth/internal/replica/replicatest"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/oxdtest"
)

// withFrontChannel has the address registered as well.
var withFrontChannel = []oxdauth.Option{oxdauth.WithFrontChannelLogout()}

// sessions is an application that shows the session of a browser to the test.
func sessions() (handler func(*app) http.Handler, of func(a *app, b *oxdtest.Browser) *oxdauth.Session) {
	got := make(chan *oxdauth.Session, 1)
	handler = func(a *app) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/session" {
				s, _ := oxdauth.SessionFromContext(r.Context())
				_ = s.IDToken() // opened while the request is there
				got <- s
				return
			}
			a.whoami().ServeHTTP(w, r)
		})
	}
	return handler, func(a *app, b *oxdtest.Browser) *oxdauth.Session {
		a.get(b, "/session")
		return <-got
	}
}

// endSession sends a browser to the provider's logout, as another application would.
func (a *app) endSession(b *oxdtest.Browser, s *oxdauth.Session) *http.Response {
	a.t.Helper()
	page, err := b.Get(a.srv.Provider.URL + "/oxauth/restv1/end_session?" + url.Values{"id_token_hint": {s.IDToken().Reveal()}}.Encode())
	require.NoError(a.t, err)
	require.Equal(a.t, http.StatusOK, page.StatusCode)
	return page
}

// status is the answer to a page load with these cookies and no others.
func (a *app) status(cookies string) int {
	a.t.Helper()
	res, _ := a.once(nil, a.navigation("/", "Cookie", cookies))
	return res.StatusCode
}

func TestAFrontChannelLogoutEndsTheSessionOfItsProviderSession(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			handler, of := sessions()
			a := newApp(t, setup{transport: transport, options: withFrontChannel, handler: handler})
			one, two := a.signedIn(user, password), a.signedIn(user, password)
			copied := a.sessionCookie(one)
			page := a.endSession(one, of(a, one))
			assert.Equal(t, http.StatusOK, a.status(copied), "the frames are not loaded yet")
			frames, err := one.LoadFrames(page)
			require.NoError(t, err)
			require.Len(t, frames, 1)
			readBody(t, frames[0])
			assert.Equal(t, http.StatusOK, frames[0].StatusCode)
			assert.Empty(t, frames[0].Request.Cookies())
			assert.Contains(t, frames[0].Header.Get("Content-Security-Policy"), "frame-ancestors "+a.srv.Provider.URL)
			assert.Empty(t, frames[0].Header.Get("X-Frame-Options"))
			assert.Equal(t, "no-store", frames[0].Header.Get("Cache-Control"))

			assert.Equal(t, http.StatusFound, a.status(a.sessionCookie(one)))
			assert.Equal(t, http.StatusFound, a.status(copied))
			assert.Equal(t, http.StatusOK, a.status(a.sessionCookie(two)), "the other browser has a provider session of its own")
		})
	}
}

func TestAFrontChannelLogoutNeedsTheIssuerAndSIDOfTheSession(t *testing.T) {
	t.Parallel()
	t.Run("V-107", func(t *testing.T) {
		t.Parallel()
		handler, of := sessions()
		a := newApp(t, setup{options: withFrontChannel, handler: handler})
		b := a.signedIn(user, password)
		s := of(a, b)
		require.NotEmpty(t, s.SID)
		good := url.Values{"iss": {s.Issuer}, "sid": {s.SID}}
		for _, c := range []struct {
			name, method string
			change       url.Values
			want         int
		}{
			{"another sid", "GET", url.Values{"sid": {s.SID + "x"}}, http.StatusOK},
			{"no sid", "GET", url.Values{"sid": nil}, http.StatusBadRequest},
			{"an empty sid", "GET", url.Values{"sid": {""}}, http.StatusBadRequest},
			{"two sids", "GET", url.Values{"sid": {s.SID, "x"}}, http.StatusBadRequest},
			{"no issuer", "GET", url.Values{"iss": nil}, http.StatusBadRequest},
			{"another issuer", "GET", url.Values{"iss": {"https://evil.example"}}, http.StatusBadRequest},
			{"the issuer with a slash", "GET", url.Values{"iss": {s.Issuer + "/"}}, http.StatusBadRequest},
			{"a POST", "POST", nil, http.StatusMethodNotAllowed},
			{"a HEAD", "HEAD", nil, http.StatusMethodNotAllowed},
			{"an endless query", "GET", url.Values{"x": {strings.Repeat("x", 10_000)}}, http.StatusBadRequest},
		} {
			q := url.Values{}
			for _, values := range []url.Values{good, c.change} {
				for name, value := range values {
					q[name] = value
				}
			}
			res, _ := a.once(b, a.request(c.method, a.auth.FrontChannelLogoutPath()+"?"+q.Encode(), "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "iframe"))
			assert.Equal(t, c.want, res.StatusCode, c.name)
			assert.Empty(t, res.Cookies(), c.name)
			assert.Equal(t, http.StatusOK, a.status(a.sessionCookie(b)), c.name)
		}
		res, _ := a.once(b, a.request("GET", a.auth.FrontChannelLogoutPath()+"?"+good.Encode()))
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.Empty(t, a.sessionCookie(b), "cookies that came are removed")
	})
}

func TestTheFrontChannelPathCanBeMountedElsewhere(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{options: withFrontChannel, mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/gone", m.FrontChannelLogout())
		return mux
	}})
	assert.Equal(t, "/auth/frontchannel-logout", a.auth.FrontChannelLogoutPath())
	res, _ := a.once(nil, a.request("GET", "/gone?iss=x&sid=y"))
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Contains(t, res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'", "the issuer is not known yet")
}

func backChannel(srv *oxdtest.Server) []oxdauth.Option {
	return []oxdauth.Option{oxdauth.WithBackChannelLogout(srv.Provider.URL, srv.HTTPClient())}
}

func logoutRequest(t *testing.T, target, token string) *http.Request {
	t.Helper()
	form := url.Values{"logout_token": {token}}.Encode()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return req
}

// post sends a logout token as the provider would.
func (a *app) post(token string) (*http.Response, string) {
	a.t.Helper()
	return a.once(nil, logoutRequest(a.t, a.base+a.auth.BackChannelLogoutPath(), token))
}

func (a *app) logoutToken(change map[string]any) string {
	return a.srv.Provider.LogoutToken(a.base+"/auth/callback", change)
}

func TestABackChannelLogoutEndsTheSessionOfItsProviderSession(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			handler, of := sessions()
			a := newApp(t, setup{transport: transport, late: backChannel, handler: handler})
			a.srv.Provider.SetBackchannelLogoutURI(a.base+"/auth/callback", a.base+"/auth/backchannel-logout")
			one, two := a.signedIn(user, password), a.signedIn(user, password)
			copied := a.sessionCookie(one)
			require.NoError(t, a.endSession(one, of(a, one)).Body.Close())
			assert.Equal(t, 1, a.srv.Provider.LogoutTokensTaken())
			assert.Equal(t, http.StatusFound, a.status(copied), "the very next request")
			assert.Equal(t, http.StatusOK, a.status(a.sessionCookie(two)))
			a.login(one, a.base+"/", user, password)
			assert.Equal(t, http.StatusFound, a.status(copied), "after a new login too")
		})
	}
}

func TestALogoutTokenIsTakenOnce(t *testing.T) {
	t.Parallel()
	t.Run("V-108", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{late: backChannel})
		b := a.signedIn(user, password)
		token := a.logoutToken(map[string]any{"sid": "unknown"})
		res, body := a.post(token)
		require.Equal(t, http.StatusOK, res.StatusCode, body)
		assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
		assert.Empty(t, body)
		res, body = a.post(token)
		assert.Equal(t, http.StatusBadRequest, res.StatusCode)
		assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
		assert.JSONEq(t, `{"error":"invalid_request"}`, body)
		assert.Contains(t, a.log.String(), "it has been used before")
		assert.NotContains(t, a.log.String(), token)
		assert.Equal(t, http.StatusOK, a.status(a.sessionCookie(b)), "it named another session")

		target := a.base + a.auth.BackChannelLogoutPath()
		token = a.logoutToken(map[string]any{"sub": "x"})
		for name, change := range map[string]func(*http.Request){
			"GET":                  func(r *http.Request) { r.Method = http.MethodGet },
			"the token in a query": func(r *http.Request) { r.URL.RawQuery, r.Body, r.ContentLength = "logout_token="+token, http.NoBody, 0 },
			"another content type": func(r *http.Request) { r.Header.Set("Content-Type", "application/json") },
			"no token":             func(r *http.Request) { r.Body, r.ContentLength = http.NoBody, 0 },
			"two tokens": func(r *http.Request) {
				form := "logout_token=" + token + "&logout_token=" + token
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
			},
			"a big body": func(r *http.Request) {
				form := "x=" + strings.Repeat("x", 20_000) + "&logout_token=" + token
				r.Body, r.ContentLength = io.NopCloser(strings.NewReader(form)), int64(len(form))
			},
		} {
			req := logoutRequest(t, target, token)
			change(req)
			res, _ := a.once(nil, req)
			want := http.StatusBadRequest
			if req.Method == http.MethodGet {
				want = http.StatusMethodNotAllowed
			}
			assert.Equal(t, want, res.StatusCode, name)
			assert.Contains(t, res.Header.Get("Cache-Control"), "no-store", name)
		}
	})
}

// What a logout token may say is tested in internal/logouttoken, and how it may be signed in
// internal/jose.
func TestALogoutTokenWithAFaultEndsNothing(t *testing.T) {
	t.Parallel()
	handler, of := sessions()
	a := newApp(t, setup{late: backChannel, handler: handler})
	b := a.signedIn(user, password)
	copied, s := a.sessionCookie(b), of(a, b)
	token := func(change map[string]any) string {
		all := map[string]any{"sub": s.Subject, "sid": s.SID}
		maps.Copy(all, change)
		return a.logoutToken(all)
	}
	good := token(nil)
	var clientID string
	claims, err := base64.RawURLEncoding.DecodeString(strings.Split(good, ".")[1])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(claims, &struct {
		Aud *string `json:"aud"`
	}{&clientID}))
	require.NotEmpty(t, clientID)
	for name, text := range map[string]string{
		"V-108 nothing":           "",
		"V-108 text":              "a.b.c",
		"V-108 no signature":      good[:strings.LastIndex(good, ".")+1],
		"V-108 padded base64":     good + "==",
		"V-108 a newline":         good + "\n",
		"V-108 an endless token":  strings.Repeat("a", 16<<10) + good,
		"V-108 alg none":          base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + good[strings.Index(good, "."):strings.LastIndex(good, ".")+1],
		"V-108 another issuer":    token(map[string]any{"iss": "https://evil.example"}),
		"V-108 no audience":       token(map[string]any{"aud": nil}),
		"V-108 another audience":  token(map[string]any{"aud": "other"}),
		"V-108 one more audience": token(map[string]any{"aud": []string{clientID, "other"}}),
		"V-108 an empty audience": token(map[string]any{"aud": []string{}}),
		"V-108 an old iat":        token(map[string]any{"iat": time.Now().Add(-time.Hour).Unix()}),
		"V-108 a nonce":           token(map[string]any{"nonce": "x"}),
		"V-108 no jti":            token(map[string]any{"jti": nil}),
		"V-108 neither":           a.logoutToken(nil),
	} {
		t.Run(name, func(t *testing.T) {
			res, body := a.post(text)
			assert.Equal(t, http.StatusBadRequest, res.StatusCode)
			assert.JSONEq(t, `{"error":"invalid_request"}`, body)
			assert.Equal(t, http.StatusOK, a.status(copied))
		})
	}
	t.Run("V-108 a good one, twice", func(t *testing.T) {
		good := token(map[string]any{"aud": []string{clientID}})
		res, body := a.post(good)
		assert.Equal(t, http.StatusOK, res.StatusCode, body)
		assert.Equal(t, http.StatusFound, a.status(copied))
		res, _ = a.post(good)
		assert.Equal(t, http.StatusBadRequest, res.StatusCode)
	})
}

func TestALogoutTokenForAUserEndsAllTheirSessions(t *testing.T) {
	t.Parallel()
	t.Run("V-109", func(t *testing.T) {
		t.Parallel()
		handler, of := sessions()
		a := newApp(t, setup{late: backChannel, handler: handler})
		one, two, other := a.signedIn(user, password), a.signedIn(user, password), a.signedIn("zoe", "Zoë")
		s := of(a, one)
		res, _ := a.once(one, a.request("POST", "/auth/logout", "Origin", a.base)) // the newest session's end must not hide the other
		require.Equal(t, http.StatusSeeOther, res.StatusCode)
		three := a.signedIn(user, password)
		res, body := a.post(a.logoutToken(map[string]any{"sub": s.Subject}))
		require.Equal(t, http.StatusOK, res.StatusCode, body)
		assert.Equal(t, http.StatusFound, a.status(a.sessionCookie(two)))
		assert.Equal(t, http.StatusFound, a.status(a.sessionCookie(three)))
		assert.Equal(t, http.StatusOK, a.status(a.sessionCookie(other)))
	})
}

func TestALogoutTokenThatCannotBeCheckedNowIsWantedAgain(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{late: backChannel})
	a.signedIn(user, password)
	a.srv.Provider.SetDown(true)
	res, body := a.post(a.logoutToken(map[string]any{"sid": "x"}))
	assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	assert.JSONEq(t, `{"error":"temporarily_unavailable"}`, body)
	assert.NotEmpty(t, res.Header.Get("Retry-After"))
}

func TestTheClientIDIsAskedOfOxdWhenNoLoginHasShownIt(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{late: backChannel})
	a.signedIn(user, password)
	replica := a.middleware(a.base, setup{late: backChannel}) // which registers a client of its own
	t.Cleanup(func() { require.NoError(t, replica.Close()) })
	post := func(token string) int {
		rec := httptest.NewRecorder()
		replica.BackChannelLogout().ServeHTTP(rec, logoutRequest(t, a.base, token))
		return rec.Code
	}
	foreign := a.logoutToken(map[string]any{"sid": "x"})
	a.srv.Stop()
	assert.Equal(t, http.StatusServiceUnavailable, post(foreign), "oxd is down")
	a.srv.Restart()
	assert.Equal(t, http.StatusBadRequest, post(foreign), "it is for the other client")
	assert.Equal(t, http.StatusOK, post(a.logoutToken(map[string]any{"sid": "x"})))
	calls := a.srv.CallCount("get_authorization_url")
	assert.Equal(t, http.StatusBadRequest, post(foreign))
	assert.Equal(t, calls, a.srv.CallCount("get_authorization_url"), "asked at most once a minute")
}

func TestWithoutTheOptionThereIsNoBackChannel(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	res, _ := a.once(nil, a.request("POST", a.auth.BackChannelLogoutPath()))
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode, "the path is the application's")
	assert.Panics(t, func() { a.auth.BackChannelLogout() })
	for _, issuer := range []string{"http://idp.example", "idp.example", "https://", "https://me@idp.example", "https://idp.example?x", ""} {
		_, err := oxdauth.New(a.srv.Client(a.base+"/auth/callback"), oxdauth.WithBackChannelLogout(issuer, nil))
		assert.ErrorContains(t, err, "WithBackChannelLogout", issuer)
	}
}

func TestALogoutDuringARefreshIsFinal(t *testing.T) {
	t.Parallel()
	t.Run("V-110", func(t *testing.T) {
		t.Parallel()
		for name, logout := range map[string]func(a *app, b *oxdtest.Browser, s *oxdauth.Session){
			"by the user": func(a *app, b *oxdtest.Browser, _ *oxdauth.Session) {
				res, _ := a.once(b, a.request("POST", "/auth/logout", "Origin", a.base))
				assert.Equal(a.t, http.StatusSeeOther, res.StatusCode)
			},
			"by the provider": func(a *app, _ *oxdtest.Browser, s *oxdauth.Session) {
				res, body := a.post(a.logoutToken(map[string]any{"sub": s.Subject, "sid": s.SID}))
				assert.Equal(a.t, http.StatusOK, res.StatusCode, body)
			},
			"by the application": func(a *app, _ *oxdtest.Browser, s *oxdauth.Session) {
				require.NoError(t, a.auth.RevokeSubject(t.Context(), s.Issuer, s.Subject))
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				handler, of := sessions()
				a := newApp(t, setup{late: backChannel, mount: func(m *oxdauth.Middleware, a *app) http.Handler {
					mux := http.NewServeMux()
					mux.Handle("/", handler(a))
					mux.HandleFunc("/refresh", func(w http.ResponseWriter, r *http.Request) {
						_, err := m.Refresh(w, r)
						w.WriteHeader(oxdauth.StatusCode(err))
					})
					return m.Handler(mux)
				}})
				b := a.signedIn(user, password)
				copied, s := a.sessionCookie(b), of(a, b)
				began, release := make(chan struct{}), make(chan struct{})
				a.srv.Handle("get_access_token_by_refresh_token", func(json.RawMessage) (any, error) {
					close(began)
					<-release
					return map[string]any{"access_token": "new", "refresh_token": "next", "expires_in": 300, "scope": "openid"}, nil
				})
				slow := make(chan *http.Response, 1)
				req := a.request("GET", "/refresh", "Cookie", copied)
				go func() {
					defer close(slow)
					if res, err := a.srv.HTTPClient().Do(req); assert.NoError(t, err) {
						res.Body.Close()
						slow <- res
					}
				}()
				<-began
				logout(a, b, s)
				assert.Equal(t, http.StatusFound, a.status(copied), "the next request, while the refresh is under way")
				close(release)
				res := <-slow
				require.NotNil(t, res)
				assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
				assert.Empty(t, res.Cookies(), "the late answer brings no cookie back")
				assert.Equal(t, http.StatusFound, a.status(copied))
			})
		}
	})
}

func TestACopiedCookieIsDeadAfterTheLogout(t *testing.T) {
	t.Parallel()
	t.Run("V-111", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.signedIn(user, password)
		copied := a.sessionCookie(b)
		require.Equal(t, http.StatusOK, a.status(copied))
		res, _ := a.once(b, a.request("POST", "/auth/logout", "Origin", a.base))
		require.Equal(t, http.StatusSeeOther, res.StatusCode)
		assert.Empty(t, res.Header.Get("Clear-Site-Data"))
		assert.Equal(t, http.StatusFound, a.status(copied))
		res, _ = a.once(nil, a.request("GET", "/", "Cookie", copied))
		assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	})
}

func TestClearSiteDataIsAskedForAtALogoutOnly(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithClearSiteData()}})
	b := a.signedIn(user, password)
	for _, c := range []struct {
		name, method, origin, want string
		status                     int
	}{
		{"the page that asks", "GET", a.base, "", http.StatusOK},
		{"a logout from elsewhere", "POST", "https://evil.example", "", http.StatusForbidden},
		{"a logout", "POST", a.base, `"cache", "storage"`, http.StatusSeeOther},
		{"a logout without a session", "POST", a.base, `"cache", "storage"`, http.StatusOK},
	} {
		res, _ := a.once(b, a.request(c.method, "/auth/logout", "Origin", c.origin))
		assert.Equal(t, c.status, res.StatusCode, c.name)
		assert.Equal(t, c.want, res.Header.Get("Clear-Site-Data"), c.name)
	}
}

// newBackChannel returns a middleware for visitors whose provider signs logout tokens, and the way
// to make and to post such a token.
func newBackChannel(t *testing.T, f *fakeOxd, opts ...oxdauth.Option) (m *oxdauth.Middleware, token func(claims map[string]any) string, post func(string) *httptest.ResponseRecorder) {
	t.Helper()
	a := newApp(t, setup{})
	a.signedIn(user, password) // which registers a client
	m = newAuth(t, f, append(opts, oxdauth.WithBackChannelLogout(a.srv.Provider.URL, a.srv.HTTPClient()))...)
	token = func(claims map[string]any) string {
		claims = maps.Clone(claims)
		claims["aud"] = "c"
		return a.logoutToken(claims)
	}
	post = func(token string) *httptest.ResponseRecorder {
		rec := httptest.NewRecorder()
		m.BackChannelLogout().ServeHTTP(rec, logoutRequest(t, visitOrigin+m.BackChannelLogoutPath(), token))
		return rec
	}
	f.issuer = a.srv.Provider.URL
	return m, token, post
}

func TestALogoutOfAProviderSessionEndsWhatCanBeOfIt(t *testing.T) {
	t.Parallel()
	f := &fakeOxd{}
	m, token, post := newBackChannel(t, f)
	of := func(sid ...string) *visitor {
		return newVisitorOf(t, m, f, visitLogin{claims: map[string][]string{"sid": sid}})
	}
	one, two, without := of("s1"), of("s2"), of()
	for _, step := range []struct {
		name   string
		claims map[string]any
		ended  []*visitor
		left   []*visitor
	}{
		{"a sid alone", map[string]any{"sid": "s1"}, []*visitor{one}, []*visitor{two, without}},
		{"a sid and a sub: nobody can tell that the session without a sid is not of it", map[string]any{"sid": "s3", "sub": "alice"}, []*visitor{one, without}, []*visitor{two}},
		{"a sub of somebody else", map[string]any{"sub": "bob"}, []*visitor{one, without}, []*visitor{two}},
		{"a sub alone", map[string]any{"sub": "alice"}, []*visitor{one, two, without}, nil},
	} {
		require.Equal(t, http.StatusOK, post(token(step.claims)).Code, step.name)
		for _, v := range step.ended {
			assert.Equal(t, http.StatusUnauthorized, v.status(), step.name)
		}
		for _, v := range step.left {
			assert.Equal(t, http.StatusOK, v.status(), step.name)
		}
	}
}

// That there is no room to remember one more logout token is tested in internal/ended.
func TestALogoutTokenThatCouldBeReplayedIsWantedAgain(t *testing.T) {
	t.Parallel()
	t.Run("V-95", func(t *testing.T) {
		t.Parallel()
		f, store := &fakeOxd{}, new(replicatest.Store)
		m, token, post := newBackChannel(t, f, oxdauth.WithStore(store))
		v := newVisitorOf(t, m, f, visitLogin{claims: map[string][]string{"sid": {"s1"}}})
		good := token(map[string]any{"sid": "s1", "sub": "alice"})
		store.Failing.Store(true)
		for range 2 {
			rec := post(good)
			assert.Equal(t, http.StatusServiceUnavailable, rec.Code, "nobody can tell whether it was used")
			assert.JSONEq(t, `{"error":"temporarily_unavailable"}`, rec.Body.String())
			assert.Equal(t, "60", rec.Header().Get("Retry-After"))
		}
		store.Failing.Store(false)
		assert.Equal(t, http.StatusOK, v.status(), "it did nothing")
		assert.Equal(t, http.StatusOK, post(good).Code)
		assert.Equal(t, http.StatusUnauthorized, v.status())
		assert.Equal(t, http.StatusBadRequest, post(good).Code)
	})
}

// withEnds appends the reason of each end of sessions.
func withEnds(ends *[]oxdauth.EndReason) oxdauth.Option {
	return oxdauth.WithEventHook(func(_ context.Context, e oxdauth.Event) {
		if e.Kind == oxdauth.SessionEnded {
			*ends = append(*ends, e.Reason)
		}
	})
}

func TestASessionOfBeforeARestartIsKnownOnceItIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, key := &fakeOxd{}, sealed.RandomKey()
		v := newVisitorOf(t, newAuth(t, f, oxdauth.WithKeys(key)), f, visitLogin{claims: map[string][]string{"sid": {"s1"}}})
		time.Sleep(10 * time.Minute)
		for _, tc := range []struct {
			name string
			used bool
			ends []oxdauth.EndReason
		}{
			{"not used since, it may not be there at all", false, nil},
			{"used", true, []oxdauth.EndReason{oxdauth.EndedByFrontChannel}},
		} {
			var ends []oxdauth.EndReason
			v := v.at(newAuth(t, f, oxdauth.WithKeys(key), withEnds(&ends)))
			if tc.used {
				assert.Equal(t, http.StatusOK, v.status(), tc.name)
			}
			require.Equal(t, http.StatusOK, frontChannel(v.m, "s1"), tc.name)
			assert.Equal(t, tc.ends, ends, tc.name)
			assert.Equal(t, http.StatusUnauthorized, v.status(), "%s: ended in either case", tc.name)
		}
	})
}

func TestAFloodOfFrontChannelLogoutsEndsNoSessionAndDisplacesNoKnownOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hints = 10_000 // that are remembered
		f, key := &fakeOxd{}, sealed.RandomKey()
		m := newAuth(t, f, oxdauth.WithKeys(key), oxdauth.WithSessionLifetime(12*time.Hour, 12*time.Hour))
		of := func(m *oxdauth.Middleware, sid string) *visitor {
			return newVisitorOf(t, m, f, visitLogin{claims: map[string][]string{"sid": {sid}}})
		}
		ended, other := of(m, "ended"), of(m, "other")
		stranger := of(newAuth(t, f, oxdauth.WithKeys(key)), "stranger").at(m)
		require.Equal(t, http.StatusOK, frontChannel(m, "ended"))
		require.Equal(t, http.StatusOK, frontChannel(m, "stranger"))
		assert.Equal(t, http.StatusUnauthorized, ended.status())
		assert.Equal(t, http.StatusUnauthorized, stranger.status(), "a session this process has not seen, as after a restart")
		for i := range 3 * hints {
			require.Equal(t, http.StatusOK, frontChannel(m, strconv.Itoa(i)))
		}
		assert.Equal(t, http.StatusUnauthorized, ended.status())
		assert.Equal(t, http.StatusOK, other.status())
		assert.Equal(t, http.StatusOK, stranger.status(), "the price")

		again := of(m, "again")
		require.Equal(t, http.StatusOK, frontChannel(m, "again"))
		for i := range 2 * hints {
			require.Equal(t, http.StatusOK, frontChannel(m, "x"+strconv.Itoa(i)))
		}
		assert.Equal(t, http.StatusUnauthorized, again.status(), "what is known is not displaced")
	})
}
