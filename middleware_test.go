package oxdauth_test

// The main job, end to end over both transports: a person logs in, comes back, goes on, signs out.

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxdtest"
)

func TestAPersonLogsInAndSeesThePageFirstAskedFor(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]setup{
		"over the socket":                        {transport: "local"},
		"over HTTPS":                             {transport: "web"},
		"with commands protected, over a socket": {transport: "local", server: oxdtest.Config{ProtectCommands: true}},
		"with commands protected, over HTTPS":    {transport: "web", server: oxdtest.Config{ProtectCommands: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, s)
			b := a.srv.Browser()
			body := a.login(b, a.base+"/reports/42?year=2026&q=a%2Fb", "zoe", "Zoë")
			assert.Contains(t, body, "Zoë 李 😀 <")
			assert.Contains(t, body, "at /reports/42?year=2026&q=a%2Fb")
			_, body = a.get(b, "/other")
			assert.Contains(t, body, "at /other", "the session holds")
			assert.Equal(t, 1, a.srv.CallCount("get_tokens_by_code"))
		})
	}
}

func TestALoginWithSixKilobytesOfTokens(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			var access, id int
			a := newApp(t, setup{transport: transport, handler: func(a *app) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s, _ := oxdauth.SessionFromContext(r.Context())
					access, id = len(s.AccessToken().Reveal()), len(s.IDToken().Reveal())
				})
			}})
			a.srv.Provider.SetTokenPadding(6000)
			b := a.signedIn(user, password)
			assert.Greater(t, access+id, 5000)
			chunks := 0
			for _, c := range a.cookies(b) {
				assert.LessOrEqual(t, len(c.Name)+len(c.Value), 4095)
				if strings.HasPrefix(c.Name, "__Host-oxdauth-tokens") {
					chunks++
				}
			}
			assert.GreaterOrEqual(t, chunks, 2, "such tokens need several cookies")
		})
	}
}

