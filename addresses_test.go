package oxdauth_test

// Addresses: each is given once, a prefix that something takes away is declared, and what is set up
// wrongly ends in a page and a line of the log, never in a circle.

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// mountStripped are the ways in which an application gets requests without a prefix.
var mountStripped = map[string]func(t *testing.T, inside http.Handler) http.Handler{
	"in this process": func(_ *testing.T, inside http.Handler) http.Handler { return http.StripPrefix("/admin", inside) },
	"by a proxy": func(t *testing.T, inside http.Handler) http.Handler {
		srv := httptest.NewServer(inside)
		t.Cleanup(srv.Close)
		backend, err := url.Parse(srv.URL)
		require.NoError(t, err)
		return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(backend)
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/admin")
			r.Out.URL.RawPath = ""
		}}
	},
}

// newPrefixed starts an application whose redirect URL is below /admin.
func newPrefixed(t *testing.T, mount func(*testing.T, http.Handler) http.Handler, opts ...oxdauth.Option) *app {
	t.Helper()
	srv := oxdtest.NewServer()
	t.Cleanup(srv.Close)
	a := &app{t: t, srv: srv, log: &logBuffer{}}
	a.base = srv.ServeApp(func(base string) http.Handler {
		site := srv.Site(base + "/admin/auth/callback")
		site.Params.PostLogoutRedirectURI = ""
		client, err := oxd.NewClient(srv.Transport(), site)
		require.NoError(t, err)
		a.auth, err = oxdauth.New(client, append(opts, oxdauth.WithKeys(testKey), oxdauth.WithLogger(a.log.logger()))...)
		require.NoError(t, err)
		inside := http.NewServeMux()
		inside.Handle("/", a.auth.Handler(a.whoami()))
		inside.Handle("/open", a.auth.Optional(a.whoami()))
		mux := http.NewServeMux()
		mux.Handle("/admin/", mount(t, inside))
		return mux
	})
	t.Cleanup(func() { require.NoError(t, a.auth.Close()) })
	return a
}

func TestAPrefixThatIsDeclaredIsInEveryAddressOfTheBrowser(t *testing.T) {
	t.Parallel()
	for name, mount := range mountStripped {
		t.Run("N1 "+name, func(t *testing.T) {
			t.Parallel()
			a := newPrefixed(t, mount, oxdauth.WithPathPrefix("/admin"))
			assert.Equal(t, "/auth/login", a.auth.LoginPath(), "as it arrives")
			assert.Equal(t, a.base+"/admin/auth/login", a.auth.LoginURL())
			b := a.srv.Browser()
			body := a.login(b, a.base+"/admin/reports?x=1", user, password)
			assert.Contains(t, body, "reports?x=1")

			_, body = a.once(nil, a.request(http.MethodGet, "/admin/api"))
			assert.Contains(t, body, a.base+"/admin/auth/login")
			res, body := a.once(nil, a.navigation("/admin/auth/callback?state=x&code=y"))
			assert.Equal(t, http.StatusBadRequest, res.StatusCode)
			assert.Contains(t, body, `href="/admin/auth/login"`)

			res, body = a.get(b, "/admin/auth/logout")
			assert.Equal(t, http.StatusOK, res.StatusCode)
			assert.Contains(t, body, `action="/admin/auth/logout"`)
			req := a.request(http.MethodPost, "/admin/auth/logout", "Origin", a.base)
			res, _ = a.once(b, req)
			assert.Equal(t, http.StatusSeeOther, res.StatusCode, "to the provider")
			assert.Contains(t, res.Header.Get("Location"), "post_logout_redirect_uri="+url.QueryEscape(a.base+"/admin/"))
			res, _ = a.once(b, a.navigation("/admin/reports"))
			assert.Equal(t, http.StatusFound, res.StatusCode, "signed out")
		})
	}
}

func TestAPrefixThatIsNotDeclaredEndsInAPageAndSaysWhatToSet(t *testing.T) {
	t.Parallel()
	for name, mount := range mountStripped {
		t.Run("N1, S19 "+name, func(t *testing.T) {
			t.Parallel()
			for _, page := range []string{"/admin/reports", "/admin/open"} {
				a := newPrefixed(t, mount)
				b := a.srv.Browser()
				if page == "/admin/open" { // the login begins elsewhere
					res, _ := a.once(b, a.navigation("/admin/reports"))
					require.Equal(t, http.StatusFound, res.StatusCode)
				}
				res, err := b.LogIn(a.base+"/admin/reports", user, password)
				require.NoError(t, err)
				body := readBody(t, res)
				assert.Equal(t, http.StatusInternalServerError, res.StatusCode, body)
				assert.Equal(t, 1, strings.Count(a.log.String(), `use WithPathPrefix(\"/admin\")`), "once")
				assert.Zero(t, a.runs.Load())
			}
		})
	}
}

