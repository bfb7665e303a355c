package oxdtest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// This file holds the protection API of the UMA authorization server: its
// metadata, the resources and the permission tickets (Federated Authorization
// for UMA 2.0 sections 2 to 4).

// umaResource is a registered resource. It is replaced as a whole.
type umaResource struct {
	clientID    string
	ID          string   `json:"_id"`
	Name        string   `json:"name,omitempty"`
	Type        string   `json:"type,omitempty"`
	Description string   `json:"description,omitempty"`
	IconURI     string   `json:"icon_uri,omitempty"`
	Scopes      []string `json:"resource_scopes"`
}

// umaPermission is some scopes of one resource.
type umaPermission struct {
	ResourceID string   `json:"resource_id"`
	Scopes     []string `json:"resource_scopes"`
	Expires    int64    `json:"exp,omitempty"` // Unix seconds, in answers
}

// umaTicket is a permission ticket.
type umaTicket struct {
	clientID    string // the client that it was given to; "": no client yet
	permissions []umaPermission
	claims      umaClaims // gathered in the browser
	expires     time.Time
}

func (p *Provider) serveUMADiscovery(w http.ResponseWriter, _ *http.Request) {
	opWriteJSON(w, http.StatusOK, map[string]any{
		"issuer":                                p.URL,
		"authorization_endpoint":                p.URL + opPathAuthorize,
		"token_endpoint":                        p.URL + opPathToken,
		"introspection_endpoint":                p.URL + opPathIntrospect,
		"resource_registration_endpoint":        p.URL + umaPathResource,
		"permission_endpoint":                   p.URL + umaPathPermission,
		"claims_interaction_endpoint":           p.URL + umaPathGather,
		"registration_endpoint":                 p.URL + opPathRegister,
		"jwks_uri":                              p.URL + opPathJWKS,
		"response_types_supported":              []string{"code"},
		"grant_types_supported":                 opGrantTypes,
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"uma_profiles_supported":                []string{},
	})
}

func umaReadResource(r *http.Request) (*umaResource, *opError) {
	var res umaResource
	if json.NewDecoder(r.Body).Decode(&res) != nil {
		return nil, opBadRequest("invalid_request", "the body is not a resource description")
	}
	res.Scopes = slices.DeleteFunc(res.Scopes, func(s string) bool { return s == "" })
	if len(res.Scopes) == 0 {
		return nil, opBadRequest("invalid_request", "resource_scopes is missing")
	}
	return &res, nil
}

func (p *Provider) serveResourceCreate(w http.ResponseWriter, r *http.Request) {
	owner, ok := p.protectionToken(w, r)
	if !ok {
		return
	}
	res, fault := umaReadResource(r)
	if fault != nil {
		fault.write(w)
		return
	}
	res.clientID, res.ID = owner, opNewUUID()
	p.mu.Lock()
	full := len(p.resources) >= opMaxResources
	if !full {
		p.resources[res.ID] = res
	}
	p.mu.Unlock()
	if full {
		(&opError{http.StatusServiceUnavailable, "temporarily_unavailable", "there are too many resources"}).write(w)
		return
	}
	w.Header().Set("Location", p.URL+umaPathResource+"/"+res.ID)
	opWriteJSON(w, http.StatusCreated, map[string]string{"_id": res.ID})
}

func (p *Provider) serveResourceList(w http.ResponseWriter, r *http.Request) {
	owner, ok := p.protectionToken(w, r)
	if !ok {
		return
	}
	ids := []string{}
	p.mu.Lock()
	for id, res := range p.resources {
		if res.clientID == owner {
			ids = append(ids, id)
		}
	}
	p.mu.Unlock()
	slices.Sort(ids)
	opWriteJSON(w, http.StatusOK, ids)
}

func (p *Provider) serveResourceRead(w http.ResponseWriter, r *http.Request) {
	p.withResource(w, r, func(res *umaResource) { opWriteJSON(w, http.StatusOK, res) })
}

