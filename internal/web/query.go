package web

// Queries that anybody can send, read within bounds.

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

const (
	maxQuery  = 8 << 10 // bytes
	maxParams = 32
)

// ErrQuery is returned for a query that is malformed, too long or repeats a parameter.
var ErrQuery = errors.New("oxdauth: malformed callback")

// Query parses a query of at most 8 KiB and 32 parameters. Each of the parameters named in once
// may come at most one time, so that nothing depends on which one is read (RFC 6749 section 3.1).
// The error is [ErrQuery].
func Query(raw string, once ...string) (url.Values, error) {
	if len(raw) > maxQuery || strings.Count(raw, "&") >= maxParams {
		return nil, ErrQuery
	}
	q, err := url.ParseQuery(raw)
	if err != nil {
		return nil, ErrQuery
	}
	for _, name := range once {
		if len(q[name]) > 1 {
			return nil, ErrQuery
		}
	}
	return q, nil
}

// QueryValue returns the first value of a parameter of a request's query, "" if there is none or
// the query has more than 8 KiB. Other parameters may be malformed.
func QueryValue(r *http.Request, name string) string {
	if len(r.URL.RawQuery) > maxQuery {
		return ""
	}
	return r.URL.Query().Get(name)
}
