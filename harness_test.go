package oxdauth_test

// The application under test: a handler behind the middleware, on a real TLS listener, with a real
// oxd and provider speaking the wire formats, and browsers that keep cookies.

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

const user, password = "alice", "alice-secret"

// transports are the ways to reach oxd: socket and HTTPS extension of 3.1, and oxd 4. What concerns
// the wire is tested over all.
var transports = []string{"local", "web", "rest"}

type app struct {
	t    *testing.T
	srv  *oxdtest.Server
	base string // https://localhost:port
	auth *oxdauth.Middleware
	oxd  *oxd.Client // of the latest middleware
	log  *logBuffer
	runs atomic.Int64 // how often the guarded handler ran
}

type setup struct {
	transport string                                       // default: that of the environment, else "local"
	server    oxdtest.Config                               // of the embedded oxd
	options   []oxdauth.Option                             // of the middleware
	late      func(*oxdtest.Server) []oxdauth.Option       // more of them, which need to know the server
	handler   func(*app) http.Handler                      // the guarded application; default: says who is signed in
	mount     func(*oxdauth.Middleware, *app) http.Handler // default: Handler around everything
	site      func(*oxd.Site)                              // changes the registration
}

var testKey = []byte("\x01\x9a\x5c\xe2\x33\x7f\x80\xd1\x42\x6b\x0c\xf7\x98\x15\xaa\x3e\x61\xbd\x24\x59\xc0\x07\xee\x93\x4d\x10\x88\xfb\x72\xa6\x3c\xd5")

// newApp starts everything; it ends with the test.
func newApp(t *testing.T, s setup) *app {
	t.Helper()
	s.transport = cmp.Or(s.transport, os.Getenv("OXDAUTH_TEST_TRANSPORT"))
	if s.transport == "rest" {
		s.server.ProtectCommands = true // as oxd 4 is shipped
	}
	a := &app{t: t, srv: oxdtest.NewUnstartedServer(s.server), log: &logBuffer{}}
	a.srv.Start()
	t.Cleanup(a.srv.Close)
	a.base = a.srv.ServeApp(func(base string) http.Handler {
		a.auth = a.middleware(base, s)
		if s.handler == nil {
			s.handler = (*app).whoami
		}
		if s.mount == nil {
			s.mount = func(m *oxdauth.Middleware, a *app) http.Handler { return m.Handler(s.handler(a)) }
		}
		return s.mount(a.auth, a)
	})
	t.Cleanup(func() { require.NoError(t, a.auth.Close()) })
	return a
}

// middleware makes one more middleware for the same site, as a second replica or another
// application would have.
func (a *app) middleware(base string, s setup) *oxdauth.Middleware {
	s.transport = cmp.Or(s.transport, os.Getenv("OXDAUTH_TEST_TRANSPORT"))
	site := a.srv.Site(base + "/auth/callback")
	var transport oxd.Transport = a.srv.Transport()
	switch s.transport {
	case "web":
		transport, site.Protected = a.srv.HTTPSTransport(), true
	case "rest":
		transport, site.Protected = a.srv.RESTTransport(), true
	}
	site.Protected = site.Protected || s.server.ProtectCommands
	if s.site != nil {
		s.site(&site)
	}
	client, err := oxd.NewClient(transport, site)
	require.NoError(a.t, err)
	a.oxd = client
	a.t.Cleanup(func() { require.NoError(a.t, client.Close()) })
	options := append([]oxdauth.Option{oxdauth.WithKeys(testKey), oxdauth.WithLogger(a.log.logger())}, s.options...)
	if s.late != nil {
		options = append(options, s.late(a.srv)...)
	}
	m, err := oxdauth.New(client, options...)
	require.NoError(a.t, err)
	return m
}

// whoami is the guarded application.
func (a *app) whoami() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.runs.Add(1)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		s, ok := oxdauth.SessionFromContext(r.Context())
		if !ok {
			fmt.Fprintf(w, "nobody at %s", r.URL.RequestURI())
			return
		}
		fmt.Fprintf(w, "%s <%s> at %s", s.Claims.Get("name"), s.Subject, r.URL.RequestURI())
	})
}

// signedIn returns a browser with a session.
func (a *app) signedIn(name, password string) *oxdtest.Browser {
	a.t.Helper()
	b := a.srv.Browser()
	a.login(b, a.base+"/", name, password)
	return b
}

