package oxdtest_test

// What the real server does and a client has to live with, numbered as traps.

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxdtest"
)

func started(t *testing.T, cfg oxdtest.Config) *oxdtest.Server {
	t.Helper()
	s := oxdtest.NewUnstartedServer(cfg)
	s.Start()
	t.Cleanup(s.Close)
	return s
}

type object = map[string]any

// codeAndState signs a user in and gives what the provider sends back.
func codeAndState(t *testing.T, s *oxdtest.Server, id, user, password string) (code, state string) {
	t.Helper()
	data, errorCode, description := send(t, s, "get_authorization_url", object{"oxd_id": id})
	require.Empty(t, errorCode, description)
	b := s.Browser()
	var back *url.URL
	b.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Host == "app.example" {
			back = req.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	res, err := b.LogIn(data["authorization_url"].(string), user, password)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.NotNil(t, back)
	return back.Query().Get("code"), back.Query().Get("state")
}

func logIn(t *testing.T, s *oxdtest.Server, id, user, password string) map[string]any {
	t.Helper()
	code, state := codeAndState(t, s, id, user, password)
	data, errorCode, description := send(t, s, "get_tokens_by_code", object{"oxd_id": id, "code": code, "state": state})
	require.Empty(t, errorCode, description)
	return data
}

func TestTrap03And04BusinessFailuresLookLikeInternalErrorsAndClose(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	_, state := codeAndState(t, s, id, "alice", "alice-secret")
	for name, body := range map[string]string{
		"an unknown oxd_id":       `{"command":"get_authorization_url","params":{"oxd_id":"nobody"}}`,
		"a bad refresh token":     `{"command":"get_access_token_by_refresh_token","params":{"oxd_id":"` + id + `","refresh_token":"x"}}`,
		"a bad code":              `{"command":"get_tokens_by_code","params":{"oxd_id":"` + id + `","code":"x","state":"` + state + `"}}`,
		"a bad ticket":            `{"command":"uma_rp_get_rpt","params":{"oxd_id":"` + id + `","ticket":"x"}}`,
		"a logout before a login": `{"command":"get_logout_uri","params":{"oxd_id":"` + id + `"}}`,
		"wrong client credentials": `{"command":"get_client_token","params":{"op_host":"` + s.Provider.URL +
			`","client_id":"x","client_secret":"y"}}`,
	} {
		got, closed := sendRaw(t, s, body)
		assert.Equal(t, internalFrame, got, name)
		assert.True(t, closed, name)
	}
	redis := started(t, oxdtest.Config{RedisErrors: true})
	_, code, _ := send(t, redis, "get_authorization_url", object{"oxd_id": "nobody"})
	assert.Equal(t, "invalid_oxd_id", code, "with redis as storage")
}

func TestTrap05AnAnswerTooLongIsNeverSentThoughTheCommandHasRun(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	s.Handle("get_user_info", func(json.RawMessage) (any, error) {
		return object{"claims": object{"groups": strings.Repeat("g", 10_000)}}, nil
	})
	got, closed := sendRaw(t, s, `{"command":"get_user_info","params":{}}`)
	assert.Empty(t, got)
	assert.True(t, closed)
	require.Len(t, s.Calls(), 1)
	assert.Empty(t, s.Calls()[0].Error, "it has run, and well")
}

func TestTrap13And14StateAndNonceBelongToTheServerAndAreForgotten(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	one, two := register(t, s), register(t, s)
	_, foreign := codeAndState(t, s, two, "bob", "bob-secret")
	code, _ := codeAndState(t, s, one, "alice", "alice-secret")
	data, errorCode, _ := send(t, s, "get_tokens_by_code", object{"oxd_id": one, "code": code, "state": foreign})
	assert.Empty(t, errorCode, "the state of another site, browser and login is as good as any")
	assert.NotEmpty(t, data["id_token"])

	code, state := codeAndState(t, s, one, "alice", "alice-secret")
	s.Restart()
	_, errorCode, description := send(t, s, "get_tokens_by_code", object{"oxd_id": one, "code": code, "state": state})
	assert.Equal(t, "bad_request", errorCode)
	assert.Equal(t, "'state' is not registered.", description)
	logIn(t, s, one, "alice", "alice-secret") // the site is still known

	short := started(t, oxdtest.Config{StateLifetime: time.Nanosecond})
	id := register(t, short)
	code, state = codeAndState(t, short, id, "alice", "alice-secret")
	_, _, description = send(t, short, "get_tokens_by_code", object{"oxd_id": id, "code": code, "state": state})
	assert.Equal(t, "'state' is not registered.", description, "expired")
}

func TestTrap15AStateIsConsumedBySuccessOnly(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	code, state := codeAndState(t, s, id, "alice", "alice-secret")
	_, errorCode, _ := send(t, s, "get_tokens_by_code", object{"oxd_id": id, "code": "wrong", "state": state})
	assert.Equal(t, "internal_error", errorCode)
	_, errorCode, _ = send(t, s, "get_tokens_by_code", object{"oxd_id": id, "code": code, "state": state})
	assert.Empty(t, errorCode, "the failure left the state alone")
	_, errorCode, description := send(t, s, "get_tokens_by_code", object{"oxd_id": id, "code": code, "state": state})
	assert.Equal(t, "bad_request", errorCode, description)
	assert.Zero(t, s.Provider.CodeReuses(), "the second time the provider is not asked")
}

func TestTrap16And17TheAuthorizationURLIsHalfEncoded(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	data, _, _ := send(t, s, "get_authorization_url", object{
		"oxd_id": id, "scope": []string{"openid", "profile"}, "acr_values": []string{"basic"}, "prompt": "login", "hd": "x.example", "custom_parameters": object{"p": "a/b"},
	})
	text := data["authorization_url"].(string)
	assert.Contains(t, text, "&redirect_uri=https://app.example/cb&scope=openid+profile&state=")
	assert.Contains(t, text, `&acr_values=basic&prompt=login&hd=x.example&custom_response_headers=%5B%7B%22p%22%3A%22a%5C%2Fb%22%7D%5D`)
	u, err := url.Parse(text)
	require.NoError(t, err)
	for _, name := range []string{"state", "nonce"} { // 26 digits, fewer when they begin with zeros
		assert.Regexp(t, "^[1-9a-v][0-9a-v]{19,25}$", u.Query().Get(name), name)
	}
	assert.NotEqual(t, u.Query().Get("state"), u.Query().Get("nonce"))
}

func TestTrap18ClaimsAreArraysOfText(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	s.Provider.SetUserClaim("alice", "address", object{"city": "Århus"})
	s.Provider.SetUserClaim("alice", "nothing", nil)
	tokens := logIn(t, s, register(t, s), "alice", "alice-secret")
	claims := tokens["id_token_claims"].(map[string]any)
	for name, value := range claims {
		for _, element := range value.([]any) {
			assert.IsType(t, "", element, name)
		}
	}
	assert.Equal(t, []any{"true"}, claims["email_verified"])
	assert.Len(t, claims["exp"], 1)
	if address, ok := claims["address"]; ok {
		assert.Equal(t, []any{`{"city":"Århus"}`}, address)
	}
}

func TestTrap20UserinfoErrorsAreSuccess(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	got, _ := sendRaw(t, s, `{"command":"get_user_info","params":{"oxd_id":"`+id+`","access_token":"expired"}}`)
	assert.Equal(t, framed(`{"status":"ok","data":{"claims":{},"refresh_token":null,"access_token":null}}`), got)
	tokens := logIn(t, s, id, "zoe", "Zoë")
	data, _, _ := send(t, s, "get_user_info", object{"oxd_id": id, "access_token": tokens["access_token"]})
	assert.Equal(t, []any{"Zoë 李 😀"}, data["claims"].(map[string]any)["name"])
}

func TestTrap21And22LogoutFallsBackToTheLastIDTokenOfAnybody(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	logIn(t, s, id, "alice", "alice-secret")
	other := logIn(t, s, id, "bob", "bob-secret")
	data, _, _ := send(t, s, "get_logout_uri", object{"oxd_id": id})
	assert.Equal(t, other["id_token"], strings.TrimPrefix(data["uri"].(string)[strings.Index(data["uri"].(string), "?"):], "?id_token_hint="),
		"another user's token, and no post_logout_redirect_uri although one is registered")
	data, _, _ = send(t, s, "get_logout_uri", object{"oxd_id": id, "id_token_hint": "h", "post_logout_redirect_uri": "https://app.example/", "state": "a&b", "session_state": "s"})
	assert.True(t, strings.HasSuffix(data["uri"].(string), "?id_token_hint=h&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2F&state=a&b&session_state=s"), data["uri"])
}

func TestTrap24And25ProtectionTokensInAllFourRows(t *testing.T) {
	t.Parallel()
	for name, protect := range map[string]bool{"protection off": false, "protection on": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := started(t, oxdtest.Config{ProtectCommands: protect})
			setup, code, description := send(t, s, "setup_client", siteParams(s))
			require.Empty(t, code, description)
			id := setup["oxd_id"].(string)
			token, code, description := send(t, s, "get_client_token", object{
				"op_host": s.Provider.URL, "client_id": setup["client_id"], "client_secret": setup["client_secret"], "scope": []string{"openid"},
			})
			require.Empty(t, code, description)
			ask := func(oxdID string, token any) string {
				_, code, _ := send(t, s, "get_authorization_url", object{"oxd_id": oxdID, "protection_access_token": token})
				return code
			}
			if protect {
				assert.Equal(t, "blank_protection_access_token", ask(id, ""))
				_, code, _ := send(t, s, "register_site", siteParams(s))
				assert.Equal(t, "blank_protection_access_token", code)
			} else {
				assert.Empty(t, ask(id, " "))
				plain := register(t, s)
				assert.Equal(t, "no_setup_client_for_oxd_id", ask(plain, token["access_token"]), "a token nobody asked for is checked all the same")
			}
			assert.Empty(t, ask(id, token["access_token"]))
			assert.Equal(t, "inactive_protection_access_token", ask(id, "unknown"))

			other, _, _ := send(t, s, "setup_client", siteParams(s))
			assert.Equal(t, "invalid_protection_access_token", ask(other["oxd_id"].(string), token["access_token"]), "the token of another client")

			params := siteParams(s)
			params["protection_access_token"] = token["access_token"]
			registered, code, description := send(t, s, "register_site", params)
			require.Empty(t, code, description)
			assert.Empty(t, ask(registered["oxd_id"].(string), token["access_token"]))

			// Trap 30: this one is never protected.
			_, code, _ = send(t, s, "get_access_token_by_refresh_token", object{"oxd_id": id, "refresh_token": "x", "protection_access_token": "unknown"})
			assert.Equal(t, "internal_error", code)
		})
	}
}

