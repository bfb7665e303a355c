// Package ended answers whether a session has ended, on this replica or on another one.
package ended

// The registry: what is asked and ended here and, through the store, on the other replicas.

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"example.com/oxdauth/internal/expiring"
	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/session"
)

const (
	maxKnown  = 100_000 // sessions at the provider, about 5 MB
	maxTokens = 100_000 // logout tokens, about 5 MB
)

var (
	// ErrUsed means that a logout token has been used before.
	ErrUsed = errors.New("oxdauth: the logout token has been used before")
	// ErrFull means that there is no room to remember another logout token.
	ErrFull = errors.New("oxdauth: too many logout tokens")
)

// Config is what New needs.
type Config struct {
	Values    *replica.Values // nil: there are no other replicas
	Lifetime  time.Duration   // no session lives longer
	NotBefore time.Time       // sessions created before are refused; zero: none
	Issuer    string          // the provider's, where it is known from the start; else empty
	Logger    *slog.Logger
}

// Registry remembers what has ended until it would have expired anyway, so that neither a copied
// cookie nor a late parallel answer brings a session back. It is safe for concurrent use.
//
// With a store, a session that End ends has ended on every replica. Groups end on this replica at
// once and on the others within five seconds. While the store fails, the ends are kept, 10,000 at
// most, and written with the first requests after it is back.
type Registry struct {
	local    local
	shared   shared
	lifetime time.Duration
	logger   *slog.Logger

	known   *expiring.Map[session.Group, struct{}] // by GroupOfSID: there are sessions of it
	issuers expiring.Latest[string]
	tokens  *expiring.Map[[16]byte, struct{}] // logout tokens used
}

// New returns a registry in which nothing has ended, except for the sessions of before NotBefore.
func New(c Config) *Registry {
	r := &Registry{
		shared:   newShared(c.Values, c.Logger),
		lifetime: c.Lifetime,
		logger:   c.Logger,
		known:    expiring.New[session.Group, struct{}](maxKnown, expiring.Refuse),
		tokens:   expiring.New[[16]byte, struct{}](maxTokens, expiring.Refuse),
	}
	if !c.NotBefore.IsZero() {
		r.local.before.Store(c.NotBefore.Add(-1).Unix())
	}
	if c.Issuer != "" {
		r.issuers.Add(c.Issuer)
	}
	return r
}

// Has reports whether v has ended as far as this replica knows. It does no I/O and takes no lock.
func (r *Registry) Has(v *session.Identity) bool { return r.local.has(v) }

// Elsewhere reports whether v, which Has does not know as ended, has ended on another replica.
// Errors are of the store.
func (r *Registry) Elsewhere(ctx context.Context, v *session.Identity) (bool, error) {
	return r.shared.has(ctx, v)
}

// Check reports whether v has ended, here or on another replica. It is to be asked again after
// anything that was in progress for v. Errors are of the store.
func (r *Registry) Check(ctx context.Context, v *session.Identity) (bool, error) {
	if r.Has(v) {
		return true, nil
	}
	return r.Elsewhere(ctx, v)
}

// End ends a session and deletes what it has in the store, even if ctx is done. It reports whether
// the session had not ended here before. It waits for the store, three seconds at most.
func (r *Registry) End(ctx context.Context, v *session.Identity) (first bool) {
	first = r.local.add(v)
	r.shared.end(ctx, v)
	return first
}

// EndGroup ends the sessions of a group that were created up to now, even if ctx is done. Sessions
// know the second of their creation only, so those of the present second end as well. It waits for
// the store, three seconds at most. An error is of the store and has been logged; the sessions have
// ended here, and the store gets it with the first requests after it is back.
func (r *Registry) EndGroup(ctx context.Context, g session.Group) error {
	r.local.addGroup(g, r.lifetime)
	return r.shared.endGroup(ctx, g, r.lifetime)
}

// EndIfKnown ends the sessions of a group, which are those of one session at the provider, on a
// request that nobody has authenticated. It is EndGroup if a session of the group is known, here
// or on another replica, and reports that. Otherwise it ends them on this replica alone: they may
// be from before a restart, or there may be none. Unknown groups displace each other and nothing
// else, so a flood of them ends no other session.
func (r *Registry) EndIfKnown(ctx context.Context, g session.Group) (known bool) {
	_, known = r.known.Get(g)
	if !known {
		var err error
		if known, err = r.shared.values.Noted(ctx, replica.SID, g); err != nil {
			r.logger.ErrorContext(ctx, "oxdauth: a front-channel logout counts on this replica alone", "error", err)
		}
	}
	if known {
		_ = r.EndGroup(ctx, g) // logged
	} else {
		r.local.addHint(g, r.lifetime)
	}
	return known
}

// Register makes a new session known, here and to the other replicas, so that EndIfKnown can end
// it. The error is of the store; the session must not begin then.
func (r *Registry) Register(ctx context.Context, v *session.Identity) error {
	if v.SID != "" {
		g := session.GroupOfSID(v.Issuer, v.SID)
		if err := r.shared.values.Note(ctx, replica.SID, g, v.Expires); err != nil {
			return err
		}
	}
	r.Know(v)
	return nil
}

// Know makes a session that is in use known on this replica, which may have been started after the
// session began.
func (r *Registry) Know(v *session.Identity) {
	r.issuers.Add(v.Issuer)
	if v.SID == "" {
		return
	}
	g, until := session.GroupOfSID(v.Issuer, v.SID), session.Unix(v.Expires)
	if _, added, _ := r.known.Add(g, struct{}{}, until); !added {
		r.known.Extend(g, until)
	}
}

// KnowsIssuer reports whether issuer is that of a known session, or of Config, and whether any
// issuer is known at all.
func (r *Registry) KnowsIssuer(issuer string) (known, some bool) {
	return r.issuers.Has(issuer), !r.issuers.Empty()
}

// Once lets a logout token through that no replica has used before. id is a hash of its jti; until
// is when the token is too old to be accepted. It returns ErrUsed, ErrFull, or an error of the
// store when it is unknown whether the token has been used.
func (r *Registry) Once(ctx context.Context, id [16]byte, until time.Time) error {
	used, err := r.shared.values.Noted(ctx, replica.LogoutToken, id)
	if err != nil {
		return err
	}
	_, added, kept := r.tokens.Add(id, struct{}{}, until)
	if kept && !added {
		r.tokens.Extend(id, until)
		used = true
	}
	switch {
	case used:
		return ErrUsed
	case !kept:
		return ErrFull
	}
	if err := r.shared.values.Note(ctx, replica.LogoutToken, id, until.Unix()); err != nil {
		r.logger.ErrorContext(ctx, "oxdauth: a logout token may be taken by another replica as well", "error", err)
	}
	return nil
}
