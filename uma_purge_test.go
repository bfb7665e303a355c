package oxdauth_test

// What makes a guard forget the grants of its cache.

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

// grantingOxd grants an RPT access to everything that it protects, which the albums are not.
type grantingOxd struct{}

func (grantingOxd) RoundTrip(_ context.Context, req *oxd.Request) (*oxd.Response, error) {
	data, refusal := "", `{"error":"unsupported_operation","error_description":""}`
	switch {
	case req.Command == "uma_rs_protect":
		data = `{"oxd_id":"site"}`
	case req.Command == "uma_rs_check_access" && strings.Contains(string(req.Params), "albums"):
		refusal = `{"error":"invalid_request","error_description":"Resource is not protected with path: /albums and httpMethod: GET."}`
	case req.Command == "uma_rs_check_access" && strings.Contains(string(req.Params), `"rpt":"rpt"`):
		data = `{"access":"granted"}`
	case req.Command == "uma_rs_check_access":
		data = `{"access":"denied","ticket":"ticket"}`
	}
	if data == "" {
		return &oxd.Response{Status: "error", Data: json.RawMessage(refusal)}, nil
	}
	return &oxd.Response{Status: "ok", Data: json.RawMessage(data)}, nil
}

func TestAGuardForgetsItsGrants(t *testing.T) {
	t.Parallel()
	check := func(g *oxdauth.Guard, path string) oxdauth.Decision {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Header.Set("Authorization", "Bearer rpt")
		return g.Check(r, path, http.MethodGet)
	}
	for name, c := range map[string]struct {
		happens func(*testing.T, *oxdauth.Guard)
		forgets bool
	}{
		"not by itself": {func(*testing.T, *oxdauth.Guard) {}, false},
		"when it is told to": {func(_ *testing.T, g *oxdauth.Guard) {
			g.Purge()
		}, true},
		"when the resources are protected again": {func(t *testing.T, g *oxdauth.Guard) {
			require.NoError(t, g.Protect(t.Context()))
		}, true},
		"4.11-9 when oxd has lost a resource": {func(t *testing.T, g *oxdauth.Guard) {
			require.Equal(t, oxdauth.OutcomeNotProtected, check(g, "/albums").Outcome)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := oxd.NewClient(grantingOxd{}, siteOf("site", "https://app.example/auth/callback"))
			require.NoError(t, err)
			g, err := oxdauth.NewGuard(client, "photos", oxdauth.WithGrantCache(10, time.Minute),
				oxdauth.WithAuthorizationServer(visitIssuer), oxdauth.WithGuardLogger(slog.New(slog.DiscardHandler)))
			require.NoError(t, err)
			for _, path := range []string{"/photos", "/albums"} {
				g.Require(oxdauth.Resource{Path: path, Method: http.MethodGet, Scopes: []string{"view"}})
			}
			require.NoError(t, g.Protect(t.Context()))
			for _, cached := range []bool{false, true} {
				d := check(g, "/photos")
				require.Equal(t, oxdauth.OutcomeGranted, d.Outcome, d.Reason)
				require.Equal(t, cached, d.Cached)
			}
			c.happens(t, g)
			d := check(g, "/photos")
			assert.Equal(t, oxdauth.OutcomeGranted, d.Outcome, d.Reason)
			assert.Equal(t, !c.forgets, d.Cached)
		})
	}
}
