package oxdtest_test

// Corners of oxd 3.1.1 in which an application can still tell the difference: the order of checks,
// what is asked of whom, and text that has to survive the socket.

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

func TestChecksComeInTheRealOrder(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{RedisErrors: true})
	for name, tc := range map[string]struct {
		command string
		params  object
		want    string
	}{
		"a code before the site":          {"get_tokens_by_code", object{"oxd_id": "nobody"}, "'code' is empty or not specified."},
		"a state before the site":         {"get_tokens_by_code", object{"oxd_id": "nobody", "code": "c"}, "'state' is empty or not specified."},
		"a known state before the site":   {"get_tokens_by_code", object{"oxd_id": "nobody", "code": "c", "state": "s"}, "'state' is not registered."},
		"resources before the site":       {"uma_rs_protect", object{"oxd_id": "nobody"}, "Resources list to protect is empty or blank. Please check it according to protocol definition at https://www.gluu.org/docs-oxd"},
		"the method before the path":      {"uma_rs_check_access", object{"oxd_id": "nobody"}, "http_method is not specified or otherwise not GET or POST or PUT or DELETE. Please check it according to protocol definition at https://www.gluu.org/docs-oxd"},
		"the path before the site":        {"uma_rs_check_access", object{"oxd_id": "nobody", "http_method": "GET"}, "path parameter is not specified or otherwise not valid"},
		"a ticket before the site":        {"uma_rp_get_claims_gathering_url", object{"oxd_id": "nobody"}, "ticket parameter is not specified or otherwise is not valid"},
		"a blank oxd_id is not a missing": {"get_authorization_url", object{"oxd_id": " "}, "Invalid oxd_id. Unable to find site for oxd_id. Please use register_site or setup_client command for site registration."},
		"a blank code is not a missing":   {"get_tokens_by_code", object{"oxd_id": "nobody", "code": " ", "state": " "}, "'state' is not registered."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, _, description := send(t, s, tc.command, tc.params)
			assert.Equal(t, tc.want, description)
		})
	}
}

func TestTextSurvivesTheSocket(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	s.Handle("echo", func(params json.RawMessage) (any, error) {
		var data object
		return data, json.Unmarshal(params, &data)
	})
	for name, tc := range map[string]struct{ sent, want string }{
		"a backslash in front of u2028":     {`{"a":"\\u2028"}`, `{"a":"\\u2028"}`},
		"a line separator, raw":             {`{"a":"\u2028\u2029"}`, "{\"a\":\"\u2028\u2029\"}"},
		"a control character, upper case":   {`{"a":"\u001f"}`, `{"a":"\u001F"}`},
		"a slash and the signs of HTML":     {`{"a":"\/<>&"}`, `{"a":"/<>&"}`},
		"what malformed UTF-8 turned into":  {"{\"a\":\"\xe2\x82\"}", "{\"a\":\"\uFFFD\"}"},
		"two malformed bytes are two units": {"{\"a\":\"\xff\xfe\"}", "{\"a\":\"\uFFFD\uFFFD\"}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := `{"command":"echo","params":` + tc.sent + `}`
			converse(t, dial(t, s), []string{fmt.Sprintf("%04d%s", javaUnits(body), body)}, framed(`{"status":"ok","data":`+tc.want+`}`), false)
		})
	}
}

// javaUnits counts what a Java reader makes of s: one unit for a truncated character and for every
// other malformed byte.
func javaUnits(s string) int {
	return len([]rune(strings.NewReplacer("\xe2\x82\"", "?\"").Replace(s)))
}

func TestDigitsOfOtherScriptsAreDigits(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	license := framed(`{"status":"ok","data":{"valid":true,"name":null,"features":null,"thread_count":0}}`)
	converse(t, dial(t, s), []string{"٠٠٤0" + `{"command":"license_status","params":{}}`}, license, false)
	converse(t, dial(t, s), []string{"+-40" + `{"command":"license_status","params":{}}`}, "", true)
}

