package oxdtest_test

// The socket dialect, byte by byte.

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxdtest"
)

const (
	internalFrame = `0127{"status":"error","data":{"error":"internal_error","details":null,"error_description":"Unknown internal server error occurs."}}`
	unsupported   = `0140{"status":"error","data":{"error":"unsupported_operation","details":null,"error_description":"Operation is not supported by server error."}}`
	malformed     = `0150{"status":"error","data":{"error":"internal_error","details":null,"error_description":"Command parameters are not specified or otherwise malformed."}}`
)

// framed puts the number of UTF-16 units in front.
func framed(body string) string {
	return fmt.Sprintf("%04d%s", len(utf16.Encode([]rune(body))), body)
}

func dial(t *testing.T, s *oxdtest.Server) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

const patience = 10 * time.Second // for what has to come; what must not come is waited for much shorter

// converse writes the segments one after the other, waiting for the answer to a segment that is a
// whole frame, and requires that the server writes exactly want and then closes the connection or
// leaves it open.
func converse(t *testing.T, conn net.Conn, segments []string, want string, closes bool) {
	t.Helper()
	got := ""
	for i, segment := range segments {
		_, err := io.WriteString(conn, segment)
		require.NoError(t, err)
		switch {
		case i == len(segments)-1:
		case wholeFrame(segment):
			got += readFrame(t, conn)
		default:
			quiet(t, conn) // so that the next one arrives by itself
		}
	}
	if closes {
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		rest, err := io.ReadAll(conn)
		if err != nil {
			require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "the connection stays open")
		}
		assert.Equal(t, want, got+string(rest))
		return
	}
	rest := make([]byte, len(want)-len(got))
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	_, err := io.ReadFull(conn, rest)
	require.NoError(t, err)
	assert.Equal(t, want, got+string(rest))
	quiet(t, conn)
}

func wholeFrame(s string) bool {
	n := 0
	_, err := fmt.Sscanf(s[:min(4, len(s))], "%04d", &n)
	return err == nil && len(utf16.Encode([]rune(s))) >= 4+n
}

// readFrame reads one answer, all of it ASCII.
func readFrame(t *testing.T, conn net.Conn) string {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	prefix := make([]byte, 4)
	_, err := io.ReadFull(conn, prefix)
	require.NoError(t, err)
	n := 0
	_, err = fmt.Sscanf(string(prefix), "%04d", &n)
	require.NoError(t, err)
	body := make([]byte, n)
	_, err = io.ReadFull(conn, body)
	require.NoError(t, err)
	return string(prefix) + string(body)
}

// quiet requires that nothing comes and the connection stays open.
func quiet(t *testing.T, conn net.Conn) {
	t.Helper()
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	n, err := conn.Read(make([]byte, 1))
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
	assert.Zero(t, n)
}

