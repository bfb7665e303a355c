package oxd

// Secret: a string that does not end up in logs by accident.

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret holds a token, a ticket or a client secret. It prints as "[redacted]"
// with every verb of fmt, in JSON, as text and in slog, also as a field of
// another struct. [Secret.Reveal] is the only way to the content. The zero
// value holds nothing and prints the same. A Secret is immutable.
type Secret struct {
	// fmt does not call methods on unexported fields of other structs, it walks
	// into them; a pointer at depth stops it, a string would be printed.
	text *string
}

// NewSecret returns a Secret holding s. NewSecret("") is the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{text: &s}
}

// Reveal returns the content, "" for the zero Secret.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsZero reports whether s holds nothing.
func (s Secret) IsZero() bool { return s.text == nil }

// Equal reports whether both hold the same text. The time taken does not depend
// on where they differ, nor on their lengths beyond the cost of hashing them.
func (s Secret) Equal(t Secret) bool {
	a, b := sha256.Sum256([]byte(s.Reveal())), sha256.Sum256([]byte(t.Reveal()))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// Format writes "[redacted]" whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[redacted]"; it serves JSON as well.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// LogValue returns "[redacted]".
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }
