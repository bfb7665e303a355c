// A bounded map whose entries expire.

package oauth

import "time"

// MaxEntries bounds a [Store]. It is far above what tests need, and keeps a demo that is left
// running from growing without end.
const MaxEntries = 20_000

// Store is a map whose entries expire and whose size is bounded. The zero value is ready for use.
// It is not safe for concurrent use.
type Store[V any] struct {
	entries map[string]entry[V]
}

type entry[V any] struct {
	value   V
	expires time.Time
}

// Put keeps the value for the lifetime. A full store drops what has expired and then arbitrary
// entries, an eighth at a time so that most calls have nothing to look for.
func (s *Store[V]) Put(key string, value V, lifetime time.Duration) {
	now := time.Now()
	if s.entries == nil {
		s.entries = map[string]entry[V]{}
	}
	if len(s.entries) >= MaxEntries {
		for k, e := range s.entries {
			if !now.Before(e.expires) {
				delete(s.entries, k)
			}
		}
		for k := range s.entries {
			if len(s.entries) < MaxEntries-MaxEntries/8 {
				break
			}
			delete(s.entries, k)
		}
	}
	s.entries[key] = entry[V]{value, now.Add(lifetime)}
}

// Get returns the value when it is there and has not expired.
func (s *Store[V]) Get(key string) (V, bool) {
	e, ok := s.entries[key]
	if !ok || !time.Now().Before(e.expires) {
		delete(s.entries, key)
		var none V
		return none, false
	}
	return e.value, true
}

// Take is Get for values of single use.
func (s *Store[V]) Take(key string) (V, bool) {
	v, ok := s.Get(key)
	delete(s.entries, key)
	return v, ok
}

// Drop removes the value.
func (s *Store[V]) Drop(key string) { delete(s.entries, key) }

// DropFunc removes the values for which drop returns true, expired ones included, and returns them.
func (s *Store[V]) DropFunc(drop func(V) bool) (dropped []V) {
	for key, e := range s.entries {
		if drop(e.value) {
			delete(s.entries, key)
			dropped = append(dropped, e.value)
		}
	}
	return dropped
}
