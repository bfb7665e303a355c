package oxdauth

// The one rule every redirect target of this package goes through.

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

const maxReturnTo = 1000 // bytes, given and as sent; what a login cookie can carry beside the rest

// localTarget gives raw as a path and query on our own origin, written so that no browser or intermediary reads it as
// anything else, or false. It decides by structure: it must parse as an origin-form target, and neither it nor its decoded
// path may hold what browsers strip or turn (control characters, backslash) or what becomes another path or host once an
// intermediary decodes or cleans it (dot segments, a leading "//"). The query may hold anything.
func localTarget(raw string) (string, bool) {
	if len(raw) > maxReturnTo || !strings.HasPrefix(raw, "/") || !utf8.ValidString(raw) || strings.ContainsFunc(raw, turnsInBrowsers) {
		return "", false
	}
	u, err := url.ParseRequestURI(raw)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || u.Opaque != "" {
		return "", false
	}
	if strings.HasPrefix(raw, "//") || strings.HasPrefix(u.Path, "//") || strings.ContainsFunc(u.Path, turnsInBrowsers) || hasDotSegment(u.Path) {
		return "", false
	}
	target := u.EscapedPath()
	if u.RawQuery != "" || u.ForceQuery {
		target += "?" + escapeQuery(u.RawQuery)
	}
	if len(target) > maxReturnTo { // escaping made it longer
		return "", false
	}
	return target, true
}

// turnsInBrowsers reports C0, DEL and C1 control characters, which browsers may drop, and the backslash, which they read
// as a slash.
func turnsInBrowsers(c rune) bool { return c < 0x20 || c >= 0x7f && c < 0xa0 || c == '\\' }

func hasDotSegment(path string) bool {
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// escapeQuery escapes what must not stand raw in a header or an HTML attribute, and leaves the rest as it came.
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

// requestTarget is what the browser asked for, as it came: a router that strips a prefix changes r.URL.
func requestTarget(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		return r.RequestURI
	}
	return r.URL.RequestURI()
}

// returnTarget is localTarget with "/" for everything refused and for our own endpoints, where a return would loop.
func (m *Middleware) returnTarget(raw string) string {
	target, ok := localTarget(raw)
	if !ok {
		return "/"
	}
	path, _, _ := strings.Cut(target, "?")
	if m.site.owns(path) {
		return "/"
	}
	return target
}
