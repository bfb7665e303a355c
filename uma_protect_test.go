package oxdauth_test

// Registering resources, by several processes, and what the authorization server has to do with it.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
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

func TestNotProtectedIs503AndNotReady(t *testing.T) {
	t.Run("4.11-9", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport})
			before := a.srv.CallCount("uma_rs_protect")
			a.srv.Handle("uma_rs_check_access", func(json.RawMessage) (any, error) {
				return nil, oxdtest.Errorf("invalid_request", "Resource is not protected with path: /photos/{id} and httpMethod: GET.")
			})
			res := a.ask("GET", "/photos/1", "x")
			assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
			assert.Equal(t, umaWarning, res.Header.Get("Warning"))
			assert.ErrorContains(t, a.guard.Ready(), "GET /photos/{id}")
			assert.Equal(t, before, a.srv.CallCount("uma_rs_protect"))
			assert.Zero(t, a.runs.Load())
			assert.Contains(t, a.log.String(), `"level":"ERROR"`)
		})
	})
}

func TestBeforeProtectNothingIsServed(t *testing.T) {
	t.Run("4.11-9", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, unprotected: true})
			require.Error(t, a.guard.Ready())
			assert.Equal(t, http.StatusServiceUnavailable, a.ask("GET", "/photos/1", "x").StatusCode)
			assert.Empty(t, a.srv.Calls())
			require.NoError(t, a.guard.Protect(t.Context()))
			assert.Equal(t, http.StatusUnauthorized, a.ask("GET", "/photos/1", "x").StatusCode)
		})
	})
}

func TestProtectingAgainRegistersNothing(t *testing.T) {
	t.Run("4.11-10", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			dir := t.TempDir()
			a := newGuardApp(t, guardSetup{
				transport: transport, options: []oxdauth.GuardOption{oxdauth.WithProtectionFile(filepath.Join(dir, "uma.json"))},
				site: func(s *oxd.Site) { s.File = filepath.Join(dir, "site.json") },
			})
			require.Equal(t, 1, a.srv.CallCount("uma_rs_protect"))
			checks := len(a.checks())
			require.NoError(t, a.guard.Protect(t.Context()))

			declare := func(scopes []string, more bool) error {
				g, err := oxdauth.NewGuard(a.client, "r", oxdauth.WithProtectionFile(filepath.Join(dir, "uma.json")), oxdauth.WithGuardLogger(a.log.logger()))
				require.NoError(t, err)
				mux := http.NewServeMux()
				g.Handle(mux, "GET /photos/{id}", http.NotFoundHandler(), oxdauth.Resource{Scopes: scopes, TicketScopes: []string{"view"}})
				g.Handle(mux, "PUT /photos/{id}", http.NotFoundHandler(), oxdauth.Resource{Scopes: []string{"edit"}})
				g.Handle(mux, "GET /admin", http.NotFoundHandler(), oxdauth.Resource{Scopes: []string{"admin"}})
				g.Handle(mux, "GET /files/{rest...}", http.NotFoundHandler(), oxdauth.Resource{Scopes: []string{"view"}})
				g.Handle(mux, "GET /slashes/{rest...}", http.NotFoundHandler(), oxdauth.Resource{Scopes: []string{"view"}})
				if more {
					g.Handle(mux, "GET /any/{id}", http.NotFoundHandler(), oxdauth.Resource{Scopes: []string{"view"}})
				}
				return g.Protect(t.Context())
			}
			require.NoError(t, declare([]string{"all", "view"}, true), "the same, after a restart")
			assert.Equal(t, 1, a.srv.CallCount("uma_rs_protect"))
			assert.Len(t, a.checks(), checks, "and no ticket is spent on it")
			if transport == "rest" { // where everything can be told anew
				require.NoError(t, declare([]string{"view"}, true), "other scopes")
				require.NoError(t, declare([]string{"view"}, false), "one less")
				require.NoError(t, declare([]string{"view"}, false), "the same again")
				assert.Equal(t, 3, a.srv.CallCount("uma_rs_protect"))
				assert.Contains(t, a.log.String(), "RPTs from before open nothing any more")
				return
			}
			require.ErrorContains(t, declare([]string{"view"}, true), "other scopes")
			require.ErrorContains(t, declare([]string{"all", "view"}, false), "not declared any more")
			assert.Equal(t, 1, a.srv.CallCount("uma_rs_protect"))
		})
	})
}

