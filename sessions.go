package oxdauth

// How a session is found in, kept in and removed from the cookies of a request.

import (
	"context"
	"errors"
	"net/http"
	"time"

	"example.com/oxdauth/internal/ended"
	"example.com/oxdauth/internal/pending"
	"example.com/oxdauth/internal/renewal"
	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

// cookieSettings is what the options say about cookies and sessions.
type cookieSettings struct {
	keys           [][]byte // the first one seals
	idle, absolute time.Duration
	name           string // the base of all names
	insecure       bool   // plain http on a loopback host
}

// cookies are the kinds of cookies and stored values of one middleware, each with keys of its own.
type cookies struct {
	prefix                            string // of the names of all
	identity, tokens                  *sealed.Cookie
	logins, gatherings, forms, rounds *sealed.Cookie
	stored                            *sealed.Sealer
}

// newCookies derives the keys. The audience is a part of them, so that no other application or site
// can use what is sealed here.
func newCookies(s cookieSettings, site *web.Site, audience string) (*cookies, error) {
	c := &cookies{prefix: s.name}
	if site.Secure {
		c.prefix = "__Host-" + c.prefix
	}
	var errs []error
	cookie := func(suffix, purpose string, lifetime time.Duration) *sealed.Cookie {
		made, err := sealed.NewCookie(c.prefix+suffix, purpose, audience, s.keys, lifetime, site.Secure)
		errs = append(errs, err)
		return made
	}
	c.identity = cookie("", "identity", s.absolute)
	c.tokens = cookie("-tokens", "tokens", s.absolute)
	c.logins = cookie("-login-", "login", pending.LoginMemory)
	c.gatherings = cookie("-claims-", "claims", pending.GatheringLifetime)
	c.forms = cookie("-form", "form", pending.LoginMemory)
	c.rounds = cookie("-round", "round", pending.LoginMemory)
	stored, err := sealed.NewSealer(c.prefix, "store", audience, s.keys, s.absolute)
	c.stored = stored
	return c, errors.Join(append(errs, err)...)
}

// sessions is the component that finds, renews, keeps and ends sessions. It is immutable and safe
// for concurrent use.
type sessions struct {
	prefix         string // of the names of all our cookies
	identityCookie *sealed.Cookie
	tokensCookie   *sealed.Cookie
	rounds         *pending.Rounds // logins without a session in between
	values         *replica.Values // nil: tokens are in cookies
	ended          *ended.Registry
	renewals       *renewal.Group
	idle, absolute time.Duration
	journal        *journal
}

// found is a session as the cookies of a request have it.
type found struct {
	identity *session.Identity // nil: there is none
	tokens   *session.Tokens   // nil: not opened yet
	rewrite  bool              // the browser should get new cookies
}

// jar returns the cookies of a request that have our prefix.
func (c *sessions) jar(r *http.Request) sealed.Jar { return sealed.ReadJar(r, c.prefix) }

// ofRequest returns the session that an outer wrapper of this middleware, or a test, has put into
// the context.
func (c *sessions) ofRequest(r *http.Request) (*Session, bool) {
	s, ok := SessionFromContext(r.Context())
	return s, ok && (s.state == nil || s.state.owner == c)
}

// find returns the newest live session among the identity cookies of a request. The first one is
// read into candidate.
func (c *sessions) find(jar sealed.Jar, candidate *session.Identity, now time.Time) (f found) {
	for value := range c.identityCookie.Values(jar) {
		if candidate == nil {
			candidate = new(session.Identity)
		}
		rotate, err := c.identityCookie.Open(jar, value, candidate)
		if err == nil && c.alive(candidate, now) && (f.identity == nil || candidate.Generation > f.identity.Generation) {
			f.identity, f.rewrite = candidate, rotate
		}
		candidate = nil
	}
	return f
}

// alive reports whether v is within its limits and has not ended on this replica.
func (c *sessions) alive(v *session.Identity, now time.Time) bool {
	return v.Alive(now) && !c.ended.Has(v)
}

// confirm returns an error for a session that has ended while something was in progress for it,
// here or elsewhere.
func (c *sessions) confirm(ctx context.Context, v *session.Identity) error {
	if !v.Alive(time.Now()) {
		return ErrNoSession
	}
	return sessionError(c.ended.Check(ctx, v))
}

// sessionError reads the answer of the registry.
func sessionError(ended bool, err error) error {
	if err == nil && ended {
		return ErrNoSession
	}
	return err
}

// readTokens finds the tokens that belong to an identity: of the same session, and not older. Newer
// ones are left when a slow answer, begun before a refresh, puts its identity cookie over the one
// that came with them; the identity returned has their generation. Without tokens the results are v
// and nil. Errors are of the store.
func (c *sessions) readTokens(ctx context.Context, jar sealed.Jar, v *session.Identity) (*session.Identity, *session.Tokens, error) {
	if c.values != nil {
		return c.values.Tokens(ctx, v)
	}
	for value := range c.tokensCookie.Values(jar) {
		t := new(session.Tokens)
		if _, err := c.tokensCookie.Open(jar, value, t); err == nil && t.ID == v.ID && t.Generation >= v.Generation {
			newer := *v
			newer.Generation = t.Generation
			return &newer, t, nil
		}
	}
	return v, nil, nil
}

// tokensOf is readTokens for a session that has been found in r.
func (c *sessions) tokensOf(r *http.Request, v *session.Identity) (*session.Identity, *session.Tokens, error) {
	ctx := context.WithoutCancel(r.Context())
	v, t, err := c.readTokens(ctx, sealed.ReadJar(r, c.tokensCookie.Name()), v)
	if err != nil {
		c.journal.ErrorContext(ctx, "oxdauth: the tokens of a session cannot be read", "error", err)
	}
	return v, t, err
}

// current returns the session of a request: what its cookies hold or, shortly after a refresh, the
// successor of that with its tokens.
func (c *sessions) current(jar sealed.Jar, candidate *session.Identity, now time.Time) found {
	f := c.find(jar, candidate, now)
	if f.identity == nil {
		return f
	}
	if newest := c.renewals.Successor(f.identity); newest.Identity != nil {
		return found{newest.Identity, newest.Tokens, true}
	}
	return f
}

// authenticate is [Middleware.Authenticate].
func (c *sessions) authenticate(r *http.Request) (*Session, error) {
	if s, ok := c.ofRequest(r); ok {
		return s, nil
	}
	l := newLoaded()
	f := c.current(c.jar(r), &l.found, time.Now())
	if f.identity == nil {
		return nil, ErrNoSession
	}
	if err := sessionError(c.ended.Elsewhere(r.Context(), f.identity)); err != nil {
		return nil, err
	}
	return l.set(c, r, f.identity, f.tokens), nil
}

// load finds the session of a request, renews it when that is due, and sets the cookies that have
// changed. Errors are [ErrNoSession], [ErrStore] and [ErrSessionTooLarge].
func (c *sessions) load(w http.ResponseWriter, r *http.Request) (*Session, error) {
	if s, ok := c.ofRequest(r); ok {
		return s, nil
	}
	jar, now := c.jar(r), time.Now()
	l := newLoaded()
	f := c.current(jar, &l.found, now)
	if f.identity == nil {
		return nil, ErrNoSession
	}
	err := sessionError(c.ended.Elsewhere(r.Context(), f.identity))
	if err != nil {
		return nil, err
	}
	if need := c.renewals.Due(f.identity, now); need.Any() {
		if f, err = c.renew(w, r, jar, f, need); err != nil {
			return nil, err
		}
	}
	if f, err = c.extend(w, r, jar, f, now); err != nil {
		return nil, err
	}
	c.rounds.Clear(w, jar)
	return l.set(c, r, f.identity, f.tokens), nil
}

// renew renews a session that is due, or ends one that the provider does not renew.
func (c *sessions) renew(w http.ResponseWriter, r *http.Request, jar sealed.Jar, f found, need session.Need) (found, error) {
	ctx := r.Context()
	newest, err := c.renewals.Renew(ctx, f.identity, f.tokens, need,
		func(ctx context.Context, v *session.Identity) (*session.Identity, *session.Tokens, error) {
			return c.readTokens(ctx, jar, v)
		})
	switch {
	case errors.Is(err, renewal.ErrGone):
		return f, ErrNoSession
	case err != nil:
		reason := EndedByProvider
		if errors.Is(err, renewal.ErrSubject) {
			reason = EndedBySubject
		}
		c.end(w, r, jar, f.identity, reason)
		return f, ErrNoSession
	case newest.Identity != nil:
		f = found{newest.Identity, newest.Tokens, true}
	}
	return f, c.confirm(ctx, f.identity) // it may have ended while the renewal was in progress
}

// extend moves the idle limit, at most once in a tenth of it, and sets the cookies that have
// changed.
func (c *sessions) extend(w http.ResponseWriter, r *http.Request, jar sealed.Jar, f found, now time.Time) (found, error) {
	idleExpires := min(sealed.Expiry(now, c.idle), f.identity.Expires)
	touch := idleExpires-f.identity.IdleExpires > int64(c.idle/time.Second)/10
	if touch {
		touched := *f.identity
		touched.IdleExpires = idleExpires
		f.identity = &touched
		c.ended.Know(f.identity)
	}
	if f.rewrite && f.tokens == nil && c.values == nil {
		f.identity, f.tokens, _ = c.readTokens(r.Context(), jar, f.identity)
	}
	return f, c.save(w, jar, f, touch)
}

// save sets the cookies of f: both when f.rewrite, else the identity cookie alone when touch. With
// a store there is no tokens cookie, and the tokens are in the store already.
func (c *sessions) save(w http.ResponseWriter, jar sealed.Jar, f found, touch bool) error {
	if f.rewrite || touch {
		if err := c.identityCookie.Write(w, jar, f.identity); err != nil {
			return err
		}
	}
	if c.values != nil {
		c.tokensCookie.ClearKnown(w, jar) // from before there was a store
		return nil
	}
	if f.rewrite && f.tokens != nil {
		return c.tokensCookie.Write(w, jar, f.tokens)
	}
	return nil
}

// begin makes a session of a login, with an id that no browser has had before, in place of the
// session from before. A session id never survives a login (session fixation).
func (c *sessions) begin(w http.ResponseWriter, r *http.Request, jar sealed.Jar, answer *oxd.Tokens, claims oxd.Claims, before *session.Identity) error {
	ctx, now := r.Context(), time.Now()
	said := answer.Claims
	v := &session.Identity{
		ID: session.NewID(), Created: now.Unix(), Expires: sealed.Expiry(now, c.absolute), IdleExpires: sealed.Expiry(now, c.idle),
		Subject: said.Get("sub"), Issuer: said.Get("iss"), SID: said.Get("sid"), ACR: said.Get("acr"),
		Claims: claims, ClaimsAt: now.Unix(),
	}
	if at, ok := said.Time("auth_time"); ok {
		v.AuthTime = at.Unix()
	}
	t := &session.Tokens{ID: v.ID, Access: answer.AccessToken.Reveal(), IDToken: answer.IDToken.Reveal()}
	if !answer.RefreshToken.IsZero() {
		t.Refresh = answer.RefreshToken.Reveal()
	}
	v.AccessExpires, v.RefreshAt = session.Schedule(now, answer.ExpiresIn, t.Refresh != "")
	err := c.values.PutTokens(ctx, v, t)
	if err == nil {
		err = c.ended.Register(ctx, v)
	}
	if err == nil {
		err = c.save(w, jar, found{v, t, true}, true)
	}
	if err != nil {
		return err
	}
	if before != nil {
		c.revoke(ctx, before, EndedByLogin)
	}
	c.journal.emit(ctx, eventOf(v, LoginSucceeded))
	return nil
}

// end revokes a session and removes its cookies.
func (c *sessions) end(w http.ResponseWriter, r *http.Request, jar sealed.Jar, v *session.Identity, reason EndReason) {
	if v != nil {
		c.revoke(r.Context(), v, reason)
	}
	c.clear(w, jar)
}

// clear removes the cookies of a session.
func (c *sessions) clear(w http.ResponseWriter, jar sealed.Jar) {
	c.identityCookie.Clear(w, jar)
	c.tokensCookie.Clear(w, jar)
	c.rounds.Clear(w, jar)
}

// revoke ends a session, whatever its cookies do. Only the first of several parallel ends is an
// event.
func (c *sessions) revoke(ctx context.Context, v *session.Identity, reason EndReason) {
	if c.ended.End(ctx, v) {
		e := eventOf(v, SessionEnded)
		e.Reason = reason
		c.journal.emit(ctx, e)
	}
}

// refresh is [Middleware.Refresh].
func (c *sessions) refresh(w http.ResponseWriter, r *http.Request) (*Session, error) {
	s, err := c.authenticate(r)
	if err != nil {
		return nil, err
	}
	l := s.state
	if l == nil || l.readTokens() == nil || l.tokens.Refresh == "" {
		if l != nil && l.tokens.err != nil {
			return nil, l.tokens.err
		}
		return nil, ErrNoRefreshToken
	}
	newest, err := c.renewals.Refresh(r.Context(), l.identity, l.tokens.Tokens)
	if renewal.Rejected(err) {
		c.end(w, r, c.jar(r), l.identity, EndedByProvider)
		return nil, ErrNoSession
	}
	if errors.Is(err, renewal.ErrGone) {
		return nil, ErrNoSession
	}
	if err != nil {
		return nil, err
	}
	if err := c.confirm(r.Context(), newest.Identity); err != nil {
		return nil, err
	}
	if err := c.save(w, c.jar(r), found{newest.Identity, newest.Tokens, true}, false); err != nil {
		return nil, err
	}
	return new(loaded).set(c, r, newest.Identity, newest.Tokens), nil
}

// rpts returns what a session keeps for a guard.
func (c *sessions) rpts(s *Session) session.RPTs {
	switch {
	case s.state == nil:
	case c.values != nil:
		return c.values.RPTs(s.state.request.Context(), s.state.identity)
	case s.state.readTokens() != nil:
		return s.state.tokens.RPTs
	}
	return session.RPTs{}
}

// keepRPTs stores rpts with a session, or writes its cookies with them. If the session was
// refreshed since, the newer one gets them.
func (c *sessions) keepRPTs(w http.ResponseWriter, r *http.Request, s *Session, rpts session.RPTs) error {
	if s.state == nil {
		return ErrNoSession
	}
	if c.values != nil {
		return c.values.PutRPTs(r.Context(), s.state.identity, rpts)
	}
	t := s.state.readTokens()
	v := s.state.identity // as of the tokens
	if newest := c.renewals.Successor(v); newest.Identity != nil {
		v, t = newest.Identity, newest.Tokens
	}
	if t == nil || !c.alive(v, time.Now()) {
		return ErrNoSession
	}
	kept := *t
	kept.RPTs = rpts
	return c.save(w, c.jar(r), found{v, &kept, true}, false)
}
