package oxd_test

// RESTTransport against real TLS: what goes over the wire, and how answers are
// read.

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"testing"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newREST(t testing.TB, h http.HandlerFunc) *oxd.RESTTransport {
	t.Helper()
	s, _ := newHTTPS(t, h)
	return &oxd.RESTTransport{BaseURL: s.URL, Client: s.Client()}
}

// seen is a request as it arrived.
type seen struct{ method, path, contentType, authorization, authorizationOxdID, body string }

func newSeen(r *http.Request) seen {
	body, _ := io.ReadAll(r.Body)
	return seen{r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), r.Header.Get("AuthorizationOxdId"), string(body)}
}

func TestRESTPathsHeadersAndBodies(t *testing.T) {
	t.Parallel()
	var got seen
	tr := newREST(t, func(w http.ResponseWriter, r *http.Request) {
		got = newSeen(r)
		respond(200, `{"a":1}`)(w, r)
	})
	tr.BaseURL += "/proxy/"
	for command, path := range map[string]string{
		"register_site":                     "/register-site",
		"setup_client":                      "/register-site",
		"update_site_registration":          "/update-site",
		"update_site":                       "/update-site",
		"remove_site":                       "/remove-site",
		"get_client_token":                  "/get-client-token",
		"get_authorization_url":             "/get-authorization-url",
		"get_authorization_code":            "/get-authorization-code",
		"get_tokens_by_code":                "/get-tokens-by-code",
		"get_user_info":                     "/get-user-info",
		"get_logout_uri":                    "/get-logout-uri",
		"get_access_token_by_refresh_token": "/get-access-token-by-refresh-token",
		"introspect_access_token":           "/introspect-access-token",
		"introspect_rpt":                    "/introspect-rpt",
		"uma_rs_protect":                    "/uma-rs-protect",
		"uma_rs_modify":                     "/uma-rs-modify",
		"uma_rs_check_access":               "/uma-rs-check-access",
		"uma_rp_get_rpt":                    "/uma-rp-get-rpt",
		"uma_rp_get_claims_gathering_url":   "/uma-rp-get-claims-gathering-url",
		"authorization_code_flow":           "/authorization-code-flow",
		"id_token_status":                   "/check-id-token",
		"check_id_token":                    "/check-id-token",
		"access_token_status":               "/check-access-token",
		"check_access_token":                "/check-access-token",
		"get_rp":                            "/get-rp",
		"get_jwks":                          "/get-jwks",
		"get_discovery":                     "/get-discovery",
		"get_issuer":                        "/get-issuer",
		"get_request_object_uri":            "/get-request-object-uri",
	} {
		req := &oxd.Request{Command: command, Params: json.RawMessage(`{"oxd_id":"x"}`), Token: secret("tok"), Repeatable: true}
		tr.AuthorizationOxdID = ""
		resp, err := tr.RoundTrip(t.Context(), req)
		require.NoError(t, err)
		want := seen{"POST", "/proxy" + path, "application/json", "Bearer tok", "", `{"oxd_id":"x"}`}
		assert.Equal(t, want, got)
		if command != "get_user_info" {
			assert.Equal(t, &oxd.Response{Status: "ok", Data: json.RawMessage(`{"a":1}`), HTTPStatus: 200}, resp)
		}

		tr.AuthorizationOxdID = "setup-site"
		_, err = tr.RoundTrip(t.Context(), req)
		require.NoError(t, err)
		want.authorizationOxdID = "setup-site"
		assert.Equal(t, want, got)

		req.Token = oxd.Secret{}
		_, err = tr.RoundTrip(t.Context(), req)
		require.NoError(t, err, "protection may be off")
		want.authorization, want.authorizationOxdID = "", ""
		assert.Equal(t, want, got)
	}
}

func TestRESTRefusesCommandsThatOxd4DoesNotHave(t *testing.T) {
	t.Parallel()
	tr := newREST(t, respond(200, "{}"))
	for _, command := range []string{"license_status", "validate", "implicit_flow", "", "../admin", "Get_User_Info", "get_rp_jwks"} {
		_, err := tr.RoundTrip(t.Context(), &oxd.Request{Command: command, Params: json.RawMessage("{}"), Token: secret("t")})
		require.ErrorIs(t, err, oxd.ErrUnsupported, command)
		require.NotErrorIs(t, err, oxd.ErrUnavailable)
	}
}

