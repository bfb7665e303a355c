package exampletest

// What a login does has to be the same however it is mounted.

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxdtest"
)

// Mount is one way to put a login in front of an application.
type Mount struct {
	Name string
	// Whole means that the login also sees requests which match no route.
	Whole bool
	// Build mounts the application's pages at GET and HEAD of /app/page/{id}, behind Wrap and a
	// middleware in the manner of the router that calls [Pages.Later]; and the paths of Auth, where
	// Wrap does not see them.
	Build func(*App) http.Handler
}

// App is what to mount.
type App struct {
	Auth *oxdauth.Middleware
	Wrap func(http.Handler) http.Handler // Handler, RequireACR or Optional of Auth
	*Pages

	*site
	whole bool
}

const page = "/app/page/7?q=a%2Fb&year=2026"

// Mounts tests each of them.
func Mounts(t *testing.T, mounts ...Mount) {
	strict := func(auth *oxdauth.Middleware) func(http.Handler) http.Handler { return auth.Handler }
	stepUp := func(auth *oxdauth.Middleware) func(http.Handler) http.Handler { return auth.RequireACR("otp") }
	open := func(auth *oxdauth.Middleware) func(http.Handler) http.Handler { return auth.Optional }
	cases := []struct {
		name string
		wrap func(*oxdauth.Middleware) func(http.Handler) http.Handler
		open bool
		run  func(*testing.T, *App)
	}{
		{"a navigation without session goes to the provider", strict, false, navigationGoesToProvider},
		{"a script without session gets 401 and JSON", strict, false, scriptIsRefused},
		{"HEAD without session gets 401 without body", strict, false, headIsRefused},
		{"a login ends at the page first asked for, with its query", strict, false, loginReturns},
		{"a callback with a wrong state gets 400", strict, false, wrongState},
		{"a request with a session knows its subject", strict, false, sessionIsKnown},
		{"HEAD with a session reaches the page", strict, false, headPasses},
		{"posting to the logout path ends the session", strict, false, logoutEndsTheSession},
		{"other methods at the logout path end nothing", strict, false, logoutNeedsPost},
		{"an unknown path shows no more than a known one", strict, false, unknownPath},
		{"a weak session goes on to a stronger login", stepUp, false, weakSessionStepsUp},
		{"a login that cannot be stronger gets 403", stepUp, false, stepUpFails},
		{"an optional login lets everybody through and knows who is signed in", open, true, optionalPasses},
	}
	for _, m := range mounts {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			srv := oxdtest.NewServer()
			t.Cleanup(srv.Close)
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					a := &App{Pages: &Pages{open: c.open}, site: &site{srv: srv}, whole: m.Whole}
					a.base = srv.ServeApp(func(base string) http.Handler {
						var err error
						a.Auth, err = oxdauth.New(srv.Client(base+"/auth/callback"), oxdauth.WithLogger(slog.New(slog.DiscardHandler)))
						require.NoError(t, err)
						a.Wrap = c.wrap(a.Auth)
						return m.Build(a)
					})
					t.Cleanup(func() { require.NoError(t, a.Auth.Close()) })
					c.run(t, a)
				})
			}
		})
	}
}

func navigationGoesToProvider(t *testing.T, a *App) {
	a.unreached(t, func() { a.toProvider(t, a.do(t, nil, "GET", page, navigation...)) })
}

func scriptIsRefused(t *testing.T, a *App) {
	a.unreached(t, func() {
		res := a.do(t, nil, "GET", page, script...)
		refusal(t, res, http.StatusUnauthorized, "login_required")
		assert.Contains(t, res.body, `"login_url":"`+a.base+a.Auth.LoginPath()+`"`)
	})
}

func headIsRefused(t *testing.T, a *App) {
	a.unreached(t, func() {
		res := a.do(t, nil, "HEAD", page, navigation...)
		assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
		assert.Empty(t, res.body)
	})
}

func loginReturns(t *testing.T, a *App) {
	res := a.logIn(t, a.srv.Browser(), page, "zoe", "Zoë")
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, a.base+page, res.Request.URL.String())
	assert.Regexp(t, `^Zoë 李 😀 <.+> basic at /app/page/7\?q=a%2Fb&year=2026$`, res.body)
	assert.EqualValues(t, 2, a.reached.Load(), "the later middleware and the page, once each")
}

