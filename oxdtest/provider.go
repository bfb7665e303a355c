package oxdtest

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Provider is an OpenID Provider and UMA 2 authorization server in the image
// of oxAuth 3.1.1. It keeps everything in memory and runs in the process of
// the test. It has pages for people, so a demo can use it too, but it is no
// identity server: passwords lie in memory as they are, and whoever can reach
// it can register clients.
//
// All methods are safe for concurrent use and take effect at once, also for
// requests in progress that have not come to the point in question.
type Provider struct {
	// URL is the issuer: scheme, host and port, without a final slash.
	URL string

	down atomic.Bool
	mux  *http.ServeMux
	http *http.Client // to the clients

	mu           sync.Mutex // guards everything below
	users        map[string]*opUser
	userNames    []string // in the order given, for the hint on the login page
	clients      map[string]*opClient
	resources    map[string]*umaResource
	policies     map[string]Policy
	transactions opStore[*opTransaction]
	gatherings   opStore[*umaGathering]
	sessions     opStore[*opSession]
	joined       opStore[[]string] // client ids, by sid
	backchannel  map[string]string // logout URIs, by redirect URI
	consents     opStore[[]string] // scopes, by user and client
	codes        opStore[*opCode]
	access       opStore[*opAccessToken]
	refresh      opStore[*opRefreshToken]
	tickets      opStore[*umaTicket]
	rpts         opStore[*umaRPT]
	pcts         opStore[*umaPCT]
	knobs        opKnobs
	counts       opCounts
}

// providerConfig is what a Server decides about its Provider.
type providerConfig struct {
	users  []User         // nil means DefaultUsers
	issuer string         // scheme, host and port
	pool   *x509.CertPool // trusted at the clients; nil means the roots of the system
}

// Upper limits of what the Provider keeps. They are far above what tests need
// and stop a demo that is left running from growing without end.
const (
	opMaxEntries   = 20_000
	opMaxClients   = 10_000
	opMaxResources = 10_000
)

// Lifetimes, as oxAuth ships them.
const (
	opCodeLifetime        = 60 * time.Second
	opAccessLifetime      = 5 * time.Minute
	opIDTokenLifetime     = time.Hour
	opRefreshLifetime     = 4 * time.Hour
	opSessionLifetime     = 24 * time.Hour
	opTransactionLifetime = 30 * time.Minute
	opSecretLifetime      = 24 * time.Hour
	umaTicketLifetime     = time.Hour
	umaRPTLifetime        = time.Hour
	umaPCTLifetime        = 30 * 24 * time.Hour
)

func newProvider(cfg providerConfig) *Provider {
	if cfg.users == nil {
		cfg.users = DefaultUsers()
	}
	p := &Provider{
		URL:       cfg.issuer,
		http:      &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: cfg.pool}}},
		users:     make(map[string]*opUser, len(cfg.users)),
		clients:   map[string]*opClient{},
		resources: map[string]*umaResource{},
		policies:  map[string]Policy{},
		knobs: opKnobs{
			accessLifetime: opAccessLifetime,
			ticketLifetime: umaTicketLifetime,
			refreshTokens:  true,
		},
	}
	for _, u := range cfg.users {
		if _, dup := p.users[u.Name]; !dup {
			p.userNames = append(p.userNames, u.Name)
		}
		p.users[u.Name] = newOPUser(u)
	}
	p.mux = p.routes()
	return p
}

// handler serves every endpoint and page of the Provider.
func (p *Provider) handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down.Load() {
			http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, opMaxBody)
		p.mux.ServeHTTP(w, r)
	})
}

// Paths of the endpoints, as in oxAuth.
const (
	opPathDiscovery   = "/.well-known/openid-configuration"
	umaPathDiscovery  = "/.well-known/uma2-configuration"
	opPathJWKS        = "/oxauth/restv1/jwks"
	opPathRegister    = "/oxauth/restv1/register"
	opPathAuthorize   = "/oxauth/restv1/authorize"
	opPathLogin       = "/oxauth/login"
	opPathStyle       = "/oxauth/style.css"
	opPathToken       = "/oxauth/restv1/token"
	opPathUserInfo    = "/oxauth/restv1/userinfo"
	opPathIntrospect  = "/oxauth/restv1/introspection"
	opPathEndSession  = "/oxauth/restv1/end_session"
	umaPathResource   = "/oxauth/restv1/host/rsrc/resource_set"
	umaPathPermission = "/oxauth/restv1/host/rsrc_pr"
	umaPathGather     = "/oxauth/restv1/uma/gather_claims"
)

// opMaxBody bounds every request body, in bytes.
const opMaxBody = 64 << 10

func (p *Provider) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+opPathDiscovery, p.serveDiscovery)
	mux.HandleFunc("GET "+umaPathDiscovery, p.serveUMADiscovery)
	mux.HandleFunc("GET "+opPathJWKS, p.serveJWKS)
	mux.HandleFunc("POST "+opPathRegister, p.serveRegister)
	mux.HandleFunc("PUT "+opPathRegister, p.serveRegisterUpdate)
	mux.HandleFunc("GET "+opPathAuthorize, p.serveAuthorize)
	mux.HandleFunc("POST "+opPathAuthorize, p.serveAuthorize)
	mux.HandleFunc("GET "+opPathStyle, p.serveStyle)
	mux.HandleFunc("POST "+opPathToken, p.serveToken)
	mux.HandleFunc("GET "+opPathUserInfo, p.serveUserInfo)
	mux.HandleFunc("POST "+opPathUserInfo, p.serveUserInfo)
	mux.HandleFunc("POST "+opPathIntrospect, p.serveIntrospect)
	mux.HandleFunc("GET "+opPathEndSession, p.serveEndSession)

	mux.HandleFunc("POST "+umaPathResource, p.serveResourceCreate)
	mux.HandleFunc("GET "+umaPathResource, p.serveResourceList)
	mux.HandleFunc("GET "+umaPathResource+"/{id}", p.serveResourceRead)
	mux.HandleFunc("PUT "+umaPathResource+"/{id}", p.serveResourceUpdate)
	mux.HandleFunc("DELETE "+umaPathResource+"/{id}", p.serveResourceDelete)
	mux.HandleFunc("POST "+umaPathPermission, p.servePermission)
	mux.HandleFunc("GET "+umaPathGather, p.serveGather)

	// The forms of the pages change state with the cookie of the person, so
	// another site must not be able to send them.
	forms := http.NewCrossOriginProtection()
	mux.Handle("POST "+opPathLogin, forms.Handler(http.HandlerFunc(p.serveLogin)))
	mux.Handle("POST "+umaPathGather, forms.Handler(http.HandlerFunc(p.serveGatherForm)))
	return mux
}
