package oxdauth_test

// One story of an error: the log, the event, the page, the JSON and an application's own page have
// the same id, and the page that was asked for is not lost.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// errorHandlers are the ways in which an application may answer errors.
var errorHandlers = map[string]func(*oxdauth.Middleware) oxdauth.ErrorHandler{
	"the built-in answer": nil,
	"WriteError": func(m *oxdauth.Middleware) oxdauth.ErrorHandler {
		return func(w http.ResponseWriter, r *http.Request, err error) { m.WriteError(w, r, err) }
	},
	"WriteError of an error around it": func(m *oxdauth.Middleware) oxdauth.ErrorHandler {
		return func(w http.ResponseWriter, r *http.Request, err error) {
			m.WriteError(w, r, fmt.Errorf("wrapped: %w", err))
		}
	},
	"a page of its own": func(*oxdauth.Middleware) oxdauth.ErrorHandler {
		return func(w http.ResponseWriter, _ *http.Request, err error) {
			var failed *oxdauth.RequestError
			if !errors.As(err, &failed) {
				panic("not a RequestError")
			}
			w.WriteHeader(oxdauth.StatusCode(err))
			fmt.Fprintf(w, "request %s, cause %v, back to %s", failed.RequestID, failed.Err, failed.ReturnTo)
		}
	},
}

// withHandler returns the option for a handler that needs the middleware it is for.
func withHandler(make func(*oxdauth.Middleware) oxdauth.ErrorHandler, m **oxdauth.Middleware) []oxdauth.Option {
	if make == nil {
		return nil
	}
	return []oxdauth.Option{oxdauth.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) { make(*m)(w, r, err) })}
}

// loggedIDs returns the request ids of the refusals in the log.
func loggedIDs(log string) (ids []string) {
	for _, found := range regexp.MustCompile(`"request_id":"([A-Z2-7]+)"`).FindAllStringSubmatch(log, -1) {
		ids = append(ids, found[1])
	}
	return ids
}

func TestAnErrorHasOneIDEverywhere(t *testing.T) {
	t.Parallel()
	for name, handler := range errorHandlers {
		t.Run("N3 "+name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var events []oxdauth.Event
			var m *oxdauth.Middleware
			hook := oxdauth.WithEventHook(func(_ context.Context, e oxdauth.Event) {
				mu.Lock()
				defer mu.Unlock()
				events = append(events, e)
			})
			a := newApp(t, setup{options: append(withHandler(handler, &m), hook)})
			m = a.auth
			for _, req := range []*http.Request{
				a.navigation("/auth/callback?state=forged&code=x"),
				a.request(http.MethodGet, "/api"),
				a.request(http.MethodPost, "/form", "Accept", "text/html"),
			} {
				logged := len(loggedIDs(a.log.String()))
				mu.Lock()
				events = nil
				mu.Unlock()
				_, body := a.once(nil, req)
				ids := loggedIDs(a.log.String())[logged:]
				require.Len(t, ids, 1, "one line of the log for one refusal")
				assert.Contains(t, body, ids[0], "what the client sees")
				mu.Lock()
				require.Len(t, events, 1)
				assert.Equal(t, ids[0], events[0].RequestID)
				mu.Unlock()
			}
		})
	}
}

func TestAnErrorOfTheApplicationIsLoggedUnderTheIDThatIsShown(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{handler: func(a *app) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/report" {
				a.auth.WriteError(w, r, fmt.Errorf("no such report: %w", oxdauth.ErrForbidden))
			}
		})
	}})
	res, body := a.get(a.signedIn(user, password), "/report")
	assert.Equal(t, http.StatusForbidden, res.StatusCode)
	ids := loggedIDs(a.log.String())
	require.NotEmpty(t, ids)
	assert.Contains(t, body, ids[len(ids)-1])
	assert.Contains(t, a.log.String(), "no such report")
}

func TestTheGuardsPagesGoTheWayOfAllErrors(t *testing.T) {
	t.Parallel()
	for name, handler := range errorHandlers {
		t.Run("N3 "+name, func(t *testing.T) {
			t.Parallel()
			var m *oxdauth.Middleware
			a := newGuardApp(t, guardSetup{sessions: true, auth: withHandler(handler, &m)})
			m = a.auth
			a.srv.Provider.SetPolicy("admin", oxdtest.Policy{Deny: true})
			b := a.personSignedIn()
			res, body := a.get(b, "/admin?x=1")
			assert.Equal(t, http.StatusForbidden, res.StatusCode, body)
			a.mu.Lock()
			last := a.decisions[len(a.decisions)-1]
			a.mu.Unlock()
			assert.Contains(t, body, last.ID, "the id of the decision, which is in the log")
			assert.Equal(t, http.StatusForbidden, last.Status)
			if handler != nil && name == "a page of its own" {
				assert.Contains(t, body, "cause oxdauth: access refused: denied, back to /admin?x=1")
			} else {
				assert.Contains(t, body, "You do not have access")
			}

			res, body = a.get(b, "/auth/claims?state=unknown&ticket=x")
			assert.Equal(t, http.StatusBadRequest, res.StatusCode, body)
			ids := loggedIDs(a.log.String())
			assert.Contains(t, body, ids[len(ids)-1])
		})
	}
}