func TestTheTwentyVectorsHold(t *testing.T) {
	t.Parallel()
	s := oxdtest.NewServer()
	t.Cleanup(s.Close)
	echo := func(params json.RawMessage) (any, error) { return params, nil }
	s.Handle("echo", echo)
	s.Handle("long", func(json.RawMessage) (any, error) { return strings.Repeat("x", 9999), nil })
	license := framed(`{"status":"ok","data":{"valid":true,"name":null,"features":null,"thread_count":0}}`)
	one := framed(`{"command":"license_status","params":{}}`)
	wide := `{"command":"license_status","params":{"x":"é€😀"}}`
	padded := `{"command":"license_status","params":{"x":"` + strings.Repeat("y", 9999-46) + `"}}`
	require.Equal(t, 9999, len(padded))
	split := func(at int) []string { return []string{one[:at], one[at:]} }
	for name, tc := range map[string]struct {
		segments []string
		want     string
		closed   bool
	}{
		"1 a frame":                          {[]string{one}, license, false},
		"2 split in the prefix":              {split(2), license, false},
		"2 split behind the prefix":          {split(4), license, false},
		"2 split in the body":                {split(20), license, false},
		"2 split before the last byte":       {split(len(one) - 1), license, false},
		"3 two frames in one segment":        {[]string{one + one}, license, false},
		"4 two and one":                      {[]string{one + one, one}, license + license, false},
		"5 one and a half, then the rest":    {[]string{one + one[:10], one[10:]}, license, true},
		"6 a newline behind":                 {[]string{one + "\n", one}, license + license, false},
		"7 a newline before the next":        {[]string{one, "\n" + one}, license, true},
		"8 units counted":                    {[]string{framed(wide)}, license, false},
		"9 bytes counted":                    {[]string{fmt.Sprintf("%04d%s", len(wide), wide)}, "", false},
		"10 an unknown command":              {[]string{framed(`{"command":"foo","params":{}}`)}, unsupported, false},
		"11 no JSON":                         {[]string{`0011{"command":`}, internalFrame, true},
		"12 null":                            {[]string{`0004null`}, internalFrame, true},
		"13 an unknown key":                  {[]string{framed(`{"command":"license_status","params":{},"x":1}`)}, internalFrame, true},
		"14 upper case":                      {[]string{framed(`{"command":"LICENSE_STATUS","params":{}}`)}, license, false},
		"15 no params":                       {[]string{framed(`{"command":"license_status"}`)}, malformed, false},
		"15 params null":                     {[]string{framed(`{"command":"license_status","params":null}`)}, malformed, false},
		"15 params an array":                 {[]string{framed(`{"command":"license_status","params":[]}`)}, malformed, false},
		"15 params text":                     {[]string{framed(`{"command":"license_status","params":"x"}`)}, malformed, false},
		"16 length zero":                     {[]string{"0000"}, "", true},
		"16 no number":                       {[]string{"abcd{}"}, "", true},
		"16 a negative number":               {[]string{"-005{}"}, "", true},
		"16 blank":                           {[]string{"0004    "}, "", true},
		"16 minus one":                       {[]string{"-001"}, "", true},
		"17 a plus sign":                     {[]string{"+0" + one[2:]}, license, false},
		"18 a long answer":                   {[]string{framed(`{"command":"long","params":{}}`)}, "", true},
		"19 a lone surrogate":                {[]string{framed(`{"command":"echo","params":{"a":"\ud800"}}`)}, framed(`{"status":"ok","data":{"a":"?"}}`), false},
		"19 a pair of surrogates":            {[]string{framed(`{"command":"echo","params":{"a":"\ud83d\ude00"}}`)}, framed(`{"status":"ok","data":{"a":"😀"}}`), false},
		"20 the longest request":             {[]string{"9999" + padded}, license, false},
		"a character split over two reads":   {[]string{framed(wide)[:4+strings.Index(wide, "€")+1], framed(wide)[4+strings.Index(wide, "€")+1:]}, license, false},
		"malformed UTF-8 counts one unit":    {[]string{"0045{\"command\":\"license_status\",\"params\":{\"\xff\":1}}"}, license, false},
		"keys in another order":              {[]string{framed(`{"params":{},"command":"license_status"}`)}, license, false},
		"a key twice, the last one counts":   {[]string{framed(`{"command":"foo","command":"license_status","params":{}}`)}, license, false},
		"text behind the object":             {[]string{framed(`{"command":"license_status","params":{}} and so on`)}, license, false},
		"a command that is no text":          {[]string{framed(`{"command":5,"params":{}}`)}, unsupported, false},
		"no command":                         {[]string{framed(`{"params":{}}`)}, unsupported, false},
		"an array instead of an object":      {[]string{framed(`[]`)}, internalFrame, true},
		"a length too small truncates":       {[]string{"0020" + one[4:]}, internalFrame, true},
		"an unknown command, whatever it is": {[]string{framed(`{"command":"foo"}`)}, unsupported, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			converse(t, dial(t, s), tc.segments, tc.want, tc.closed)
		})
	}
	t.Run("2 split at every byte", func(t *testing.T) {
		t.Parallel()
		conn := dial(t, s)
		for at := 1; at < len(one); at++ {
			_, err := io.WriteString(conn, one[:at])
			require.NoError(t, err)
			_, err = io.WriteString(conn, one[at:])
			require.NoError(t, err)
			got := make([]byte, len(license))
			_, err = io.ReadFull(conn, got)
			require.NoError(t, err)
			require.Equal(t, license, string(got))
		}
	})
	t.Run("9 what follows is swallowed by the first body", func(t *testing.T) {
		t.Parallel()
		converse(t, dial(t, s), []string{fmt.Sprintf("%04d%s", len(wide), wide), one}, license, false) // one answer for two frames
	})
}

// send sends one command over a connection of its own and returns the data, or the error code and
// description.
func send(t *testing.T, s *oxdtest.Server, command string, params any) (data map[string]any, code, description string) {
	t.Helper()
	body, err := json.Marshal(map[string]any{"command": command, "params": params})
	require.NoError(t, err)
	got, _ := sendRaw(t, s, string(body))
	require.Greater(t, len(got), 4, "no answer to %s", command)
	var answer struct {
		Status string
		Data   map[string]any
	}
	require.NoError(t, json.Unmarshal([]byte(got[4:]), &answer), got)
	if answer.Status == "ok" {
		return answer.Data, "", ""
	}
	return answer.Data, answer.Data["error"].(string), answer.Data["error_description"].(string)
}

// sendRaw returns the bytes of the answer, none if the connection was closed without one, and
// whether it was closed: after what has to close it that is waited for.
func sendRaw(t *testing.T, s *oxdtest.Server, body string) (answer string, closed bool) {
	t.Helper()
	conn := dial(t, s)
	_, err := io.WriteString(conn, framed(body))
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 64<<10) // an answer is one write, and no larger than this
	n, err := conn.Read(buf)
	if err != nil {
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded)
		return "", true
	}
	if answer = string(buf[:n]); answer == internalFrame {
		_, err = conn.Read(buf)
		require.NotErrorIs(t, err, os.ErrDeadlineExceeded, "an internal error closes the connection")
		return answer, true
	}
	return answer, false
}

