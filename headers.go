package oxdauth

// Identity headers: they name the person who is signed in to a handler without sessions of its own,
// such as a reverse proxy.

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxIdentityHeader bounds the value of each header, in bytes: servers behind take 8 KB for all
// headers together.
const maxIdentityHeader = 4096

// ownedByHTTP are names, as [sameHeader] writes them, that mean something to HTTP itself or to
// proxies.
var ownedByHTTP = []string{
	"authorization", "connection", "content-encoding", "content-length", "content-type", "cookie", "expect", "forwarded", "host",
	"keep-alive", "origin", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "via",
	"x-forwarded-for", "x-forwarded-host", "x-forwarded-proto",
}

// singleClaims are the claims that have one value by definition (OpenID Connect Core section 5.1
// and section 2), so that a comma in it is no separator.
var singleClaims = []string{
	"sub", "iss", "acr", "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
	"website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number", "phone_number_verified",
	"updated_at",
}

// IdentityHeaders names the person who is signed in, in headers of the request. It is immutable and
// safe for concurrent use.
type IdentityHeaders struct {
	auth        *Middleware
	claims      map[string]string // by header
	accessToken string
	names       map[string]bool // of all headers, as sameHeader writes them
}

// IdentityHeadersConfig says which headers [NewIdentityHeaders] sets.
type IdentityHeadersConfig struct {
	// Claims has the claim of each header. "sub", "iss" and "acr" are there in every session, other
	// claims have to be named by [WithClaims].
	Claims map[string]string
	// AccessToken is the header that passes the access token on, without a scheme before it. The
	// handler can then act for the user wherever the token is accepted. Empty: it is not passed on.
	AccessToken string
}

// NewIdentityHeaders returns what sets these headers:
//
//	headers, err := oxdauth.NewIdentityHeaders(auth, oxdauth.IdentityHeadersConfig{
//		Claims: map[string]string{"X-Forwarded-User": "sub", "X-Forwarded-Groups": "groups"},
//	})
//
// All problems are reported at once. Names of letters, digits and dashes are accepted, except those
// that mean something to HTTP itself.
func NewIdentityHeaders(auth *Middleware, c IdentityHeadersConfig) (*IdentityHeaders, error) {
	if auth == nil {
		return nil, errors.New("oxdauth: NewIdentityHeaders: nil middleware")
	}
	h := &IdentityHeaders{auth: auth, claims: maps.Clone(c.Claims), accessToken: c.AccessToken, names: map[string]bool{}}
	var errs []error
	headers := slices.Sorted(maps.Keys(c.Claims))
	for _, header := range headers {
		if claim := c.Claims[header]; !slices.Contains([]string{"sub", "iss", "acr"}, claim) && !slices.Contains(auth.logins.ask.claims, claim) {
			errs = append(errs, fmt.Errorf("oxdauth: identity header %q: claim %q is not one of WithClaims", header, claim))
		}
	}
	if h.accessToken != "" {
		headers = append(headers, h.accessToken)
	}
	for _, header := range headers {
		same := sameHeader(header)
		switch {
		case header == "" || strings.Trim(same, "-") != same || !strings.EqualFold(header, same):
			errs = append(errs, fmt.Errorf("oxdauth: identity header %q: want letters, digits and dashes between them", header))
		case slices.Contains(ownedByHTTP, same):
			errs = append(errs, fmt.Errorf("oxdauth: identity header %q means something else to HTTP", header))
		case h.names[same]:
			errs = append(errs, fmt.Errorf("oxdauth: identity header %q is named twice", header))
		}
		h.names[same] = true
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return h, nil
}

// sameHeader writes names alike that servers behind may take for one. CGI and what follows it (RFC
// 3875 section 4.1.18) ignores case and writes dashes, and in some servers everything else, as
// underscores.
func sameHeader(name string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		}
		return '-'
	}, strings.TrimSpace(name))
}

// Handler wraps the handler that gets the headers. It belongs inside whatever finds the session:
// [Rules.Handler], [Middleware.Handler], [Middleware.Optional].
//
// From every request, with a session or without, it takes what a client could have forged: these
// headers in any spelling that a server could take for them, their names in Connection, and the
// trailers. The cookies of this package are taken out as well, all other cookies stay as they are.
// Then, with a session, the headers are set: a claim with several values as a list with commas,
// text beyond ASCII as UTF-8.
//
// A header is left out, and that is logged, where its value could be misread: a control character,
// space at either end, a comma in a value of a claim that may have several, more than 4096 bytes. A
// claim the session does not have, or that is empty, leads to no header.
func (h *IdentityHeaders) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r2 := r.WithContext(r.Context())
		r2.Header = h.scrub(r.Header)
		r2.Trailer = nil
		if s, ok := h.auth.sessions.ofRequest(r); ok {
			h.set(r2, s)
		}
		next.ServeHTTP(w, r2)
	})
}

