package oxdauth

// A help for the tests of an application: which routes have no guard.

import (
	"net/http"
	"net/url"
	"strings"
)

// Uncovered gives those of the patterns whose handler at mux is neither guarded by g nor marked with [Public], for a test
// that fails when there are any. A ServeMux does not tell its patterns, so they have to be named; one that is not
// registered counts as uncovered. Handlers are looked at, not called: a guard inside another wrapper is not seen.
func (g *Guard) Uncovered(mux *http.ServeMux, patterns ...string) []string {
	var open []string
	for _, pattern := range patterns {
		h, matched := mux.Handler(exampleRequest(pattern))
		switch h := h.(type) {
		case *guarded:
			if h.guard == g && matched == pattern {
				continue
			}
		case *public:
			if matched == pattern {
				continue
			}
		}
		open = append(open, pattern)
	}
	return open
}

// exampleRequest makes a request that matches a pattern.
func exampleRequest(pattern string) *http.Request {
	method, rest, found := strings.Cut(pattern, " ")
	if !found {
		method, rest = http.MethodGet, pattern
	}
	host, path, _ := strings.Cut(strings.TrimLeft(rest, " \t"), "/")
	segments := strings.Split("/"+path, "/")
	for i, segment := range segments {
		switch {
		case segment == "{$}":
			segments[i] = ""
		case strings.HasPrefix(segment, "{"):
			segments[i] = "x"
		}
	}
	return &http.Request{Method: method, Host: host, URL: &url.URL{Path: strings.Join(segments, "/")}, Header: http.Header{}}
}
