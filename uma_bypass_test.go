package oxdauth_test

// Tricks that have opened guards elsewhere, by the way they work.

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

// harmless requires that no variant of a request target runs a handler without RPT, and that oxd hears of nothing but what
// is declared.
func (a *guardApp) harmless(targets ...string) {
	a.t.Helper()
	declared := []string{"GET /photos/{id}", "PUT /photos/{id}", "GET /admin", "GET /files/{rest...}", "GET /slashes/{rest...}", "GET /any/{id}"}
	for _, target := range targets {
		questions := a.asked(func() {
			answer := a.raw("GET " + target + " HTTP/1.1")
			assert.NotContains(a.t, strings.SplitN(answer, "\r\n", 2)[0], " 200 ", target)
		})
		assert.Subset(a.t, declared, questions, target)
	}
	assert.Zero(a.t, a.runs.Load())
}

// refused requires 400 without a question.
func (a *guardApp) refused(targets ...string) {
	a.t.Helper()
	for _, target := range targets {
		assert.Empty(a.t, a.asked(func() {
			answer := a.raw("GET " + target + " HTTP/1.1")
			assert.Contains(a.t, answer, "HTTP/1.1 400", target)
		}), target)
	}
	assert.Zero(a.t, a.runs.Load())
}

func TestB01_B02_B06_B07_B08_B16_B23_B24_spellings_of_a_path_open_nothing(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		a.harmless("/photos/1/", "/photos/1;x=1", "/photos;x/1", "/photos/1/;/", "/photos/1%3bx=1", "//photos/1", "///photos/1", "/photos//1",
			"/PHOTOS/1", "/Admin", "/%61dmin", "/admin?x=/accessDenied", "/photos/1?path=/public", "/photos/1?access_token=x&rpt=x",
			"/photos/1#/../admin", "/admin#f", "/photos-admin", "/photo", "http://other.example/admin", "/any/1?_method=DELETE",
			"/photos/claims?x=/auth/claims", "/photos/accessDenied")
		assert.Equal(t, []string{"GET /photos/{id}"}, a.asked(func() { a.raw("GET /photos/1;x=1 HTTP/1.1") }))
	})
}

func TestB03_dot_segments_are_refused(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		a.harmless("/public/../admin", "/x/%2e%2e/admin", "/photos/%2e%2e/admin")
		a.refused("/photos/..%2fadmin", "/photos/%2e%2e%2fadmin", "/files/%2e%2e%2fadmin", "/files/a/..%2f..%2fadmin", "/slashes/..%2fadmin",
			"/slashes/%2e%2fadmin", "/files/..;x/admin", "/photos/%2e%2e;x=1")
	})
}

func TestB04_encoded_slashes_and_backslashes_are_refused_unless_expected(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		a.refused("/photos/a%2Fb", "/photos/a%2fb", "/photos/a%5cb", `/photos/a\b`, "/files/a%2fb", "/slashes/a%5cb")
		assert.Equal(t, []string{"GET /slashes/{rest...}"}, a.asked(func() {
			assert.Contains(t, a.raw("GET /slashes/a%2fb HTTP/1.1"), "HTTP/1.1 401")
		}))
	})
}

func TestB05_a_path_is_decoded_once(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		assert.Equal(t, []string{"GET /photos/{id}"}, a.asked(func() {
			assert.Contains(t, a.raw("GET /photos/%252e%252e HTTP/1.1"), "HTTP/1.1 401")
		}))
	})
}

func TestB06_declarations_that_oxd_takes_for_one_are_refused(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		g, err := oxdauth.NewGuard(a.client, "r")
		require.NoError(t, err)
		g.Require("/Photos", "GET", oxdauth.AnyOf("view"))
		g.Require("/photos", "PUT", oxdauth.AnyOf("view"))
		require.ErrorContains(t, g.Protect(t.Context()), "ignores case")
	})
}

func TestB09_control_bytes_are_refused(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		a.refused("/photos/%00", "/photos/%0a1", "/photos/1%0d%0aX:y", "/photos/%7f", "/photos/%c2%85")
	})
}

func TestB10_B11_B15_other_methods_are_405_and_oxd_is_not_asked(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		rpt := a.rpt("GET", "/any/1")
		assert.Empty(t, a.asked(func() {
			for _, method := range []string{"get", "Get", "FOO", "PROPFIND", "DELETE", "CONNECT"} {
				answer := a.raw(method + " /any/1 HTTP/1.1\r\nAuthorization: Bearer " + rpt)
				assert.Contains(t, answer, "HTTP/1.1 405", method)
				assert.Contains(t, answer, "Allow: GET, HEAD", method)
			}
			assert.Equal(t, http.StatusMethodNotAllowed, a.ask("DELETE", "/photos/1", rpt).StatusCode, "by the mux")
		}))
		assert.Zero(t, a.runs.Load())
	})
}

