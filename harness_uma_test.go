package oxdauth_test

// An application behind a UMA guard, and what its tests ask of it.

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

type guardApp struct {
	*app
	client *oxd.Client
	guard  *oxdauth.Guard

	mu        sync.Mutex // guards decisions
	decisions []oxdauth.Decision
}

type guardSetup struct {
	transport   string
	server      oxdtest.Config
	options     []oxdauth.GuardOption
	site        func(*oxd.Site)
	declare     func(*guardApp, *http.ServeMux) // default: declarePhotos
	wrap        func(http.Handler) http.Handler // around the mux
	sessions    bool                            // people in a browser, claims at /auth/claims
	auth        []oxdauth.Option                // of their middleware
	unprotected bool                            // Protect is left to the test
}

const umaWarning = `199 - "UMA Authorization Server Unreachable"`

// newGuardApp starts everything; it ends with the test.
func newGuardApp(t *testing.T, s guardSetup) *guardApp {
	t.Helper()
	s.transport = cmp.Or(s.transport, os.Getenv("OXDAUTH_TEST_TRANSPORT"))
	if s.transport == "rest" {
		s.server.ProtectCommands = true // as oxd 4 is shipped
	}
	a := &guardApp{app: &app{t: t, srv: oxdtest.NewUnstartedServer(s.server), log: &logBuffer{}}}
	a.srv.Start()
	t.Cleanup(a.srv.Close)
	a.base = a.srv.ServeApp(func(base string) http.Handler { return a.build(base, s) })
	if !s.unprotected {
		require.NoError(t, a.guard.Protect(t.Context()))
		require.NoError(t, a.guard.Ready())
	}
	return a
}

func (a *guardApp) build(base string, s guardSetup) http.Handler {
	site := a.srv.Site(base + "/auth/callback")
	site.Params.ClaimsRedirectURI = []string{base + "/auth/claims"}
	var transport oxd.Transport = a.srv.Transport()
	switch s.transport {
	case "web":
		transport, site.Protected = a.srv.HTTPSTransport(), true
	case "rest":
		transport, site.Protected = a.srv.RESTTransport(), true
	}
	if s.site != nil {
		s.site(&site)
	}
	var err error
	a.client, err = oxd.NewClient(transport, site)
	require.NoError(a.t, err)
	a.t.Cleanup(func() { require.NoError(a.t, a.client.Close()) })
	options := []oxdauth.GuardOption{oxdauth.WithGuardLogger(a.log.logger()), oxdauth.WithDecisionHook(a.decided),
		oxdauth.WithGuardTimeout(30 * time.Second)} // the machine may be busy
	if s.sessions {
		auth := append([]oxdauth.Option{oxdauth.WithKeys(testKey), oxdauth.WithLogger(a.log.logger())}, s.auth...)
		a.auth, err = oxdauth.New(a.client, auth...)
		require.NoError(a.t, err)
		a.t.Cleanup(func() { require.NoError(a.t, a.auth.Close()) })
		options = append(options, oxdauth.WithSessions(a.auth, "/auth/claims"))
	}
	a.guard, err = oxdauth.NewGuard(a.client, `photo "z"`, append(options, s.options...)...)
	require.NoError(a.t, err)
	mux := http.NewServeMux()
	if s.declare == nil {
		s.declare = (*guardApp).declarePhotos
	}
	s.declare(a, mux)
	if s.sessions {
		mux.Handle("/auth/claims", a.guard.ClaimsCallback())
		mux.Handle("/auth/", a.auth.Handler(http.NotFoundHandler()))
		mux.Handle("GET /open", a.auth.Handler(a.whoami()))
	}
	if s.wrap != nil {
		return s.wrap(mux)
	}
	return mux
}