func TestAPrefixThatIsDeclaredAndStillThereSaysSo(t *testing.T) {
	t.Parallel()
	a := newPrefixed(t, func(_ *testing.T, inside http.Handler) http.Handler { return inside }, oxdauth.WithPathPrefix("/admin"))
	res, err := a.srv.Browser().LogIn(a.base+"/admin/reports", user, password)
	require.NoError(t, err)
	readBody(t, res)
	assert.Equal(t, http.StatusInternalServerError, res.StatusCode)
	assert.Contains(t, a.log.String(), "check WithPathPrefix")
}

func TestAMisplacedCallbackIsNoticedWhereverItArrives(t *testing.T) {
	t.Parallel()
	for name, mount := range map[string]func(*oxdauth.Middleware, http.Handler) http.Handler{
		"at a handler":          func(m *oxdauth.Middleware, next http.Handler) http.Handler { return m.Handler(next) },
		"at an optional one":    func(m *oxdauth.Middleware, next http.Handler) http.Handler { return m.Optional(next) },
		"at a strong one":       func(m *oxdauth.Middleware, next http.Handler) http.Handler { return m.RequireACR("otp")(next) },
		"at the callback moved": func(m *oxdauth.Middleware, _ http.Handler) http.Handler { return m.Callback() },
	} {
		t.Run("S19 "+name, func(t *testing.T) {
			t.Parallel()
			f, log := &fakeOxd{}, &logBuffer{}
			m := newAuth(t, f, oxdauth.WithLogger(log.logger()))
			v := &visitor{t: t, m: m, jar: map[string]string{}}
			out := v.leave("/")
			ran := false
			h := mount(m, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true }))
			res, _ := v.copy().send(h, v.page("/callback?code=x&state="+out.state))
			assert.Equal(t, http.StatusInternalServerError, res.StatusCode)
			assert.Contains(t, log.String(), `use WithPathPrefix(\"/auth\")`)
			assert.False(t, ran)

			// Without a login of this browser it is a page like any other.
			ran = false
			stranger := &visitor{t: t, m: m, jar: map[string]string{}}
			res, _ = stranger.send(h, stranger.page("/callback?code=x&state="+out.state))
			assert.NotEqual(t, http.StatusInternalServerError, res.StatusCode)
			assert.Equal(t, name == "at an optional one", ran)
		})
	}
}

func TestLoginsThatLeaveNoSessionStopGoingRound(t *testing.T) {
	t.Parallel()
	other := append([]byte(nil), testKey...)
	other[0]++
	for name, mount := range map[string]func(m *oxdauth.Middleware, a *app) http.Handler{
		"S19 each page is served by another replica, with another key": func(m *oxdauth.Middleware, a *app) http.Handler {
			var start sync.Once
			var replicas [2]http.Handler
			var pages atomic.Int64
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				start.Do(func() { // now that the address is known
					second := a.middleware(a.base, setup{options: []oxdauth.Option{oxdauth.WithKeys(other)}})
					a.t.Cleanup(func() { require.NoError(a.t, second.Close()) })
					replicas = [2]http.Handler{m.Handler(a.whoami()), second.Handler(a.whoami())}
				})
				if !strings.HasPrefix(r.URL.Path, "/auth/") {
					pages.Add(1)
				}
				replicas[pages.Load()%2].ServeHTTP(w, r)
			})
		},
		"the cookie of the session gets lost on the way": func(m *oxdauth.Middleware, a *app) http.Handler {
			inside := m.Handler(a.whoami())
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				kept := r.Clone(r.Context())
				kept.Header.Del("Cookie")
				for _, c := range r.Cookies() {
					if c.Name != "__Host-oxdauth" {
						kept.AddCookie(c)
					}
				}
				inside.ServeHTTP(w, kept)
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, setup{mount: mount})
			b := a.srv.Browser()
			res, err := b.LogIn(a.base+"/reports", user, password)
			require.NoError(t, err)
			body := readBody(t, res)
			assert.Equal(t, http.StatusInternalServerError, res.StatusCode, body)
			assert.Contains(t, a.log.String(), "logins succeed and leave no session")
			assert.LessOrEqual(t, a.srv.CallCount("get_tokens_by_code"), 4)
		})
	}
}

func TestASessionEndsTheCountOfLogins(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	b := a.srv.Browser()
	for range 6 { // within seconds, as a test of an application may do it
		a.login(b, a.base+"/", user, password)
		assert.False(t, a.hasCookie(b, roundCookie), "the page has removed it")
		res, _ := a.once(b, a.request(http.MethodPost, "/auth/logout", "Origin", a.base))
		require.Equal(t, http.StatusSeeOther, res.StatusCode)
	}
}

