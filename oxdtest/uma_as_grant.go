package oxdtest

import (
	"net/http"
	"net/url"
	"slices"
	"time"
)

// This file holds the UMA grant: from a permission ticket to a requesting
// party token (UMA 2.0 Grant section 3.3). The error codes are those of
// oxAuth, which differ from the specification.

// umaRPT is a requesting party token.
type umaRPT struct {
	clientID        string
	permissions     []umaPermission
	issued, expires time.Time
}

// umaPCT is a persisted claims token: what a client's requesting party told
// earlier.
type umaPCT struct {
	clientID string
	claims   umaClaims
}

// umaIDTokenFormat is the only claim token format.
const umaIDTokenFormat = "http://openid.net/specs/openid-connect-core-1_0.html#IDToken"

// RevokeRPT makes a requesting party token inactive at once. It reports
// whether there was such a token.
func (p *Provider) RevokeRPT(rpt string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.rpts.take(rpt)
	return ok
}

func (p *Provider) serveTicketGrant(w http.ResponseWriter, client *opClient, form url.Values) {
	p.mu.Lock()
	defer p.mu.Unlock()
	status, answer, fault := p.grantTicket(client, form)
	if fault != nil {
		fault.write(w)
		return
	}
	opWriteJSON(w, status, answer)
}

// grantTicket is called with the lock held.
func (p *Provider) grantTicket(client *opClient, form url.Values) (status int, answer map[string]any, fault *opError) {
	pushed, fault := p.readClaimToken(client, form)
	if fault != nil {
		return 0, nil, fault
	}
	pctKey := form.Get("pct")
	pct, ok := p.pcts.get(pctKey)
	if pctKey != "" && (!ok || pct.clientID != client.id) {
		return 0, nil, opBadRequest("invalid_pct", "the persisted claims token is unknown")
	}
	rptKey := form.Get("rpt")
	rpt, ok := p.rpts.get(rptKey)
	if rptKey != "" && (!ok || rpt.clientID != client.id) {
		return 0, nil, opBadRequest("invalid_rpt", "the requesting party token is unknown")
	}
	ticket, fault := p.checkTicket(form.Get("ticket"), client.id)
	if fault != nil {
		return 0, nil, fault
	}
	permissions, fault := p.addScopes(ticket.permissions, opScopes(form.Get("scope")))
	if fault != nil {
		return 0, nil, fault
	}
	// From here on the ticket is used, whatever comes of it.
	p.tickets.drop(form.Get("ticket"))
	if pct == nil {
		pct, pctKey = &umaPCT{clientID: client.id}, umaNewToken()
	}
	claims := umaMerge(pct.claims, ticket.claims, pushed)
	decision := p.decide(permissions, claims)
	switch {
	case decision.denied:
		return 0, nil, &opError{http.StatusForbidden, "forbidden_by_policy", "the policies refuse this"}
	case len(decision.push)+len(decision.gather) > 0:
		next := &umaTicket{clientID: client.id, permissions: permissions, claims: umaMerge(ticket.claims, pushed)}
		return http.StatusForbidden, p.needInfo(client, p.newTicket(next), decision), nil
	}
	p.pcts.put(pctKey, &umaPCT{client.id, claims}, umaPCTLifetime)
	upgraded := rpt != nil
	if !upgraded {
		now := time.Now()
		rpt, rptKey = &umaRPT{clientID: client.id, issued: now, expires: now.Add(umaRPTLifetime)}, umaNewToken()
		p.rpts.put(rptKey, rpt, umaRPTLifetime)
	}
	rpt.add(permissions)
	return http.StatusOK, map[string]any{
		"access_token": rptKey, "token_type": "Bearer", "pct": pctKey, "upgraded": upgraded,
	}, nil
}

// needInfo has these keys and no others: oxd takes every other body for a
// failure.
func (p *Provider) needInfo(client *opClient, ticket string, d umaDecision) map[string]any {
	answer := map[string]any{"error": "need_info", "ticket": ticket}
	if len(d.push) > 0 {
		required := make([]map[string]any, 0, len(d.push))
		for _, name := range d.push {
			required = append(required, map[string]any{
				"name": name, "friendly_name": name, "claim_type": "string",
				"issuer": []string{p.URL}, "claim_token_format": []string{umaIDTokenFormat},
			})
		}
		answer["required_claims"] = required
	}
	if len(d.gather) > 0 {
		answer["redirect_user"] = p.URL + umaPathGather +
			"?client_id=" + url.QueryEscape(client.id) + "&ticket=" + ticket
	}
	return answer
}

// readClaimToken returns the claims of a pushed ID token. It must have been
// issued to the client that pushes it.
func (p *Provider) readClaimToken(client *opClient, form url.Values) (umaClaims, *opError) {
	token, format := form.Get("claim_token"), form.Get("claim_token_format")
	switch {
	case token == "" && format == "":
		return nil, nil
	case token == "":
		return nil, opBadRequest("invalid_claim_token", "claim_token is missing")
	case format != umaIDTokenFormat:
		return nil, opBadRequest("invalid_claim_token_format", "the only format is that of ID tokens")
	}
	claims, err := opVerify(token)
	expires, _ := claims["exp"].(float64)
	if err != nil || claims["iss"] != p.URL || claims["aud"] != client.id || float64(time.Now().Unix()) >= expires {
		return nil, opBadRequest("invalid_claim_token", "the claim token is not a valid ID token of the client")
	}
	return umaReadClaims(claims), nil
}

// addScopes adds the scopes of the request to the permissions of those
// resources that have them.
func (p *Provider) addScopes(permissions []umaPermission, scopes []string) ([]umaPermission, *opError) {
	out := make([]umaPermission, 0, len(permissions))
	for _, permission := range permissions {
		permission.Scopes = slices.Clone(permission.Scopes)
		out = append(out, permission)
	}
	for _, scope := range scopes {
		found := false
		for i, permission := range out {
			res := p.resources[permission.ResourceID]
			if res == nil || !slices.Contains(res.Scopes, scope) {
				continue
			}
			found = true
			if !slices.Contains(permission.Scopes, scope) {
				out[i].Scopes = append(permission.Scopes, scope)
			}
		}
		if !found {
			return nil, opBadRequest("invalid_scope", "no resource of the ticket has the scope "+scope)
		}
	}
	return out, nil
}

// add merges the permissions into the token. They end with it.
func (t *umaRPT) add(permissions []umaPermission) {
	for _, permission := range permissions {
		at := slices.IndexFunc(t.permissions, func(have umaPermission) bool {
			return have.ResourceID == permission.ResourceID
		})
		if at < 0 {
			permission.Expires = t.expires.Unix()
			t.permissions = append(t.permissions, permission)
			continue
		}
		for _, scope := range permission.Scopes {
			if !slices.Contains(t.permissions[at].Scopes, scope) {
				t.permissions[at].Scopes = append(t.permissions[at].Scopes, scope)
			}
		}
	}
}

// introspectRPT is called with the lock held. Permissions for resources that
// are gone are left out.
func (p *Provider) introspectRPT(t *umaRPT) map[string]any {
	permissions := []umaPermission{}
	for _, permission := range t.permissions {
		if _, exists := p.resources[permission.ResourceID]; exists {
			permission.Scopes = slices.Clone(permission.Scopes)
			permissions = append(permissions, permission)
		}
	}
	return map[string]any{
		"active": true, "client_id": t.clientID, "token_type": "Bearer",
		"iat": t.issued.Unix(), "exp": t.expires.Unix(), "permissions": permissions,
	}
}
