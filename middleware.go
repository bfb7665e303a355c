package oxdauth

// The middleware: its construction, and everything it offers, each in a line that names the
// component that does it.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/oxdauth/internal/ended"
	"example.com/oxdauth/internal/limit"
	"example.com/oxdauth/internal/pending"
	"example.com/oxdauth/internal/renewal"
	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

// Middleware signs people in through oxd and keeps their sessions in cookies or, with [WithStore],
// in a store. It is immutable after [New] and safe for concurrent use.
type Middleware struct {
	site     *web.Site
	answers  *answers
	sessions *sessions
	logins   *logins
	logouts  *logouts
	own      map[string]http.Handler // by path: what Handler answers itself
}

// New returns a middleware for the site that client stands for. Scheme, host, callback path and the
// security of cookies come from the site's AuthorizationRedirectURI and never from a request. A
// site that is known by its OxdID needs it as well. oxd is not contacted, so it may start later.
// All problems with the arguments are reported at once.
//
// Each application, and each environment of it, needs keys of its own; see [WithKeys].
func New(client *oxd.Client, opts ...Option) (*Middleware, error) {
	s, err := newSettings(opts)
	if client == nil {
		return nil, errors.Join(errors.New("oxdauth: New: nil client"), err)
	}
	site, siteErr := newSite(client, &s)
	if err := errors.Join(err, siteErr); err != nil {
		return nil, err
	}
	if err := registerAddresses(client, site, &s); err != nil {
		return nil, err
	}
	log := &s.journal
	if s.cookies.insecure {
		log.Warn("oxdauth: WithInsecureCookies: cookies have no Secure attribute and no __Host- prefix; for development on this machine only")
	}
	if s.cookies.keys == nil {
		s.cookies.keys = [][]byte{sealed.RandomKey()}
		log.Warn("oxdauth: no WithKeys: sessions end with this process and are not shared with other replicas")
	}
	audience := site.Audience() + " " + client.Audience()
	c, err := newCookies(s.cookies, site, audience)
	if err != nil {
		return nil, err
	}
	m, breaker := &Middleware{site: site}, &limit.Breaker{}
	m.sessions = newSessions(&s, client, breaker, c, audience)
	m.answers = &answers{
		site: site, journal: log, handler: s.errorHandler, pages: s.pages, sessionOf: m.sessions.ofRequest,
	}
	m.logins = &logins{
		client: client, breaker: breaker, site: site, sessions: m.sessions, answers: m.answers, journal: log, ask: s.logins,
		trips: trips{pending.NewLogins(c.logins), pending.NewGatherings(c.gatherings), pending.NewForms(c.forms), pending.NewUsed()},
	}
	m.logouts = &logouts{
		client: client, site: site, sessions: m.sessions, logins: m.logins, answers: m.answers, journal: log,
		verifier: s.verifier, settings: s.logouts,
	}
	m.own = map[string]http.Handler{
		site.CallbackPath: m.Callback(), site.Endpoints.Login: m.Login(), site.Endpoints.Logout: m.Logout(),
	}
	if s.logouts.frontChannel {
		m.own[site.Endpoints.FrontChannel] = m.FrontChannelLogout()
	}
	if s.verifier != nil {
		m.own[site.Endpoints.BackChannel] = m.BackChannelLogout()
	}
	return m, nil
}

// newSite returns where the application is served.
func newSite(client *oxd.Client, s *settings) (*web.Site, error) {
	redirectURL := client.AuthorizationRedirectURI()
	if redirectURL == "" {
		return nil, errors.New("oxdauth: New: the client's Site.Params.AuthorizationRedirectURI is missing")
	}
	return web.ParseSite(web.SiteConfig{
		RedirectURL: redirectURL, Prefix: s.prefix, Insecure: s.cookies.insecure, Endpoints: s.endpoints,
	})
}

// registerAddresses has the addresses registered that follow from the options, and names those in
// the log that may belong to the application.
func registerAddresses(client *oxd.Client, site *web.Site, s *settings) (err error) {
	if s.endpoints == (web.Endpoints{}) && strings.Count(site.CallbackPath, "/") == 1 {
		s.journal.Warn("oxdauth: the middleware answers these paths itself; WithEndpoints sets others",
			"login", site.Endpoints.Login, "logout", site.Endpoints.Logout)
	}
	if s.prefix != "" { // the root of the origin is another application
		err = client.DefaultPostLogoutRedirectURI(site.URL("/"))
	}
	if s.logouts.frontChannel {
		err = errors.Join(err, client.AddFrontchannelLogoutURI(site.URL(site.Endpoints.FrontChannel)))
	}
	return err
}

