package oxdtest_test

// The interface of oxd 4, fact by fact: statuses, bodies without envelope, tokens in headers, and
// what its commands do otherwise than those of 3.1.

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// rest sends one request and returns status and body.
func rest(t *testing.T, s *oxdtest.Server, path, body string, header ...string) (int, string) {
	t.Helper()
	res, text := postTo(t, s, s.RESTURL+path, body, header...)
	return res.StatusCode, text
}

func object4(t *testing.T, text string) object {
	t.Helper()
	var o object
	require.NoError(t, json.Unmarshal([]byte(text), &o), text)
	return o
}

// register4 returns oxd_id and a token for commands.
func register4(t *testing.T, s *oxdtest.Server, more string) (site object, token string) {
	t.Helper()
	status, body := rest(t, s, "/register-site", `{"op_host":"`+s.Provider.URL+`","redirect_uris":["https://app.example/cb","https://app.example/other"],
		"scope":["openid","profile","uma_protection","oxd"]`+more+`}`)
	require.Equal(t, 200, status, body)
	site = object4(t, body)
	credentials, err := json.Marshal(object{"op_host": s.Provider.URL, "client_id": site["client_id"], "client_secret": site["client_secret"], "scope": []string{"openid", "oxd"}})
	require.NoError(t, err)
	status, body = rest(t, s, "/get-client-token", string(credentials))
	require.Equal(t, 200, status, body)
	answer := object4(t, body)
	assert.ElementsMatch(t, []any{"openid", "oxd"}, answer["scope"], "an array")
	return site, answer["access_token"].(string)
}