func TestTrap26WithoutUMAProtectionEverythingProtectedIsAnInternalError(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	params := siteParams(s)
	params["scope"] = []string{"openid"}
	site, _, _ := send(t, s, "register_site", params)
	_, code, _ := send(t, s, "uma_rs_protect", object{"oxd_id": site["oxd_id"], "resources": photos("s")})
	assert.Equal(t, "internal_error", code)
}

func TestTrap27And28SetupMakesTwoClientsAndRegistrationIsNotIdempotent(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	setup, _, _ := send(t, s, "setup_client", siteParams(s))
	data, _, _ := send(t, s, "get_authorization_url", object{"oxd_id": setup["oxd_id"]})
	assert.NotContains(t, data["authorization_url"], setup["client_id"], "logins use another client than the one whose secret is answered")
	assert.NotEqual(t, register(t, s), register(t, s))
}

func TestTrap29AnUpdateReplaces(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	data, code, description := send(t, s, "update_site_registration", object{
		"oxd_id": id, "authorization_redirect_uri": "https://app.example/other", "redirect_uris": []string{"https://app.example/other"},
		"grant_types": []string{"authorization_code"}, "scope": []string{"openid"},
	})
	require.Empty(t, code, description)
	assert.Equal(t, object{"oxd_id": id}, data)
	url, _, _ := send(t, s, "get_authorization_url", object{"oxd_id": id})
	assert.Contains(t, url["authorization_url"], "redirect_uri=https://app.example/other&scope=openid&")
	_, code, _ = send(t, s, "update_site", object{"oxd_id": id})
	assert.Equal(t, "unsupported_operation", code, "a name of later versions")
	params := siteParams(s)
	params["client_id"], params["client_secret"] = "given", "secret"
	given, _, _ := send(t, s, "register_site", params)
	_, code, _ = send(t, s, "update_site_registration", object{"oxd_id": given["oxd_id"]})
	assert.Equal(t, "invalid_registration_client_url", code)
}

