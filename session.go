package oxdauth

// The session as the application sees it, and how it is found in, kept in and removed from the cookies of a request.

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"example.com/oxdauth/oxd"
)

// Session is a signed-in user. It is a value to read: nothing the application changes in it is stored. It is safe for
// concurrent use as long as nobody writes to it.
type Session struct {
	// Subject and Issuer together name the user (OpenID Connect Core section 5.7); neither alone does.
	Subject, Issuer string
	// ACR is the authentication context the provider stated, empty when it stated none.
	ACR string
	// SID is the provider's own session id, empty when it stated none (OpenID Connect Front-Channel Logout section 3).
	SID string
	// AuthTime is when the user last authenticated at the provider, zero when it did not say.
	AuthTime time.Time
	// Created is when the login finished; IdleExpires and Expires are the two limits of the session.
	Created, IdleExpires, Expires time.Time
	// AccessTokenExpires is zero when oxd did not say. The session outlives the access token.
	AccessTokenExpires time.Time
	// Claims has the claims named by WithClaims, as far as the provider gave them.
	Claims oxd.Claims

	state *sessionState // nil in sessions made by the application for its tests
}

// sessionState ties a session to the middleware and the request it was read from.
type sessionState struct {
	owner    *Middleware
	identity *identity
	request  *http.Request // where the tokens cookie is, until somebody asks for it
	once     sync.Once
	tokens   *tokens
	err      error // why there are none: the store failed

	// For pass: the context and the header fields of the one request.
	context sessionContext
	fields  [2]string
}

// AccessToken gives the access token, to call an API for the user; zero when the provider gave none or the store failed. It
// may have expired: see AccessTokenExpires and [Middleware.Refresh].
func (s *Session) AccessToken() oxd.Secret {
	return s.token(func(t *tokens) string { return t.access })
}

// IDToken gives the ID token of the login; zero when there is none. Refreshing does not renew it.
func (s *Session) IDToken() oxd.Secret {
	return s.token(func(t *tokens) string { return t.idToken })
}

func (s *Session) token(get func(*tokens) string) oxd.Secret {
	if s.state == nil {
		return oxd.Secret{}
	}
	t := s.state.open()
	if t == nil || get(t) == "" {
		return oxd.Secret{}
	}
	return oxd.NewSecret(get(t))
}

// open reads the tokens once, from their cookie or the store, even after the request has ended. Those of another session or
// generation are refused: nil.
func (st *sessionState) open() *tokens {
	st.once.Do(func() {
		if st.tokens != nil {
			return
		}
		m, ctx := st.owner, context.WithoutCancel(st.request.Context())
		st.identity, st.tokens, st.err = m.readTokens(ctx, readJar(st.request, m.tokens.name), st.identity)
		if st.err != nil {
			m.logger.ErrorContext(ctx, "oxdauth: the tokens of a session cannot be read", "error", st.err)
		}
	})
	return st.tokens
}

type sessionKey struct{}

// SessionFromContext gives the session that [Middleware.Handler], [Middleware.Optional] or [Middleware.RequireACR] put into
// the request's context.
func SessionFromContext(ctx context.Context) (*Session, bool) {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	return s, ok && s != nil
}

