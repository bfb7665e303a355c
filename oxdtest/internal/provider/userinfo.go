// The userinfo and introspection endpoints.

package provider

import (
	"net/http"
	"slices"
	"strings"

	"example.com/oxdauth/oxdtest/internal/oauth"
)

// serveUserInfo answers OpenID Connect Core section 5.3.
func (t *tokens) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	token, ok := t.accessToken(oauth.Bearer(r))
	if !ok || token.grant.user == "" || !slices.Contains(token.scopes, "openid") {
		oauth.WriteInvalidToken(w, "the access token is invalid, expired or not for userinfo")
		return
	}
	claims := t.people.claims(token.grant.user, token.scopes)
	claims["sub"] = t.people.userInfoSub(token.grant.user)
	oauth.WriteJSON(w, http.StatusOK, claims)
}

// serveIntrospect answers RFC 7662 for access tokens and requesting party tokens, to clients and to
// resource servers.
func (t *tokens) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		oauth.BadRequest("invalid_request", "the form cannot be read").Write(w)
		return
	}
	if oauth.Bearer(r) != "" {
		if _, ok := t.protectionClient(w, r); !ok {
			return
		}
	} else if _, fault := t.clients.authenticate(r); fault != nil {
		fault.Write(w)
		return
	}
	oauth.WriteJSON(w, http.StatusOK, t.introspect(r.PostForm.Get("token")))
}

func (t *tokens) introspect(token string) map[string]any {
	if answer, known := t.introspectForeign(token); known {
		return answer
	}
	found, ok := t.accessToken(token)
	if !ok {
		return map[string]any{"active": false}
	}
	answer := map[string]any{
		"active": true, "client_id": found.grant.clientID, "scope": strings.Join(found.scopes, " "), "token_type": "bearer",
		"iss": t.issuer, "aud": found.grant.clientID, "iat": found.issued.Unix(), "exp": found.expires.Unix(),
	}
	if user, ok := t.people.byName[found.grant.user]; ok {
		answer["sub"] = user.sub
		answer["username"] = user.Name
		answer["acr_values"] = found.grant.acr
	}
	return answer
}
