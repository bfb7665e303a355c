package oxdtest_test

import (
	"net/http"
	"net/url"
	"testing"

	"example.com/oxdauth/oxdtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// signedIn reports whether the browser has a session with the Provider.
func (w *world) signedIn(b *oxdtest.Browser) bool {
	w.t.Helper()
	page, err := b.Get(w.authorizeURL(url.Values{"prompt": {"none"}}))
	require.NoError(w.t, err)
	return w.returned(page).Has("code")
}

func (w *world) endSession(b *oxdtest.Browser, query url.Values) *http.Response {
	w.t.Helper()
	page, err := b.Get(w.provider.URL + "/oxauth/restv1/end_session?" + query.Encode())
	require.NoError(w.t, err)
	return page
}

func TestEndSessionReturnsToRegisteredURI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	_, answer := w.redeem(w.logIn(b, "alice", "alice-secret", nil).Get("code"))
	hint := answer["id_token"].(string)
	require.True(t, w.signedIn(b))

	page := w.endSession(b, url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {w.app + "/"}, "state": {"bye"}})
	assert.Equal(t, w.app+"/?state=bye", page.Request.URL.String())
	assert.False(t, w.signedIn(b))
	assert.Equal(t, 1, w.provider.EndSessions())
	assert.Equal(t, 1, w.provider.EndSessionHints())
	assert.True(t, w.active(answer["access_token"]), "only the single sign-on ends")
}

func TestEndSessionWithoutValidReturnShowsPage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ name, target string }{
		{"no address", ""},
		{"an address that is not registered", "https://evil.example.org/"},
		{"an address that begins like a registered one", w.app + "/more"},
		{"the redirect URI of the login", w.callback()},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			b := w.browser()
			_, answer := w.redeem(w.logIn(b, "alice", "alice-secret", nil).Get("code"))
			page := w.endSession(b, url.Values{"id_token_hint": {answer["id_token"].(string)}, "post_logout_redirect_uri": {c.target}})
			assert.Contains(t, w.text(page), "You are signed out")
			assert.Equal(t, "/oxauth/restv1/end_session", page.Request.URL.Path)
			assert.False(t, w.signedIn(b))
		})
	}
}

func TestEndSessionNeedsHint(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	_, answer := w.redeem(w.logIn(b, "alice", "alice-secret", nil).Get("code"))
	good := answer["id_token"].(string)
	foreign := newWorld(t).tokens()["id_token"].(string)
	for _, c := range []struct{ name, hint string }{
		{"no hint", ""},
		{"no token", "nonsense"},
		{"a changed signature", good[:len(good)-6] + "AAAAAA"},
		{"an unsigned token", "eyJhbGciOiJub25lIn0.e30."},
		{"three dots", "..."},
		{"the token of another provider", foreign},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			page := w.endSession(b, url.Values{"id_token_hint": {c.hint}, "post_logout_redirect_uri": {w.app + "/"}})
			assert.Equal(t, http.StatusBadRequest, page.StatusCode)
			assert.Contains(t, w.text(page), `role="alert"`)
			assert.True(t, w.signedIn(b), "anybody can send a browser here")
		})
	}
	assert.Equal(t, 6, w.provider.EndSessions())
	assert.Zero(t, w.provider.EndSessionHints())
}

func TestEndSessionLeavesOtherPeopleSignedIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	alice, bob := w.browser(), w.browser()
	_, answer := w.redeem(w.logIn(alice, "alice", "alice-secret", nil).Get("code"))
	w.logIn(bob, "bob", "bob-secret", nil)
	w.endSession(bob, url.Values{"id_token_hint": {answer["id_token"].(string)}})
	assert.True(t, w.signedIn(bob))
	assert.False(t, w.signedIn(alice), "the hint names the session to end")
}

func TestEndSessionEndsNewerSessionOfThePerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	_, answer := w.redeem(w.logIn(b, "alice", "alice-secret", nil).Get("code"))
	w.logIn(b, "alice", "alice-secret", url.Values{"prompt": {"login"}})
	w.endSession(b, url.Values{"id_token_hint": {answer["id_token"].(string)}})
	assert.False(t, w.signedIn(b))
}