func TestAnUpdateSetsWhenTheClientExpires(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	update := func(expires any) string {
		_, _, description := send(t, s, "update_site_registration", object{
			"oxd_id": id, "client_secret_expires_at": expires, "redirect_uris": []string{"https://app.example/cb"},
			"grant_types": []string{"authorization_code", "client_credentials"}, "scope": []string{"openid", "uma_protection"},
		})
		return description
	}
	protect := func() string {
		_, code, _ := send(t, s, "uma_rs_protect", object{"oxd_id": id, "resources": photos("view")})
		return code
	}
	require.Empty(t, update(time.Now().Add(-time.Hour).UnixMilli()))
	assert.Equal(t, "internal_error", protect(), "the client has expired")
	for name, later := range map[string]any{
		"milliseconds": time.Now().Add(time.Hour).UnixMilli(), "seconds": time.Now().Add(time.Hour).Unix(), "ISO 8601": time.Now().Add(time.Hour).UTC().Format(time.RFC3339),
	} {
		require.Empty(t, update(later), name)
		assert.Empty(t, protect(), name)
	}
	assert.Equal(t, "Command parameters are not specified or otherwise malformed.", update("soon"))
}

// photos protects /photo for GET with a scope.
func photos(scope string) []object {
	return []object{{"path": "/photo", "conditions": []object{{"httpMethods": []string{"GET"}, "scopes": []string{scope}}}}}
}