func TestGuardWithoutAFileAsksWhatIsProtected(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{transport: "local"}) // oxd 4 is told all of them again
	g, err := oxdauth.NewGuard(a.client, "r", oxdauth.WithGuardLogger(a.log.logger()))
	require.NoError(t, err)
	g.Require(oxdauth.Resource{Path: "/admin", Method: "GET", Scopes: []string{"admin"}})
	g.Require(oxdauth.Resource{Path: "/new", Method: "GET", Scopes: []string{"admin"}})
	require.NoError(t, g.Protect(t.Context()))
	require.Equal(t, 2, a.srv.CallCount("uma_rs_protect"))
	calls := a.srv.Calls()
	for _, call := range calls {
		if call.Command == "uma_rs_protect" {
			last := string(call.Params)
			if strings.Contains(last, "/new") {
				assert.NotContains(t, last, "/admin", "only the new one is registered")
			}
		}
	}
	assert.Contains(t, a.log.String(), "its scopes cannot be verified")
}

func TestGuardDeclarationProblemsAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{unprotected: true, declare: func(a *guardApp, mux *http.ServeMux) {
		g := a.guard
		g.Handle(mux, "/no-method", a.whoami(), oxdauth.Resource{Scopes: []string{"view"}})
		g.Handle(mux, "GET /no-scopes", a.whoami(), oxdauth.Resource{})
		g.Require(oxdauth.Resource{Path: "no-slash", Method: "GET", Scopes: []string{"view"}})
		g.Require(oxdauth.Resource{Path: "/query?x", Method: "GET", Scopes: []string{"view"}})
		g.Require(oxdauth.Resource{Path: "/lower", Method: "get", Scopes: []string{"view"}})
		g.Require(oxdauth.Resource{Path: "/blank", Method: "GET", Scopes: []string{"a b"}})
		g.Require(oxdauth.Resource{Path: "/tickets", Method: "GET", Scopes: []string{"view"}, TicketScopes: []string{"edit"}})
		g.Require(oxdauth.Resource{Path: "/head", Method: "HEAD", Scopes: []string{"view"}})
		g.Require(oxdauth.Resource{Path: "/twice", Method: "GET", Scopes: []string{"view"}})
		g.Require(oxdauth.Resource{Path: "/twice", Method: "GET", Scopes: []string{"view"}})
		g.Require(oxdauth.Resource{Path: "/shared", Method: "GET", Scopes: []string{"view"}, Shared: true})
		g.Require(oxdauth.Resource{Path: "/shared", Method: "GET", Scopes: []string{"edit"}, Shared: true})
	}})
	err := a.guard.Protect(t.Context())
	for _, problem := range []string{
		" /no-method", "/no-scopes", "no-slash", "/query?x", "get /lower", "/blank", `ticket scope \"edit\"`, "HEAD /head", "declared twice", "different scopes",
	} {
		assert.ErrorContains(t, err, strings.ReplaceAll(problem, `\"`, `"`))
	}
	assert.Empty(t, a.srv.Calls(), "oxd was not asked")
	assert.Equal(t, http.StatusServiceUnavailable, a.ask("GET", "/no-method", "x").StatusCode)
	assert.Zero(t, a.runs.Load())
}

func TestGuardRefusesBadArguments(t *testing.T) {
	t.Parallel()
	_, err := oxdauth.NewGuard(nil, "a\nb", oxdauth.WithGrantCache(1, 2*time.Minute), oxdauth.WithTicketLimit(0, 1), oxdauth.WithClientLimit(1, 1, nil), oxdauth.WithGuardTimeout(0),
		oxdauth.WithGuardConcurrency(0), oxdauth.WithUnavailableStatus(200), oxdauth.WithAuthorizationServer("op"), oxdauth.WithSessions(nil, "/x"))
	for _, part := range []string{"nil client", "realm", "WithGrantCache", "WithTicketLimit", "WithClientLimit", "WithGuardTimeout", "WithGuardConcurrency", "WithUnavailableStatus", "authorization server", "WithSessions"} {
		assert.ErrorContains(t, err, part)
	}
	require.False(t, errors.Is(err, oxd.ErrUnavailable))
}

func TestGuardProtectsInPartsAndGoesOnAfterAFault(t *testing.T) {
	t.Parallel()
	const n = 40
	path := func(i int) string { return fmt.Sprintf("/%03d/%s", i, strings.Repeat("x", 300)) }
	a := newGuardApp(t, guardSetup{transport: "local", unprotected: true, declare: func(a *guardApp, _ *http.ServeMux) { // oxd 4 has no such limit
		for i := range n {
			a.guard.Require(oxdauth.Resource{Path: path(i), Method: "GET", Scopes: []string{"view"}})
		}
	}})
	a.srv.Inject("uma_rs_protect", oxdtest.Fault{Kind: oxdtest.FaultInternalError, Times: 1})
	require.Error(t, a.guard.Protect(t.Context()))
	require.Error(t, a.guard.Ready())
	require.NoError(t, a.guard.Protect(t.Context()))
	require.NoError(t, a.guard.Ready())
	require.NoError(t, a.guard.Protect(t.Context()))
	seen := map[string]int{}
	for _, call := range a.srv.Calls() {
		if call.Command == "uma_rs_protect" && call.Error == "" {
			for i := range n {
				seen[path(i)] += strings.Count(string(call.Params), path(i))
			}
		}
	}
	for i := range n {
		assert.LessOrEqual(t, seen[path(i)], 2, "once in a command that failed, once in one that did not")
		assert.NotZero(t, seen[path(i)])
	}
	assert.Greater(t, a.srv.CallCount("uma_rs_protect"), 2)
}