func TestREST4RefusalsHaveStatuses(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{ProtectCommands: true})
	site, token := register4(t, s, "")
	other, _ := register4(t, s, "")
	noScope := strings.Replace(token, token[:1], "x", 1)
	id := site["oxd_id"].(string)
	bearer := []string{"Authorization", "Bearer " + token}
	for name, tc := range map[string]struct {
		path, body string
		header     []string
		status     int
		want       string
	}{
		"an unknown path":              {"/setup-client", `{}`, nil, 404, `"HTTP 404 Not Found"`},
		"parameters that are no JSON":  {"/get-authorization-url", `{`, nil, 400, "Invalid parameters. Message: "},
		"an empty body":                {"/get-client-token", ``, nil, 400, `"invalid_op_host"`},
		"no token":                     {"/get-authorization-url", `{"oxd_id":"` + id + `"}`, nil, 403, `"error":"blank_access_token"`},
		"a token of nobody":            {"/get-authorization-url", `{"oxd_id":"` + id + `"}`, []string{"Authorization", "Bearer " + noScope}, 403, `"error":"inactive_access_token"`},
		"a token of another site":      {"/get-authorization-url", `{"oxd_id":"` + other["oxd_id"].(string) + `"}`, bearer, 403, `"error":"invalid_access_token"`},
		"that one with its site named": {"/get-authorization-url", `{"oxd_id":"` + other["oxd_id"].(string) + `"}`, append([]string{"AuthorizationOxdId", id}, bearer...), 200, `"authorization_url"`},
		"a site named that is none":    {"/get-authorization-url", `{"oxd_id":"` + id + `"}`, append([]string{"AuthorizationOxdId", "x"}, bearer...), 400, `"error":"invalid_authorization_oxd_id"`},
		"a header that is too short":   {"/get-authorization-url", `{"oxd_id":"` + id + `"}`, []string{"Authorization", "x"}, 500, `"error":"internal_error"`},
		"any scheme of seven letters":  {"/get-authorization-url", `{"oxd_id":"` + id + `"}`, []string{"Authorization", "XXXXXXX" + token}, 200, `"authorization_url"`},
		"an unknown site":              {"/get-authorization-url", `{"oxd_id":"x"}`, bearer, 400, `"error":"invalid_oxd_id"`},
		"no site":                      {"/get-authorization-url", `{}`, bearer, 400, `"error":"bad_request"`},
		"an unknown state":             {"/get-tokens-by-code", `{"oxd_id":"` + id + `","code":"c","state":"s"}`, bearer, 400, `'state' is not registered.`},
		"no refresh token":             {"/get-access-token-by-refresh-token", `{"oxd_id":"` + id + `"}`, bearer, 400, `'refresh token' is empty or not specified.`},
		"what the provider refuses":    {"/get-access-token-by-refresh-token", `{"oxd_id":"` + id + `","refresh_token":"x"}`, bearer, 400, `{"code":400,"message":"{\"error\":\"unauthorized_client\"`},
		"no resources":                 {"/uma-rs-protect", `{"oxd_id":"` + id + `","resources":[]}`, bearer, 400, `"error":"invalid_uma_request"`},
		"not protected":                {"/uma-rs-check-access", `{"oxd_id":"` + id + `","path":"/x","http_method":"GET"}`, bearer, 400, `"error":"invalid_request"`},
		"no ticket":                    {"/uma-rp-get-rpt", `{"oxd_id":"` + id + `"}`, bearer, 400, `"error":"invalid_ticket_parameter"`},
		"half a claim token":           {"/uma-rp-get-rpt", `{"oxd_id":"` + id + `","ticket":"t","claim_token":"x"}`, bearer, 400, `"error":"invalid_claim_token_or_claim_token_form"`},
		"an RPT that is none":          {"/introspect-rpt", `{"oxd_id":"` + id + `"}`, bearer, 400, `"error":"invalid_rpt_parameter"`},
		"no provider":                  {"/register-site", `{"redirect_uris":["https://app.example/cb"]}`, nil, 400, `"error":"invalid_op_host_and_configuration_endpoint"`},
		"no redirect URI":              {"/register-site", `{"op_host":"https://idp.example","authorization_redirect_uri":"https://app.example/cb"}`, nil, 400, `"error":"invalid_redirect_uri"`},
		"a redirect URI with fragment": {"/register-site", `{"op_host":"https://idp.example","redirect_uris":["https://app.example/cb#x"]}`, nil, 400, `"error":"redirect_uri_has_fragment_component"`},
		"a client id alone":            {"/register-site", `{"op_host":"https://idp.example","redirect_uris":["https://app.example/cb"],"client_id":"x"}`, nil, 400, `"error":"invalid_client_secret"`},
		"a client secret alone":        {"/register-site", `{"op_host":"https://idp.example","redirect_uris":["https://app.example/cb"],"client_secret":"x"}`, nil, 400, `"error":"invalid_client_id"`},
		"a redirect URI not known":     {"/get-authorization-url", `{"oxd_id":"` + id + `","redirect_uri":"https://evil.example"}`, bearer, 400, `"error":"redirect_uri_is_not_registered"`},
		"a list for a text":            {"/get-authorization-url", `{"oxd_id":"` + id + `","prompt":[]}`, bearer, 400, "otherwise malformed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			status, body := rest(t, s, tc.path, tc.body, tc.header...)
			assert.Equal(t, tc.status, status, body)
			assert.Contains(t, body, tc.want)
			assert.NotContains(t, body, `"status":"`, "no envelope")
		})
	}
}

