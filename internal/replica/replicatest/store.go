// Package replicatest has a store in memory for tests of what replicas share.
package replicatest

import (
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"
)

// ErrDown is the error of a store that fails.
var ErrDown = errors.New("the store is down")

// Store is a store in memory. Its zero value is ready for use. It is safe for concurrent use.
type Store struct {
	Latency time.Duration // of writes
	Failing atomic.Bool
	Writes  atomic.Int64

	mu     sync.Mutex // guards values
	values map[string][]byte
}

// Find returns the value of a key.
func (s *Store) Find(key string) ([]byte, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.values[key]
	return b, ok, s.err()
}

// Commit sets the value of a key until expiry.
func (s *Store) Commit(key string, b []byte, expiry time.Time) error {
	time.Sleep(s.Latency)
	s.Writes.Add(1)
	if err := s.err(); err != nil {
		return err
	}
	s.Set(key, b)
	time.AfterFunc(time.Until(expiry), func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if string(s.values[key]) == string(b) {
			delete(s.values, key)
		}
	})
	return nil
}

// Delete removes a key.
func (s *Store) Delete(key string) error {
	s.Writes.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	return s.err()
}

// Set plants a value that does not expire.
func (s *Store) Set(key string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.values == nil {
		s.values = map[string][]byte{}
	}
	s.values[key] = b
}

// Values returns a copy of what the store holds.
func (s *Store) Values() map[string][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.values)
}

func (s *Store) err() error {
	if s.Failing.Load() {
		return ErrDown
	}
	return nil
}
