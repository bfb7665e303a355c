package oxdauth_test

// Rules in front of a handler: the ways in which allow-lists have been passed elsewhere (V-40 to
// V-51), and what the rules say about themselves.

import (
	"bufio"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// needs is what NewRules takes.
type needs = map[string]func(http.Handler) http.Handler

var open = oxdauth.Public("a test needs it open")

// newRulesApp serves whoami behind rules.
func newRulesApp(t *testing.T, rules func(*oxdauth.Middleware) needs, options ...oxdauth.Option) *app {
	t.Helper()
	return newApp(t, setup{options: options, mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		rs, err := oxdauth.NewRules(m, rules(m))
		require.NoError(t, err)
		return rs.Handler(a.whoami())
	}})
}

// guardedBut has everything behind a login but the patterns given.
func guardedBut(patterns ...string) func(*oxdauth.Middleware) needs {
	return func(m *oxdauth.Middleware) needs {
		n := needs{"/": m.Handler}
		for _, pattern := range patterns {
			n[pattern] = open
		}
		return n
	}
}

// openBut has everything open but the patterns given.
func openBut(patterns ...string) func(*oxdauth.Middleware) needs {
	return func(m *oxdauth.Middleware) needs {
		n := needs{"/": open}
		for _, pattern := range patterns {
			n[pattern] = m.Handler
		}
		return n
	}
}

// stays requires that requests, a line with more lines of headers each, are answered without the
// handler.
func (a *app) stays(status string, requests ...string) {
	a.t.Helper()
	for _, request := range requests {
		line, rest, more := strings.Cut(request, "\r\n")
		if line += " HTTP/1.1"; more {
			line += "\r\n" + rest
		}
		before := a.runs.Load()
		answer, _, _ := strings.Cut(a.raw(line), "\r\n")
		assert.Contains(a.t, answer, " "+status+" ", "%q", request)
		assert.Equal(a.t, before, a.runs.Load(), "%q ran the handler", request)
	}
}

// passes requires that the handler runs for somebody who is not signed in.
func (a *app) passes(requests ...string) {
	a.t.Helper()
	for _, request := range requests {
		before := a.runs.Load()
		answer, _, _ := strings.Cut(a.raw(request+" HTTP/1.1"), "\r\n")
		assert.Contains(a.t, answer, " 200 ", "%q", request)
		assert.Equal(a.t, before+1, a.runs.Load(), "%q", request)
	}
}

func TestTheQueryOpensNothing(t *testing.T) {
	t.Parallel()
	t.Run("V-40", func(t *testing.T) {
		t.Parallel()
		a := newRulesApp(t, guardedBut("/foo/{x}/bar", "/public/"))
		a.stays("302", "GET /secret?x=/foo/1/bar", "GET /secret?/public/", "GET /secret?/../public/", "GET /secret%3f/foo/1/bar", "GET /?/public/x")
		a.passes("GET /foo/1/bar", "GET /foo/1/bar?x=/secret", "GET /public/x?..%2f")
	})
}

func TestANumberSignIsPartOfThePathOrRefused(t *testing.T) {
	t.Parallel()
	t.Run("V-41", func(t *testing.T) {
		t.Parallel()
		a := newRulesApp(t, guardedBut("/public/", "/secret"))
		a.stays("400", "GET /secret#/public", "GET /secret/x#/../../public/", "GET /public/#x")
		a.stays("302", "GET /secret%23/public", "GET /secret%23")
		b := newRulesApp(t, openBut("/secret/"))
		b.stays("400", "GET /secret#/x", "GET /secret/#", "GET /#/secret/")
		b.passes("GET /secret%23/x")
	})
}

func TestNoHeaderDecides(t *testing.T) {
	t.Parallel()
	t.Run("V-42, V-43", func(t *testing.T) {
		t.Parallel()
		a := newRulesApp(t, guardedBut("/public/", "GET /health"))
		for _, header := range []string{
			"User-Agent: GoogleHC/1.0", "User-Agent: kube-probe/1.30", "User-Agent: ELB-HealthChecker/2.0",
			"X-Forwarded-Uri: /public/", "X-Original-URL: /public/", "X-Rewrite-URL: /public/", "X-Original-URI: /public/", "X-Forwarded-Path: /public/",
			"X-Forwarded-Prefix: /public", "Forwarded: host=public", "X-Forwarded-Host: public", "Referer: /public/", "X-Forwarded-Method: OPTIONS",
			"X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1",
		} {
			a.stays("302", "GET /secret\r\n"+header)
		}
		a.stays("302", "GET http://public/secret", "GET https://localhost/secret?x")
	})
}

func TestAnAmbiguousPathIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("V-44, V-46", func(t *testing.T) {
		t.Parallel()
		targets := []string{
			"/public/../secret", "/public/%2e%2e/secret", "/public/..%2fsecret", "//public/../secret", "/public%2f..%2fsecret", "/public/..;/secret",
			`/public\..\secret`, "/public/%5c../secret", "/public/.%2e/secret", "/public/%2E./secret", "/public/./x", "/public/x/.", "/public/x/..",
			"/public//x", "//public/x", "/public/x//", "/%2fpublic/x", "/public%2fx", "/public;x/y", "/public/x;y=1", "/secret;/public/", "/public/%3bx",
			"/public/%00", "/secret%0a", "/public/%0d%0aX:%20y", "/public/%7f", "/public/%c2%85", "/public/%ff", "/public/%c0%af..%c0%afsecret",
			"/public/..%5csecret", "/public/x%2F", "/..", "/.", "*", "//", "http://localhost//secret", "http://localhost", "http:secret",
		}
		for name, rules := range map[string]func(*oxdauth.Middleware) needs{
			"on an open tree": guardedBut("/public/"), "on a guarded tree": openBut("/secret", "/secret/"), "where all is open": openBut(),
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				a := newRulesApp(t, rules)
				for _, target := range targets {
					a.stays("400", "GET "+target, "POST "+target)
				}
				a.stays("400", "CONNECT localhost:443", "CONNECT /public/../secret")
			})
		}
		a := newRulesApp(t, guardedBut("/public/"))
		a.passes("GET /public/a.b", "GET /public/..x", "GET /public/.well-known", "GET /public/%20", "GET /public/caf%C3%A9", "GET /public/%252e%252e", "GET /public/a|b")
	})
}

func TestATreeEndsAtASegment(t *testing.T) {
	t.Parallel()
	t.Run("V-45", func(t *testing.T) {
		t.Parallel()
		a := newRulesApp(t, guardedBut("/public/", "/exact"))
		a.passes("GET /public", "GET /public/", "GET /public/x", "GET /public/x/y", "GET /exact")
		a.stays("302", "GET /publicsecret", "GET /public.html", "GET /publi", "GET /PUBLIC/", "GET /exact/", "GET /exact/x", "GET /exactly")
		b := newRulesApp(t, openBut("/admin/"))
		b.stays("302", "GET /admin", "GET /admin/", "GET /admin/x", "GET /%61dmin", "GET /%61dmin/x")
		b.passes("GET /administrator", "GET /adminx/")
	})
}

func TestTheWildcardOfAnExactRuleIsOneSegment(t *testing.T) {
	t.Parallel()
	t.Run("V-47", func(t *testing.T) {
		t.Parallel()
		a := newRulesApp(t, guardedBut("/hook/{id}", "/home/{$}"))
		a.passes("GET /hook/1", "GET /home/", "GET /home")
		a.stays("400", "GET /hook/..//secret", "GET /hook/../secret", "GET /hook//secret", "GET /hook/1%2fsecret")
		a.stays("302", "GET /hook/1/secret", "GET /hook/", "GET /hook", "GET /hook/1/", "GET /home/x")
	})
}

func TestTheMethodIsPartOfARule(t *testing.T) {
	t.Parallel()
	t.Run("V-48", func(t *testing.T) {
		t.Parallel()
		a := newRulesApp(t, func(m *oxdauth.Middleware) needs {
			return needs{"/": m.Handler, "GET /read": open, "OPTIONS /api/": open, "POST /hook": open}
		})
		a.passes("GET /read", "HEAD /read", "OPTIONS /api/x", "POST /hook")
		preflight := "\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: GET"
		a.stays("401", "POST /read", "OPTIONS /read", "OPTIONS /read"+preflight, "get /read", "OPTIONS /secret", "OPTIONS /secret"+preflight,
			"POST /read\r\nX-HTTP-Method-Override: GET", "POST /api/x\r\nX-HTTP-Method-Override: OPTIONS", "PROPFIND /read", "HEAD /hook")
		a.stays("302", "GET /hook", "GET /hook?_method=POST", "GET /hook\r\nX-HTTP-Method-Override: POST")
	})
}

var allMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "FOO"}

func TestEveryMethodGoesTheSameWay(t *testing.T) {
	t.Parallel()
	t.Run("V-49", func(t *testing.T) {
		t.Parallel()
		a := newRulesApp(t, func(m *oxdauth.Middleware) needs { return needs{"/secret/": m.Handler, "/public/": open} })
		for _, method := range allMethods {
			status := "401"
			if method == "GET" {
				status = "302"
			}
			a.stays(status, method+" /secret/x", method+" /secret")
			a.passes(method+" /public/x", method+" /public")
			a.stays("403", method+" /elsewhere", method+" /")
			a.stays("400", method+" /public/../secret")
		}
	})
}

