package oxdauth

// Ended groups of sessions, those of a user or of one session at the provider, told to the other replicas through the store.

import (
	"context"
	"encoding/binary"
	"maps"
	"time"
)

const (
	groupKind = "group" // a groupEnd
	sidKind   = "sid"   // it is there: there are sessions of this one at the provider, which a front-channel logout can end
	jtiKind   = "jti"   // it is there: a logout token has been taken

	groupPause     = 5 * time.Second // how long what the store says about a group is believed
	maxKnownGroups = 20_000          // of which that is remembered, about 2 MB; the others are read with each request
)

// groupEnd ends the sessions of a group that were created up to this second.
type groupEnd struct {
	through int64
	unknown bool // the value is of another version of this package
}

func (v *groupEnd) marshal() []byte {
	return binary.AppendUvarint([]byte{payloadVersion}, uint64(v.through))
}

func (v *groupEnd) unmarshal(b []byte) error {
	r := newReader(b)
	if v.unknown = r.bad; v.unknown {
		return nil
	}
	v.through = r.time()
	return r.finish()
}

// knownGroup is what the store has said about a group.
type knownGroup struct {
	through int64
	until   time.Time
}

// endGroup ends the sessions of a group that were created up to now, on this replica at once and on the others within
// groupPause.
func (m *Middleware) endGroup(ctx context.Context, id groupID) {
	m.revoked.addGroup(id, m.absolute)
	if m.shared != nil {
		m.shared.endGroup(ctx, id, m.absolute)
	}
}

func (s *storage) endGroup(ctx context.Context, id groupID, lifetime time.Duration) {
	now := time.Now()
	key, expires := s.key(groupKind, id), expiry(now, lifetime)+1
	sealed, err := s.seal(key, &groupEnd{through: now.Unix()})
	if err == nil {
		ended := mark{sealed, expires}
		if err = s.tell(context.WithoutCancel(ctx), key, ended); err != nil {
			s.tellLater(key, ended)
		}
	}
	if err != nil {
		s.logger.ErrorContext(ctx, "oxdauth: the end of the sessions of a user is not in the store", "error", err)
	}
}

// groupEnded reports whether a replica has ended the sessions of a group that were created by then.
// The error is [ErrStore] when that cannot be read. An end of an unknown version is such a case: which
// sessions it concerns is not known, and a login would not make it known.
func (s *storage) groupEnded(ctx context.Context, id groupID, created int64) (bool, error) {
	now := time.Now()
	s.mu.Lock()
	known, ok := s.groups[id]
	s.mu.Unlock()
	if !ok || now.After(known.until) {
		var end groupEnd
		if _, err := s.get(ctx, s.key(groupKind, id), &end); err != nil {
			return false, err
		}
		if end.unknown {
			return false, storeError("reading", errVersion)
		}
		known = knownGroup{end.through, now.Add(groupPause)}
		s.rememberGroup(id, known)
	}
	return created <= known.through, nil
}

func (s *storage) rememberGroup(id groupID, known knownGroup) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := time.Now(); len(s.groups) >= maxKnownGroups && now.After(s.nextLook) {
		s.nextLook = now.Add(groupPause)
		maps.DeleteFunc(s.groups, func(_ groupID, old knownGroup) bool { return now.After(old.until) })
	}
	if s.groups == nil {
		s.groups = make(map[groupID]knownGroup)
	}
	if _, there := s.groups[id]; there || len(s.groups) < maxKnownGroups {
		s.groups[id] = known
	}
}

// note lets every replica know of something, until it expires. Without a store there is nobody to tell.
func (s *storage) note(ctx context.Context, kind string, id [16]byte, expires int64) error {
	if s == nil {
		return nil
	}
	return s.commit(ctx, s.key(kind, id), []byte{1}, time.Unix(expires, 0))
}

// noted reports whether any replica has noted it.
func (s *storage) noted(ctx context.Context, kind string, id [16]byte) (bool, error) {
	if s == nil {
		return false, nil
	}
	_, found, err := s.find(ctx, s.key(kind, id))
	return found && err == nil, err
}
