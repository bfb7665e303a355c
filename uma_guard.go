package oxdauth

// The UMA 2.0 guard: its construction and everything it offers. It is the resource server's side of
// UMA 2.0 Grant section 3.2 and Federated Authorization, with oxd between it and the authorization
// server.

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"example.com/oxdauth/internal/limit"
	"example.com/oxdauth/internal/uma"
	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

// Guard lets requests through that oxd grants access to (uma_rs_check_access), and no others. First
// everything is declared with [Guard.Handle] or [Guard.Require], then [Guard.Protect] registers it,
// then requests are served. Until Protect has succeeded, guarded routes answer 503. A Guard is safe
// for concurrent use.
//
// The answers to requests that are refused: 401 with a WWW-Authenticate challenge and a fresh
// permission ticket (UMA 2.0 Grant section 3.2.1); 403 or 503 with a Warning when there is no
// ticket or no decision to be had (section 3.2.2); 400 for a malformed RPT or an ambiguous path;
// 405; 429. None may be cached. There is no way to let requests through when oxd is out of order.
//
// A guard does not handle CORS: wrap it in something that does and that answers preflight requests
// itself. Tokens are read from the Authorization header alone, and headers that claim another
// method or path are not looked at.
type Guard struct {
	decider   *decider
	refuser   *refuser
	browser   *browser // nil: API clients only
	registrar *uma.Registrar
}

