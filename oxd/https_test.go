package oxd_test

// HTTPSTransport against real TLS.

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func newHTTPS(t testing.TB, h http.HandlerFunc) (*httptest.Server, *oxd.HTTPSTransport) {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are part of the tests
	s.StartTLS()
	t.Cleanup(s.Close)
	return s, &oxd.HTTPSTransport{BaseURL: s.URL, Client: s.Client()}
}

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func userInfo() *oxd.Request {
	return &oxd.Request{Command: "get_user_info", Params: json.RawMessage(`{"oxd_id":"x"}`), Token: secret("tok")}
}

func TestHTTPSPathsAndTokens(t *testing.T) {
	t.Parallel()
	type seen struct{ method, path, contentType, authorization, body string }
	var got seen
	_, tr := newHTTPS(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = seen{r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Authorization"), string(body)}
		respond(200, `{"status":"ok","data":{"a":1}}`)(w, r)
	})
	tr.BaseURL += "/proxy/"
	for _, tc := range []struct {
		command, path string
		needsToken    bool
	}{
		{"setup_client", "/setup-client", false},
		{"get_client_token", "/get-client-token", false},
		{"get_access_token_by_refresh_token", "/get-access-token-by-refresh-token", false},
		{"register_site", "/register-site", true},
		{"update_site_registration", "/update-site", true},
		{"update_site", "/update-site", true},
		{"get_authorization_url", "/get-authorization-url", true},
		{"get_tokens_by_code", "/get-tokens-by-code", true},
		{"get_user_info", "/get-user-info", true},
		{"get_logout_uri", "/get-logout-uri", true},
		{"uma_rs_protect", "/uma-rs-protect", true},
		{"uma_rs_check_access", "/uma-rs-check-access", true},
		{"uma_rp_get_rpt", "/uma-rp-get-rpt", true},
		{"uma_rp_get_claims_gathering_url", "/uma-rp-get-claims-gathering-url", true},
	} {
		t.Run(tc.command, func(t *testing.T) {
			req := &oxd.Request{Command: tc.command, Params: json.RawMessage(`{"p":"v"}`), Token: secret("tok"), Repeatable: true}
			resp, err := tr.RoundTrip(t.Context(), req)
			require.NoError(t, err)
			assert.Equal(t, &oxd.Response{Status: "ok", Data: json.RawMessage(`{"a":1}`), HTTPStatus: 200}, resp)
			assert.Equal(t, seen{"POST", "/proxy" + tc.path, "application/json", "Bearer tok", `{"p":"v"}`}, got)

			got = seen{}
			req.Token = oxd.Secret{}
			_, err = tr.RoundTrip(t.Context(), req)
			if tc.needsToken {
				require.ErrorContains(t, err, "needs a protection token")
				assert.NotErrorIs(t, err, oxd.ErrUnavailable)
				assert.Empty(t, got.path, "nothing was sent")
				return
			}
			require.NoError(t, err)
			assert.Empty(t, got.authorization)
		})
	}
}

func TestHTTPSRefusesCommandsThatTheExtensionDoesNotHave(t *testing.T) {
	t.Parallel()
	_, tr := newHTTPS(t, respond(200, "{}"))
	for _, command := range []string{"license_status", "id_token_status", "", "../admin", "Get_User_Info"} {
		_, err := tr.RoundTrip(t.Context(), &oxd.Request{Command: command, Params: json.RawMessage("{}"), Token: secret("t")})
		require.ErrorContains(t, err, "not available over HTTPS", command)
	}
}

func TestHTTPSConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for _, tc := range []struct {
		name string
		tr   *oxd.HTTPSTransport
		want string
	}{
		{"no URL", &oxd.HTTPSTransport{}, "absolute https URL"},
		{"http", &oxd.HTTPSTransport{BaseURL: "http://oxd.example.org:8080"}, "absolute https URL"},
		{"no host", &oxd.HTTPSTransport{BaseURL: "https:///x"}, "absolute https URL"},
		{"not a URL", &oxd.HTTPSTransport{BaseURL: "https://[::1"}, "absolute https URL"},
		{"user", &oxd.HTTPSTransport{BaseURL: "https://u:p@oxd.example.org"}, "must not have a user"},
		{"query", &oxd.HTTPSTransport{BaseURL: "https://oxd.example.org?x"}, "must not have a user"},
		{"timeout", &oxd.HTTPSTransport{BaseURL: "https://oxd.example.org", Timeout: -1}, "negative"},
		{"no verification", &oxd.HTTPSTransport{BaseURL: "https://oxd.example.org", Client: insecure}, "InsecureSkipVerify"},
		{"nil", nil, "no transport"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := tc.tr.RoundTrip(t.Context(), userInfo())
			require.ErrorContains(t, err, tc.want)
			_, err = oxd.NewClient(tc.tr, oxd.Site{OxdID: "x", Protected: true, Credentials: credentials()})
			require.ErrorContains(t, err, tc.want)
		})
	}
}

