// Package uma is the UMA 2.0 authorization server that belongs to the provider, in the image of
// oxAuth.
package uma

import (
	"net/http"
	"sync"
	"time"

	"example.com/oxdauth/oxdtest/internal/oauth"
	"example.com/oxdauth/oxdtest/internal/provider"
)

// Lifetimes, as oxAuth ships them.
const (
	ticketLifetime    = time.Hour
	rptLifetime       = time.Hour
	pctLifetime       = 30 * 24 * time.Hour
	gatheringLifetime = 30 * time.Minute
)

// maxResources bounds how many resources are kept.
const maxResources = 10_000

// Paths of the endpoints, as in oxAuth.
const (
	pathDiscovery  = "/.well-known/uma2-configuration"
	pathResource   = "/oxauth/restv1/host/rsrc/resource_set"
	pathPermission = "/oxauth/restv1/host/rsrc_pr"
	pathGather     = "/oxauth/restv1/uma/gather_claims"
)

// Server is the authorization server. It is safe for concurrent use.
type Server struct {
	issuer   string
	provider *provider.Provider

	mu             sync.Mutex // guards the rest
	ticketLifetime time.Duration
	resources      map[string]*resourceSet
	policies       map[string]Policy
	gatherings     oauth.Store[*visit]
	tickets        oauth.Store[*ticketState]
	rpts           oauth.Store[*rptState]
	pcts           oauth.Store[*pctState]
}

// New adds an authorization server to the provider, which must not serve yet.
func New(p *provider.Provider) *Server {
	s := &Server{
		issuer: p.Issuer(), provider: p, ticketLifetime: ticketLifetime,
		resources: map[string]*resourceSet{}, policies: map[string]Policy{},
	}
	p.AddGrant(oauth.GrantTicket, s.serveGrant)
	p.AddIntrospection(s.introspect)
	p.Handle("GET "+pathDiscovery, s.serveDiscovery)
	p.Handle("POST "+pathResource, s.serveResourceCreate)
	p.Handle("GET "+pathResource, s.serveResourceList)
	p.Handle("GET "+pathResource+"/{id}", s.serveResourceRead)
	p.Handle("PUT "+pathResource+"/{id}", s.serveResourceUpdate)
	p.Handle("DELETE "+pathResource+"/{id}", s.serveResourceDelete)
	p.Handle("POST "+pathPermission, s.servePermission)
	p.Handle("GET "+pathGather, s.serveGather)
	p.HandleForm("POST "+pathGather, s.serveGatherForm)
	return s
}

// SetTicketLifetime sets how long permission tickets live that are issued from now on.
func (s *Server) SetTicketLifetime(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ticketLifetime = d
}

func (s *Server) serveDiscovery(w http.ResponseWriter, _ *http.Request) {
	oauth.WriteJSON(w, http.StatusOK, map[string]any{
		"issuer":                                s.issuer,
		"authorization_endpoint":                s.issuer + provider.PathAuthorize,
		"token_endpoint":                        s.issuer + provider.PathToken,
		"introspection_endpoint":                s.issuer + provider.PathIntrospect,
		"resource_registration_endpoint":        s.issuer + pathResource,
		"permission_endpoint":                   s.issuer + pathPermission,
		"claims_interaction_endpoint":           s.issuer + pathGather,
		"registration_endpoint":                 s.issuer + provider.PathRegister,
		"jwks_uri":                              s.issuer + provider.PathJWKS,
		"response_types_supported":              []string{"code"},
		"grant_types_supported":                 provider.GrantTypes(),
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"uma_profiles_supported":                []string{},
	})
}