// newSessions returns the component that keeps sessions, with what it needs.
func newSessions(s *settings, client *oxd.Client, breaker *limit.Breaker, c *cookies, audience string) *sessions {
	log := &s.journal
	values := replica.New(s.store, c.stored, audience, log.Logger)
	registry := ended.Config{Values: values, Lifetime: s.cookies.absolute, NotBefore: s.notBefore, Logger: log.Logger}
	if s.verifier != nil {
		registry.Issuer = s.verifier.Issuer()
	}
	renewals := renewal.Config{
		Client: client, Breaker: breaker, Values: values, Idle: s.cookies.idle,
		Claims: s.logins.claims, ClaimsInterval: s.interval, Scopes: s.logins.scopes, OnResult: log.renewed,
	}
	return &sessions{
		prefix: c.prefix, identityCookie: c.identity, tokensCookie: c.tokens, rounds: pending.NewRounds(c.rounds), values: values, ended: ended.New(registry),
		renewals: renewal.New(renewals), idle: s.cookies.idle, absolute: s.cookies.absolute, journal: log,
	}
}

// CallbackPath is the path of the redirect URL, as requests arrive: without the prefix of
// [WithPathPrefix]. The same is true of the other paths.
func (m *Middleware) CallbackPath() string { return m.site.CallbackPath }

// LoginPath is where a login can be started; see [WithEndpoints].
func (m *Middleware) LoginPath() string { return m.site.Endpoints.Login }

// LogoutPath is where a form posts to sign out; see [WithEndpoints].
func (m *Middleware) LogoutPath() string { return m.site.Endpoints.Logout }

// FrontChannelLogoutPath is where the provider's logout page loads [Middleware.FrontChannelLogout];
// see [WithEndpoints].
func (m *Middleware) FrontChannelLogoutPath() string { return m.site.Endpoints.FrontChannel }

// BackChannelLogoutPath is where the provider posts logout tokens to
// [Middleware.BackChannelLogout]; see [WithEndpoints].
func (m *Middleware) BackChannelLogoutPath() string { return m.site.Endpoints.BackChannel }

// LoginURL is the absolute URL of a link that starts a login, as the browser needs it.
func (m *Middleware) LoginURL() string { return m.site.URL(m.site.Endpoints.Login) }

// LogoutURL is the absolute URL of a form that signs out, as the browser needs it.
func (m *Middleware) LogoutURL() string { return m.site.URL(m.site.Endpoints.Logout) }

// Close refuses new refreshes and waits for those under way. It does not close the client.
func (m *Middleware) Close() error {
	m.sessions.renewals.Close()
	return nil
}

// Ready reports whether oxd answers, as far as recent questions show: nil, or an error while oxd is
// not asked because it has not answered several times in a row. It does not ask oxd. People who are
// signed in are served in any case, so it is for an alarm, or for a probe of a service that is of
// no use without new logins.
func (m *Middleware) Ready() error {
	if m.logins.breaker.Open() {
		return limit.ErrOpen
	}
	return nil
}

// Handler lets requests with a session through to next and no other. A browser loading a page
// without one is sent to the provider and comes back to that page; anything else gets 401 with a
// JSON body naming the login URL. It answers the callback, login and logout paths itself, those for
// the provider's logout included. Wrapping twice is harmless.
func (m *Middleware) Handler(next http.Handler) http.Handler {
	return m.require(requirement{}, next)
}

// RequireACR is [Middleware.Handler] for routes that need one of the given authentication context
// class references (OpenID Connect Core section 2). A session with another one is sent through the
// provider with acr_values; if the provider does not deliver, the answer is 403, not another round.
// It panics when a value is empty or contains a space.
func (m *Middleware) RequireACR(acr string, more ...string) func(http.Handler) http.Handler {
	acrs := append([]string{acr}, more...)
	if err := web.CheckWords("an ACR value", acrs); err != nil {
		panic("oxdauth: RequireACR: " + err.Error())
	}
	return func(next http.Handler) http.Handler { return m.require(requirement{acrs: acrs}, next) }
}

// RequireMaxAge is [Middleware.Handler] for routes that need a recent login, such as those that
// change a password. It goes by the auth_time of the ID token (OpenID Connect Core section 2), give
// or take five seconds. A session of a login longer ago than maxAge is sent through the provider
// with max_age, and with the ACR it has, so that nothing is lost; if the provider then states an
// older auth_time, or none, the answer is 403, not another round. It panics when maxAge is less
// than ten seconds or not a whole number of them.
func (m *Middleware) RequireMaxAge(maxAge time.Duration) func(http.Handler) http.Handler {
	if maxAge < 10*time.Second || maxAge%time.Second != 0 {
		panic(fmt.Sprintf("oxdauth: RequireMaxAge: %v is not a whole number of at least ten seconds", maxAge))
	}
	return func(next http.Handler) http.Handler { return m.require(requirement{maxAge: maxAge}, next) }
}

