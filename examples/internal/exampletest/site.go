// Package exampletest has the tests that are the same for every router: of the example as a whole,
// of each way of mounting the login, and of the UMA guard. The test of an example says how its
// router does it.
//
// This file has what they share: requests, answers, and the handlers that know whether they should
// have been reached.
package exampletest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// site is a served application and the oxd behind it.
type site struct {
	srv  *oxdtest.Server
	base string
}

// answer is what came back, with its whole body.
type answer struct {
	*http.Response
	body string
}

var (
	navigation = []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}
	script     = []string{"Accept", "application/json", "Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty"}
)

// do sends one request and follows nothing, with the cookies of b unless that is nil.
func (s *site) do(t *testing.T, b *oxdtest.Browser, method, path string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.base+path, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if b == nil {
		b = s.srv.Browser()
		defer b.CloseIdleConnections()
	}
	// Not the transport of the browser, which adds the headers of a navigation.
	client := s.srv.HTTPClient()
	defer client.CloseIdleConnections()
	client.Jar = b.Jar
	res, err := client.Do(req)
	require.NoError(t, err, "%s %s: the connection broke: something that must not run has panicked", method, path)
	return read(t, res)
}

// logIn signs a person in through a page and returns where that ends.
func (s *site) logIn(t *testing.T, b *oxdtest.Browser, path, user, password string) answer {
	t.Helper()
	res, err := b.LogIn(s.base+path, user, password)
	require.NoError(t, err)
	return read(t, res)
}

func read(t *testing.T, res *http.Response) answer {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	require.NoError(t, err)
	return answer{res, string(body)}
}

// toProvider requires the redirect of a login, and nothing else in the answer that a handler might
// have written.
func (s *site) toProvider(t *testing.T, a answer) {
	t.Helper()
	assert.Equal(t, http.StatusFound, a.StatusCode, a.body)
	assert.True(t, strings.HasPrefix(a.Header.Get("Location"), s.srv.Provider.URL), a.Header.Get("Location"))
	assert.Regexp(t, `^<a href="[^"]+">Found</a>\.\n*$`, a.body)
}

// refusal requires a status and a body of one JSON object. What a handler adds to it makes it no
// JSON.
func refusal(t *testing.T, a answer, status int, code string) {
	t.Helper()
	assert.Equal(t, status, a.StatusCode, a.body)
	assert.Equal(t, "application/json", a.Header.Get("Content-Type"))
	var body struct{ Error string }
	assert.NoError(t, json.Unmarshal([]byte(a.body), &body), a.body)
	assert.Equal(t, code, body.Error)
}

var challengeForm = regexp.MustCompile(`^UMA realm="photos", as_uri="([^"]+)", ticket="([^"]+)"$`)

// challenge requires the refusal of a guard and returns its ticket.
func (s *site) challenge(t *testing.T, a answer) oxd.Secret {
	t.Helper()
	assert.Equal(t, http.StatusUnauthorized, a.StatusCode, a.body)
	match := challengeForm.FindStringSubmatch(a.Header.Get("WWW-Authenticate"))
	require.NotNil(t, match, a.Header.Get("WWW-Authenticate"))
	assert.Equal(t, s.srv.Provider.URL, match[1])
	return oxd.NewSecret(match[2])
}

// rpt exchanges a ticket for an Authorization header.
func rpt(t *testing.T, client *oxd.Client, ticket oxd.Secret) []string {
	t.Helper()
	rpt, err := client.RPT(t.Context(), oxd.RPTParams{Ticket: ticket})
	require.NoError(t, err)
	return []string{"Authorization", "Bearer " + rpt.AccessToken.Reveal()}
}

// Pages is the application behind a login or a guard.
type Pages struct {
	open    bool // also for requests without a session
	reached atomic.Int64
}

// Later is what a middleware behind the login does: it counts, and panics where no session is. That
// would break the connection, which no test survives.
func (p *Pages) Later(r *http.Request) {
	p.reached.Add(1)
	if _, ok := oxdauth.SessionFromContext(r.Context()); !ok && !p.open {
		panic("a middleware or handler was reached without a session")
	}
}

// ServeHTTP is the handler of the pages. It says who is signed in and what was asked for.
func (p *Pages) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.Later(r)
	session, ok := oxdauth.SessionFromContext(r.Context())
	if !ok {
		session = &oxdauth.Session{Subject: "nobody"}
	}
	fmt.Fprintf(w, "%s <%s> %s at %s", session.Claims.Get("name"), session.Subject, session.ACR, r.RequestURI)
}

// Photo is the handler of guarded routes; id is what the router has read from the path.
func (p *Pages) Photo(w http.ResponseWriter, r *http.Request, id string) {
	p.reached.Add(1)
	if d, _ := oxdauth.DecisionFromContext(r.Context()); d.Outcome != oxdauth.OutcomeGranted {
		panic("a handler was reached without a grant")
	}
	fmt.Fprintf(w, "photo %q", id)
}

// unreached runs f and requires that nothing behind the login or guard ran.
func (p *Pages) unreached(t *testing.T, f func()) {
	t.Helper()
	before := p.reached.Load()
	f()
	assert.Equal(t, before, p.reached.Load(), "something behind the refusal ran")
}