func TestAnErrorWordedLikeTheInternalErrorClosesAsWell(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	s.Handle("same", func(json.RawMessage) (any, error) {
		return nil, oxdtest.Errorf("internal_error", "Unknown internal server error occurs.")
	})
	s.Handle("other", func(json.RawMessage) (any, error) { return nil, oxdtest.Errorf("internal_error", "Another.") })
	converse(t, dial(t, s), []string{framed(`{"command":"same","params":{}}`)}, internalFrame, true)
	converse(t, dial(t, s), []string{framed(`{"command":"other","params":{}}`)},
		framed(`{"status":"error","data":{"error":"internal_error","details":null,"error_description":"Another."}}`), false)
}

func TestTwoCommandsAtOnceOnOneConnectionAreNoticed(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	one := framed(`{"command":"license_status","params":{}}`)
	license := framed(`{"status":"ok","data":{"valid":true,"name":null,"features":null,"thread_count":0}}`)
	converse(t, dial(t, s), []string{one, one + "\n", one}, license+license+license, false)
	assert.Zero(t, s.Overlaps(), "one after the other, and a newline, are no overlap")
	converse(t, dial(t, s), []string{one + one}, license, false)
	assert.Equal(t, 1, s.Overlaps(), "behind the first in one segment")

	running, release := make(chan struct{}), make(chan struct{})
	s.Handle("slow", func(json.RawMessage) (any, error) {
		close(running)
		<-release
		return object{}, nil
	})
	conn := dial(t, s)
	_, err := io.WriteString(conn, framed(`{"command":"slow","params":{}}`))
	require.NoError(t, err)
	<-running
	_, err = io.WriteString(conn, one)
	require.NoError(t, err)
	close(release)
	require.Eventually(t, func() bool { return s.Overlaps() == 2 }, patience, time.Millisecond, "while the first runs")

	client := s.Client("https://app.example/cb")
	_, err = client.AuthorizationURL(t.Context(), oxd.AuthorizationURLParams{})
	require.NoError(t, err)
	assert.Equal(t, 2, s.Overlaps(), "the client of this module does no such thing")
}

func TestInjectedErrorsAreInTheCallLog(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	s.Inject("get_user_info", oxdtest.Fault{Kind: oxdtest.FaultError, Body: "invalid_oxd_id", Times: 1})
	s.Inject("get_user_info", oxdtest.Fault{Kind: oxdtest.FaultInternalError, Times: 1})
	for range 2 {
		_, _ = sendRaw(t, s, `{"command":"get_user_info","params":{"oxd_id":"5"}}`)
	}
	calls := s.Calls()
	require.Len(t, calls, 2)
	assert.Equal(t, []string{"invalid_oxd_id", "internal_error"}, []string{calls[0].Error, calls[1].Error})
	assert.Equal(t, "5", calls[0].OxdID, "although the command has not run")
}

// fakeOP is a provider made of a few answers, for what the embedded one does not do. %s is replaced
// by its base URL.
func fakeOP(t *testing.T, s *oxdtest.Server, answers map[string]string) (base string) {
	t.Helper()
	return s.ServeApp(func(base string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer, ok := answers[r.URL.Path]
			if !ok {
				http.NotFound(w, r)
				return
			}
			_, _ = io.WriteString(w, strings.ReplaceAll(answer, "%s", base))
		})
	})
}

func TestAGivenClientIsRegisteredWithoutAskingTheProvider(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	params := siteParams(s)
	params["op_host"], params["client_id"], params["client_secret"] = "http://127.0.0.1:1", "given", "secret"
	_, code, description := send(t, s, "register_site", params)
	assert.Empty(t, code, description)
}

