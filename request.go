package oxdauth

// What kind of request this is. The answer decides how a request is refused, never whether.

import (
	"net/http"
	"strings"
)

// isNavigation reports whether a person's browser is loading a page, so that a redirect to the provider makes sense. A
// prefetch, a script's call, a stream, an upgrade or an API client gets 401 instead, and no login cookie.
func isNavigation(r *http.Request) bool {
	h := r.Header
	if r.Method != http.MethodGet || isPrefetch(h) {
		return false
	}
	if mode := field(h, "Sec-Fetch-Mode"); mode != "" { // every current browser sends it (Fetch Metadata Request Headers)
		return mode == "navigate" && field(h, "Sec-Fetch-Dest") == "document"
	}
	return field(h, "Upgrade") == "" && field(h, "X-Requested-With") == "" && acceptsHTML(h)
}

// field is Get for a name that is canonical already: this runs on every request.
func field(h http.Header, name string) string {
	if values := h[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// isPrefetch knows Sec-Purpose, which carries values such as "prefetch;prerender", and its two predecessors.
func isPrefetch(h http.Header) bool {
	for _, name := range []string{"Sec-Purpose", "Purpose", "X-Moz"} {
		if strings.Contains(strings.ToLower(field(h, name)), "prefetch") {
			return true
		}
	}
	return false
}

// acceptsHTML wants text/html by name: "*/*" is what API clients send.
func acceptsHTML(h http.Header) bool {
	for _, line := range h.Values("Accept") {
		if strings.Contains(strings.ToLower(line), "text/html") {
			return true
		}
	}
	return false
}

// wantsPage reports whether an error is shown to a person: for a navigation, or a form a person has submitted.
func wantsPage(r *http.Request) bool {
	form := *r
	if form.Method == http.MethodPost {
		form.Method = http.MethodGet
	}
	return isNavigation(&form)
}
