// The protection API: the resources and the permission tickets (Federated Authorization for UMA 2.0
// sections 2 to 4).

package uma

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"example.com/oxdauth/oxdtest/internal/oauth"
)

// resourceSet is a registered resource. It is replaced as a whole.
type resourceSet struct {
	clientID    string
	ID          string   `json:"_id"`
	Name        string   `json:"name,omitempty"`
	Type        string   `json:"type,omitempty"`
	Description string   `json:"description,omitempty"`
	IconURI     string   `json:"icon_uri,omitempty"`
	Scopes      []string `json:"resource_scopes"`
}

// permission is some scopes of one resource.
type permission struct {
	ResourceID string   `json:"resource_id"`
	Scopes     []string `json:"resource_scopes"`
	Expires    int64    `json:"exp,omitempty"` // Unix seconds, in answers
}

// ticketState is a permission ticket.
type ticketState struct {
	clientID    string // the client that it belongs to; "": no client yet
	permissions []permission
	claims      partyClaims // gathered in the browser
	expires     time.Time
}

func readResource(r *http.Request) (*resourceSet, *oauth.Error) {
	var res resourceSet
	if json.NewDecoder(r.Body).Decode(&res) != nil {
		return nil, oauth.BadRequest("invalid_request", "the body is not a resource description")
	}
	res.Scopes = slices.DeleteFunc(res.Scopes, func(s string) bool { return s == "" })
	if len(res.Scopes) == 0 {
		return nil, oauth.BadRequest("invalid_request", "resource_scopes is missing")
	}
	return &res, nil
}

func (s *Server) serveResourceCreate(w http.ResponseWriter, r *http.Request) {
	owner, ok := s.provider.ProtectionClient(w, r)
	if !ok {
		return
	}
	res, fault := readResource(r)
	if fault != nil {
		fault.Write(w)
		return
	}
	res.clientID, res.ID = owner, oauth.NewUUID()
	s.mu.Lock()
	full := len(s.resources) >= maxResources
	if !full {
		s.resources[res.ID] = res
	}
	s.mu.Unlock()
	if full {
		oauth.Unavailable("there are too many resources").Write(w)
		return
	}
	w.Header().Set("Location", s.issuer+pathResource+"/"+res.ID)
	oauth.WriteJSON(w, http.StatusCreated, map[string]string{"_id": res.ID})
}

func (s *Server) serveResourceList(w http.ResponseWriter, r *http.Request) {
	owner, ok := s.provider.ProtectionClient(w, r)
	if !ok {
		return
	}
	ids := []string{}
	s.mu.Lock()
	for id, res := range s.resources {
		if res.clientID == owner {
			ids = append(ids, id)
		}
	}
	s.mu.Unlock()
	slices.Sort(ids)
	oauth.WriteJSON(w, http.StatusOK, ids)
}

func (s *Server) serveResourceRead(w http.ResponseWriter, r *http.Request) {
	s.withResource(w, r, func(res *resourceSet) { oauth.WriteJSON(w, http.StatusOK, res) })
}

func (s *Server) serveResourceUpdate(w http.ResponseWriter, r *http.Request) {
	s.withResource(w, r, func(old *resourceSet) {
		res, fault := readResource(r)
		if fault != nil {
			fault.Write(w)
			return
		}
		res.clientID, res.ID = old.clientID, old.ID
		s.mu.Lock()
		s.resources[res.ID] = res
		s.mu.Unlock()
		oauth.WriteJSON(w, http.StatusOK, map[string]string{"_id": res.ID})
	})
}

func (s *Server) serveResourceDelete(w http.ResponseWriter, r *http.Request) {
	s.withResource(w, r, func(res *resourceSet) {
		s.mu.Lock()
		delete(s.resources, res.ID)
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
}

// withResource calls f with the resource of the path when it belongs to the
// resource server that asks.
func (s *Server) withResource(w http.ResponseWriter, r *http.Request, f func(*resourceSet)) {
	owner, ok := s.provider.ProtectionClient(w, r)
	if !ok {
		return
	}
	s.mu.Lock()
	res := s.resources[r.PathValue("id")]
	s.mu.Unlock()
	if res == nil || res.clientID != owner {
		(&oauth.Error{
			Status: http.StatusNotFound, Code: "not_found", Description: "the resource does not exist",
		}).Write(w)
		return
	}
	f(res)
}

// servePermission issues a permission ticket for one permission or a list.
func (s *Server) servePermission(w http.ResponseWriter, r *http.Request) {
	owner, ok := s.provider.ProtectionClient(w, r)
	if !ok {
		return
	}
	var body json.RawMessage
	var asked []permission
	if json.NewDecoder(r.Body).Decode(&body) == nil && json.Unmarshal(body, &asked) != nil {
		asked = make([]permission, 1)
		if json.Unmarshal(body, &asked[0]) != nil {
			asked = nil
		}
	}
	if len(asked) == 0 {
		oauth.BadRequest("invalid_request", "the body is neither a permission nor a list of them").Write(w)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	permissions := make([]permission, 0, len(asked))
	for _, a := range asked {
		res := s.resources[a.ResourceID]
		if res == nil || res.clientID != owner {
			oauth.BadRequest("invalid_resource_id", "the resource does not exist").Write(w)
			return
		}
		for _, scope := range a.Scopes {
			if !slices.Contains(res.Scopes, scope) {
				oauth.BadRequest("invalid_scope", "the scope is not registered for the resource").Write(w)
				return
			}
		}
		permissions = append(permissions, permission{ResourceID: a.ResourceID, Scopes: a.Scopes})
	}
	ticket := s.newTicket(&ticketState{permissions: permissions})
	oauth.WriteJSON(w, http.StatusCreated, map[string]string{"ticket": ticket})
}

// newTicket is called with the lock held. The store keeps the ticket longer
// than it lives, so that an expired one is distinguished from an unknown one.
func (s *Server) newTicket(t *ticketState) string {
	t.expires = time.Now().Add(s.ticketLifetime)
	key := oauth.NewUUID()
	s.tickets.Put(key, t, max(s.ticketLifetime, 0)+ticketLifetime)
	return key
}

// checkTicket is called with the lock held.
func (s *Server) checkTicket(key, clientID string) (*ticketState, *oauth.Error) {
	ticket, ok := s.tickets.Get(key)
	switch {
	case !ok || ticket.clientID != "" && ticket.clientID != clientID:
		return nil, oauth.BadRequest("invalid_ticket", "the ticket is unknown or has been used")
	case !time.Now().Before(ticket.expires):
		return nil, oauth.BadRequest("expired_ticket", "the ticket has expired")
	}
	return ticket, nil
}

// newToken returns a token of the shape that oxAuth gives to RPTs and PCTs: a UUID and a generated
// suffix.
func newToken() string {
	t := rand.Text()
	return oauth.NewUUID() + "_" + t[0:4] + "." + t[4:8] + "." + t[8:12] + "." + t[12:16]
}
