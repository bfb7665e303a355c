package oxdtest

import "time"

// opStore is a map whose entries expire and whose size is bounded. The zero
// value is ready for use; the caller does the locking.
type opStore[V any] struct {
	entries map[string]opEntry[V]
}

type opEntry[V any] struct {
	value   V
	expires time.Time
}

// put keeps the value for the lifetime. A full store makes room by dropping
// what has expired and then whatever the map yields first, an eighth at a time
// so that most calls have nothing to look for.
func (s *opStore[V]) put(key string, value V, lifetime time.Duration) {
	now := time.Now()
	if s.entries == nil {
		s.entries = map[string]opEntry[V]{}
	}
	if len(s.entries) >= opMaxEntries {
		for k, e := range s.entries {
			if !now.Before(e.expires) {
				delete(s.entries, k)
			}
		}
		for k := range s.entries {
			if len(s.entries) < opMaxEntries-opMaxEntries/8 {
				break
			}
			delete(s.entries, k)
		}
	}
	s.entries[key] = opEntry[V]{value, now.Add(lifetime)}
}

// get returns the value when it is there and has not expired.
func (s *opStore[V]) get(key string) (V, bool) {
	e, ok := s.entries[key]
	if !ok || !time.Now().Before(e.expires) {
		delete(s.entries, key)
		var none V
		return none, false
	}
	return e.value, true
}

// take is get for values of single use.
func (s *opStore[V]) take(key string) (V, bool) {
	v, ok := s.get(key)
	delete(s.entries, key)
	return v, ok
}

func (s *opStore[V]) drop(key string) { delete(s.entries, key) }
