// Traps of the real server at registration and at the protection of commands.

package oxdtest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxdtest"
)

func TestProtectionTokensInAllFourRows(t *testing.T) {
	t.Parallel()
	t.Run("traps 24 and 25", func(t *testing.T) {
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
	})
}

func TestWithoutUMAProtectionEverythingProtectedIsAnInternalError(t *testing.T) {
	t.Parallel()
	t.Run("trap 26", func(t *testing.T) {
		t.Parallel()
		s := started(t, oxdtest.Config{})
		params := siteParams(s)
		params["scope"] = []string{"openid"}
		site, _, _ := send(t, s, "register_site", params)
		_, code, _ := send(t, s, "uma_rs_protect", object{"oxd_id": site["oxd_id"], "resources": photos("s")})
		assert.Equal(t, "internal_error", code)
	})
}

func TestSetupMakesTwoClientsAndRegistrationIsNotIdempotent(t *testing.T) {
	t.Parallel()
	t.Run("traps 27 and 28", func(t *testing.T) {
		t.Parallel()
		s := started(t, oxdtest.Config{})
		setup, _, _ := send(t, s, "setup_client", siteParams(s))
		data, _, _ := send(t, s, "get_authorization_url", object{"oxd_id": setup["oxd_id"]})
		assert.NotContains(t, data["authorization_url"], setup["client_id"], "logins use another client than the one whose secret is answered")
		assert.NotEqual(t, register(t, s), register(t, s))
	})
}

func TestAnUpdateReplaces(t *testing.T) {
	t.Parallel()
	t.Run("trap 29", func(t *testing.T) {
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
	})
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