func wrongState(t *testing.T, a *App) {
	a.unreached(t, func() {
		b := a.srv.Browser()
		a.toProvider(t, a.do(t, b, "GET", page, navigation...)) // a login is under way, but another one
		res := a.do(t, b, "GET", a.Auth.CallbackPath()+"?code=c&state=0123456789012345678901", navigation...)
		assert.Equal(t, http.StatusBadRequest, res.StatusCode)
		assert.Contains(t, res.body, "This login cannot be continued")
	})
}

func sessionIsKnown(t *testing.T, a *App) {
	b := a.srv.Browser()
	first := a.logIn(t, b, page, "zoe", "Zoë")
	res := a.do(t, b, "GET", page, script...)
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, first.body, res.body)
	assert.NotContains(t, res.body, "<>", "the subject")
	assert.Contains(t, res.Header.Values("Vary"), "Cookie")
}

func headPasses(t *testing.T, a *App) {
	b := a.srv.Browser()
	a.logIn(t, b, page, "zoe", "Zoë")
	before := a.reached.Load()
	res := a.do(t, b, "HEAD", page, script...)
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Empty(t, res.body)
	assert.Equal(t, before+2, a.reached.Load())
}

func logoutEndsTheSession(t *testing.T, a *App) {
	b := a.srv.Browser()
	a.logIn(t, b, page, "zoe", "Zoë")
	a.unreached(t, func() {
		res := a.do(t, b, "POST", a.Auth.LogoutPath(), append([]string{"Origin", a.base}, navigation...)...)
		assert.Equal(t, http.StatusSeeOther, res.StatusCode, res.body)
		assert.Contains(t, res.Header.Get("Location"), a.srv.Provider.URL)
		a.toProvider(t, a.do(t, b, "GET", page, navigation...))
	})
}

func logoutNeedsPost(t *testing.T, a *App) {
	b := a.srv.Browser()
	a.logIn(t, b, page, "zoe", "Zoë")
	a.unreached(t, func() {
		res := a.do(t, b, "GET", a.Auth.LogoutPath(), navigation...)
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.Contains(t, res.body, "Sign out?", "a link to it asks")
		res = a.do(t, b, "DELETE", a.Auth.LogoutPath(), script...)
		refusal(t, res, http.StatusMethodNotAllowed, "method_not_allowed")
		res = a.do(t, b, "POST", a.Auth.LogoutPath(), append([]string{"Origin", "https://other.example"}, script...)...)
		refusal(t, res, http.StatusForbidden, "forbidden")
	})
	assert.Equal(t, http.StatusOK, a.do(t, b, "GET", page, script...).StatusCode, "the session goes on")
}

func unknownPath(t *testing.T, a *App) {
	const unknown = "/app/nothing"
	a.unreached(t, func() {
		res := a.do(t, nil, "GET", unknown, navigation...)
		if a.whole {
			a.toProvider(t, res)
			refusal(t, a.do(t, nil, "GET", unknown, script...), http.StatusUnauthorized, "login_required")
		} else {
			assert.Equal(t, http.StatusNotFound, res.StatusCode, "the router's")
		}
	})
	b := a.srv.Browser()
	a.logIn(t, b, page, "zoe", "Zoë")
	res := a.do(t, b, "GET", unknown, navigation...)
	assert.Equal(t, http.StatusNotFound, res.StatusCode, "the router's")
	assert.NotContains(t, res.body, "Zoë")
}

// weakly is a login that asks for no level and then goes to the page, which needs one.
const weakly = "/auth/login?return_to=/app/page/7"

func weakSessionStepsUp(t *testing.T, a *App) {
	res := a.logIn(t, a.srv.Browser(), weakly, "alice", "alice-secret")
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Regexp(t, `^Alice Ångström <.+> otp at /app/page/7$`, res.body)
	assert.EqualValues(t, 2, a.reached.Load(), "only the stronger session reached them")
}

func stepUpFails(t *testing.T, a *App) {
	a.unreached(t, func() {
		b := a.srv.Browser()
		res := a.logIn(t, b, weakly, "bob", "bob-secret")
		assert.Equal(t, http.StatusForbidden, res.StatusCode)
		assert.NotContains(t, res.body, "Bob")
		refusal(t, a.do(t, b, "GET", page, script...), http.StatusForbidden, "insufficient_user_authentication")
	})
}

func optionalPasses(t *testing.T, a *App) {
	b := a.srv.Browser()
	res := a.do(t, b, "GET", page, navigation...)
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, " <nobody>  at "+page, res.body)
	res = a.logIn(t, b, "/auth/login?return_to=/app/page/7", "zoe", "Zoë")
	assert.Regexp(t, `^Zoë 李 😀 <.+> basic at /app/page/7$`, res.body)
}