func TestGuardProtectsAgainWhatOxdHasLost(t *testing.T) {
	t.Parallel()
	var protected atomic.Bool
	var commands atomic.Int64
	s := &scriptedOxd{
		protect: func() { protected.Store(true); commands.Add(1) },
		answer: func(_ context.Context, n int64, _ string) (*oxd.Response, error) {
			if protected.Load() {
				return denied(n), nil
			}
			return &oxd.Response{Status: "error", Data: json.RawMessage(
				`{"error":"invalid_request","error_description":"Resource is not protected with path: /x and httpMethod: GET."}`)}, nil
		},
	}
	g, h := s.guardAndHandler(t)
	require.EqualValues(t, 1, commands.Load())
	require.Equal(t, 401, status(t.Context(), h, "a").Code)
	protected.Store(false)
	require.Equal(t, 503, status(t.Context(), h, "a").Code)
	require.Error(t, g.Ready())
	require.EqualValues(t, 1, commands.Load(), "never from a request")
	require.NoError(t, g.Protect(t.Context()))
	require.EqualValues(t, 2, commands.Load())
	require.NoError(t, g.Ready())
	require.Equal(t, 401, status(t.Context(), h, "a").Code)
}

func TestGuardRefusesAProtectionFileItCannotRead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "uma.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"version":2}`), 0o600))
	a := newGuardApp(t, guardSetup{unprotected: true, options: []oxdauth.GuardOption{oxdauth.WithProtectionFile(file)}})
	require.ErrorContains(t, a.guard.Protect(t.Context()), "cannot be understood")
	assert.Zero(t, a.srv.CallCount("uma_rs_protect"))
	assert.Equal(t, http.StatusServiceUnavailable, a.ask("GET", "/photos/1", "x").StatusCode)
}

func TestProcessesThatStartTogetherProtectOnce(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{unprotected: true})
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 5 {
		site := a.srv.Site(a.base + "/auth/callback")
		site.File = filepath.Join(dir, "site.json")
		client, err := oxd.NewClient(a.srv.Transport(), site)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		g, err := oxdauth.NewGuard(client, "r", oxdauth.WithProtectionFile(filepath.Join(dir, "uma.json")), oxdauth.WithGuardLogger(a.log.logger()))
		require.NoError(t, err)
		for i := range 40 { // more than one command's worth
			g.Require(oxdauth.Resource{Path: fmt.Sprintf("/%02d/%s", i, strings.Repeat("x", 300)), Method: "GET", Scopes: []string{"view"}})
		}
		wg.Go(func() { assert.NoError(t, g.Protect(t.Context())) })
	}
	wg.Wait()
	registered := map[string]int{}
	for _, call := range a.srv.Calls() {
		if call.Command == "uma_rs_protect" {
			for i := range 40 {
				registered[fmt.Sprint(i)] += strings.Count(string(call.Params), fmt.Sprintf(`"/%02d/`, i))
			}
		}
	}
	for i, n := range registered {
		assert.Equal(t, 1, n, "resource %s", i)
	}
	assert.Len(t, registered, 40)
}

func TestTheIssuerIsVerifiedToTheLetter(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{})
	require.NoError(t, a.guard.VerifyIssuer(t.Context(), a.srv.HTTPClient()))
	for asURI, problem := range map[string]string{
		a.srv.Provider.URL + "/":    "calls itself",
		a.base:                      "HTTP 404",
		"https://127.0.0.1:1":       "refused",
		a.srv.Provider.URL + "/new": "HTTP 404",
	} {
		g, err := oxdauth.NewGuard(a.client, "r", oxdauth.WithAuthorizationServer(asURI), oxdauth.WithGuardLogger(a.log.logger()))
		require.NoError(t, err)
		g.Require(oxdauth.Resource{Path: "/admin", Method: "GET", Scopes: []string{"admin"}})
		require.ErrorContains(t, g.VerifyIssuer(t.Context(), nil), "Protect", "too early")
		require.NoError(t, g.Protect(t.Context()))
		assert.ErrorContains(t, g.VerifyIssuer(t.Context(), a.srv.HTTPClient()), problem, asURI)
	}
	assert.ErrorContains(t, a.guard.VerifyIssuer(t.Context(), nil), "certificate", "its CA is unknown to the default client")
}
