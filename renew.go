package oxdauth

// When a session is renewed, and what that means for the request at hand: ahead of time it goes on with what it has, and
// only an access token or claims that are too old are waited for.

import (
	"context"
	"errors"
	"time"

	"example.com/oxdauth/oxd"
)

// renewal is what a session needs.
type renewal struct {
	tokens, claims bool
	wait           bool // the request cannot go on without
}

var (
	errSubject = errors.New("oxdauth: userinfo names another subject")
	errPair    = errors.New("oxdauth: the tokens of the session are missing")
)

// due tells what v needs. Claims are re-read a fifth of the interval ahead, as long as there is an access token for it.
func (f *refresher) due(v *identity, now time.Time) renewal {
	at := now.Unix()
	need := renewal{tokens: v.refreshAt != 0 && at >= v.refreshAt}
	expired := v.accessExpires != 0 && at >= v.accessExpires
	need.wait = need.tokens && expired
	if f.claimsInterval > 0 && (need.tokens || !expired) {
		old := now.Sub(unix(v.claimsAt))
		need.claims = old >= f.claimsInterval*4/5
		need.wait = need.wait || old >= f.claimsInterval
	}
	return need
}

// renew gives the successor of a session, nil when the request does not have to wait for it.
func (m *Middleware) renew(ctx context.Context, jar jar, v *identity, t *tokens, need renewal) (*identity, *tokens, error) {
	current := m.refresher.shard(v.id).get(v.id, v.generation)
	if current == nil {
		var err error
		if t == nil {
			known := v.generation
			if v, t, err = m.readTokens(ctx, jar, v); err != nil {
				return nil, nil, err
			}
			if t == nil {
				return nil, nil, errPair // nobody can tell whose tokens these are
			}
			if need = m.refresher.due(v, time.Now()); v.generation > known && !need.tokens && !need.claims {
				return v, t, nil // another replica has seen to it
			}
		}
		if current, err = m.refresher.join(ctx, v, t, need, false); err != nil {
			return nil, nil, err
		}
	}
	if !need.wait && !current.finished() {
		return nil, nil, nil
	}
	return current.wait(ctx)
}

// endsSession tells the errors of a renewal after which there is no session any more. oxd 3.1.1 reports an outage and a
// refusal alike, so all others leave the session to its own limits.
func endsSession(err error) (EndReason, bool) {
	switch {
	case errors.Is(err, errSubject):
		return EndedBySubject, true
	case refreshRejected(err):
		return EndedByProvider, true
	}
	return "", false
}

// renewClaims re-reads the claims of the session from userinfo (OpenID Connect Core section 5.3). A claim that userinfo
// does not name any more is gone.
func (f *refresher) renewClaims(ctx context.Context, v *identity, accessToken string) error {
	return f.breaker.call(func() error {
		info, err := f.client.UserInfo(ctx, oxd.NewSecret(accessToken))
		switch {
		case err != nil:
			return err
		case info.Get("sub") == "":
			return errors.New("oxdauth: userinfo named no subject") // as oxd answers for a token the provider refused
		case info.Get("sub") != v.subject:
			return errSubject
		}
		claims := make(oxd.Claims, len(f.claims))
		for _, name := range f.claims {
			if values, ok := info[name]; ok {
				claims[name] = values
			}
		}
		v.claims, v.claimsAt = claims, time.Now().Unix()
		return nil
	})
}