func TestRESTRegistrationIsRenamed(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, command, params, want string }{
		{
			"login redirect first", "register_site",
			`{"authorization_redirect_uri":"a","redirect_uris":["b","a","c"],"post_logout_redirect_uri":"p","scope":["openid","\u00e9&<"]}`,
			`{"redirect_uris":["a","b","c"],"post_logout_redirect_uris":["p"],"scope":["openid","é&<"]}`,
		},
		{"trusted client", "setup_client", `{"trusted_client":true}`, `{"custom_attributes":{"oxAuthTrustedClient":"true"}}`},
		{"not trusted", "setup_client", `{"trusted_client":false}`, `{}`},
		{
			"one name for front-channel logout", "update_site_registration",
			`{"client_logout_uris":["f"],"client_frontchannel_logout_uris":["f"]}`, `{"client_frontchannel_logout_uris":["f"]}`,
		},
		{"nothing to rename", "update_site", `{"redirect_uris":["z"],"post_logout_redirect_uris":["y"]}`, `{"redirect_uris":["z"],"post_logout_redirect_uris":["y"]}`},
		{"another command", "uma_rs_protect", `{"trusted_client":true}`, `{"trusted_client":true}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var body string
			tr := newREST(t, func(w http.ResponseWriter, r *http.Request) {
				body = newSeen(r).body
				respond(200, "{}")(w, r)
			})
			_, err := tr.RoundTrip(t.Context(), &oxd.Request{Command: tc.command, Params: json.RawMessage(tc.params)})
			require.NoError(t, err)
			assert.JSONEq(t, tc.want, body)
		})
	}
	tr := newREST(t, respond(200, "{}"))
	for _, params := range []string{"[]", "null", "", `{"a":1,"a":2}`} {
		_, err := tr.RoundTrip(t.Context(), &oxd.Request{Command: "register_site", Params: json.RawMessage(params)})
		require.ErrorContains(t, err, "not a JSON object")
	}
}

const (
	inactiveToken = `{"error":"inactive_access_token","error_description":"Inactive access_token. Command is protected by access_token, please provide valid token or otherwise switch off protection in configuration with protect_commands_with_access_token=false","details":null,"reason":null}`
	unknownSite   = `{"error":"invalid_oxd_id","error_description":"Invalid oxd_id. Unable to find the site for oxd_id. It does not exist or has been removed from the server. Please use the register_site command to register a site.","details":null,"reason":null}`
)

func TestRESTAnswersAreReadByTheirStatus(t *testing.T) {
	t.Parallel()
	relayed := `{"code":400,"message":"{\"error\":\"invalid_grant\"}"}`
	for _, tc := range []struct {
		name        string
		status      int
		body        string
		code        oxd.Code // of an *Error
		description string
		is          error  // matched as well
		unavailable string // in the text of a *TransportError
	}{
		{name: "ok", status: 200, body: `{"access_token":"a"}`},
		{name: "unknown site", status: 400, body: unknownSite, code: "invalid_oxd_id", is: oxd.CodeInvalidOxdID},
		{
			name: "unknown state", status: 400, body: `{"error":"bad_request","error_description":"'state' is not registered."}`,
			code: "bad_request", description: "'state' is not registered.", is: oxd.ErrStateNotRegistered,
		},
		{
			name: "resource not protected", status: 400, code: "invalid_request", is: oxd.ErrResourceNotProtected,
			body: `{"error":"invalid_request","error_description":"Resource is not protected with path: /nope and httpMethod: GET. Please"}`,
		},
		{name: "no token", status: 403, body: `{"error":"blank_access_token"}`, code: "blank_access_token", is: oxd.CodeBlankProtectionAccessToken},
		{name: "inactive token", status: 403, body: inactiveToken, code: "inactive_access_token", is: oxd.CodeInactiveProtectionAccessToken},
		{name: "token of another client", status: 403, body: `{"error":"invalid_access_token"}`, code: "invalid_access_token", is: oxd.CodeInvalidProtectionAccessToken},
		{
			name: "token without scope", status: 403, body: `{"error":"access_token_insufficient_scope"}`,
			code: "access_token_insufficient_scope", is: oxd.CodeProtectionTokenInsufficientScope,
		},
		{name: "bad redirect URI", status: 400, body: `{"error":"invalid_redirect_uri"}`, code: "invalid_redirect_uri", is: oxd.CodeInvalidAuthorizationRedirectURI},
		{name: "caller's address refused", status: 403, body: `{"error":"oxd_access_denied"}`, code: "oxd_access_denied", is: oxd.CodeOxdAccessDenied},
		{name: "internal error", status: 500, body: `{"error":"internal_error","error_description":"d"}`, code: "internal_error", description: "d", is: oxd.CodeInternalError},
		{name: "wrong ID token", status: 500, body: `{"error":"invalid_id_token_bad_nonce"}`, code: "invalid_id_token_bad_nonce", is: oxd.CodeInvalidIDTokenBadNonce},
		{name: "unsupported operation", status: 500, body: `{"error":"unsupported_operation"}`, code: "unsupported_operation", is: oxd.ErrUnsupported},
		{name: "refusal of the provider", status: 400, body: relayed, code: "http_status_400", description: `{"error":"invalid_grant"}`},
		{name: "no header in 4.0", status: 403, body: `{"code":403,"message":"HTTP 403 Forbidden"}`, code: "http_status_403", description: "HTTP 403 Forbidden"},
		{name: "no such path", status: 404, body: `{"code":404,"message":"HTTP 404 Not Found"}`, code: "http_status_404", description: "HTTP 404 Not Found", is: oxd.ErrUnsupported},
		{
			name: "parameters of the wrong kind", status: 400, body: "Invalid parameters. Message: Cannot deserialize",
			code: "http_status_400", description: "Invalid parameters. Message: Cannot deserialize",
		},
		{name: "outage of the provider", status: 503, body: `{"code":503,"message":"x"}`, unavailable: "HTTP 503"},
		{name: "JSON of a proxy", status: 502, body: `{"error":"bad_gateway"}`, unavailable: "HTTP 502"},
		{name: "crash", status: 500, body: `{"code":500,"message":"There was an error processing your request."}`, unavailable: "HTTP 500"},
		{name: "extension of 3.1, refusal", status: 200, body: `{"status":"error","data":{"error":"invalid_oxd_id"}}`, unavailable: "HTTPSTransport"},
		{name: "extension of 3.1, ok", status: 200, body: `{"status":"ok","data":null}`, unavailable: "HTTPSTransport"},
		{name: "empty", status: 200, body: "", unavailable: "without a JSON object"},
		{name: "array", status: 200, body: "[]", unavailable: "without a JSON object"},
		{name: "null", status: 200, body: "null", unavailable: "without a JSON object"},
		{name: "a name twice", status: 200, body: `{"access_token":"a","access_token":"b"}`, unavailable: "without a JSON object"},
		{name: "text", status: 200, body: "running", unavailable: "without a JSON object"},
		{name: "created", status: 201, body: `{"access_token":"a"}`, unavailable: "HTTP 201"},
		{name: "redirect", status: 302, body: "", unavailable: "redirect (HTTP 302) refused"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			tr := newREST(t, func(w http.ResponseWriter, r *http.Request) {
				calls++
				respond(tc.status, tc.body)(w, r)
			})
			_, err := newClient(t, tr, oxd.Site{OxdID: "x"}).TokensByCode(t.Context(), "c", "s")
			assert.Equal(t, 1, calls, "never sent twice")
			if tc.is != nil {
				require.ErrorIs(t, err, tc.is)
			}
			switch {
			case tc.code != "":
				var e *oxd.Error
				require.ErrorAs(t, err, &e)
				assert.Equal(t, tc.code, e.Code)
				assert.Equal(t, tc.status, e.HTTPStatus)
				assert.Equal(t, "get_tokens_by_code", e.Command)
				require.ErrorIs(t, err, tc.code)
				if tc.description != "" {
					assert.Equal(t, tc.description, e.Description)
				}
				require.Equal(t, tc.is == oxd.ErrUnsupported, errors.Is(err, oxd.ErrUnsupported))
			case tc.unavailable != "":
				require.ErrorIs(t, err, oxd.ErrUnavailable)
				require.ErrorContains(t, err, tc.unavailable)
				var te *oxd.TransportError
				require.ErrorAs(t, err, &te)
				assert.True(t, te.Sent)
			default:
				require.NoError(t, err)
			}
		})
	}
}

func TestRESTConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, tc := range []struct {
		name string
		tr   *oxd.RESTTransport
		want string
	}{
		{"no URL", &oxd.RESTTransport{}, "RESTTransport.BaseURL must be an absolute https URL"},
		{"http", &oxd.RESTTransport{BaseURL: "http://oxd.example.org:8080"}, "absolute https URL"},
		{"query", &oxd.RESTTransport{BaseURL: "https://oxd.example.org?x"}, "must not have a user"},
		{"timeout", &oxd.RESTTransport{BaseURL: "https://oxd.example.org", Timeout: -1}, "negative"},
		{"no verification", &oxd.RESTTransport{BaseURL: "https://oxd.example.org", Client: insecure}, "InsecureSkipVerify"},
		{"header", &oxd.RESTTransport{BaseURL: "https://oxd.example.org", AuthorizationOxdID: "a\r\nb"}, "AuthorizationOxdID"},
		{"nil", nil, "no transport"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := tc.tr.RoundTrip(t.Context(), userInfo())
			require.ErrorContains(t, err, tc.want)
			_, err = oxd.NewClient(tc.tr, oxd.Site{OxdID: "x"})
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func TestRESTHangingUpIsNotBlamedOnTheLengthOfTheAnswer(t *testing.T) {
	t.Parallel()
	tr := newREST(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	_, err := tr.RoundTrip(context.Background(), userInfo())
	var te *oxd.TransportError
	require.ErrorAs(t, err, &te)
	assert.True(t, te.Sent)
	assert.NotContains(t, err.Error(), "9,999")
}
