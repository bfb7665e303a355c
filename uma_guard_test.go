package oxdauth_test

// The guard: what it lets through and what not, by the way that guards elsewhere were opened, over
// time and under load.

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

func TestWithoutTokenAChallengeWithATicket(t *testing.T) {
	t.Run("4.11-1", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			res, body := a.once(nil, a.request("GET", "/photos/1"))
			assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
			params := challenge(t, res)
			assert.Equal(t, `photo "z"`, params["realm"], "our realm, not oxd's")
			assert.Equal(t, a.srv.Provider.URL, params["as_uri"])
			assert.Len(t, params, 3)
			assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
			assert.Equal(t, "WWW-Authenticate, Warning", res.Header.Get("Access-Control-Expose-Headers"))
			assert.Empty(t, res.Header.Get("Warning"))
			assert.NotContains(t, body, params["ticket"])
			assert.Contains(t, body, `"request_id"`)
			assert.Zero(t, a.runs.Load())

			rpt, err := a.client.RPT(t.Context(), oxd.RPTParams{Ticket: oxd.NewSecret(params["ticket"])})
			require.NoError(t, err, "the ticket is one of the authorization server")
			assert.Equal(t, http.StatusOK, a.ask("GET", "/photos/1", rpt.AccessToken.Reveal()).StatusCode)
			assert.EqualValues(t, 1, a.runs.Load())
		})
	})
}

func TestAWeakOrRevokedRPTGetsANewTicketEachTime(t *testing.T) {
	t.Run("4.11-2", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, options: []oxdauth.GuardOption{oxdauth.WithGrantCache(100, time.Minute)}})
			weak := a.rpt("GET", "/photos/1")
			var mu sync.Mutex
			tickets := map[string]bool{}
			var wg sync.WaitGroup
			for range 50 {
				wg.Go(func() {
					res := a.ask("PUT", "/photos/1", weak)
					if !assert.Equal(t, http.StatusUnauthorized, res.StatusCode) {
						return
					}
					mu.Lock()
					defer mu.Unlock()
					tickets[challenge(t, res)["ticket"]] = true
				})
			}
			wg.Wait()
			assert.Len(t, tickets, 50)
			assert.Zero(t, a.runs.Load())

			assert.Equal(t, http.StatusOK, a.ask("GET", "/photos/1", weak).StatusCode)
			require.True(t, a.srv.Provider.RevokeRPT(weak))
			a.guard.Purge()
			assert.NotEmpty(t, challenge(t, a.ask("GET", "/photos/1", weak))["ticket"])
		})
	})
}

func TestACachedGrantSavesTheQuestionForThisResourceAndMethodOnly(t *testing.T) {
	t.Run("4.11-3", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, options: []oxdauth.GuardOption{oxdauth.WithGrantCache(10, time.Minute)}})
			rpt := a.rpt("GET", "/photos/1")
			assert.Len(t, a.asked(func() { a.ask("GET", "/photos/1", rpt) }), 1)
			assert.Empty(t, a.asked(func() {
				assert.Equal(t, http.StatusOK, a.ask("GET", "/photos/2", rpt).StatusCode)
				assert.Equal(t, http.StatusOK, a.ask("HEAD", "/photos/1", rpt).StatusCode, "HEAD is checked as GET")
			}))
			assert.Equal(t, []string{"PUT /photos/{id}", "GET /admin"}, a.asked(func() {
				assert.Equal(t, http.StatusUnauthorized, a.ask("PUT", "/photos/1", rpt).StatusCode)
				assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/admin", rpt).StatusCode)
			}))
			a.guard.Purge()
			assert.Len(t, a.asked(func() { a.ask("GET", "/photos/1", rpt) }), 1)
		})
	})
}

func TestWithoutTheOptionNothingIsCached(t *testing.T) {
	t.Run("4.11-3", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			rpt := a.rpt("GET", "/photos/1")
			assert.Len(t, a.asked(func() { a.ask("GET", "/photos/1", rpt); a.ask("GET", "/photos/1", rpt) }), 2)
		})
	})
}

func TestARevokedRPTIsDeniedOnceItsGrantHasRunOut(t *testing.T) {
	t.Run("4.11-4", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, options: []oxdauth.GuardOption{oxdauth.WithGrantCache(10, time.Second)}})
			rpt := a.rpt("GET", "/photos/1")
			require.Equal(t, http.StatusOK, a.ask("GET", "/photos/1", rpt).StatusCode)
			over := time.Now().Add(time.Second)
			require.True(t, a.srv.Provider.RevokeRPT(rpt))
			require.Eventually(t, func() bool { return time.Now().After(over) }, 10*time.Second, 10*time.Millisecond)
			assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/photos/1", rpt).StatusCode)
		})
	})
}

func TestALeaderThatGoesAwayTakesNobodyWithIt(t *testing.T) {
	t.Run("4.11-16", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, options: []oxdauth.GuardOption{oxdauth.WithGrantCache(10, time.Minute)}})
			rpt := a.rpt("GET", "/photos/1")
			arrived, release := make(chan struct{}, 1), make(chan struct{})
			a.srv.Handle("uma_rs_check_access", func(json.RawMessage) (any, error) {
				arrived <- struct{}{}
				<-release
				return map[string]any{"access": "granted"}, nil
			})
			leader, leave := context.WithCancel(t.Context())
			left := make(chan struct{})
			go func() {
				defer close(left)
				req := a.request("GET", "/photos/1", "Authorization", "Bearer "+rpt).WithContext(leader)
				res, err := a.srv.HTTPClient().Do(req)
				if !assert.Error(t, err, "it did not wait") {
					_ = res.Body.Close()
				}
			}()
			<-arrived
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() { assert.Equal(t, http.StatusOK, a.ask("GET", "/photos/1", rpt).StatusCode) })
			}
			leave()
			<-left
			close(release)
			wg.Wait()
			assert.Empty(t, arrived, "oxd was asked once")
		})
	})
}

