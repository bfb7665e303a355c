package oxdtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRegistrationAnswersCredentials(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.client
	assert.True(t, strings.HasPrefix(c.ID, "@!"), "the id must need the raw form that oxd sends: %s", c.ID)
	assert.NotEmpty(t, c.Secret)
	assert.NotEmpty(t, c.Token)
	assert.Equal(t, []string{w.callback()}, c.RedirectURIs)
	assert.Equal(t, "openid profile email uma_protection", c.Scope)
	assert.Equal(t, "client_secret_basic", c.AuthMethod)
	assert.InDelta(t, time.Now().Unix(), c.Issued, 60)
	assert.Equal(t, c.Issued+24*60*60, c.SecretExpires)
	assert.NotEqual(t, c.ID, w.register(nil).ID)
}

func TestRegistrationHasDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.register(map[string]any{"grant_types": nil, "scope": nil})
	assert.Equal(t, []string{"authorization_code"}, c.GrantTypes)
	assert.Equal(t, "openid", c.Scope)
	assert.Equal(t, []string{"authorization_code"}, w.register(map[string]any{"grant_types": []any{nil}, "response_types": []any{nil}}).GrantTypes,
		"oxd sends null for what it does not know")
	assert.Equal(t, "openid profile", w.register(map[string]any{"scope": []string{"openid", "profile"}}).Scope,
		"oxAuth takes a list of scopes too")
	assert.Equal(t, "openid", w.register(map[string]any{"scope": "openid unheard_of"}).Scope)
}

func TestRegistrationRefusesBadMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cases := []struct {
		name   string
		change map[string]any
		code   string
	}{
		{"no redirect URI", map[string]any{"redirect_uris": nil}, "invalid_redirect_uri"},
		{"a relative redirect URI", map[string]any{"redirect_uris": []string{"/callback"}}, "invalid_redirect_uri"},
		{"a fragment", map[string]any{"redirect_uris": []string{"https://app.example.org/cb#x"}}, "invalid_redirect_uri"},
		{"http off loopback", map[string]any{"redirect_uris": []string{"http://app.example.org/cb"}}, "invalid_redirect_uri"},
		{"a script as redirect URI", map[string]any{"redirect_uris": []string{"javascript:alert(1)"}}, "invalid_redirect_uri"},
		{"a bad post-logout URI", map[string]any{"post_logout_redirect_uris": []string{"bye"}}, "invalid_redirect_uri"},
		{"an unknown grant", map[string]any{"grant_types": []string{"magic"}}, "invalid_client_metadata"},
		{"the implicit flow", map[string]any{"response_types": []string{"id_token"}}, "invalid_client_metadata"},
		{"an unknown client authentication", map[string]any{"token_endpoint_auth_method": "none"}, "invalid_client_metadata"},
		{"a number where text belongs", map[string]any{"client_name": 1}, "invalid_client_metadata"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			status, body := w.send(http.MethodPost, "/oxauth/restv1/register", "", w.metadata(c.change))
			assert.Equal(t, http.StatusBadRequest, status)
			assert.Equal(t, c.code, objectOf(t, body)["error"])
		})
	}
}

func TestRegistrationUpdateReplacesMetadata(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.register(nil)
	update := map[string]any{"redirect_uris": []string{"https://app.example.org/new"}, "client_secret_expires_at": 4102444800}

	for _, token := range []string{"", "wrong", other.Token} {
		status, body := w.send(http.MethodPut, w.client.URI, token, update)
		assert.Equal(t, http.StatusUnauthorized, status)
		assert.Equal(t, "invalid_token", objectOf(t, body)["error"])
	}
	status, body := w.send(http.MethodPut, w.client.URI, w.client.Token, map[string]any{"redirect_uris": []string{}})
	assert.Equal(t, http.StatusBadRequest, status, string(body))

	status, body = w.send(http.MethodPut, w.client.URI, w.client.Token, update)
	require.Equal(t, http.StatusOK, status, string(body))
	answer := objectOf(t, body)
	assert.Equal(t, w.client.ID, answer["client_id"])
	assert.Equal(t, w.client.Secret, answer["client_secret"])
	assert.Equal(t, []any{"https://app.example.org/new"}, answer["redirect_uris"])
	assert.Equal(t, []any{"authorization_code"}, answer["grant_types"], "what is left out goes back to the default")
	assert.EqualValues(t, 4102444800, answer["client_secret_expires_at"])
}

func TestClientsAreAuthenticatedByBasic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {"uma_protection"}}
	escaped := w.client
	escaped.ID = url.QueryEscape(w.client.ID)
	wrong := w.client
	wrong.Secret = "wrong"
	expired := w.register(nil)
	status, body := w.send(http.MethodPut, expired.URI, expired.Token, w.metadata(map[string]any{"client_secret_expires_at": 1}))
	require.Equal(t, http.StatusOK, status, string(body))
	cases := []struct {
		name   string
		client testClient
		status int
	}{
		{"id and secret as they are", w.client, http.StatusOK},
		{"id form-encoded as RFC 6749 wants", escaped, http.StatusOK},
		{"wrong secret", wrong, http.StatusUnauthorized},
		{"unknown client", testClient{ID: "nobody", Secret: "x"}, http.StatusUnauthorized},
		{"no client", testClient{}, http.StatusUnauthorized},
		{"expired secret", expired, http.StatusUnauthorized},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			status, answer := w.post(c.client, "/oxauth/restv1/token", form)
			assert.Equal(t, c.status, status)
			if c.status != http.StatusOK {
				assert.Equal(t, "invalid_client", answer["error"])
			}
		})
	}
}

func TestClientsAreAuthenticatedByFormWhereRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	posting := w.register(map[string]any{"token_endpoint_auth_method": "client_secret_post"})
	for _, c := range []struct {
		name   string
		client testClient
		status int
	}{
		{"registered for it", posting, http.StatusOK},
		{"not registered for it", w.client, http.StatusUnauthorized},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.client.ID}, "client_secret": {c.client.Secret}}
			resp, err := w.http.PostForm(w.provider.URL+"/oxauth/restv1/token", form)
			require.NoError(t, err)
			_ = w.text(resp)
			assert.Equal(t, c.status, resp.StatusCode)
		})
	}
}