// ContextWithSession gives a context as a signed-in request has it. It is for tests of handlers, wrapped or not: the
// middlewares accept such a session without cookies.
func ContextWithSession(ctx context.Context, s *Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

// sessionContext is what ContextWithSession gives, for sessions that have room for it.
type sessionContext struct {
	context.Context
	session *Session
}

func (c *sessionContext) Value(key any) any {
	if key == (sessionKey{}) {
		return c.session
	}
	return c.Context.Value(key)
}

// sessionOf gives the session an outer wrapper of this middleware, or a test, has put into the context.
func (m *Middleware) sessionOf(r *http.Request) (*Session, bool) {
	s, ok := SessionFromContext(r.Context())
	return s, ok && (s.state == nil || s.state.owner == m)
}

// signedIn is what a signed-in request needs, in one allocation.
type signedIn struct {
	read    identity // what is found in the cookies; the session may come to have a newer one
	values  [4]string
	session Session
	state   sessionState
}

func newSignedIn() *signedIn {
	s := new(signedIn)
	s.read.room = s.values[:0]
	return s
}

func (s *signedIn) become(m *Middleware, r *http.Request, v *identity, t *tokens) *Session {
	s.state = sessionState{owner: m, identity: v, request: r, tokens: t}
	s.session = Session{
		Subject: v.subject, Issuer: v.issuer, ACR: v.acr, SID: v.sid, Claims: v.claims,
		AuthTime: unix(v.authTime), Created: unix(v.created), IdleExpires: unix(v.idleExpires), Expires: unix(v.expires),
		AccessTokenExpires: unix(v.accessExpires),
		state:              &s.state,
	}
	return &s.session
}

func unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// readIdentity finds the newest live session among the identity cookies of the request.
func (m *Middleware) readIdentity(jar jar) (v *identity, rotate bool) {
	return m.findIdentity(jar, new(identity), time.Now())
}

// findIdentity reads into candidate, and into others when it needs more.
func (m *Middleware) findIdentity(jar jar, candidate *identity, now time.Time) (v *identity, rotate bool) {
	tried := 0
	for _, c := range jar {
		if c.name != m.identity.name || tried == maxCandidates {
			continue
		}
		if tried++; tried > 1 {
			candidate = new(identity)
		}
		old, ok := m.identity.open(jar, c.value, candidate)
		if ok && m.alive(candidate, now) && (v == nil || candidate.generation > v.generation) {
			v, rotate = candidate, old
		}
	}
	return v, rotate
}

// alive applies the limits that end a session without its browser's doing.
func (m *Middleware) alive(v *identity, now time.Time) bool {
	at := now.Unix()
	return at < v.idleExpires && at < v.expires && !m.revoked.has(v)
}

// readTokens finds the tokens that belong to an identity: of the same session, and not older. Newer ones are what is left
// when a slow answer, begun before a refresh, puts its identity cookie over the one that came with them; the identity it
// gives has their generation. Without tokens the results are v and nil. Errors are of the store.
func (m *Middleware) readTokens(ctx context.Context, jar jar, v *identity) (*identity, *tokens, error) {
	if m.shared != nil {
		return m.shared.getTokens(ctx, v)
	}
	tried := 0
	for _, c := range jar {
		if c.name != m.tokens.name || tried == maxCandidates {
			continue
		}
		tried++
		t := new(tokens)
		if _, ok := m.tokens.open(jar, c.value, t); ok && t.id == v.id && t.generation >= v.generation {
			lifted := *v
			lifted.generation = t.generation
			return &lifted, t, nil
		}
	}
	return v, nil, nil
}

// current gives the session of a request: what its cookies hold or, shortly after a refresh, the successor of that with its
// tokens. rewrite tells that the browser should get new cookies. room is for what is read.
func (m *Middleware) current(jar jar, room *identity, now time.Time) (v *identity, t *tokens, rewrite bool) {
	v, rewrite = m.findIdentity(jar, room, now)
	if v == nil {
		return nil, nil, false
	}
	if newer, newerTokens := m.refresher.successor(v); newer != nil {
		return newer, newerTokens, true
	}
	return v, nil, rewrite
}

// load finds the session of a request, refreshes it when that is due, and sets the cookies that have changed.
func (m *Middleware) load(w http.ResponseWriter, r *http.Request) (*Session, error) {
	if s, ok := m.sessionOf(r); ok {
		return s, nil
	}
	jar, now := readJar(r, m.prefix), time.Now()
	s := newSignedIn()
	v, t, rewrite := m.current(jar, &s.read, now)
	if v == nil {
		return nil, ErrNoSession
	}
	if err := m.shared.check(r.Context(), v); err != nil {
		return nil, err
	}
	if need := m.refresher.due(v, now); need.tokens || need.claims {
		newer, newerTokens, err := m.renew(r.Context(), jar, v, t, need)
		reason, ends := endsSession(err)
		switch {
		case newer != nil:
			v, t, rewrite = newer, newerTokens, true
		case errors.Is(err, errPair):
			return nil, ErrNoSession
		case ends:
			m.end(w, r, jar, v, reason)
			return nil, ErrNoSession
		}
		if err := m.confirm(r.Context(), v); err != nil { // logged out while the refresh was under way
			return nil, err
		}
	}
	idleExpires := min(expiry(now, m.idle), v.expires)
	touch := idleExpires-v.idleExpires > int64(m.idle/time.Second)/10
	if touch {
		touched := *v
		touched.idleExpires = idleExpires
		v = &touched
		m.learn(v)
	}
	if rewrite && t == nil && m.shared == nil {
		v, t, _ = m.readTokens(r.Context(), jar, v)
	}
	if err := m.save(w, jar, v, t, rewrite, touch); err != nil {
		return nil, err
	}
	return s.become(m, r, v, t), nil
}

// save sets both cookies when rewrite, else the identity cookie alone when touch. With a store there is no tokens cookie, and
// the tokens are there already.
func (m *Middleware) save(w http.ResponseWriter, jar jar, v *identity, t *tokens, rewrite, touch bool) error {
	if rewrite || touch {
		if err := m.identity.write(w, jar, v); err != nil {
			return err
		}
	}
	if m.shared != nil {
		if !m.tokens.unknownVersion(jar) {
			m.tokens.clear(w, jar, 0) // from before there was a store
		}
		return nil
	}
	if rewrite && t != nil {
		return m.tokens.write(w, jar, t)
	}
	return nil
}

// end revokes a session and removes its cookies.
func (m *Middleware) end(w http.ResponseWriter, r *http.Request, jar jar, v *identity, reason EndReason) {
	if v != nil {
		m.revoke(r, v, reason)
	}
	m.identity.clear(w, jar, 0)
	m.tokens.clear(w, jar, 0)
}

// revoke ends a session here, whatever its cookies do. Only the first of several parallel ends is an event.
func (m *Middleware) revoke(r *http.Request, v *identity, reason EndReason) {
	if m.shared != nil {
		m.shared.end(r.Context(), v)
	}
	if m.revoked.add(v) {
		ended := v.event(SessionEnded)
		ended.Reason = reason
		m.emit(r.Context(), ended)
	}
}
