package oxdauth_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

func TestReadinessFollowsOxdAndTheGuard(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/ready", oxdauth.ReadyHandler(m.Ready))
		mux.Handle("/", m.Handler(a.whoami()))
		return mux
	}})
	ready := func() int {
		res, body := a.get(nil, "/ready")
		assert.NotContains(t, body, "oxd", "nobody is told why")
		return res.StatusCode
	}
	assert.Equal(t, http.StatusOK, ready())
	a.srv.Stop()
	for range 5 {
		res, _ := a.get(nil, "/")
		require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	}
	assert.Equal(t, http.StatusServiceUnavailable, ready())
	assert.ErrorIs(t, a.auth.Ready(), oxd.ErrUnavailable)

	g := newGuardApp(t, guardSetup{unprotected: true})
	for _, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
		rec := httptest.NewRecorder()
		oxdauth.ReadyHandler(g.guard.Ready).ServeHTTP(rec, httptest.NewRequest("GET", "/ready", nil))
		assert.Equal(t, want, rec.Code)
		require.NoError(t, g.guard.Protect(t.Context()))
	}
}
