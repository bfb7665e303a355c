package oxdauth

// What is kept in a store: keys that name no session, sealed values, bounded calls.

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	storeTimeout   = 3 * time.Second // of one call, and of all calls that end a session
	maxStoredValue = 256 << 10       // what maxInflatedTokens takes when sealed, and some more
)

// The kinds of values, each under a key of its own.
const (
	storedTokensKind = "tokens"  // written by a login and, holding the lock, by a refresh; nothing else may undo a refresh
	storedUMAKind    = "uma"     // written by whoever has got an RPT; the last one stays
	endedKind        = "ended"   // it is there: the session has ended
	lockKind         = "refresh" // it is there: a refresh is under way
)

var errVersion = errors.New("a value of an unknown version")

// storage is a [Store] as this package uses it. It is safe for concurrent use; the methods that are called on every request
// do nothing on a nil one.
type storage struct {
	store    Store
	sealer   *sealer
	audience string
	logger   *slog.Logger

	mu       sync.Mutex             // guards the rest; never held over a call of the store
	untold   map[string]mark        // by key: what has ended while the store was away
	telling  bool                   // one request at a time catches up
	groups   map[groupID]knownGroup // what the store has lately said about them
	nextLook time.Time              // for groups to be forgotten
}

// key names a value of a session, or of a group, without naming the session: who reads the store can neither make a cookie of it nor see
// which browser it belongs to.
func (s *storage) key(kind string, id [16]byte) string {
	sum := sha256.Sum256([]byte("oxdauth store 1\x00" + kind + "\x00" + s.audience + "\x00" + string(id[:])))
	return "oxdauth:" + kind + ":" + base64.RawURLEncoding.EncodeToString(sum[:])
}

func (s *storage) find(ctx context.Context, key string) (b []byte, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if store, ok := s.store.(ContextStore); ok {
		b, found, err = store.FindCtx(ctx, key)
	} else {
		b, found, err = s.store.Find(key)
	}
	return b, found, storeError("reading", err)
}

func (s *storage) commit(ctx context.Context, key string, b []byte, expiry time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if store, ok := s.store.(ContextStore); ok {
		return storeError("writing", store.CommitCtx(ctx, key, b, expiry))
	}
	return storeError("writing", s.store.Commit(key, b, expiry))
}

func (s *storage) delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if store, ok := s.store.(ContextStore); ok {
		return storeError("deleting", store.DeleteCtx(ctx, key))
	}
	return storeError("deleting", s.store.Delete(key))
}

func storeError(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrStore, doing, err)
}

// put seals v for this key alone and stores it until the session's absolute limit.
func (s *storage) put(ctx context.Context, key string, v payload, expires int64) error {
	sealed, err := s.seal(key, v)
	if err != nil {
		return err
	}
	return s.commit(ctx, key, sealed, time.Unix(expires, 0))
}

func (s *storage) seal(key string, v payload) ([]byte, error) {
	plain := v.marshal()
	if len(plain) > maxInflatedTokens {
		return nil, ErrSessionTooLarge
	}
	signer := s.sealer.keys[0]
	sealed, err := signer.codec.Encode(key, plain)
	if err != nil {
		return nil, fmt.Errorf("oxdauth: sealing for the store: %w", err)
	}
	return []byte(signer.id + "." + sealed), nil
}

// get opens what put has stored. What was stored by somebody else, elsewhere, or with a key that is gone is not there.
func (s *storage) get(ctx context.Context, key string, v payload) (ok bool, err error) {
	b, found, err := s.find(ctx, key)
	if err != nil || !found || len(b) > maxStoredValue {
		return false, err
	}
	id, sealed, _ := strings.Cut(string(b), ".")
	for _, opener := range s.sealer.keys {
		if opener.id == id {
			return opener.codec.Decode(key, sealed, v) == nil, nil
		}
	}
	return false, nil
}

// storedTokens has the tokens of a session and its identity as of them, so that a replica that has not made a renewal can
// write the identity cookie of its outcome.
type storedTokens struct {
	identity *identity
	tokens   tokens
}

func (v *storedTokens) marshal() []byte {
	b := appendString([]byte{payloadVersion}, string(v.identity.marshal()))
	return append(b, v.tokens.marshal()...)
}

func (v *storedTokens) unmarshal(b []byte) error {
	r := newReader(b)
	who := r.string()
	if r.bad {
		return errPayload
	}
	v.identity = new(identity)
	if err := v.identity.unmarshal([]byte(who)); err != nil {
		return err
	}
	return v.tokens.unmarshal([]byte(r.b))
}

// putTokens stores the tokens of a session; without a store they are left to the cookies.
func (s *storage) putTokens(ctx context.Context, v *identity, t *tokens) error {
	if s == nil {
		return nil
	}
	return s.put(ctx, s.key(storedTokensKind, v.id), &storedTokens{v, *t}, v.expires)
}

// getTokens gives the tokens of a session and its identity as of them, which is a later one after a refresh elsewhere.
// Without tokens, or with older ones, it gives v and nil.
func (s *storage) getTokens(ctx context.Context, v *identity) (*identity, *tokens, error) {
	var found storedTokens
	ok, err := s.get(ctx, s.key(storedTokensKind, v.id), &found)
	if err != nil || !ok || found.tokens.id != v.id || found.identity.id != v.id || found.tokens.generation < v.generation {
		return v, nil, err
	}
	lifted := *found.identity
	lifted.generation, lifted.idleExpires = found.tokens.generation, max(lifted.idleExpires, v.idleExpires)
	return &lifted, &found.tokens, nil
}

func (s *storage) putUMA(ctx context.Context, v *identity, u umaTokens) error {
	return s.put(ctx, s.key(storedUMAKind, v.id), &tokens{id: v.id, uma: u}, v.expires)
}

// getUMA gives what is kept for UMA; nothing when the store fails: RPTs can be had again.
func (s *storage) getUMA(ctx context.Context, v *identity) umaTokens {
	var found tokens
	ok, err := s.get(ctx, s.key(storedUMAKind, v.id), &found)
	if err != nil {
		s.logger.WarnContext(ctx, "oxdauth: RPTs cannot be read", "error", err)
	}
	if !ok || found.id != v.id {
		return umaTokens{}
	}
	return found.uma
}
