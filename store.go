package oxdauth

// What a store has to offer that several replicas share.

import (
	"context"
	"time"
)

// Store keeps values under keys until they expire, for all replicas of an application. It has the
// methods of scs.Store (github.com/alexedwards/scs), so any store made for scs fits. It has to be
// safe for concurrent use, and a value committed has to be found by every replica from then on:
// reading from a replica of the database that lags behind is not enough.
//
// Keys are up to 64 characters of [A-Za-z0-9_:-], made from a hash of the session id. Values are at
// most 256 KB: tokens, encrypted and authenticated, or marks without content.
//
// These methods are not called when the store is a [ContextStore] as well. They get no context, so
// the time they take has to be bounded by the store.
type Store interface {
	// Find returns the value of a key. A key that is not there or has expired is no error: found is
	// false.
	Find(key string) (b []byte, found bool, err error)
	// Commit sets the value of a key, in place of any there was, until expiry.
	Commit(key string, b []byte, expiry time.Time) error
	// Delete removes a key. One that is not there is no error.
	Delete(key string) error
}

// ContextStore has the methods of scs.CtxStore. They are called in place of those of [Store], with
// three seconds each.
type ContextStore interface {
	Store
	FindCtx(ctx context.Context, key string) (b []byte, found bool, err error)
	CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error
	DeleteCtx(ctx context.Context, key string) error
}

// Locker is what a [Store] may have in addition, to make the refresh of one session on several
// replicas exactly one.
type Locker interface {
	// Lock waits until the lock of this key is free, or ctx is done, and takes it for at most ttl.
	// It has to be atomic. unlock returns this lock and no later one, and bounds its own time; ttl
	// makes up for one that fails.
	Lock(ctx context.Context, key string, ttl time.Duration) (unlock func(), err error)
}