func (p *Provider) serveResourceUpdate(w http.ResponseWriter, r *http.Request) {
	p.withResource(w, r, func(old *umaResource) {
		res, fault := umaReadResource(r)
		if fault != nil {
			fault.write(w)
			return
		}
		res.clientID, res.ID = old.clientID, old.ID
		p.mu.Lock()
		p.resources[res.ID] = res
		p.mu.Unlock()
		opWriteJSON(w, http.StatusOK, map[string]string{"_id": res.ID})
	})
}

func (p *Provider) serveResourceDelete(w http.ResponseWriter, r *http.Request) {
	p.withResource(w, r, func(res *umaResource) {
		p.mu.Lock()
		delete(p.resources, res.ID)
		p.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
}

// withResource calls f with the resource of the path when it belongs to the
// resource server that asks.
func (p *Provider) withResource(w http.ResponseWriter, r *http.Request, f func(*umaResource)) {
	owner, ok := p.protectionToken(w, r)
	if !ok {
		return
	}
	p.mu.Lock()
	res := p.resources[r.PathValue("id")]
	p.mu.Unlock()
	if res == nil || res.clientID != owner {
		(&opError{http.StatusNotFound, "not_found", "the resource does not exist"}).write(w)
		return
	}
	f(res)
}

// servePermission gives out a permission ticket for one permission or a list.
func (p *Provider) servePermission(w http.ResponseWriter, r *http.Request) {
	owner, ok := p.protectionToken(w, r)
	if !ok {
		return
	}
	var body json.RawMessage
	var asked []umaPermission
	if json.NewDecoder(r.Body).Decode(&body) == nil && json.Unmarshal(body, &asked) != nil {
		asked = make([]umaPermission, 1)
		if json.Unmarshal(body, &asked[0]) != nil {
			asked = nil
		}
	}
	if len(asked) == 0 {
		opBadRequest("invalid_request", "the body is neither a permission nor a list of them").write(w)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	permissions := make([]umaPermission, 0, len(asked))
	for _, a := range asked {
		res := p.resources[a.ResourceID]
		if res == nil || res.clientID != owner {
			opBadRequest("invalid_resource_id", "the resource does not exist").write(w)
			return
		}
		for _, s := range a.Scopes {
			if !slices.Contains(res.Scopes, s) {
				opBadRequest("invalid_scope", "the scope is not registered for the resource").write(w)
				return
			}
		}
		permissions = append(permissions, umaPermission{ResourceID: a.ResourceID, Scopes: a.Scopes})
	}
	ticket := p.newTicket(&umaTicket{permissions: permissions})
	opWriteJSON(w, http.StatusCreated, map[string]string{"ticket": ticket})
}

// newTicket is called with the lock held. The store keeps the ticket longer
// than it lives, so that an expired one can be told from an unknown one.
func (p *Provider) newTicket(t *umaTicket) string {
	t.expires = time.Now().Add(p.knobs.ticketLifetime)
	key := opNewUUID()
	p.tickets.put(key, t, max(p.knobs.ticketLifetime, 0)+umaTicketLifetime)
	return key
}

// checkTicket is called with the lock held.
func (p *Provider) checkTicket(key, clientID string) (*umaTicket, *opError) {
	ticket, ok := p.tickets.get(key)
	switch {
	case !ok || ticket.clientID != "" && ticket.clientID != clientID:
		return nil, opBadRequest("invalid_ticket", "the ticket is unknown or has been used")
	case !time.Now().Before(ticket.expires):
		return nil, opBadRequest("expired_ticket", "the ticket has expired")
	}
	return ticket, nil
}

// umaNewToken has the shape that oxAuth gives to RPTs and PCTs: a UUID and a
// generated suffix.
func umaNewToken() string {
	t := rand.Text()
	return opNewUUID() + "_" + t[0:4] + "." + t[4:8] + "." + t[8:12] + "." + t[12:16]
}
