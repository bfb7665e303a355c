package renewal

// What is asked of oxd for a renewal, and which of its answers end a session.

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/oxd"
)

// ErrSubject means that userinfo names another subject than the session has.
var ErrSubject = errors.New("oxdauth: userinfo names another subject")

// Rejected reports a clear refusal of the refresh token by the provider (invalid_grant, RFC 6749
// section 5.2). oxd 3.1.1 never reports one: a refusal is an internal_error there, like an outage.
// 3.1.4 relays the provider's answer in the description of http_status_400.
func Rejected(err error) bool {
	var answered *oxd.Error
	if !errors.As(err, &answered) {
		return false
	}
	var relayed struct {
		Error string `json:"error"`
	}
	return answered.Code == "invalid_grant" || answered.Code == "http_status_400" &&
		json.Unmarshal([]byte(answered.Description), &relayed) == nil && relayed.Error == "invalid_grant"
}

// endsSession reports whether there is no session any more after a renewal with this error. oxd
// 3.1.1 reports an outage and a refusal alike, so after all others the session goes on to its own
// limits.
func endsSession(err error) bool { return errors.Is(err, ErrSubject) || Rejected(err) }

// askOxd asks oxd for what is needed and returns the successor of v.
func (g *Group) askOxd(ctx context.Context, v *session.Identity, t *session.Tokens, need session.Need) (Result, error) {
	newer, newerTokens := *v, *t
	newer.Generation++
	newerTokens.Generation++
	if need.Tokens {
		if err := g.renewTokens(ctx, &newer, &newerTokens); err != nil {
			return Result{}, err
		}
	}
	if need.Claims {
		err := g.renewClaims(ctx, &newer, newerTokens.Access)
		switch {
		case err == nil:
		case !need.Tokens || errors.Is(err, ErrSubject):
			return Result{}, err
		default:
			// The new tokens must not get lost with the claims, which are asked for again soon.
			newer.ClaimsAt = time.Now().Add(backoff - g.config.ClaimsInterval).Unix()
		}
	}
	return Result{&newer, &newerTokens}, nil
}

// renewTokens exchanges the refresh token (OAuth 2.0, RFC 6749 section 6).
func (g *Group) renewTokens(ctx context.Context, v *session.Identity, t *session.Tokens) error {
	return g.config.Breaker.Call(func() error {
		answer, err := g.config.Client.RefreshTokens(ctx, oxd.NewSecret(t.Refresh), g.config.Scopes...)
		if err == nil && answer.AccessToken.IsZero() {
			err = errors.New("oxdauth: oxd answered a refresh without access token")
		}
		if err != nil {
			return err
		}
		t.Access = answer.AccessToken.Reveal()
		if !answer.RefreshToken.IsZero() {
			t.Refresh = answer.RefreshToken.Reveal()
		}
		v.AccessExpires, v.RefreshAt = session.Schedule(time.Now(), answer.ExpiresIn, true)
		return nil
	})
}

// renewClaims re-reads the claims of the session from userinfo (OpenID Connect Core section 5.3). A
// claim that userinfo does not name any more is gone.
func (g *Group) renewClaims(ctx context.Context, v *session.Identity, accessToken string) error {
	return g.config.Breaker.Call(func() error {
		info, err := g.config.Client.UserInfo(ctx, oxd.NewSecret(accessToken))
		switch {
		case err != nil:
			return err
		case info.Get("sub") == "":
			// As oxd answers for a token that the provider has refused.
			return errors.New("oxdauth: userinfo named no subject")
		case info.Get("sub") != v.Subject:
			return ErrSubject
		}
		claims := make(oxd.Claims, len(g.config.Claims))
		for _, name := range g.config.Claims {
			if values, ok := info[name]; ok {
				claims[name] = values
			}
		}
		v.Claims, v.ClaimsAt = claims, time.Now().Unix()
		return nil
	})
}
