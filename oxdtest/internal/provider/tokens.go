// The token endpoint (RFC 6749 section 3.2, OpenID Connect Core section 3.1.3).

package provider

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"example.com/oxdauth/oxdtest/internal/oauth"
)

func (t *tokens) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		oauth.BadRequest("invalid_request", "the form cannot be read").Write(w)
		return
	}
	if name := oauth.Duplicate(r.PostForm); name != "" {
		oauth.BadRequest("invalid_request", "the parameter "+name+" is there more than once").Write(w)
		return
	}
	client, fault := t.clients.authenticate(r)
	if fault != nil {
		fault.Write(w)
		return
	}
	if serve := t.foreign[r.PostForm.Get("grant_type")]; serve != nil {
		serve(w, client, r.PostForm)
		return
	}
	var answer map[string]any
	switch grant := r.PostForm.Get("grant_type"); grant {
	case "":
		fault = oauth.BadRequest("invalid_request", "grant_type is missing")
	case grantCode, grantRefresh, grantClient:
		if !client.mayUse(grant) {
			fault = oauth.BadRequest("unauthorized_client", "the client has not registered the grant type "+grant)
			break
		}
		switch grant {
		case grantCode:
			answer, fault = t.redeemCode(client, r.PostForm)
		case grantRefresh:
			answer, fault = t.refreshTokens(r, client)
		case grantClient:
			answer, fault = t.clientToken(client, r.PostForm)
		}
	default:
		fault = oauth.BadRequest("unsupported_grant_type", "the grant type is not supported")
	}
	if fault != nil {
		fault.Write(w)
		return
	}
	oauth.WriteJSON(w, http.StatusOK, answer)
}

func invalidGrant(description string) *oauth.Error {
	return oauth.BadRequest("invalid_grant", description)
}

func (t *tokens) redeemCode(client *Client, form url.Values) (map[string]any, *oauth.Error) {
	t.mu.Lock()
	code, ok := t.codes.Get(form.Get("code"))
	if fault := t.checkCode(code, ok, client, form); fault != nil {
		t.mu.Unlock()
		return nil, fault
	}
	code.used = true
	grant := code.grant
	answer, token := t.issueAccess(grant, grant.scopes)
	if t.knobs.get().RefreshTokens && client.mayUse(grantRefresh) {
		answer["refresh_token"] = t.issueRefresh(grant)
	}
	claims := t.idTokenClaims(grant, token)
	t.mu.Unlock()

	// Signing takes longest by far and needs no lock.
	idToken, err := sign(claims)
	if err != nil {
		return nil, &oauth.Error{
			Status: http.StatusInternalServerError, Code: "server_error",
			Description: "a claim of the user cannot be written as JSON",
		}
	}
	answer["id_token"] = idToken
	return answer, nil
}

// checkCode is called with the lock held.
func (t *tokens) checkCode(code *code, ok bool, client *Client, form url.Values) *oauth.Error {
	switch {
	case !ok || code.grant.clientID != client.ID:
		return invalidGrant("the code is unknown")
	case code.used:
		// RFC 6749 section 4.1.2: one of the two who presented the code has
		// stolen it, so nobody keeps its tokens.
		code.grant.revoked = true
		t.knobs.count(func(c *Counts) { c.CodeReuses++ })
		return invalidGrant("the code has been used")
	case !time.Now().Before(code.expires):
		return invalidGrant("the code has expired")
	case form.Get("redirect_uri") != code.redirectURI:
		t.codes.Drop(form.Get("code"))
		return invalidGrant("the redirect_uri is not that of the authorization request")
	}
	return nil
}

// refreshTokens replaces a refresh token by a new one. A token that comes a
// second time ends the whole login.
func (t *tokens) refreshTokens(r *http.Request, client *Client) (map[string]any, *oauth.Error) {
	if delay := t.knobs.get().RefreshDelay; delay > 0 {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return nil, oauth.Unavailable("the request was given up")
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	presented := r.PostForm.Get("refresh_token")
	token, ok := t.refresh.Get(presented)
	switch {
	case !ok || token.grant.clientID != client.ID:
		return nil, invalidGrant("the refresh token is unknown")
	case token.grant.revoked:
		return nil, invalidGrant("the refresh token has been revoked")
	case token.replaced:
		token.grant.revoked = true
		t.knobs.count(func(c *Counts) { c.ReuseDetected++ })
		return nil, invalidGrant("the refresh token has been replaced before")
	}
	scopes := token.grant.scopes
	if asked := oauth.Scopes(r.PostForm.Get("scope")); len(asked) > 0 {
		for _, s := range asked {
			// oxd adds openid whatever was granted.
			if s != "openid" && !slices.Contains(scopes, s) {
				return nil, oauth.BadRequest("invalid_scope", "the scope "+s+" was not granted")
			}
		}
		scopes = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return !slices.Contains(asked, s) })
	}
	token.replaced = true
	answer, _ := t.issueAccess(token.grant, scopes)
	answer["refresh_token"] = t.issueRefresh(token.grant)
	t.knobs.count(func(c *Counts) { c.Refreshes++ })
	return answer, nil
}

func (t *tokens) clientToken(client *Client, form url.Values) (map[string]any, *oauth.Error) {
	scopes := client.grantScopes(oauth.Scopes(form.Get("scope")))
	if len(scopes) == 0 {
		return nil, oauth.BadRequest("invalid_scope", "the client has registered none of the scopes")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	answer, _ := t.issueAccess(&grant{clientID: client.ID, scopes: scopes}, scopes)
	return answer, nil
}

// idTokenClaims returns the claims of the ID token of a grant.
func (t *tokens) idTokenClaims(g *grant, accessToken string) map[string]any {
	settings, now := t.knobs.get(), time.Now()
	claims := t.people.claims(g.user, g.scopes)
	maps.Copy(claims, map[string]any{
		"iss": t.issuer, "sub": t.people.byName[g.user].sub, "exp": now.Add(idTokenLifetime).Unix(), "iat": now.Unix(),
		// Text, not a list: oxd refuses lists, even of one.
		"aud":     g.clientID,
		"at_hash": tokenHash(accessToken), "acr": g.acr, "amr": g.amr,
		"auth_time": g.authTime.Add(-settings.AuthTimeAge).Unix(), "sid": g.sid,
	})
	if settings.AuthTimeAge < 0 {
		delete(claims, "auth_time")
	}
	if g.nonce != "" {
		claims["nonce"] = g.nonce
	}
	if n := settings.Padding / 3; n > 0 {
		// Four characters of a JWT carry three bytes of its payload.
		claims["padding"] = filler(n / 4 * 3)
	}
	return claims
}
