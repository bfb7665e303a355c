package oxdtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// pat returns a protection API access token of the client.
func (w *world) pat() string {
	w.t.Helper()
	status, answer := w.token(url.Values{"grant_type": {"client_credentials"}, "scope": {"openid uma_protection"}})
	require.Equal(w.t, http.StatusOK, status, answer)
	token, _ := answer["access_token"].(string)
	return token
}

func TestUserInfoHasTheClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := w.tokens()
	access := tokens["access_token"].(string)
	sub := claimsOf(t, tokens["id_token"])["sub"]
	status, body := w.send(http.MethodGet, "/oxauth/restv1/userinfo", access, nil)
	require.Equal(t, http.StatusOK, status)
	info := objectOf(t, body)
	assert.Equal(t, sub, info["sub"])
	assert.Equal(t, "Alice Ångström", info["name"])
	assert.Equal(t, []any{"staff", "admins"}, info["groups"])

	w.provider.SetUserInfoSub("alice", "somebody-else")
	_, body = w.send(http.MethodPost, "/oxauth/restv1/userinfo", access, nil)
	assert.Equal(t, "somebody-else", objectOf(t, body)["sub"])
	w.provider.SetUserInfoSub("alice", "")
	_, body = w.send(http.MethodGet, "/oxauth/restv1/userinfo", access, nil)
	assert.Equal(t, sub, objectOf(t, body)["sub"])
	assert.Panics(t, func() { w.provider.SetUserInfoSub("nobody", "x") })
}

func TestUserInfoRefusesOtherTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := w.tokens()
	for _, c := range []struct{ name, token string }{
		{"no token", ""},
		{"an unknown token", "x"},
		{"an ID token", tokens["id_token"].(string)},
		{"a refresh token", tokens["refresh_token"].(string)},
		{"the token of a client", w.pat()},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.provider.URL+"/oxauth/restv1/userinfo", nil)
			require.NoError(t, err)
			if c.token != "" {
				req.Header.Set("Authorization", "Bearer "+c.token)
			}
			resp, err := w.http.Do(req)
			require.NoError(t, err)
			assert.Equal(t, http.StatusUnauthorized, resp.StatusCode)
			assert.Contains(t, resp.Header.Get("WWW-Authenticate"), "Bearer")
			assert.Equal(t, "invalid_token", objectOf(t, []byte(w.with(t).text(resp)))["error"])
		})
	}
}

func TestIntrospectionDescribesTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := w.tokens()
	access := tokens["access_token"].(string)
	_, answer := w.post(w.client, "/oxauth/restv1/introspection", url.Values{"token": {access}})
	assert.Equal(t, true, answer["active"])
	assert.Equal(t, w.client.ID, answer["client_id"])
	assert.Equal(t, "openid profile email", answer["scope"])
	assert.Equal(t, "alice", answer["username"])
	assert.Equal(t, claimsOf(t, tokens["id_token"])["sub"], answer["sub"])
	assert.Equal(t, "basic", answer["acr_values"])
	assert.InDelta(t, 300, answer["exp"].(float64)-answer["iat"].(float64), 1)

	pat := w.pat()
	status, answer := w.introspectBearer(pat, pat)
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, true, answer["active"])
	assert.NotContains(t, answer, "sub", "the client acts for itself")

	_, answer = w.introspectBearer(pat, "unknown")
	assert.Equal(t, map[string]any{"active": false}, answer)
}

func TestIntrospectionRefusesStrangers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	access := w.tokens()["access_token"].(string)
	status, answer := w.introspectBearer(access, access)
	assert.Equal(t, http.StatusUnauthorized, status, "the token has not the scope uma_protection")
	assert.Equal(t, "invalid_token", answer["error"])
	status, answer = w.post(testClient{ID: w.client.ID, Secret: "wrong"}, "/oxauth/restv1/introspection", url.Values{"token": {access}})
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Equal(t, "invalid_client", answer["error"])
}

func (w *world) introspectBearer(bearer, token string) (int, map[string]any) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.provider.URL+"/oxauth/restv1/introspection",
		strings.NewReader(url.Values{"token": {token}}.Encode()))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", "Bearer "+bearer)
	status, body := w.do(req)
	return status, objectOf(w.t, body)
}
