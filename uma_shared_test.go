package oxdauth_test

// What several processes, and the authorization server itself, have to do with a guard.

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

func TestProcessesThatStartTogetherProtectOnce(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{unprotected: true})
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 5 {
		site := a.srv.Site(a.base + "/auth/callback")
		site.File = filepath.Join(dir, "site.json")
		client, err := oxd.NewClient(a.srv.Transport(), site)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, client.Close()) })
		g, err := oxdauth.NewGuard(client, "r", oxdauth.WithProtectionFile(filepath.Join(dir, "uma.json")), oxdauth.WithGuardLogger(a.log.logger()))
		require.NoError(t, err)
		for i := range 40 { // more than one command's worth
			g.Require(fmt.Sprintf("/%02d/%s", i, strings.Repeat("x", 300)), "GET", oxdauth.AnyOf("view"))
		}
		wg.Go(func() { assert.NoError(t, g.Protect(t.Context())) })
	}
	wg.Wait()
	registered := map[string]int{}
	for _, call := range a.srv.Calls() {
		if call.Command == "uma_rs_protect" {
			for i := range 40 {
				registered[fmt.Sprint(i)] += strings.Count(string(call.Params), fmt.Sprintf(`"/%02d/`, i))
			}
		}
	}
	for i, n := range registered {
		assert.Equal(t, 1, n, "resource %s", i)
	}
	assert.Len(t, registered, 40)
}

func TestTheIssuerIsVerifiedToTheLetter(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{})
	require.NoError(t, a.guard.VerifyIssuer(t.Context(), a.srv.HTTPClient()))
	for asURI, problem := range map[string]string{
		a.srv.Provider.URL + "/":    "calls itself",
		a.base:                      "HTTP 404",
		"https://127.0.0.1:1":       "refused",
		a.srv.Provider.URL + "/new": "HTTP 404",
	} {
		g, err := oxdauth.NewGuard(a.client, "r", oxdauth.WithAuthorizationServer(asURI), oxdauth.WithGuardLogger(a.log.logger()))
		require.NoError(t, err)
		g.Require("/admin", "GET", oxdauth.AnyOf("admin"))
		require.ErrorContains(t, g.VerifyIssuer(t.Context(), nil), "Protect", "too early")
		require.NoError(t, g.Protect(t.Context()))
		assert.ErrorContains(t, g.VerifyIssuer(t.Context(), a.srv.HTTPClient()), problem, asURI)
	}
	assert.ErrorContains(t, a.guard.VerifyIssuer(t.Context(), nil), "certificate", "its CA is unknown to the default client")
}