func TestNothingButAPlainGrantGrants(t *testing.T) {
	t.Run("4.11-5", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, options: []oxdauth.GuardOption{oxdauth.WithGuardConcurrency(4)}})
			rpt := a.rpt("GET", "/photos/1")
			for name, answer := range map[string]string{
				"no data":              `{"status":"ok"}`,
				"another case":         `{"status":"ok","data":{"access":"GRANTED"}}`,
				"a boolean":            `{"status":"ok","data":{"access":true}}`,
				"a name of other case": `{"status":"ok","data":{"ACCESS":"granted"}}`,
				"a list":               `{"status":"ok","data":{"access":["granted"]}}`,
				"allowed":              `{"status":"ok","data":{"access":"allowed"}}`,
				"data is a list":       `{"status":"ok","data":[{"access":"granted"}]}`,
				"null":                 `{"status":"ok","data":null}`,
				"unknown status":       `{"status":"fine","data":{"access":"granted"}}`,
				"status of other case": `{"status":"OK","data":{"access":"granted"}}`,
				"an error":             `{"status":"error","data":{"access":"granted"}}`,
				"access twice":         `{"status":"ok","data":{"access":"denied","access":"granted"}}`,
				"data twice":           `{"status":"ok","data":{"access":"denied","ticket":"t"},"data":{"access":"granted"}}`,
				"status twice":         `{"status":"error","status":"ok","data":{"access":"granted"}}`,
				"granted and a ticket": `{"status":"ok","data":{"access":"granted","ticket":"t"}}`,
				"empty":                ``,
				"no JSON":              `granted`,
				"text after it":        `{"status":"ok","data":{"access":"granted"}} }`,
				"not protected":        `{"status":"ok","data":{"access":"not_protected"}}`,
			} {
				a.srv.Inject("uma_rs_check_access", oxdtest.Fault{Kind: oxdtest.FaultGarbage, Body: answer, Times: 1})
				res := a.ask("GET", "/photos/1", rpt)
				assert.Contains(t, []int{http.StatusForbidden, http.StatusServiceUnavailable}, res.StatusCode, name)
				assert.Equal(t, umaWarning, res.Header.Get("Warning"), name)
				assert.Equal(t, http.StatusOK, a.ask("GET", "/photos/1", rpt).StatusCode, "afterwards: "+name)
				a.runs.Store(0)
			}
			for _, kind := range []oxdtest.FaultKind{oxdtest.FaultOversize, oxdtest.FaultDropBefore, oxdtest.FaultWrongCharset} {
				a.srv.Inject("uma_rs_check_access", oxdtest.Fault{Kind: kind, Times: 2})
				res := a.ask("GET", "/photos/1", rpt)
				if res.StatusCode != http.StatusOK { // repeated once, or a charset that does not show
					assert.Equal(t, umaWarning, res.Header.Get("Warning"))
				}
				a.srv.ClearFaults()
			}
		})
	})
}

func TestAGrantWithoutAnRPTIsNone(t *testing.T) {
	t.Run("4.11-5", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			a.srv.Handle("uma_rs_check_access", func(json.RawMessage) (any, error) { return map[string]string{"access": "granted"}, nil })
			assert.Equal(t, http.StatusServiceUnavailable, a.ask("GET", "/photos/1", "").StatusCode)
			assert.Zero(t, a.runs.Load())
		})
	})
}

func TestOxdDownIs503WithTheWarningAndRecovers(t *testing.T) {
	t.Run("4.11-6", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			a.srv.Stop()
			for range 4 {
				res := a.ask("GET", "/photos/1", "x")
				assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
				assert.Equal(t, umaWarning, res.Header.Get("Warning"))
				assert.Equal(t, "5", res.Header.Get("Retry-After"))
				assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
				assert.Empty(t, res.Header.Get("WWW-Authenticate"))
			}
			a.srv.Restart()
			assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/photos/1", "x").StatusCode)
			assert.Zero(t, a.runs.Load())
		})
	})
}

func TestASlowOxdIsGivenUpOnAndLeftAlone(t *testing.T) {
	t.Run("4.11-6", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, options: []oxdauth.GuardOption{
				oxdauth.WithGuardTimeout(50 * time.Millisecond), oxdauth.WithUnavailableStatus(http.StatusForbidden),
			}})
			a.srv.Inject("uma_rs_check_access", oxdtest.Fault{Kind: oxdtest.FaultHang})
			for range 5 {
				res := a.ask("GET", "/photos/1", "x")
				assert.Equal(t, http.StatusForbidden, res.StatusCode)
				assert.Equal(t, umaWarning, res.Header.Get("Warning"))
			}
			a.srv.ClearFaults()
			assert.Equal(t, http.StatusForbidden, a.ask("GET", "/photos/1", "x").StatusCode, "the breaker is open")
			a.mu.Lock()
			defer a.mu.Unlock()
			assert.Equal(t, "oxdauth: not asked, because it has not answered lately: oxd: unavailable", a.decisions[len(a.decisions)-1].Reason)
		})
	})
}

func TestNoTicketIs403WithTheWarning(t *testing.T) {
	t.Run("4.11-7", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			a.srv.Inject("uma_rs_check_access", oxdtest.Fault{Kind: oxdtest.FaultInternalError, Times: 1})
			res := a.ask("GET", "/photos/1", "x")
			assert.Equal(t, http.StatusForbidden, res.StatusCode)
			assert.Equal(t, umaWarning, res.Header.Get("Warning"))
			a.srv.ClearFaults()
			a.srv.Handle("uma_rs_check_access", func(json.RawMessage) (any, error) { return map[string]any{"access": "denied", "ticket": nil}, nil })
			res = a.ask("GET", "/photos/1", "")
			assert.Equal(t, http.StatusForbidden, res.StatusCode)
			assert.Equal(t, umaWarning, res.Header.Get("Warning"))
			assert.Empty(t, res.Header.Get("WWW-Authenticate"))
		})
	})
}