func TestGoogleHasALogoutOfItsOwn(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	base := fakeOP(t, s, map[string]string{"/.well-known/openid-configuration": `{"issuer":"%s"}`})
	params := siteParams(s)
	params["client_id"], params["client_secret"] = "given", "secret"
	register := func(host string) any {
		params["op_host"] = host
		data, code, description := send(t, s, "register_site", params)
		require.Empty(t, code, description)
		return data["oxd_id"]
	}
	_, code, _ := send(t, s, "get_logout_uri", object{"oxd_id": register(base)})
	assert.Equal(t, "no_end_session_endpoint_at_op", code)
	google := register("https://accounts.google.com@" + strings.TrimPrefix(base, "https://")) // only the beginning is looked at
	data, _, description := send(t, s, "get_logout_uri", object{"oxd_id": google})
	assert.Equal(t, "https://www.google.com/accounts/Logout?continue=https://appengine.google.com/_ah/logout?continue=https://app.example/", data["uri"], description)
}

func TestOnlySomeUMACallsTakeTheHostAsItIs(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	params := siteParams(s)
	params["op_host"] = s.Provider.URL + "/"
	site, code, description := send(t, s, "register_site", params)
	require.Empty(t, code, description)
	_, code, description = send(t, s, "uma_rp_get_claims_gathering_url", object{"oxd_id": site["oxd_id"], "ticket": "t", "claims_redirect_uri": "https://app.example/c"})
	assert.Empty(t, code, description)
	_, _, description = send(t, s, "uma_rs_protect", object{"oxd_id": site["oxd_id"], "resources": photos("view")})
	assert.Equal(t, "Unknown internal server error occurs.", description, "which has no code of its own for it")
}

func TestProtectionNeedsNoUMAAtTheProvider(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	base := fakeOP(t, s, map[string]string{
		"/.well-known/openid-configuration": `{"issuer":"%s","authorization_endpoint":"%s/a","token_endpoint":"%s/t","registration_endpoint":"%s/r","introspection_endpoint":"%s/i"}`,
		"/r":                                `{"client_id":"c","client_secret":"s"}`,
		"/t":                                `{"access_token":"pat","scope":"openid uma_protection","expires_in":300}`,
		"/i":                                `{"active":true,"client_id":"c"}`,
	})
	params := siteParams(s)
	params["op_host"] = base
	setup, code, description := send(t, s, "setup_client", params)
	require.Empty(t, code, description)
	_, code, description = send(t, s, "get_authorization_url", object{"oxd_id": setup["oxd_id"], "protection_access_token": "x"})
	assert.Empty(t, code, description)
}

func TestABlankRPTIsNeverGranted(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	params := siteParams(s)
	params["op_host"] = fakeOP(t, s, map[string]string{
		"/.well-known/openid-configuration": `{"issuer":"%s","token_endpoint":"%s/t","registration_endpoint":"%s/r"}`,
		"/.well-known/uma2-configuration":   `{"issuer":"%s","introspection_endpoint":"%s/i","resource_registration_endpoint":"%s/rs","permission_endpoint":"%s/p"}`,
		"/r":                                `{"client_id":"c","client_secret":"s"}`,
		"/t":                                `{"access_token":"pat","scope":"openid uma_protection","expires_in":300}`,
		"/i":                                `{"active":true,"permissions":[{"resource_id":"1","resource_scopes":["view"]}]}`,
		"/rs":                               `{"_id":"1"}`,
		"/p":                                `{"ticket":"t"}`,
	})
	site, code, description := send(t, s, "register_site", params)
	require.Empty(t, code, description)
	_, code, description = send(t, s, "uma_rs_protect", object{"oxd_id": site["oxd_id"], "resources": photos("view")})
	require.Empty(t, code, description)
	for rpt, want := range map[string]string{"": "denied", "some": "granted"} {
		data, _, description := send(t, s, "uma_rs_check_access", object{"oxd_id": site["oxd_id"], "rpt": rpt, "path": "/photo", "http_method": "GET"})
		assert.Equal(t, want, data["access"], "%q, which the provider calls active in any case: %s", rpt, description)
	}
}

