package oxdauth

// Ended sessions, told to the other replicas through the store.

import (
	"context"
	"time"
)

// mark is what the store is told when something ends.
type mark struct {
	value   []byte
	expires int64
}

const (
	maxUntold    = 10_000 // marks kept while the store is away, about 4 MB
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
	ended, err := s.noted(ctx, endedKind, v.id)
	switch {
	case err != nil:
		return err
	case ended:
		return ErrNoSession
	}
	for _, id := range groupsOf(v) {
		ended, err := s.groupEnded(ctx, id, v.created)
		if err != nil {
			return err
		}
		if ended {
			return ErrNoSession
		}
	}
	s.catchUp(ctx)
	return nil
}

// end tells the other replicas, whatever becomes of the request, and deletes what the session has in the store.
func (s *storage) end(ctx context.Context, v *identity) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	key, ended := s.key(endedKind, v.id), mark{[]byte{1}, v.expires}
	err := s.tell(ctx, key, ended)
	if err != nil {
		s.tellLater(key, ended)
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

func (s *storage) tell(ctx context.Context, key string, ended mark) error {
	return s.commit(ctx, key, ended.value, time.Unix(ended.expires, 0))
}

func (s *storage) tellLater(key string, ended mark) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.untold == nil {
		s.untold = make(map[string]mark)
	}
	if len(s.untold) < maxUntold {
		s.untold[key] = ended
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
	part := make(map[string]mark, untoldAtOnce)
	for key, ended := range s.untold {
		if part[key] = ended; len(part) == untoldAtOnce {
			break
		}
	}
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	var told []string
	for key, ended := range part {
		if ended.expires > time.Now().Unix() && s.tell(ctx, key, ended) != nil {
			break
		}
		told = append(told, key)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.telling = false
	for _, key := range told {
		delete(s.untold, key)
	}
}
