// Paths, and requests that are refused before a command.

package oxdwire_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"example.com/oxdauth/internal/oxdwire"
	"github.com/stretchr/testify/assert"
)

func TestPathsLeadBackToTheirCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		command, extension, rest string
	}{
		{"setup_client", "setup-client", "register-site"},
		{"register_site", "register-site", "register-site"},
		{"update_site_registration", "update-site", "update-site"},
		{"id_token_status", "", "check-id-token"},
		{"access_token_status", "", "check-access-token"},
		{"get_access_token_by_refresh_token", "get-access-token-by-refresh-token", "get-access-token-by-refresh-token"},
		{"uma_rs_modify", "", "uma-rs-modify"},
		{"license_status", "", ""},
	} {
		route, ok := oxdwire.ExtensionRoute(oxdwire.ExtensionPath(c.command))
		assert.Equal(t, c.extension != "", ok, c.command)
		if ok {
			assert.Equal(t, c.extension, oxdwire.ExtensionPath(c.command))
			assert.Equal(t, c.command, route.Command)
		}
		_, ok = oxdwire.RESTRoute(oxdwire.RESTPath(c.command))
		assert.Equal(t, c.rest != "", ok, c.command)
		if ok {
			assert.Equal(t, c.rest, oxdwire.RESTPath(c.command))
		}
	}
}

func TestMisroutedRequestsAreAnswered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, method, path, contentType string
		known                           bool
		status                          int
	}{
		{"a command", http.MethodPost, "/x", "application/json; charset=utf-8", true, 0},
		{"the health check", http.MethodGet, "/health-check", "", false, 0},
		{"an unknown path", http.MethodGet, "/y", "", false, http.StatusNotFound},
		{"a slash too many", http.MethodGet, "//health-check", "", false, http.StatusNotFound},
		{"a command by GET", http.MethodGet, "/x", "", true, http.StatusMethodNotAllowed},
		{"the health check by POST", http.MethodPost, "/health-check", "", false, http.StatusMethodNotAllowed},
		{"a command as a form", http.MethodPost, "/x", "application/x-www-form-urlencoded", true, http.StatusUnsupportedMediaType},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(c.method, c.path, nil)
			r.Header.Set("Content-Type", c.contentType)
			w := httptest.NewRecorder()
			assert.Equal(t, c.status != 0, oxdwire.Misrouted(w, r, c.known))
			if c.status != 0 {
				assert.Equal(t, c.status, w.Code)
				assert.Equal(t, "application/json", w.Header().Get("Content-Type"))
			}
		})
	}
}

func TestRequestsThatAcceptNoJSONAreRefused(t *testing.T) {
	t.Parallel()
	for accept, refused := range map[string]bool{
		"": false, "*/*": false, "text/html, application/json;q=0.1": false, "application/*": false, "text/html": true,
	} {
		r := httptest.NewRequest(http.MethodGet, "/health-check", nil)
		if accept != "" {
			r.Header.Set("Accept", accept)
		}
		w := httptest.NewRecorder()
		assert.Equal(t, refused, oxdwire.Unacceptable(w, r), accept)
		assert.Equal(t, refused, w.Code == http.StatusNotAcceptable, accept)
	}
}