func TestAnEndpointBesideACallbackAtTheRootIsNamedAndSettable(t *testing.T) {
	t.Parallel()
	newAt := func(t *testing.T, opts ...oxdauth.Option) (*oxdauth.Middleware, *logBuffer, error) {
		log := &logBuffer{}
		client, err := oxd.NewClient(&fakeOxd{}, siteOf("site", "https://app.example/cb"))
		require.NoError(t, err)
		m, err := oxdauth.New(client, append(opts, oxdauth.WithKeys(testKey), oxdauth.WithLogger(log.logger()))...)
		return m, log, err
	}
	t.Run("N16 named", func(t *testing.T) {
		t.Parallel()
		m, log, err := newAt(t)
		require.NoError(t, err)
		assert.Equal(t, "/login", m.LoginPath())
		assert.Contains(t, log.String(), `"login":"/login","logout":"/logout"`)
		assert.Contains(t, log.String(), "WithEndpoints")
	})
	t.Run("N16 set", func(t *testing.T) {
		t.Parallel()
		m, log, err := newAt(t, oxdauth.WithEndpoints(oxdauth.Endpoints{Login: "/sso/login", Logout: "/sso/logout"}))
		require.NoError(t, err)
		assert.Empty(t, log.String())
		assert.Equal(t, []string{"/sso/login", "/sso/logout", "/frontchannel-logout", "/backchannel-logout"},
			[]string{m.LoginPath(), m.LogoutPath(), m.FrontChannelLogoutPath(), m.BackChannelLogoutPath()})
		v := &visitor{t: t, m: m, jar: map[string]string{}}
		h := m.Handler(http.NotFoundHandler())
		res, body := v.send(h, v.page("/sso/logout"))
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.Contains(t, body, `action="/sso/logout"`)
		res, _ = v.send(m.Optional(http.NotFoundHandler()), v.page("/login"))
		assert.Equal(t, http.StatusNotFound, res.StatusCode, "the application's own")
	})
	t.Run("N16 twice the same", func(t *testing.T) {
		t.Parallel()
		_, _, err := newAt(t, oxdauth.WithEndpoints(oxdauth.Endpoints{Login: "/cb"}))
		assert.ErrorContains(t, err, "Endpoints.Login")
	})
}

func TestTheProviderSendsTheBrowserBackToAnAddressThatNobodyGave(t *testing.T) {
	t.Parallel()
	t.Run("N2", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{
			site: func(s *oxd.Site) { s.Params.PostLogoutRedirectURI = "" },
			mount: func(m *oxdauth.Middleware, a *app) http.Handler {
				mux := http.NewServeMux()
				mux.Handle("/", a.whoami()) // open to everybody
				mux.Handle("/auth/", m.Handler(http.NotFoundHandler()))
				mux.Handle("/inside", m.Handler(a.whoami()))
				return mux
			},
		})
		b := a.srv.Browser()
		a.login(b, a.base+"/inside", user, password)
		page, err := b.Get(a.base + "/auth/logout")
		require.NoError(t, err)
		res, err := b.Submit(page, nil)
		require.NoError(t, err)
		readBody(t, res)
		assert.Equal(t, a.base+"/", res.Request.URL.String())
	})
}

func TestAMiddlewareThatIsRefusedRegistersNothing(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	before := a.oxd
	_, err := oxdauth.New(before, oxdauth.WithFrontChannelLogout(), oxdauth.WithKeys(nil))
	require.Error(t, err)
	a.signedIn(user, password)
	assert.Zero(t, a.srv.CallCount("update_site_registration")+a.srv.CallCount("update_site")+a.srv.CallCount("update-site"))
}

func TestTheSpellingOfAHostIsOfNoImportance(t *testing.T) {
	t.Parallel()
	t.Run("S05", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{site: func(s *oxd.Site) {
			s.Params.AuthorizationRedirectURI = strings.Replace(s.Params.AuthorizationRedirectURI, "//localhost", "//LOCALHOST", 1)
		}})
		b := a.srv.Browser()
		res, err := b.LogIn(a.base+"/reports", user, password)
		require.NoError(t, err)
		body := readBody(t, res)
		require.Equal(t, http.StatusOK, res.StatusCode, body)
		assert.Contains(t, body, "at /reports")
		for _, call := range a.srv.Calls() {
			if call.Command == "register_site" || call.Command == "setup_client" {
				assert.Contains(t, string(call.Params), `"https://LOCALHOST:`, "as it was given")
			}
		}
		res, _ = a.once(b, a.request(http.MethodPost, "/auth/logout", "Origin", a.base))
		assert.Equal(t, http.StatusSeeOther, res.StatusCode, "a browser writes the origin in lower case")
	})
}