// RequireClaim is [Middleware.Handler] for routes that need a claim, such as a group: one of the
// claim's values, compared whole and case-sensitively, has to be one of the given ones. A session
// without gets 403 ([ErrForbidden]). A claim is as old as the login. It panics when [WithClaims]
// does not name the claim, because then no session would have it, and when a value is empty.
func (m *Middleware) RequireClaim(name, value string, more ...string) func(http.Handler) http.Handler {
	values := append([]string{value}, more...)
	if !slices.Contains(m.logins.ask.claims, name) || slices.Contains(values, "") {
		panic(fmt.Sprintf("oxdauth: RequireClaim: %q is not one of WithClaims, or a value is empty", name))
	}
	return func(next http.Handler) http.Handler {
		inner := m.require(requirement{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, ok := m.sessions.ofRequest(r)
			if !ok || !slices.ContainsFunc(s.Claims[name], func(v string) bool { return slices.Contains(values, v) }) {
				m.answers.fail(w, r, ErrForbidden)
				return
			}
			next.ServeHTTP(w, r)
		}))
		return &wrapped{"claim " + name + " = " + strings.Join(values, " or "), inner}
	}
}

// Optional attaches the session if there is one and calls next in any case; [SessionFromContext]
// returns it. It answers the callback, login and logout paths itself. Guard what needs a session
// with Handler or RequireACR inside. A session that a failing store cannot confirm is not attached.
func (m *Middleware) Optional(next http.Handler) http.Handler {
	return &wrapped{"nothing; a session is attached", serveOwn(m.own, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := m.sessions.load(w, r)
		if err == nil {
			serve(w, r, s, next)
			return
		}
		if err := m.logins.stuck(r); errors.Is(err, errMisplaced) {
			m.answers.failLogin(w, r, err, "")
			return
		}
		if errors.Is(err, ErrStore) {
			m.answers.journal.ErrorContext(r.Context(), "oxdauth: going on without a session", "error", err)
		}
		w.Header().Add("Vary", "Cookie")
		next.ServeHTTP(w, r)
	}))}
}

// Authenticate is the decision without the answer: the session of a request, [ErrNoSession] or,
// with [WithStore], [ErrStore]. It sets no cookies and therefore neither refreshes tokens nor
// extends the idle limit; a request that only ever goes through Authenticate ends idle.
func (m *Middleware) Authenticate(r *http.Request) (*Session, error) {
	return m.sessions.authenticate(r)
}

// Refresh exchanges the refresh token now, whatever the access token's expiry and however recently
// oxd has failed, and sets the new cookies on w; call it before anything is written. Errors:
// [ErrNoSession] when there is no session or the provider has withdrawn it, [ErrNoRefreshToken],
// [ErrStore], or what oxd answered, in which case the session goes on as it is. Concurrent calls
// for one session share one exchange.
func (m *Middleware) Refresh(w http.ResponseWriter, r *http.Request) (*Session, error) {
	return m.sessions.refresh(w, r)
}

// Callback returns the handler for the redirect URL. [Middleware.Handler] serves it at
// [Middleware.CallbackPath] by itself; routers that run middleware on matched routes only need it
// mounted there.
func (m *Middleware) Callback() http.Handler { return http.HandlerFunc(m.logins.serveCallback) }

// Login returns the handler that starts a login and afterwards returns to the local path in the
// query parameter return_to. Nothing else is taken from the query. [Middleware.Handler] serves it
// at [Middleware.LoginPath] by itself.
func (m *Middleware) Login() http.Handler { return http.HandlerFunc(m.logins.serveLogin) }

// Logout returns the handler that ends the session: POST, refused when another origin sent it
// ([ErrCrossOrigin]); GET shows a page that asks. The session is revoked and its cookies removed
// before oxd is asked, so logging out works while oxd is down. Then the browser goes to the
// provider's end_session endpoint (OpenID Connect RP-Initiated Logout) if this session has an ID
// token, else to a page that says so: without a hint of its own oxd would name whoever logged in
// last. [Middleware.Handler] serves it at [Middleware.LogoutPath] by itself.
func (m *Middleware) Logout() http.Handler { return http.HandlerFunc(m.logouts.serveLogout) }