func TestTrap32To39UMA(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	_, code, description := send(t, s, "uma_rs_protect", object{"oxd_id": id, "resources": photos("view")})
	require.Empty(t, code, description)
	check := func(rpt, path, method string) (map[string]any, string, string) {
		return send(t, s, "uma_rs_check_access", object{"oxd_id": id, "rpt": rpt, "path": path, "http_method": method})
	}
	rpt := func(ticket any) (map[string]any, string, string) {
		return send(t, s, "uma_rp_get_rpt", object{"oxd_id": id, "ticket": ticket, "state": "ignored"})
	}
	denied, _, _ := check("", "/photo", "GET")
	ticket := denied["ticket"].(string)
	assert.Equal(t, "denied", denied["access"])
	assert.Equal(t, `UMA realm="rs",as_uri="`+s.Provider.URL+`",error="insufficient_scope",ticket="`+ticket+`"`, denied["www-authenticate_header"])

	granted, code, description := rpt(ticket)
	require.Empty(t, code, description)
	assert.Contains(t, granted, "updated", "trap 40")
	assert.NotContains(t, granted, "upgraded")
	token := granted["access_token"].(string)
	for _, path := range []string{"/photo", "/Photo"} {
		for _, method := range []string{"GET", "get"} {
			answer, _, _ := check(token, path, method)
			assert.Equal(t, "granted", answer["access"], "%s %s: compared ignoring case", method, path)
			assert.Nil(t, answer["ticket"])
		}
	}
	for _, path := range []string{"/photo/", "/photo?x=1", "/a/../photo", "/photos", "/%70hoto"} {
		_, code, description := check(token, path, "GET")
		assert.Equal(t, "invalid_request", code)
		assert.Equal(t, "Resource is not protected with path: "+path+" and httpMethod: GET. Please protect your resource first with uma_rs_protect command. Check details on https://www.gluu.org/docs-oxd/", description)
	}
	_, code, _ = check(token, "/photo", "HEAD")
	assert.Equal(t, "invalid_request", code)

	// 34: protecting again adds and the first row goes on deciding.
	_, code, _ = send(t, s, "uma_rs_protect", object{"oxd_id": id, "resources": photos("other")})
	require.Empty(t, code)
	answer, _, _ := check(token, "/photo", "GET")
	assert.Equal(t, "granted", answer["access"])

	// 39: need_info carries a new ticket.
	s.Provider.SetPolicy("view", oxdtest.Policy{Gather: []string{"country"}})
	denied, _, _ = check("", "/photo", "GET")
	data, code, _ := rpt(denied["ticket"])
	assert.Equal(t, "need_info", code)
	details := data["details"].(map[string]any)
	assert.NotEmpty(t, details["ticket"])
	assert.NotEqual(t, denied["ticket"], details["ticket"])
	gathering, code, description := send(t, s, "uma_rp_get_claims_gathering_url", object{"oxd_id": id, "ticket": details["ticket"], "claims_redirect_uri": "https://app.example/claims"})
	require.Empty(t, code, description)
	assert.Contains(t, gathering["url"], "&claims_redirect_uri=https://app.example/claims&state="+gathering["state"].(string))

	// 4 again: a denial by policy cannot be told from a fault.
	s.Provider.SetPolicy("view", oxdtest.Policy{Deny: true})
	denied, _, _ = check("", "/photo", "GET")
	_, code, description = rpt(denied["ticket"])
	assert.Equal(t, "internal_error", code)
	assert.Equal(t, "Unknown internal server error occurs.", description)

	// 37: with the provider away there is no answer to a check at all.
	s.Provider.SetDown(true)
	_, code, _ = check(token, "/photo", "GET")
	assert.Equal(t, "internal_error", code)
}

