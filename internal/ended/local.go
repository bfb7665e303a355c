package ended

// What has ended as far as this replica knows.

import (
	"sync"
	"sync/atomic"
	"time"

	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

const (
	maxEnded = 100_000 // about 10 MB
	maxHints = 10_000  // beside them
)

// local is the list of this process. Its zero value is ready for use.
type local struct {
	// list maps session.ID and session.Group to entry. It is read on every request, hence without a
	// lock.
	list   sync.Map
	groups atomic.Int64 // how many entries are groups; without any, a request does not hash its own
	before atomic.Int64 // sessions created up to this second are refused

	mu           sync.Mutex // guards what follows; taken when something ends
	count, hints int
}

// entry ends one session, or those of a group.
type entry struct {
	through int64 // the last second of creation of the sessions it ends
	expires int64 // from when there can be none of them
	hint    bool  // see addHint
}

func (l *local) has(v *session.Identity) bool {
	if _, ended := l.list.Load(v.ID); ended {
		return true
	}
	if l.groups.Load() > 0 {
		groups := v.Groups()
		if l.hasGroup(groups[0], v.Created) || l.hasGroup(groups[1], v.Created) {
			return true
		}
	}
	// Checked last: put raises before and then empties the list, so a reader that misses the entry
	// sees the bound.
	return v.Created <= l.before.Load()
}

func (l *local) hasGroup(g session.Group, created int64) bool {
	e, ok := l.list.Load(g)
	return ok && created <= e.(entry).through
}

// add ends a session, and reports whether it had not ended before.
func (l *local) add(v *session.Identity) (first bool) {
	return l.put(v.ID, entry{through: sealed.MaxTime, expires: v.Expires})
}

// addGroup ends the sessions of a group that were created up to now. No session lives longer than
// lifetime.
func (l *local) addGroup(g session.Group, lifetime time.Duration) {
	now := time.Now()
	l.put(g, entry{through: now.Unix(), expires: sealed.Expiry(now, lifetime) + 1})
}

// addHint is addGroup for a request that nobody has authenticated. Hints evict only hints, so a
// flood of them cannot displace what has ended for certain, nor end the sessions of others.
func (l *local) addHint(g session.Group, lifetime time.Duration) {
	now := time.Now()
	l.put(g, entry{through: now.Unix(), expires: sealed.Expiry(now, lifetime) + 1, hint: true})
}

// put adds e to the list. When more has ended within one absolute lifetime than the list holds, it
// refuses every session created until now and empties the list: people sign in again, and nobody
// who has signed out is let back in.
func (l *local) put(key any, e entry) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.hint && l.hints >= maxHints {
		l.remove(func(e entry) bool { return e.hint })
	}
	old, there := l.list.Load(key)
	if there && !old.(entry).hint {
		e.hint = false
	}
	// Counted first: a request that still reads 0 groups started before this end.
	l.tally(key, e, 1)
	l.list.Store(key, e)
	if there {
		l.tally(key, old.(entry), -1)
	}
	if l.count-l.hints <= maxEnded {
		return !there
	}
	now := time.Now().Unix()
	l.remove(func(e entry) bool { return e.expires <= now })
	if l.count-l.hints > maxEnded*9/10 {
		l.before.Store(now)
		l.remove(func(entry) bool { return true })
	}
	return !there
}

func (l *local) tally(key any, e entry, n int) {
	l.count += n
	if e.hint {
		l.hints += n
	}
	if _, group := key.(session.Group); group {
		l.groups.Add(int64(n))
	}
}

func (l *local) remove(drop func(entry) bool) {
	l.list.Range(func(key, value any) bool {
		if e := value.(entry); drop(e) {
			l.list.Delete(key)
			l.tally(key, e, -1)
		}
		return true
	})
}
