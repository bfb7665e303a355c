package replica

// The tokens and RPTs of a session.

import (
	"context"
	"errors"

	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

// PutTokens stores the tokens of v until its absolute limit.
func (s *Values) PutTokens(ctx context.Context, v *session.Identity, t *session.Tokens) error {
	return s.Put(ctx, tokensKind, v.ID, &storedTokens{v, *t}, v.Expires)
}

// Tokens returns the tokens of v and its identity as of them, which is a newer one after a refresh
// on another replica. When there are no tokens, or older ones than v, or those of a later release,
// it returns v and nil. Errors are of the store.
func (s *Values) Tokens(ctx context.Context, v *session.Identity) (*session.Identity, *session.Tokens, error) {
	var found storedTokens
	ok, err := s.Get(ctx, tokensKind, v.ID, &found)
	if errors.Is(err, sealed.ErrVersion) {
		return v, nil, nil
	}
	if err != nil || !ok || found.tokens.ID != v.ID || found.identity.ID != v.ID || found.tokens.Generation < v.Generation {
		return v, nil, err
	}
	newer := *found.identity
	newer.Generation, newer.IdleExpires = found.tokens.Generation, max(newer.IdleExpires, v.IdleExpires)
	return &newer, &found.tokens, nil
}

// PutRPTs stores what v keeps for UMA until its absolute limit.
func (s *Values) PutRPTs(ctx context.Context, v *session.Identity, rpts session.RPTs) error {
	return s.Put(ctx, rptsKind, v.ID, &session.Tokens{ID: v.ID, RPTs: rpts}, v.Expires)
}

// RPTs returns what v keeps for UMA. It returns nothing when the store fails, which is logged, or
// has a value of a later release: RPTs can be obtained again.
func (s *Values) RPTs(ctx context.Context, v *session.Identity) session.RPTs {
	var found session.Tokens
	ok, err := s.Get(ctx, rptsKind, v.ID, &found)
	if err != nil && !errors.Is(err, sealed.ErrVersion) {
		s.logger.WarnContext(ctx, "oxdauth: RPTs cannot be read", "error", err)
	}
	if !ok || found.ID != v.ID {
		return session.RPTs{}
	}
	return found.RPTs
}

// DeleteSession deletes the tokens and RPTs of a session. It stops at the first failure; what is
// left expires with the session.
func (s *Values) DeleteSession(ctx context.Context, id session.ID) error {
	if s == nil {
		return nil
	}
	for _, kind := range []Kind{tokensKind, rptsKind} {
		if err := s.delete(ctx, s.key(kind, id)); err != nil {
			return err
		}
	}
	return nil
}

// storedTokens is the payload with the tokens of a session and its identity as of them. A replica
// that has not made a renewal itself takes the identity cookie of its outcome from here.
type storedTokens struct {
	identity *session.Identity
	tokens   session.Tokens
}

func (v *storedTokens) Marshal() []byte {
	b := sealed.AppendText([]byte{sealed.Version}, string(v.identity.Marshal()))
	return append(b, v.tokens.Marshal()...)
}

func (v *storedTokens) Unmarshal(b []byte) error {
	r := sealed.NewReader(b)
	identity, tokens := r.Text(), r.Rest()
	if err := r.Finish(); err != nil {
		return err
	}
	v.identity = new(session.Identity)
	if err := v.identity.Unmarshal([]byte(identity)); err != nil {
		return err
	}
	return v.tokens.Unmarshal([]byte(tokens))
}
