package oxdauth

// The middleware: its construction, the wrappers, and the decision they share.

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"example.com/oxdauth/oxd"
)

// Middleware signs people in through oxd and keeps their sessions in cookies or, with [WithStore], in a store. It is
// immutable after [New] and safe for concurrent use.
type Middleware struct {
	settings    // as the options left them, without the keys
	client      *oxd.Client
	site        site
	crossOrigin *http.CrossOriginProtection

	prefix                   string // of all our cookie names
	identity, tokens, logins *sealer
	gatherings               *sealer // of claims, for a Guard
	forms                    *sealer
	revoked                  revocations
	finished                 finished
	refresher                refresher
	breaker                  breaker // of refreshes, userinfo and authorization URLs

	clients, issuers   learned
	seen, logoutTokens memory       // sessions at the provider, by groupID; logout tokens taken, by jti
	clientAsked        atomic.Int64 // when oxd was last asked for the client id, in seconds
	shared             *storage     // nil: tokens are in cookies, ended sessions in revoked alone
}

// New makes a middleware for the site that client stands for. redirectURL is the absolute callback URL registered as the
// site's authorization_redirect_uri: scheme, host, callback path and the security of cookies come from it and never from a
// request. oxd is not contacted, so it may start later. All problems with the arguments are reported at once.
//
// Each application, and each environment of it, needs keys of its own; see [WithKeys].
func New(client *oxd.Client, redirectURL string, opts ...Option) (*Middleware, error) {
	s := defaultSettings()
	var errs []error
	if client == nil {
		errs = append(errs, errors.New("oxdauth: New: nil client"))
	}
	for _, opt := range opts {
		errs = append(errs, opt.apply(&s))
	}
	where, err := parseRedirectURL(redirectURL, s.insecureCookies)
	errs = append(errs, err)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if s.insecureCookies {
		s.logger.Warn("oxdauth: WithInsecureCookies: cookies have no Secure attribute and no __Host- prefix; for development on this machine only")
	}
	if s.keys == nil {
		s.keys = [][]byte{randomKey()}
		s.logger.Warn("oxdauth: no WithKeys: sessions end with this process and are not shared with other replicas")
	}
	keys := s.keys
	s.keys, s.scopes = nil, withOpenID(s.scopes)
	if s.logoutRedirect == "" {
		s.logoutRedirect = where.origin + "/"
	}
	m := &Middleware{settings: s, client: client, site: where, crossOrigin: http.NewCrossOriginProtection(), prefix: s.cookieName}
	m.refresher = refresher{settings: &m.settings, client: client, breaker: &m.breaker}
	if !s.notBefore.IsZero() {
		m.revoked.before.Store(s.notBefore.Add(-1).Unix())
	}
	if m.provider != nil {
		m.issuers.add(m.provider.Issuer())
	}
	if where.secure {
		m.prefix = "__Host-" + m.prefix
	}
	audience := where.origin + where.callbackPath + " " + client.Audience()
	for _, kind := range []struct {
		dst           **sealer
		name, purpose string
		maxAge        time.Duration
	}{
		{&m.identity, m.prefix, "identity", s.absolute},
		{&m.tokens, m.prefix + "-tokens", "tokens", s.absolute},
		{&m.logins, m.prefix + "-login-", "login", loginMemory},
		{&m.gatherings, m.prefix + "-claims-", "claims", gatheringLifetime},
		{&m.forms, m.prefix + "-form", "form", loginMemory},
	} {
		if *kind.dst, err = newSealer(kind.name, kind.purpose, audience, keys, kind.maxAge, where.secure); err != nil {
			return nil, err
		}
	}
	if s.store != nil {
		values, err := newSealer(m.prefix, "store", audience, keys, s.absolute, where.secure)
		if err != nil {
			return nil, err
		}
		m.shared = &storage{store: s.store, sealer: values, audience: audience, logger: s.logger}
		m.refresher.shared = m.shared
	}
	return m, m.crossOrigin.AddTrustedOrigin(where.origin)
}

func withOpenID(scopes []string) []string {
	if len(scopes) == 0 || slices.Contains(scopes, "openid") {
		return scopes
	}
	return append([]string{"openid"}, scopes...)
}

// CallbackPath is the path of the redirect URL.
func (m *Middleware) CallbackPath() string { return m.site.callbackPath }

