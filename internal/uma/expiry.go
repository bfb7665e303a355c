package uma

// When a grant ends: with the RPT, as far as that can be found out.

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"example.com/oxdauth/oxd"
)

const clockSkew = 5 * time.Second // between this machine and the authorization server

// introspectedExpiry returns the earliest of expires and the ends of the RPT and of each of its
// permissions, where oxd can say when those are (introspect_rpt, oxd 3.1.2 and later). It returns
// the zero time, so that the grant is not kept, if oxd can say it and does not.
func (g *Grants) introspectedExpiry(ctx context.Context, rpt RPT, expires time.Time) time.Time {
	if g.noIntrospection.Load() {
		return expires
	}
	about, err := g.asker.introspect(ctx, rpt)
	switch {
	case errors.Is(err, oxd.ErrUnsupported):
		g.noIntrospection.Store(true)
		return expires
	case err != nil || !about.Active:
		return time.Time{}
	}
	ends := []time.Time{about.ExpiresAt}
	for _, permission := range about.Permissions {
		ends = append(ends, permission.ExpiresAt)
	}
	now := time.Now()
	for _, end := range ends {
		if left := now.Add(time.Until(end) - clockSkew); !end.IsZero() && left.Before(expires) {
			expires = left
		}
	}
	return expires
}

// jwtExpiry returns the end of a grant that was asked for at now: after maxTTL, or earlier if the
// RPT is a JWT with an exp. The signature is not verified, because exp can only shorten.
func jwtExpiry(rpt RPT, now time.Time, maxTTL time.Duration) time.Time {
	parts := strings.Split(rpt.token, ".")
	if len(parts) != 3 {
		return now.Add(maxTTL)
	}
	var claims struct {
		Exp *float64 `json:"exp"`
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(raw, &claims) != nil || claims.Exp == nil {
		return now.Add(maxTTL)
	}
	left := min(*claims.Exp-float64(now.Unix())-clockSkew.Seconds(), maxTTL.Seconds())
	return now.Add(time.Duration(left * float64(time.Second)))
}
