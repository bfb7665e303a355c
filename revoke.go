package oxdauth

// The list of ended sessions and of finished logins: what has to be remembered although everything else is in cookies.

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// revocations remembers what has ended until it would have expired anyway, so that neither a copied cookie nor a late
// parallel answer brings a session back. It lives in this process.
type revocations struct {
	ended  sync.Map     // sessionID or groupID -> revocation; read on every request, hence without a lock
	groups atomic.Int64 // how many of them are groups; without any a request is spared their hashes
	before atomic.Int64 // sessions created up to this second are refused

	mu           sync.Mutex // guards what follows; taken when something ends
	count, hints int
}

// revocation ends one session, or those of a group.
type revocation struct {
	through int64 // the last second of creation of the sessions it ends
	expires int64 // from when there can be none of them
	hint    bool  // nobody has proved anything: see addHint
}

// groupID is the fixed-size name of the sessions of one user, or of one session at the provider.
type groupID [16]byte

const (
	groupSubject = "subject"
	groupSID     = "sid"
	groupNoSID   = "subject without sid" // the sessions of a user about which the provider gave no sid
)

func groupOf(kind, issuer, name string) groupID {
	return hash16(kind, string(appendString(appendString(nil, issuer), name)))
}

const (
	maxRevocations = 100_000 // about 10 MB
	maxHints       = 10_000  // beside them
)

func (l *revocations) has(v *identity) bool {
	if _, ended := l.ended.Load(v.id); ended {
		return true
	}
	if l.groups.Load() > 0 {
		groups := groupsOf(v)
		if l.hasGroup(groups[0], v.created) || l.hasGroup(groups[1], v.created) {
			return true
		}
	}
	// Last, because put sets it first and then empties the list.
	return v.created <= l.before.Load()
}

// groupsOf gives the groups a session belongs to.
func groupsOf(v *identity) [2]groupID {
	at := groupOf(groupSID, v.issuer, v.sid)
	if v.sid == "" {
		at = groupOf(groupNoSID, v.issuer, v.subject)
	}
	return [2]groupID{groupOf(groupSubject, v.issuer, v.subject), at}
}

func (l *revocations) hasGroup(id groupID, created int64) bool {
	r, ok := l.ended.Load(id)
	return ok && created <= r.(revocation).through
}

// add ends a session, and reports whether it had not ended before.
func (l *revocations) add(v *identity) (first bool) {
	return l.put(v.id, revocation{through: maxTime, expires: v.expires})
}

// addGroup ends the sessions of a group that were created up to now. No session lives longer than lifetime.
func (l *revocations) addGroup(id groupID, lifetime time.Duration) {
	now := time.Now()
	l.put(id, revocation{through: now.Unix(), expires: expiry(now, lifetime) + 1})
}

// addHint is addGroup on the word of somebody who need not know that there is such a group. Too many hints displace each
// other and nothing else: anybody can send them, so they must not end the sessions of others.
func (l *revocations) addHint(id groupID, lifetime time.Duration) {
	now := time.Now()
	l.put(id, revocation{through: now.Unix(), expires: expiry(now, lifetime) + 1, hint: true})
}

// put keeps r. When more has ended within one absolute lifetime than the list holds, it refuses every session created
// until now and starts anew: people sign in again, and nobody who signed out is let back in.
func (l *revocations) put(key any, r revocation) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.hint && l.hints >= maxHints {
		l.remove(func(r revocation) bool { return r.hint })
	}
	old, there := l.ended.Load(key)
	if there && !old.(revocation).hint {
		r.hint = false
	}
	l.tally(key, r, 1) // before it is there: a request that sees the old number was here before
	l.ended.Store(key, r)
	if there {
		l.tally(key, old.(revocation), -1)
	}
	if l.count-l.hints <= maxRevocations {
		return !there
	}
	now := time.Now().Unix()
	l.remove(func(r revocation) bool { return r.expires <= now })
	if l.count-l.hints > maxRevocations*9/10 {
		l.before.Store(now)
		l.remove(func(revocation) bool { return true })
	}
	return !there
}

func (l *revocations) tally(key any, r revocation, n int) {
	l.count += n
	if r.hint {
		l.hints += n
	}
	if _, group := key.(groupID); group {
		l.groups.Add(int64(n))
	}
}

