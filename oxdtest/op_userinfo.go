package oxdtest

import (
	"net/http"
	"slices"
	"strings"
)

// This file holds the userinfo and introspection endpoints.

// serveUserInfo answers OpenID Connect Core section 5.3.
func (p *Provider) serveUserInfo(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	token, ok := p.accessToken(opBearer(r))
	ok = ok && token.grant.user != "" && slices.Contains(token.scopes, "openid")
	var claims map[string]any
	if ok {
		user := p.users[token.grant.user]
		claims = user.claimsFor(token.scopes)
		claims["sub"] = user.sub
		if user.userInfoSub != "" {
			claims["sub"] = user.userInfoSub
		}
	}
	p.mu.Unlock()
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		(&opError{http.StatusUnauthorized, "invalid_token", "the access token is invalid, expired or not for userinfo"}).write(w)
		return
	}
	opWriteJSON(w, http.StatusOK, claims)
}

// serveIntrospect answers RFC 7662 for access tokens and requesting party
// tokens, to clients and to resource servers.
func (p *Provider) serveIntrospect(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		opBadRequest("invalid_request", "the form cannot be read").write(w)
		return
	}
	if opBearer(r) != "" {
		if _, ok := p.protectionToken(w, r); !ok {
			return
		}
	} else if _, fault := p.authenticateClient(r); fault != nil {
		fault.write(w)
		return
	}
	opWriteJSON(w, http.StatusOK, p.introspect(r.PostForm.Get("token")))
}

func (p *Provider) introspect(token string) map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rpt, ok := p.rpts.get(token); ok {
		return p.introspectRPT(rpt)
	}
	t, ok := p.accessToken(token)
	if !ok {
		return map[string]any{"active": false}
	}
	answer := map[string]any{
		"active": true, "client_id": t.grant.clientID, "scope": strings.Join(t.scopes, " "), "token_type": "bearer",
		"iss": p.URL, "aud": t.grant.clientID, "iat": t.issued.Unix(), "exp": t.expires.Unix(),
	}
	if user, ok := p.users[t.grant.user]; ok {
		answer["sub"] = user.sub
		answer["username"] = user.Name
		answer["acr_values"] = t.grant.acr
	}
	return answer
}
