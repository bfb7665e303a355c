package web

// Absolute addresses, which come from the configuration, from oxd and from the provider.

import (
	"errors"
	"net/url"
	"strings"
)

// maxAddress is in bytes. An address that a browser is sent to has to fit in a header field.
const maxAddress = 8000

var errAddress = errors.New("not an absolute http(s) URL")

// AbsoluteURL parses an absolute http or https URL of at most 8000 bytes that has a host, no user
// and no character that is [Unsafe]. The text of its only error is "not an absolute http(s) URL",
// without prefix.
func AbsoluteURL(address string) (*url.URL, error) {
	if len(address) > maxAddress || strings.ContainsFunc(address, Unsafe) {
		return nil, errAddress
	}
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil {
		return nil, errAddress
	}
	return u, nil
}

// Origin returns the origin of an address in the form that a source list of a Content Security
// Policy can hold (CSP Level 3 section 2.3.1), or "'none'".
func Origin(address string) string {
	u, err := AbsoluteURL(address)
	if err != nil || strings.ContainsFunc(u.Host, notInHost) {
		return "'none'"
	}
	return u.Scheme + "://" + u.Host
}

func notInHost(c rune) bool {
	return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune(".-:[]", c))
}