// login signs in through a page and requires that the page asked for comes up.
func (a *app) login(b *oxdtest.Browser, page, name, password string) string {
	a.t.Helper()
	res, err := b.LogIn(page, name, password)
	require.NoError(a.t, err)
	body := readBody(a.t, res)
	require.Equal(a.t, http.StatusOK, res.StatusCode, body)
	require.Equal(a.t, page, res.Request.URL.String(), "the page first asked for")
	return body
}

// get follows redirects like the browser it is given; a new one when nil.
func (a *app) get(b *oxdtest.Browser, path string) (*http.Response, string) {
	a.t.Helper()
	if b == nil {
		b = a.srv.Browser()
	}
	res, err := b.Get(a.base + path)
	require.NoError(a.t, err)
	return res, readBody(a.t, res)
}

// once sends one request with this browser's cookies and follows nothing.
func (a *app) once(b *oxdtest.Browser, req *http.Request) (*http.Response, string) {
	a.t.Helper()
	client := *a.srv.HTTPClient()
	if b != nil {
		client.Jar, client.Transport = b.Jar, b.Transport
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	require.NoError(a.t, err)
	return res, readBody(a.t, res)
}

func (a *app) request(method, path string, header ...string) *http.Request {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, nil)
	require.NoError(a.t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	return req
}

// navigation is a page load, one hop, without cookies of a jar.
func (a *app) navigation(path string, header ...string) *http.Request {
	return a.request(http.MethodGet, path, append([]string{"Accept", "text/html"}, header...)...)
}

// callback drives a login up to the provider's answer. It returns the callback URL, not yet
// visited.
func (a *app) callback(b *oxdtest.Browser, page string) *url.URL {
	a.t.Helper()
	var last *url.URL
	old := b.CheckRedirect
	b.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if req.URL.Path == "/auth/callback" {
			last = req.URL
			return http.ErrUseLastResponse
		}
		if old != nil {
			return old(req, via)
		}
		return nil
	}
	defer func() { b.CheckRedirect = old }()
	res, err := b.LogIn(page, user, password)
	if last == nil {
		require.NoError(a.t, err)
	}
	if res != nil {
		readBody(a.t, res)
	}
	require.NotNil(a.t, last, "no callback was reached")
	return last
}

func readBody(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	require.NoError(t, err)
	return string(b)
}

// cookies returns what this browser would send to the application.
func (a *app) cookies(b *oxdtest.Browser) []*http.Cookie {
	u, err := url.Parse(a.base)
	require.NoError(a.t, err)
	return b.Jar.Cookies(u)
}

func (a *app) hasCookie(b *oxdtest.Browser, prefix string) bool {
	for _, c := range a.cookies(b) {
		if strings.HasPrefix(c.Name, prefix) {
			return true
		}
	}
	return false
}

// raw sends a request line no http.Client would send and returns the whole answer.
func (a *app) raw(requestLine string) string {
	a.t.Helper()
	u, err := url.Parse(a.base)
	require.NoError(a.t, err)
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: a.srv.CertPool()})
	require.NoError(a.t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, requestLine+"\r\nHost: "+u.Host+"\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
	require.NoError(a.t, err)
	answer, err := io.ReadAll(conn)
	require.NoError(a.t, err)
	return string(answer)
}

type logBuffer struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func readerOf(text string) io.ReadCloser { return io.NopCloser(strings.NewReader(text)) }

// shortLived is the lifetime of a first access token that a test sees out: a login under load takes
// its time.
const shortLived = 3 * time.Second

// signedInShortly returns somebody with an access token that expires in less than shortLived; the
// next one lives an hour.
func (a *app) signedInShortly() *oxdtest.Browser {
	a.t.Helper()
	for range 10 {
		before := a.srv.Provider.Refreshes()
		a.srv.Provider.SetAccessTokenLifetime(shortLived)
		began := time.Now()
		b := a.signedIn(user, password)
		a.srv.Provider.SetAccessTokenLifetime(time.Hour)
		if time.Since(began) < shortLived*2/5 && a.srv.Provider.Refreshes() == before {
			return b
		} // else its last page may have begun a refresh
	}
	a.t.Fatal("no login was quick enough")
	return nil
}

// expiredSession returns the cookies of a session whose access token has just expired; the next one
// lives an hour.
func (a *app) expiredSession() string {
	a.t.Helper()
	cookies := a.sessionCookie(a.signedInShortly())
	due := time.Now().Add(shortLived)
	require.Eventually(a.t, func() bool { return time.Now().After(due) }, 10*time.Second, 20*time.Millisecond)
	return cookies
}
