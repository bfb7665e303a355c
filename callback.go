package oxdauth

// The callback: what comes back from the provider, checked against this browser before oxd is asked
// and against the ID token afterwards.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/oxdauth/internal/pending"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/internal/texts"
	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

// serveCallback is [Middleware.Callback].
func (l *logins) serveCallback(w http.ResponseWriter, r *http.Request) {
	if !l.answers.allow(w, r, http.MethodGet) {
		return
	}
	q, err := callbackQuery(r.URL.RawQuery)
	if err != nil {
		l.answers.failLogin(w, r, err, l.site.Outside("/"))
		return
	}
	jar := l.sessions.jar(r)
	trip := new(pending.Login)
	name := l.trips.logins.Find(jar, q.Get("state"), trip)
	if name == "" {
		l.stray(w, r, q.Get("state"))
		return
	}
	l.trips.logins.Forget(w, name) // the login is over, whatever comes of it
	if err := l.misplaced(r); err != nil {
		l.answers.failLogin(w, r, err, trip.ReturnTo)
		return
	}
	if trip.Expired(time.Now()) {
		l.restart(w, r, trip, fmt.Errorf("%w: the login took too long", ErrState))
		return
	}
	if _, first := l.trips.used.Take(trip.State, trip.ReturnTo); !first {
		l.stray(w, r, q.Get("state"))
		return
	}
	l.finish(w, r, jar, trip, q)
}

// stray answers a callback without a login to finish: replayed, bookmarked, reached with the back
// button, or forged. oxd is not asked. A person who is signed in goes on to the page that login was
// for; everyone else gets a page with a link, not a redirect, because a browser that keeps no
// cookies would go round for ever.
func (l *logins) stray(w http.ResponseWriter, r *http.Request, state string) {
	start := l.site.Outside("/")
	if _, err := l.sessions.load(w, r); err != nil {
		l.answers.failLogin(w, r, ErrState, start)
		return
	}
	target, ok := l.trips.used.Find(l.trips.logins.Digest(state))
	if !ok {
		target = start
	}
	redirect(w, target)
}

// restart begins the same login again, at most maxRestarts times; then cause is shown.
func (l *logins) restart(w http.ResponseWriter, r *http.Request, trip *pending.Login, cause error) {
	if trip.Restarts >= maxRestarts {
		l.answers.failLogin(w, r, cause, trip.ReturnTo)
		return
	}
	l.journal.InfoContext(r.Context(), "oxdauth: login starts again", "attempt", trip.Restarts+1, "cause", cause)
	again := loginRequest{
		returnTo: trip.ReturnTo, requirement: requirementOf(trip), restarts: trip.Restarts + 1, cause: cause,
	}
	if f := l.trips.forms.Take(w, l.sessions.jar(r), trip.State); f != nil {
		again.form = f.URLEncoded
	}
	l.start(w, r, again)
}

// finish exchanges the code, checks the answer and replaces whatever session the browser had.
func (l *logins) finish(w http.ResponseWriter, r *http.Request, jar sealed.Jar, trip *pending.Login, q url.Values) {
	if code := q.Get("error"); code != "" {
		l.answers.failLogin(w, r, newProviderError(code, q.Get("error_description")), trip.ReturnTo)
		return
	}
	if q.Get("code") == "" {
		l.answers.failLogin(w, r, web.ErrQuery, trip.ReturnTo)
		return
	}
	answer, err := l.client.TokensByCode(r.Context(), q.Get("code"), q.Get("state"))
	if errors.Is(err, oxd.ErrStateNotRegistered) {
		// oxd forgets a state after five minutes, at a restart, and on another instance.
		l.restart(w, r, trip, err)
		return
	}
	if err == nil {
		err = checkIDToken(answer, trip, q.Get("iss"))
	}
	if err != nil {
		l.answers.failLogin(w, r, err, trip.ReturnTo)
		return
	}
	authTime, _ := answer.Claims.Time("auth_time")
	weak := !requirementOf(trip).met(answer.Claims.Get("acr"), authTime)
	before := l.sessions.find(jar, new(session.Identity), time.Now())
	if weak && before.identity != nil {
		l.answers.failLogin(w, r, ErrACR, trip.ReturnTo) // the session from before is untouched
		return
	}
	claims, err := l.collectClaims(r.Context(), answer)
	if err == nil {
		err = l.sessions.begin(w, r, jar, answer, claims, before.identity)
	}
	switch {
	case err != nil:
		l.answers.failLogin(w, r, err, trip.ReturnTo)
	case weak:
		l.answers.fail(w, r, ErrACR)
	default:
		l.sessions.rounds.Count(w, jar)
		l.goOn(w, r, jar, trip)
	}
}

// goOn sends a person who has signed in to the page the login was for, or shows the form they had
// submitted. Nothing is sent without a click, which also takes no script.
func (l *logins) goOn(w http.ResponseWriter, r *http.Request, jar sealed.Jar, trip *pending.Login) {
	f := l.trips.forms.Take(w, jar, trip.State)
	if f == nil {
		redirect(w, trip.ReturnTo)
		return
	}
	p := PageData{
		Title: texts.TitleForm, Text: texts.TextForm, Post: f.Action, Button: texts.ButtonSend, Link: f.Action, Other: texts.ButtonSkip,
	}
	fields, _ := pending.ParseForm(f.URLEncoded)
	for _, field := range fields {
		p.Fields = append(p.Fields, FormField(field))
	}
	l.answers.show(w, r, http.StatusOK, p)
}

// checkIDToken compares what oxd, which has neither browser nor login, cannot: the nonce and
// audience with those of the authorization URL of this login (OpenID Connect Core section 3.1.3.7),
// and the issuer with the one the callback names (RFC 9207).
func checkIDToken(answer *oxd.Tokens, trip *pending.Login, iss string) error {
	claims := answer.Claims
	nonce := session.Digest("nonce", claims.Get("nonce"))
	audience := slices.ContainsFunc(claims["aud"], func(aud string) bool {
		client := session.Digest8("client", aud)
		return sealed.Equal(client[:], trip.Client[:])
	})
	switch {
	case !sealed.Equal(nonce[:], trip.Nonce[:]):
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

// collectClaims takes the wanted claims from the ID token and asks userinfo for missing ones.
// Userinfo that names another subject must not be used (OpenID Connect Core section 5.3.2) and ends
// the login; one that fails or names none, as oxd answers for a token the provider refused, only
// leaves the claims out.
func (l *logins) collectClaims(ctx context.Context, answer *oxd.Tokens) (oxd.Claims, error) {
	claims := make(oxd.Claims, len(l.ask.claims))
	for _, name := range l.ask.claims {
		if values, ok := answer.Claims[name]; ok {
			claims[name] = values
		}
	}
	if len(claims) == len(l.ask.claims) {
		return claims, nil
	}
	info, err := l.client.UserInfo(ctx, answer.AccessToken)
	switch {
	case err != nil:
		l.journal.WarnContext(ctx, "oxdauth: userinfo failed; the session lacks its claims", "error", err)
	case info.Get("sub") == "":
		l.journal.WarnContext(ctx, "oxdauth: userinfo named no subject; the session lacks its claims")
	case info.Get("sub") != answer.Claims.Get("sub"):
		return nil, fmt.Errorf("%w: userinfo names another subject", ErrIDToken)
	default:
		for _, name := range l.ask.claims {
			if values, ok := info[name]; ok && claims[name] == nil {
				claims[name] = values
			}
		}
	}
	return claims, nil
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
