package oxdtest

import (
	"net/http"
	"net/url"
)

// This file holds the headers by which servers tell a person who navigates
// from a script or another site.

// browserTransport adds the headers of a navigation.
type browserTransport struct {
	base *http.Transport
}

// browserInitiatorKey is the context key of the URL of the page whose form is
// being sent.
type browserInitiatorKey struct{}

func (t *browserTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Sec-Fetch-Mode") != "" {
		return t.base.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	h := r.Header
	if h.Get("Accept") == "" {
		h.Set("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8")
	}
	h.Set("Sec-Fetch-Mode", "navigate")
	h.Set("Sec-Fetch-Dest", "document")
	h.Set("Sec-Fetch-User", "?1")
	h.Set("Upgrade-Insecure-Requests", "1")
	if r.Response != nil {
		// The client of net/http names the URL that redirected, with its query.
		// Browsers never do.
		h.Del("Referer")
	}
	chain := browserChain(r)
	initiator, _ := r.Context().Value(browserInitiatorKey{}).(*url.URL)
	if initiator == nil && chain[0].method == http.MethodPost {
		initiator = chain[0].url // no address bar sends a POST: say that a page of the same origin did
	}
	h.Set("Sec-Fetch-Site", browserSite(initiator, chain))
	if r.Method != http.MethodGet && r.Method != http.MethodHead && h.Get("Origin") == "" {
		h.Set("Origin", browserOriginHeader(initiator, chain))
	}
	return t.base.RoundTrip(r)
}

// CloseIdleConnections is found by [http.Client.CloseIdleConnections].
func (t *browserTransport) CloseIdleConnections() { t.base.CloseIdleConnections() }

type browserHop struct {
	method string
	url    *url.URL
}

// browserChain lists the request and those that redirected to it, the first
// one first.
func browserChain(r *http.Request) []browserHop {
	var chain []browserHop
	for hop := r; hop != nil && len(chain) <= browserMaxRedirects; {
		chain = append([]browserHop{{hop.Method, hop.URL}}, chain...)
		if hop.Response == nil {
			break
		}
		hop = hop.Response.Request
	}
	return chain
}

// browserSite is the value of Sec-Fetch-Site: how far from the initiator any
// hop of the chain is. Without an initiator the person typed the address.
func browserSite(initiator *url.URL, chain []browserHop) string {
	if initiator == nil {
		return "none"
	}
	site := "same-origin"
	for _, hop := range chain {
		switch {
		case browserOrigin(hop.url) == browserOrigin(initiator):
		case hop.url.Scheme == initiator.Scheme && hop.url.Hostname() == initiator.Hostname():
			site = "same-site"
		default:
			return "cross-site"
		}
	}
	return site
}

// browserOriginHeader is the initiator's origin, or "null" when a third origin
// redirected the request onwards.
func browserOriginHeader(initiator *url.URL, chain []browserHop) string {
	if initiator == nil {
		initiator = chain[0].url
	}
	own := browserOrigin(initiator)
	for i := 1; i < len(chain); i++ {
		last := browserOrigin(chain[i-1].url)
		if browserOrigin(chain[i].url) != last && own != last {
			return "null"
		}
	}
	return own
}

func browserOrigin(u *url.URL) string { return u.Scheme + "://" + u.Host }
