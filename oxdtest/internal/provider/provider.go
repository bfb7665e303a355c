// Package provider is an OpenID Provider in the image of oxAuth 3.1.1. It keeps everything in
// memory.
package provider

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"time"

	"example.com/oxdauth/oxdtest/internal/pages"
)

// Lifetimes, as oxAuth ships them.
const (
	codeLifetime        = 60 * time.Second
	accessLifetime      = 5 * time.Minute
	idTokenLifetime     = time.Hour
	refreshLifetime     = 4 * time.Hour
	sessionLifetime     = 24 * time.Hour
	transactionLifetime = 30 * time.Minute
	secretLifetime      = 24 * time.Hour
)

// maxBody bounds every body that is read, in bytes.
const maxBody = 64 << 10

// Paths of the endpoints, as in oxAuth.
const (
	PathJWKS       = "/oxauth/restv1/jwks"
	PathRegister   = "/oxauth/restv1/register"
	PathAuthorize  = "/oxauth/restv1/authorize"
	PathToken      = "/oxauth/restv1/token"
	PathIntrospect = "/oxauth/restv1/introspection"

	pathDiscovery  = "/.well-known/openid-configuration"
	pathLogin      = "/oxauth/login"
	pathUserInfo   = "/oxauth/restv1/userinfo"
	pathEndSession = "/oxauth/restv1/end_session"
)

// Config is what a Provider consists of.
type Config struct {
	Users  []User
	Issuer string         // scheme, host and port, without a final slash
	Pool   *x509.CertPool // trusted at the clients; nil means the roots of the system
}

// Provider serves every endpoint and page. It is safe for concurrent use.
type Provider struct {
	issuer  string
	http    *http.Client // to the clients
	knobs   *knobs
	people  *people
	clients *clients
	tokens  *tokens
	logins  *logins
	logouts *logouts
	mux     *http.ServeMux
}

// New returns a Provider.
func New(cfg Config) *Provider {
	k := &knobs{settings: Settings{AccessLifetime: accessLifetime, RefreshTokens: true}}
	p := &Provider{
		issuer:  cfg.Issuer,
		http:    &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: cfg.Pool}}},
		knobs:   k,
		people:  newPeople(cfg.Users),
		clients: &clients{issuer: cfg.Issuer, byID: map[string]*Client{}},
		mux:     http.NewServeMux(),
	}
	p.logouts = &logouts{issuer: cfg.Issuer, http: p.http, knobs: k, clients: p.clients}
	p.tokens = &tokens{
		issuer: cfg.Issuer, knobs: k, people: p.people, clients: p.clients,
		foreign:           map[string]func(http.ResponseWriter, *Client, url.Values){},
		introspectForeign: func(string) (map[string]any, bool) { return nil, false },
	}
	p.logins = &logins{
		issuer: cfg.Issuer, knobs: k, people: p.people, clients: p.clients, logouts: p.logouts, tokens: p.tokens,
	}
	p.routes()
	return p
}

// ServeHTTP answers 503 while the provider is down.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.knobs.get().Down {
		http.Error(w, http.StatusText(http.StatusServiceUnavailable), http.StatusServiceUnavailable)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	p.mux.ServeHTTP(w, r)
}

func (p *Provider) routes() {
	p.Handle("GET "+pathDiscovery, p.serveDiscovery)
	p.Handle("GET "+PathJWKS, serveJWKS)
	p.Handle("POST "+PathRegister, p.clients.serveRegister)
	p.Handle("PUT "+PathRegister, p.clients.serveUpdate)
	p.Handle("GET "+PathAuthorize, p.logins.serveAuthorize)
	p.Handle("POST "+PathAuthorize, p.logins.serveAuthorize)
	p.Handle("GET "+pages.PathStyle, pages.ServeStyle)
	p.Handle("POST "+PathToken, p.tokens.serveToken)
	p.Handle("GET "+pathUserInfo, p.tokens.serveUserInfo)
	p.Handle("POST "+pathUserInfo, p.tokens.serveUserInfo)
	p.Handle("POST "+PathIntrospect, p.tokens.serveIntrospect)
	p.Handle("GET "+pathEndSession, p.serveEndSession)
	p.HandleForm("POST "+pathLogin, p.logins.serveLogin)
}