// scrub returns a copy of the headers without what must not reach the handler.
func (h *IdentityHeaders) scrub(given http.Header) http.Header {
	kept := make(http.Header, len(given)+len(h.names))
	for name, lines := range given {
		switch same := sameHeader(name); {
		case h.names[same]:
			continue
		case same == "cookie":
			lines = without(lines, ";", func(part string) bool {
				cookie, _, _ := strings.Cut(part, "=")
				return ownsCookie(h.auth, strings.TrimSpace(cookie))
			})
		case same == "connection":
			lines = without(lines, ",", func(token string) bool { return h.names[sameHeader(token)] })
		}
		if len(lines) > 0 {
			kept[name] = lines
		}
	}
	return kept
}

// without takes parts out of lists and leaves what is not concerned byte for byte.
func without(lines []string, separator string, unwanted func(trimmed string) bool) []string {
	var kept []string
	for _, line := range lines {
		parts := strings.Split(line, separator)
		rest := slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return unwanted(strings.TrimSpace(part)) })
		switch {
		case len(rest) == len(parts):
			kept = append(kept, line)
		case len(rest) > 0:
			kept = append(kept, strings.TrimLeft(strings.Join(rest, separator), " \t"))
		}
	}
	return kept
}

// ownsCookie reports whether a cookie is one of a middleware: not of another one, whose name may
// begin alike.
func ownsCookie(m *Middleware, name string) bool {
	trips := m.logins.trips
	return m.sessions.identityCookie.Owns(name) || m.sessions.tokensCookie.Owns(name) ||
		trips.logins.Owns(name) || trips.gatherings.Owns(name) || trips.forms.Owns(name) || m.sessions.rounds.Owns(name)
}

func (h *IdentityHeaders) set(r *http.Request, s *Session) {
	for header, claim := range h.claims {
		value, err := headerValue(claim, claimValues(s, claim))
		h.put(r, header, claim, value, err)
	}
	if h.accessToken != "" {
		value, err := headerValue("access token", []string{s.AccessToken().Reveal()})
		h.put(r, h.accessToken, "access token", value, err)
	}
}

// put logs names only: a value that was refused is not for the log either.
func (h *IdentityHeaders) put(r *http.Request, header, source, value string, err error) {
	switch {
	case err != nil:
		h.auth.answers.journal.WarnContext(r.Context(), "oxdauth: identity header left out", "header", header, "from", source, "reason", err.Error())
	case value != "":
		r.Header.Set(header, value)
	}
}

func claimValues(s *Session, claim string) []string {
	switch claim {
	case "sub":
		return []string{s.Subject}
	case "iss":
		return []string{s.Issuer}
	case "acr":
		return []string{s.ACR}
	}
	return s.Claims[claim]
}

var (
	errHeaderText   = errors.New("not UTF-8 text without control characters and outer space")
	errHeaderList   = errors.New("a comma or nothing in a value of a list")
	errHeaderSingle = errors.New("several values where there can be one only")
	errHeaderLength = errors.New("too long")
)

// headerValue writes the values of a claim so that they can be read in one way only.
func headerValue(claim string, values []string) (string, error) {
	single := slices.Contains(singleClaims, claim)
	if single && len(values) > 1 {
		return "", errHeaderSingle
	}
	for _, v := range values {
		switch {
		case !utf8.ValidString(v) || strings.TrimSpace(v) != v || strings.ContainsFunc(v, breaksHeaders):
			return "", errHeaderText
		case !single && strings.Contains(v, ","), len(values) > 1 && v == "":
			return "", errHeaderList
		}
	}
	value := strings.Join(values, ",")
	if len(value) > maxIdentityHeader {
		return "", errHeaderLength
	}
	return value, nil
}

// breaksHeaders reports control characters, of Unicode too: U+0085, U+2028 and U+2029 end a line
// for some readers.
func breaksHeaders(c rune) bool { return unicode.IsControl(c) || c == '\u2028' || c == '\u2029' }
