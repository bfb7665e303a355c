package oxdtest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// This file holds how the endpoints for clients write answers and read
// parameters.

// opWriteJSON answers with a JSON body that nobody may cache.
func opWriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(status)
	// The bodies are made here from strings and numbers, so only the
	// connection can fail, and then nobody is left to be told.
	_ = json.NewEncoder(w).Encode(body)
}

// opError is an OAuth error answer (RFC 6749 section 5.2).
type opError struct {
	status      int
	code        string
	description string
}

func (e *opError) write(w http.ResponseWriter) {
	if e.status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
		w.Header().Set("WWW-Authenticate", `Basic realm="oxdtest"`)
	}
	opWriteJSON(w, e.status, map[string]string{"error": e.code, "error_description": e.description})
}

func opBadRequest(code, description string) *opError {
	return &opError{http.StatusBadRequest, code, description}
}

// opDuplicate returns the name of a parameter that is there more than once,
// which RFC 6749 section 3.1 forbids, or "".
func opDuplicate(form url.Values) string {
	for name, values := range form {
		if len(values) > 1 {
			return name
		}
	}
	return ""
}

// opScopes splits a scope parameter. oxd encodes it twice and oxAuth decodes
// it twice, so a plain decoding leaves "openid+profile" here.
func opScopes(param string) []string {
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

// opBearer returns the bearer token of the Authorization header, or "".
func opBearer(r *http.Request) string {
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
