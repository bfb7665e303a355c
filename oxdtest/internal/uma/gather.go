// The claims-gathering page (UMA 2.0 Grant sections 3.3.2 and 3.3.3).

package uma

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/oxdauth/oxdtest/internal/oauth"
	"example.com/oxdauth/oxdtest/internal/pages"
	"example.com/oxdauth/oxdtest/internal/provider"
)

// visit is a visit of a person to the page. It is immutable.
type visit struct {
	client      *provider.Client
	redirectURI string
	state       string
	ticket      string
	names       []string // the claims to ask for
}

// fieldPrefix starts the names of the fields that hold claims.
const fieldPrefix = "claim_"

// maxClaim bounds one answer, in bytes.
const maxClaim = 1000

func (s *Server) serveGather(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if name := oauth.Duplicate(query); name != "" {
		pages.WriteError(w, http.StatusBadRequest, "The parameter "+name+" is there more than once.")
		return
	}
	g := &visit{
		client: s.provider.Client(query.Get("client_id")), state: query.Get("state"),
		ticket: query.Get("ticket"), redirectURI: query.Get("claims_redirect_uri"),
	}
	if g.client == nil {
		pages.WriteError(w, http.StatusBadRequest, "The application is not registered here.")
		return
	}
	registered := g.client.ClaimsRedirectURIs()
	if g.redirectURI == "" && len(registered) == 1 {
		g.redirectURI = registered[0]
	}
	if !slices.Contains(registered, g.redirectURI) {
		pages.WriteError(w, http.StatusBadRequest, "The address to return to is not registered for this application.")
		return
	}
	id := rand.Text()
	s.mu.Lock()
	ticket, fault := s.checkTicket(g.ticket, g.client.ID)
	if fault == nil {
		g.names = s.decide(ticket.permissions, ticket.claims).gather
		s.gatherings.Put(id, g, gatheringLifetime)
	}
	s.mu.Unlock()
	switch {
	case fault != nil:
		g.back(w, r, url.Values{"error": {fault.Code}, "error_description": {fault.Description}})
	case len(g.names) == 0:
		s.finishGathering(w, r, g, nil)
	default:
		g.render(w, id, "")
	}
}

func (s *Server) serveGatherForm(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		pages.WriteError(w, http.StatusBadRequest, "The form cannot be read.")
		return
	}
	id := r.PostForm.Get(pages.FieldTransaction)
	s.mu.Lock()
	g, ok := s.gatherings.Get(id)
	s.mu.Unlock()
	if !ok {
		pages.WriteError(w, http.StatusBadRequest, pages.MessageEnded)
		return
	}
	claims := partyClaims{}
	if r.PostForm.Get("decision") != "cancel" {
		for _, name := range g.names {
			value := strings.TrimSpace(r.PostForm.Get(fieldPrefix + name))
			if value == "" || len(value) > maxClaim {
				g.render(w, id, "Please fill in every field.")
				return
			}
			claims[name] = []string{value}
		}
	}
	s.mu.Lock()
	s.gatherings.Drop(id)
	s.mu.Unlock()
	if len(claims) == 0 {
		g.back(w, r, url.Values{"error": {"access_denied"}, "error_description": {"the person cancelled"}})
		return
	}
	s.finishGathering(w, r, g, claims)
}

// finishGathering replaces the ticket by one that has the claims.
func (s *Server) finishGathering(w http.ResponseWriter, r *http.Request, g *visit, claims partyClaims) {
	s.mu.Lock()
	old, fault := s.checkTicket(g.ticket, g.client.ID)
	var ticket string
	if fault == nil {
		s.tickets.Drop(g.ticket)
		ticket = s.newTicket(&ticketState{
			clientID: g.client.ID, permissions: old.permissions, claims: merge(old.claims, claims),
		})
	}
	s.mu.Unlock()
	if fault != nil {
		g.back(w, r, url.Values{"error": {fault.Code}, "error_description": {fault.Description}})
		return
	}
	g.back(w, r, url.Values{"ticket": {ticket}})
}

func (g *visit) back(w http.ResponseWriter, r *http.Request, params url.Values) {
	if g.state != "" {
		params.Set("state", g.state)
	}
	oauth.Redirect(w, r, g.redirectURI, params)
}

func (g *visit) render(w http.ResponseWriter, id, message string) {
	pages.WriteGather(w, pages.Form{
		Message: message, Transaction: id, Action: pathGather, Client: g.client.DisplayName(),
	}, g.names)
}
