package oxdtest

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// This file holds the claims-gathering page (UMA 2.0 Grant sections 3.3.2 and
// 3.3.3).

// umaGathering is a visit of a person to the page. It is never changed.
type umaGathering struct {
	client      *opClient
	redirectURI string
	state       string
	ticket      string
	names       []string // the claims to ask for
}

// umaFieldPrefix starts the names of the fields that hold claims.
const umaFieldPrefix = "claim_"

// umaMaxClaim bounds one answer, in bytes.
const umaMaxClaim = 1000

func (p *Provider) serveGather(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	if name := opDuplicate(query); name != "" {
		opErrorPage(w, http.StatusBadRequest, "The parameter "+name+" is there more than once.")
		return
	}
	g := &umaGathering{
		client: p.client(query.Get("client_id")), state: query.Get("state"),
		ticket: query.Get("ticket"), redirectURI: query.Get("claims_redirect_uri"),
	}
	if g.client == nil {
		opErrorPage(w, http.StatusBadRequest, "The application is not registered here.")
		return
	}
	registered := g.client.meta.ClaimsRedirectURIs
	if g.redirectURI == "" && len(registered) == 1 {
		g.redirectURI = registered[0]
	}
	if !slices.Contains(registered, g.redirectURI) {
		opErrorPage(w, http.StatusBadRequest, "The address to return to is not registered for this application.")
		return
	}
	id := rand.Text()
	p.mu.Lock()
	ticket, fault := p.checkTicket(g.ticket, g.client.id)
	if fault == nil {
		g.names = p.decide(ticket.permissions, ticket.claims).gather
		p.gatherings.put(id, g, opTransactionLifetime)
	}
	p.mu.Unlock()
	switch {
	case fault != nil:
		g.back(w, r, url.Values{"error": {fault.code}, "error_description": {fault.description}})
	case len(g.names) == 0:
		p.finishGathering(w, r, g, nil)
	default:
		g.render(w, id, "")
	}
}

func (p *Provider) serveGatherForm(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		opErrorPage(w, http.StatusBadRequest, "The form cannot be read.")
		return
	}
	id := r.PostForm.Get(opFieldTransaction)
	p.mu.Lock()
	g, ok := p.gatherings.get(id)
	p.mu.Unlock()
	if !ok {
		opErrorPage(w, http.StatusBadRequest, opMessageEnded)
		return
	}
	claims := umaClaims{}
	if r.PostForm.Get("decision") != "cancel" {
		for _, name := range g.names {
			value := strings.TrimSpace(r.PostForm.Get(umaFieldPrefix + name))
			if value == "" || len(value) > umaMaxClaim {
				g.render(w, id, "Please fill in every field.")
				return
			}
			claims[name] = []string{value}
		}
	}
	p.mu.Lock()
	p.gatherings.drop(id)
	p.mu.Unlock()
	if len(claims) == 0 {
		g.back(w, r, url.Values{"error": {"access_denied"}, "error_description": {"the person cancelled"}})
		return
	}
	p.finishGathering(w, r, g, claims)
}

// finishGathering replaces the ticket by one that knows the claims.
func (p *Provider) finishGathering(w http.ResponseWriter, r *http.Request, g *umaGathering, claims umaClaims) {
	p.mu.Lock()
	old, fault := p.checkTicket(g.ticket, g.client.id)
	var ticket string
	if fault == nil {
		p.tickets.drop(g.ticket)
		ticket = p.newTicket(&umaTicket{
			clientID: g.client.id, permissions: old.permissions, claims: umaMerge(old.claims, claims),
		})
	}
	p.mu.Unlock()
	if fault != nil {
		g.back(w, r, url.Values{"error": {fault.code}, "error_description": {fault.description}})
		return
	}
	g.back(w, r, url.Values{"ticket": {ticket}})
}

func (g *umaGathering) back(w http.ResponseWriter, r *http.Request, params url.Values) {
	if g.state != "" {
		params.Set("state", g.state)
	}
	opRedirect(w, r, g.redirectURI, params)
}

func (g *umaGathering) render(w http.ResponseWriter, id, message string) {
	opRender(w, http.StatusOK, "gather", opPage{
		Title: "A question first", Message: message, Transaction: id, Action: umaPathGather,
		Client: g.client.displayName(), Claims: g.names,
	})
}
