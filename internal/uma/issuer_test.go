package uma_test

// The name of the authorization server.

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/uma"
)

func TestAnASURICanStandInAChallenge(t *testing.T) {
	t.Parallel()
	for issuer, valid := range map[string]bool{
		"https://op.example": true, "http://op.example:8080/oxauth": true, "https://op.example/": true,
		"": false, "op": false, "//op.example": false, "ftp://op.example": false, "https://": false, "https://user@op.example": false,
		"https://op.example/ ": false, `https://op.example/"`: false, `https://op.example/\`: false, "https://op.example/é": false, "https://op.example/\n": false,
	} {
		err := uma.CheckASURI(issuer)
		if valid {
			assert.NoError(t, err, issuer)
			continue
		}
		assert.ErrorContains(t, err, "is not an absolute http(s) URL", issuer)
	}
}

func TestTheIssuerIsVerifiedToTheLetter(t *testing.T) {
	t.Parallel()
	answer, status := "", http.StatusOK
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/uma2-configuration" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	t.Cleanup(srv.Close)
	for _, tc := range []struct {
		name, asURI, answer string
		status              int
		problem             string
	}{
		{"the same", srv.URL, `{"issuer":"` + srv.URL + `"}`, 200, ""},
		{"a slash more", srv.URL + "/", `{"issuer":"` + srv.URL + `"}`, 200, "calls itself"},
		{"no issuer", srv.URL, `{}`, 200, "calls itself"},
		{"another path", srv.URL + "/new", `{}`, 200, "HTTP 404"},
		{"no document", srv.URL, ``, 204, "HTTP 204"},
		{"no JSON", srv.URL, `<html>`, 200, "invalid character"},
		{"too long", srv.URL, `{"x":"` + strings.Repeat("x", 1<<20) + `","issuer":"` + srv.URL + `"}`, 200, "unexpected EOF"},
		{"nobody there", "https://127.0.0.1:1", ``, 200, "refused"},
		{"no URL", "https://a b", ``, 200, "invalid character"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			answer, status = tc.answer, tc.status
			err := uma.VerifyIssuer(t.Context(), srv.Client(), tc.asURI)
			if tc.problem == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, "oxdauth: VerifyIssuer: ")
			assert.ErrorContains(t, err, tc.problem)
		})
	}
	assert.ErrorContains(t, uma.VerifyIssuer(t.Context(), nil, srv.URL), "certificate", "its CA is unknown to the default client")
}
