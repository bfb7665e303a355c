package oxd_test

// TCPTransport over real sockets: what is kept, what is given up, what is sent
// twice.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"testing"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func status() *oxd.Request {
	return &oxd.Request{Command: "license_status", Params: json.RawMessage("{}")}
}

func repeatable() *oxd.Request {
	req := status()
	req.Repeatable = true
	return req
}

func TestConnectionIsReusedAfterCleanAnswers(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.reply("foo", unsupported)
	f.reply("big", answer{data: params{"text": strings.Repeat("é€😀", 1000)}})
	tr := f.transport()
	for _, command := range []string{"license_status", "foo", "big", "license_status"} {
		_, err := tr.RoundTrip(t.Context(), &oxd.Request{Command: command, Params: json.RawMessage("{}")})
		require.NoError(t, err)
	}
	assert.Equal(t, 1, f.connections())
	require.NoError(t, tr.Close())
}

func TestConnectionIsGivenUpAfterAnythingElse(t *testing.T) {
	t.Parallel()
	ok := `0026{"status":"ok","data":null}`
	for _, tc := range []struct {
		name  string
		first answer
		fails bool
	}{
		{"internal error", unexplained, false},
		{"internal error, left open", answer{code: oxd.CodeInternalError, desc: "Failed to get RPT."}, false},
		{"surplus bytes", answer{raw: strings.Replace(ok, "0026", "0027", 1) + "\n"}, false},
		{"no status", answer{raw: "0002{}"}, true},
		{"other status", answer{raw: `0015{"status":"OK"} `}, true},
		{"status of another case", answer{raw: `0015{"STATUS":"ok"} `}, true},
		{"array", answer{raw: `0002[]`}, true},
		{"null", answer{raw: `0004null`}, true},
		{"no JSON", answer{raw: "0003abc"}, true},
		{"no length", answer{raw: "HTTP/1.1 400 Bad Request"}, true},
		{"cut in the middle", answer{raw: `0099{"status"`, hangUp: true}, true},
		{"no answer", answer{hangUp: true}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.replies("license_status", tc.first, answer{data: params{}})
			tr := f.transport()
			resp, err := tr.RoundTrip(t.Context(), status())
			if tc.fails {
				require.ErrorIs(t, err, oxd.ErrUnavailable)
				var te *oxd.TransportError
				require.ErrorAs(t, err, &te)
				assert.True(t, te.Sent)
				assert.Nil(t, resp)
			} else {
				require.NoError(t, err)
			}
			_, err = tr.RoundTrip(t.Context(), status())
			require.NoError(t, err)
			assert.Equal(t, 2, f.connections(), "the first connection is not used again")
		})
	}
}

func TestAnswerThatIsMissingIsExplained(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.reply("get_tokens_by_code", answer{hangUp: true})
	_, err := f.knownClient(t).TokensByCode(t.Context(), "code-of-the-user", "state-of-the-user")
	require.ErrorIs(t, err, oxd.ErrUnavailable)
	assert.Contains(t, err.Error(), "9,999")
	assert.NotContains(t, err.Error(), "of-the-user")
	assert.Equal(t, 1, f.count("get_tokens_by_code"))
}

func TestCommandIsSentAgainOnlyIfThatIsHarmless(t *testing.T) {
	t.Parallel()
	die := answer{hangUp: true}
	started := answer{raw: "00", hangUp: true}
	fine := answer{data: params{}}
	for _, tc := range []struct {
		name    string
		req     *oxd.Request
		reused  bool
		answers []answer
		sent    int
		fails   bool
	}{
		{"reused, repeatable", repeatable(), true, []answer{die, fine}, 2, false},
		{"reused, repeatable, dying twice", repeatable(), true, []answer{die, die, fine}, 2, true},
		{"reused, not repeatable", status(), true, []answer{die, fine}, 1, true},
		{"reused, repeatable, one byte came", repeatable(), true, []answer{started, fine}, 1, true},
		{"reused, repeatable, garbage", repeatable(), true, []answer{{raw: "abcd", hangUp: true}, fine}, 1, true},
		{"fresh, repeatable", repeatable(), false, []answer{die, fine}, 1, true},
		{"fresh, not repeatable", status(), false, []answer{die, fine}, 1, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.reply("warm_up", fine)
			tr := f.transport()
			if tc.reused {
				_, err := tr.RoundTrip(t.Context(), &oxd.Request{Command: "warm_up", Params: json.RawMessage("{}")})
				require.NoError(t, err)
			}
			f.replies("license_status", tc.answers...)
			_, err := tr.RoundTrip(t.Context(), tc.req)
			assert.Equal(t, tc.fails, err != nil, "%v", err)
			assert.Equal(t, tc.sent, f.count("license_status"))
		})
	}
}

func TestOnlyHarmlessCommandsAreRepeatable(t *testing.T) {
	t.Parallel()
	for command, want := range map[string]bool{
		"get_authorization_url": true, "get_user_info": true, "get_logout_uri": true,
		"uma_rs_check_access": true, "get_client_token": true, "license_status": true,
		"register_site": false, "setup_client": false, "update_site_registration": false, "update_site": false,
		"get_tokens_by_code": false, "get_access_token_by_refresh_token": false, "uma_rs_protect": false,
		"uma_rp_get_rpt": false, "uma_rp_get_claims_gathering_url": false, "anything_else": false,
	} {
		assert.Equal(t, want, oxd.RepeatableCommand(command), command)
	}
}

