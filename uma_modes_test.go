package oxdauth_test

// Report mode, streams, the hook, and the help for coverage tests.

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxdtest"
)

func TestUMA411_15_report_mode_passes_and_tells(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport, options: []oxdauth.GuardOption{oxdauth.WithReportOnly()}})
		res := a.ask("GET", "/photos/1", "")
		assert.Equal(t, http.StatusOK, res.StatusCode)
		for _, name := range []string{"WWW-Authenticate", "Warning", "Access-Control-Expose-Headers"} {
			assert.Empty(t, res.Header.Get(name))
		}
		a.srv.Stop()
		assert.Equal(t, http.StatusOK, a.ask("GET", "/photos/1", "x").StatusCode)
		assert.Equal(t, []oxdauth.Outcome{oxdauth.Denied, oxdauth.Unavailable}, a.outcomes())
		assert.Contains(t, a.log.String(), "WithReportOnly")
	})
}

func TestGuardHandsTheDecisionToHookAndHandler(t *testing.T) {
	t.Parallel()
	var seen atomic.Value
	a := newGuardApp(t, guardSetup{
		options: []oxdauth.GuardOption{oxdauth.WithOnDecision(func(context.Context, oxdauth.Decision) { panic("the hook is broken") })},
		declare: func(a *guardApp, mux *http.ServeMux) {
			a.guard.Handle(mux, "GET /x", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				d, ok := oxdauth.DecisionFromContext(r.Context())
				assert.True(t, ok)
				seen.Store(d)
			}), oxdauth.AnyOf("view"))
		},
	})
	rpt := a.rpt("GET", "/x")
	require.Equal(t, http.StatusOK, a.ask("GET", "/x", rpt).StatusCode)
	d := seen.Load().(oxdauth.Decision)
	assert.Equal(t, "/x", d.Resource)
	assert.Equal(t, oxdauth.Granted, d.Outcome)
	assert.Len(t, d.RPT, 8)
	assert.NotContains(t, rpt, d.RPT)
	assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/x", "weak").StatusCode, "a hook changes nothing")
}

func TestUMA411_17_a_stream_flushes_and_ends_when_access_ends(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		causes := make(chan error, 1)
		a := newGuardApp(t, guardSetup{transport: transport, declare: func(a *guardApp, mux *http.ServeMux) {
			a.guard.Handle(mux, "GET /events", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/event-stream")
				_, _ = w.Write([]byte("data: 1\n\n"))
				assert.NoError(t, http.NewResponseController(w).Flush())
				<-r.Context().Done()
				causes <- context.Cause(r.Context())
			}), oxdauth.AnyOf("view"), oxdauth.Recheck(time.Second))
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
}

func TestB27_routes_without_a_guard_are_found(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport})
		mux := http.NewServeMux()
		a.guard.Handle(mux, "GET /photos/{id}", a.whoami(), oxdauth.AnyOf("view"))
		a.guard.Handle(mux, "GET /{$}", a.whoami(), oxdauth.AnyOf("view"))
		mux.Handle("GET /health", oxdauth.Public("for the load balancer")(a.whoami()))
		mux.Handle("GET /forgotten/{rest...}", a.whoami())
		patterns := []string{"GET /photos/{id}", "GET /{$}", "GET /health", "GET /forgotten/{rest...}", "GET /never"}
		assert.Equal(t, []string{"GET /forgotten/{rest...}", "GET /never"}, a.guard.Uncovered(mux, patterns...))
		assert.Panics(t, func() { oxdauth.Public("") })
		assert.Zero(t, a.runs.Load())
	})
}

func TestGuardSendsNoFormToTheQuestionsOfTheServer(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{sessions: true, declare: func(a *guardApp, mux *http.ServeMux) {
		a.guard.Handle(mux, "POST /photos", a.whoami(), oxdauth.AnyOf("view"))
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
