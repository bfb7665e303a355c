package main

// The proxy in front of a UI that shows what reaches it, asked by browsers, programs and WebSocket
// clients.

import (
	"bufio"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxdtest"
)

// site is the proxy over TLS, with a UI behind it.
type site struct {
	server *oxdtest.Server
	base   string
	hits   atomic.Int64 // on the UI
}

// seen is what the UI answers: the request as it came.
type seen struct {
	Method, Path, Host string
	Header             http.Header
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{server: oxdtest.NewServer()}
	t.Cleanup(s.server.Close)
	ui := http.NewServeMux()
	ui.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "ui", Value: "42", Path: "/"})
		assert.NoError(t, json.NewEncoder(w).Encode(seen{r.Method, r.URL.RequestURI(), r.Host, r.Header}))
	})
	ui.HandleFunc("/socket", echo)
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.hits.Add(1)
		ui.ServeHTTP(w, r)
	}))
	t.Cleanup(upstream.Close)
	target, err := url.Parse(upstream.URL)
	require.NoError(t, err)
	s.base = s.server.ServeApp(func(base string) http.Handler {
		handler, err := protect(s.server.Client(base+"/auth/callback"), target)
		require.NoError(t, err)
		return handler
	})
	return s
}

func (s *site) signedIn(t *testing.T, name, password string) *oxdtest.Browser {
	t.Helper()
	b := s.server.Browser()
	res, err := b.LogIn(s.base+"/", name, password)
	require.NoError(t, err)
	read(t, res)
	require.Equal(t, http.StatusOK, res.StatusCode)
	return b
}

// get asks without following redirects, with lines of headers that a client may forge.
func (s *site) get(t *testing.T, b *oxdtest.Browser, path string, header ...string) (int, seen) {
	t.Helper()
	client := *b.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.base+path, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
	}
	res, err := client.Do(req)
	require.NoError(t, err)
	body := read(t, res)
	var got seen
	if res.StatusCode == http.StatusOK {
		require.NoError(t, json.Unmarshal([]byte(body), &got), body)
	}
	return res.StatusCode, got
}

func read(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	require.NoError(t, err)
	return string(body)
}

func TestTheUISeesWhoIsSignedInAndNoCookieOfTheLogin(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	b := s.signedIn(t, "alice", "alice-secret")
	status, got := s.get(t, b, "/a%20b/c?d=e", "X_Forwarded_User", "root", "x-forwarded-groups", "root", "X-Forwarded-Proto", "gopher", "Connection", "X-Forwarded-User")
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, "/a%20b/c?d=e", got.Path)
	assert.Equal(t, strings.TrimPrefix(s.base, "https://"), got.Host)
	assert.NotEmpty(t, got.Header.Get("X-Forwarded-User"))
	assert.Equal(t, "Alice Ångström", got.Header.Get("X-Forwarded-Name"))
	assert.Equal(t, "alice@example.com", got.Header.Get("X-Forwarded-Email"))
	assert.Equal(t, []string{"staff,admins"}, got.Header["X-Forwarded-Groups"])
	assert.Equal(t, []string{"https"}, got.Header["X-Forwarded-Proto"])
	for name, values := range got.Header {
		assert.NotContains(t, strings.Join(values, " "), "root", name)
		assert.NotContains(t, strings.Join(values, " "), "__Host-", name)
	}
	assert.Equal(t, []string{"ui=42"}, got.Header["Cookie"], "its own cookie comes back to it")
}

func TestTheRulesHoldInFrontOfTheUI(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	nobody, bob, alice := s.server.Browser(), s.signedIn(t, "bob", "bob-secret"), s.signedIn(t, "alice", "alice-secret")
	for path, want := range map[string][3]int{
		"/": {302, 200, 200}, "/admin": {302, 403, 200}, "/admin/users": {302, 403, 200}, "/administrator": {302, 200, 200},
		"/assets/x.css": {200, 200, 200}, "/assets/..%2fadmin/": {400, 400, 400}, "/assets//x": {400, 400, 400}, "/admin;x/users": {400, 400, 400},
	} {
		for i, b := range []*oxdtest.Browser{nobody, bob, alice} {
			before := s.hits.Load()
			status, got := s.get(t, b, path, "X-Forwarded-User", "root")
			assert.Equal(t, want[i], status, "%s by %s", path, []string{"nobody", "bob", "alice"}[i])
			assert.Equal(t, want[i] == http.StatusOK, s.hits.Load() > before, path)
			assert.NotContains(t, got.Header["X-Forwarded-User"], "root")
		}
	}
}

