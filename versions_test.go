package oxdauth_test

// A session, a login, a form and stored values of a newer version at an older one: each counts as
// none, none is deleted, and an end counts as one.

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/sealed"
)

func TestARollingUpdateSignsNobodyOut(t *testing.T) {
	overBoth(t, func(t *testing.T, v *twoVersions) {
		v.signIn(v.older)
		for range 3 {
			v.requireSession(v.older, "old")
			v.requireSession(v.newer, "old")
		}
		time.Sleep(10 * time.Minute)
		v.requireSession(v.newer, "new") // it has written cookies of its version
		stored := v.stored()
		for range 3 {
			v.sessionIsLeftAlone()
			v.requireSession(v.newer, "new")
		}
		assert.Equal(t, stored, v.stored())
	})
}

// sessionIsLeftAlone requires that the older version takes a session of the newer one for none and
// keeps it as it is.
func (v *twoVersions) sessionIsLeftAlone() {
	v.t.Helper()
	identity, tokens := v.jar["__Host-oxdauth"], v.jar["__Host-oxdauth-tokens"]
	status, body, removed := v.send(v.older, http.MethodGet, "/", false)
	require.Equal(v.t, http.StatusUnauthorized, status, body)
	require.Empty(v.t, removed)
	status, body, removed = v.page(v.older, "/open")
	require.Equal(v.t, []any{http.StatusOK, ""}, []any{status, body})
	require.Empty(v.t, removed)
	v.leave(v.older, http.MethodGet, "/")
	status, _, removed = v.page(v.older, "/auth/callback?code=x&state=unknown")
	require.Equal(v.t, http.StatusBadRequest, status)
	require.Empty(v.t, removed)
	require.Equal(v.t, []string{identity, tokens}, []string{v.jar["__Host-oxdauth"], v.jar["__Host-oxdauth-tokens"]})
}

func TestALoginAtTheOlderVersionReplacesASessionOfTheNewerOne(t *testing.T) {
	overBoth(t, func(t *testing.T, v *twoVersions) {
		v.signIn(v.newer)
		v.sessionIsLeftAlone()
		v.signIn(v.older)
		v.requireSession(v.older, "old")
		v.requireSession(v.newer, "old")
	})
}

func TestTokensOfANewerVersionAreKeptBesideAnIdentityThatCanBeRead(t *testing.T) {
	overBoth(t, func(t *testing.T, v *twoVersions) {
		v.signIn(v.older)
		tokens, err := newCookie(t, "-tokens", "tokens", v.key).SealOne(&reversioned{append([]byte{sealed.Version + 1}, "tokens"...)})
		require.NoError(t, err)
		v.jar["__Host-oxdauth-tokens"] = tokens
		status, body, removed := v.page(v.older, "/")
		assert.Equal(t, http.StatusOK, status, body)
		assert.Empty(t, removed)
		time.Sleep(10 * time.Minute) // a refresh is due, and the identity cookie is written anew
		_, _, removed = v.page(v.older, "/")
		assert.Empty(t, removed)
		assert.Equal(t, tokens, v.jar["__Host-oxdauth-tokens"])
	})
}

func TestWhatIsUnderWayAtTheNewerVersionCanBeFinishedThere(t *testing.T) {
	const maxLogins = 5 // that a browser keeps
	overBoth(t, func(t *testing.T, v *twoVersions) {
		back := v.leave(v.newer, http.MethodPost, "/notes")
		status, _, removed := v.page(v.older, back)
		assert.Equal(t, http.StatusBadRequest, status, "no login of this version")
		assert.Empty(t, removed)
		for range maxLogins - 1 {
			time.Sleep(time.Second)
			v.leave(v.older, http.MethodGet, "/")
		}
		status, body, removed := v.page(v.newer, back)
		assert.Equal(t, http.StatusOK, status)
		assert.Contains(t, body, `action="/notes"`, "the form is shown")
		assert.Contains(t, removed, "__Host-oxdauth-form")
	})
}

func TestAnEndWrittenByANewerVersionEndsTheSession(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end    func(v *twoVersions)
		status int
	}{
		"of one session":            {func(v *twoVersions) { v.send(v.newer, http.MethodPost, "/auth/logout", true) }, http.StatusUnauthorized},
		"of the sessions of a user": {func(v *twoVersions) { require.NoError(v.t, v.other.RevokeSubject(v.t.Context(), visitIssuer, "alice")) }, http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := newTwoVersions(t, true)
				v.signIn(v.older)
				identity := v.jar["__Host-oxdauth"]
				tc.end(v)
				v.jar["__Host-oxdauth"] = identity
				stored := v.stored()
				for range 2 {
					status, body, removed := v.send(v.older, http.MethodGet, "/", false)
					assert.Equal(t, tc.status, status, body)
					assert.Empty(t, removed)
					status, body, _ = v.send(v.older, http.MethodGet, "/open", false)
					assert.Equal(t, []any{http.StatusOK, ""}, []any{status, body})
					time.Sleep(groupPause + time.Second)
				}
				assert.Equal(t, stored, v.stored())
				v.signIn(v.newer)
				v.requireSession(v.newer, "old")
			})
		})
	}
}
