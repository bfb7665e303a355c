// The headers by which servers distinguish a person who navigates from a script or another site.

package browser

import (
	"net/http"
	"net/url"
)

// transport adds the headers of a navigation.
type transport struct {
	base *http.Transport
}

// initiatorKey is the context key of the URL of the page whose form is
// being sent.
type initiatorKey struct{}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
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
	chain := redirectChain(r)
	initiator, _ := r.Context().Value(initiatorKey{}).(*url.URL)
	if initiator == nil && chain[0].method == http.MethodPost {
		initiator = chain[0].url // no address bar sends a POST, but a page of the same origin may
	}
	h.Set("Sec-Fetch-Site", secFetchSite(initiator, chain))
	if r.Method != http.MethodGet && r.Method != http.MethodHead && h.Get("Origin") == "" {
		h.Set("Origin", originHeader(initiator, chain))
	}
	return t.base.RoundTrip(r)
}

// CloseIdleConnections is found by [http.Client.CloseIdleConnections].
func (t *transport) CloseIdleConnections() { t.base.CloseIdleConnections() }

type redirect struct {
	method string
	url    *url.URL
}

// redirectChain lists the request and those that redirected to it, the first
// one first.
func redirectChain(r *http.Request) []redirect {
	var chain []redirect
	for hop := r; hop != nil && len(chain) <= maxRedirects; {
		chain = append([]redirect{{hop.Method, hop.URL}}, chain...)
		if hop.Response == nil {
			break
		}
		hop = hop.Response.Request
	}
	return chain
}

// secFetchSite is the value of Sec-Fetch-Site: how far from the initiator any
// hop of the chain is. Without an initiator the person typed the address.
func secFetchSite(initiator *url.URL, chain []redirect) string {
	if initiator == nil {
		return "none"
	}
	site := "same-origin"
	for _, hop := range chain {
		switch {
		case origin(hop.url) == origin(initiator):
		case hop.url.Scheme == initiator.Scheme && hop.url.Hostname() == initiator.Hostname():
			site = "same-site"
		default:
			return "cross-site"
		}
	}
	return site
}

// originHeader is the initiator's origin, or "null" when a third origin
// redirected the request onwards.
func originHeader(initiator *url.URL, chain []redirect) string {
	if initiator == nil {
		initiator = chain[0].url
	}
	own := origin(initiator)
	for i := 1; i < len(chain); i++ {
		last := origin(chain[i-1].url)
		if origin(chain[i].url) != last && own != last {
			return "null"
		}
	}
	return own
}

func origin(u *url.URL) string { return u.Scheme + "://" + u.Host }
