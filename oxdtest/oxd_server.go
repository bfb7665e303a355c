package oxdtest

// Server: the listeners, starting and stopping, and what a test asks for.

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"example.com/oxdauth/oxd"
)

// Config has the settings of oxd and its Provider that matter to applications. The zero value is the configuration oxd ships
// with, except that it does not demand protection tokens and trusts no foreign certificates.
type Config struct {
	// ProtectCommands is protect_commands_with_access_token. The HTTPS extension demands a token in any case.
	ProtectCommands bool
	// StateLifetime is how long a state and a nonce are known. Default: 5 minutes.
	StateLifetime time.Duration
	// RedisErrors answers invalid_oxd_id for an unknown site, as with redis as storage; with H2, the default, oxd 3.1.1
	// answers the generic internal error and closes.
	RedisErrors bool
	// Addr, HTTPSAddr, RESTAddr and ProviderAddr are where to listen. Default: free ports on 127.0.0.1.
	Addr, HTTPSAddr, RESTAddr, ProviderAddr string
	// InsecureProvider makes the Provider speak plain http, for a person's browser that does not know the certificate.
	InsecureProvider bool
	// Users can sign in. Default: DefaultUsers.
	Users []User
}

// Server is an oxd 3.1.1, socket and HTTPS extension, and an oxd 4 over the same data, with an OpenID Provider of its own. All methods are safe for
// concurrent use after Start.
type Server struct {
	// Addr is the host:port of the socket, URL the base URL of the HTTPS extension, RESTURL that of the interface of oxd 4.
	// Start sets them.
	Addr, URL, RESTURL string
	// Provider is set by Start.
	Provider *Provider

	cfg      Config
	ca       *authority
	engine   *engine
	log      callLog
	faults   faults
	scripts  sync.Map // command -> func(json.RawMessage) (any, error)
	overlaps atomic.Int64

	life    sync.Mutex // held by Start, Stop, Restart and Close, which wait for others; guards running and closed
	running *instance
	closed  bool

	mu      sync.Mutex   // guards what follows, and is never held while waiting
	always  []*webServer // Provider and applications, which outlive Stop
	clients []io.Closer
}

// instance is oxd between Start or Restart and Stop.
type instance struct {
	socket net.Listener
	https  *webServer
	rest   *webServer
	ctx    context.Context
	end    context.CancelFunc

	mu    sync.Mutex // guards conns
	conns map[net.Conn]bool
	wait  sync.WaitGroup
}

// NewServer starts a Server with the zero Config. It panics when it cannot listen.
func NewServer() *Server {
	s := NewUnstartedServer(Config{})
	s.Start()
	return s
}

// NewUnstartedServer makes a Server that does nothing until Start.
func NewUnstartedServer(cfg Config) *Server {
	if cfg.StateLifetime == 0 {
		cfg.StateLifetime = 5 * time.Minute
	}
	return &Server{cfg: cfg, faults: faults{cleared: make(chan struct{})}}
}

// Start listens and serves. It panics when it cannot.
func (s *Server) Start() {
	if s.Provider != nil {
		panic("oxdtest: Server started twice")
	}
	s.ca = newAuthority()
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
	s.engine = newEngine(&s.cfg, s.ca.pool)
	s.Provider = newProvider(providerConfig{users: s.cfg.Users, issuer: scheme + l.Addr().String(), pool: s.ca.pool})
	s.serve(l, s.Provider.handler(), !s.cfg.InsecureProvider)
	s.Restart()
	up = true
}

func listen(addr string) net.Listener {
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		panic("oxdtest: " + err.Error())
	}
	return l
}

// webServer is an http.Server whose end can be waited for: its handlers have returned then.
type webServer struct {
	http.Server
	serving sync.WaitGroup
	inside  sync.RWMutex // held for reading by every handler
	closed  bool
}

func newWebServer(l net.Listener, h http.Handler) *webServer {
	s := &webServer{}
	s.Server = http.Server{ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0), Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.inside.RLock()
		defer s.inside.RUnlock()
		if !s.closed {
			h.ServeHTTP(w, r)
		}
	})}
	s.serving.Go(func() { _ = s.Serve(l) }) // always ErrServerClosed
	return s
}

// end closes all connections, which ends the contexts of the requests, and waits for the handlers.
func (s *webServer) end() {
	_ = s.Close()
	s.serving.Wait()
	s.inside.Lock()
	defer s.inside.Unlock()
	s.closed = true
}

// serve runs what outlives Stop.
func (s *Server) serve(l net.Listener, h http.Handler, secure bool) {
	if secure {
		l = tls.NewListener(l, s.ca.serverConfig())
	}
	server := newWebServer(l, h)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = append(s.always, server)
}

// Stop kills oxd, socket and HTTPS extension, with whatever is in progress, and waits for the end of it. The Provider and
// applications go on. It must not be called from a function given to Handle, which it would wait for.
func (s *Server) Stop() {
	s.life.Lock()
	defer s.life.Unlock()
	s.stopLocked()
}

