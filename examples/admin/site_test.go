package main

// The application as the tests see it: with an oxd and a provider of its own, over http as in the
// demo or over https.

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// site is the application with its oxd.
type site struct {
	server *oxdtest.Server
	app    *app
	origin string
	// connect makes the client of oxd; nil means one over the socket.
	connect func(redirectURL string) (*oxd.Client, error)
	// unprotected leaves it to the test to register the photos.
	unprotected bool

	mu       sync.Mutex
	requests []*http.Request // the POSTs, without bodies
}

// plainSite serves the application as the demo does: over http on localhost.
func plainSite(t *testing.T) *site {
	t.Helper()
	s := &site{server: oxdtest.NewUnstartedServer(oxdtest.Config{InsecureProvider: true})}
	s.server.Start()
	t.Cleanup(s.server.Close)
	listener, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	s.origin = "http://localhost:" + port
	web := httptest.NewUnstartedServer(s.build(t, s.origin))
	web.Listener.Close()
	web.Listener = listener
	web.Start()
	t.Cleanup(web.Close)
	return s
}

// secureSite serves the application as it is in earnest: over https, with __Host- cookies.
func secureSite(t *testing.T) *site {
	t.Helper()
	s := &site{server: oxdtest.NewServer()}
	t.Cleanup(s.server.Close)
	s.origin = s.server.ServeApp(func(baseURL string) http.Handler { return s.build(t, baseURL) })
	return s
}

func (s *site) build(t *testing.T, origin string) http.Handler {
	t.Helper()
	redirectURL := origin + callbackPath
	data := newStore(samplePeople())
	data.linkByEmail = true
	data.addAccounts(oxdtest.DefaultUsers())
	var client *oxd.Client
	var err error
	if s.connect != nil {
		client, err = s.connect(redirectURL)
	} else {
		client, err = oxd.NewClient(s.server.Transport(), siteOf(s.server, redirectURL))
	}
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	setPolicies(s.server.Provider)
	s.app, err = newApp(setup{
		client: client, self: self{origin, s.server.HTTPClient()}, data: data, log: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.app.close() })
	inner := s.app.handler()
	if !s.unprotected {
		require.NoError(t, s.app.guard.Protect(t.Context()))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			s.mu.Lock()
			s.requests = append(s.requests, r.Clone(context.Background()))
			s.mu.Unlock()
		}
		inner.ServeHTTP(w, r)
	})
}

// posts returns the POSTs the application got so far.
func (s *site) posts() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*http.Request(nil), s.requests...)
}

// kinds returns the kinds of all events in the audit log, oldest first.
func (s *site) kinds() []string {
	events := s.app.store.log("", maxEvents)
	kinds := make([]string, len(events))
	for i, e := range events {
		kinds[len(events)-1-i] = e.Kind
	}
	return kinds
}
