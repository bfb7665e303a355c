package oxdauth

// Several replicas behind one address: what a shared store has to offer, and the option that hands it over.

import (
	"context"
	"errors"
	"time"
)

// Store keeps values under keys until they expire, for all replicas of an application. It has the methods of scs.Store
// (github.com/alexedwards/scs), so any store made for scs fits. It has to be safe for concurrent use, and a value committed
// has to be found by every replica from then on: reading from a replica of the database that lags behind is not enough.
//
// Keys are up to 64 characters of [A-Za-z0-9_:-], made from a hash of the session id. Values are at most 256 KB: tokens,
// encrypted and authenticated, or marks without content.
//
// These methods are not called when the store is a [ContextStore] as well. They get no context, so the time they take has to
// be bounded by the store.
type Store interface {
	// Find gives the value of a key. A key that is not there or has expired is no error: found is false.
	Find(key string) (b []byte, found bool, err error)
	// Commit sets the value of a key, in place of any there was, until expiry.
	Commit(key string, b []byte, expiry time.Time) error
	// Delete removes a key. One that is not there is no error.
	Delete(key string) error
}

// ContextStore has the methods of scs.CtxStore. They are called in place of those of [Store], with three seconds each.
type ContextStore interface {
	Store
	FindCtx(ctx context.Context, key string) (b []byte, found bool, err error)
	CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error
	DeleteCtx(ctx context.Context, key string) error
}

// Locker is what a [Store] may have in addition, to make the refresh of one session on several replicas exactly one.
type Locker interface {
	// Lock waits until no one holds the lock of this key, or ctx is done, and takes it for at most ttl. It has to be
	// atomic. unlock gives back this lock and no later one, and bounds its own time; one that fails is made up for by ttl.
	Lock(ctx context.Context, key string, ttl time.Duration) (unlock func(), err error)
}

// ErrStore means that the store given to [WithStore] does not answer or answers with an error, so that nobody can tell
// whether a session has ended. [Middleware.Handler] answers 503: sending people through a login would not help them.
var ErrStore = errors.New("oxdauth: the session store failed")

// WithStore keeps the tokens of sessions, and the list of ended ones, in a store that all replicas share; they need the same
// [WithKeys] as well. Default: tokens travel in a cookie, and each process has its own list.
//
// With a store only the small identity cookie travels, whatever the size of the tokens. A session that ends on one replica
// has ended on all, until its absolute limit; what [Middleware.RevokeSubject] and the provider end has ended on the other
// replicas within five seconds. The price is one read of the store for each request with a session, and two more every five
// seconds; another one, of the tokens, when the application asks for a token or a refresh is due, and one when a [Guard]
// needs the session. What is written for a session is deleted when it ends and otherwise expires with it.
//
// Two replicas that find the same session due make one refresh; the other waits for it, no longer than it would for its own,
// and takes the tokens from the store. With a [Locker] this is exact. Any other store gets a marker, written, left alone for
// 50 ms and read back: exact while a write is seen by the others within that time, best effort on a store slower than that.
//
// When the store fails, requests with a session are answered 503 ([ErrStore]) and so is the end of a login; only
// [Middleware.Optional] goes on, without a session. Nothing is let through unchecked, and no token is refreshed that could
// not be stored: a refresh under way tries for ten seconds more to store what it got, and after that its tokens are lost.
// Signing out ends the session in its browser and on its replica; that replica tells the store with the next requests after
// it is back, and if it is stopped before, the others never learn. A store that loses its data forgets which sessions have
// ended, so let it write to disk; the sessions it has lost the tokens of end at their next refresh. The same is true of
// sessions that began before the application had a store.
func WithStore(store Store) Option {
	return option(func(s *settings) error {
		if store == nil {
			return errors.New("oxdauth: WithStore: nil store")
		}
		s.store = store
		return nil
	})
}