func TestWebSocketsGoThroughWithASessionOnly(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	before := s.hits.Load()
	answer, _, conn := s.dial(t, nil, "X-Forwarded-Name: root")
	conn.Close()
	assert.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	assert.Equal(t, before, s.hits.Load(), "the UI hears nothing of it")

	answer, in, conn := s.dial(t, s.signedIn(t, "alice", "alice-secret"), "X-Forwarded-Name: root", "X_Forwarded_Name: root")
	defer conn.Close()
	require.Equal(t, http.StatusSwitchingProtocols, answer.StatusCode)
	assert.Equal(t, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", answer.Header.Get("Sec-WebSocket-Accept"), "RFC 6455 section 1.3")
	for _, text := range []string{"hello", strings.Repeat("0123456789", 3000), ""} {
		require.NoError(t, writeFrame(conn, text, true))
		back, err := readFrame(in)
		require.NoError(t, err)
		assert.Equal(t, "Alice Ångström says "+text, back)
	}
}

// dial asks for an upgrade as a browser does, with the cookies of b and more lines of headers.
func (s *site) dial(t *testing.T, b *oxdtest.Browser, lines ...string) (*http.Response, *bufio.Reader, net.Conn) {
	t.Helper()
	u, err := url.Parse(s.base)
	require.NoError(t, err)
	lines = append(lines, "Host: "+u.Host, "Origin: "+s.base, "Connection: keep-alive, Upgrade, X-Forwarded-Name", "Upgrade: websocket",
		"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
	if b != nil {
		for _, c := range b.Jar.Cookies(u) {
			lines = append(lines, "Cookie: "+c.Name+"="+c.Value)
		}
	}
	conn, err := tls.Dial("tcp", u.Host, &tls.Config{RootCAs: s.server.CertPool()})
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(time.Minute)))
	_, err = io.WriteString(conn, "GET /socket HTTP/1.1\r\n"+strings.Join(lines, "\r\n")+"\r\n\r\n")
	require.NoError(t, err)
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, &http.Request{Method: http.MethodGet})
	require.NoError(t, err)
	return answer, in, conn
}

// echo is a WebSocket server (RFC 6455) that answers every text with who said it.
func echo(w http.ResponseWriter, r *http.Request) {
	if !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") || r.Header.Get("Origin") != "https://"+r.Host {
		http.Error(w, "no WebSocket of this origin", http.StatusBadRequest)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	for {
		text, err := readFrame(buffered)
		if err != nil || writeFrame(conn, r.Header.Get("X-Forwarded-Name")+" says "+text, false) != nil {
			return
		}
	}
}

// writeFrame writes one text frame of less than 64 KB (RFC 6455 section 5.2).
func writeFrame(w io.Writer, text string, masked bool) error {
	frame := []byte{0x81, byte(len(text))}
	if len(text) > 125 {
		frame = binary.BigEndian.AppendUint16([]byte{0x81, 126}, uint16(len(text)))
	}
	payload := []byte(text)
	if masked {
		frame[1] |= 0x80
		mask := []byte{1, 2, 3, 4}
		frame = append(frame, mask...)
		for i := range payload {
			payload[i] ^= mask[i%4]
		}
	}
	_, err := w.Write(append(frame, payload...))
	return err
}

// readFrame reads what writeFrame writes.
func readFrame(r io.Reader) (string, error) {
	head, long, mask := make([]byte, 2), make([]byte, 2), make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil || head[0] != 0x81 || head[1]&0x7f > 126 {
		return "", errors.Join(err, fmt.Errorf("frame of another kind: %x", head))
	}
	long[1] = head[1] & 0x7f
	if long[1] == 126 {
		if _, err := io.ReadFull(r, long); err != nil {
			return "", err
		}
	}
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, mask); err != nil {
			return "", err
		}
	}
	payload := make([]byte, binary.BigEndian.Uint16(long))
	_, err := io.ReadFull(r, payload)
	for i := range payload {
		payload[i] ^= mask[i%4]
	}
	return string(payload), err
}

func TestTheProgramRunsByItself(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "proxy")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	running := exec.CommandContext(t.Context(), program, "-listen", "localhost:0")
	running.Stderr = os.Stderr
	stdout, err := running.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, running.Start())
	t.Cleanup(func() { _ = running.Wait() }) // killed with the context of the test
	var origin string
	for lines := bufio.NewScanner(stdout); origin == "" && lines.Scan(); {
		origin = regexp.MustCompile(`http://localhost:\d+`).FindString(lines.Text())
	}
	require.NotEmpty(t, origin)

	server := oxdtest.NewServer() // for its browser only
	t.Cleanup(server.Close)
	res, err := server.Browser().LogIn(origin+"/admin/?x=1", "alice", "alice-secret")
	require.NoError(t, err)
	body := read(t, res)
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Contains(t, body, "GET /admin/?x=1\n")
	assert.Contains(t, body, "X-Forwarded-Groups: staff,admins\r\n")
	assert.NotContains(t, body, "Cookie")
}

func TestTheProgramIsShort(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("main.go")
	require.NoError(t, err)
	assert.Less(t, strings.Count(string(text), "\n"), 100)
}