func TestEachKindOfRequestWithoutASessionIsRefusedInItsWay(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	navigate := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html,application/xhtml+xml"}
	for name, tc := range map[string]struct {
		method string
		header []string
		want   int
	}{
		"a navigation":                          {"GET", navigate, 302},
		"an old browser's navigation":           {"GET", []string{"Accept", "text/html,*/*;q=0.8"}, 302},
		"a reload":                              {"GET", append([]string{"Cache-Control", "max-age=0"}, navigate...), 302},
		"a prefetch":                            {"GET", append([]string{"Sec-Purpose", "prefetch"}, navigate...), 401},
		"a prerender":                           {"GET", append([]string{"Sec-Purpose", "prefetch;prerender"}, navigate...), 401},
		"an old prefetch":                       {"GET", append([]string{"Purpose", "prefetch"}, navigate...), 401},
		"Firefox's old prefetch":                {"GET", append([]string{"X-Moz", "prefetch"}, navigate...), 401},
		"a frame":                               {"GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"}, 401},
		"fetch":                                 {"GET", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "*/*"}, 401},
		"fetch that accepts HTML":               {"GET", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html"}, 401},
		"XMLHttpRequest":                        {"GET", []string{"X-Requested-With", "XMLHttpRequest", "Accept", "text/html"}, 401},
		"a JSON client":                         {"GET", []string{"Accept", "application/json"}, 401},
		"curl":                                  {"GET", []string{"Accept", "*/*"}, 401},
		"a client without Accept":               {"GET", nil, 401},
		"an image":                              {"GET", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Accept", "image/avif,*/*"}, 401},
		"a script":                              {"GET", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}, 401},
		"a favicon":                             {"GET", []string{"Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image"}, 401},
		"an event stream":                       {"GET", []string{"Accept", "text/event-stream"}, 401},
		"a WebSocket":                           {"GET", []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-Fetch-Mode", "websocket", "Accept", "text/html"}, 401},
		"gRPC":                                  {"POST", []string{"Content-Type", "application/grpc"}, 401},
		"a form a person submits":               {"POST", append([]string{"Content-Type", "application/x-www-form-urlencoded"}, navigate...), 401},
		"a form of an old browser":              {"POST", []string{"Accept", "text/html"}, 401},
		"HEAD":                                  {"HEAD", navigate, 401},
		"OPTIONS":                               {"OPTIONS", navigate, 401},
		"a preflight":                           {"OPTIONS", []string{"Origin", "https://x.example", "Access-Control-Request-Method", "PUT"}, 401},
		"PUT":                                   {"PUT", nil, 401},
		"DELETE":                                {"DELETE", navigate, 401},
		"an unknown method":                     {"FOO", navigate, 401},
		"a health checker's user agent":         {"GET", []string{"User-Agent", "GoogleHC/1.0"}, 401},
		"a service worker's navigation preload": {"GET", append([]string{"Service-Worker-Navigation-Preload", "true"}, navigate...), 302},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res, body := a.once(nil, a.request(tc.method, "/x?y=1", tc.header...))
			assert.Equal(t, tc.want, res.StatusCode, body)
			assert.Contains(t, strings.Join(res.Header.Values("Cache-Control"), ","), "no-store")
			assert.Contains(t, strings.Join(res.Header.Values("Vary"), ","), "Cookie")
			if tc.want == 302 {
				assert.True(t, strings.HasPrefix(res.Header.Get("Location"), a.srv.Provider.URL))
				assert.Len(t, res.Cookies(), 1)
				return
			}
			assert.Empty(t, res.Cookies(), "no login is started")
			assert.Contains(t, res.Header.Get("WWW-Authenticate"), a.base)
			switch {
			case tc.method == "HEAD":
				assert.Empty(t, body)
			case strings.HasPrefix(res.Header.Get("Content-Type"), "text/html"):
				assert.Contains(t, body, "Your session has ended")
				assert.Contains(t, name, "form", "only a person's form gets a page")
			default:
				var answer map[string]string
				require.NoError(t, json.Unmarshal([]byte(body), &answer), body)
				assert.Equal(t, "login_required", answer["error"])
				assert.Equal(t, a.base+"/auth/login", answer["login_url"])
			}
		})
	}
	t.Cleanup(func() { assert.Zero(t, a.runs.Load(), "the handler never ran") })
}

func TestThreeTabsFinishInAnyOrder(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	b := a.srv.Browser()
	pages := []string{"/one", "/two?x=1", "/three"}
	callbacks := make([]*url.URL, len(pages))
	for i, page := range pages {
		callbacks[i] = a.callback(b, a.base+page)
	}
	for _, i := range []int{1, 2, 0} {
		res, err := b.Get(callbacks[i].String())
		require.NoError(t, err)
		assert.Contains(t, readBody(t, res), "at "+pages[i])
	}
	assert.False(t, a.hasCookie(b, "__Host-oxdauth-login"), "finished logins leave nothing behind")
}

func TestOptionalAttachesASessionOrLetsThrough(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", m.Optional(a.whoami()))
		mux.Handle("/in", m.Handler(a.whoami()))
		return mux
	}})
	b := a.srv.Browser()
	_, body := a.get(b, "/")
	assert.Equal(t, "nobody at /", body)
	a.login(b, a.base+"/in", user, password)
	_, body = a.get(b, "/")
	assert.Contains(t, body, "Alice")
}

func TestThePageIsKeptBehindARouterThatStripsAPrefix(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/admin/", http.StripPrefix("/admin", m.Handler(a.whoami())))
		mux.Handle(m.CallbackPath(), m.Callback())
		return mux
	}})
	assert.Contains(t, a.login(a.srv.Browser(), a.base+"/admin/deep?x=1", user, password), "at /deep?x=1")
}

func TestAuthenticateDecidesWithoutAnswering(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", m.Handler(a.whoami()))
		mux.HandleFunc("/decide", func(w http.ResponseWriter, r *http.Request) {
			s, err := m.Authenticate(r)
			if err != nil {
				w.WriteHeader(oxdauth.StatusCode(err))
				return
			}
			_, _ = w.Write([]byte(s.Claims.Get("name")))
		})
		return mux
	}})
	res, _ := a.get(nil, "/decide")
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	assert.Empty(t, res.Cookies())
	b := a.signedIn(user, password)
	res, body := a.get(b, "/decide")
	assert.Contains(t, body, "Alice")
	assert.Empty(t, res.Cookies())
}

func TestASessionOfATestIsAcceptedWithoutCookies(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	called := false
	h := a.auth.Handler(a.auth.RequireACR("otp")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, ok := oxdauth.SessionFromContext(r.Context())
		called = ok && s.Subject == "u1" && s.AccessToken().IsZero()
	})))
	r := a.navigation("/")
	h.ServeHTTP(discard{http.Header{}}, r.WithContext(oxdauth.ContextWithSession(r.Context(), &oxdauth.Session{Subject: "u1", ACR: "otp"})))
	assert.True(t, called)
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func TestStepUpAsksForAStrongerLoginOnce(t *testing.T) {
	t.Parallel()
	mount := func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", a.whoami())
		mux.Handle("/strong", m.RequireACR("otp")(a.whoami()))
		return m.Handler(mux)
	}
	t.Run("a weaker session is sent through the provider and comes back stronger", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{mount: mount})
		b := a.signedIn(user, password)
		before := a.sessionCookie(b)
		assert.Contains(t, a.login(b, a.base+"/strong?x=1", user, password), "at /strong?x=1")
		assert.NotEqual(t, before, a.sessionCookie(b), "V-26: a login makes a new session")
		_, body := a.get(b, "/strong")
		assert.Contains(t, body, "at /strong", "no second step-up")
		res, _ := a.once(nil, a.navigation("/strong", "Cookie", before))
		assert.Equal(t, http.StatusFound, res.StatusCode, "V-26: the session from before is gone")
	})
	t.Run("a script is told so instead", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{mount: mount})
		b := a.signedIn(user, password)
		req := a.request("GET", "/strong", "Accept", "application/json", "Cookie", a.sessionCookie(b))
		res, body := a.once(nil, req)
		assert.Equal(t, http.StatusForbidden, res.StatusCode)
		assert.Contains(t, body, "insufficient_user_authentication")
	})
	t.Run("a provider that delivers less is believed after one attempt", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{mount: mount})
		b := a.signedIn(user, password)
		a.srv.Provider.SetACRDelivered("basic")
		runs := a.runs.Load()
		res, err := b.LogIn(a.base+"/strong", user, password)
		require.NoError(t, err)
		body := readBody(t, res)
		assert.Equal(t, http.StatusForbidden, res.StatusCode)
		assert.Contains(t, body, "A stronger login is needed")
		assert.Equal(t, runs, a.runs.Load())
		_, body = a.get(b, "/")
		assert.Contains(t, body, "Alice", "the session from before is untouched")
	})
}

func TestARouteCanWantARecentLogin(t *testing.T) {
	t.Parallel()
	mount := func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", a.whoami())
		mux.Handle("/password", m.RequireMaxAge(time.Minute)(a.whoami()))
		return m.Handler(mux)
	}
	for name, tc := range map[string]struct {
		age    time.Duration // of the first login, as the provider states it
		then   time.Duration // of the one for the page
		direct bool          // no redirect is needed
		status int
	}{
		"a recent session goes through":                           {direct: true, status: http.StatusOK},
		"a session at the limit goes through":                     {age: time.Minute, direct: true, status: http.StatusOK},
		"an older session is sent through the provider":           {age: time.Hour, status: http.StatusOK},
		"a session without auth_time is, too":                     {age: -1, status: http.StatusOK},
		"a provider that states an old login is believed at once": {age: time.Hour, then: 2 * time.Minute, status: http.StatusForbidden},
		"a provider that states none is refused":                  {age: time.Hour, then: -1, status: http.StatusForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, setup{mount: mount})
			a.srv.Provider.SetAuthTimeAge(tc.age)
			b := a.signedIn(user, password)
			a.srv.Provider.SetAuthTimeAge(tc.then)
			before := a.sessionCookie(b)
			res, _ := a.once(nil, a.navigation("/password", "Cookie", before))
			if tc.direct {
				assert.Equal(t, http.StatusOK, res.StatusCode)
				return
			}
			to, err := res.Location()
			require.NoError(t, err)
			assert.Equal(t, "60", to.Query().Get("max_age"))
			assert.Equal(t, "alice", to.Query().Get("login_hint"))
			assert.Equal(t, "basic", to.Query().Get("acr_values"), "what the session has is not lost")
			res, err = b.LogIn(a.base+"/password?x=1", user, password)
			require.NoError(t, err)
			body := readBody(t, res)
			assert.Equal(t, tc.status, res.StatusCode, body)
			if tc.status == http.StatusOK {
				assert.Contains(t, body, "at /password?x=1")
				return
			}
			assert.Equal(t, before, a.sessionCookie(b), "the session from before is untouched")
			req := a.request("GET", "/password", "Accept", "application/json", "Cookie", before)
			res, body = a.once(nil, req)
			assert.Equal(t, http.StatusForbidden, res.StatusCode)
			assert.Contains(t, body, "insufficient_user_authentication")
		})
	}
	a := newApp(t, setup{})
	assert.Panics(t, func() { a.auth.RequireMaxAge(9 * time.Second) })
	assert.Panics(t, func() { a.auth.RequireMaxAge(10500 * time.Millisecond) })
}

// sessionCookie returns the session cookies of a browser as a Cookie header.
func (a *app) sessionCookie(b *oxdtest.Browser) string {
	var parts []string
	for _, c := range a.cookies(b) {
		if strings.HasPrefix(c.Name, "__Host-oxdauth") && !strings.Contains(c.Name, "-login-") {
			parts = append(parts, c.Name+"="+c.Value)
		}
	}
	return strings.Join(parts, "; ")
}

func TestTokensAreRefreshedAheadOfExpiry(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			var token atomic.Value // the handler's latest
			a := newApp(t, setup{transport: transport, handler: func(a *app) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s, _ := oxdauth.SessionFromContext(r.Context())
					token.Store(s.AccessToken().Reveal())
				})
			}})
			b := a.signedInShortly()
			first := token.Load().(string)
			require.Eventually(t, func() bool { // the request that sets the refresh off does not wait for it
				a.get(b, "/")
				return token.Load() != first
			}, 10*time.Second, 50*time.Millisecond)
			refreshes := a.srv.Provider.Refreshes()
			a.get(b, "/")
			assert.Equal(t, refreshes, a.srv.Provider.Refreshes(), "the new token lives an hour")
			assert.Equal(t, refreshes, a.srv.CallCount("get_access_token_by_refresh_token"))

			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.srv.Provider.URL+"/oxauth/restv1/userinfo", nil)
			require.NoError(t, err)
			req.Header.Set("Authorization", "Bearer "+token.Load().(string))
			res, body := a.once(nil, req)
			assert.Equal(t, http.StatusOK, res.StatusCode, "the handler's token works: "+body)
		})
	}
}

func TestManyRequestsWithOneExpiredTokenMakeOneRefresh(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	cookie, before := a.expiredSession(), a.srv.Provider.Refreshes()
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			res, body := a.once(nil, a.navigation("/", "Cookie", cookie))
			assert.Equal(t, http.StatusOK, res.StatusCode, body)
		})
	}
	wg.Wait()
	assert.Equal(t, before+1, a.srv.Provider.Refreshes())
	res, _ := a.once(nil, a.navigation("/", "Cookie", cookie))
	assert.Equal(t, http.StatusOK, res.StatusCode, "a straggler with the old cookies gets the same successor")
	assert.NotEmpty(t, res.Cookies())
	assert.Equal(t, before+1, a.srv.Provider.Refreshes())
	assert.Zero(t, a.srv.Provider.ReuseDetected())
}

func TestRefreshNow(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", a.whoami())
		mux.HandleFunc("/refresh", func(w http.ResponseWriter, r *http.Request) {
			before, _ := oxdauth.SessionFromContext(r.Context())
			after, err := m.Refresh(w, r)
			if err != nil {
				http.Error(w, err.Error(), oxdauth.StatusCode(err))
				return
			}
			assert.NotEqual(t, before.AccessToken().Reveal(), after.AccessToken().Reveal())
			assert.Equal(t, before.Subject, after.Subject)
		})
		return m.Handler(mux)
	}})
	b := a.signedIn(user, password)
	for i := range 3 {
		res, body := a.get(b, "/refresh")
		require.Equal(t, http.StatusOK, res.StatusCode, body)
		assert.Equal(t, i+1, a.srv.Provider.Refreshes(), "each with the refresh token of the one before")
	}
	a.srv.Provider.SetDown(true)
	res, _ := a.get(b, "/refresh")
	assert.GreaterOrEqual(t, res.StatusCode, 500)
	_, body := a.get(b, "/")
	assert.Contains(t, body, "Alice", "the session goes on")
}

func TestWithoutARefreshTokenTheSessionGoesOnAndRefreshSaysSo(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", a.whoami())
		mux.HandleFunc("/refresh", func(w http.ResponseWriter, r *http.Request) {
			_, err := m.Refresh(w, r)
			assert.ErrorIs(t, err, oxdauth.ErrNoRefreshToken)
		})
		return m.Handler(mux)
	}})
	a.srv.Provider.SetRefreshTokens(false)
	b := a.signedIn(user, password)
	a.get(b, "/refresh")
	_, body := a.get(b, "/")
	assert.Contains(t, body, "Alice")
}

func TestOxdIsKilledAndComesBack(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, setup{transport: transport})
			b := a.signedIn(user, password)
			waiting := a.srv.Browser()
			callback := a.callback(waiting, a.base+"/late")

			a.srv.Stop()
			_, body := a.get(b, "/still")
			assert.Contains(t, body, "at /still", "a session with a valid token goes on")
			res, body := a.get(nil, "/new")
			assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
			assert.Contains(t, body, "Signing in is not possible right now")
			assert.NotEmpty(t, res.Header.Get("Retry-After"))

			a.srv.Restart()
			_, body = a.get(b, "/again")
			assert.Contains(t, body, "at /again")
			a.login(a.srv.Browser(), a.base+"/fresh", user, password)
			res, err := waiting.Get(callback.String())
			require.NoError(t, err)
			assert.Contains(t, readBody(t, res), "at /late", "oxd forgot the state; the login starts again by itself and keeps the page")
			assert.Equal(t, 1, a.srv.CallCount("register_site")+a.srv.CallCount("setup_client"), "the site survives")
		})
	}
}

func TestAFailingLoginStopsWithAPage(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	a.srv.Handle("get_tokens_by_code", func(json.RawMessage) (any, error) {
		return nil, oxdtest.Errorf("bad_request", "'state' is not registered.")
	})
	res, err := a.srv.Browser().LogIn(a.base+"/x", user, password)
	require.NoError(t, err)
	readBody(t, res)
	assert.GreaterOrEqual(t, res.StatusCode, 400)
	assert.Less(t, a.srv.CallCount("get_authorization_url"), 5, "no loop")
	assert.LessOrEqual(t, a.srv.CallCount("get_tokens_by_code"), 3)
}

func TestProviderErrorsBecomeClearPages(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	for code, want := range map[string]struct {
		status int
		text   string
	}{
		"access_denied":           {403, "The login was cancelled"},
		"login_required":          {403, "The provider could not sign you in"},
		"temporarily_unavailable": {503, "The provider could not sign you in"},
		"server_error":            {502, "The provider could not sign you in"},
		"<script>alert(1)":        {502, "The provider could not sign you in"},
	} {
		b := a.srv.Browser()
		q := a.callback(b, a.base+"/").Query()
		back := url.Values{"state": q["state"], "error": {code}, "error_description": {"because <b>"}}
		res, body := a.get(b, "/auth/callback?"+back.Encode())
		assert.Equal(t, want.status, res.StatusCode, code)
		assert.Contains(t, body, want.text)
		assert.NotContains(t, body, "because")
		assert.NotContains(t, body, "<script>")
		assert.Contains(t, body, `href="/auth/login`)
	}
	assert.Zero(t, a.srv.CallCount("get_tokens_by_code"))
}

func TestSigningOutEndsTheSessionHereAndAtTheProvider(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, setup{transport: transport})
			b := a.signedIn(user, password)
			cookie := a.sessionCookie(b)
			page, err := b.Get(a.base + "/auth/logout")
			require.NoError(t, err)
			res, err := b.Submit(page, nil)
			require.NoError(t, err)
			readBody(t, res)
			assert.Equal(t, 1, a.srv.Provider.EndSessions())
			assert.Empty(t, a.sessionCookie(b), "its cookies are gone")
			res, _ = a.once(nil, a.navigation("/", "Cookie", cookie))
			assert.Equal(t, http.StatusFound, res.StatusCode, "a copied cookie does not bring the session back")
			res, _ = a.get(b, "/")
			assert.True(t, strings.HasPrefix(res.Request.URL.String(), a.srv.Provider.URL), "the provider asks for the password again")
		})
	}
}

func TestClaimsComeFromUserinfoWhenTheIDTokenLacksThem(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{
		options: []oxdauth.Option{oxdauth.WithClaims("department")},
		handler: func(a *app) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, _ := oxdauth.SessionFromContext(r.Context())
				_, _ = w.Write([]byte(s.Subject + "|" + strings.Join(s.Claims["department"], ",")))
			})
		},
	})
	subject, department, _ := strings.Cut(a.login(a.srv.Browser(), a.base+"/", user, password), "|")
	require.NotEmpty(t, subject)
	assert.Empty(t, department)
	answer := func(sub string) {
		a.srv.Handle("get_user_info", func(json.RawMessage) (any, error) {
			claims := map[string][]string{"sub": {sub}, "department": {"R&D", "李"}}
			if os.Getenv("OXDAUTH_TEST_TRANSPORT") == "rest" { // where they have no name of their own
				return claims, nil
			}
			return map[string]any{"claims": claims}, nil
		})
	}
	answer(subject)
	assert.Equal(t, subject+"|R&D,李", a.login(a.srv.Browser(), a.base+"/", user, password))

	answer("somebody else")
	b := a.srv.Browser()
	res, err := b.LogIn(a.base+"/", user, password)
	require.NoError(t, err)
	readBody(t, res)
	assert.Equal(t, http.StatusBadGateway, res.StatusCode)
	assert.False(t, a.hasCookie(b, "__Host-oxdauth"), "V-90: userinfo about another subject ends the login")

	answer("") // what oxd makes of a token the provider refused
	assert.Equal(t, subject+"|", a.login(a.srv.Browser(), a.base+"/", user, password))
}
