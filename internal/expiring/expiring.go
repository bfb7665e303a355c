// Package expiring has a bounded map whose entries expire, and a list of the latest few values.
package expiring

// The map.

import (
	"math"
	"sync"
	"time"
)

// WhenFull is what a full map does with a new key.
type WhenFull int

// Entries put with [Forever] are never dropped.
const (
	Refuse      WhenFull = iota // does not keep it
	DropTenth                   // drops a tenth of the entries, any of them
	DropSoonest                 // drops the entry that would expire next
)

// Forever is the time of an entry that does not expire until another time is set.
var Forever = time.Unix(1<<40, 0)

// sweepPause is how often expired entries are looked for.
const sweepPause = 10 * time.Second

// Map holds a bounded number of entries, each of which expires at a time of its own. An expired
// entry is not found any more; its memory is freed by a later Put or Add, at most ten seconds
// apart. Setting the clock changes nothing for the entries that are there. A Map is safe for
// concurrent use. [New] makes it.
type Map[K comparable, V any] struct {
	size  int
	full  WhenFull
	start time.Time

	mu      sync.RWMutex // guards the rest
	entries map[K]entry[V]
	swept   time.Duration // since start
}

// entry has its end as a duration since the start of its map. Unlike a time.Time it has no
// pointer, which would make the garbage collector read the entries.
type entry[V any] struct {
	value V
	until time.Duration
}

// forever is the end that no time reaches.
const forever = time.Duration(math.MaxInt64)

// New returns a map for at most size entries.
func New[K comparable, V any](size int, full WhenFull) *Map[K, V] {
	return &Map[K, V]{size: size, full: full, start: time.Now(), entries: make(map[K]entry[V])}
}

// Get returns the value of a key, and false if there is none that has not expired. It reads the
// time only for a key that it finds.
func (m *Map[K, V]) Get(key K) (V, bool) {
	m.mu.RLock()
	found, ok := m.entries[key]
	m.mu.RUnlock()
	if !ok || found.until <= time.Since(m.start) {
		var zero V
		return zero, false
	}
	return found.value, true
}

// Put sets the value of a key and when it expires. It returns false if there is no room.
func (m *Map[K, V]) Put(key K, value V, until time.Time) bool {
	now, end := m.times(until)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.putLocked(key, entry[V]{value, end}, now)
}

// Add is Put for a key that is not there or has expired. If there is a live entry, Add leaves it
// alone and returns its value. added reports whether value is in the map now; kept is false only
// if there is no room.
func (m *Map[K, V]) Add(key K, value V, until time.Time) (there V, added, kept bool) {
	now, end := m.times(until)
	m.mu.Lock()
	defer m.mu.Unlock()
	if found, ok := m.entries[key]; ok && found.until > now {
		return found.value, false, true
	}
	kept = m.putLocked(key, entry[V]{value, end}, now)
	return there, kept, kept
}

// Extend lets a live entry expire at until, if that is later than its time so far.
func (m *Map[K, V]) Extend(key K, until time.Time) {
	m.setEnd(key, until, func(old, end time.Duration) bool { return end > old })
}

// Expire lets a live entry expire at until, be that earlier or later than its time so far. With
// the zero Time it expires at once.
func (m *Map[K, V]) Expire(key K, until time.Time) {
	m.setEnd(key, until, func(old, end time.Duration) bool { return end != old })
}

func (m *Map[K, V]) setEnd(key K, until time.Time, want func(old, end time.Duration) bool) {
	now, end := m.times(until)
	m.mu.Lock()
	defer m.mu.Unlock()
	if found, ok := m.entries[key]; ok && found.until > now && want(found.until, end) {
		found.until = end
		m.entries[key] = found
	}
}

// times returns the present and the time until as durations since the start of the map. until
// may be of the wall clock, as [time.Unix] returns it, so it is compared with the present and not
// with the start, since which the wall clock may have been set.
func (m *Map[K, V]) times(until time.Time) (now, end time.Duration) {
	present := time.Now()
	now = present.Sub(m.start)
	left := until.Sub(present)
	if left > forever-now {
		return now, forever
	}
	return now, now + left
}

func (m *Map[K, V]) putLocked(key K, e entry[V], now time.Duration) bool {
	if _, there := m.entries[key]; !there && !m.makeRoomLocked(now) {
		return false
	}
	m.entries[key] = e
	return true
}

// makeRoomLocked reports whether there is room for one more entry. Expired entries go first. A
// full map that only refuses looks for them at most every ten seconds; one that drops others has
// to look through all of them anyway.
func (m *Map[K, V]) makeRoomLocked(now time.Duration) bool {
	full := len(m.entries) >= m.size
	if now-m.swept >= sweepPause || full && m.full != Refuse {
		m.sweepLocked(now)
	}
	if len(m.entries) < m.size {
		return true
	}
	switch m.full {
	case DropTenth:
		m.dropLocked(m.size * 9 / 10)
	case DropSoonest:
		m.dropSoonestLocked()
	}
	return len(m.entries) < m.size
}

func (m *Map[K, V]) sweepLocked(now time.Duration) {
	m.swept = now
	for key, e := range m.entries {
		if e.until <= now {
			delete(m.entries, key)
		}
	}
}

// dropLocked drops entries until there are fewer than limit.
func (m *Map[K, V]) dropLocked(limit int) {
	for key, e := range m.entries {
		if len(m.entries) < limit {
			return
		}
		if e.until != forever {
			delete(m.entries, key)
		}
	}
}

func (m *Map[K, V]) dropSoonestLocked() {
	var next K
	soonest := forever
	for key, e := range m.entries {
		if e.until < soonest {
			next, soonest = key, e.until
		}
	}
	if soonest != forever {
		delete(m.entries, next)
	}
}
