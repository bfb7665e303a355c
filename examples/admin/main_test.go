package main

// The program as a whole: its command line, its start and its end.

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxdtest"
)

func TestWrongFlagsGiveOneLineAndStatus2(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	short := filepath.Join(dir, "short")
	require.NoError(t, os.WriteFile(short, []byte(base64.StdEncoding.EncodeToString([]byte("short"))+"\n"), 0o600))
	const op = "-op-host=https://idp.example.com"
	tests := []struct {
		name string
		args []string
		want string // part of the line
	}{
		{"an unknown flag", []string{"-nosuch"}, "-nosuch"},
		{"a flag without its value", []string{"-listen"}, "-listen"},
		{"a stray argument", []string{"start"}, `unexpected argument "start"`},
		{"a listen address without port", []string{"-listen", "localhost"}, "want host:port"},
		{"a listen port that is no number", []string{"-listen", "localhost:http"}, "is not a port"},
		{"a listen port out of range", []string{"-listen", "localhost:70000"}, "is not a port"},
		{"a public listen address without redirect URL", []string{"-listen", "0.0.0.0:0"}, "-redirect-url is needed"},
		{"every address without redirect URL", []string{"-listen", ":0"}, "-redirect-url is needed"},
		{"a relative redirect URL", []string{"-redirect-url", "/auth/callback"}, "want an absolute URL"},
		{"plain http to another machine", []string{"-redirect-url", "http://admin.example.com/auth/callback"}, "plain http"},
		{"a redirect URL without a path of its own", []string{"-listen", "localhost:0", "-redirect-url", "http://localhost:8080/"}, "AuthorizationRedirectURI"},
		{"an oxd without provider", []string{"-oxd", "127.0.0.1:8099"}, "-oxd needs -op-host"},
		{"a provider that is no URL", []string{"-oxd", "127.0.0.1:8099", "-op-host", "idp"}, "-op-host"},
		{"an oxd over plain http", []string{"-oxd", "http://127.0.0.1:8443", op}, "want host:port or https"},
		{"an oxd without port", []string{"-oxd", "oxd.example.com", op}, "want host:port or https"},
		{"a dialect nobody speaks", []string{"-dialect", "soap"}, "want local, web or rest"},
		{"a dialect over https at a socket", []string{"-oxd", "127.0.0.1:8099", op, "-dialect", "rest"}, "goes over https"},
		{"a CA for the socket", []string{"-oxd", "127.0.0.1:8099", op, "-ca", empty}, "-ca is for an https -oxd"},
		{"a real oxd and a free port", []string{"-oxd", "127.0.0.1:8099", op, "-listen", "localhost:0"}, "stays the same"},
		{"a provider without oxd", []string{op}, "-oxd is missing"},
		{"a site file without oxd", []string{"-site-file", "x"}, "-oxd is missing"},
		{"protection without oxd", []string{"-protected"}, "-oxd is missing"},
		{"a CA without oxd", []string{"-ca", empty}, "-oxd is missing"},
		{"a keys file without key", []string{"-listen", "localhost:0", "-keys-file", empty}, "there is no key"},
		{"a keys file with a short key", []string{"-listen", "localhost:0", "-keys-file", short}, "line 1 is not base64 of 32 bytes"},
		{"a keys file that is a directory", []string{"-listen", "localhost:0", "-keys-file", dir}, "-keys-file"},
		{"a CA file without certificate", []string{
			"-listen", "localhost:0", "-redirect-url", "http://localhost:8080/auth/callback", "-oxd", "https://127.0.0.1:8443", op,
			"-site-file", filepath.Join(dir, "site.json"), "-ca", empty,
		}, "no PEM certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			status := run(t.Context(), tt.args, &stdout, &stderr)
			assert.Equal(t, 2, status)
			assert.Empty(t, stdout.String())
			lines := withoutLog(stderr.String())
			require.Len(t, lines, 1, "stderr: %s", stderr.String())
			assert.True(t, strings.HasPrefix(lines[0], "admin: "), lines[0])
			assert.Contains(t, lines[0], tt.want)
		})
	}
}

// withoutLog returns the lines that are not of the structured log.
func withoutLog(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "time=") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

func TestHelpListsTheFlagsAndIsNoFailure(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	assert.Equal(t, 0, run(t.Context(), []string{"-h"}, &stdout, &stderr))
	assert.Empty(t, stderr.String())
	for _, name := range []string{"-listen", "-oxd", "-dialect", "-op-host", "-redirect-url", "-site-file", "-protected", "-ca", "-keys-file"} {
		assert.Contains(t, stdout.String(), "  "+name)
	}
}

