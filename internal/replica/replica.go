// Package replica keeps sealed values in a store that the replicas of an application share, and
// lets one of the replicas at a time do something.
package replica

// Access to the store: keys that name no session, sealed values, bounded calls.

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"example.com/oxdauth/internal/sealed"
)

// Timeout bounds one call of the store.
const Timeout = 3 * time.Second

// Kind says what a value is about. It is a part of the key, so values of two kinds never meet.
type Kind string

// The kinds of values outside of this package.
const (
	Ended       Kind = "ended" // a note, by session id: the session has ended
	Group       Kind = "group" // by group: which of its sessions have ended
	SID         Kind = "sid"   // a note, by group: there are sessions of this one at the provider
	LogoutToken Kind = "jti"   // a note, by hash of the jti: the logout token has been used

	tokensKind Kind = "tokens"  // written by a login and, under the lock, by a refresh alone
	rptsKind   Kind = "uma"     // written by any request that has obtained an RPT
	lockKind   Kind = "refresh" // a marker: a refresh is in progress
)

// ErrStore means that the store has failed or has not answered in time.
var ErrStore = errors.New("oxdauth: the session store failed")

// Store is the part of the application's store that every store has. A contextStore or a locker
// may be behind it as well.
type Store interface {
	Find(key string) (b []byte, found bool, err error)
	Commit(key string, b []byte, expiry time.Time) error
	Delete(key string) error
}

// contextStore has the methods that are called in place of those of Store.
type contextStore interface {
	FindCtx(ctx context.Context, key string) (b []byte, found bool, err error)
	CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error
	DeleteCtx(ctx context.Context, key string) error
}

// Values are the values in the store. A nil *Values stands for an application without a store:
// nothing is written, nothing is found, and no call fails. It is immutable and safe for concurrent
// use. All errors of the store match ErrStore.
type Values struct {
	store    Store
	sealer   *sealed.Sealer
	audience string
	logger   *slog.Logger
}

// New returns the values that store holds for one audience, which is a part of every key; nil
// when store is nil.
func New(store Store, sealer *sealed.Sealer, audience string, logger *slog.Logger) *Values {
	if store == nil {
		return nil
	}
	return &Values{store: store, sealer: sealer, audience: audience, logger: logger}
}

// Note lets every replica find that id has been noted, until expires, in seconds since the epoch.
func (s *Values) Note(ctx context.Context, kind Kind, id [16]byte, expires int64) error {
	if s == nil {
		return nil
	}
	return s.commit(ctx, s.key(kind, id), []byte{1}, time.Unix(expires, 0))
}

// Noted reports whether any replica has noted id. Any content counts, also that of another release.
func (s *Values) Noted(ctx context.Context, kind Kind, id [16]byte) (bool, error) {
	if s == nil {
		return false, nil
	}
	_, found, err := s.find(ctx, s.key(kind, id))
	return found && err == nil, err
}

// Put seals v for this kind and id alone and stores it until expires, in seconds since the epoch.
// It returns sealed.ErrTooLarge when v is longer than 128 KB.
func (s *Values) Put(ctx context.Context, kind Kind, id [16]byte, v sealed.Payload, expires int64) error {
	if s == nil {
		return nil
	}
	key := s.key(kind, id)
	value, err := s.sealer.Seal(key, v)
	if err != nil {
		return err
	}
	return s.commit(ctx, key, []byte(value), time.Unix(expires, 0))
}

// Get opens what Put has stored. A value that was sealed for another key, or with a secret that is
// not among the present ones, counts as absent. For one that a later release has written the error
// matches sealed.ErrVersion as well as ErrStore.
func (s *Values) Get(ctx context.Context, kind Kind, id [16]byte, into sealed.Payload) (ok bool, err error) {
	if s == nil {
		return false, nil
	}
	key := s.key(kind, id)
	b, found, err := s.find(ctx, key)
	if err != nil || !found {
		return false, err
	}
	switch _, err := s.sealer.Open(key, string(b), into); err {
	case nil:
		return true, nil
	case sealed.ErrVersion:
		return false, storeError("reading", err)
	}
	return false, nil
}

// key returns the key of a value. It is a hash: read access to the store is not enough to make a
// cookie of it, or to see which browser a session belongs to.
func (s *Values) key(kind Kind, id [16]byte) string {
	sum := sha256.Sum256([]byte("oxdauth store 1\x00" + string(kind) + "\x00" + s.audience + "\x00" + string(id[:])))
	return "oxdauth:" + string(kind) + ":" + base64.RawURLEncoding.EncodeToString(sum[:])
}

func (s *Values) find(ctx context.Context, key string) (b []byte, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if store, ok := s.store.(contextStore); ok {
		b, found, err = store.FindCtx(ctx, key)
	} else {
		b, found, err = s.store.Find(key)
	}
	return b, found, storeError("reading", err)
}

func (s *Values) commit(ctx context.Context, key string, b []byte, expiry time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if store, ok := s.store.(contextStore); ok {
		return storeError("writing", store.CommitCtx(ctx, key, b, expiry))
	}
	return storeError("writing", s.store.Commit(key, b, expiry))
}

func (s *Values) delete(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	if store, ok := s.store.(contextStore); ok {
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
