package oxdauth

// The session as the application sees it, and as a request carries it.

import (
	"context"
	"encoding/base32"
	"net/http"
	"sync"
	"time"

	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

// Session is a signed-in user. It is a value to read: nothing the application changes in it is
// stored. It is safe for concurrent use as long as nobody writes to it.
type Session struct {
	// Subject and Issuer together name the user (OpenID Connect Core section 5.7); neither alone
	// does.
	Subject, Issuer string
	// ACR is the authentication context the provider stated, empty when it stated none.
	ACR string
	// SID is the provider's own session id, empty when it stated none (OpenID Connect Front-Channel
	// Logout section 3).
	SID string
	// AuthTime is when the user last authenticated at the provider, zero when it did not say.
	AuthTime time.Time
	// Created is when the login finished; IdleExpires and Expires are the two limits of the
	// session.
	Created, IdleExpires, Expires time.Time
	// AccessTokenExpires is zero when oxd did not say. The session outlives the access token.
	AccessTokenExpires time.Time
	// Claims has the claims named by WithClaims, as far as the provider stated them.
	Claims oxd.Claims

	state *loaded      // nil in sessions made by the application for its tests
	test  *TestSession // of those
}

// TestSession is what [Session.ForTest] adds to a session.
type TestSession struct {
	ID                   string
	AccessToken, IDToken oxd.Secret
}

// ForTest returns a copy of s with an id and tokens, for tests of handlers; see
// [ContextWithSession].
func (s *Session) ForTest(t TestSession) *Session {
	made := *s
	made.state, made.test = nil, &t
	return &made
}

// ID returns a name of the session that is safe to log: the same for all requests of the session,
// through refreshes, and on all replicas, and worth nothing to an attacker. It has 16 characters of
// [A-Z2-7].
func (s *Session) ID() string {
	switch {
	case s.state != nil:
		return publicID(s.state.identity)
	case s.test != nil:
		return s.test.ID
	}
	return ""
}

// publicID returns a digest of the session id, which itself is a secret of the cookies.
func publicID(v *session.Identity) string {
	digest := session.Digest("public session id", string(v.ID[:]))
	return base32.StdEncoding.EncodeToString(digest[:10])
}

// AccessToken returns the access token, to call an API for the user; zero when the provider issued
// none or the store failed. It may have expired: see AccessTokenExpires and [Middleware.Refresh].
func (s *Session) AccessToken() oxd.Secret {
	if s.test != nil {
		return s.test.AccessToken
	}
	return s.token(func(t *session.Tokens) string { return t.Access })
}

// IDToken returns the ID token of the login; zero when there is none. Refreshing does not renew it.
func (s *Session) IDToken() oxd.Secret {
	if s.test != nil {
		return s.test.IDToken
	}
	return s.token(func(t *session.Tokens) string { return t.IDToken })
}

func (s *Session) token(get func(*session.Tokens) string) oxd.Secret {
	if s.state == nil {
		return oxd.Secret{}
	}
	t := s.state.readTokens()
	if t == nil || get(t) == "" {
		return oxd.Secret{}
	}
	return oxd.NewSecret(get(t))
}

type sessionKey struct{}

// SessionFromContext returns the session that [Middleware.Handler], [Middleware.Optional] or
// [Middleware.RequireACR] put into the request's context.
func SessionFromContext(ctx context.Context) (*Session, bool) {
	s, ok := ctx.Value(sessionKey{}).(*Session)
	return s, ok && s != nil
}

// ContextWithSession returns a context as a signed-in request has it. It is for tests of handlers,
// wrapped or not: the middlewares accept such a session without cookies.
func ContextWithSession(ctx context.Context, s *Session) context.Context {
	return context.WithValue(ctx, sessionKey{}, s)
}

// loaded is what a request with a session needs. It is allocated once per request; each part in it
// saves an allocation of its own.
type loaded struct {
	found    session.Identity // as read from the cookies; the session may come to have a newer one
	claims   [4]string        // scratch space for the values of its claims
	session  Session
	owner    tokenReader
	request  *http.Request // for the tokens cookie, which is opened when a token is asked for
	identity *session.Identity
	tokens   lazyTokens
	context  sessionContext // what the handler gets
	header   [2]string      // the values of Cache-Control and Vary
}

// tokenReader is the component that a session comes from.
type tokenReader interface {
	// tokensOf reads the tokens of v, which r carries, and v as of them, even after r has ended.
	tokensOf(r *http.Request, v *session.Identity) (*session.Identity, *session.Tokens, error)
}

// lazyTokens are opened once, by the first call that needs them.
type lazyTokens struct {
	once sync.Once
	*session.Tokens
	err error // why there are none: the store failed
}

func newLoaded() *loaded {
	l := new(loaded)
	l.found.UseBuffer(l.claims[:0])
	return l
}

// set completes l with the session of a request: v, and its tokens as far as they are known.
func (l *loaded) set(owner tokenReader, r *http.Request, v *session.Identity, t *session.Tokens) *Session {
	l.owner, l.request, l.identity, l.tokens.Tokens = owner, r, v, t
	l.session = Session{
		Subject: v.Subject, Issuer: v.Issuer, ACR: v.ACR, SID: v.SID, Claims: v.Claims,
		AuthTime: session.Unix(v.AuthTime), Created: session.Unix(v.Created),
		IdleExpires: session.Unix(v.IdleExpires), Expires: session.Unix(v.Expires),
		AccessTokenExpires: session.Unix(v.AccessExpires),
		state:              l,
	}
	return &l.session
}

// readTokens reads the tokens once. Those of another session or generation are refused: nil.
func (l *loaded) readTokens() *session.Tokens {
	l.tokens.once.Do(func() {
		if l.tokens.Tokens == nil {
			l.identity, l.tokens.Tokens, l.tokens.err = l.owner.tokensOf(l.request, l.identity)
		}
	})
	return l.tokens.Tokens
}

// sessionContext is ContextWithSession for a session that has a place for it.
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

// serve calls next with a session of load. A page is private to its user: no cache may keep it and,
// so that the back button shows nothing after signing out, neither may the browser. A handler's own
// Cache-Control stands, except on answers that set our cookies.
func serve(w http.ResponseWriter, r *http.Request, s *Session, next http.Handler) {
	if known, ok := SessionFromContext(r.Context()); ok && known == s {
		next.ServeHTTP(w, r) // an outer wrapper has done all this
		return
	}
	l := s.state // load has just made it, for this request
	h := w.Header()
	l.header = [2]string{"private", "Cookie"}
	if web.IsNavigation(r) {
		l.header[0] = "no-store"
	}
	if web.Field(h, "Cache-Control") == "" {
		h["Cache-Control"] = l.header[:1:1]
	}
	if len(h["Vary"]) == 0 {
		h["Vary"] = l.header[1:]
	} else {
		h.Add("Vary", "Cookie")
	}
	l.context = sessionContext{r.Context(), s}
	next.ServeHTTP(w, r.WithContext(&l.context))
}