// FrontChannelLogout returns the handler that ends sessions on a message of the provider's logout
// page (OpenID Connect Front-Channel Logout 1.0); it panics without [WithFrontChannelLogout]. A
// browser sends no cookies of ours into a frame of another site, so the session is found by the
// parameters iss and sid, both of which are required, and is ended on the server as by
// [Middleware.RevokeSubject]: in this process and, with [WithStore], on the other replicas. Cookies
// of that very session are removed if they came.
//
// Anybody can send a browser here. What protects a session is that only its browser and the
// provider have its sid; a wrong one ends nothing, and the answer does not show whether it was
// right.
//
// [Middleware.Handler] serves it at [Middleware.FrontChannelLogoutPath] by itself.
func (m *Middleware) FrontChannelLogout() http.Handler {
	if !m.logouts.settings.frontChannel {
		panic("oxdauth: FrontChannelLogout needs WithFrontChannelLogout")
	}
	return http.HandlerFunc(m.logouts.serveFrontChannel)
}

// BackChannelLogout returns the handler that takes logout tokens; it panics without
// [WithBackChannelLogout]. Register its address at the provider: oxd cannot register it.
//
// A token with a sid ends the sessions made from that session at the provider, and those of its sub
// about which the provider stated no sid; a token with a sub alone ends all of the user's. They end
// on this replica from the next request on, and on the others as by [Middleware.RevokeSubject]. The
// answer is 200, 400 for a token that fails any check of section 2.6 or was taken before, or 503
// when it cannot be checked now and should be sent again. The signature is RS, PS or ES with 256,
// 384 or 512 bits, or EdDSA; exp and jti are required; a token older than 10 minutes is refused.
//
// oxd does not return the client id that aud has to name. It is read from the authorization URLs
// that oxd has made, and oxd is asked for one when none has the id of a token; tokens for a client
// id from before a new registration are refused.
//
// [Middleware.Handler] serves it at [Middleware.BackChannelLogoutPath] by itself.
func (m *Middleware) BackChannelLogout() http.Handler {
	if m.logouts.verifier == nil {
		panic("oxdauth: BackChannelLogout needs WithBackChannelLogout")
	}
	return http.HandlerFunc(m.logouts.serveBackChannel)
}

// RevokeSubject ends every session of a user that was created before now, for example when an
// account is disabled: their next request finds none, and neither a copied cookie nor a refresh
// under way brings one back. Issuer and subject are those of [Session]. A new login makes a session
// again. One that finishes within the same second as this call is ended too, because sessions hold
// the second of their creation only; it takes one more login.
//
// What was ended is remembered until the absolute session lifetime has passed: in this process, so
// that every replica has to be called, and after a restart there is [WithNotBefore]; or with
// [WithStore] in the store, which every replica asks within five seconds. It waits for the store,
// three seconds at most, even if ctx is done. The error is [ErrStore]: the sessions have ended in
// this process, and end on the other replicas once the store answers this process again. An empty
// issuer or subject is an error, and nothing ends.
func (m *Middleware) RevokeSubject(ctx context.Context, issuer, subject string) error {
	if issuer == "" || subject == "" {
		return errors.New("oxdauth: RevokeSubject: no issuer or no subject")
	}
	err := m.sessions.ended.EndGroup(ctx, session.GroupOfSubject(issuer, subject))
	m.answers.journal.ended(ctx, issuer, subject, EndedByApplication)
	return err
}

// WriteError writes the default answer for err: a page for a person, JSON for everything else. It
// is for an [ErrorHandler] that treats some errors itself and leaves the rest. The request id is
// that of the [RequestError]; for an error without one it is a new one, and the error is logged
// with it.
func (m *Middleware) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	var failed *RequestError
	if !errors.As(err, &failed) {
		failed = m.answers.report(r, RequestRefused, err, "")
	}
	m.answers.write(w, r, failed)
}

// require is [logins.require] around what Handler answers itself.
func (m *Middleware) require(need requirement, next http.Handler) http.Handler {
	return &wrapped{need.String(), serveOwn(m.own, m.logins.require(need, next))}
}

// serveOwn answers the paths of this package and leaves the others to next. The path is compared as
// the application's router sees it, whole.
func serveOwn(own map[string]http.Handler, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := own[r.URL.Path]; ok {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// wrapped is a handler inside a wrapper of this package.
type wrapped struct {
	need string // for Rules.Report
	http.Handler
}

func (h *wrapped) needs() string { return h.need }

// Public marks a handler as open on purpose, for [Guard.Uncovered] and [NewRules]. reason is for
// the reader; it panics without one.
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

func (h *public) needs() string { return "nothing: " + h.reason }
