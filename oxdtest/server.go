// Server: starting and stopping, and what a test asks for.

package oxdtest

import (
	"crypto/tls"
	"crypto/x509"

	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest/internal/browser"
	"example.com/oxdauth/oxdtest/internal/commands"
	"example.com/oxdauth/oxdtest/internal/daemon"
	"example.com/oxdauth/oxdtest/internal/serving"
)

// Config has the settings of oxd and its Provider that matter to applications. The zero value is
// the configuration oxd ships with, except that it does not demand protection tokens and trusts no
// foreign certificates.
type Config struct {
	// ProtectCommands is protect_commands_with_access_token. The HTTPS extension demands a token in
	// any case.
	ProtectCommands bool
	// StateLifetime is how long a state and a nonce are known. Default: 5 minutes.
	StateLifetime time.Duration
	// RedisErrors answers invalid_oxd_id for an unknown site, as with redis as storage; with H2,
	// the default, oxd 3.1.1 answers the generic internal error and closes.
	RedisErrors bool
	// Addr, HTTPSAddr, RESTAddr and ProviderAddr are where to listen. Default: free ports on
	// 127.0.0.1.
	Addr, HTTPSAddr, RESTAddr, ProviderAddr string
	// InsecureProvider makes the Provider speak plain http, for a person's browser that does not
	// trust the certificate.
	InsecureProvider bool
	// Users can sign in. Default: DefaultUsers.
	Users []User
}

// Server is an oxd 3.1.1, socket and HTTPS extension, and an oxd 4 over the same data, with an
// OpenID Provider of its own. All methods are safe for concurrent use after Start.
type Server struct {
	// Addr is the host:port of the socket, URL the base URL of the HTTPS extension, RESTURL that of
	// the interface of oxd 4. Start sets them.
	Addr, URL, RESTURL string
	// Provider is set by Start.
	Provider *Provider

	cfg       Config
	authority *serving.Authority
	oxd       *daemon.Daemon

	life   sync.Mutex // held by Start, Stop, Restart and Close, which wait for others; guards closed
	closed bool
	kept   kept
}

// kept is what outlives Stop. It is safe for concurrent use.
type kept struct {
	mu      sync.Mutex        // guards the rest, and is never held while waiting
	servers []*serving.Server // Provider and applications
	clients []io.Closer
}

// NewServer starts a Server with the zero Config. It panics when it cannot listen.
func NewServer() *Server {
	s := NewUnstartedServer(Config{})
	s.Start()
	return s
}

// NewUnstartedServer returns a Server that does nothing until Start.
func NewUnstartedServer(cfg Config) *Server {
	if cfg.StateLifetime == 0 {
		cfg.StateLifetime = 5 * time.Minute
	}
	authority := serving.NewAuthority()
	return &Server{cfg: cfg, authority: authority, oxd: daemon.New(commands.Config{
		ProtectCommands: cfg.ProtectCommands, StateLifetime: cfg.StateLifetime, RedisErrors: cfg.RedisErrors,
	}, authority.ServerConfig(), authority.Pool)}
}

// Start listens and serves. It panics when it cannot.
func (s *Server) Start() {
	if s.Provider != nil {
		panic("oxdtest: Server started twice")
	}
	up := false
	defer func() {
		if !up { // nothing is left behind by a panic
			s.Close()
		}
	}()
	scheme := "https://"
	if s.cfg.InsecureProvider {
		scheme = "http://"
	}
	l := listen(s.cfg.ProviderAddr)
	s.Provider = newProvider(scheme+l.Addr().String(), s.cfg.Users, s.authority.Pool)
	if !s.cfg.InsecureProvider {
		l = tls.NewListener(l, s.authority.ServerConfig())
	}
	s.kept.serve(l, s.Provider.op)
	s.Restart()
	up = true
}

func listen(addr string) net.Listener {
	l, err := serving.Listen(addr)
	if err != nil {
		panic("oxdtest: " + err.Error())
	}
	return l
}

func (k *kept) serve(l net.Listener, h http.Handler) {
	server := serving.Serve(l, h)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.servers = append(k.servers, server)
}

func (k *kept) end() {
	k.mu.Lock()
	servers, clients := k.servers, k.clients
	k.mu.Unlock()
	for _, server := range servers {
		server.End()
	}
	for _, c := range clients {
		_ = c.Close()
	}
}

