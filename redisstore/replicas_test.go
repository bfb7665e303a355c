package redisstore_test

// Two replicas of an application, sharing keys and one Redis.

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
	"example.com/oxdauth/redisstore"
)

const (
	user, password = "alice", "alice-secret"
	refreshCommand = "get_access_token_by_refresh_token"
)

var key = []byte("\x01\x9a\x5c\xe2\x33\x7f\x80\xd1\x42\x6b\x0c\xf7\x98\x15\xaa\x3e\x61\xbd\x24\x59\xc0\x07\xee\x93\x4d\x10\x88\xfb\x72\xa6\x3c\xd5")

// replicas is an application behind a load balancer that sends a request where its header Replica
// says: to 0, if it is silent.
type replicas struct {
	t     *testing.T
	srv   *oxdtest.Server
	redis *server
	base  string
	asked atomic.Int64 // how often oxd was asked for a refresh, answered or not
}

func newReplicas(t *testing.T) *replicas {
	t.Helper()
	a := &replicas{t: t, redis: newServer(t), srv: oxdtest.NewServer()}
	t.Cleanup(a.srv.Close)
	registered := filepath.Join(t.TempDir(), "site.json") // tokens belong to one client of the provider
	a.base = a.srv.ServeApp(func(base string) http.Handler {
		behind := map[string]http.Handler{}
		for _, name := range []string{"0", "1"} {
			site := a.srv.Site(base + "/auth/callback")
			site.File = registered
			client, err := oxd.NewClient(&transport{a.srv.Transport(), &a.asked}, site)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, client.Close()) })
			auth, err := oxdauth.New(client, oxdauth.WithKeys(key),
				oxdauth.WithLogger(slog.New(slog.DiscardHandler)), oxdauth.WithStore(redisstore.New(a.redis.newClient())))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, auth.Close()) })
			behind[name] = auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, _ := oxdauth.SessionFromContext(r.Context())
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				if r.URL.Path == "/tokens" {
					fmt.Fprint(w, s.AccessToken().Reveal(), " ", s.IDToken().Reveal())
					return
				}
				fmt.Fprint(w, s.Subject)
			}))
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if h := behind[r.Header.Get("Replica")]; h != nil {
				h.ServeHTTP(w, r)
				return
			}
			behind["0"].ServeHTTP(w, r)
		})
	})
	return a
}

// transport counts refreshes when they begin.
type transport struct {
	*oxd.TCPTransport
	asked *atomic.Int64
}

func (t *transport) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	if req.Command == refreshCommand {
		t.asked.Add(1)
	}
	return t.TCPTransport.RoundTrip(ctx, req)
}

func (a *replicas) signedIn() *oxdtest.Browser {
	a.t.Helper()
	b := a.srv.Browser()
	res, err := b.LogIn(a.base+"/", user, password)
	require.NoError(a.t, err)
	body := read(a.t, res)
	require.Equal(a.t, http.StatusOK, res.StatusCode, body)
	return b
}

// cookies returns what this browser would send, as a header that may be copied.
func (a *replicas) cookies(b *oxdtest.Browser) string {
	u, err := url.Parse(a.base)
	require.NoError(a.t, err)
	var pairs []string
	for _, c := range b.Jar.Cookies(u) {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	return strings.Join(pairs, "; ")
}

// send makes one request of a page at a replica and follows nothing.
func (a *replicas) send(method, path, replica, cookies string) (*http.Response, string) {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.base+path, nil)
	require.NoError(a.t, err)
	req.Header = http.Header{"Accept": {"text/html"}, "Replica": {replica}, "Cookie": {cookies}, "Origin": {a.base}}
	client := *a.srv.HTTPClient()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	require.NoError(a.t, err)
	return res, read(a.t, res)
}

func (a *replicas) status(path, replica, cookies string) int {
	a.t.Helper()
	res, _ := a.send(http.MethodGet, path, replica, cookies)
	return res.StatusCode
}

func read(t *testing.T, res *http.Response) string {
	t.Helper()
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	require.NoError(t, err)
	return string(b)
}