func TestWhatNoRuleCoversIsRefused(t *testing.T) {
	t.Parallel()
	a := newRulesApp(t, func(m *oxdauth.Middleware) needs { return needs{"GET /mine": m.Handler, "/public/": open} })
	b := a.srv.Browser()
	a.login(b, a.base+"/mine", user, password)
	a.runs.Store(0)
	for _, browser := range []*oxdtest.Browser{nil, b} {
		for _, req := range []*http.Request{a.navigation("/"), a.navigation("/mine/"), a.request("POST", "/mine"), a.request("GET", "/nothing")} {
			res, _ := a.once(browser, req)
			assert.Equal(t, http.StatusForbidden, res.StatusCode, req.URL)
		}
	}
	assert.Zero(t, a.runs.Load())
	res, body := a.once(b, a.navigation("/nothing"))
	assert.Equal(t, http.StatusForbidden, res.StatusCode)
	assert.Contains(t, body, "This page is not open to you.")
	_, body = a.once(nil, a.request("GET", "/nothing"))
	assert.Contains(t, body, `"error":"forbidden"`)
	_, body = a.once(b, a.navigation("/public/;x"))
	assert.Contains(t, body, "more than one way")
}

func TestRulesAskForWhatTheySay(t *testing.T) {
	t.Parallel()
	a := newRulesApp(t, func(m *oxdauth.Middleware) needs {
		return needs{
			"/": m.Handler, "/open/": m.Optional, "/strong/": m.RequireACR("otp"), "/staff/": m.RequireClaim("groups", "admins", "staff"),
			"/admin/": m.RequireClaim("groups", "admins"), "GET /admin/style.css": open,
			"/verified/": m.RequireClaim("email_verified", "true"),
			"/both/": func(next http.Handler) http.Handler {
				return m.RequireACR("otp")(m.RequireClaim("groups", "admins")(next))
			},
		}
	}, oxdauth.WithClaims("name", "groups", "email_verified"))
	bob, alice := a.signedIn("bob", "bob-secret"), a.signedIn(user, password)
	for path, want := range map[string][3]int{ // signed out, bob, alice
		"/x": {302, 200, 200}, "/open/x": {200, 200, 200}, "/strong/": {302, 302, 302}, "/staff/x": {302, 200, 200}, "/admin/x": {302, 403, 200},
		"/admin": {302, 403, 200}, "/admin/style.css": {200, 200, 200}, "/verified/": {302, 403, 200}, "/both/x": {302, 302, 302},
	} {
		for i, browser := range []*oxdtest.Browser{nil, bob, alice} {
			res, _ := a.once(browser, a.navigation(path))
			assert.Equal(t, want[i], res.StatusCode, "%s by %s", path, []string{"nobody", "bob", "alice"}[i])
		}
	}
	_, body := a.once(alice, a.navigation("/open/x"))
	assert.Contains(t, body, "Alice", "an optional session is attached")
	assert.Contains(t, a.login(alice, a.base+"/both/x", user, password), "Alice", "after the stronger login")
}

func TestAClaimIsComparedWhole(t *testing.T) {
	t.Parallel()
	t.Run("V-51", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithClaims("groups")}})
		ran := false
		h := a.auth.RequireClaim("groups", "admins")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true }))
		for _, tt := range []struct {
			name   string
			claims oxd.Claims
			want   bool
		}{
			{"a text", oxd.Claims{"groups": {"admins"}}, true},
			{"an element", oxd.Claims{"groups": {"staff", "admins"}}, true},
			{"missing", nil, false},
			{"an empty array", oxd.Claims{"groups": {}}, false},
			{"an empty text", oxd.Claims{"groups": {""}}, false},
			{"another claim", oxd.Claims{"group": {"admins"}}, false},
			{"a part of it", oxd.Claims{"groups": {"admin", "admins2", "my admins", "admins,staff", "[\"admins\"]", "{\"a\":\"admins\"}"}}, false},
			{"another case", oxd.Claims{"groups": {"Admins"}}, false},
			{"with space", oxd.Claims{"groups": {" admins", "admins\n"}}, false},
		} {
			ran = false
			w := httptest.NewRecorder()
			session := &oxdauth.Session{Subject: "u", Claims: tt.claims}
			h.ServeHTTP(w, httptest.NewRequest("GET", "/x", nil).WithContext(oxdauth.ContextWithSession(t.Context(), session)))
			assert.Equal(t, tt.want, ran, tt.name)
			if !tt.want {
				assert.Equal(t, http.StatusForbidden, w.Code, tt.name)
			}
		}
		assert.Panics(t, func() { a.auth.RequireClaim("role", "admin") }, "the session would not have it")
		assert.Panics(t, func() { a.auth.RequireClaim("groups", "") })
	})
}

