package oxdtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEndSessionHasFramesOfTheClientsThatTookPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	own := w.app + "/frontchannel?own=1"
	w.client = w.register(map[string]any{"frontchannel_logout_uri": own})
	w.register(map[string]any{"frontchannel_logout_uri": w.app + "/never-used"})
	b := w.browser()
	back := w.logIn(b, "alice", "alice-secret", nil)
	w.logIn(b, "alice", "alice-secret", nil) // told twice, framed once
	_, answer := w.redeem(back.Get("code"))
	hint := answer["id_token"].(string)

	page := w.endSession(b, url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {w.app + "/"}, "state": {"bye"}})
	assert.Equal(t, http.StatusOK, page.StatusCode)
	assert.Equal(t, "1; url="+w.app+"/?state=bye", page.Header.Get("Refresh"))
	assert.Contains(t, page.Header.Get("Content-Security-Policy"), "frame-src")
	frames, err := b.LoadFrames(page)
	require.NoError(t, err)
	require.Len(t, frames, 1)
	got := frames[0].Request
	assert.Equal(t, http.StatusOK, frames[0].StatusCode)
	w.text(frames[0])
	assert.True(t, strings.HasPrefix(got.URL.String(), own+"&"), got.URL)
	assert.Equal(t, w.provider.URL, got.URL.Query().Get("iss"))
	assert.Equal(t, back.Get("sid"), got.URL.Query().Get("sid"))
	assert.Equal(t, "iframe", got.Header.Get("Sec-Fetch-Dest"))
	assert.Contains(t, w.text(page), "You are signed out", "the page can be used again")
	assert.False(t, w.signedIn(b))

	page = w.endSession(b, url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {w.app + "/"}})
	assert.Equal(t, w.app+"/", page.Request.URL.String(), "nobody is left to be told")
}

func TestEndSessionDoesNotDependOnClientsThatAreAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provider.SetBackchannelLogoutURI(w.callback(), "https://127.0.0.1:1/backchannel")
	b := w.browser()
	_, answer := w.redeem(w.logIn(b, "alice", "alice-secret", nil).Get("code"))
	page := w.endSession(b, url.Values{"id_token_hint": {answer["id_token"].(string)}})
	assert.Contains(t, w.text(page), "You are signed out")
	assert.Zero(t, w.provider.LogoutTokensTaken())
}

func TestLogoutTokensAreMadeAsATestWants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	claims := claimsOf(t, w.provider.LogoutToken(w.callback(), map[string]any{"sub": "x", "jti": nil, "aud": "other"}))
	assert.Equal(t, w.provider.URL, claims["iss"])
	assert.Equal(t, "x", claims["sub"])
	assert.Equal(t, "other", claims["aud"])
	assert.NotContains(t, claims, "jti")
	assert.Contains(t, claims["events"], "http://schemas.openid.net/event/backchannel-logout")
	assert.Equal(t, w.client.ID, claimsOf(t, w.provider.LogoutToken(w.callback(), nil))["aud"])
	assert.Panics(t, func() { w.provider.LogoutToken("https://nobody.example/callback", nil) })
}