func TestB12_HEAD_is_checked_as_GET(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		assert.Equal(t, []string{"GET /photos/{id}"}, a.asked(func() {
			res, body := a.once(nil, a.request("HEAD", "/photos/1"))
			assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
			assert.NotEmpty(t, challenge(t, res)["ticket"])
			assert.Empty(t, body)
		}))
		assert.Equal(t, http.StatusOK, a.ask("HEAD", "/photos/1", a.rpt("GET", "/photos/1")).StatusCode)
	})
}

func TestB12_HEAD_declared_itself_is_checked_as_HEAD(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport, declare: func(a *guardApp, mux *http.ServeMux) {
			a.guard.Handle(mux, "GET /x", a.whoami(), oxdauth.AnyOf("view"))
			a.guard.Handle(mux, "HEAD /x", a.whoami(), oxdauth.AnyOf("peek"))
		}})
		assert.Equal(t, []string{"HEAD /x"}, a.asked(func() {
			assert.Equal(t, http.StatusUnauthorized, a.ask("HEAD", "/x", "").StatusCode)
		}))
	})
}

func TestB13_B14_headers_that_claim_another_method_or_path_change_nothing(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		rpt := a.rpt("GET", "/photos/1")
		for _, header := range []string{
			"X-HTTP-Method-Override: GET", "X-HTTP-Method: GET", "X-Method-Override: GET", "X-Forwarded-Method: GET", "X-Forwarded-Uri: /public",
			"X-Original-URL: /public", "X-Rewrite-URL: /public", "Forwarded: host=public", "X-Forwarded-Prefix: /public", "X-Original-Method: GET",
		} {
			assert.Equal(t, []string{"PUT /photos/{id}"}, a.asked(func() {
				answer := a.raw("PUT /photos/1 HTTP/1.1\r\n" + header + "\r\nContent-Length: 0\r\nAuthorization: Bearer " + rpt)
				assert.Contains(t, answer, "HTTP/1.1 401", header)
			}), header)
		}
		assert.Zero(t, a.runs.Load())
	})
}

func TestB17_a_cached_grant_holds_for_its_own_guard_only(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		cached := []oxdauth.GuardOption{oxdauth.WithGrantCache(100, time.Minute)}
		a, b := newGuardApp(t, guardSetup{transport: transport, options: cached}), newGuardApp(t, guardSetup{transport: transport, options: cached})
		rpt := a.rpt("GET", "/photos/1")
		require.Equal(t, http.StatusOK, a.ask("GET", "/photos/1", rpt).StatusCode)
		assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/admin", rpt).StatusCode)
		assert.Equal(t, http.StatusUnauthorized, a.ask("PUT", "/photos/1", rpt).StatusCode)
		assert.Equal(t, http.StatusUnauthorized, b.ask("GET", "/photos/1", rpt).StatusCode)
		assert.EqualValues(t, 1, a.runs.Load())
		assert.Zero(t, b.runs.Load())
	})
}

func TestB19_the_zero_decision_denies(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		assert.Equal(t, oxdauth.Denied, oxdauth.Decision{}.Outcome)
		assert.Equal(t, "unknown", oxdauth.Outcome(200).String())
		a := newGuardApp(t, guardSetup{transport: transport})
		d := a.guard.Check(a.request("GET", "/photos/1"), "/never-declared", "GET")
		assert.Equal(t, oxdauth.NotReady, d.Outcome)
	})
}

func TestB20_text_that_is_no_token_never_reaches_oxd(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		assert.Empty(t, a.asked(func() {
			for _, value := range []string{
				"Bearer *", "Bearer a*", "Bearer x)(y=*", "Bearer", "Bearer ", "Bearer =", "bearer a,b", "BEARER a b", "Bearer a\tb", "Bearer\ta",
				"Bearer a=b", "Bearer ä", "Bearer gat_x", "Bearer GAT_x", "Bearer " + strings.Repeat("a", 5000), "Bearer a, Bearer b", "Bearer,a", `Bearer "a"`, `Bearer a\2a`,
			} {
				answer := a.raw("GET /photos/1 HTTP/1.1\r\nAuthorization: " + value)
				assert.Contains(t, answer, "HTTP/1.1 400", value)
				assert.NotContains(t, answer, "Www-Authenticate", value)
			}
		}))
		for _, value := range []string{"Basic YTpi", "DPoP abc", "Bearerish abc", "Negotiate", ""} {
			assert.Contains(t, a.raw("GET /photos/1 HTTP/1.1\r\nAuthorization: "+value), "HTTP/1.1 401", "%q counts as no RPT", value)
		}
		rpt := a.rpt("GET", "/photos/1")
		for _, scheme := range []string{"Bearer ", "bearer ", "BEARER ", "Bearer   "} {
			assert.Contains(t, a.raw("GET /photos/1 HTTP/1.1\r\nAuthorization: "+scheme+rpt), "HTTP/1.1 200", scheme)
		}
	})
}

