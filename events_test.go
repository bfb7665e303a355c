package oxdauth_test

// Events and health checks.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

type recorder struct {
	mu     sync.Mutex
	events []oxdauth.Event
}

func (r *recorder) record(_ context.Context, e oxdauth.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// take returns the kinds since the last time, with the reason where there is one.
func (r *recorder) take() (kinds []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		kind := string(e.Kind)
		if e.Reason != "" {
			kind += " " + string(e.Reason)
		}
		kinds = append(kinds, kind)
	}
	r.events = nil
	return kinds
}

func TestEachOutcomeIsOneEvent(t *testing.T) {
	t.Parallel()
	var rec recorder
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithEventHook(rec.record)}, mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", a.whoami())
		mux.Handle("/strong", m.RequireACR("otp")(a.whoami()))
		mux.HandleFunc("/refresh", func(w http.ResponseWriter, r *http.Request) { _, _ = m.Refresh(w, r) })
		return m.Handler(mux)
	}})
	b := a.srv.Browser()
	submit := func(path string) {
		page, err := b.Get(a.base + path)
		require.NoError(t, err)
		res, err := b.Submit(page, nil)
		require.NoError(t, err)
		readBody(t, res)
	}
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"a script without session", func() { a.once(nil, a.request("GET", "/", "Accept", "application/json")) }, []string{"request_refused"}},
		{"a login", func() { a.login(b, a.base+"/", user, password) }, []string{"login_started", "login_succeeded"}},
		{"requests with a session", func() { a.get(b, "/x"); a.get(b, "/y") }, nil},
		{"a refresh", func() { a.get(b, "/refresh") }, []string{"refresh_succeeded"}},
		{"a refresh that fails", func() {
			a.srv.Inject("get_access_token_by_refresh_token", oxdtest.Fault{Kind: oxdtest.FaultInternalError, Times: 1})
			a.get(b, "/refresh")
		}, []string{"refresh_failed"}},
		{"a stronger login", func() { a.login(b, a.base+"/strong", user, password) }, []string{"login_started", "session_ended login", "login_succeeded"}},
		{"a logout from elsewhere", func() { a.once(b, a.request("POST", "/auth/logout", "Origin", "https://evil.example")) }, []string{"request_refused"}},
		{"a logout", func() { submit("/auth/logout") }, []string{"session_ended logout", "login_started"}}, // the provider sends the browser back to the start page
		{"a second logout", func() { submit("/auth/logout") }, nil},
		{"a callback from nowhere", func() { a.get(b, "/auth/callback?state=x&code=y") }, []string{"login_failed"}},
		{"a login that is cancelled", func() {
			a.srv.Provider.DenyNext("access_denied")
			res, err := a.srv.Browser().LogIn(a.base+"/", user, password)
			require.NoError(t, err)
			readBody(t, res)
		}, []string{"login_started", "login_failed"}},
		{"a login oxd forgot", func() {
			late := a.srv.Browser()
			callback := a.callback(late, a.base+"/")
			a.srv.Restart()
			res, err := late.Get(callback.String())
			require.NoError(t, err)
			readBody(t, res)
		}, []string{"login_started", "login_restarted", "login_succeeded"}},
		{"a user locked out by the application", func() { require.NoError(t, a.auth.RevokeSubject(t.Context(), a.srv.Provider.URL, "x")) }, []string{"session_ended application"}},
		{"oxd away", func() { a.srv.Stop(); a.get(nil, "/"); a.srv.Restart() }, []string{"login_failed"}},
		{"the provider withdraws the session", func() {
			again := a.signedIn(user, password)
			a.srv.Handle("get_access_token_by_refresh_token", func(json.RawMessage) (any, error) { return nil, oxdtest.Errorf("invalid_grant", "no") })
			a.get(again, "/refresh")
		}, []string{"login_started", "login_succeeded", "refresh_failed", "session_ended provider"}},
	} {
		step.do()
		assert.Equal(t, step.want, rec.take(), step.name)
	}
}

func TestEventsSayWhoAndWhyAndNoSecret(t *testing.T) {
	t.Parallel()
	var rec recorder
	var secrets []string
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithEventHook(rec.record)}, handler: func(a *app) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, _ := oxdauth.SessionFromContext(r.Context())
			secrets = append(secrets, s.AccessToken().Reveal(), s.IDToken().Reveal())
		})
	}})
	b := a.signedIn(user, password)
	a.srv.Stop()
	res, body := a.get(nil, "/other")
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	callback, _ := a.get(b, "/auth/callback?state=x")
	readBody(t, callback)

	events := rec.events
	require.Len(t, events, 3)
	assert.NotEmpty(t, events[1].Subject)
	assert.Equal(t, a.srv.Provider.URL, events[1].Issuer)
	assert.WithinDuration(t, time.Now(), events[1].Time, time.Minute)
	assert.Equal(t, http.StatusServiceUnavailable, events[2].Status)
	assert.True(t, errors.Is(events[2].Err, oxd.ErrUnavailable))
	require.NotEmpty(t, events[2].RequestID)
	assert.Contains(t, body, events[2].RequestID, "the id on the page")
	for _, secret := range secrets {
		assert.NotContains(t, fmt.Sprintf("%+v", events), secret)
	}
}

func TestAHookThatPanicsChangesNothing(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithEventHook(func(context.Context, oxdauth.Event) { panic("no") })}})
	a.signedIn(user, password)
	assert.Contains(t, a.log.String(), "event hook panicked")
}

func TestReadinessFollowsOxdAndTheGuard(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	require.NoError(t, a.auth.Ready())
	a.srv.Stop()
	for range 5 {
		res, _ := a.get(nil, "/")
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	}
	assert.ErrorIs(t, a.auth.Ready(), oxd.ErrUnavailable)

	g := newGuardApp(t, guardSetup{unprotected: true})
	assert.Error(t, g.guard.Ready())
	require.NoError(t, g.guard.Protect(t.Context()))
	assert.NoError(t, g.guard.Ready())
}