func TestRequestLimitIsMeasuredInUnitsBeforeSending(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tr := f.transport()
	// Envelope of 54 units around the padding.
	fill := func(units int, unit string, perUnit int) *oxd.Request {
		empty := `{"command":"license_status","params":{"x":""}}`
		pad := strings.Repeat(unit, (units-len(empty))/perUnit)
		return &oxd.Request{Command: "license_status", Params: json.RawMessage(`{"x":"` + pad + `"}`)}
	}
	for _, tc := range []struct {
		name string
		req  *oxd.Request
		ok   bool
	}{
		{"9999 ASCII units", fill(9999, "x", 1), true},
		{"10000 ASCII units", fill(10000, "x", 1), false},
		{"9999 units in thrice the bytes", fill(9999, "€", 1), true},
		{"10000 units in pairs", fill(10000, "😀", 2), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := f.count("license_status")
			_, err := tr.RoundTrip(t.Context(), tc.req)
			if tc.ok {
				require.NoError(t, err)
				assert.Equal(t, before+1, f.count("license_status"))
				return
			}
			require.ErrorIs(t, err, oxd.ErrTooLarge)
			assert.NotErrorIs(t, err, oxd.ErrUnavailable)
			assert.Equal(t, before, f.count("license_status"))
		})
	}
}

func TestTokenIsPutIntoTheParameters(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tr := f.transport()
	for _, text := range []string{`{}`, `{"a":"b"}`, ` { "a" : "b" } `} {
		given := json.RawMessage(text)
		_, err := tr.RoundTrip(t.Context(), &oxd.Request{Command: "license_status", Params: given, Token: secret(`t"ö`)})
		require.NoError(t, err)
		assert.Equal(t, text, string(given), "the request is not changed")
	}
	for _, p := range f.sent("license_status") {
		assert.Equal(t, `t"ö`, p["protection_access_token"])
	}
	_, err := tr.RoundTrip(t.Context(), &oxd.Request{Command: "license_status", Params: json.RawMessage(`[]`), Token: secret("t")})
	require.Error(t, err)
}

func TestCancellationEndsACommandInTheMiddle(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	asked := make(chan struct{})
	f.on("license_status", func(params) answer {
		asked <- struct{}{}
		return answer{hang: true}
	})
	tr := f.transport()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err := tr.RoundTrip(ctx, status())
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, oxd.ErrUnavailable)
	f.reply("license_status", answer{data: params{}})
	_, err = tr.RoundTrip(t.Context(), status())
	require.NoError(t, err)
	assert.Equal(t, 2, f.connections())
}

func TestConnectionsAreTriedOnIPv4AndIPv6(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ network, listen, host string }{
		{"tcp4", "127.0.0.1:0", "localhost"},
		{"tcp6", "[::1]:0", "localhost"},
		{"tcp6", "[::1]:0", "::1"},
	} {
		t.Run(tc.network+" as "+tc.host, func(t *testing.T) {
			t.Parallel()
			var last error
			for range 5 { // somebody else may listen on the same port at the other address
				l, err := net.Listen(tc.network, tc.listen)
				if err != nil {
					t.Skipf("%s is not available: %v", tc.network, err)
				}
				defer l.Close()
				f := bareFake()
				go func() {
					if conn, err := l.Accept(); err == nil {
						f.accept(conn)
					}
				}()
				_, port, err := net.SplitHostPort(l.Addr().String())
				require.NoError(t, err)
				tr := &oxd.TCPTransport{Addr: net.JoinHostPort(tc.host, port)}
				_, last = tr.RoundTrip(t.Context(), status())
				require.NoError(t, tr.Close())
				if last == nil {
					return
				}
			}
			require.NoError(t, last)
		})
	}
}

func TestFailureToConnectIsNotCountedAsSent(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	for _, addr := range []string{"localhost:1", "oxd.example.org:8099", ""} {
		var asked []string
		tr := &oxd.TCPTransport{Addr: addr, DialContext: func(_ context.Context, network, to string) (net.Conn, error) {
			asked = append(asked, network+" "+to)
			return nil, refused
		}}
		_, err := tr.RoundTrip(t.Context(), status())
		require.ErrorIs(t, err, refused)
		require.ErrorIs(t, err, oxd.ErrUnavailable)
		var te *oxd.TransportError
		require.ErrorAs(t, err, &te)
		assert.False(t, te.Sent)
		assert.NotContains(t, err.Error(), "9,999")
		switch addr {
		case "localhost:1":
			assert.Equal(t, []string{"tcp 127.0.0.1:1", "tcp [::1]:1"}, asked)
		case "":
			assert.Equal(t, []string{"tcp 127.0.0.1:8099"}, asked)
		}
	}
}

func TestFrameIsOneWrite(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var writes writeCounter
	tr := f.transport()
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return &countingConn{conn, &writes}, err
	}
	for range 3 {
		_, err := tr.RoundTrip(t.Context(), status())
		require.NoError(t, err)
	}
	assert.Equal(t, 3, writes.n)
	for _, w := range writes.all {
		assert.True(t, bytes.HasPrefix(w, []byte(`0040{"command":"license_status","params":{}}`)), "%s", w)
	}
}

type writeCounter struct {
	n   int
	all [][]byte
}

// countingConn is no syscall.Conn, so that the other liveness check is used.
type countingConn struct {
	net.Conn
	count *writeCounter
}

func (c *countingConn) Write(b []byte) (int, error) {
	c.count.n++
	c.count.all = append(c.count.all, bytes.Clone(b))
	return c.Conn.Write(b)
}

func TestTCPTransportWithNegativeLimitsIsRefused(t *testing.T) {
	t.Parallel()
	for _, tr := range []*oxd.TCPTransport{{MaxConns: -1}, {MaxIdle: -1}, {IdleTimeout: -1}, {Timeout: -1}, nil} {
		_, err := tr.RoundTrip(t.Context(), status())
		require.Error(t, err)
		_, err = oxd.NewClient(tr, oxd.Site{OxdID: "x"})
		require.Error(t, err)
	}
}
