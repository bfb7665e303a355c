package oxdauth

// The list of ended sessions and of finished logins: what has to be remembered although everything else is in cookies.

import (
	"sync"
	"sync/atomic"
	"time"
)

// revocations remembers ended sessions until they would have expired anyway, so that neither a copied cookie nor a late
// parallel answer brings one back. It lives in this process.
type revocations struct {
	ended  sync.Map     // sessionID -> expires in seconds; read on every request, hence without a lock
	before atomic.Int64 // sessions created up to this second are refused

	mu    sync.Mutex // guards count; taken when a session ends
	count int
}

const maxRevocations = 100_000 // about 10 MB

func (l *revocations) has(v *identity) bool {
	_, ended := l.ended.Load(v.id)
	return ended || v.created <= l.before.Load()
}

// add ends a session. When more sessions have ended within one absolute lifetime than the list holds, it refuses every
// session created until now and starts anew: people sign in again, and nobody who signed out is let back in. It reports
// whether the session had not ended before.
func (l *revocations) add(v *identity) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, there := l.ended.LoadOrStore(v.id, v.expires); there {
		return false
	}
	if l.count++; l.count <= maxRevocations {
		return true
	}
	now := time.Now().Unix()
	l.remove(func(expires int64) bool { return expires <= now })
	if l.count > maxRevocations*9/10 {
		l.before.Store(now)
		l.remove(func(int64) bool { return true })
	}
	return true
}

func (l *revocations) remove(drop func(expires int64) bool) {
	l.ended.Range(func(id, expires any) bool {
		if drop(expires.(int64)) {
			l.ended.Delete(id)
			l.count--
		}
		return true
	})
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
