package oxd_test

// What both transports over HTTPS promise alike.

import (
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// web is a transport over HTTPS, made for a server and with what the test says.
type web struct {
	name string
	ok   string // an answer without content
	make func(s *httptest.Server, client *http.Client, timeout time.Duration) oxd.Transport
}

var webs = []web{
	{"extension", `{"status":"ok","data":{}}`, func(s *httptest.Server, client *http.Client, timeout time.Duration) oxd.Transport {
		return &oxd.HTTPSTransport{BaseURL: s.URL, Client: client, Timeout: timeout}
	}},
	{"oxd 4", `{}`, func(s *httptest.Server, client *http.Client, timeout time.Duration) oxd.Transport {
		return &oxd.RESTTransport{BaseURL: s.URL, Client: client, Timeout: timeout}
	}},
}

// overEach runs a test for each transport.
func overEach(t *testing.T, test func(t *testing.T, w web)) {
	t.Parallel()
	for _, w := range webs {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			test(t, w)
		})
	}
}

func closeTransport(t testing.TB, tr oxd.Transport) {
	t.Helper()
	require.NoError(t, tr.(io.Closer).Close())
}

func TestUntrustedCertificatesAreRefused(t *testing.T) {
	overEach(t, func(t *testing.T, w web) {
		asked := false
		s, _ := newHTTPS(t, func(http.ResponseWriter, *http.Request) { asked = true })
		for _, client := range []*http.Client{nil, {}, {Transport: &http.Transport{}}} {
			tr := w.make(s, client, 0)
			_, err := tr.RoundTrip(t.Context(), userInfo())
			require.ErrorIs(t, err, oxd.ErrUnavailable)
			var unverified *tls.CertificateVerificationError
			require.ErrorAs(t, err, &unverified)
			var te *oxd.TransportError
			require.ErrorAs(t, err, &te)
			assert.False(t, te.Sent)
			assert.NotContains(t, err.Error(), s.URL)
			closeTransport(t, tr)
		}
		assert.False(t, asked)
	})
}

func TestNoRedirectIsFollowed(t *testing.T) {
	overEach(t, func(t *testing.T, w web) {
		for _, code := range []int{301, 302, 307, 308} {
			elsewhere := false
			other, _ := newHTTPS(t, func(http.ResponseWriter, *http.Request) { elsewhere = true })
			s, _ := newHTTPS(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, other.URL, code)
			})
			_, err := w.make(s, s.Client(), 0).RoundTrip(t.Context(), userInfo())
			require.ErrorIs(t, err, oxd.ErrUnavailable)
			require.ErrorContains(t, err, "redirect")
			assert.False(t, elsewhere)
			assert.Nil(t, s.Client().CheckRedirect, "the caller's client is not changed")
		}
	})
}

func TestBodyIsBounded(t *testing.T) {
	overEach(t, func(t *testing.T, w web) {
		s, _ := newHTTPS(t, func(w http.ResponseWriter, _ *http.Request) {
			chunk := []byte(strings.Repeat(" ", 64<<10))
			for {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		})
		_, err := w.make(s, s.Client(), 0).RoundTrip(t.Context(), userInfo())
		require.ErrorIs(t, err, oxd.ErrUnavailable)
		require.ErrorContains(t, err, "1 MiB")
	})
}

func TestSlowBodyEndsWithTheTimeout(t *testing.T) {
	overEach(t, func(t *testing.T, w web) {
		s, _ := newHTTPS(t, func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body) // only then net/http notices that the client has gone
			_, _ = io.WriteString(w, `{"status":`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		_, err := w.make(s, s.Client(), 500*time.Millisecond).RoundTrip(t.Context(), userInfo())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, oxd.ErrUnavailable)
		var te *oxd.TransportError
		require.ErrorAs(t, err, &te)
		assert.True(t, te.Sent)
	})
}

func TestCloseOfAWebTransportIsFinal(t *testing.T) {
	overEach(t, func(t *testing.T, w web) {
		s, _ := newHTTPS(t, respond(200, w.ok))
		tr := w.make(s, s.Client(), 0)
		_, err := tr.RoundTrip(t.Context(), userInfo())
		require.NoError(t, err)
		closeTransport(t, tr)
		_, err = tr.RoundTrip(t.Context(), userInfo())
		require.ErrorIs(t, err, oxd.ErrClosed)
		closeTransport(t, w.make(s, nil, 0)) // unused
	})
}

func TestConnectionsAreReusedAndOnlyRepeatableCommandsRepeated(t *testing.T) {
	overEach(t, func(t *testing.T, w web) {
		var mu sync.Mutex
		var hangUp bool
		remotes := map[string]int{}
		s, _ := newHTTPS(t, func(rw http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			remotes[r.RemoteAddr]++
			if hangUp || remotes[r.RemoteAddr] > 3 {
				panic(http.ErrAbortHandler) // hangs up without a byte
			}
			respond(200, w.ok)(rw, r)
		})
		tr := w.make(s, s.Client(), 0)
		send := func(repeatable bool) error {
			req := userInfo()
			req.Repeatable = repeatable
			_, err := tr.RoundTrip(t.Context(), req)
			return err
		}
		for range 3 {
			require.NoError(t, send(true))
		}
		assert.Len(t, remotes, 1)
		require.NoError(t, send(true), "again over a fresh connection")
		assert.Len(t, remotes, 2)
		for range 3 {
			require.NoError(t, send(false))
		}
		assert.Len(t, remotes, 5, "what must not be repeated never takes a connection that may be closing")
		mu.Lock()
		hangUp = true
		mu.Unlock()
		require.ErrorIs(t, send(false), oxd.ErrUnavailable)
		assert.Len(t, remotes, 6, "never twice")
	})
	t.Run("V-68", func(t *testing.T) {

	})
}
