package exampletest

// An example as a whole, served over plain http on localhost as its command does it.

import (
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/examples/internal/demo"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// Service tests an example. Its pages count how often they ran, so the first one that is seen tells
// that none of those refused before it has reached the handler.
func Service(t *testing.T, build func(client *oxd.Client) (http.Handler, error)) {
	srv := oxdtest.NewUnstartedServer(oxdtest.Config{InsecureProvider: true})
	srv.Start()
	t.Cleanup(srv.Close)
	listener, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	s := &site{srv: srv, base: "http://localhost:" + port}
	client := srv.Client(s.base + "/auth/callback")
	quietly(t)
	h, err := build(client)
	require.NoError(t, err)
	web := &httptest.Server{Listener: listener, Config: &http.Server{Handler: h}}
	web.Start()
	t.Cleanup(web.Close)
	b := srv.Browser()
	t.Cleanup(b.CloseIdleConnections)

	res := s.do(t, b, "GET", "/", navigation...)
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, "A page for everybody. Signed in: false\n", res.body)

	s.toProvider(t, s.do(t, nil, "GET", "/account", navigation...))
	refusal(t, s.do(t, b, "GET", "/account", script...), http.StatusUnauthorized, "login_required")
	res = s.logIn(t, b, "/account?from=mail", "zoe", "Zoë")
	assert.Equal(t, s.base+"/account?from=mail", res.Request.URL.String())
	assert.Equal(t, "Hello, Zoë 李 😀, visit 1\n", res.body)
	res = s.do(t, b, "GET", "/", navigation...)
	assert.Equal(t, "A page for everybody. Signed in: true\n", res.body)

	res = s.do(t, nil, "GET", "/photos/7", script...)
	refusal(t, res, http.StatusUnauthorized, "denied")
	header := rpt(t, client, s.challenge(t, res))
	s.challenge(t, s.do(t, b, "GET", "/photos/7", navigation...)) // a session is no RPT
	assert.Equal(t, http.StatusMethodNotAllowed, s.do(t, nil, "POST", "/photos/7", header...).StatusCode)
	res = s.do(t, nil, "GET", "/photos/7", header...)
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Equal(t, "Photo 7, view 1\n", res.body)

	res = s.do(t, b, "POST", "/auth/logout", append([]string{"Origin", s.base}, navigation...)...)
	assert.Equal(t, http.StatusSeeOther, res.StatusCode)
	s.toProvider(t, s.do(t, b, "GET", "/account", navigation...))

	var welcome strings.Builder
	require.NoError(t, demo.Welcome(&welcome, client))
	_, token, _ := strings.Cut(welcome.String(), "'Authorization: ")
	token, _, _ = strings.Cut(token, "'")
	res = s.do(t, nil, "GET", "/photos/8", "Authorization", token)
	assert.Equal(t, "Photo 8, view 2\n", res.body, "with the RPT that was printed")
}

// quietly keeps the example's warnings, which are for its reader, out of the test's output.
func quietly(t *testing.T) {
	old := slog.Default()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	t.Cleanup(func() { slog.SetDefault(old) })
}