func (s *Server) stopLocked() {
	if s.running == nil {
		return
	}
	s.running.end()
	_ = s.running.socket.Close()
	s.running.mu.Lock()
	for conn := range s.running.conns {
		_ = conn.Close()
	}
	s.running.mu.Unlock()
	s.running.https.end()
	s.running.rest.end()
	s.running.wait.Wait()
	s.running = nil
}

// Restart brings oxd back on its addresses: sites are kept, states and nonces forgotten.
func (s *Server) Restart() {
	s.life.Lock()
	defer s.life.Unlock()
	if s.closed {
		panic("oxdtest: Restart after Close")
	}
	s.stopLocked()
	s.engine.forget()
	addr, httpsAddr, restAddr := s.Addr, strings.TrimPrefix(s.URL, "https://"), strings.TrimPrefix(s.RESTURL, "https://")
	if addr == "" {
		addr, httpsAddr, restAddr = s.cfg.Addr, s.cfg.HTTPSAddr, s.cfg.RESTAddr
	}
	var listeners []net.Listener
	up := false
	defer func() {
		for _, l := range listeners {
			if !up {
				_ = l.Close()
			}
		}
	}()
	for _, addr := range []string{httpsAddr, restAddr, addr} {
		listeners = append(listeners, listen(addr))
	}
	web, rest := listeners[0], listeners[1]
	i := &instance{socket: listeners[2], conns: map[net.Conn]bool{}}
	i.ctx, i.end = context.WithCancel(context.Background())
	up = true
	if s.Addr == "" { // written once: others may be reading them
		s.Addr, s.URL, s.RESTURL = i.socket.Addr().String(), "https://"+web.Addr().String(), "https://"+rest.Addr().String()
	}
	i.https = newWebServer(tls.NewListener(web, s.ca.serverConfig()), s.extension(i.ctx))
	i.rest = newWebServer(tls.NewListener(rest, s.ca.serverConfig()), s.rest(i.ctx))
	s.running = i
	i.wait.Go(func() { s.accept(i) })
}

func (s *Server) accept(i *instance) {
	for {
		conn, err := i.socket.Accept()
		if err != nil {
			return
		}
		i.mu.Lock()
		i.conns[conn] = true
		i.mu.Unlock()
		i.wait.Go(func() {
			s.serveSocket(i.ctx, conn)
			i.mu.Lock()
			delete(i.conns, conn)
			i.mu.Unlock()
		})
		select {
		case <-i.ctx.Done(): // Stop has gone through conns before this one was there
			_ = conn.Close()
		default:
		}
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
	s.stopLocked()
	s.mu.Lock()
	servers, clients := s.always, s.clients
	s.mu.Unlock()
	for _, server := range servers {
		server.end()
	}
	for _, c := range clients {
		_ = c.Close()
	}
	s.engine.op.http.CloseIdleConnections()
	s.Provider.http.CloseIdleConnections()
}

// CertPool has the certificate authority of all TLS listeners of this Server.
func (s *Server) CertPool() *x509.CertPool { return s.ca.pool }

// HTTPClient gives a client that trusts them, keeps no cookies and follows no redirects.
func (s *Server) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: s.ca.pool}, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       30 * time.Second,
	}
}

// Browser gives a new scripted browser, without cookies.
func (s *Server) Browser() *Browser { return newBrowser(s.ca.pool) }

// Transport gives a new transport over the socket.
func (s *Server) Transport() *oxd.TCPTransport { return &oxd.TCPTransport{Addr: s.Addr} }

// HTTPSTransport gives a new transport over the HTTPS extension; the site has to be Protected.
func (s *Server) HTTPSTransport() *oxd.HTTPSTransport {
	client := s.HTTPClient()
	client.Timeout = 0
	return &oxd.HTTPSTransport{BaseURL: s.URL, Client: client}
}

// RESTTransport gives a new transport to the interface of oxd 4.
func (s *Server) RESTTransport() *oxd.RESTTransport {
	client := s.HTTPClient()
	client.Timeout = 0
	return &oxd.RESTTransport{BaseURL: s.RESTURL, Client: client}
}

// Site describes an application with this redirect URL at this Server's Provider, to be registered.
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

// Client gives a client over the socket for that site, which registers itself at the first command. It is closed with the
// Server.
func (s *Server) Client(redirectURL string) *oxd.Client {
	client, err := oxd.NewClient(s.Transport(), s.Site(redirectURL))
	if err != nil {
		panic("oxdtest: " + err.Error())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clients = append(s.clients, client)
	return client
}

// ServeApp serves an application over TLS on https://localhost until Close. build gets the base URL, which it needs to
// make its middleware.
func (s *Server) ServeApp(build func(baseURL string) http.Handler) (baseURL string) {
	l := listen("")
	_, port, _ := net.SplitHostPort(l.Addr().String()) // an address of a listener
	baseURL = "https://localhost:" + port
	s.serve(l, build(baseURL), true)
	return baseURL
}