func TestAPageOfAnErrorLeadsBackToThePageThatWasAskedFor(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	a.srv.Stop()
	res, body := a.once(nil, a.navigation("/reports/42?y=1"))
	assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	assert.Contains(t, body, `href="/auth/login?return_to=%2Freports%2F42%3Fy%3D1"`)
	a.srv.Restart()
	res, err := a.srv.Browser().LogIn(a.base+"/auth/login?return_to=%2Freports%2F42%3Fy%3D1", user, password)
	require.NoError(t, err)
	readBody(t, res)
	assert.Equal(t, a.base+"/reports/42?y=1", res.Request.URL.String())
}

func TestAReturnTargetOfAnErrorIsAlwaysAPathOfTheSite(t *testing.T) {
	t.Parallel()
	t.Run("V-09", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		a.srv.Stop()
		for _, target := range []string{"//evil.example/x", "/a/../../b", "/\\evil.example", "/auth/login?return_to=//evil.example"} {
			answer := a.raw("GET " + target + " HTTP/1.1")
			assert.NotContains(t, answer, "evil.example", target)
			assert.NotContains(t, answer, "..%2F", target)
		}
	})
}

func TestErrorsOfAllKindsHaveTheirStatusInsideARequestError(t *testing.T) {
	t.Parallel()
	for status, err := range map[int]error{
		http.StatusUnauthorized:        oxdauth.ErrNoSession,
		http.StatusBadRequest:          oxdauth.ErrClaims,
		http.StatusForbidden:           oxdauth.ErrACR,
		http.StatusServiceUnavailable:  oxd.ErrUnavailable,
		http.StatusTooManyRequests:     &oxdauth.DecisionError{Decision: oxdauth.Decision{Status: http.StatusTooManyRequests}},
		http.StatusBadGateway:          oxdauth.ErrIDToken,
		http.StatusInternalServerError: errors.New("a fault"),
	} {
		wrapped := &oxdauth.RequestError{Err: err, RequestID: "x", ReturnTo: "/"}
		assert.Equal(t, status, oxdauth.StatusCode(err), err)
		assert.Equal(t, status, oxdauth.StatusCode(wrapped), err)
		assert.ErrorIs(t, wrapped, err)
		assert.Equal(t, err.Error(), wrapped.Error())
	}
}

func TestASessionHasAPublicIDThatStaysAndRevealsNothing(t *testing.T) {
	t.Parallel()
	t.Run("N17", func(t *testing.T) {
		t.Parallel()
		var mu sync.Mutex
		byKind := map[oxdauth.EventKind]string{}
		a := newApp(t, setup{
			options: []oxdauth.Option{oxdauth.WithEventHook(func(_ context.Context, e oxdauth.Event) {
				mu.Lock()
				defer mu.Unlock()
				byKind[e.Kind] = e.SessionID
			})},
			handler: func(a *app) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s, _ := oxdauth.SessionFromContext(r.Context())
					id := s.ID()
					if r.URL.Path == "/refresh" {
						newer, err := a.auth.Refresh(w, r)
						if err != nil || newer.ID() != id {
							http.Error(w, fmt.Sprint("changed: ", err), http.StatusInternalServerError)
							return
						}
					}
					_ = json.NewEncoder(w).Encode(id)
				})
			},
		})
		b := a.signedIn(user, password)
		id := func(_ *http.Response, body string) string { return strings.Trim(body, "\"\n") }
		first := id(a.get(b, "/"))
		assert.Regexp(t, "^[A-Z2-7]{16}$", first)
		assert.Equal(t, first, id(a.get(b, "/refresh")))
		assert.Equal(t, first, id(a.get(b, "/")), "after a refresh")
		assert.NotEqual(t, first, id(a.get(a.signedIn(user, password), "/")), "another browser")
		for _, c := range a.cookies(b) {
			assert.NotContains(t, c.Value, first)
		}
		mu.Lock()
		defer mu.Unlock()
		assert.Equal(t, first, byKind[oxdauth.RefreshSucceeded])
		assert.NotEmpty(t, byKind[oxdauth.LoginSucceeded])
	})
}

func TestTheReturnTargetOfAnErrorIsAPageAndHoldsNoTicket(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var seen []*oxdauth.RequestError
	keep := oxdauth.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, err error) {
		var failed *oxdauth.RequestError
		if errors.As(err, &failed) {
			mu.Lock()
			defer mu.Unlock()
			seen = append(seen, failed)
		}
		w.WriteHeader(oxdauth.StatusCode(err))
	})
	a := newGuardApp(t, guardSetup{sessions: true, auth: []oxdauth.Option{keep}})
	b := a.personSignedIn()
	for name, c := range map[string]struct {
		req      *http.Request
		b        *oxdtest.Browser
		returnTo string
		page     bool
	}{
		"a return from gathering claims": {a.navigation("/auth/claims?state=secret-state&ticket=secret-ticket"), b, "/", true},
		"a broken one":                   {a.navigation("/auth/claims?ticket=secret-ticket"), b, "/", true},
		"a form":                         {a.request(http.MethodPost, "/auth/login?x=1", "Accept", "text/html"), nil, "/", true},
		"a program":                      {a.request(http.MethodGet, "/open?x=1"), nil, "/open?x=1", false},
		"a callback":                     {a.navigation("/auth/callback?state=secret-state&code=secret-code"), nil, "/", true},
	} {
		mu.Lock()
		seen = nil
		mu.Unlock()
		a.once(c.b, c.req)
		mu.Lock()
		if assert.Len(t, seen, 1, name) {
			assert.Equal(t, c.returnTo, seen[0].ReturnTo, name)
			assert.Equal(t, c.page, seen[0].Page, name)
		}
		mu.Unlock()
	}
}