func (l *revocations) remove(drop func(revocation) bool) {
	l.ended.Range(func(key, value any) bool {
		if r := value.(revocation); drop(r) {
			l.ended.Delete(key)
			l.tally(key, r, -1)
		}
		return true
	})
}

// RevokeSubject ends every session of a user that was created before now, for example when an account is disabled: their
// next request finds none, and neither a copied cookie nor a refresh under way brings one back. Issuer and subject are
// those of [Session]. A new login makes a session again. One that finishes within the same second as this call is ended
// too, because sessions know the second of their creation only; it takes one more login.
//
// What was ended is remembered until the absolute session lifetime has passed: in this process, so that every replica has to
// be told, and after a restart there is [WithNotBefore]; or with [WithStore] in the store, which every replica asks within
// five seconds. It waits for the store, three seconds at most.
func (m *Middleware) RevokeSubject(issuer, subject string) {
	m.endGroup(context.Background(), groupOf(groupSubject, issuer, subject))
	m.emitEnded(context.Background(), issuer, subject, EndedByApplication)
}

// WithNotBefore refuses every session created before t: after keys or cookies may have leaked, or at a start after which
// the sessions ended by the former process, which only that process knew, must not come back. Sessions know the second of
// their creation only; those of the second in which t lies are refused unless it begins with t. t must not be in the
// future. Default: none.
func WithNotBefore(t time.Time) Option {
	return option(func(s *settings) error {
		if t.After(time.Now()) {
			return fmt.Errorf("oxdauth: WithNotBefore: %v is in the future; logins would go round until then", t)
		}
		s.notBefore = t
		return nil
	})
}

// memory is a bounded set of hashes, each kept until a second of its own. Its zero value is ready for use.
type memory struct {
	mu       sync.Mutex // guards what follows
	until    map[[16]byte]int64
	nextLook int64
}

const maxMemory = 100_000 // about 5 MB

// add reports whether the hash is new, and whether there is room to remember it.
func (s *memory) add(hash [16]byte, until int64) (fresh, kept bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now().Unix()
	if known, ok := s.until[hash]; ok {
		s.until[hash] = max(known, until)
		return known <= now, true
	}
	if len(s.until) >= maxMemory && now >= s.nextLook {
		s.nextLook = now + 10
		maps.DeleteFunc(s.until, func(_ [16]byte, until int64) bool { return until <= now })
	}
	if len(s.until) >= maxMemory {
		return true, false
	}
	if s.until == nil {
		s.until = make(map[[16]byte]int64)
	}
	s.until[hash] = until
	return true, true
}

func (s *memory) has(hash [16]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	until, ok := s.until[hash]
	return ok && until > time.Now().Unix()
}

// finished remembers the states of callbacks that were taken up, which makes each of them single-use on our side before
// oxd is asked: oxd itself keeps a state alive after a failed exchange, and a code presented twice revokes its tokens.
type finished struct {
	mu     sync.Mutex // guards states
	states map[[16]byte]finishedLogin
}

type finishedLogin struct {
	returnTo string
	expires  int64
}

const maxFinished = 50_000 // about 10 MB

// take reports whether the state is used for the first time. If not, it gives the page that login was for.
func (f *finished) take(state [16]byte, returnTo string) (earlier string, first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now().Unix()
	if used, ok := f.states[state]; ok && used.expires > now {
		return used.returnTo, false
	}
	if len(f.states) >= maxFinished {
		f.makeRoomLocked(now)
	}
	if f.states == nil {
		f.states = make(map[[16]byte]finishedLogin)
	}
	// A state stays known as long as its login cookie could be presented, plus clock rounding.
	f.states[state] = finishedLogin{returnTo, now + int64(loginLifetime/time.Second) + 1}
	return "", true
}

// makeRoomLocked drops what has expired and, if that is not enough, a tenth of the rest. Anybody can fill the list, so it
// must not be a reason to refuse a login; what is forgotten too early can be replayed only by who kept a copy of the login
// cookie, and at most until oxd or the provider refuses the code.
func (f *finished) makeRoomLocked(now int64) {
	for key, used := range f.states {
		if used.expires <= now {
			delete(f.states, key)
		}
	}
	for key := range f.states {
		if len(f.states) < maxFinished*9/10 {
			return
		}
		delete(f.states, key)
	}
}

// find gives the page the login of an already used state was for.
func (f *finished) find(state [16]byte) (returnTo string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	used, ok := f.states[state]
	return used.returnTo, ok && used.expires > time.Now().Unix()
}
