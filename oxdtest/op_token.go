package oxdtest

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// This file holds the token endpoint (RFC 6749 section 3.2, OpenID Connect
// Core section 3.1.3) except for the UMA grant.

func (p *Provider) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		opBadRequest("invalid_request", "the form cannot be read").write(w)
		return
	}
	if name := opDuplicate(r.PostForm); name != "" {
		opBadRequest("invalid_request", "the parameter "+name+" is there more than once").write(w)
		return
	}
	client, fault := p.authenticateClient(r)
	if fault != nil {
		fault.write(w)
		return
	}
	var answer map[string]any
	switch grant := r.PostForm.Get("grant_type"); grant {
	case "":
		fault = opBadRequest("invalid_request", "grant_type is missing")
	case umaGrantTicket:
		// oxAuth asks no client to register this grant, and clients of oxd
		// do not.
		p.serveTicketGrant(w, client, r.PostForm)
		return
	case opGrantCode, opGrantRefresh, opGrantClient:
		if !client.mayUse(grant) {
			fault = opBadRequest("unauthorized_client", "the client has not registered the grant type "+grant)
			break
		}
		switch grant {
		case opGrantCode:
			answer, fault = p.redeemCode(client, r.PostForm)
		case opGrantRefresh:
			answer, fault = p.refreshTokens(r, client)
		case opGrantClient:
			answer, fault = p.clientToken(client, r.PostForm)
		}
	default:
		fault = opBadRequest("unsupported_grant_type", "the grant type is not supported")
	}
	if fault != nil {
		fault.write(w)
		return
	}
	opWriteJSON(w, http.StatusOK, answer)
}

func opInvalidGrant(description string) *opError { return opBadRequest("invalid_grant", description) }

func (p *Provider) redeemCode(client *opClient, form url.Values) (map[string]any, *opError) {
	p.mu.Lock()
	code, ok := p.codes.get(form.Get("code"))
	if fault := p.checkCode(code, ok, client, form); fault != nil {
		p.mu.Unlock()
		return nil, fault
	}
	code.used = true
	grant := code.grant
	answer, token := p.issueAccess(grant, grant.scopes)
	if p.knobs.refreshTokens && client.mayUse(opGrantRefresh) {
		answer["refresh_token"] = p.issueRefresh(grant)
	}
	claims := p.idTokenClaims(grant, token)
	p.mu.Unlock()

	// Signing takes longest by far and needs no lock.
	idToken, err := opSign(claims)
	if err != nil {
		return nil, &opError{http.StatusInternalServerError, "server_error", "a claim of the user cannot be written as JSON"}
	}
	answer["id_token"] = idToken
	return answer, nil
}

// checkCode is called with the lock held.
func (p *Provider) checkCode(code *opCode, ok bool, client *opClient, form url.Values) *opError {
	switch {
	case !ok || code.grant.clientID != client.id:
		return opInvalidGrant("the code is unknown")
	case code.used:
		// RFC 6749 section 4.1.2: one of the two who presented the code has
		// stolen it, so nobody keeps its tokens.
		code.grant.revoked = true
		p.counts.codeReuses++
		return opInvalidGrant("the code has been used")
	case !time.Now().Before(code.expires):
		return opInvalidGrant("the code has expired")
	case form.Get("redirect_uri") != code.redirectURI:
		p.codes.drop(form.Get("code"))
		return opInvalidGrant("the redirect_uri is not that of the authorization request")
	}
	return nil
}

// refreshTokens replaces a refresh token by a new one. A token that comes a
// second time ends the whole login.
func (p *Provider) refreshTokens(r *http.Request, client *opClient) (map[string]any, *opError) {
	p.mu.Lock()
	delay := p.knobs.refreshDelay
	p.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-r.Context().Done():
			return nil, &opError{http.StatusServiceUnavailable, "temporarily_unavailable", "the request was given up"}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	presented := r.PostForm.Get("refresh_token")
	token, ok := p.refresh.get(presented)
	switch {
	case !ok || token.grant.clientID != client.id:
		return nil, opInvalidGrant("the refresh token is unknown")
	case token.grant.revoked:
		return nil, opInvalidGrant("the refresh token has been revoked")
	case token.replaced:
		token.grant.revoked = true
		p.counts.reuseDetected++
		return nil, opInvalidGrant("the refresh token has been replaced before")
	}
	scopes := token.grant.scopes
	if asked := opScopes(r.PostForm.Get("scope")); len(asked) > 0 {
		for _, s := range asked {
			// oxd adds openid whatever was granted.
			if s != "openid" && !slices.Contains(scopes, s) {
				return nil, opBadRequest("invalid_scope", "the scope "+s+" was not granted")
			}
		}
		scopes = slices.DeleteFunc(slices.Clone(scopes), func(s string) bool { return !slices.Contains(asked, s) })
	}
	token.replaced = true
	answer, _ := p.issueAccess(token.grant, scopes)
	answer["refresh_token"] = p.issueRefresh(token.grant)
	p.counts.refreshes++
	return answer, nil
}

func (p *Provider) clientToken(client *opClient, form url.Values) (map[string]any, *opError) {
	scopes := client.grantScopes(opScopes(form.Get("scope")))
	if len(scopes) == 0 {
		return nil, opBadRequest("invalid_scope", "the client has registered none of the scopes")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	answer, _ := p.issueAccess(&opGrant{clientID: client.id, scopes: scopes}, scopes)
	return answer, nil
}

// idTokenClaims is called with the lock held.
func (p *Provider) idTokenClaims(grant *opGrant, accessToken string) map[string]any {
	user, now := p.users[grant.user], time.Now()
	claims := user.claimsFor(grant.scopes)
	maps.Copy(claims, map[string]any{
		"iss": p.URL, "sub": user.sub, "exp": now.Add(opIDTokenLifetime).Unix(), "iat": now.Unix(),
		// Text, not a list: oxd refuses lists, even of one.
		"aud":     grant.clientID,
		"at_hash": opTokenHash(accessToken), "acr": grant.acr, "amr": grant.amr,
		"auth_time": grant.authTime.Add(-p.knobs.authTimeAge).Unix(), "sid": grant.sid,
	})
	if p.knobs.authTimeAge < 0 {
		delete(claims, "auth_time")
	}
	if grant.nonce != "" {
		claims["nonce"] = grant.nonce
	}
	if n := p.knobs.padding / 3; n > 0 {
		// Four characters of a JWT carry three bytes of its payload.
		claims["padding"] = opFiller(n / 4 * 3)
	}
	return claims
}
