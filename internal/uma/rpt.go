package uma

// The tokens of UMA as they come from clients, browsers and oxd. None is ever repaired: a token
// that is not plainly right is refused before oxd sees it.

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

const (
	maxRPT    = 4096 // bytes; a command to oxd holds 9,999 characters
	maxTicket = 512  // bytes; those of oxAuth have 36
)

// ErrRPT is the error for an Authorization header or a token that is not well-formed.
var ErrRPT = errors.New("oxdauth: malformed RPT")

// RPT is a requesting party token that is well-formed: at most 4096 bytes of the alphabet of
// bearer tokens. The zero RPT stands for a request without one. It prints as "[redacted]".
type RPT struct{ token string }

// ReadRPT returns the RPT of a request: exactly one Authorization header with the Bearer scheme
// (RFC 6750 section 2.1). Without that header, or with another scheme, it returns the zero RPT. It
// does not read the query or the body. The only error is [ErrRPT]. ReadRPT does not allocate.
func ReadRPT(h http.Header) (RPT, error) {
	lines := h["Authorization"]
	if len(lines) == 0 {
		return RPT{}, nil
	}
	if len(lines) > 1 {
		return RPT{}, ErrRPT
	}
	scheme, rest := web.CutToken(lines[0])
	if !strings.EqualFold(scheme, "Bearer") {
		return RPT{}, nil
	}
	token := strings.TrimLeft(rest, " ")
	if len(token) == len(rest) {
		return RPT{}, ErrRPT
	}
	return ParseRPT(token)
}

// ParseRPT returns the RPT with the given text, or [ErrRPT]. It refuses a token outside the
// alphabet because oxAuth 3.1.1 finds tokens with a filter in which "*" matches those of other
// people, and a token that starts with "gat_" because oxd 3.1.1 accepts it for resources that it
// was not issued for.
func ParseRPT(token string) (RPT, error) {
	if len(token) > maxRPT || !web.IsToken68(token) || strings.EqualFold(token[:min(len(token), 4)], "gat_") {
		return RPT{}, ErrRPT
	}
	return RPT{token}, nil
}

// IsZero reports whether t stands for a request without an RPT.
func (t RPT) IsZero() bool { return t.token == "" }

// Reveal returns the text of the token, "" for the zero RPT.
func (t RPT) Reveal() string { return t.token }

// Format writes "[redacted]" whatever the verb.
func (t RPT) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, oxd.Secret{}.String()) }

// Fingerprint returns 8 hexadecimal digits that are the same for the same RPT and key, so that log
// records of one RPT can be found together. It returns "" for the zero RPT.
func (t RPT) Fingerprint(key *[32]byte) string {
	if t.IsZero() {
		return ""
	}
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte(t.token))
	return hex.EncodeToString(mac.Sum(nil)[:4])
}

// ValidTicket reports whether s can be a permission ticket or a persisted claims token: 1 to 512
// bytes of the alphabet of bearer tokens. These end up in a header field, a URL or the filter that
// [ParseRPT] describes, so they are checked whoever sent them.
func ValidTicket(s string) bool { return len(s) <= maxTicket && web.IsToken68(s) }