func TestASiteRegisteredWithATokenBelongsToTheTokensClient(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	answers := map[string]string{
		"/.well-known/openid-configuration": `{"issuer":"%s","authorization_endpoint":"%s/a","token_endpoint":"%s/t","registration_endpoint":"%s/r","introspection_endpoint":"%s/i"}`,
		"/r":                                `{"client_id":"own","client_secret":"s"}`,
		"/t":                                `{"access_token":"pat","scope":"openid uma_protection","expires_in":300}`,
		"/i":                                `{"active":true,"client_id":"made elsewhere"}`,
	}
	params := siteParams(s)
	params["op_host"], params["protection_access_token"] = fakeOP(t, s, answers), "x"
	site, code, description := send(t, s, "register_site", params)
	require.Empty(t, code, description)
	_, code, description = send(t, s, "get_authorization_url", object{"oxd_id": site["oxd_id"], "protection_access_token": "x"})
	assert.Empty(t, code, "this oxd need not have made the client: "+description)
}

func TestAccessTokenStatusHasNullForTimesThatAreNotThere(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	got, _ := sendRaw(t, s, `{"command":"access_token_status","params":{"oxd_id":"`+id+`","id_token":"eyJhbGciOiJSUzI1NiJ9.e30.AAAA","access_token":"x"}}`)
	assert.Equal(t, framed(`{"status":"ok","data":{"active":false,"expires_at":null,"issued_at":null}}`), got)
}

func TestTheExtensionIsAsStrictAndAsLaxAsTheRealOne(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	status, body := post(t, s, "/health-check", "{}")
	assert.Equal(t, 405, status, body)
	status, body = post(t, s, "/get-client-token", "{}", "Accept", "application/xml")
	assert.Equal(t, 406, status, body)
	for _, accept := range []string{"application/*", "text/html, application/json;q=0.5", "*/*"} {
		status, body = post(t, s, "/get-client-token", "{}", "Accept", accept)
		assert.Equal(t, 200, status, body)
	}
	status, body = post(t, s, "/get-client-token", `{} and so on`)
	assert.Equal(t, 200, status, body)
	assert.Contains(t, body, "invalid_op_host")
	status, _ = post(t, s, "//get-client-token", `{}`)
	assert.Equal(t, 404, status)
}

func TestStopEndsCommandsThatWaitForTheProvider(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	asked := make(chan struct{}, 1)
	gone := make(chan struct{})
	base := s.ServeApp(func(string) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			asked <- struct{}{}
			<-r.Context().Done()
			close(gone)
		})
	})
	conn := dial(t, s)
	_, err := io.WriteString(conn, framed(`{"command":"get_client_token","params":{"op_host":"`+base+`"}}`))
	require.NoError(t, err)
	<-asked
	begun := time.Now()
	s.Stop()
	assert.Less(t, time.Since(begun), patience, "without waiting for the provider's time limit")
	<-gone
}

func TestCloseWaitsForHandlers(t *testing.T) {
	t.Parallel()
	s := oxdtest.NewServer()
	var ended atomic.Bool
	inside := make(chan struct{})
	base := s.ServeApp(func(string) http.Handler {
		return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(inside)
			<-r.Context().Done()
			s.Client("https://app.example/cb") // takes the server's locks
			ended.Store(true)
		})
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := s.HTTPClient()
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base, nil)
		if err != nil {
			return
		}
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
		}
	}()
	<-inside
	s.Close()
	assert.True(t, ended.Load())
}

func TestAFailedStartLeavesNoListenerBehind(t *testing.T) {
	t.Parallel()
	taken := started(t, oxdtest.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	free := l.Addr().String()
	require.NoError(t, l.Close())
	assert.Panics(t, func() {
		oxdtest.NewUnstartedServer(oxdtest.Config{Addr: free, HTTPSAddr: strings.TrimPrefix(taken.URL, "https://")}).Start()
	})
	_, err = net.Dial("tcp", free)
	assert.Error(t, err, "the socket is not left open")
}

func TestARestartForgetsWhatItHadFetched(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	s.Provider.SetDown(true)
	_, code, _ := send(t, s, "get_authorization_url", object{"oxd_id": id})
	assert.Empty(t, code, "discovery is kept for ever")
	s.Restart()
	_, code, _ = send(t, s, "get_authorization_url", object{"oxd_id": id})
	assert.Equal(t, "no_connect_discovery_response", code)
}
