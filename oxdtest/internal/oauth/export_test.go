// What tests of the store need from inside.

package oauth

// Len returns how many entries there are, expired ones included.
func (s *Store[V]) Len() int { return len(s.entries) }