func TestParametersAreCoercedAsTheRealServerDoes(t *testing.T) {
	t.Parallel()
	s := oxdtest.NewServer()
	t.Cleanup(s.Close)
	id := register(t, s)
	const bad = "Command parameters are not specified or otherwise malformed."
	for name, tc := range map[string]struct {
		command string
		params  string
		want    string // description; "" for ok
	}{
		"text as a number":             {"get_tokens_by_code", `{"oxd_id":"ID","code":5,"state":true}`, "'state' is not registered."},
		"text as an object":            {"get_tokens_by_code", `{"oxd_id":"ID","code":{},"state":"s"}`, bad},
		"text as an array":             {"get_tokens_by_code", `{"oxd_id":"ID","code":["c"],"state":"s"}`, bad},
		"null is absent":               {"get_tokens_by_code", `{"oxd_id":"ID","code":null,"state":"s"}`, "'code' is empty or not specified."},
		"a list as text":               {"get_authorization_url", `{"oxd_id":"ID","scope":"openid"}`, bad},
		"a list as empty text":         {"get_authorization_url", `{"oxd_id":"ID","acr_values":""}`, bad},
		"a list of numbers and null":   {"get_authorization_url", `{"oxd_id":"ID","scope":["openid",5,null]}`, ""},
		"a map of scalars":             {"get_authorization_url", `{"oxd_id":"ID","custom_parameters":{"a":1,"b":true}}`, ""},
		"a map of lists":               {"get_authorization_url", `{"oxd_id":"ID","custom_parameters":{"a":[]}}`, bad},
		"a map as text":                {"get_authorization_url", `{"oxd_id":"ID","custom_parameters":"a=b"}`, bad},
		"an unknown parameter":         {"get_authorization_url", `{"oxd_id":"ID","login_hint":"alice"}`, ""},
		"a boolean as text":            {"register_site", `{"trusted_client":"true"}`, "Invalid op_host (empty or blank)."},
		"a boolean as other text":      {"register_site", `{"trusted_client":"yes"}`, bad},
		"a list for one URI":           {"register_site", `{"client_sector_identifier_uri":["https://x"]}`, bad},
		"no oxd_id":                    {"get_logout_uri", `{}`, "oxd_id is empty or not specified or is otherwise invalid (not registered)."},
		"an unknown key in a resource": {"uma_rs_protect", `{"oxd_id":"ID","resources":[{"path":"/x","x":1,"conditions":[]}]}`, bad},
		"an unknown key in a condition": {"uma_rs_protect",
			`{"oxd_id":"ID","resources":[{"path":"/x","conditions":[{"httpMethods":["GET"],"scopes":["s"],"scope_expression":{}}]}]}`, bad},
		"no resources":           {"uma_rs_protect", `{"oxd_id":"ID","resources":[]}`, "Resources list to protect is empty or blank. Please check it according to protocol definition at https://www.gluu.org/docs-oxd"},
		"overwrite is unknown":   {"uma_rs_protect", `{"oxd_id":"ID","overwrite":true,"resources":[]}`, "Resources list to protect is empty or blank. Please check it according to protocol definition at https://www.gluu.org/docs-oxd"},
		"no method":              {"uma_rs_check_access", `{"oxd_id":"ID","path":"/x","http_method":""}`, "http_method is not specified or otherwise not GET or POST or PUT or DELETE. Please check it according to protocol definition at https://www.gluu.org/docs-oxd"},
		"no path":                {"uma_rs_check_access", `{"oxd_id":"ID","http_method":"GET"}`, "path parameter is not specified or otherwise not valid"},
		"no ticket":              {"uma_rp_get_claims_gathering_url", `{"oxd_id":"ID","ticket":" "}`, "ticket parameter is not specified or otherwise is not valid"},
		"no claims redirect URI": {"uma_rp_get_claims_gathering_url", `{"oxd_id":"ID","ticket":"t"}`, "claims_redirect_uri parameter is not specified or otherwise is not valid"},
		"no redirect URI":        {"register_site", `{"op_host":"https://op"}`, "Invalid authorization_redirect_uri (empty or blank)."},
		"a scheme Java has not":  {"register_site", `{"op_host":"https://op","authorization_redirect_uri":"myapp://cb"}`, "Invalid authorization_redirect_uri (empty or blank)."},
		"nobody there":           {"register_site", `{"op_host":"http://127.0.0.1:1","authorization_redirect_uri":"https://app/cb"}`, "Unable to fetch Connect discovery response /.well-known/openid-configuration"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, description := send(t, s, tc.command, json.RawMessage(strings.ReplaceAll(tc.params, "ID", id)))
			assert.Equal(t, tc.want, description)
		})
	}
}

// register makes a site and returns its id.
func register(t *testing.T, s *oxdtest.Server) string {
	t.Helper()
	data, code, description := send(t, s, "register_site", siteParams(s))
	require.Empty(t, code, description)
	return data["oxd_id"].(string)
}

func siteParams(s *oxdtest.Server) map[string]any {
	return map[string]any{
		"op_host": s.Provider.URL, "authorization_redirect_uri": "https://app.example/cb", "post_logout_redirect_uri": "https://app.example/",
		"scope":       []string{"openid", "profile", "email", "uma_protection"},
		"grant_types": []string{"authorization_code", "refresh_token", "client_credentials"},
	}
}