func TestAnswersHaveTheRealKeyOrder(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	_, _, _ = send(t, s, "uma_rs_protect", object{"oxd_id": id, "resources": photos("view")})
	got, _ := sendRaw(t, s, `{"command":"uma_rs_check_access","params":{"oxd_id":"`+id+`","path":"/photo","http_method":"GET"}}`)
	assert.Regexp(t, `^\d{4}\{"status":"ok","data":\{"access":"denied","ticket":"[^"]+","www-authenticate_header":"UMA `, got)
	got, _ = sendRaw(t, s, `{"command":"register_site","params":{}}`)
	assert.Equal(t, framed(`{"status":"error","data":{"error":"invalid_op_host","details":null,"error_description":"Invalid op_host (empty or blank)."}}`), got)
}

func TestMinorCommands(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	id := register(t, s)
	tokens := logIn(t, s, id, "alice", "alice-secret")
	status, _, _ := send(t, s, "id_token_status", object{"oxd_id": id, "id_token": tokens["id_token"]})
	assert.Equal(t, true, status["active"])
	parts := strings.Split(tokens["id_token"].(string), ".")
	status, _, _ = send(t, s, "id_token_status", object{"oxd_id": id, "id_token": parts[0] + "." + parts[1] + ".AAAA"})
	assert.Equal(t, false, status["active"])
	_, code, _ := send(t, s, "id_token_status", object{"oxd_id": id, "id_token": "x"})
	assert.Equal(t, "internal_error", code)
	access, _, _ := send(t, s, "access_token_status", object{"oxd_id": id, "id_token": tokens["id_token"], "access_token": tokens["access_token"]})
	assert.Equal(t, true, access["active"])
	assert.InDelta(t, status["expires_at"].(float64)*1000, access["expires_at"], 1, "trap 48: milliseconds here, seconds there")
	code1, state := codeAndState(t, s, id, "alice", "alice-secret")
	_, code, _ = send(t, s, "validate", object{"oxd_id": id, "code": code1, "state": state, "id_token": "x"})
	assert.Equal(t, "no_id_token", code)
	_, code, _ = send(t, s, "get_authorization_code", object{"oxd_id": id})
	assert.Equal(t, "internal_error", code)
}

// post sends a command to the HTTPS extension.
func post(t *testing.T, s *oxdtest.Server, path, body string, header ...string) (int, string) {
	t.Helper()
	res, answer := postTo(t, s, s.URL+path, body, header...)
	assert.Equal(t, "application/json", res.Header.Get("Content-Type"))
	return res.StatusCode, answer
}

// postTo sends JSON to one of the addresses of s. The body of the answer has been read.
func postTo(t *testing.T, s *oxdtest.Server, address, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.HTTPClient().Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res, string(answer)
}

