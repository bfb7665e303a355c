// Package logouttoken verifies the back-channel logout tokens of one issuer (OpenID Connect
// Back-Channel Logout 1.0).
package logouttoken

// The checks of section 2.6 that need no state of the caller.

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/oxdauth/internal/jose"
)

const (
	// MaxToken is the length of the longest token that is accepted, in bytes.
	MaxToken = jose.MaxToken

	event = "http://schemas.openid.net/event/backchannel-logout"
	life  = 10 * time.Minute // an older token is refused, whatever its exp says
	skew  = time.Minute      // how far the issuer's clock may be off
)

var (
	// ErrInvalid means that a text is not a logout token of the issuer, or that it has expired.
	ErrInvalid = errors.New("logout token refused")
	// ErrUnavailable means that the token could not be checked, because the issuer's keys are not
	// available.
	ErrUnavailable = errors.New("logout token cannot be checked now")
)

// Token is the content of a verified logout token.
type Token struct {
	Audience     []string  // not checked
	Subject, SID string    // not both are empty
	ID           string    // jti, which the issuer uses once
	Until        time.Time // from then on the token is refused, so that ID need not be remembered
}

// Verifier is safe for concurrent use.
type Verifier struct{ keys *jose.KeySet }

// New makes no request. issuer is the iss of the tokens, an https URL without query and fragment.
// The issuer's keys are found by discovery over client, which follows no redirects and gets 10
// seconds; nil means [http.DefaultTransport]. A client that does not verify certificates is
// refused. The keys are fetched for the first token, again after an hour, and at most once a minute
// for keys that are not known.
func New(issuer string, client *http.Client) (*Verifier, error) {
	keys, err := jose.NewKeySet(issuer, client)
	if err != nil {
		return nil, err
	}
	return &Verifier{keys: keys}, nil
}

// Issuer returns the issuer as it was given to [New].
func (v *Verifier) Issuer() string { return v.keys.Issuer() }

// Verify checks the form, the signature and the claims of token at the time now. The audience, and
// whether the token has been used before, are the caller's to check. The error wraps [ErrInvalid]
// or [ErrUnavailable]; its text is for the log and does not contain the token.
//
// exp and jti are required. The typ is logout+jwt, JWT or missing: providers send all three.
func (v *Verifier) Verify(ctx context.Context, token string, now time.Time) (*Token, error) {
	signed, err := jose.Parse(token)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if signed.Type != "" && signed.Type != "jwt" && signed.Type != "logout+jwt" {
		return nil, invalid("it is a token of another type")
	}
	claims, err := v.keys.Verify(ctx, signed)
	if errors.Is(err, jose.ErrUnavailable) {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return readClaims(claims, v.Issuer(), now)
}

func readClaims(claims jose.Object, issuer string, now time.Time) (*Token, error) {
	var err error
	t := &Token{
		Audience: claims.Texts("aud", &err),
		Subject:  claims.Text("sub", &err),
		SID:      claims.Text("sid", &err),
		ID:       claims.Text("jti", &err),
	}
	iss, issued, expires := claims.Text("iss", &err), claims.Seconds("iat", &err), claims.Seconds("exp", &err)
	t.Until = issued.Add(life + time.Second) // it is accepted until life is over, in whole seconds
	_, nonce := claims["nonce"]
	switch {
	case err != nil:
		return nil, invalid(err.Error())
	case subtle.ConstantTimeCompare([]byte(iss), []byte(issuer)) != 1:
		return nil, invalid("its issuer is another")
	case len(t.Audience) == 0:
		return nil, invalid("it has no audience")
	case now.Before(issued.Add(-skew)):
		return nil, invalid("it is from the future")
	case now.After(issued.Add(life)) || !now.Before(expires.Add(skew)):
		return nil, invalid("it has expired")
	case claims.Object("events").Object(event) == nil:
		return nil, invalid("it is not about a logout")
	case t.Subject == "" && t.SID == "":
		return nil, invalid("it names neither a user nor a session")
	case nonce:
		return nil, invalid("it has a nonce, like an ID token")
	case t.ID == "":
		return nil, invalid("it has no jti")
	}
	return t, nil
}

func invalid(reason string) error { return fmt.Errorf("%w: %s", ErrInvalid, reason) }
