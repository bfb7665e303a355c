package oxdauth

// The UMA 2.0 guard: its construction and its life. It is the resource server's side of UMA 2.0 Grant section 3.2 and
// Federated Authorization, with oxd 3.1.1 between it and the authorization server.

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"example.com/oxdauth/oxd"
)

// Guard lets requests through that oxd grants access to (uma_rs_check_access), and no others. First everything is declared
// with [Guard.Handle] or [Guard.Require], then [Guard.Protect] registers it, then requests are served. Until Protect has
// succeeded, guarded routes answer 503. A Guard is safe for concurrent use.
//
// The answers to requests that are refused: 401 with a WWW-Authenticate challenge and a fresh permission ticket (UMA 2.0
// Grant section 3.2.1); 403 or 503 with a Warning when there is no ticket or no decision to be had (section 3.2.2); 400
// for a malformed RPT or an ambiguous path; 405; 429. None may be cached. There is no way to let requests through when oxd
// is out of order.
//
// A guard does not handle CORS: wrap it in something that does and that answers preflight requests itself. Tokens are read
// from the Authorization header alone, and headers that claim another method or path are not looked at.
type Guard struct {
	client   *oxd.Client
	audience string // of client
	realm    string // as a quoted-string
	settings guardSettings
	key      [32]byte // of fingerprints

	site    atomic.Pointer[guardSite]
	cache   *grantCache // nil when off
	limiter *limiter
	breaker breaker
	places  chan struct{} // one for each question under way

	noIntrospection atomic.Bool // oxd does not have introspect_rpt

	mu     sync.RWMutex // guards the rest
	routes []*route
	first  map[resourceMethod]*route // the first declaration of each

	protecting sync.Mutex       // one Protect at a time
	known      protectionRecord // without a file; guarded by protecting
}

// guardSite is what Protect has found out.
type guardSite struct{ oxdID, asURI string }

// NewGuard makes a guard for the site that client stands for, which needs the scope uma_protection and the grant
// client_credentials. realm appears in challenges and has no default: it tells people which part of the application a
// ticket is for. oxd is not contacted. All problems with the arguments are reported at once.
func NewGuard(client *oxd.Client, realm string, opts ...GuardOption) (*Guard, error) {
	s := defaultGuardSettings()
	var errs []error
	if client == nil {
		errs = append(errs, errors.New("oxdauth: NewGuard: nil client"))
	}
	if realm == "" || len(realm) > 256 || strings.ContainsFunc(realm, func(c rune) bool { return c < ' ' || c >= 0x7f }) {
		errs = append(errs, fmt.Errorf("oxdauth: NewGuard: realm %q is not 1 to 256 printable ASCII characters", realm))
	}
	for _, opt := range opts {
		errs = append(errs, opt.applyGuard(&s))
	}
	if client != nil && s.sessions != nil && s.sessions.client.Audience() != client.Audience() {
		errs = append(errs, errors.New("oxdauth: WithSessions: the middleware is for another site; an ID token of it is worth nothing here"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if s.reportOnly {
		s.logger.Warn("oxdauth: WithReportOnly: UMA decisions are logged and not enforced")
	}
	g := &Guard{
		client: client, audience: client.Audience(), realm: quoted(realm), settings: s,
		limiter: newLimiter(s.ticketRate, s.ticketBurst), places: make(chan struct{}, s.concurrency),
		first: map[resourceMethod]*route{},
	}
	if s.cacheEntries > 0 {
		g.cache = newGrantCache(s.cacheEntries, s.cacheTTL)
	}
	rand.Read(g.key[:]) // never fails since Go 1.24: a broken source ends the process
	return g, nil
}

// quoted writes a quoted-string (RFC 9110 section 5.6.4).
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Ready reports whether every declared resource is protected: nil, or what is missing. It is made for health checks and
// does not ask oxd.
func (g *Guard) Ready() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var errs []error
	for _, rt := range g.routes {
		switch {
		case rt.protected.Load() == nil:
			errs = append(errs, fmt.Errorf("oxdauth: resource %q: Protect has not succeeded", rt.key()))
		case rt.missing.Load():
			errs = append(errs, fmt.Errorf("oxdauth: resource %q: oxd does not protect it any more", rt.key()))
		}
	}
	return errors.Join(errs...)
}

// Public marks a handler as open on purpose, for [Guard.Uncovered] and [NewRules]. reason is for the reader; it panics without one.
func Public(reason string) func(http.Handler) http.Handler {
	if reason == "" {
		panic("oxdauth: Public: no reason")
	}
	return func(next http.Handler) http.Handler { return &public{reason, next} }
}

type public struct {
	reason string
	http.Handler
}