func credentials() *oxd.Credentials {
	return &oxd.Credentials{ClientID: "setup", ClientSecret: secret("sec"), OPHost: "idp.example.org"}
}

func TestHTTPSAnswersAreReadByTheirEnvelope(t *testing.T) {
	t.Parallel()
	const id = `{"code":500,"message":"There was an error processing your request. It has been logged (ID 0123456789abcdef)."}`
	refusal := `{"status":"error","data":{"error":"invalid_oxd_id","details":null,"error_description":"d"}}`
	for _, tc := range []struct {
		name        string
		status      int
		body        string
		code        oxd.Code // of an *Error
		unavailable string   // in the text of a *TransportError
	}{
		{"ok", 200, `{"status":"ok","data":{"claims":{}}}`, "", ""},
		{"refusal with 200", 200, refusal, "invalid_oxd_id", ""},
		{"refusal with 400", 400, refusal, "invalid_oxd_id", ""},
		{"refusal with 500", 500, refusal, "invalid_oxd_id", ""},
		{"ok with 500", 500, `{"status":"ok","data":{}}`, "", "HTTP 500"},
		{"ok with 403", 403, `{"status":"ok","data":{}}`, "http_status_403", ""},
		{"500 of the extension", 500, id, "", "could not reach oxd"},
		{"503", 503, "", "", "HTTP 503"},
		{"forbidden by a later version", 403, `{"code":403,"message":"{\"status\":\"error\"}"}`, "http_status_403", ""},
		{"wrong path", 404, `{"code":404,"message":"HTTP 404 Not Found"}`, "http_status_404", ""},
		{"no answer from oxd", 200, "Command response is null, please check oxd-server.log file of oxd-server application.", "", "9,999"},
		{"text of old builds", 200, "There is no response produced by Processor. Please check oxd server logs", "", "without an envelope"},
		{"empty", 200, "", "", "without an envelope"},
		{"array", 200, "[]", "", "without an envelope"},
		{"wrong kind of status", 200, `{"status":1}`, "", "without an envelope"},
		{"created", 201, "{}", "", "HTTP 201"},
		{"page of a proxy", 502, "<html>", "", "HTTP 502"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, tr := newHTTPS(t, respond(tc.status, tc.body))
			_, err := tokenFirst(t, tr).UserInfo(t.Context(), secret("at"))
			switch {
			case tc.code != "":
				var e *oxd.Error
				require.ErrorAs(t, err, &e)
				assert.Equal(t, tc.code, e.Code)
				assert.Equal(t, tc.status, e.HTTPStatus)
				assert.ErrorIs(t, err, tc.code)
			case tc.unavailable != "":
				require.ErrorIs(t, err, oxd.ErrUnavailable)
				require.ErrorContains(t, err, tc.unavailable)
			default:
				require.NoError(t, err)
			}
		})
	}
}

// tokenFirst is a client whose protection token does not come from tr.
func tokenFirst(t *testing.T, tr oxd.Transport) *oxd.Client {
	return newClient(t, scripted(func(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
		if req.Command == "get_client_token" {
			return &oxd.Response{Status: "ok", Data: json.RawMessage(`{"access_token":"tok","expires_in":299}`)}, nil
		}
		return tr.RoundTrip(ctx, req)
	}), oxd.Site{OxdID: "x", Protected: true, Credentials: credentials()})
}

func TestHTTPSRequestLimitHolds(t *testing.T) {
	t.Parallel()
	asked := false
	_, tr := newHTTPS(t, func(http.ResponseWriter, *http.Request) { asked = true })
	req := userInfo()
	req.Params = json.RawMessage(`{"x":"` + strings.Repeat("x", 9930) + `"}`)
	req.Token = secret(strings.Repeat("t", 100)) // counts: the extension puts it into the frame
	_, err := tr.RoundTrip(t.Context(), req)
	require.ErrorIs(t, err, oxd.ErrTooLarge)
	assert.False(t, asked)
}