// LoginPath is where a login can be started by a link; it stands beside the callback: /auth/callback gives /auth/login.
func (m *Middleware) LoginPath() string { return m.site.loginPath }

// LogoutPath is where a form posts to sign out; it stands beside the callback: /auth/callback gives /auth/logout.
func (m *Middleware) LogoutPath() string { return m.site.logoutPath }

// FrontChannelLogoutPath is where the provider's logout page loads [Middleware.FrontChannelLogout]; it stands beside the
// callback: /auth/callback gives /auth/frontchannel-logout.
func (m *Middleware) FrontChannelLogoutPath() string { return m.site.frontChannelPath }

// BackChannelLogoutPath is where the provider posts logout tokens to [Middleware.BackChannelLogout]; it stands beside the
// callback: /auth/callback gives /auth/backchannel-logout.
func (m *Middleware) BackChannelLogoutPath() string { return m.site.backChannelPath }

// Close refuses new refreshes and waits for those under way. It does not close the client.
func (m *Middleware) Close() error {
	m.refresher.close()
	return nil
}

// Handler lets requests with a session through to next and no other. A browser loading a page without one is sent to the
// provider and comes back to that page; anything else gets 401 with a JSON body naming the login URL. It answers the
// callback, login and logout paths itself, those for the provider's logout included. Wrapping twice is harmless.
func (m *Middleware) Handler(next http.Handler) http.Handler {
	return m.guard(next, requirement{})
}

// RequireACR is [Middleware.Handler] for routes that need one of the given authentication context class references (OpenID
// Connect Core section 2). A session with another one is sent through the provider with acr_values; if the provider does
// not deliver, the answer is 403, not another round. It panics when a value is empty or contains a space.
func (m *Middleware) RequireACR(acr string, more ...string) func(http.Handler) http.Handler {
	acrs := append([]string{acr}, more...)
	if err := checkWords("an ACR value", acrs); err != nil {
		panic("oxdauth: RequireACR: " + err.Error())
	}
	return func(next http.Handler) http.Handler { return m.guard(next, requirement{acrs: acrs}) }
}

// RequireMaxAge is [Middleware.Handler] for routes that need somebody who has signed in lately, such as those that change a
// password. It goes by the auth_time of the ID token (OpenID Connect Core section 2), give or take five seconds. A session of
// a login longer ago than maxAge is sent through the provider with max_age, and with the ACR it has, so that nothing is
// lost; if the provider then states an older auth_time, or none, the answer is 403, not another round. It panics when maxAge
// is less than ten seconds or not a whole number of them.
func (m *Middleware) RequireMaxAge(maxAge time.Duration) func(http.Handler) http.Handler {
	if maxAge < 10*time.Second || maxAge%time.Second != 0 {
		panic(fmt.Sprintf("oxdauth: RequireMaxAge: %v is not a whole number of at least ten seconds", maxAge))
	}
	return func(next http.Handler) http.Handler { return m.guard(next, requirement{maxAge: maxAge}) }
}

// RequireClaim is [Middleware.Handler] for routes that need a claim, such as a group: one of the claim's values, compared
// whole and case-sensitively, has to be one of the given ones. A session without gets 403 ([ErrForbidden]). A claim is as
// old as the login. It panics when [WithClaims] does not name the claim, because then no session would have it, and
// when a value is empty.
func (m *Middleware) RequireClaim(name, value string, more ...string) func(http.Handler) http.Handler {
	values := append([]string{value}, more...)
	if !slices.Contains(m.claims, name) || slices.Contains(values, "") {
		panic(fmt.Sprintf("oxdauth: RequireClaim: %q is not one of WithClaims, or a value is empty", name))
	}
	return func(next http.Handler) http.Handler {
		guard := m.guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, ok := m.sessionOf(r)
			if !ok || !slices.ContainsFunc(s.Claims[name], func(v string) bool { return slices.Contains(values, v) }) {
				m.fail(w, r, ErrForbidden)
				return
			}
			next.ServeHTTP(w, r)
		}), requirement{})
		return &wrapped{"claim " + name + " = " + strings.Join(values, " or "), guard}
	}
}

