package web

// What kind of request this is. The answer decides how a request is refused, never whether.

import (
	"net/http"
	"strings"
)

// IsNavigation reports whether a person's browser is loading a page, so that a redirect to the
// provider makes sense. It is false for a prefetch, a script's call, a stream, an upgrade and an
// API client. It does not allocate for requests of current browsers.
func IsNavigation(r *http.Request) bool {
	return r.Method == http.MethodGet && loadsPage(r.Header)
}

// WantsPage reports whether an error is shown to a person: for a navigation, or for a form that a
// person has submitted.
func WantsPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodPost) && loadsPage(r.Header)
}

// loadsPage reports whether the answer replaces the page that a person looks at. Every current
// browser sends Sec-Fetch-Mode (Fetch Metadata Request Headers section 2.2).
func loadsPage(h http.Header) bool {
	if isPrefetch(h) {
		return false
	}
	if mode := Field(h, "Sec-Fetch-Mode"); mode != "" {
		return mode == "navigate" && Field(h, "Sec-Fetch-Dest") == "document"
	}
	return Field(h, "Upgrade") == "" && Field(h, "X-Requested-With") == "" && acceptsHTML(h)
}

// Field returns the first value of a header field, "" if there is none. The name has to be in
// canonical form already, which saves the work of [http.Header.Get] on every request.
func Field(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// isPrefetch reads Sec-Purpose, which has values such as "prefetch;prerender", and its two
// predecessors.
func isPrefetch(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz"} {
		if strings.Contains(strings.ToLower(Field(h, name)), "prefetch") {
			return true
		}
	}
	return false
}

// acceptsHTML reports whether text/html is accepted by name. API clients send "*/*".
func acceptsHTML(h http.Header) bool {
	for _, line := range h["Accept"] {
		if strings.Contains(strings.ToLower(line), "text/html") {
			return true
		}
	}
	return false
}
