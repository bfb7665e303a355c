// The HTTPS extension.

package oxdtest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxdtest"
)

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

func TestTheHTTPSExtensionHasStatusesOfItsOwn(t *testing.T) {
	t.Parallel()
	t.Run("trap 41", func(t *testing.T) {
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
	})
}