// guard is the strict wrapper. The zero requirement asks for any session.
func (m *Middleware) guard(next http.Handler, need requirement) http.Handler {
	return &wrapped{need.String(), m.serveOwnPaths(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := m.load(w, r)
		if err == nil && !need.met(s.ACR, s.AuthTime) {
			err = ErrACR
		}
		if err == nil {
			m.pass(w, r, s, next)
			return
		}
		req := loginRequest{returnTo: requestTarget(r), requirement: need}
		if len(need.acrs) == 0 {
			req.acrs = m.acrs
		}
		if s != nil {
			req.hint = cmp.Or(s.Claims.Get("preferred_username"), s.Claims.Get("email"))
			if len(need.acrs) == 0 && s.ACR != "" {
				req.acrs = []string{s.ACR}
			}
		}
		begins := isNavigation(r)
		if !begins {
			req.form, begins = m.readForm(r)
		}
		if begins && (errors.Is(err, ErrNoSession) || errors.Is(err, ErrACR)) {
			m.startLogin(w, r, req)
			return
		}
		m.fail(w, r, err)
	}))}
}

// String is for [Rules.Report].
func (need requirement) String() string {
	switch {
	case len(need.acrs) > 0:
		return "ACR " + strings.Join(need.acrs, " or ")
	case need.maxAge > 0:
		return "a login at most " + need.maxAge.String() + " ago"
	}
	return "a session"
}

// Optional attaches the session if there is one and calls next in any case; [SessionFromContext] tells. It answers the
// callback, login and logout paths itself. Guard what needs a session with Handler or RequireACR inside. A session that a
// failing store cannot confirm is not attached.
func (m *Middleware) Optional(next http.Handler) http.Handler {
	return &wrapped{"nothing; a session is attached", m.serveOwnPaths(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := m.load(w, r)
		if err != nil {
			if errors.Is(err, ErrStore) {
				m.logger.ErrorContext(r.Context(), "oxdauth: going on without a session", "error", err)
			}
			w.Header().Add("Vary", "Cookie")
			next.ServeHTTP(w, r)
			return
		}
		m.pass(w, r, s, next)
	}))}
}

// wrapped is what a wrapper of this package gives; need is for [Rules.Report].
type wrapped struct {
	need string
	http.Handler
}

// pass calls next with the session. A page is private to its user: no cache may keep it and, so that the back button shows
// nothing after signing out, neither may the browser. A handler that sets its own Cache-Control knows better, except on
// answers that set our cookies.
func (m *Middleware) pass(w http.ResponseWriter, r *http.Request, s *Session, next http.Handler) {
	if known, ok := SessionFromContext(r.Context()); ok && known == s {
		next.ServeHTTP(w, r) // an outer wrapper has done all this
		return
	}
	h, fields := w.Header(), s.state.fields[:] // s has just been read: it has a state, and this request is its first
	fields[0], fields[1] = "private", "Cookie"
	if isNavigation(r) {
		fields[0] = "no-store"
	}
	if field(h, "Cache-Control") == "" {
		h["Cache-Control"] = fields[:1:1]
	}
	if len(h["Vary"]) == 0 {
		h["Vary"] = fields[1:]
	} else {
		h.Add("Vary", "Cookie")
	}
	s.state.context = sessionContext{r.Context(), s}
	next.ServeHTTP(w, r.WithContext(&s.state.context))
}

// serveOwnPaths answers the paths of this package and leaves the others to next. The path is compared as the
// application's router sees it, whole.
func (m *Middleware) serveOwnPaths(next http.Handler) http.Handler {
	own := map[string]http.Handler{
		m.site.callbackPath: m.Callback(), m.site.loginPath: m.Login(), m.site.logoutPath: m.Logout(),
		m.site.frontChannelPath: m.FrontChannelLogout(),
	}
	if m.provider != nil {
		own[m.site.backChannelPath] = m.BackChannelLogout()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, ok := own[r.URL.Path]; ok {
			h.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Authenticate is the decision without the answer: the session of a request, [ErrNoSession] or, with [WithStore],
// [ErrStore]. It sets no cookies and therefore neither refreshes tokens nor extends the idle limit; a request that only ever
// goes through Authenticate ends idle.
func (m *Middleware) Authenticate(r *http.Request) (*Session, error) {
	if s, ok := m.sessionOf(r); ok {
		return s, nil
	}
	s := newSignedIn()
	v, t, _ := m.current(readJar(r, m.prefix), &s.read, time.Now())
	if v == nil {
		return nil, ErrNoSession
	}
	if err := m.shared.check(r.Context(), v); err != nil {
		return nil, err
	}
	return s.become(m, r, v, t), nil
}
