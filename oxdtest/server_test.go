package oxdtest_test

// The server as a test aid: faults, scripts, stopping and starting, the call log.

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

func TestEachFaultDoesWhatItSays(t *testing.T) {
	t.Parallel()
	status := framed(`{"command":"license_status","params":{}}`)
	good := framed(`{"status":"ok","data":{"valid":true,"name":null,"features":null,"thread_count":0}}`)
	for name, tc := range map[string]struct {
		fault  oxdtest.Fault
		want   string
		closed bool
	}{
		"delay":             {oxdtest.Fault{Kind: oxdtest.FaultDelay, Delay: time.Millisecond}, good, false},
		"drop before":       {oxdtest.Fault{Kind: oxdtest.FaultDropBefore}, "", true},
		"drop after":        {oxdtest.Fault{Kind: oxdtest.FaultDropAfter}, "", true},
		"garbage":           {oxdtest.Fault{Kind: oxdtest.FaultGarbage, Body: "<é>"}, "0003<é>", false},
		"oversize":          {oxdtest.Fault{Kind: oxdtest.FaultOversize}, "", true},
		"internal error":    {oxdtest.Fault{Kind: oxdtest.FaultInternalError}, internalFrame, true},
		"an error":          {oxdtest.Fault{Kind: oxdtest.FaultError, Body: "invalid_oxd_id"}, framed(`{"status":"error","data":{"error":"invalid_oxd_id","details":null,"error_description":"Injected."}}`), false},
		"of another":        {oxdtest.Fault{Kind: oxdtest.FaultDropBefore, Body: "other"}, good, false},
		"the wrong charset": {oxdtest.Fault{Kind: oxdtest.FaultWrongCharset}, good, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := started(t, oxdtest.Config{})
			command := "license_status"
			if tc.fault.Body == "other" {
				command = "get_user_info"
			}
			tc.fault.Times = 1
			s.Inject(command, tc.fault)
			converse(t, dial(t, s), []string{status}, tc.want, tc.closed)
			converse(t, dial(t, s), []string{status}, good, false) // used up
		})
	}
}

func TestFaultsLastUntilClearedAndWhatHangsIsLetGo(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	s.Inject("", oxdtest.Fault{Kind: oxdtest.FaultDropBefore})
	for range 3 {
		got, closed := sendRaw(t, s, `{"command":"license_status","params":{}}`)
		assert.Empty(t, got)
		assert.True(t, closed)
	}
	s.ClearFaults()
	for _, release := range []func(){s.ClearFaults, s.Stop} {
		s.Inject("", oxdtest.Fault{Kind: oxdtest.FaultHang})
		conn := dial(t, s)
		converse(t, conn, []string{framed(`{"command":"license_status","params":{}}`)}, "", false) // it hangs
		release()
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		_, err := conn.Read(make([]byte, 1))
		assert.Error(t, err, "and is cut")
		assert.NotErrorIs(t, err, os.ErrDeadlineExceeded)
	}
	s.Restart()
	s.ClearFaults()
	s.Handle("echo", func(json.RawMessage) (any, error) { return "Zoë", nil })
	s.Inject("echo", oxdtest.Fault{Kind: oxdtest.FaultWrongCharset})
	got, _ := sendRaw(t, s, `{"command":"echo","params":{}}`)
	assert.Equal(t, "0028{\"status\":\"ok\",\"data\":\"Zo\xeb\"}", got)
}