func TestATicketThatWouldBreakTheHeaderIsNone(t *testing.T) {
	t.Run("4.11-8", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			for _, ticket := range []string{`a"b`, "a\r\nSet-Cookie: x=1", strings.Repeat("a", 9_000), "a b", "ü", `\`, "==", ""} {
				a.srv.Handle("uma_rs_check_access", func(json.RawMessage) (any, error) {
					return map[string]any{"access": "denied", "ticket": ticket}, nil
				})
				res := a.ask("GET", "/photos/1", "")
				assert.Equal(t, http.StatusForbidden, res.StatusCode, "%q", ticket)
				assert.Empty(t, res.Header.Get("WWW-Authenticate"), "%q", ticket)
				assert.Empty(t, res.Header.Get("Set-Cookie"), "%q", ticket)
			}
		})
	})
}

func TestCORSWrapsTheGuard(t *testing.T) {
	t.Run("4.11-11", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, wrap: func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Access-Control-Allow-Origin", "https://spa.example")
					if r.Method == http.MethodOptions {
						w.WriteHeader(http.StatusNoContent)
						return
					}
					next.ServeHTTP(w, r)
				})
			}})
			assert.Empty(t, a.asked(func() {
				res, _ := a.once(nil, a.request("OPTIONS", "/photos/1", "Origin", "https://spa.example", "Access-Control-Request-Method", "GET"))
				assert.Equal(t, http.StatusNoContent, res.StatusCode)
			}))
			res, _ := a.once(nil, a.request("GET", "/photos/1", "Origin", "https://spa.example"))
			assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
			assert.Equal(t, "https://spa.example", res.Header.Get("Access-Control-Allow-Origin"))
			assert.Contains(t, res.Header.Get("Access-Control-Expose-Headers"), "WWW-Authenticate")
		})
	})
}

func TestMethodsThatAreNotDeclaredAre405(t *testing.T) {
	t.Run("4.11-12", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			assert.Empty(t, a.asked(func() {
				for _, method := range []string{"OPTIONS", "TRACE", "DELETE", "get", "Get", "PROPFIND", "POST"} {
					res := a.ask(method, "/any/1", "x")
					assert.Equal(t, http.StatusMethodNotAllowed, res.StatusCode, method)
					assert.Equal(t, "GET, HEAD", res.Header.Get("Allow"), method)
					assert.Equal(t, "no-store", res.Header.Get("Cache-Control"), method)
				}
				assert.Contains(t, a.raw("CONNECT /any/1 HTTP/1.1"), "HTTP/1.1 405")
			}))
			assert.Zero(t, a.runs.Load())
		})
	})
}

func TestNoSecretOfUMAIsLogged(t *testing.T) {
	t.Run("4.11-18", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			res := a.ask("GET", "/photos/1?secret=query-value", "")
			ticket := challenge(t, res)["ticket"]
			rpt := a.rpt("GET", "/photos/1")
			a.ask("GET", "/photos/1", rpt)
			a.ask("PUT", "/photos/1", rpt)
			a.srv.Inject("uma_rs_check_access", oxdtest.Fault{Kind: oxdtest.FaultInternalError, Times: 1})
			a.ask("GET", "/photos/1", rpt)
			a.srv.Stop()
			a.ask("GET", "/photos/1", rpt)
			log := a.log.String()
			assert.Contains(t, log, `"outcome":"granted"`)
			assert.Contains(t, log, `"outcome":"denied"`)
			for _, secret := range []string{ticket, rpt, "query-value"} {
				assert.NotContains(t, log, secret)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			for _, d := range a.decisions {
				text, err := json.Marshal(d)
				require.NoError(t, err)
				assert.NotContains(t, string(text), rpt)
				assert.NotEmpty(t, d.ID)
			}
		})
	})
}

func TestGuardLimitsTheRefusalsOfOneClient(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	byName := func(r *http.Request) string { asked.Add(1); return r.Header.Get("Client") }
	a := newGuardApp(t, guardSetup{options: []oxdauth.GuardOption{oxdauth.WithClientLimit(0.001, 3, byName)}})
	ask := func(client, rpt string) int {
		req := a.request("GET", "/photos/1", "Client", client)
		if rpt != "" {
			req.Header.Set("Authorization", "Bearer "+rpt)
		}
		res, _ := a.once(nil, req)
		return res.StatusCode
	}
	rpt := a.rpt("GET", "/photos/1") // of a client without a name
	for range 10 {
		assert.Equal(t, http.StatusOK, ask("mallory", rpt), "grants are not counted")
	}
	assert.Equal(t, http.StatusUnauthorized, ask("mallory", ""))
	assert.Equal(t, http.StatusUnauthorized, ask("mallory", "made-up"))
	assert.Equal(t, http.StatusUnauthorized, ask("mallory", "another"))
	assert.Empty(t, a.asked(func() {
		assert.Equal(t, http.StatusTooManyRequests, ask("mallory", "one-more"))
		assert.Equal(t, http.StatusTooManyRequests, ask("mallory", ""))
	}), "oxd is not asked")
	assert.Equal(t, http.StatusUnauthorized, ask("alice", ""), "others go on")
	assert.NotZero(t, asked.Load())
}

func TestGuardLimitsTickets(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{options: []oxdauth.GuardOption{oxdauth.WithTicketLimit(0.001, 2)}})
	assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/photos/1", "").StatusCode)
	assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/photos/1", "").StatusCode)
	assert.Empty(t, a.asked(func() {
		res := a.ask("GET", "/photos/1", "")
		assert.Equal(t, http.StatusTooManyRequests, res.StatusCode)
		assert.NotEmpty(t, res.Header.Get("Retry-After"))
	}))
	assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/photos/1", "x").StatusCode, "an RPT is checked all the same")
}

// harmless requires that no variant of a request target runs a handler without RPT, and that oxd
// hears of nothing but what is declared.
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

func TestSpellingsOfAPathOpenNothing(t *testing.T) {
	t.Run("B-01, B-02, B-06, B-07, B-08, B-16, B-23, B-24", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			a.harmless("/photos/1/", "/photos/1;x=1", "/photos;x/1", "/photos/1/;/", "/photos/1%3bx=1", "//photos/1", "///photos/1", "/photos//1",
				"/PHOTOS/1", "/Admin", "/%61dmin", "/admin?x=/accessDenied", "/photos/1?path=/public", "/photos/1?access_token=x&rpt=x",
				"/photos/1#/../admin", "/admin#f", "/photos-admin", "/photo", "http://other.example/admin", "/any/1?_method=DELETE",
				"/photos/claims?x=/auth/claims", "/photos/accessDenied")
			assert.Equal(t, []string{"GET /photos/{id}"}, a.asked(func() { a.raw("GET /photos/1;x=1 HTTP/1.1") }))
		})
	})
}

func TestDotSegmentsAreRefused(t *testing.T) {
	t.Run("B-03", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			a.harmless("/public/../admin", "/x/%2e%2e/admin", "/photos/%2e%2e/admin")
			a.refused("/photos/..%2fadmin", "/photos/%2e%2e%2fadmin", "/files/%2e%2e%2fadmin", "/files/a/..%2f..%2fadmin", "/slashes/..%2fadmin",
				"/slashes/%2e%2fadmin", "/files/..;x/admin", "/photos/%2e%2e;x=1")
		})
	})
}

func TestEncodedSlashesAndBackslashesAreRefusedUnlessExpected(t *testing.T) {
	t.Run("B-04", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			a.refused("/photos/a%2Fb", "/photos/a%2fb", "/photos/a%5cb", `/photos/a\b`, "/files/a%2fb", "/slashes/a%5cb")
			assert.Equal(t, []string{"GET /slashes/{rest...}"}, a.asked(func() {
				assert.Contains(t, a.raw("GET /slashes/a%2fb HTTP/1.1"), "HTTP/1.1 401")
			}))
		})
	})
}

func TestAPathIsDecodedOnce(t *testing.T) {
	t.Run("B-05", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			assert.Equal(t, []string{"GET /photos/{id}"}, a.asked(func() {
				assert.Contains(t, a.raw("GET /photos/%252e%252e HTTP/1.1"), "HTTP/1.1 401")
			}))
		})
	})
}

func TestDeclarationsThatOxdTakesForOneAreRefused(t *testing.T) {
	t.Run("B-06", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			g, err := oxdauth.NewGuard(a.client, "r")
			require.NoError(t, err)
			g.Require(oxdauth.Resource{Path: "/Photos", Method: "GET", Scopes: []string{"view"}})
			g.Require(oxdauth.Resource{Path: "/photos", Method: "PUT", Scopes: []string{"view"}})
			require.ErrorContains(t, g.Protect(t.Context()), "ignores case")
		})
	})
}

func TestControlBytesAreRefused(t *testing.T) {
	t.Run("B-09", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			a.refused("/photos/%00", "/photos/%0a1", "/photos/1%0d%0aX:y", "/photos/%7f", "/photos/%c2%85")
		})
	})
}

func TestOtherMethodsAre405AndOxdIsNotAsked(t *testing.T) {
	t.Run("B-10, B-11, B-15", func(t *testing.T) {
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
	})
}

func TestHEADIsCheckedAsGET(t *testing.T) {
	t.Run("B-12", func(t *testing.T) {
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
	})
}

func TestHEADDeclaredItselfIsCheckedAsHEAD(t *testing.T) {
	t.Run("B-12", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, declare: func(a *guardApp, mux *http.ServeMux) {
				a.guard.Handle(mux, "GET /x", a.whoami(), oxdauth.Resource{Scopes: []string{"view"}})
				a.guard.Handle(mux, "HEAD /x", a.whoami(), oxdauth.Resource{Scopes: []string{"peek"}})
			}})
			assert.Equal(t, []string{"HEAD /x"}, a.asked(func() {
				assert.Equal(t, http.StatusUnauthorized, a.ask("HEAD", "/x", "").StatusCode)
			}))
		})
	})
}

func TestHeadersThatClaimAnotherMethodOrPathChangeNothing(t *testing.T) {
	t.Run("B-13, B-14", func(t *testing.T) {
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
	})
}

func TestACachedGrantHoldsForItsOwnGuardOnly(t *testing.T) {
	t.Run("B-17", func(t *testing.T) {
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
	})
}

func TestTheZeroDecisionDenies(t *testing.T) {
	t.Run("B-19", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			assert.Equal(t, oxdauth.OutcomeDenied, oxdauth.Decision{}.Outcome)
			assert.Equal(t, "unknown", oxdauth.Outcome(200).String())
			a := newGuardApp(t, guardSetup{transport: transport})
			d := a.guard.Check(a.request("GET", "/photos/1"), "/never-declared", "GET")
			assert.Equal(t, oxdauth.OutcomeNotReady, d.Outcome)
		})
	})
}

func TestTextThatIsNoTokenNeverReachesOxd(t *testing.T) {
	t.Run("B-20", func(t *testing.T) {
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
	})
}

func TestTwoAuthorizationHeadersAreRefused(t *testing.T) {
	t.Run("B-21", func(t *testing.T) {
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
	})
}

func TestOneResourceFromTwoMountsHasToBeMeant(t *testing.T) {
	t.Run("B-25", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, unprotected: true, declare: func(a *guardApp, mux *http.ServeMux) {
				for _, tenant := range []string{"/a", "/b"} {
					inner := http.NewServeMux()
					a.guard.Handle(inner, "GET /photos/{id}", a.whoami(), oxdauth.Resource{Scopes: []string{"view"}})
					mux.Handle(tenant+"/", http.StripPrefix(tenant, inner))
				}
			}})
			require.ErrorContains(t, a.guard.Protect(t.Context()), "declared twice")

			b := newGuardApp(t, guardSetup{transport: transport, declare: func(a *guardApp, mux *http.ServeMux) {
				for _, tenant := range []string{"/a", "/b"} {
					inner := http.NewServeMux()
					a.guard.Handle(inner, "GET /photos/{id}", a.whoami(), oxdauth.Resource{Scopes: []string{"view"}, Path: tenant + "/photos/{id}"})
					mux.Handle(tenant+"/", http.StripPrefix(tenant, inner))
				}
			}})
			rpt := b.rpt("GET", "/a/photos/1")
			assert.Equal(t, http.StatusOK, b.ask("GET", "/a/photos/1", rpt).StatusCode)
			assert.Equal(t, http.StatusUnauthorized, b.ask("GET", "/b/photos/1", rpt).StatusCode)
		})
	})
}

func TestEachMethodOfAPathNeedsItsOwnPermission(t *testing.T) {
	t.Run("B-10", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, declare: func(a *guardApp, mux *http.ServeMux) {
				a.guard.Handle(mux, "GET /x", a.whoami(), oxdauth.Resource{Scopes: []string{"all"}})
				a.guard.Handle(mux, "PUT /x", a.whoami(), oxdauth.Resource{Scopes: []string{"all"}})
			}})
			rpt := a.rpt("GET", "/x")
			assert.Equal(t, http.StatusOK, a.ask("GET", "/x", rpt).StatusCode)
			assert.Equal(t, http.StatusUnauthorized, a.ask("PUT", "/x", rpt).StatusCode)
			_, err := a.client.RPT(t.Context(), oxd.RPTParams{Ticket: oxd.NewSecret("unknown")})
			require.Error(t, err)
		})
	})
}

func TestARefusalIsWrittenByTheGuardAndRunsNoOtherHandler(t *testing.T) {
	t.Run("B-26", func(t *testing.T) {
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
	})
}

func TestWhatComesBeforeTheGuardChangesNeitherResourceNorDecision(t *testing.T) {
	t.Run("B-28", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, declare: func(a *guardApp, mux *http.ServeMux) {
				guarded := a.guard.Require(oxdauth.Resource{Path: "/photos/{id}", Method: "GET", Scopes: []string{"view"}})(a.whoami())
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
	})
}

func TestReportModePassesAndTells(t *testing.T) {
	t.Run("4.11-15", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, options: []oxdauth.GuardOption{oxdauth.WithReportOnly()}})
			res := a.ask("GET", "/photos/1", "")
			assert.Equal(t, http.StatusOK, res.StatusCode)
			for _, name := range []string{"WWW-Authenticate", "Warning", "Access-Control-Expose-Headers"} {
				assert.Empty(t, res.Header.Get(name))
			}
			a.srv.Stop()
			assert.Equal(t, http.StatusOK, a.ask("GET", "/photos/1", "x").StatusCode)
			assert.Equal(t, []oxdauth.Outcome{oxdauth.OutcomeDenied, oxdauth.OutcomeUnavailable}, a.outcomes())
			assert.Contains(t, a.log.String(), "WithReportOnly")
		})
	})
}

func TestGuardHandsTheDecisionToHookAndHandler(t *testing.T) {
	t.Parallel()
	var seen atomic.Value
	a := newGuardApp(t, guardSetup{
		options: []oxdauth.GuardOption{oxdauth.WithDecisionHook(func(context.Context, oxdauth.Decision) { panic("the hook is broken") })},
		declare: func(a *guardApp, mux *http.ServeMux) {
			a.guard.Handle(mux, "GET /x", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				d, ok := oxdauth.DecisionFromContext(r.Context())
				assert.True(t, ok)
				seen.Store(d)
			}), oxdauth.Resource{Scopes: []string{"view"}})
		},
	})
	rpt := a.rpt("GET", "/x")
	require.Equal(t, http.StatusOK, a.ask("GET", "/x", rpt).StatusCode)
	d := seen.Load().(oxdauth.Decision)
	assert.Equal(t, "/x", d.Resource)
	assert.Equal(t, oxdauth.OutcomeGranted, d.Outcome)
	assert.Len(t, d.RPT, 8)
	assert.NotContains(t, rpt, d.RPT)
	assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/x", "weak").StatusCode, "a hook changes nothing")
}

func TestAStreamFlushesAndEndsWhenAccessEnds(t *testing.T) {
	t.Run("4.11-17", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			causes := make(chan error, 1)
			a := newGuardApp(t, guardSetup{transport: transport, declare: func(a *guardApp, mux *http.ServeMux) {
				a.guard.Handle(mux, "GET /events", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "text/event-stream")
					_, _ = w.Write([]byte("data: 1\n\n"))
					assert.NoError(t, http.NewResponseController(w).Flush())
					<-r.Context().Done()
					causes <- context.Cause(r.Context())
				}), oxdauth.Resource{Scopes: []string{"view"}, Recheck: time.Second})
			}})
			rpt := a.rpt("GET", "/events")
			res, err := a.srv.HTTPClient().Do(a.request("GET", "/events", "Authorization", "Bearer "+rpt))
			require.NoError(t, err)
			defer res.Body.Close()
			first := make([]byte, 9)
			_, err = res.Body.Read(first)
			require.NoError(t, err)
			assert.Equal(t, "data: 1\n\n", string(first))
			require.True(t, a.srv.Provider.RevokeRPT(rpt))
			select {
			case cause := <-causes:
				require.ErrorIs(t, cause, oxdauth.ErrAccessWithdrawn)
			case <-time.After(20 * time.Second):
				t.Fatal("the stream goes on")
			}
		})
	})
}

func TestRoutesWithoutAGuardAreFound(t *testing.T) {
	t.Run("B-27", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			mux := http.NewServeMux()
			a.guard.Handle(mux, "GET /photos/{id}", a.whoami(), oxdauth.Resource{Scopes: []string{"view"}})
			a.guard.Handle(mux, "GET /{$}", a.whoami(), oxdauth.Resource{Scopes: []string{"view"}})
			mux.Handle("GET /health", oxdauth.Public("for the load balancer")(a.whoami()))
			mux.Handle("GET /forgotten/{rest...}", a.whoami())
			patterns := []string{"GET /photos/{id}", "GET /{$}", "GET /health", "GET /forgotten/{rest...}", "GET /never"}
			assert.Equal(t, []string{"GET /forgotten/{rest...}", "GET /never"}, a.guard.Uncovered(mux, patterns...))
			assert.Panics(t, func() { oxdauth.Public("") })
			assert.Zero(t, a.runs.Load())
		})
	})
}

func TestGuardSendsNoFormToTheQuestionsOfTheServer(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{sessions: true, declare: func(a *guardApp, mux *http.ServeMux) {
		a.guard.Handle(mux, "POST /photos", a.whoami(), oxdauth.Resource{Scopes: []string{"view"}})
	}})
	b := a.personSignedIn()
	post := func() *http.Response {
		res, _ := a.once(b, a.request("POST", "/photos", "Accept", "text/html", "Origin", a.base, "Sec-Fetch-Site", "same-origin",
			"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"))
		return res
	}
	a.srv.Provider.SetPolicy("view", countryWanted)
	res := post()
	assert.Equal(t, http.StatusForbidden, res.StatusCode)
	assert.Empty(t, res.Header.Get("Location"))
	assert.Zero(t, a.srv.CallCount("uma_rp_get_claims_gathering_url"))
	assert.Zero(t, a.runs.Load())

	a.srv.Provider.SetPolicy("view", oxdtest.Policy{})
	assert.Equal(t, http.StatusOK, post().StatusCode, "an RPT that needs no questions is got on the way")
}

func TestGuardWantsANewTicketWithEachAnswer(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{sessions: true})
	b := a.personSignedIn()
	a.srv.Handle("uma_rs_check_access", func(json.RawMessage) (any, error) { return map[string]any{"access": "denied", "ticket": "t-1"}, nil })
	for _, ticket := range []string{"t-1", "*"} {
		a.srv.Inject("uma_rp_get_rpt", oxdtest.Fault{Kind: oxdtest.FaultGarbage, Times: 1, Body: `{"status":"error","data":{"error":"need_info",` +
			`"details":{"error":"need_info","ticket":"` + ticket + `","redirect_user":"https://op.example/"}}}`})
		res, body := a.once(b, a.navigation("/photos/1"))
		assert.Equal(t, http.StatusForbidden, res.StatusCode, body)
	}
	assert.Zero(t, a.srv.CallCount("uma_rp_get_claims_gathering_url"))
	assert.Equal(t, 2, a.srv.CallCount("uma_rp_get_rpt"))
}

// scriptedOxd answers uma_rs_check_access by a function of the RPT, and everything else with ok.
type scriptedOxd struct {
	checks  atomic.Int64
	protect func()        // nil: nothing
	expiry  func() string // of RPTs, as JSON of introspect_rpt; nil: oxd does not have it
	answer  func(ctx context.Context, n int64, rpt string) (*oxd.Response, error)
}

func (s *scriptedOxd) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	if req.Command == "uma_rs_protect" && s.protect != nil {
		s.protect()
	}
	if req.Command == "introspect_rpt" {
		if s.expiry == nil {
			return &oxd.Response{Status: "error", Data: json.RawMessage(`{"error":"unsupported_operation"}`)}, nil
		}
		return &oxd.Response{Status: "ok", Data: json.RawMessage(s.expiry())}, nil
	}
	if req.Command != "uma_rs_check_access" {
		return &oxd.Response{Status: "ok", Data: json.RawMessage(`{"oxd_id":"x"}`)}, nil
	}
	var p struct {
		RPT string `json:"rpt"`
	}
	if err := json.Unmarshal(req.Params, &p); err != nil {
		return nil, err
	}
	return s.answer(ctx, s.checks.Add(1), p.RPT)
}

func granted() *oxd.Response {
	return &oxd.Response{Status: "ok", Data: json.RawMessage(`{"access":"granted"}`)}
}

func denied(n int64) *oxd.Response {
	return &oxd.Response{Status: "ok", Data: json.RawMessage(fmt.Sprintf(`{"access":"denied","ticket":"t-%d"}`, n))}
}

func (s *scriptedOxd) guard(t *testing.T, opts ...oxdauth.GuardOption) http.Handler {
	t.Helper()
	_, h := s.guardAndHandler(t, opts...)
	return h
}

func (s *scriptedOxd) guardAndHandler(t *testing.T, opts ...oxdauth.GuardOption) (*oxdauth.Guard, http.Handler) {
	t.Helper()
	client, err := oxd.NewClient(s, siteOf("x", "https://app.example/auth/callback"))
	require.NoError(t, err)
	opts = append(opts, oxdauth.WithAuthorizationServer("https://op.example"), oxdauth.WithGuardLogger((&logBuffer{}).logger()))
	g, err := oxdauth.NewGuard(client, "r", opts...)
	require.NoError(t, err)
	h := g.Require(oxdauth.Resource{Path: "/x", Method: "GET", Scopes: []string{"view"}})(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	require.NoError(t, g.Protect(t.Context()))
	s.checks.Store(0)
	return g, h
}

func status(ctx context.Context, h http.Handler, rpt string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(ctx, "GET", "/x", nil)
	if rpt != "" {
		r.Header.Set("Authorization", "Bearer "+rpt)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestARevokedRPTIsDeniedNoLaterThanTheTTL(t *testing.T) {
	t.Parallel()
	t.Run("4.11-4", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var revoked atomic.Bool
			s := &scriptedOxd{answer: func(_ context.Context, n int64, _ string) (*oxd.Response, error) {
				if revoked.Load() {
					return denied(n), nil
				}
				return granted(), nil
			}}
			revoked.Store(true)
			h := s.guard(t, oxdauth.WithGrantCache(10, 5*time.Second))
			revoked.Store(false)
			require.Equal(t, 200, status(t.Context(), h, "a").Code)
			revoked.Store(true)
			for range 4 { // using a grant does not extend it
				time.Sleep(time.Second)
				assert.Equal(t, 200, status(t.Context(), h, "a").Code)
			}
			time.Sleep(time.Second)
			assert.Equal(t, 401, status(t.Context(), h, "a").Code)
			assert.EqualValues(t, 2, s.checks.Load())
			assert.Equal(t, 401, status(t.Context(), h, "a").Code, "a denial is never kept")
			assert.EqualValues(t, 3, s.checks.Load())
		})
	})
}

func jwtRPT(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestTheExpOfAJWTOnlyShortens(t *testing.T) {
	t.Parallel()
	t.Run("4.11-3", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			s := &scriptedOxd{answer: func(_ context.Context, n int64, rpt string) (*oxd.Response, error) {
				if rpt == "" {
					return denied(n), nil
				}
				return granted(), nil
			}}
			h := s.guard(t, oxdauth.WithGrantCache(10, 20*time.Second))
			questions := func(rpt string) int64 {
				s.checks.Store(0)
				status(t.Context(), h, rpt)
				status(t.Context(), h, rpt)
				time.Sleep(10 * time.Second)
				status(t.Context(), h, rpt)
				return s.checks.Load()
			}
			now := time.Now().Unix()
			assert.EqualValues(t, 3, questions(jwtRPT(fmt.Sprintf(`{"exp":%d}`, now))), "past: not kept at all")
			now = time.Now().Unix()
			assert.EqualValues(t, 2, questions(jwtRPT(fmt.Sprintf(`{"exp":%d}`, now+10))))
			assert.EqualValues(t, 1, questions(jwtRPT(`{"exp":1e300}`)))
			assert.EqualValues(t, 1, questions("opaque"))
			time.Sleep(10 * time.Second)
			assert.EqualValues(t, 1, questions("opaque"), "never longer than the TTL")
		})
	})
}

func TestEqualQuestionsShareAGrantAndNothingElse(t *testing.T) {
	t.Parallel()
	t.Run("4.11-16", func(t *testing.T) {
		t.Parallel()
		for _, grant := range []bool{true, false} {
			synctest.Test(t, func(t *testing.T) {
				s := &scriptedOxd{answer: func(ctx context.Context, n int64, rpt string) (*oxd.Response, error) {
					if rpt == "" {
						return denied(n), nil
					}
					select {
					case <-time.After(time.Second):
					case <-ctx.Done():
						return nil, ctx.Err()
					}
					if grant {
						return granted(), nil
					}
					return denied(n), nil
				}}
				h := s.guard(t, oxdauth.WithGrantCache(10, time.Minute))
				leader, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() { status(leader, h, "a") })
				synctest.Wait()
				var mu sync.Mutex
				answers := map[string]int{}
				for range 20 {
					wg.Go(func() {
						w := status(t.Context(), h, "a")
						mu.Lock()
						defer mu.Unlock()
						answers[fmt.Sprint(w.Code, w.Header().Get("WWW-Authenticate"))]++
					})
				}
				synctest.Wait()
				cancel() // the leader's client goes away, the others get their answers
				wg.Wait()
				if grant {
					assert.Equal(t, map[string]int{"200": 20}, answers)
					assert.EqualValues(t, 1, s.checks.Load())
					return
				}
				assert.Len(t, answers, 20, "twenty tickets")
				for answer := range answers {
					assert.True(t, strings.HasPrefix(answer, "401UMA"), answer)
				}
			})
		}
	})
}

func TestTheBreakerOpensProbesOnceAndCloses(t *testing.T) {
	t.Parallel()
	t.Run("4.11-6", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var down atomic.Bool
			s := &scriptedOxd{answer: func(ctx context.Context, n int64, _ string) (*oxd.Response, error) {
				if down.Load() {
					<-ctx.Done()
					return nil, &oxd.TransportError{Command: "uma_rs_check_access", Err: ctx.Err()}
				}
				return denied(n), nil
			}}
			h := s.guard(t)
			down.Store(true)
			for range 5 {
				start := time.Now()
				assert.Equal(t, 503, status(t.Context(), h, "a").Code)
				assert.Equal(t, 3*time.Second, time.Since(start))
			}
			for range 10 {
				assert.Equal(t, 503, status(t.Context(), h, "a").Code, "at once, without a question")
			}
			assert.EqualValues(t, 5, s.checks.Load())
			time.Sleep(5 * time.Second)
			var wg sync.WaitGroup
			for range 10 {
				wg.Go(func() { assert.Equal(t, 503, status(t.Context(), h, "a").Code) })
			}
			wg.Wait()
			assert.EqualValues(t, 6, s.checks.Load(), "one goes to see")
			down.Store(false)
			assert.Equal(t, 503, status(t.Context(), h, "a").Code)
			time.Sleep(5 * time.Second)
			assert.Equal(t, 401, status(t.Context(), h, "a").Code)
			assert.Equal(t, 401, status(t.Context(), h, "a").Code)
		})
	})
}

func TestGuardBoundsQuestionsAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedOxd{answer: func(_ context.Context, n int64, rpt string) (*oxd.Response, error) {
			if rpt != "" {
				time.Sleep(time.Second)
			}
			return denied(n), nil
		}}
		h := s.guard(t, oxdauth.WithGuardConcurrency(2))
		var codes [8]int
		var wg sync.WaitGroup
		for i := range codes {
			wg.Go(func() { codes[i] = status(t.Context(), h, "a").Code })
		}
		wg.Wait()
		count := map[int]int{}
		for _, code := range codes {
			count[code]++
		}
		assert.Equal(t, map[int]int{401: 2, 503: 6}, count)
	})
}

func TestGuardTicketLimitFillsUpAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedOxd{answer: func(_ context.Context, n int64, _ string) (*oxd.Response, error) { return denied(n), nil }}
		h := s.guard(t, oxdauth.WithTicketLimit(1, 2))
		assert.Equal(t, 401, status(t.Context(), h, "").Code)
		assert.Equal(t, 401, status(t.Context(), h, "").Code)
		assert.Equal(t, 429, status(t.Context(), h, "").Code)
		time.Sleep(time.Second)
		assert.Equal(t, 401, status(t.Context(), h, "").Code)
		assert.Equal(t, 429, status(t.Context(), h, "").Code)
		time.Sleep(time.Hour)
		assert.Equal(t, 401, status(t.Context(), h, "").Code)
		assert.Equal(t, 401, status(t.Context(), h, "").Code)
		assert.Equal(t, 429, status(t.Context(), h, "").Code, "not more than the burst")
	})
}

func TestAGrantEndsWithItsRPTWhereOxdTellsWhen(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		about string // %d is the time in half a minute
		kept  time.Duration
	}{
		"an RPT that ends":                    {`{"active":true,"exp":%d,"permissions":[]}`, 25 * time.Second},
		"a permission that ends earlier":      {`{"active":true,"exp":9999999999,"permissions":[{"resource_id":"1","exp":%d}]}`, 25 * time.Second},
		"one that outlives the cache":         {`{"active":true,"exp":9999999999}`, time.Minute},
		"nothing said about the end":          {`{"active":true}`, time.Minute},
		"an RPT that has ended meanwhile":     {`{"active":false}`, 0},
		"an answer that cannot be understood": {`{"permissions":7}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := &scriptedOxd{answer: func(_ context.Context, n int64, rpt string) (*oxd.Response, error) {
					if rpt == "" {
						return denied(n), nil
					}
					return granted(), nil
				}}
				s.expiry = func() string {
					if !strings.Contains(tc.about, "%d") {
						return tc.about
					}
					return fmt.Sprintf(tc.about, time.Now().Add(30*time.Second).Unix())
				}
				h := s.guard(t, oxdauth.WithGrantCache(10, time.Minute))
				require.Equal(t, 200, status(t.Context(), h, "a").Code)
				if tc.kept > 0 {
					time.Sleep(tc.kept - time.Second)
					require.Equal(t, 200, status(t.Context(), h, "a").Code)
					assert.EqualValues(t, 1, s.checks.Load(), "a second before")
					time.Sleep(time.Second)
				}
				require.Equal(t, 200, status(t.Context(), h, "a").Code)
				assert.EqualValues(t, 2, s.checks.Load())
			})
		})
	}
}

