package web

// Paths of requests, and the patterns of routes.

import (
	"errors"
	"net/url"
	"strings"
	"unicode/utf8"
)

// ErrPath is returned for a path that two readers may take for two paths.
var ErrPath = errors.New("oxdauth: ambiguous path")

// CheckPath refuses paths that a proxy or a router may read as another path: those with dot
// segments, also with a matrix parameter behind the dots, with control characters or backslashes
// and, unless encodedSlash says that the route expects them, with encoded slashes. It decides
// nothing about access. The error is [ErrPath].
func CheckPath(u *url.URL, encodedSlash bool) error {
	if strings.ContainsFunc(u.Path, Unsafe) {
		return ErrPath
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if name, _, _ := strings.Cut(segment, ";"); name == "." || name == ".." {
			return ErrPath
		}
	}
	// RawPath is set only where the request differs from the standard encoding, which leaves a
	// slash as it is.
	if !encodedSlash && u.RawPath != "" && strings.Contains(strings.ToLower(u.EscapedPath()), "%2f") {
		return ErrPath
	}
	return nil
}

// CheckClearPath is CheckPath for a handler with an unknown router of its own. It also refuses
// empty segments, matrix parameters, a raw number sign, invalid UTF-8, and what is not a path.
func CheckClearPath(u *url.URL) error {
	if !strings.HasPrefix(u.Path, "/") || strings.Contains(u.Path, "//") || strings.Contains(u.Path, ";") ||
		strings.Contains(u.RawPath, "#") || !utf8.ValidString(u.Path) {
		return ErrPath
	}
	return CheckPath(u, false)
}

// SplitPattern returns the method and the path of a pattern of [net/http.ServeMux]. The host and
// a final "{$}" are left out. The method is "" if the pattern has none.
func SplitPattern(pattern string) (method, path string) {
	method, rest, found := strings.Cut(pattern, " ")
	if !found {
		method, rest = "", pattern
	}
	rest = strings.TrimLeft(rest, " \t")
	if i := strings.IndexByte(rest, '/'); i > 0 {
		rest = rest[i:] // after the host
	}
	return method, strings.TrimSuffix(rest, "{$}")
}