func TestAScriptReplacesACommand(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	answers := []any{oxdtest.Errorf("bad_request", "no %s", "luck"), errors.New("broken"), nil, object{"claims": object{"sub": "x"}}}
	s.Handle("get_user_info", func(params json.RawMessage) (any, error) {
		assert.JSONEq(t, `{"oxd_id":"5","x":1}`, string(params))
		next := answers[0]
		answers = answers[1:]
		if err, ok := next.(error); ok {
			return nil, err
		}
		return next, nil
	})
	for _, want := range []string{
		framed(`{"status":"error","data":{"error":"bad_request","details":null,"error_description":"no luck"}}`), internalFrame, internalFrame,
		framed(`{"status":"ok","data":{"claims":{"sub":"x"}}}`),
	} {
		got, _ := sendRaw(t, s, `{"command":"get_user_info","params":{"oxd_id":"5","x":1}}`)
		assert.Equal(t, want, got)
	}
	calls := s.Calls()
	require.Len(t, calls, 4)
	assert.Equal(t, []string{"bad_request", "internal_error", "internal_error", ""}, []string{calls[0].Error, calls[1].Error, calls[2].Error, calls[3].Error})
	assert.Equal(t, "5", calls[0].OxdID)
	assert.Equal(t, "tcp", calls[0].Over)
	assert.Equal(t, 4, s.CallCount("get_user_info"))
	assert.Zero(t, s.CallCount("license_status"))
}

func TestStopKillsWhatIsInProgressAndRestartComesBackOnTheSameAddresses(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	addr, web := s.Addr, s.URL
	idle := dial(t, s)
	s.Stop()
	s.Stop()
	_, err := idle.Read(make([]byte, 1))
	assert.ErrorIs(t, err, io.EOF)
	_, err = s.HTTPClient().Get(web + "/health-check")
	assert.Error(t, err)
	res, err := s.HTTPClient().Get(s.Provider.URL + "/.well-known/openid-configuration")
	require.NoError(t, err, "the provider goes on")
	require.NoError(t, res.Body.Close())
	s.Restart()
	assert.Equal(t, addr, s.Addr)
	assert.Equal(t, web, s.URL)
	_, code, _ := send(t, s, "get_authorization_url", object{"oxd_id": id})
	assert.Empty(t, code, "the site is known")
}

func TestTheHelpersFitTogether(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{ProtectCommands: true})
	base := s.ServeApp(func(base string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, base) })
	})
	assert.True(t, strings.HasPrefix(base, "https://localhost:"))
	res, err := s.HTTPClient().Get(base)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, base, string(body))

	u, err := s.Client(base+"/cb").AuthorizationURL(t.Context(), oxd.AuthorizationURLParams{})
	require.NoError(t, err, "over the socket, protected as configured")
	assert.Contains(t, u, base+"/cb")
	site := s.Site(base + "/cb")
	site.Protected = true
	web, err := oxd.NewClient(s.HTTPSTransport(), site)
	require.NoError(t, err)
	_, err = web.AuthorizationURL(t.Context(), oxd.AuthorizationURLParams{})
	require.NoError(t, err, "over HTTPS")
	require.NoError(t, web.Close())
	assert.Panics(t, func() { s.Site("/cb") })
	assert.Panics(t, s.Start)
}

func TestCloseLeavesNothingRunning(t *testing.T) { // not parallel: it counts goroutines
	before := runtime.NumGoroutine()
	s := oxdtest.NewServer()
	client := s.Client("https://app.example/cb")
	_, err := client.AuthorizationURL(t.Context(), oxd.AuthorizationURLParams{})
	require.NoError(t, err)
	s.ServeApp(func(string) http.Handler { return http.NotFoundHandler() })
	s.Inject("license_status", oxdtest.Fault{Kind: oxdtest.FaultHang})
	conn := dial(t, s)
	_, err = io.WriteString(conn, framed(`{"command":"license_status","params":{}}`))
	require.NoError(t, err)
	s.Close()
	s.Close()
	// Eventually itself runs in a goroutine.
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 5*time.Second, 10*time.Millisecond)
	assert.Panics(t, s.Restart)
	oxdtest.NewUnstartedServer(oxdtest.Config{}).Close()
}

func TestAnAddressInUsePanicsClearly(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	assert.PanicsWithValue(t, "oxdtest: listen tcp "+s.Addr+": bind: address already in use", func() {
		oxdtest.NewUnstartedServer(oxdtest.Config{Addr: s.Addr}).Start()
	})
}
