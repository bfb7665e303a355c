package replica

// What the tests of this package call by its name.

const (
	TokensKind = tokensKind
	RPTsKind   = rptsKind
	LockKind   = lockKind
)

// Key returns the key of a value.
func (s *Values) Key(kind Kind, id [16]byte) string { return s.key(kind, id) }