func TestARouterOfItsOwnChecksAndRefusesAsTheGuardDoes(t *testing.T) {
	t.Parallel()
	var guard *oxdauth.Guard
	a := newGuardApp(t, guardSetup{wrap: func(mux http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/routed" {
				mux.ServeHTTP(w, r)
				return
			}
			if d := guard.Check(r, "/photos/{id}", http.MethodGet); d.Outcome != oxdauth.OutcomeGranted {
				guard.Refuse(w, r, d)
				return
			}
			fmt.Fprint(w, "photo")
		})
	}})
	guard = a.guard
	res, body := a.once(nil, a.request(http.MethodGet, "/routed"))
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))
	assert.Equal(t, `photo "z"`, challenge(t, res)["realm"])
	assert.NotContains(t, body, challenge(t, res)["ticket"])
	assert.Contains(t, a.log.String(), body[strings.Index(body, `"request_id"`):len(body)-2], "the id of the log")

	rpt := a.rpt(http.MethodGet, "/photos/1")
	res, body = a.once(nil, a.request(http.MethodGet, "/routed", "Authorization", "Bearer "+rpt))
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, "photo", body)
	res, _ = a.once(nil, a.request(http.MethodPut, "/routed", "Authorization", "Bearer "+rpt))
	assert.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
	assert.Equal(t, "GET, HEAD, PUT", res.Header.Get("Allow"))
}

func TestAGuardWithoutSessionsNeedsNoRedirectURL(t *testing.T) {
	t.Parallel()
	client, err := oxd.NewClient(&oxd.TCPTransport{}, oxd.Site{OxdID: "elsewhere"})
	require.NoError(t, err)
	_, err = oxdauth.NewGuard(client, "photos")
	require.NoError(t, err)
	_, err = oxdauth.New(client)
	assert.EqualError(t, err, "oxdauth: New: the client's Site.Params.AuthorizationRedirectURI is missing")
}
