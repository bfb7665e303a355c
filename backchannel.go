package oxdauth

// Back-channel logout: the provider posts a signed logout token, from server to server.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/oxdauth/internal/logouttoken"
	"example.com/oxdauth/oxd"
)

// clientIDPause is between two questions to oxd for the client id, however many tokens name another.
const clientIDPause = time.Minute

// WithBackChannelLogout makes the middleware end sessions on the provider's word (OpenID Connect Back-Channel Logout 1.0);
// see [Middleware.BackChannelLogout]. issuer is the iss of the provider's tokens, an https URL; its keys are found by
// discovery over client, which follows no redirects for it and gets 10 seconds. client nil means the roots of the system.
// The keys are fetched when the first logout token comes, again after an hour, and at most once a minute for keys nobody
// knows. Default: off.
func WithBackChannelLogout(issuer string, client *http.Client) Option {
	return option(func(s *settings) (err error) {
		if s.provider, err = logouttoken.New(issuer, client); err != nil {
			return fmt.Errorf("oxdauth: WithBackChannelLogout: %w", err)
		}
		return nil
	})
}

// BackChannelLogout gives the handler that takes logout tokens; it panics without [WithBackChannelLogout]. The provider has
// to be told its address by other means than oxd, which cannot register it.
//
// A token with a sid ends the sessions made from that session at the provider, and those of its sub about which the
// provider gave no sid; a token with a sub alone ends all of the user's. They end on this replica from the next
// request on, and on the others as by [Middleware.RevokeSubject]. The answer is 200, 400 for a token that fails any check of
// section 2.6 or was taken before, or 503 when it cannot be checked now and should be sent again. The algorithm of the
// signature is RS, PS or ES with 256, 384 or 512 bits, EdDSA or Ed25519 (RFC 9864); exp and jti are required; a token older
// than 10 minutes is refused.
//
// oxd does not tell the client id that aud has to name. It is known from the authorization URLs oxd has made, and oxd is
// asked for one when none has the id of a token; tokens for a client id from before a new registration are refused.
//
// [Middleware.Handler] serves it at [Middleware.BackChannelLogoutPath] by itself.
func (m *Middleware) BackChannelLogout() http.Handler {
	if m.provider == nil {
		panic("oxdauth: BackChannelLogout needs WithBackChannelLogout")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.allow(w, r, http.MethodPost) {
			return
		}
		neverStore(w)
		r.Body = http.MaxBytesReader(w, r.Body, logouttoken.MaxToken+1024)
		err := m.takeLogoutToken(r)
		if err == nil {
			w.WriteHeader(http.StatusOK)
			return
		}
		m.logger.WarnContext(r.Context(), "oxdauth: back-channel logout refused", "error", err)
		status, code := http.StatusBadRequest, "invalid_request"
		if errors.Is(err, logouttoken.ErrUnavailable) {
			status, code = http.StatusServiceUnavailable, "temporarily_unavailable"
			w.Header().Set("Retry-After", "60")
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": code}) // the provider may have gone away
	})
}

// takeLogoutToken checks the token of a request and does what it says. Nothing happens for a token that is not the
// provider's.
func (m *Middleware) takeLogoutToken(r *http.Request) error {
	if err := r.ParseForm(); err != nil || len(r.PostForm["logout_token"]) != 1 {
		return badToken("the form has not exactly one logout_token")
	}
	t, err := m.provider.Verify(r.Context(), r.PostForm.Get("logout_token"), time.Now())
	if err != nil {
		return err
	}
	if err := m.checkAudience(r.Context(), t.Audience); err != nil {
		return err
	}
	jti, until := hash16("jti", t.ID), t.Until.Unix()
	used, err := m.shared.noted(r.Context(), jtiKind, jti)
	if err != nil {
		return fmt.Errorf("%w: %w", logouttoken.ErrUnavailable, err)
	}
	fresh, kept := m.logoutTokens.add(jti, until)
	switch {
	case used, !fresh:
		return badToken("it has been used before")
	case !kept:
		return fmt.Errorf("%w: too many of them", logouttoken.ErrUnavailable)
	}
	if err := m.shared.note(r.Context(), jtiKind, jti, until); err != nil {
		m.logger.ErrorContext(r.Context(), "oxdauth: a logout token may be taken by another replica as well", "error", err)
	}
	m.endByToken(r.Context(), t)
	m.emitEnded(r.Context(), m.provider.Issuer(), t.Subject, EndedByBackChannel)
	m.logger.InfoContext(r.Context(), "oxdauth: back-channel logout", "subject", t.Subject)
	return nil
}

func badToken(reason string) error { return fmt.Errorf("%w: %s", logouttoken.ErrInvalid, reason) }

// checkAudience wants every audience to be this client (OpenID Connect Core section 3.1.3.7). It comes after the signature,
// so only the provider can make us ask oxd.
func (m *Middleware) checkAudience(ctx context.Context, audience []string) error {
	if now := time.Now().Unix(); !m.clients.has(audience...) && now-m.clientAsked.Load() >= int64(clientIDPause/time.Second) {
		answer, err := m.client.AuthorizationURL(ctx, oxd.AuthorizationURLParams{Scope: m.scopes})
		if err == nil {
			_, err = m.newLogin(answer, loginRequest{}) // which learns the client id
		}
		if err != nil {
			return fmt.Errorf("%w: the client id is not known: %w", logouttoken.ErrUnavailable, err)
		}
		m.clientAsked.Store(now)
	}
	if !m.clients.has(audience...) {
		return badToken("its audience is another")
	}
	return nil
}

func (m *Middleware) endByToken(ctx context.Context, t *logouttoken.Token) {
	issuer := m.provider.Issuer()
	switch {
	case t.SID == "":
		m.endGroup(ctx, groupOf(groupSubject, issuer, t.Subject))
	case t.Subject != "":
		m.endGroup(ctx, groupOf(groupNoSID, issuer, t.Subject))
		fallthrough
	default:
		m.endGroup(ctx, groupOf(groupSID, issuer, t.SID))
	}
}