func TestREST4AnswersOfRegistrationAndAuthorization(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	site, _ := register4(t, s, `,"op_configuration_endpoint":"ignored beside op_host"`)
	assert.Contains(t, site, "initiate_login_uri ", "spelled with the space")
	assert.NotEmpty(t, site["client_registration_access_token"])
	id := site["oxd_id"].(string)

	status, body := rest(t, s, "/get-authorization-url", `{"oxd_id":"`+id+`","state":"mystate","nonce":"mynonce","redirect_uri":"https://app.example/other","params":{"max_age":"70","p":"a b"},"custom_parameters":{"x":"y"}}`)
	require.Equal(t, 200, status, body)
	u, err := url.Parse(object4(t, body)["authorization_url"].(string))
	require.NoError(t, err)
	for name, want := range map[string]string{
		"state": "mystate", "nonce": "mynonce", "max_age": "70", "p": "a b", "redirect_uri": "https://app.example/other", "custom_response_headers": `[{"x":"y"}]`,
	} {
		assert.Equal(t, want, u.Query().Get(name), name)
	}
	_, body = rest(t, s, "/get-tokens-by-code", `{"oxd_id":"`+id+`","state":"mystate","code":"nonsense"}`)
	assert.Contains(t, body, "'code' is invalid.", "the state was known")

	_, body = rest(t, s, "/get-logout-uri", `{"oxd_id":"`+id+`","state":"s","post_logout_redirect_uri":"https://app.example/"}`)
	assert.Contains(t, object4(t, body)["uri"], "?post_logout_redirect_uri=https%3A%2F%2Fapp.example%2F&state=s", "without a hint none is made up")

	_, body = rest(t, s, "/get-rp", `{"oxd_id":"`+id+`"}`)
	assert.Contains(t, body, site["client_secret"].(string), "for whoever asks")
	_, body = rest(t, s, "/get-rp", `{"list":true}`)
	assert.Contains(t, body, id)
	status, body = rest(t, s, "/remove-site", `{"oxd_id":"`+id+`"}`)
	assert.Equal(t, 200, status, body)
	_, body = rest(t, s, "/get-rp", `{"oxd_id":"`+id+`"}`)
	assert.Contains(t, body, "invalid_oxd_id")
}

func TestREST4ProviderCommandsAndHealth(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	host := `"op_host":"` + s.Provider.URL + `"`
	_, body := rest(t, s, "/get-discovery", `{`+host+`}`)
	assert.Equal(t, s.Provider.URL, object4(t, body)["issuer"])
	_, body = rest(t, s, "/get-jwks", `{`+host+`}`)
	assert.Len(t, object4(t, body)["keys"], 1)
	_, body = rest(t, s, "/get-issuer", `{`+host+`,"resource":"alice@127.0.0.1"}`)
	assert.Contains(t, body, `"href":"`+s.Provider.URL+`"`)
	status, body := rest(t, s, "/get-issuer", `{`+host+`}`)
	assert.Equal(t, 400, status)
	assert.Contains(t, body, "bad_request_no_resource")

	transport, err := oxd.Detect(t.Context(), s.RESTURL, s.HTTPClient())
	require.NoError(t, err)
	assert.IsType(t, &oxd.RESTTransport{}, transport)
	transport, err = oxd.Detect(t.Context(), s.URL, s.HTTPClient())
	require.NoError(t, err)
	assert.IsType(t, &oxd.HTTPSTransport{}, transport)
}