// NewGuard returns a guard for the site that client stands for, which needs the scope
// uma_protection and the grant client_credentials. realm appears in challenges and has no default:
// it names the part of the application that a ticket is for. oxd is not contacted. All problems
// with the arguments are reported at once.
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
	if client != nil && s.sessions != nil && s.sessions.logins.client.Audience() != client.Audience() {
		errs = append(errs, errors.New("oxdauth: WithSessions: the middleware is for another site; an ID token of it is worth nothing here"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if s.log.reportOnly {
		s.log.logger.Warn("oxdauth: WithReportOnly: UMA decisions are logged and not enforced")
	}
	d := &decider{
		declared: &uma.Declared{}, asker: uma.NewAsker(client, s.concurrency, s.timeout),
		tickets: limit.NewBucket(s.tickets.perSecond, s.tickets.burst), clients: s.clients, log: s.log,
	}
	rand.Read(d.log.key[:]) // never fails since Go 1.24: a broken source ends the process
	if s.grants.entries > 0 {
		d.grants = uma.NewGrants(d.asker, s.grants.entries, s.grants.maxTTL, func(rpt uma.RPT) string { return rpt.Fingerprint(&d.log.key) })
	}
	g := &Guard{
		decider: d, refuser: &refuser{realm: web.Quote(realm), unavailable: s.unavailable, decider: d},
		registrar: &uma.Registrar{Client: client, ASURI: s.asURI, File: s.protectionFile, Logger: s.log.logger},
	}
	if s.sessions != nil {
		if err := client.AddClaimsRedirectURI(s.sessions.site.URL(s.claimsPath)); err != nil {
			return nil, fmt.Errorf("oxdauth: WithSessions: %w", err)
		}
		g.browser = &browser{decider: d, refuser: g.refuser, auth: s.sessions, claimsPath: s.claimsPath}
	}
	return g, nil
}

// Handle registers h at mux and declares the resource in one call. pattern is one of
// [http.ServeMux] with a method, such as "PUT /photos/{id}"; its path, wildcards left as they are
// and a host left out, is the name of the resource unless res has one. It panics where
// [http.ServeMux.Handle] does; other problems come out of [Guard.Protect], and the route answers
// 503 until then.
//
// Nothing that rewrites the request may stand between the guard and h.
func (g *Guard) Handle(mux *http.ServeMux, pattern string, h http.Handler, res Resource) {
	method, path := web.SplitPattern(pattern)
	res.Method, res.Path = method, cmp.Or(res.Path, path)
	mux.Handle(pattern, g.Require(res)(h))
}

// Require declares a resource and returns the wrapper for the handlers of its route, for routers of
// any kind. Problems with the declaration come out of [Guard.Protect], and the route answers 503
// until then.
func (g *Guard) Require(res Resource) func(http.Handler) http.Handler {
	declared := res.declared()
	g.decider.declared.Add(declared)
	return func(next http.Handler) http.Handler { return &guarded{g, declared, next} }
}

// guarded is the innermost wrapper of a handler.
type guarded struct {
	guard    *Guard
	resource *uma.Resource
	next     http.Handler
}

func (h *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.guard.serve(w, r, h.resource, h.next)
}

func (h *guarded) needs() string { return "UMA " + h.resource.Key() }

// Protect registers the declared resources (uma_rs_protect; Federated Authorization for UMA 2.0
// section 3.2) and makes their routes serve. Call it after the last declaration and before serving;
// again, when it has failed or [Guard.Ready] reports a resource that oxd has lost. Processes that
// share the file of [WithProtectionFile] wait for each other, up to half a minute; where they do
// not share one, let one process at a time do it.
//
// What has been registered for the same oxd_id before is not registered again. Where that is not
// known from [WithProtectionFile] or an earlier call, oxd is asked (one ticket each); it does not
// return the scopes, so resources found that way are taken as they are, with a warning in the log.
// Each method of a path is a resource of its own at the authorization server, so that an RPT for
// one does not open another.
//
// It reports all problems with the declarations at once, before oxd is contacted. Scopes that have
// changed and resources that are gone are an error with oxd 3.1: it can neither change nor remove a
// resource, and would go on with the old scopes. With oxd 4 everything is registered anew instead,
// also when a resource is added, and RPTs from before open nothing then. Otherwise the errors are
// those of [oxd.Client.Register] and [oxd.Client.ProtectResources].
func (g *Guard) Protect(ctx context.Context) error {
	site, err := g.registrar.Protect(ctx, g.decider.declared)
	if err != nil {
		return err
	}
	g.decider.site.Store(&site)
	g.decider.grants.Purge()
	return nil
}

// Ready reports whether every declared resource is protected: nil, or what is missing. It is made
// for health checks and does not ask oxd.
func (g *Guard) Ready() error { return g.decider.declared.Ready() }

// Purge forgets all cached grants, so that each RPT is checked by oxd again.
func (g *Guard) Purge() { g.decider.grants.Purge() }

// VerifyIssuer fetches the discovery document of the authorization server (UMA 2.0 Grant section 2)
// with client, [http.DefaultClient] when nil, and returns an error when its issuer is not the
// as_uri that challenges carry, to the letter: a client that compares the two would refuse to go
// there. oxd does not return the issuer and may reach the authorization server where this program
// cannot, so nothing depends on this check; it is for a deployment's start or its tests. Call it
// after [Guard.Protect].
func (g *Guard) VerifyIssuer(ctx context.Context, client *http.Client) error {
	site := g.decider.site.Load()
	if site == nil {
		return errors.New("oxdauth: VerifyIssuer: Protect has not succeeded")
	}
	return uma.VerifyIssuer(ctx, client, site.ASURI)
}

// Check decides about a request for a declared resource and method without answering it: for
// routers and frameworks that [Guard.Require] does not fit. Only [OutcomeGranted] lets a
// request through; [Guard.Refuse] writes the answer for every other one. The RPT is that of the
// Authorization header, sessions are not looked at.
func (g *Guard) Check(r *http.Request, path, method string) Decision {
	res := g.decider.declared.Find(path, method)
	if res == nil {
		res = &uma.Resource{Path: path, Method: method} // never protected, hence never ready
	}
	started := time.Now()
	v, rpt := g.decider.check(r, res, started)
	d := g.decider.newDecision(r, res, v, rpt, started)
	if v.outcome != OutcomeGranted {
		d.Status = g.refuser.status(v.outcome)
	}
	g.decider.log.record(r.Context(), d)
	return d
}

// Refuse writes the answer for a decision of [Guard.Check] that is not [OutcomeGranted]. A decision
// is answered once: its ticket is for one client.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, d Decision) { g.refuser.refuse(w, r, d) }

// ClaimsCallback returns the handler for the path of [WithSessions], where the browser comes back
// to from gathering claims. It is a route of its own, not a guarded one. Without WithSessions it
// answers 404.
func (g *Guard) ClaimsCallback() http.Handler {
	if g.browser == nil {
		return http.NotFoundHandler()
	}
	return http.HandlerFunc(g.browser.serveClaims)
}

// serve is the whole of a guarded route.
func (g *Guard) serve(w http.ResponseWriter, r *http.Request, res *uma.Resource, next http.Handler) {
	started := time.Now()
	if g.browser != nil && len(r.Header["Authorization"]) == 0 {
		g.browser.serve(w, r, res, started, func(w http.ResponseWriter, r *http.Request, rpt uma.RPT, d Decision) {
			g.pass(w, r, res, rpt, d, next)
		})
		return
	}
	v, rpt := g.decider.check(r, res, started)
	d := g.decider.newDecision(r, res, v, rpt, started)
	if v.outcome != OutcomeGranted && !g.decider.log.reportOnly {
		d.Status = g.refuser.status(v.outcome)
		g.decider.log.record(r.Context(), d)
		g.refuser.refuse(w, r, d)
		return
	}
	g.decider.log.record(r.Context(), d)
	g.pass(w, r, res, rpt, d, next)
}

// pass calls the handler. The ResponseWriter is not wrapped, and the body not read.
func (g *Guard) pass(w http.ResponseWriter, r *http.Request, res *uma.Resource, rpt uma.RPT, d Decision, next http.Handler) {
	ctx := context.WithValue(r.Context(), decisionKey{}, d.public())
	if res.Recheck > 0 && !g.decider.log.reportOnly {
		var stop context.CancelFunc
		ctx, stop = g.decider.watch(ctx, res, rpt)
		defer stop()
	}
	next.ServeHTTP(w, r.WithContext(ctx))
}

// Uncovered returns those of the patterns whose handler at mux is neither guarded by g nor marked
// with [Public], for a test that fails when there are any. A ServeMux does not list its patterns,
// so they have to be named; one that is not registered counts as uncovered. Handlers are looked at,
// not called: a guard inside another wrapper is not seen.
func (g *Guard) Uncovered(mux *http.ServeMux, patterns ...string) []string {
	var open []string
	for _, pattern := range patterns {
		h, matched := mux.Handler(exampleRequest(pattern))
		switch h := h.(type) {
		case *guarded:
			if h.guard == g && matched == pattern {
				continue
			}
		case *public:
			if matched == pattern {
				continue
			}
		}
		open = append(open, pattern)
	}
	return open
}

// exampleRequest returns a request that matches a pattern.
func exampleRequest(pattern string) *http.Request {
	method, rest, found := strings.Cut(pattern, " ")
	if !found {
		method, rest = http.MethodGet, pattern
	}
	host, path, _ := strings.Cut(strings.TrimLeft(rest, " \t"), "/")
	segments := strings.Split("/"+path, "/")
	for i, segment := range segments {
		switch {
		case segment == "{$}":
			segments[i] = ""
		case strings.HasPrefix(segment, "{"):
			segments[i] = "x"
		}
	}
	return &http.Request{Method: method, Host: host, URL: &url.URL{Path: strings.Join(segments, "/")}, Header: http.Header{}}
}
