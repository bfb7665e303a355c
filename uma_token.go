package oxdauth

// What a request brings to a UMA decision: the RPT in its Authorization header, and a path that means the same to
// everybody. Neither is ever repaired: what is not plainly right is refused before oxd hears of it.

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxRPT    = 4096 // bytes; a command to oxd holds 9,999 characters
	maxTicket = 512  // bytes; those of oxAuth have 36
)

var (
	errBadRPT  = errors.New("oxdauth: malformed RPT")
	errBadPath = errors.New("oxdauth: ambiguous path")
)

// requestRPT reads the RPT of a request: exactly one Authorization header with the Bearer scheme (RFC 6750 section 2.1).
// Without that header, or with another scheme, there is none. Query and body are never read. A token outside the alphabet
// is an error: oxAuth 3.1.1 looks tokens up with a filter in which "*" matches those of other people. So is one that
// starts with "gat_", which oxd 3.1.1 accepts for resources it was not issued for.
func requestRPT(h http.Header) (rpt string, err error) {
	lines := h["Authorization"]
	if len(lines) == 0 {
		return "", nil
	}
	if len(lines) > 1 {
		return "", errBadRPT
	}
	scheme, rest := lines[0], ""
	if i := strings.IndexFunc(scheme, notInToken); i >= 0 {
		scheme, rest = scheme[:i], scheme[i:]
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", nil
	}
	token := strings.TrimLeft(rest, " ")
	if len(token) == len(rest) || !validRPT(token) {
		return "", errBadRPT
	}
	return token, nil
}

func validRPT(token string) bool {
	return len(token) <= maxRPT && isToken68(token) && !strings.EqualFold(token[:min(len(token), 4)], "gat_")
}

// validTicket is for tickets and persisted claims tokens, whoever sent them: they end up in a header field, a URL, or one
// of the filters described at requestRPT.
func validTicket(s string) bool { return len(s) <= maxTicket && isToken68(s) }

// isToken68 reports whether s is a token68 of RFC 9110 section 11.2: letters, digits and -._~+/, then padding.
func isToken68(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := range len(s) {
		if !token68[s[i]] {
			return false
		}
	}
	return s != ""
}

var token68 = func() (in [256]bool) {
	for _, c := range []byte("-._~+/0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
		in[c] = true
	}
	return in
}()

// checkPath refuses paths that somebody else might read as another path: with dot segments, also those with a matrix
// parameter, with control characters, backslashes or, unless the route expects them, encoded slashes. It decides nothing
// about access: the resource is a constant of the route.
func checkPath(u *url.URL, encodedSlash bool) error {
	path := u.Path
	if strings.ContainsFunc(path, turnsInBrowsers) {
		return errBadPath
	}
	for segment := range strings.SplitSeq(path, "/") {
		if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." {
			return errBadPath
		}
	}
	// Without a RawPath the path is as the standard encoding gives it, which leaves slashes as they are.
	if !encodedSlash && u.RawPath != "" && strings.Contains(strings.ToLower(u.EscapedPath()), "%2f") {
		return errBadPath
	}
	return nil
}
