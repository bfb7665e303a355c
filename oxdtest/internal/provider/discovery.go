// The metadata of the provider.

package provider

import (
	"net/http"

	"example.com/oxdauth/oxdtest/internal/oauth"
)

// serveDiscovery answers OpenID Connect Discovery 1.0 section 4.
func (p *Provider) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	oauth.WriteJSON(w, http.StatusOK, map[string]any{
		"issuer":                                p.issuer,
		"authorization_endpoint":                p.issuer + PathAuthorize,
		"token_endpoint":                        p.issuer + PathToken,
		"userinfo_endpoint":                     p.issuer + pathUserInfo,
		"jwks_uri":                              p.issuer + PathJWKS,
		"registration_endpoint":                 p.issuer + PathRegister,
		"end_session_endpoint":                  p.issuer + pathEndSession,
		"introspection_endpoint":                p.issuer + PathIntrospect,
		"scopes_supported":                      scopesSupported,
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"grant_types_supported":                 grantTypes,
		"acr_values_supported":                  p.people.acrs(),
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"claims_supported":                      []string{"sub", "name", "given_name", "family_name", "preferred_username", "locale", "email", "email_verified"},
		"claims_parameter_supported":            false,
		"request_parameter_supported":           false,
		"request_uri_parameter_supported":       false,
		"frontchannel_logout_supported":         true,
		"frontchannel_logout_session_supported": true,
		"backchannel_logout_supported":          true,
		"backchannel_logout_session_supported":  true,
	})
}

// scopesSupported can be had by every client that registers them. oxd is the one that oxd 4 wants
// of tokens for its commands.
var scopesSupported = []string{"openid", "profile", "email", "uma_protection", "oxd"}