// Handle adds an endpoint. It must not be called once the Provider serves.
func (p *Provider) Handle(pattern string, h http.HandlerFunc) { p.mux.HandleFunc(pattern, h) }

// HandleForm is Handle for the form of a page. Such forms change state with the cookie of the
// person, so another site must not be able to send them.
func (p *Provider) HandleForm(pattern string, h http.HandlerFunc) {
	p.mux.Handle(pattern, http.NewCrossOriginProtection().Handler(h))
}

// AddGrant makes the token endpoint pass the requests of authenticated clients with this grant type
// to serve. Clients need not register it. It must not be called once the Provider serves.
func (p *Provider) AddGrant(grantType string, serve func(http.ResponseWriter, *Client, url.Values)) {
	p.tokens.foreign[grantType] = serve
}

// AddIntrospection makes the introspection endpoint ask introspect about a token before it looks at
// its own. It must not be called once the Provider serves.
func (p *Provider) AddIntrospection(introspect func(token string) (answer map[string]any, known bool)) {
	p.tokens.introspectForeign = introspect
}

// Issuer returns scheme, host and port, without a final slash.
func (p *Provider) Issuer() string { return p.issuer }

// Client returns a registered client, or nil.
func (p *Provider) Client(id string) *Client { return p.clients.get(id) }

// ProtectionClient returns the client whose protection API access token (PAT) the request carries.
// It answers the request itself when there is none.
func (p *Provider) ProtectionClient(w http.ResponseWriter, r *http.Request) (clientID string, ok bool) {
	return p.tokens.protectionClient(w, r)
}

// IDTokenClaims returns the claims of an ID token that was issued to the client and has not
// expired.
func (p *Provider) IDTokenClaims(token, clientID string) (map[string]any, bool) {
	claims, err := verify(token)
	expires, _ := claims["exp"].(float64)
	ok := err == nil && claims["iss"] == p.issuer && claims["aud"] == clientID && float64(time.Now().Unix()) < expires
	return claims, ok
}

// Set changes the settings.
func (p *Provider) Set(change func(*Settings)) { p.knobs.set(change) }

// Counts returns the counters.
func (p *Provider) Counts() (counts Counts) {
	p.knobs.count(func(c *Counts) { counts = *c })
	return counts
}

// SetUserClaim sets a claim of a user, or removes it when the value is nil. It panics when there is
// no such user.
func (p *Provider) SetUserClaim(user, name string, value any) { p.people.setClaim(user, name, value) }

// SetUserInfoSub sets the subject in userinfo answers, "" for that of the ID token. It panics when
// there is no such user.
func (p *Provider) SetUserInfoSub(user, sub string) { p.people.setUserInfoSub(user, sub) }

// SetBackchannelLogoutURI sets where logout tokens for the clients with the redirect URI are sent,
// "" for nowhere.
func (p *Provider) SetBackchannelLogoutURI(redirectURI, logoutURI string) {
	p.logouts.setBackchannel(redirectURI, logoutURI)
}

// LogoutToken returns a logout token for the newest client with the redirect URI. The changes add
// and replace claims or, with nil, remove them. It panics when there is no such client.
func (p *Provider) LogoutToken(redirectURI string, change map[string]any) string {
	c := p.clients.newest(redirectURI)
	if c == nil {
		panic("oxdtest: there is no client with the redirect URI " + redirectURI)
	}
	return p.logouts.token(c.ID, change)
}

// CloseIdleConnections closes the idle connections to the clients.
func (p *Provider) CloseIdleConnections() { p.http.CloseIdleConnections() }
