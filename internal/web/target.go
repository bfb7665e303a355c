package web

// The one rule that every redirect target goes through.

import (
	"net/url"
	"strings"
	"unicode/utf8"
)

// maxTarget is in bytes, of a target as given and as sent. A login cookie has room for that much
// beside the rest.
const maxTarget = 1000

// LocalTarget returns raw as a path and query of the own origin, written so that no browser or
// proxy reads it as anything else, or false. It decides by structure: raw must parse as an
// origin-form target (RFC 9112 section 3.2.1). Neither raw nor its decoded path may hold what
// browsers strip or replace (control characters, backslash), nor what turns into another path or
// host once a proxy decodes or cleans it (dot segments, a leading "//"). The query may hold
// anything. The result has at most 1000 bytes, all of them printable ASCII.
func LocalTarget(raw string) (string, bool) {
	if len(raw) > maxTarget || !strings.HasPrefix(raw, "/") || !utf8.ValidString(raw) || strings.ContainsFunc(raw, Unsafe) {
		return "", false
	}
	u, err := url.ParseRequestURI(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	if strings.HasPrefix(raw, "//") || strings.HasPrefix(u.Path, "//") || strings.ContainsFunc(u.Path, Unsafe) || hasDotSegment(u.Path) {
		return "", false
	}
	target := u.EscapedPath()
	if u.RawQuery != "" || u.ForceQuery {
		target += "?" + escapeQuery(u.RawQuery)
	}
	if len(target) > maxTarget { // escaping made it longer
		return "", false
	}
	return target, true
}

// Unsafe reports whether c is a control character (C0, DEL, C1), which browsers may drop, or the
// backslash, which they read as a slash (WHATWG URL section 4.4).
func Unsafe(c rune) bool { return c < 0x20 || c >= 0x7f && c < 0xa0 || c == '\\' }

func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// escapeQuery escapes the bytes that must not stand raw in a header field or an HTML attribute.
func escapeQuery(query string) string {
	var b strings.Builder
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"#<>`, c) >= 0 {
			const hex = "0123456789ABCDEF"
			b.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