func TestTrap41TheHTTPSExtensionHasStatusesOfItsOwn(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	params, err := json.Marshal(siteParams(s))
	require.NoError(t, err)
	status, body := post(t, s, "/setup-client", string(params))
	require.Equal(t, 200, status, body)
	var setup struct{ Data map[string]any }
	require.NoError(t, json.Unmarshal([]byte(body), &setup))
	credentials, err := json.Marshal(object{"op_host": s.Provider.URL, "client_id": setup.Data["client_id"], "client_secret": setup.Data["client_secret"]})
	require.NoError(t, err)
	status, body = post(t, s, "/get-client-token", string(credentials))
	require.Equal(t, 200, status, body)
	var token struct{ Data map[string]any }
	require.NoError(t, json.Unmarshal([]byte(body), &token))
	bearer := "Bearer " + token.Data["access_token"].(string)
	id := `{"oxd_id":"` + setup.Data["oxd_id"].(string) + `"}`

	const failure = `^\{"code":500,"message":"There was an error processing your request. It has been logged \(ID [0-9a-f]{16}\)."\}$`
	for name, tc := range map[string]struct {
		path, body string
		header     []string
		status     int
		want       string // regular expression
	}{
		"ok":                           {"/get-authorization-url", id, []string{"Authorization", bearer}, 200, `^\{"status":"ok","data":\{"authorization_url":"`},
		"no Authorization":             {"/get-authorization-url", id, nil, 500, failure},
		"another scheme":               {"/get-authorization-url", id, []string{"Authorization", "bearer x"}, 500, failure},
		"a blank token":                {"/get-authorization-url", id, []string{"Authorization", "Bearer  "}, 500, failure},
		"a token in the body":          {"/get-authorization-url", `{"protection_access_token":"x"}`, nil, 500, failure},
		"a wrong token is an error":    {"/get-authorization-url", id, []string{"Authorization", "Bearer x"}, 200, `"error":"inactive_protection_access_token"`},
		"no body":                      {"/get-authorization-url", "", []string{"Authorization", bearer}, 500, failure},
		"no JSON":                      {"/get-authorization-url", "{", []string{"Authorization", bearer}, 500, failure},
		"wrong types":                  {"/get-authorization-url", `{"scope":"x"}`, []string{"Authorization", bearer}, 500, failure},
		"unknown keys in a resource":   {"/uma-rs-protect", `{"resources":[{"x":1}]}`, []string{"Authorization", bearer}, 500, failure},
		"parameters over 9,999":        {"/get-user-info", `{"access_token":"` + strings.Repeat("x", 9999) + `"}`, []string{"Authorization", bearer}, 500, failure},
		"no such path":                 {"/get-nothing", "{}", nil, 404, `^\{"code":404,"message":"HTTP 404 `},
		"an old name":                  {"/update-site-registration", "{}", nil, 404, ``},
		"update has another path":      {"/update-site", "{}", []string{"Authorization", bearer}, 200, `"bad_request"`},
		"another content type":         {"/get-user-info", "{}", []string{"Content-Type", "text/plain"}, 415, `^\{"code":415`},
		"another answer wanted":        {"/get-user-info", "{}", []string{"Accept", "text/html"}, 406, `^\{"code":406`},
		"refreshing needs no token":    {"/get-access-token-by-refresh-token", id, nil, 200, `"internal_error"`},
		"errors come with status 200":  {"/get-client-token", "{}", nil, 200, `"invalid_op_host"`},
		"other commands are not there": {"/license-status", "{}", nil, 404, ``},
	} {
		status, body := post(t, s, tc.path, tc.body, tc.header...)
		assert.Equal(t, tc.status, status, name)
		assert.Regexp(t, tc.want, body, name)
	}
	s.Inject("get_authorization_url", oxdtest.Fault{Kind: oxdtest.FaultDropAfter, Times: 1})
	status, body = post(t, s, "/get-authorization-url", id, "Authorization", bearer)
	assert.Equal(t, 200, status)
	assert.Equal(t, "Command response is null, please check oxd-server.log file of oxd-server application.", body)
	res, err := s.HTTPClient().Get(s.URL + "/health-check")
	require.NoError(t, err)
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, "running", string(text))
	res, err = s.HTTPClient().Get(s.URL + "/get-user-info")
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	assert.Equal(t, 405, res.StatusCode)
}
