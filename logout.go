package oxdauth

// Logging out, in three ways: the person signs out here, the provider's logout page loads our
// address in a frame (front channel), or the provider posts a signed logout token (back channel).

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/oxdauth/internal/ended"
	"example.com/oxdauth/internal/logouttoken"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/internal/texts"
	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

const logoutTimeout = 5 * time.Second // for oxd; the local session is gone by then

// logouts is the component that ends sessions at the person's or the provider's request. It is
// immutable and safe for concurrent use.
type logouts struct {
	client   *oxd.Client
	site     *web.Site
	sessions *sessions
	logins   *logins
	answers  *answers
	journal  *journal
	verifier *logouttoken.Verifier // nil: no back-channel logout
	settings logoutSettings
}

// logoutSettings is what the options say about logouts.
type logoutSettings struct {
	frontChannel  bool
	clearSiteData bool
}

// serveLogout is [Middleware.Logout].
func (l *logouts) serveLogout(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		l.answers.show(w, r, http.StatusOK, PageData{
			Title: texts.TitleSignOut, Text: texts.TextSignOut, Post: l.site.Outside(l.site.Endpoints.Logout), Button: texts.ButtonSignOut,
		})
	case !l.answers.allow(w, r, http.MethodPost):
	case !l.site.SameOrigin(r):
		l.answers.fail(w, r, ErrCrossOrigin)
	default:
		l.logout(w, r)
	}
}

func (l *logouts) logout(w http.ResponseWriter, r *http.Request) {
	jar := l.sessions.jar(r)
	f := l.sessions.current(jar, new(session.Identity), time.Now())
	v, t := f.identity, f.tokens
	if v != nil && t == nil {
		v, t, _ = l.sessions.readTokens(r.Context(), jar, v) // without an ID token the logout is local
	}
	l.sessions.end(w, r, jar, v, EndedByLogout)
	l.logins.trips.forget(w, jar)
	if l.settings.clearSiteData {
		w.Header().Set("Clear-Site-Data", `"cache", "storage"`)
	}
	if t != nil && t.IDToken != "" {
		if target, ok := l.endSessionURL(r.Context(), t.IDToken); ok {
			redirect(w, target)
			return
		}
	}
	l.answers.show(w, r, http.StatusOK, PageData{
		Title: texts.TitleSignedOut, Text: texts.TextSignedOut, Link: l.site.Outside("/"), Button: texts.ButtonSignIn,
	})
}

// endSessionURL asks oxd for the provider's logout page; failing that, the local logout has to do.
func (l *logouts) endSessionURL(ctx context.Context, idToken string) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, logoutTimeout)
	defer cancel()
	target, err := l.client.LogoutURL(ctx, oxd.LogoutURLParams{
		IDTokenHint: oxd.NewSecret(idToken),
	})
	if err != nil {
		l.journal.WarnContext(ctx, "oxdauth: logged out here, but not at the provider", "error", err)
		return "", false
	}
	if _, err := web.AbsoluteURL(target); err != nil {
		l.journal.WarnContext(ctx, "oxdauth: oxd answered an unusable logout URL")
		return "", false
	}
	return target, true
}

// serveFrontChannel is [Middleware.FrontChannelLogout].
func (l *logouts) serveFrontChannel(w http.ResponseWriter, r *http.Request) {
	if !l.answers.allow(w, r, http.MethodGet) {
		return
	}
	iss, sid, ok := frontChannelQuery(r.URL.RawQuery)
	ours, any := l.sessions.ended.KnowsIssuer(iss)
	if !ok || any && !ours {
		l.answers.fail(w, r, errBadLogout)
		return
	}
	jar := l.sessions.jar(r)
	v := l.sessions.find(jar, new(session.Identity), time.Now()).identity
	if v != nil && sealed.Equal([]byte(v.Issuer), []byte(iss)) && sealed.Equal([]byte(v.SID), []byte(sid)) {
		l.sessions.clear(w, jar)
	}
	// Unknown is a session of before a restart or, without a store, of another replica; or somebody
	// tries.
	known := l.sessions.ended.EndIfKnown(r.Context(), session.GroupOfSID(iss, sid))
	if known {
		l.journal.ended(r.Context(), iss, "", EndedByFrontChannel)
	}
	l.journal.InfoContext(r.Context(), "oxdauth: front-channel logout", "known", known)
	l.answerFrame(w, r, iss, ours)
}

