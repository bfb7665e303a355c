package oxdauth

// Ended sessions, told to the other replicas through the store.

import (
	"context"
	"time"
)

const (
	maxUntold    = 10_000 // sessions ended while the store is away, under 1 MB
	untoldAtOnce = 16     // told to the store by one request after it is back
)

// confirm finds out whether a session that has been going on has ended meanwhile, here or elsewhere.
func (m *Middleware) confirm(ctx context.Context, v *identity) error {
	if !m.alive(v, time.Now()) {
		return ErrNoSession
	}
	return m.shared.check(ctx, v)
}

// check gives [ErrNoSession] when a session has ended on another replica, [ErrStore] when nobody can tell.
func (s *storage) check(ctx context.Context, v *identity) error {
	if s == nil {
		return nil
	}
	_, ended, err := s.find(ctx, s.key(endedKind, v.id))
	switch {
	case err != nil:
		return err
	case ended:
		return ErrNoSession
	}
	s.catchUp(ctx)
	return nil
}

// end tells the other replicas, whatever becomes of the request, and deletes what the session has in the store.
func (s *storage) end(ctx context.Context, v *identity) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	err := s.tell(ctx, v.id, v.expires)
	if err != nil {
		s.tellLater(v.id, v.expires)
	}
	for _, kind := range []string{storedTokensKind, storedUMAKind} {
		if err == nil {
			err = s.delete(ctx, s.key(kind, v.id))
		}
	}
	if err != nil {
		s.logger.ErrorContext(ctx, "oxdauth: the end of a session is not in the store", "subject", v.subject, "error", err)
	}
}

func (s *storage) tell(ctx context.Context, id sessionID, expires int64) error {
	return s.commit(ctx, s.key(endedKind, id), []byte{1}, time.Unix(expires, 0))
}

func (s *storage) tellLater(id sessionID, expires int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.untold == nil {
		s.untold = make(map[sessionID]int64)
	}
	if len(s.untold) < maxUntold {
		s.untold[id] = expires
	}
}

// catchUp tells the store, which has just answered, what it has missed, a part of it with each request.
func (s *storage) catchUp(ctx context.Context) {
	s.mu.Lock()
	if len(s.untold) == 0 || s.telling {
		s.mu.Unlock()
		return
	}
	s.telling = true
	part := make(map[sessionID]int64, untoldAtOnce)
	for id, expires := range s.untold {
		if part[id] = expires; len(part) == untoldAtOnce {
			break
		}
	}
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	var told []sessionID
	for id, expires := range part {
		if expires > time.Now().Unix() && s.tell(ctx, id, expires) != nil {
			break
		}
		told = append(told, id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.telling = false
	for _, id := range told {
		delete(s.untold, id)
	}
}
