package oxdauth

// One refresh of a session among all replicas: a lock, and the tokens read again under it.

import (
	"context"
	"crypto/rand"
	"time"
)

const (
	// lockTTL outlives whoever holds the lock: a refresh, storing its outcome, and the call that is under way then.
	lockTTL      = refreshTimeout + successorWait + storeTimeout + 2*time.Second
	markerSettle = 50 * time.Millisecond  // see mark
	markerPoll   = 100 * time.Millisecond // how often a marker is looked at

	// successorWait is how long a store that has gone away during a refresh is waited for: the old tokens are used up.
	successorWait  = 10 * time.Second
	successorRetry = 250 * time.Millisecond
)

// exchange is one refresh at oxd; see [refresher.exchange].
type exchange func(context.Context, *identity, *tokens) (*identity, *tokens, error)

// refresh gives the successor of v: the one another replica has made of it, or one of its own. It waits for the lock as long
// as ctx lets it; from then on it has a whole refreshTimeout, because an exchange that is cut off loses the tokens.
func (s *storage) refresh(ctx context.Context, v *identity, ask exchange) (*identity, *tokens, error) {
	unlock, err := s.lock(ctx, s.key(lockKind, v.id))
	if err != nil {
		return nil, nil, err
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), refreshTimeout)
	defer cancel()
	current, t, err := s.getTokens(ctx, v)
	switch {
	case err != nil:
		return nil, nil, err
	case t == nil:
		return nil, nil, ErrNoSession
	case current.generation > v.generation:
		return current, t, nil
	}
	newer, newerTokens, err := ask(ctx, current, t)
	if err != nil {
		// Where the lock is best effort, somebody else may have used the refresh token.
		if current, t, _ := s.getTokens(ctx, v); t != nil && current.generation > v.generation {
			return current, t, nil
		}
		return nil, nil, err
	}
	if err := s.putSuccessor(context.WithoutCancel(ctx), newer, newerTokens); err != nil {
		return nil, nil, err
	}
	return newer, newerTokens, nil
}

func (s *storage) putSuccessor(ctx context.Context, v *identity, t *tokens) error {
	ctx, cancel := context.WithTimeout(ctx, successorWait)
	defer cancel()
	for {
		err := s.putTokens(ctx, v, t)
		if err == nil || pause(ctx, successorRetry) != nil {
			return err
		}
	}
}

func (s *storage) lock(ctx context.Context, key string) (unlock func(), err error) {
	if locker, ok := s.store.(Locker); ok {
		unlock, err = locker.Lock(ctx, key, lockTTL)
	} else {
		unlock, err = s.mark(ctx, key)
	}
	return unlock, storeError("locking", err)
}

// mark is a lock made of reads and writes alone (Fischer's algorithm): who finds no marker writes its own, waits until
// whoever found none at the same time has written too, and holds the lock if its marker is the one that stayed.
func (s *storage) mark(ctx context.Context, key string) (unlock func(), err error) {
	mine := rand.Text()
	holding := func(ctx context.Context) (held, byMe bool, err error) {
		b, found, err := s.find(ctx, key)
		return found, found && string(b) == mine, err
	}
	for {
		held, _, err := holding(ctx)
		if err != nil {
			return nil, err
		}
		if !held {
			if err := s.commit(ctx, key, []byte(mine), time.Now().Add(lockTTL)); err != nil {
				return nil, err
			}
			if err := pause(ctx, markerSettle); err != nil {
				return nil, err
			}
			if _, byMe, err := holding(ctx); err != nil {
				return nil, err
			} else if byMe {
				break
			}
		}
		if err := pause(ctx, markerPoll); err != nil {
			return nil, err
		}
	}
	return func() {
		ctx := context.WithoutCancel(ctx)
		if _, byMe, err := holding(ctx); err == nil && byMe {
			_ = s.delete(ctx, key) // it expires otherwise
		}
	}, nil
}

// pause waits unless ctx is done before.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