func TestFlagsImplyWhatFollowsFromThem(t *testing.T) {
	t.Parallel()
	op := "https://idp.example.com"
	over := func(oxd string, more ...string) config {
		c, err := parseFlags(append([]string{"-oxd", oxd, "-op-host", op}, more...), io.Discard)
		require.NoError(t, err)
		return c
	}
	assert.True(t, over("https://oxd.example.com:8443").protected, "the HTTPS extension is protected")
	assert.False(t, over("127.0.0.1:8099").protected)
	assert.True(t, over("127.0.0.1:8099", "-protected").protected)
	assert.Equal(t, filepath.Join("oxdauth-admin", "site.json"), trailing(over("127.0.0.1:8099").siteFile, 2))
	assert.Equal(t, "x.json", over("127.0.0.1:8099", "-site-file", "x.json").siteFile)

	c, err := parseFlags([]string{"-listen", "[::1]:0"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, "http://[::1]:4711/auth/callback", c.callback(&net.TCPAddr{IP: net.IPv6loopback, Port: 4711}))
}

func trailing(path string, n int) string {
	parts := strings.Split(filepath.ToSlash(path), "/")
	return filepath.Join(parts[len(parts)-n:]...)
}

func TestAnAddressInUseGivesOneLineAndStatus1(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	var stdout, stderr bytes.Buffer
	assert.Equal(t, 1, run(t.Context(), []string{"-listen", taken.Addr().String()}, &stdout, &stderr))
	assert.Equal(t, "admin: "+taken.Addr().String()+" is in use by another program; choose another address with -listen\n", stderr.String())
}

// startProgram runs the program and returns what it printed up to "Press Ctrl-C", the address in
// there, and a function that stops it and returns its exit status.
func startProgram(t *testing.T, args ...string) (printed, origin string, stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stdout, out := io.Pipe()
	var stderr bytes.Buffer
	status := make(chan int, 1)
	go func() {
		status <- run(ctx, args, out, &stderr)
		out.Close()
	}()
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		printed += lines.Text() + "\n"
		if strings.Contains(lines.Text(), "Press Ctrl-C") {
			break
		}
	}
	go io.Copy(io.Discard, stdout) // the pipe ends with the program
	stop = func() int {
		cancel()
		select {
		case s := <-status:
			return s
		case <-time.After(30 * time.Second):
			t.Error("the program did not stop")
			return -1
		}
	}
	match := regexp.MustCompile(`Admin UI\s+(\S+)`).FindStringSubmatch(printed)
	if match == nil {
		stop()
		require.FailNow(t, "no address printed", "stdout: %s stderr: %s", printed, stderr.String())
	}
	return printed, match[1], stop
}

func TestTheProgramServesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	printed, origin, stop := startProgram(t, "-listen", "localhost:0")
	for _, u := range oxdtest.DefaultUsers() {
		assert.Contains(t, printed, u.Name+" / "+u.Password)
	}
	assert.Regexp(t, `alice / alice-secret +\(second factor`, printed)
	assert.Regexp(t, `bob / bob-secret +\(no second factor`, printed)

	noRedirects := &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	health, err := noRedirects.Get(origin + "/healthz")
	require.NoError(t, err)
	body, err := io.ReadAll(health.Body)
	health.Body.Close()
	require.NoError(t, err)
	assert.Equal(t, "ok\n", string(body))

	page, err := http.NewRequestWithContext(t.Context(), http.MethodGet, origin+"/users", nil)
	require.NoError(t, err)
	page.Header.Set("Accept", "text/html")
	answer, err := noRedirects.Do(page)
	require.NoError(t, err)
	answer.Body.Close()
	assert.Equal(t, http.StatusFound, answer.StatusCode, "signed out, a person is sent to the provider")
	assert.NotContains(t, answer.Header.Get("Location"), origin+"/users")

	noRedirects.CloseIdleConnections()
	assert.Equal(t, 0, stop())
	_, err = noRedirects.Get(origin + "/healthz")
	assert.Error(t, err, "the address is free again")
}

func TestARealOxdIsUsedInEachDialect(t *testing.T) {
	t.Parallel()
	for _, over := range []string{"local", "web", "rest"} {
		t.Run(over, func(t *testing.T) {
			t.Parallel()
			server := oxdtest.NewServer()
			t.Cleanup(server.Close)
			free, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			listen := free.Addr().String()
			free.Close()
			dir := t.TempDir()
			args := []string{
				"-listen", listen, "-op-host", server.Provider.URL, "-oxd", server.Addr,
				"-site-file", filepath.Join(dir, "new", "site.json"), "-keys-file", filepath.Join(dir, "keys"),
			}
			if over != "local" {
				ca := filepath.Join(dir, "ca.pem")
				require.NoError(t, os.WriteFile(ca, caOf(t, server), 0o600))
				args = append(args, "-oxd", map[string]string{"web": server.URL, "rest": server.RESTURL}[over], "-dialect", over, "-ca", ca)
			}
			_, origin, stop := startProgram(t, args...)
			browser := server.Browser()
			answer, err := browser.LogIn(origin+"/session", "zoe", "Zoë")
			require.NoError(t, err)
			text := readBody(t, answer)
			assert.Contains(t, text, "Zoë 李 😀")
			assert.Contains(t, text, string(roleAdministrator), "the first person at a real provider owns the place")
			require.Equal(t, 0, stop())

			_, origin, stop = startProgram(t, args...)
			answer, err = browser.Get(origin + "/session")
			require.NoError(t, err)
			assert.Contains(t, readBody(t, answer), "<h1>My session</h1>", "with a keys file the session outlives the program")
			assert.Equal(t, origin+"/session", answer.Request.URL.String(), "and nobody is sent to the provider")
			require.Equal(t, 0, stop())
			registrations := server.CallCount("register_site") + server.CallCount("setup_client")
			assert.Equal(t, 1, registrations, "with a site file the site is registered once")
		})
	}
}

// caOf returns the certificate of the test authority, which signs the certificate the HTTPS
// extension shows.
func caOf(t *testing.T, server *oxdtest.Server) []byte {
	t.Helper()
	answer, err := server.HTTPClient().Get(server.URL)
	require.NoError(t, err)
	answer.Body.Close()
	chains := answer.TLS.VerifiedChains
	require.NotEmpty(t, chains)
	root := chains[0][len(chains[0])-1]
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw})
}

func TestAKeysFileIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	first, err := loadKeys(file)
	require.NoError(t, err)
	require.Len(t, first, 1)
	assert.Len(t, first[0], 32)
	info, err := os.Stat(file)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	older := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("0123456789abcdef"), 2))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(text, "\n"+older+"\r\n"...), 0o600))
	both, err := loadKeys(file)
	require.NoError(t, err)
	assert.Equal(t, first[0], both[0])
	assert.Len(t, both, 2)
}
