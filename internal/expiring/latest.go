package expiring

// The list of the latest values of something that hardly ever changes.

import (
	"slices"
	"sync"
)

// maxLatest is how many values a Latest holds.
const maxLatest = 4

// Latest holds the latest four different values that were added. Its zero value is ready for use.
// It is safe for concurrent use.
type Latest[T comparable] struct {
	mu     sync.RWMutex // guards values
	values []T          // the latest last
}

// Add adds a value that is not there yet. The oldest one makes room.
func (l *Latest[T]) Add(value T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.values, value) { // nearly always
		return
	}
	if l.values = append(l.values, value); len(l.values) > maxLatest {
		l.values = l.values[1:]
	}
}

// Has reports whether all of the values, and at least one, are there.
func (l *Latest[T]) Has(values ...T) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for _, value := range values {
		if !slices.Contains(l.values, value) {
			return false
		}
	}
	return len(values) > 0
}

// Empty reports whether nothing was added.
func (l *Latest[T]) Empty() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.values) == 0
}