// frontChannelQuery wants each parameter once, in a bounded query.
func frontChannelQuery(raw string) (iss, sid string, ok bool) {
	q, err := web.Query(raw, "iss", "sid")
	iss, sid = q.Get("iss"), q.Get("sid")
	return iss, sid, err == nil && iss != "" && sid != ""
}

// answerFrame shows an empty page that only the provider may put into a frame; ours is set when iss
// is that provider.
func (l *logouts) answerFrame(w http.ResponseWriter, r *http.Request, iss string, ours bool) {
	ancestor := "'none'"
	if ours {
		ancestor = web.Origin(iss)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors "+ancestor)
	h.Set("Referrer-Policy", "no-referrer") // the address holds a sid
	sealed.NoStore(w)
	writeBody(w, r, http.StatusOK, []byte("<!DOCTYPE html><title>Signed out</title>\n"))
}

// serveBackChannel is [Middleware.BackChannelLogout].
func (l *logouts) serveBackChannel(w http.ResponseWriter, r *http.Request) {
	if !l.answers.allow(w, r, http.MethodPost) {
		return
	}
	sealed.NoStore(w)
	r.Body = http.MaxBytesReader(w, r.Body, logouttoken.MaxToken+1024)
	err := l.takeLogoutToken(r)
	if err == nil {
		w.WriteHeader(http.StatusOK)
		return
	}
	l.journal.WarnContext(r.Context(), "oxdauth: back-channel logout refused", "error", err)
	status, code := http.StatusBadRequest, "invalid_request"
	if errors.Is(err, logouttoken.ErrUnavailable) {
		status, code = http.StatusServiceUnavailable, "temporarily_unavailable"
		w.Header().Set("Retry-After", "60")
	}
	writeJSON(w, r, status, map[string]string{"error": code})
}

// takeLogoutToken checks the token of a request and ends what it names. Nothing happens for a token
// that is not the provider's.
func (l *logouts) takeLogoutToken(r *http.Request) error {
	if err := r.ParseForm(); err != nil || len(r.PostForm["logout_token"]) != 1 {
		return fmt.Errorf("%w: the form has not exactly one logout_token", logouttoken.ErrInvalid)
	}
	ctx := r.Context()
	t, err := l.verifier.Verify(ctx, r.PostForm.Get("logout_token"), time.Now())
	if err != nil {
		return err
	}
	// The audience comes after the signature, so that only the provider can make us ask oxd. Every
	// one has to be this client (OpenID Connect Core section 3.1.3.7).
	ours, err := l.logins.isClient(ctx, t.Audience)
	switch {
	case err != nil:
		return fmt.Errorf("%w: the client id is not known: %w", logouttoken.ErrUnavailable, err)
	case !ours:
		return fmt.Errorf("%w: its audience is another", logouttoken.ErrInvalid)
	}
	switch err := l.sessions.ended.Once(ctx, session.Digest("jti", t.ID), t.Until); {
	case errors.Is(err, ended.ErrUsed):
		return fmt.Errorf("%w: it has been used before", logouttoken.ErrInvalid)
	case err != nil:
		return fmt.Errorf("%w: %w", logouttoken.ErrUnavailable, err)
	}
	l.endByToken(ctx, t)
	l.journal.InfoContext(ctx, "oxdauth: back-channel logout", "subject", t.Subject)
	return nil
}

// endByToken ends the sessions that a logout token names: those of its sid and, because the
// provider may not have stated a sid for all, those of its subject without one; with a subject
// alone, all of the user's.
func (l *logouts) endByToken(ctx context.Context, t *logouttoken.Token) {
	issuer := l.verifier.Issuer()
	if t.SID == "" {
		_ = l.sessions.ended.EndGroup(ctx, session.GroupOfSubject(issuer, t.Subject))
	} else {
		if t.Subject != "" {
			_ = l.sessions.ended.EndGroup(ctx, session.GroupWithoutSID(issuer, t.Subject))
		}
		_ = l.sessions.ended.EndGroup(ctx, session.GroupOfSID(issuer, t.SID))
	}
	l.journal.ended(ctx, issuer, t.Subject, EndedByBackChannel)
}
