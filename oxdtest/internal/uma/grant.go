// The UMA grant: from a permission ticket to a requesting party token (UMA 2.0 Grant section 3.3).
// The error codes are those of oxAuth, which differ from the specification.

package uma

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"example.com/oxdauth/oxdtest/internal/oauth"
	"example.com/oxdauth/oxdtest/internal/provider"
)

// rptState is a requesting party token.
type rptState struct {
	clientID        string
	permissions     []permission
	issued, expires time.Time
}

// pctState is a persisted claims token: the claims of a client's requesting party from an earlier
// grant.
type pctState struct {
	clientID string
	claims   partyClaims
}

// idTokenFormat is the only claim token format.
const idTokenFormat = "http://openid.net/specs/openid-connect-core-1_0.html#IDToken"

// RevokeRPT makes a requesting party token inactive at once. It reports
// whether there was such a token.
func (s *Server) RevokeRPT(rpt string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.rpts.Take(rpt)
	return ok
}

func (s *Server) serveGrant(w http.ResponseWriter, client *provider.Client, form url.Values) {
	s.mu.Lock()
	defer s.mu.Unlock()
	status, answer, fault := s.grantTicket(client, form)
	if fault != nil {
		fault.Write(w)
		return
	}
	oauth.WriteJSON(w, status, answer)
}

// grantTicket is called with the lock held.
func (s *Server) grantTicket(client *provider.Client, form url.Values) (status int, answer map[string]any, fault *oauth.Error) {
	pushed, fault := readClaimToken(s.provider, client, form)
	if fault != nil {
		return 0, nil, fault
	}
	pctKey := form.Get("pct")
	pct, ok := s.pcts.Get(pctKey)
	if pctKey != "" && (!ok || pct.clientID != client.ID) {
		return 0, nil, oauth.BadRequest("invalid_pct", "the persisted claims token is unknown")
	}
	rptKey := form.Get("rpt")
	rpt, ok := s.rpts.Get(rptKey)
	if rptKey != "" && (!ok || rpt.clientID != client.ID) {
		return 0, nil, oauth.BadRequest("invalid_rpt", "the requesting party token is unknown")
	}
	ticket, fault := s.checkTicket(form.Get("ticket"), client.ID)
	if fault != nil {
		return 0, nil, fault
	}
	permissions, fault := addScopes(s.resources, ticket.permissions, oauth.Scopes(form.Get("scope")))
	if fault != nil {
		return 0, nil, fault
	}
	// From here on the ticket is used, whatever comes of it.
	s.tickets.Drop(form.Get("ticket"))
	if pct == nil {
		pct, pctKey = &pctState{clientID: client.ID}, newToken()
	}
	claims := merge(pct.claims, ticket.claims, pushed)
	verdict := s.decide(permissions, claims)
	switch {
	case verdict.denied:
		return 0, nil, &oauth.Error{
			Status: http.StatusForbidden, Code: "forbidden_by_policy", Description: "the policies refuse this",
		}
	case len(verdict.push)+len(verdict.gather) > 0:
		next := &ticketState{clientID: client.ID, permissions: permissions, claims: merge(ticket.claims, pushed)}
		return http.StatusForbidden, needInfo(s.issuer, client, s.newTicket(next), verdict), nil
	}
	s.pcts.Put(pctKey, &pctState{client.ID, claims}, pctLifetime)
	upgraded := rpt != nil
	if !upgraded {
		now := time.Now()
		rpt, rptKey = &rptState{clientID: client.ID, issued: now, expires: now.Add(rptLifetime)}, newToken()
		s.rpts.Put(rptKey, rpt, rptLifetime)
	}
	rpt.add(permissions)
	return http.StatusOK, map[string]any{
		"access_token": rptKey, "token_type": "Bearer", "pct": pctKey, "upgraded": upgraded,
	}, nil
}

// needInfo has these keys and no others: oxd takes every other body for a
// failure.
func needInfo(issuer string, client *provider.Client, ticket string, d verdict) map[string]any {
	answer := map[string]any{"error": "need_info", "ticket": ticket}
	if len(d.push) > 0 {
		required := make([]map[string]any, 0, len(d.push))
		for _, name := range d.push {
			required = append(required, map[string]any{
				"name": name, "friendly_name": name, "claim_type": "string",
				"issuer": []string{issuer}, "claim_token_format": []string{idTokenFormat},
			})
		}
		answer["required_claims"] = required
	}
	if len(d.gather) > 0 {
		answer["redirect_user"] = issuer + pathGather +
			"?client_id=" + url.QueryEscape(client.ID) + "&ticket=" + ticket
	}
	return answer
}

// readClaimToken returns the claims of a pushed ID token. It must have been
// issued to the client that pushes it.
func readClaimToken(p *provider.Provider, client *provider.Client, form url.Values) (partyClaims, *oauth.Error) {
	token, format := form.Get("claim_token"), form.Get("claim_token_format")
	switch {
	case token == "" && format == "":
		return nil, nil
	case token == "":
		return nil, oauth.BadRequest("invalid_claim_token", "claim_token is missing")
	case format != idTokenFormat:
		return nil, oauth.BadRequest("invalid_claim_token_format", "the only format is that of ID tokens")
	}
	claims, ok := p.IDTokenClaims(token, client.ID)
	if !ok {
		return nil, oauth.BadRequest("invalid_claim_token", "the claim token is not a valid ID token of the client")
	}
	return readClaims(claims), nil
}

// addScopes adds the scopes of the request to the permissions of those
// resources that have them.
func addScopes(resources map[string]*resourceSet, permissions []permission, scopes []string) ([]permission, *oauth.Error) {
	out := make([]permission, 0, len(permissions))
	for _, p := range permissions {
		p.Scopes = slices.Clone(p.Scopes)
		out = append(out, p)
	}
	for _, scope := range scopes {
		found := false
		for i, p := range out {
			res := resources[p.ResourceID]
			if res == nil || !slices.Contains(res.Scopes, scope) {
				continue
			}
			found = true
			if !slices.Contains(p.Scopes, scope) {
				out[i].Scopes = append(p.Scopes, scope)
			}
		}
		if !found {
			return nil, oauth.BadRequest("invalid_scope", "no resource of the ticket has the scope "+scope)
		}
	}
	return out, nil
}

// add merges the permissions into the token. They end with it.
func (t *rptState) add(permissions []permission) {
	for _, p := range permissions {
		at := slices.IndexFunc(t.permissions, func(have permission) bool {
			return have.ResourceID == p.ResourceID
		})
		if at < 0 {
			p.Expires = t.expires.Unix()
			t.permissions = append(t.permissions, p)
			continue
		}
		for _, scope := range p.Scopes {
			if !slices.Contains(t.permissions[at].Scopes, scope) {
				t.permissions[at].Scopes = append(t.permissions[at].Scopes, scope)
			}
		}
	}
}

// introspect answers RFC 7662 for requesting party tokens (Federated Authorization for UMA 2.0
// section 5.1.1). Permissions for resources that are gone are left out.
func (s *Server) introspect(token string) (answer map[string]any, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.rpts.Get(token)
	if !ok {
		return nil, false
	}
	permissions := []permission{}
	for _, p := range t.permissions {
		if _, exists := s.resources[p.ResourceID]; exists {
			p.Scopes = slices.Clone(p.Scopes)
			permissions = append(permissions, p)
		}
	}
	return map[string]any{
		"active": true, "client_id": t.clientID, "token_type": "Bearer",
		"iat": t.issued.Unix(), "exp": t.expires.Unix(), "permissions": permissions,
	}, true
}