func TestB21_two_authorization_headers_are_refused(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		rpt := a.rpt("GET", "/photos/1")
		assert.Empty(t, a.asked(func() {
			for _, pair := range [][2]string{{"Bearer " + rpt, "Bearer bad"}, {"Bearer bad", "Bearer " + rpt}, {"Basic YTpi", "Bearer " + rpt}, {"Bearer " + rpt, "Bearer " + rpt}, {"", "Bearer " + rpt}} {
				assert.Contains(t, a.raw("GET /photos/1 HTTP/1.1\r\nAuthorization: "+pair[0]+"\r\nauthorization: "+pair[1]), "HTTP/1.1 400")
			}
		}))
		assert.Zero(t, a.runs.Load())
	})
}

func TestB25_one_resource_from_two_mounts_has_to_be_meant(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport, unprotected: true, declare: func(a *guardApp, mux *http.ServeMux) {
			for _, tenant := range []string{"/a", "/b"} {
				inner := http.NewServeMux()
				a.guard.Handle(inner, "GET /photos/{id}", a.whoami(), oxdauth.AnyOf("view"))
				mux.Handle(tenant+"/", http.StripPrefix(tenant, inner))
			}
		}})
		require.ErrorContains(t, a.guard.Protect(t.Context()), "declared twice")

		b := newGuardApp(t, guardSetup{transport: transport, declare: func(a *guardApp, mux *http.ServeMux) {
			for _, tenant := range []string{"/a", "/b"} {
				inner := http.NewServeMux()
				a.guard.Handle(inner, "GET /photos/{id}", a.whoami(), oxdauth.AnyOf("view"), oxdauth.ResourcePath(tenant+"/photos/{id}"))
				mux.Handle(tenant+"/", http.StripPrefix(tenant, inner))
			}
		}})
		rpt := b.rpt("GET", "/a/photos/1")
		assert.Equal(t, http.StatusOK, b.ask("GET", "/a/photos/1", rpt).StatusCode)
		assert.Equal(t, http.StatusUnauthorized, b.ask("GET", "/b/photos/1", rpt).StatusCode)
	})
}

func TestB10_each_method_of_a_path_needs_its_own_permission(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport, declare: func(a *guardApp, mux *http.ServeMux) {
			a.guard.Handle(mux, "GET /x", a.whoami(), oxdauth.AnyOf("all"))
			a.guard.Handle(mux, "PUT /x", a.whoami(), oxdauth.AnyOf("all"))
		}})
		rpt := a.rpt("GET", "/x")
		assert.Equal(t, http.StatusOK, a.ask("GET", "/x", rpt).StatusCode)
		assert.Equal(t, http.StatusUnauthorized, a.ask("PUT", "/x", rpt).StatusCode)
		_, err := a.client.RPT(t.Context(), oxd.RPTParams{Ticket: oxd.NewSecret("unknown")})
		require.Error(t, err)
	})
}

func TestB26_a_refusal_is_written_by_the_guard_and_runs_no_other_handler(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport, declare: func(a *guardApp, mux *http.ServeMux) {
			a.declarePhotos(mux)
			for _, page := range []string{"/", "/error", "/401", "/login"} {
				mux.Handle(page, a.whoami())
			}
		}})
		for target, status := range map[string]int{"/photos/1": 401, "/photos/a%2Fb": 400} {
			res, body := a.once(nil, a.request(http.MethodGet, target))
			assert.Equal(t, status, res.StatusCode)
			assert.Equal(t, "application/json", res.Header.Get("Content-Type"))
			assert.Contains(t, body, `"request_id"`)
		}
		assert.Equal(t, http.StatusMethodNotAllowed, a.ask("DELETE", "/any/1", "x").StatusCode)
		assert.Zero(t, a.runs.Load())
	})
}

func TestB28_what_comes_before_the_guard_changes_neither_resource_nor_decision(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport, declare: func(a *guardApp, mux *http.ServeMux) {
			guarded := a.guard.Require("/photos/{id}", "GET", oxdauth.AnyOf("view"))(a.whoami())
			mux.HandleFunc("GET /rewritten/{id}", func(w http.ResponseWriter, r *http.Request) {
				r.URL.Path, r.URL.RawPath, r.Pattern, r.RequestURI = "/open", "", "GET /open", "/open"
				guarded.ServeHTTP(w, r)
			})
			mux.HandleFunc("GET /early/{id}", func(w http.ResponseWriter, r *http.Request) {
				_, _ = w.Write([]byte("written before the guard"))
				guarded.ServeHTTP(w, r)
			})
		}})
		for _, target := range []string{"/rewritten/1", "/early/1"} {
			assert.Equal(t, []string{"GET /photos/{id}"}, a.asked(func() { a.ask("GET", target, "") }), target)
		}
		assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/rewritten/1", "").StatusCode)
		assert.Zero(t, a.runs.Load(), "not even when the status is out already")
	})
}
