// Package oauth has what endpoints of OAuth 2.0 have in common: answers and parameters,
// identifiers, and memory for values that expire.
package oauth

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// GrantTicket is the grant type by which a permission ticket is exchanged (UMA 2.0 Grant section
// 3.3.1).
const GrantTicket = "urn:ietf:params:oauth:grant-type:uma-ticket"

// WriteJSON answers with a JSON body that nobody may cache. The body consists of what can be
// encoded.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // only the connection can fail
}

// Error is an error answer (RFC 6749 section 5.2).
type Error struct {
	Status      int
	Code        string
	Description string
}

// BadRequest returns an Error with the status 400.
func BadRequest(code, description string) *Error {
	return &Error{http.StatusBadRequest, code, description}
}

// Unavailable returns an Error with the status 503.
func Unavailable(description string) *Error {
	return &Error{http.StatusServiceUnavailable, "temporarily_unavailable", description}
}

// Write answers with the error.
func (e *Error) Write(w http.ResponseWriter) {
	if e.Status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="oxdtest"`)
	}
	WriteJSON(w, e.Status, map[string]string{"error": e.Code, "error_description": e.Description})
}

// WriteInvalidToken refuses a bearer token (RFC 6750 section 3.1).
func WriteInvalidToken(w http.ResponseWriter, description string) {
	w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
	(&Error{http.StatusUnauthorized, "invalid_token", description}).Write(w)
}

// Duplicate returns the name of a parameter that is there more than once, which RFC 6749 section
// 3.1 forbids, or "".
func Duplicate(form url.Values) string {
	for name, values := range form {
		if len(values) > 1 {
			return name
		}
	}
	return ""
}

// Scopes splits a scope parameter. oxd encodes it twice and oxAuth decodes it twice, so a plain
// decoding leaves "openid+profile".
func Scopes(param string) []string {
	if twice, err := url.QueryUnescape(param); err == nil {
		param = twice
	}
	var scopes []string
	for s := range strings.FieldsSeq(param) {
		if !slices.Contains(scopes, s) {
			scopes = append(scopes, s)
		}
	}
	return scopes
}

// Bearer returns the bearer token of the Authorization header, or "".
func Bearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// Redirect adds the parameters to the query of a registered URI and sends the browser there, with
// GET also after a form.
func Redirect(w http.ResponseWriter, r *http.Request, uri string, params url.Values) {
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", AddQuery(uri, params))
	w.WriteHeader(status)
}

// AddQuery returns the URI with more parameters at the end of its query.
func AddQuery(uri string, params url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	if len(params) == 0 {
		return uri
	}
	return uri + separator + params.Encode()
}

// NewUUID returns a random UUID (RFC 9562 section 5.4).
func NewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, says its documentation
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