func TestARuleHandsOverToAGuard(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{sessions: true, declare: func(a *guardApp, mux *http.ServeMux) {
		rules, err := oxdauth.NewRules(a.auth, needs{
			"/": a.auth.Handler, "/photos/{id}": a.guard.Require(oxdauth.Resource{Path: "/photos/{id}", Method: "GET", Scopes: []string{"view"}}),
		})
		require.NoError(t, err)
		assert.Equal(t, "UMA GET /photos/{id}", rules.Report()[1].Needs)
		mux.Handle("/", rules.Handler(a.whoami()))
	}})
	assert.Equal(t, []string{"GET /photos/{id}"}, a.asked(func() {
		assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/photos/1", "").StatusCode)
	}))
	assert.Equal(t, http.StatusOK, a.ask("GET", "/photos/1", a.rpt("GET", "/photos/1")).StatusCode)
	assert.Equal(t, http.StatusMethodNotAllowed, a.ask("DELETE", "/photos/1", "").StatusCode)
}

func TestAllProblemsOfRulesAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	_, err := oxdauth.NewRules(a.auth, needs{
		"/a/{x}/": open, "/a/{y...}": open, "/a/{z...}": open, "/b/{x": open, "example.com/": open, "GET  /c": open, "GET /c": open, "": open,
		"/d//e": open, "/d/../e": open, "/e%2ff": open, "/f;x": open, "/g": nil, "/auth/callback": open, "GET /auth/login": open, "B@D /h": open,
		"/i": func(http.Handler) http.Handler { return nil }, "/%zz": open, "/good/": a.auth.Handler, "CONNECT /x/../y": open, "/j#k": open,
		"/l/{x}/m": open, "/l/n/{x}": open, "/o/": open, "/o/{x}/": open, "/o/{$}": open,
	})
	require.Error(t, err)
	for _, want := range []string{
		`rule "/a/{z...}": conflict: `, `rule "/b/{x": parsing`, `rule "example.com/": a host does not decide`, `rule "": `,
		`rule "/d//e": its path can be read`, `rule "/d/../e": its path can be read`, `rule "/e%2ff": its path can be read`,
		`rule "/f;x": its path can be read`, `rule "/g": nothing says what it needs`, `rule "/i": nothing says what it needs`,
		`rule "/auth/callback": the middleware itself`, `rule "GET /auth/login": the middleware itself`, `rule "B@D /h": `, `rule "GET /c": conflict`,
		`rule "/%zz": its path is not`, `rule "CONNECT /x/../y": its path can be read`, `rule "/j#k": its path`, `rule "/l/{x}/m": conflict`, `rule "/o/": no request`,
	} {
		assert.ErrorContains(t, err, want)
	}
	assert.NotContains(t, err.Error(), "good")
	assert.NotContains(t, err.Error(), ".go:", "no places in this package")
	assert.Equal(t, 19, strings.Count(err.Error(), "\n")+1, err.Error())

	_, err = oxdauth.NewRules(nil, nil)
	require.Error(t, err)
	none, err := oxdauth.NewRules(a.auth, nil)
	require.NoError(t, err)
	w := httptest.NewRecorder()
	none.Handler(a.whoami()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	assert.Equal(t, http.StatusForbidden, w.Code, "no rules let nobody through")
}

func TestTheReportSaysWhatIsOpenAndWhichRulesGiveWay(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithClaims("groups")}})
	rules, err := oxdauth.NewRules(a.auth, needs{
		"/": a.auth.Handler, "/admin/": a.auth.RequireClaim("groups", "admins", "root"), "GET /admin/style.css": open, "/admin": a.auth.Optional,
		"/admin/{id}": a.auth.RequireACR("otp", "u2f"), "POST /own": func(next http.Handler) http.Handler { return next }, "/{$}": open, "/x/{$}": open,
	})
	require.NoError(t, err)
	assert.Equal(t, []oxdauth.RuleReport{
		{Pattern: "/", Needs: "a session", Except: []string{"/admin", "/admin/", "/admin/{id}", "/x/{$}", "/{$}", "GET /admin/style.css", "POST /own"}},
		{Pattern: "/admin", Needs: "nothing; a session is attached"},
		{Pattern: "/admin/", Needs: "claim groups = admins or root", Except: []string{"/admin", "/admin/{id}", "GET /admin/style.css"}},
		{Pattern: "/admin/{id}", Needs: "ACR otp or u2f", Except: []string{"GET /admin/style.css"}},
		{Pattern: "/x/{$}", Needs: "nothing: a test needs it open"},
		{Pattern: "/{$}", Needs: "nothing: a test needs it open"},
		{Pattern: "GET /admin/style.css", Needs: "nothing: a test needs it open"},
		{Pattern: "POST /own", Needs: "a wrapper of the application"},
	}, rules.Report())
}