func (a *guardApp) declarePhotos(mux *http.ServeMux) {
	g := a.guard
	g.Handle(mux, "GET /photos/{id}", a.whoami(), oxdauth.Resource{Scopes: []string{"view", "all"}, TicketScopes: []string{"view"}})
	g.Handle(mux, "PUT /photos/{id}", a.whoami(), oxdauth.Resource{Scopes: []string{"edit"}})
	g.Handle(mux, "GET /admin", a.whoami(), oxdauth.Resource{Scopes: []string{"admin"}})
	g.Handle(mux, "GET /files/{rest...}", a.whoami(), oxdauth.Resource{Scopes: []string{"view"}})
	g.Handle(mux, "GET /slashes/{rest...}", a.whoami(), oxdauth.Resource{Scopes: []string{"view"}, EncodedSlashes: true})
	mux.Handle("/any/{id}", g.Require(oxdauth.Resource{Path: "/any/{id}", Method: "GET", Scopes: []string{"view"}})(a.whoami()))
}

func (a *guardApp) decided(_ context.Context, d oxdauth.Decision) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.decisions = append(a.decisions, d)
}

func (a *guardApp) outcomes() (list []oxdauth.Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.decisions {
		list = append(list, d.Outcome)
	}
	return list
}

// ask sends one request of a program, with an RPT unless that is empty.
func (a *guardApp) ask(method, path, rpt string) *http.Response {
	a.t.Helper()
	var header []string
	if rpt != "" {
		header = []string{"Authorization", "Bearer " + rpt}
	}
	res, _ := a.once(nil, a.request(method, path, header...))
	return res
}

// rpt gets the RPT for a request that is denied without one.
func (a *guardApp) rpt(method, path string) string {
	a.t.Helper()
	res := a.ask(method, path, "")
	require.Equal(a.t, http.StatusUnauthorized, res.StatusCode)
	rpt, err := a.client.RPT(a.t.Context(), oxd.RPTParams{Ticket: oxd.NewSecret(challenge(a.t, res)["ticket"])})
	require.NoError(a.t, err)
	return rpt.AccessToken.Reveal()
}

// checks returns the questions oxd was asked since start, as "METHOD path".
func (a *guardApp) checks() (list []string) {
	for _, call := range a.srv.Calls() {
		if call.Command == "uma_rs_check_access" {
			var p struct {
				Path   string `json:"path"`
				Method string `json:"http_method"`
			}
			require.NoError(a.t, json.Unmarshal(call.Params, &p))
			list = append(list, p.Method+" "+p.Path)
		}
	}
	return list
}

// asked runs f and returns the questions that f led to.
func (a *guardApp) asked(f func()) []string {
	before := len(a.checks())
	f()
	return a.checks()[before:]
}

// challenge reads the one UMA challenge of an answer by the grammar of RFC 9110 sections 11.2 and
// 11.6.1.
func challenge(t *testing.T, res *http.Response) map[string]string {
	t.Helper()
	lines := res.Header.Values("WWW-Authenticate")
	require.Len(t, lines, 1)
	params, err := parseChallenge(lines[0])
	require.NoError(t, err, lines[0])
	return params
}

func parseChallenge(s string) (map[string]string, error) {
	scheme, s, _ := strings.Cut(s, " ")
	if !strings.EqualFold(scheme, "UMA") {
		return nil, fmt.Errorf("scheme %q", scheme)
	}
	params := map[string]string{}
	for {
		name, rest, ok := strings.Cut(strings.TrimLeft(s, " "), "=")
		if !ok || !strings.HasPrefix(rest, `"`) || params[strings.ToLower(name)] != "" {
			return nil, fmt.Errorf("parameter %q", name)
		}
		var value strings.Builder
		i := 1
		for ; i < len(rest) && rest[i] != '"'; i++ {
			if rest[i] == '\\' {
				i++
			}
			if i == len(rest) || rest[i] < ' ' {
				return nil, fmt.Errorf("value of %q", name)
			}
			value.WriteByte(rest[i])
		}
		if i >= len(rest) {
			return nil, fmt.Errorf("value of %q does not end", name)
		}
		params[strings.ToLower(name)] = value.String()
		if s = rest[i+1:]; s == "" {
			return params, nil
		}
		if !strings.HasPrefix(s, ",") {
			return nil, fmt.Errorf("no comma after %q", name)
		}
		s = s[1:]
	}
}

// overAll runs a test over all ways to oxd.
func overAll(t *testing.T, f func(t *testing.T, transport string)) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			f(t, transport)
		})
	}
}
