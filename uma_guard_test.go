package oxdauth_test

// The acceptance list of the guard, for programs as clients.

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

func TestUMA411_01_without_token_a_challenge_with_a_ticket(t *testing.T) {
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
}

func TestUMA411_02_a_weak_or_revoked_RPT_gets_a_new_ticket_each_time(t *testing.T) {
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
}

func TestUMA411_03_a_cached_grant_saves_the_question_for_this_resource_and_method_only(t *testing.T) {
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
}

func TestUMA411_03_without_the_option_nothing_is_cached(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		rpt := a.rpt("GET", "/photos/1")
		assert.Len(t, a.asked(func() { a.ask("GET", "/photos/1", rpt); a.ask("GET", "/photos/1", rpt) }), 2)
	})
}

func TestUMA411_04_a_revoked_RPT_is_denied_once_its_grant_has_run_out(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport, options: []oxdauth.GuardOption{oxdauth.WithGrantCache(10, time.Second)}})
		rpt := a.rpt("GET", "/photos/1")
		require.Equal(t, http.StatusOK, a.ask("GET", "/photos/1", rpt).StatusCode)
		over := time.Now().Add(time.Second)
		require.True(t, a.srv.Provider.RevokeRPT(rpt))
		require.Eventually(t, func() bool { return time.Now().After(over) }, 10*time.Second, 10*time.Millisecond)
		assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/photos/1", rpt).StatusCode)
	})
}

func TestUMA411_16_a_leader_that_goes_away_takes_nobody_with_it(t *testing.T) {
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
}

func TestUMA411_05_nothing_but_a_plain_grant_grants(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport, options: []oxdauth.GuardOption{oxdauth.WithConcurrency(4)}})
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
}

func TestUMA411_05_a_grant_without_an_RPT_is_none(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		a.srv.Handle("uma_rs_check_access", func(json.RawMessage) (any, error) { return map[string]string{"access": "granted"}, nil })
		assert.Equal(t, http.StatusServiceUnavailable, a.ask("GET", "/photos/1", "").StatusCode)
		assert.Zero(t, a.runs.Load())
	})
}

func TestUMA411_06_oxd_down_is_503_with_the_warning_and_recovers(t *testing.T) {
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
}

func TestUMA411_06_a_slow_oxd_is_given_up_on_and_left_alone(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport, options: []oxdauth.GuardOption{
			oxdauth.WithCheckTimeout(50 * time.Millisecond), oxdauth.WithUnavailableStatus(http.StatusForbidden),
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
}

func TestUMA411_07_no_ticket_is_403_with_the_warning(t *testing.T) {
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
}

func TestUMA411_08_a_ticket_that_would_break_the_header_is_none(t *testing.T) {
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
}

func TestUMA411_11_CORS_wraps_the_guard(t *testing.T) {
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
}

func TestUMA411_12_methods_that_are_not_declared_are_405(t *testing.T) {
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
}

func TestUMA411_18_no_secret_is_logged(t *testing.T) {
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