// offline returns a middleware whose oxd is never asked.
func offline(tb testing.TB, options ...oxdauth.Option) *oxdauth.Middleware {
	tb.Helper()
	client, err := oxd.NewClient(&oxd.TCPTransport{Addr: "127.0.0.1:1"}, oxd.Site{Params: oxd.RegisterSiteParams{
		OPHost: "https://idp.example", AuthorizationRedirectURI: "https://app.example/cb/callback",
	}})
	require.NoError(tb, err)
	options = append(options, oxdauth.WithKeys(testKey), oxdauth.WithLogger(slog.New(slog.DiscardHandler)))
	auth, err := oxdauth.New(client, options...)
	require.NoError(tb, err)
	return auth
}

// fuzzPatterns are rules that fuzzing picks from; some of them conflict.
var fuzzPatterns = []string{
	"/", "/a", "/a/", "/a/b", "/a/b/", "/a/{x}", "/a/{$}", "/a/{x}/c", "/a/{x}/c/", "/{x}/b", "/{x}", "/b/{rest...}", "GET /a/", "HEAD /a/b", "POST /a",
	"CONNECT /a/", "/a%20b/", "/é/", "GET /", "/{$}",
}

// FuzzRules sends requests as they come off the wire through rules, and requires of each that
// reaches the handler that a ServeMux with the same patterns, once its redirects are followed, has
// it under a pattern that is open.
func FuzzRules(f *testing.F) {
	for _, target := range []string{
		"/a", "/a/", "/a/b", "/a/../b", "/a//b", "//a", "/a%2fb", "/a/%2e%2e/b", "/a;x/b", "/a#/b", "http://h/a/b", "*", "/%61", "/a?/b", "/a%20b/c", "/\\a", "a:1",
	} {
		for _, method := range []string{"GET", "HEAD", "POST", "CONNECT", "get"} {
			f.Add(method, target, uint32(0xfffff), uint32(0x12345))
			f.Add(method, target, uint32(0x00415), uint32(0x00001))
		}
	}
	auth := offline(f)
	f.Fuzz(func(t *testing.T, method, target string, chosen, opened uint32) {
		req, err := http.ReadRequest(bufio.NewReader(strings.NewReader(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: app.example\r\n\r\n", method, target))))
		if err != nil {
			t.Skip()
		}
		reference, routed := http.NewServeMux(), ""
		picked, isOpen := needs{}, map[string]bool{}
		for i, pattern := range fuzzPatterns {
			if chosen>>i&1 == 0 || !register(reference, pattern, &routed) {
				continue
			}
			picked[pattern], isOpen[pattern] = auth.Handler, opened>>i&1 == 1
			if isOpen[pattern] {
				picked[pattern] = open
			}
		}
		rules, err := oxdauth.NewRules(auth, picked)
		require.NoError(t, err)
		reached := 0
		given := *req.URL
		answer := httptest.NewRecorder()
		rules.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			reached++
			assert.Equal(t, given, *r.URL, "the handler sees what was decided about")
		})).ServeHTTP(answer, req)

		for range 3 {
			w := httptest.NewRecorder()
			reference.ServeHTTP(w, req)
			if w.Code/100 != 3 {
				break
			}
			req.URL, err = req.URL.Parse(w.Header().Get("Location"))
			require.NoError(t, err)
		}
		assert.LessOrEqual(t, reached, 1)
		own := strings.HasPrefix(given.Path, "/cb/") || answer.Code == http.StatusBadRequest
		if open := isOpen[routed]; reached == 1 && !open || reached == 0 && open && !own {
			t.Fatalf("%s %q: reached %d, a ServeMux has it at %q, open: %v", method, target, reached, routed, isOpen)
		}
	})
}

// register adds a pattern whose handler notes that it was it, unless the pattern conflicts with
// those there.
func register(mux *http.ServeMux, pattern string, routed *string) (ok bool) {
	defer func() { ok = recover() == nil }()
	mux.HandleFunc(pattern, func(http.ResponseWriter, *http.Request) { *routed = pattern })
	return true
}