func TestREST4ResourcesAreReplacedAndTheLastOneWins(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	site, _ := register4(t, s, "")
	id := site["oxd_id"].(string)
	protect := func(scope, more string) (int, string) {
		return rest(t, s, "/uma-rs-protect", `{"oxd_id":"`+id+`","resources":[{"path":"/photo","conditions":[{"httpMethods":["GET"],"scopes":["`+scope+`"]}]}]`+more+`}`)
	}
	check := func(rpt string) object {
		status, body := rest(t, s, "/uma-rs-check-access", `{"oxd_id":"`+id+`","rpt":"`+rpt+`","path":"/PHOTO","http_method":"get"}`)
		require.Equal(t, 200, status, body)
		return object4(t, body)
	}
	obtain := func() string {
		status, body := rest(t, s, "/uma-rp-get-rpt", `{"oxd_id":"`+id+`","ticket":"`+check("")["ticket"].(string)+`"}`)
		require.Equal(t, 200, status, body)
		return object4(t, body)["access_token"].(string)
	}
	status, body := protect("view", "")
	require.Equal(t, 200, status, body)
	rpt := obtain()
	assert.Equal(t, "granted", check(rpt)["access"])
	_, body = rest(t, s, "/introspect-rpt", `{"oxd_id":"`+id+`","rpt":"`+rpt+`"}`)
	about := object4(t, body)
	assert.Equal(t, true, about["active"])
	assert.NotZero(t, about["exp"])
	assert.Len(t, about["permissions"], 1)

	status, body = protect("other", "")
	assert.Equal(t, 400, status)
	assert.Contains(t, body, "uma_protection_exists")
	status, body = protect("other", `,"overwrite":true`)
	require.Equal(t, 200, status, body)
	assert.Equal(t, "denied", check(rpt)["access"], "the resource it was for is gone")
	assert.Equal(t, "denied", check("gat_" + rpt)["access"], "and there is no way round")

	rpt = obtain()
	assert.Equal(t, "granted", check(rpt)["access"])
	status, body = rest(t, s, "/uma-rs-modify", `{"oxd_id":"`+id+`","path":"/photo","http_method":"GET","scopes":["edit"]}`)
	require.Equal(t, 200, status, body)
	assert.Equal(t, "denied", check(rpt)["access"])

	s.Provider.SetPolicy("edit", oxdtest.Policy{Gather: []string{"country"}, Allow: map[string][]string{"country": {"NO"}}})
	status, body = rest(t, s, "/uma-rp-get-rpt", `{"oxd_id":"`+id+`","ticket":"`+check("")["ticket"].(string)+`"}`)
	assert.Equal(t, 403, status)
	need := object4(t, body)
	assert.Equal(t, "need_info", need["error"], "the details alone")
	_, body = rest(t, s, "/uma-rp-get-claims-gathering-url", `{"oxd_id":"`+id+`","ticket":"`+need["ticket"].(string)+`","claims_redirect_uri":"https://app.example/c","state":"mine","custom_parameters":{"x":"y"}}`)
	answer := object4(t, body)
	assert.Equal(t, "mine", answer["state"])
	assert.True(t, strings.HasSuffix(answer["url"].(string), "&state=mine&x=y"), answer["url"])
	status, _ = rest(t, s, "/uma-rp-get-rpt", `{"oxd_id":"`+id+`","ticket":"nonsense"}`)
	assert.Equal(t, 400, status)
}

func TestREST4MisbehavesOnDemand(t *testing.T) {
	t.Parallel()
	s := started(t, oxdtest.Config{})
	site, _ := register4(t, s, "")
	body := `{"oxd_id":"` + site["oxd_id"].(string) + `"}`
	for kind, want := range map[oxdtest.FaultKind]struct {
		status int
		text   string
	}{
		oxdtest.FaultInternalError: {500, `"error":"internal_error"`},
		oxdtest.FaultGarbage:       {200, "<html>"},
	} {
		s.Inject("get_authorization_url", oxdtest.Fault{Kind: kind, Times: 1})
		status, text := rest(t, s, "/get-authorization-url", body)
		assert.Equal(t, want.status, status)
		assert.Contains(t, text, want.text)
	}
	s.Inject("get_authorization_url", oxdtest.Fault{Kind: oxdtest.FaultError, Body: "invalid_oxd_id", Times: 1})
	status, _ := rest(t, s, "/get-authorization-url", body)
	assert.Equal(t, 400, status)
	for _, kind := range []oxdtest.FaultKind{oxdtest.FaultDropBefore, oxdtest.FaultDropAfter} {
		s.Inject("get_authorization_url", oxdtest.Fault{Kind: kind, Times: 1})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.RESTURL+"/get-authorization-url", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		res, err := s.HTTPClient().Do(req)
		if !assert.Error(t, err) {
			res.Body.Close()
		}
	}
	var over []string
	for _, call := range s.Calls() {
		if call.Command == "get_authorization_url" {
			over = append(over, call.Over+" "+call.Error)
		}
	}
	assert.Contains(t, over, "rest internal_error")
	assert.Len(t, over, 5)

	before := s.RESTURL
	s.Stop()
	s.Restart()
	assert.Equal(t, before, s.RESTURL)
	status, text := rest(t, s, "/get-authorization-url", body)
	assert.Equal(t, 200, status, text)
}
