package oxdauth

// The callback: what comes back from the provider, checked against this browser before oxd is asked and against the ID
// token afterwards.

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/oxdauth/oxd"
)

const (
	maxCallbackQuery  = 8 << 10
	maxCallbackParams = 32
)

func equal(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// Callback gives the handler for the redirect URL. [Middleware.Handler] serves it at [Middleware.CallbackPath] by itself;
// routers that run middleware on matched routes only need it mounted there.
func (m *Middleware) Callback() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.allow(w, r, http.MethodGet) {
			return
		}
		q, err := callbackQuery(r.URL.RawQuery)
		if err != nil {
			m.failLogin(w, r, err)
			return
		}
		jar := readJar(r, m.prefix)
		attempt := new(login)
		name := m.loginAttempts().find(jar, q.Get("state"), attempt)
		if name == "" {
			m.strayCallback(w, r, q.Get("state"))
			return
		}
		// The attempt is over, whatever comes of it: the cookie goes first.
		m.logins.set(w, name, "", -1)
		if time.Now().Unix()-attempt.created > int64(loginLifetime/time.Second) {
			m.restart(w, r, attempt, fmt.Errorf("%w: the login took too long", ErrState))
			return
		}
		if _, first := m.finished.take(attempt.state, attempt.returnTo); !first {
			m.strayCallback(w, r, q.Get("state"))
			return
		}
		m.finishLogin(w, r, jar, attempt, q)
	})
}

// callbackQuery parses a bounded query. A repeated parameter is refused, so that nothing depends on which one is read
// (RFC 6749 section 3.1).
func callbackQuery(raw string) (url.Values, error) {
	if len(raw) > maxCallbackQuery || strings.Count(raw, "&") >= maxCallbackParams {
		return nil, errBadCallback
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errBadCallback
	}
	for _, name := range []string{"code", "state", "error", "error_description", "iss"} {
		if len(q[name]) > 1 {
			return nil, errBadCallback
		}
	}
	if q.Get("state") == "" {
		return nil, errBadCallback
	}
	return q, nil
}

// strayCallback answers a callback without a login to finish: replayed, bookmarked, come by with the back button, or
// forged. oxd is not asked. Who is signed in goes on to the page the login was for; everyone else gets a page with a link,
// not a redirect, because a browser that keeps no cookies would go round for ever.
func (m *Middleware) strayCallback(w http.ResponseWriter, r *http.Request, state string) {
	if _, err := m.load(w, r); err != nil {
		m.failLogin(w, r, ErrState)
		return
	}
	target, ok := m.finished.find(hash16("state", state))
	if !ok {
		target = "/"
	}
	m.redirect(w, r, target)
}

// restart begins the same login again, at most maxAttempts times; then cause is shown.
func (m *Middleware) restart(w http.ResponseWriter, r *http.Request, attempt *login, cause error) {
	if attempt.attempt >= maxAttempts {
		m.failLogin(w, r, cause)
		return
	}
	m.logger.InfoContext(r.Context(), "oxdauth: login starts again", "attempt", attempt.attempt+1, "cause", cause)
	again := loginRequest{returnTo: attempt.returnTo, requirement: attempt.requirement(), attempt: attempt.attempt + 1}
	if f := m.takeForm(w, readJar(r, m.prefix), attempt.state); f != nil {
		again.form = f.urlEncoded
	}
	again.cause = cause
	m.startLogin(w, r, again)
}

// finishLogin exchanges the code, checks the answer and replaces whatever session the browser had.
func (m *Middleware) finishLogin(w http.ResponseWriter, r *http.Request, jar jar, attempt *login, q url.Values) {
	if code := q.Get("error"); code != "" {
		m.failLogin(w, r, newProviderError(code, q.Get("error_description")))
		return
	}
	if q.Get("code") == "" {
		m.failLogin(w, r, errBadCallback)
		return
	}
	answer, err := m.client.TokensByCode(r.Context(), q.Get("code"), q.Get("state"))
	if errors.Is(err, oxd.ErrStateNotRegistered) {
		// oxd forgets a state after five minutes, at a restart, and on another instance.
		m.restart(w, r, attempt, err)
		return
	}
	if err == nil {
		err = checkIDToken(answer, attempt, q.Get("iss"))
	}
	if err != nil {
		m.failLogin(w, r, err)
		return
	}
	authTime, _ := answer.Claims.Time("auth_time")
	weak := !attempt.requirement().met(answer.Claims.Get("acr"), authTime)
	old, _ := m.readIdentity(jar)
	if weak && old != nil {
		m.failLogin(w, r, ErrACR) // the session from before is untouched
		return
	}
	claims, err := m.collectClaims(r.Context(), answer)
	if err != nil {
		m.failLogin(w, r, err)
		return
	}
	v, t := m.mint(answer, claims)
	err = m.shared.putTokens(r.Context(), v, t)
	if err == nil && v.sid != "" {
		err = m.shared.note(r.Context(), sidKind, groupOf(groupSID, v.issuer, v.sid), v.expires)
	}
	if err == nil {
		err = m.save(w, jar, v, t, true, true)
	}
	if err != nil {
		m.failLogin(w, r, err)
		return
	}
	if old != nil {
		m.revoke(r, old, EndedByLogin) // a session id never survives a login (session fixation)
	}
	m.emit(r.Context(), v.event(LoginSucceeded))
	m.learn(v)
	if weak {
		m.fail(w, r, ErrACR)
		return
	}
	if f := m.takeForm(w, jar, attempt.state); f != nil {
		m.showForm(w, r, f)
		return
	}
	m.redirect(w, r, attempt.returnTo)
}

