package ended

// What has ended on any replica, as the store has it.

import (
	"context"
	"encoding/binary"
	"log/slog"
	"sync"
	"time"

	"example.com/oxdauth/internal/expiring"
	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

const (
	groupPause = 5 * time.Second // how long an answer of the store about a group is used
	maxGroups  = 20_000          // answers kept, about 2 MB; others are read on each request

	maxUnwritten  = 10_000 // ends kept while the store fails, about 1 MB
	writtenAtOnce = 16     // ends written by one request after the store is back
)

// shared is the part of the registry that is in the store.
type shared struct {
	values *replica.Values // nil: there is no store, and nothing has ended elsewhere
	logger *slog.Logger
	// groups has the answers of the store: the last second of creation that has ended.
	groups *expiring.Map[session.Group, int64]

	mu        sync.Mutex // guards what follows; never held over a call of the store
	unwritten map[subject]end
	writing   bool // one request at a time catches up
}

// subject is what an end in the store is about: a session or a group.
type subject struct {
	kind replica.Kind
	id   [16]byte
}

// end is what is written for it.
type end struct {
	through int64 // of a group: the last second of creation of the sessions it ends
	expires int64
}

func newShared(values *replica.Values, logger *slog.Logger) shared {
	return shared{
		values: values, logger: logger,
		groups:    expiring.New[session.Group, int64](maxGroups, expiring.Refuse),
		unwritten: make(map[subject]end),
	}
}

// has reports whether v has ended on any replica. If the store answers, it is also sent the ends
// that it has missed.
func (s *shared) has(ctx context.Context, v *session.Identity) (bool, error) {
	if s.values == nil {
		return false, nil
	}
	if ended, err := s.values.Noted(ctx, replica.Ended, v.ID); ended || err != nil {
		return ended, err
	}
	for _, g := range v.Groups() {
		if ended, err := s.hasGroup(ctx, g, v.Created); ended || err != nil {
			return ended, err
		}
	}
	s.catchUp(ctx)
	return false, nil
}

// hasGroup reports whether a replica has ended the sessions of a group that were created by then.
func (s *shared) hasGroup(ctx context.Context, g session.Group, created int64) (bool, error) {
	through, ok := s.groups.Get(g)
	if !ok {
		asked := time.Now()
		var ended groupEnd
		if _, err := s.values.Get(ctx, replica.Group, g, &ended); err != nil {
			return false, err // of a later release, too: it is unknown which sessions have ended
		}
		through = ended.through
		s.groups.Put(g, through, asked.Add(groupPause))
	}
	return created <= through, nil
}

// end writes that a session has ended, now or later, and deletes what it has in the store.
func (s *shared) end(ctx context.Context, v *session.Identity) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replica.Timeout)
	defer cancel()
	err := s.writeOrKeep(ctx, subject{replica.Ended, v.ID}, end{expires: v.Expires})
	if err == nil {
		err = s.values.DeleteSession(ctx, v.ID)
	}
	if err != nil {
		s.logger.ErrorContext(ctx, "oxdauth: the end of a session is not in the store", "subject", v.Subject, "error", err)
	}
}

// endGroup writes, now or later, that the sessions of a group have ended that were created up to
// now. An error means later.
func (s *shared) endGroup(ctx context.Context, g session.Group, lifetime time.Duration) error {
	now := time.Now()
	e := end{through: now.Unix(), expires: sealed.Expiry(now, lifetime) + 1}
	err := s.writeOrKeep(context.WithoutCancel(ctx), subject{replica.Group, g}, e)
	if err != nil {
		s.logger.ErrorContext(ctx, "oxdauth: the end of the sessions of a user is not in the store", "error", err)
	}
	return err
}

// writeOrKeep writes an end, or keeps it for catchUp when the store fails.
func (s *shared) writeOrKeep(ctx context.Context, about subject, e end) error {
	err := s.write(ctx, about, e)
	if err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.unwritten) < maxUnwritten {
			s.unwritten[about] = e
		}
	}
	return err
}

func (s *shared) write(ctx context.Context, about subject, e end) error {
	if about.kind == replica.Ended {
		return s.values.Note(ctx, about.kind, about.id, e.expires)
	}
	return s.values.Put(ctx, about.kind, about.id, &groupEnd{through: e.through}, e.expires)
}

// catchUp writes ends that the store has missed, some of them with each request.
func (s *shared) catchUp(ctx context.Context) {
	part := s.beginWriting()
	if len(part) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), replica.Timeout)
	defer cancel()
	written := make(map[subject]end, len(part))
	for about, e := range part {
		if e.expires > time.Now().Unix() && s.write(ctx, about, e) != nil {
			break
		}
		written[about] = e
	}
	s.endWriting(written)
}

// beginWriting returns some of the ends to write, and none while another request writes.
func (s *shared) beginWriting() map[subject]end {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unwritten) == 0 || s.writing {
		return nil
	}
	s.writing = true
	part := make(map[subject]end, writtenAtOnce)
	for about, e := range s.unwritten {
		if part[about] = e; len(part) == writtenAtOnce {
			break
		}
	}
	return part
}

// endWriting removes the ends that have been written. One that has changed since then stays: its
// group has ended once more.
func (s *shared) endWriting(written map[subject]end) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writing = false
	for about, e := range written {
		if s.unwritten[about] == e {
			delete(s.unwritten, about)
		}
	}
}

// groupEnd is the payload that ends the sessions of a group that were created up to this second.
type groupEnd struct{ through int64 }

func (v *groupEnd) Marshal() []byte {
	return binary.AppendUvarint([]byte{sealed.Version}, uint64(v.through))
}

func (v *groupEnd) Unmarshal(b []byte) error {
	r := sealed.NewReader(b)
	v.through = r.Time()
	return r.Finish()
}
