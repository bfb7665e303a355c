package oxdtest

import (
	"net/http"
	"slices"
)

// serveDiscovery answers OpenID Connect Discovery 1.0 section 4.
func (p *Provider) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	opWriteJSON(w, http.StatusOK, map[string]any{
		"issuer":                                p.URL,
		"authorization_endpoint":                p.URL + opPathAuthorize,
		"token_endpoint":                        p.URL + opPathToken,
		"userinfo_endpoint":                     p.URL + opPathUserInfo,
		"jwks_uri":                              p.URL + opPathJWKS,
		"registration_endpoint":                 p.URL + opPathRegister,
		"end_session_endpoint":                  p.URL + opPathEndSession,
		"introspection_endpoint":                p.URL + opPathIntrospect,
		"scopes_supported":                      opScopesSupported,
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"grant_types_supported":                 opGrantTypes,
		"acr_values_supported":                  p.acrsSupported(),
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

// opScopesSupported can be had by every client that registers them. oxd is the one that oxd 4 wants of tokens for its
// commands.
var opScopesSupported = []string{"openid", "profile", "email", "uma_protection", "oxd"}

func (p *Provider) acrsSupported() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var acrs []string
	for _, name := range p.userNames {
		for _, acr := range p.users[name].ACRs {
			if !slices.Contains(acrs, acr) {
				acrs = append(acrs, acr)
			}
		}
	}
	return acrs
}