// Stop kills oxd, socket and HTTPS extension, with whatever is in progress, and waits for the end
// of it. The Provider and applications go on. It must not be called from a function given to
// Handle, which it would wait for.
func (s *Server) Stop() {
	s.life.Lock()
	defer s.life.Unlock()
	s.oxd.Stop()
}

// Restart brings oxd back on its addresses: sites are kept, states and nonces forgotten.
func (s *Server) Restart() {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		panic("oxdtest: Restart after Close")
	}
	at := daemon.Addrs{Socket: s.cfg.Addr, HTTPS: s.cfg.HTTPSAddr, REST: s.cfg.RESTAddr}
	if s.Addr != "" {
		at = daemon.Addrs{
			Socket: s.Addr, HTTPS: strings.TrimPrefix(s.URL, "https://"), REST: strings.TrimPrefix(s.RESTURL, "https://"),
		}
	}
	at, err := s.oxd.Restart(at)
	if err != nil {
		panic("oxdtest: " + err.Error())
	}
	if s.Addr == "" { // written once: others may be reading them
		s.Addr, s.URL, s.RESTURL = at.Socket, "https://"+at.HTTPS, "https://"+at.REST
	}
}

// Close ends everything and waits for it, for the handlers of applications as well.
func (s *Server) Close() {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed || s.Provider == nil {
		s.closed = true
		return
	}
	s.closed = true
	s.oxd.Stop()
	s.kept.end()
	s.oxd.Close()
	s.Provider.op.CloseIdleConnections()
}

// CertPool returns a pool with the certificate authority of all TLS listeners of this Server.
func (s *Server) CertPool() *x509.CertPool { return s.authority.Pool }

// HTTPClient returns a client that trusts [Server.CertPool], keeps no cookies and follows no
// redirects.
func (s *Server) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.authority.Pool}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
}

// Browser returns a new scripted browser, without cookies.
func (s *Server) Browser() *Browser { return &Browser{browser.New(s.authority.Pool).Client} }

// Transport returns a new transport over the socket.
func (s *Server) Transport() *oxd.TCPTransport { return &oxd.TCPTransport{Addr: s.Addr} }

// HTTPSTransport returns a new transport over the HTTPS extension; the site has to be Protected.
func (s *Server) HTTPSTransport() *oxd.HTTPSTransport {
	client := s.HTTPClient()
	client.Timeout = 0
	return &oxd.HTTPSTransport{BaseURL: s.URL, Client: client}
}

// RESTTransport returns a new transport to the interface of oxd 4.
func (s *Server) RESTTransport() *oxd.RESTTransport {
	client := s.HTTPClient()
	client.Timeout = 0
	return &oxd.RESTTransport{BaseURL: s.RESTURL, Client: client}
}

// Site returns an application with this redirect URL at this Server's Provider, to be registered.
func (s *Server) Site(redirectURL string) oxd.Site {
	u, err := url.Parse(redirectURL)
	if err != nil || u.Host == "" {
		panic("oxdtest: " + redirectURL + " is no absolute URL")
	}
	return oxd.Site{Params: oxd.RegisterSiteParams{
		OPHost: s.Provider.URL, AuthorizationRedirectURI: redirectURL, PostLogoutRedirectURI: u.Scheme + "://" + u.Host + "/",
		Scope:      []string{"openid", "profile", "email", "uma_protection"},
		GrantTypes: []string{"authorization_code", "refresh_token", "client_credentials"},
	}, Protected: s.cfg.ProtectCommands}
}

// Client returns a client over the socket for that site, which registers itself at the first
// command. It is closed with the Server.
func (s *Server) Client(redirectURL string) *oxd.Client {
	client, err := oxd.NewClient(s.Transport(), s.Site(redirectURL))
	if err != nil {
		panic("oxdtest: " + err.Error())
	}
	s.kept.mu.Lock()
	defer s.kept.mu.Unlock()
	s.kept.clients = append(s.kept.clients, client)
	return client
}

// ServeApp serves an application over TLS on https://localhost until Close. build gets the base
// URL, which it needs to make its middleware.
func (s *Server) ServeApp(build func(baseURL string) http.Handler) (baseURL string) {
	l := listen("")
	_, port, _ := net.SplitHostPort(l.Addr().String()) // an address of a listener
	baseURL = "https://localhost:" + port
	s.kept.serve(tls.NewListener(l, s.authority.ServerConfig()), build(baseURL))
	return baseURL
}