// checkIDToken compares what oxd, which knows neither browser nor login, cannot: the nonce and audience with those of the
// authorization URL of this attempt (OpenID Connect Core section 3.1.3.7), and the issuer with the one the callback
// names (RFC 9207).
func checkIDToken(answer *oxd.Tokens, attempt *login, iss string) error {
	claims := answer.Claims
	nonce := hash16("nonce", claims.Get("nonce"))
	audience := slices.ContainsFunc(claims["aud"], func(aud string) bool {
		client := hash8("client", aud)
		return equal(client[:], attempt.client[:])
	})
	switch {
	case !equal(nonce[:], attempt.nonce[:]):
		return fmt.Errorf("%w: its nonce is another", ErrIDToken)
	case !audience:
		return fmt.Errorf("%w: its audience is another", ErrIDToken)
	case claims.Get("iss") == "" || iss != "" && claims.Get("iss") != iss:
		return fmt.Errorf("%w: its issuer is another", ErrIDToken)
	case claims.Get("sub") == "" || len(claims.Get("sub")) > 255:
		return fmt.Errorf("%w: it has no subject of 1 to 255 characters", ErrIDToken)
	case answer.AccessToken.IsZero() || answer.IDToken.IsZero():
		return fmt.Errorf("%w: oxd answered without tokens", ErrIDToken)
	}
	return nil
}

// collectClaims takes the wanted claims from the ID token and asks userinfo for missing ones. Userinfo that names another
// subject must not be used (OpenID Connect Core section 5.3.2) and ends the login; one that fails or names none, as oxd
// answers for a token the provider refused, only leaves the claims out.
func (m *Middleware) collectClaims(ctx context.Context, answer *oxd.Tokens) (oxd.Claims, error) {
	claims := make(oxd.Claims, len(m.claims))
	for _, name := range m.claims {
		if values, ok := answer.Claims[name]; ok {
			claims[name] = values
		}
	}
	if len(claims) == len(m.claims) {
		return claims, nil
	}
	info, err := m.client.UserInfo(ctx, answer.AccessToken)
	switch {
	case err != nil:
		m.logger.WarnContext(ctx, "oxdauth: userinfo failed; the session lacks its claims", "error", err)
	case info.Get("sub") == "":
		m.logger.WarnContext(ctx, "oxdauth: userinfo named no subject; the session lacks its claims")
	case info.Get("sub") != answer.Claims.Get("sub"):
		return nil, fmt.Errorf("%w: userinfo names another subject", ErrIDToken)
	default:
		for _, name := range m.claims {
			if values, ok := info[name]; ok && claims[name] == nil {
				claims[name] = values
			}
		}
	}
	return claims, nil
}

// mint makes a session of its own, with an id no browser has had before.
func (m *Middleware) mint(answer *oxd.Tokens, claims oxd.Claims) (*identity, *tokens) {
	now := time.Now()
	v := &identity{
		created: now.Unix(), expires: expiry(now, m.absolute), idleExpires: expiry(now, m.idle),
		subject: answer.Claims.Get("sub"), issuer: answer.Claims.Get("iss"), sid: answer.Claims.Get("sid"), acr: answer.Claims.Get("acr"),
		claims: claims, claimsAt: now.Unix(),
	}
	rand.Read(v.id[:]) // never fails since Go 1.24: a broken source ends the process
	if at, ok := answer.Claims.Time("auth_time"); ok {
		v.authTime = at.Unix()
	}
	v.accessExpires, v.refreshAt = schedule(now, answer.ExpiresIn, !answer.RefreshToken.IsZero())
	t := &tokens{id: v.id, access: answer.AccessToken.Reveal(), idToken: answer.IDToken.Reveal()}
	if !answer.RefreshToken.IsZero() {
		t.refresh = answer.RefreshToken.Reveal()
	}
	return v, t
}

// newProviderError keeps only what is safe to log and compare.
func newProviderError(code, description string) *ProviderError {
	word := func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_')
	}
	if len(code) > 64 || strings.ContainsFunc(code, word) {
		code = "invalid_error_code"
	}
	return &ProviderError{Code: code, Description: strings.ToValidUTF8(description[:min(len(description), 512)], "")}
}
