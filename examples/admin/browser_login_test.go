package main

// Signing in and out as people do it, in a real browser: SameSite, back button, several tabs,
// Origin and Fetch Metadata are its own and not those of a script.

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoginInABrowser(t *testing.T) {
	browser := startBrowser(t)
	tests := []struct {
		name string
		run  func(t *testing.T, b *tab, s *site)
	}{
		{"a person signs in and the cookies are closed to scripts", loginSetsClosedCookies},
		{"a deep link survives the login with its query", deepLinkIsKept},
		{"two tabs at once each come to their own page", twoTabsAtOnce},
		{"after signing out the back button shows nothing", backAfterSigningOut},
		{"signing out is a POST with our own Origin", signOutHasARealOrigin},
		{"another site cannot sign a person out", foreignSiteCannotSignOut},
		{"a wrong password can be corrected", wrongPassword},
		{"a cancelled login says so and can be started again", cancelledLogin},
		{"the settings ask for a second factor and then open", stepUp},
		{"without a second factor the settings stay closed", stepUpImpossible},
		{"oxd dies and comes back", oxdRestarts},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Run("over http", func(t *testing.T) {
				t.Parallel()
				tt.run(t, newTab(t, browser), plainSite(t))
			})
			t.Run("over https", func(t *testing.T) {
				t.Parallel()
				tt.run(t, newTab(t, browser), secureSite(t))
			})
		})
	}
}

func loginSetsClosedCookies(t *testing.T, b *tab, s *site) {
	assert.Equal(t, http.StatusOK, b.open(s.origin+"/"))
	require.True(t, strings.HasPrefix(b.url(), s.server.Provider.URL), "signed out, one is at the provider and not at %s", b.url())
	b.logIn("zoe", "Zoë")
	assert.Equal(t, s.origin+"/", b.url())
	assert.Equal(t, "Welcome, Zoë 李 😀", b.text("h1"))
	assert.Empty(t, get(b, chromedp.Evaluate[string]("document.cookie")), "no cookie is readable by scripts")

	prefix := ""
	if strings.HasPrefix(s.origin, "https:") {
		prefix = "__Host-"
	}
	jar, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{s.origin + "/"}})
	require.NoError(t, err)
	ours := 0
	for _, c := range jar.Cookies {
		if !strings.Contains(c.Name, "oxdauth") {
			continue // the provider is on the same machine, and cookies know no ports
		}
		ours++
		assert.True(t, strings.HasPrefix(c.Name, prefix+"oxdauth"), c.Name)
		assert.True(t, c.HTTPOnly, c.Name)
		assert.Equal(t, prefix != "", c.Secure, c.Name)
		assert.Equal(t, network.CookieSameSiteLax, c.SameSite, c.Name)
		assert.Equal(t, "/", c.Path, c.Name)
		assert.NotContains(t, c.Name, "-login-", "no login is left over")
	}
	assert.GreaterOrEqual(t, ours, 2, "the identity and the tokens")
	assert.Equal(t, []string{kindSignIn}, s.kinds())
}

func deepLinkIsKept(t *testing.T, b *tab, s *site) {
	link := s.origin + "/users?q=zo%C3%AB+%E6%9D%8E&role=Editor"
	b.open(link)
	b.logIn("alice", "alice-secret")
	assert.Equal(t, link, b.url())
	assert.Equal(t, "zoë 李", get(b, chromedp.Value(chromedp.CSS("input[name=q]"))))
	assert.Equal(t, "Editor", get(b, chromedp.Value(chromedp.CSS(".toolbar select"))))
	assert.Equal(t, "1 of 19 people · Show everyone", b.text(".count"))
	assert.Contains(t, b.text("tbody"), "Zoë 李 😀")
}

func twoTabsAtOnce(t *testing.T, first *tab, s *site) {
	second := first.sibling()
	first.open(s.origin + "/audit")
	second.open(s.origin + "/session")
	second.logIn("alice", "alice-secret")
	assert.Equal(t, s.origin+"/session", second.url())
	first.logIn("alice", "alice-secret")
	assert.Equal(t, s.origin+"/audit", first.url())
	assert.Equal(t, "Audit log", first.text("h1"))
	second.open(s.origin + "/users")
	assert.Equal(t, "People", second.text("h1"), "the first tab did not lose the session to the second")
}

func backAfterSigningOut(t *testing.T, b *tab, s *site) {
	b.open(s.origin + "/users")
	b.logIn("alice", "alice-secret")
	b.press(`a[href="/audit"]`)
	assert.Equal(t, "Audit log", b.text("h1"))
	b.press("#sign-out")
	assert.True(t, strings.HasPrefix(b.url(), s.server.Provider.URL), b.url())
	assert.Equal(t, 1, s.server.Provider.EndSessions(), "the provider's session has ended too")
	b.do(chromedp.WaitVisible(chromedp.CSS("#password")))

	for range 2 { // to the audit log, then to the people
		b.do(chromedp.NavigateBack())
		b.do(chromedp.WaitVisible(chromedp.CSS("#password")))
		said := b.whole()
		assert.NotContains(t, said, "Audit log")
		assert.NotContains(t, said, "Søren Kjærgård")
		assert.NotContains(t, said, "Alice Ångström")
	}
	assert.Contains(t, s.kinds(), kindSignOut)
}

func signOutHasARealOrigin(t *testing.T, b *tab, s *site) {
	b.open(s.origin + "/session")
	b.logIn("alice", "alice-secret")
	b.press("#sign-out")
	posts := s.posts()
	require.Len(t, posts, 1)
	assert.Equal(t, "/auth/logout", posts[0].URL.Path)
	assert.Equal(t, s.origin, posts[0].Header.Get("Origin"))
	assert.Equal(t, "same-origin", posts[0].Header.Get("Sec-Fetch-Site"))
	assert.Equal(t, "navigate", posts[0].Header.Get("Sec-Fetch-Mode"))
	b.open(s.origin + "/session")
	assert.True(t, strings.HasPrefix(b.url(), s.server.Provider.URL), "signed out")
}

func foreignSiteCannotSignOut(t *testing.T, b *tab, s *site) {
	b.expect("403")
	foreign := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><title>Win</title>
			<form method="post" action="` + s.origin + `/auth/logout"><button id="win">Win a prize</button></form>`))
	}))
	t.Cleanup(foreign.Close)
	b.open(s.origin + "/session")
	b.logIn("alice", "alice-secret")
	b.open(foreign.URL + "/")
	answer := b.press("#win")
	assert.EqualValues(t, http.StatusForbidden, answer.Status)
	posts := s.posts()
	require.Len(t, posts, 1)
	assert.Equal(t, foreign.URL, posts[0].Header.Get("Origin"))
	assert.Empty(t, posts[0].Header.Get("Cookie"), "SameSite=Lax keeps the session away from the form of another site")
	assert.Equal(t, http.StatusOK, b.open(s.origin+"/session"))
	assert.Equal(t, "My session", b.text("h1"), "still signed in")
	assert.NotContains(t, s.kinds(), kindSignOut)
	assert.Zero(t, s.server.Provider.EndSessions())
}

func wrongPassword(t *testing.T, b *tab, s *site) {
	b.open(s.origin + "/users")
	b.write("#username", "alice")
	b.write("#password", "guess")
	b.press("button.primary")
	assert.True(t, strings.HasPrefix(b.url(), s.server.Provider.URL))
	assert.NotEmpty(t, b.text("[role=alert]"))
	assert.Empty(t, s.kinds(), "nobody is signed in")
	b.logIn("alice", "alice-secret")
	assert.Equal(t, s.origin+"/users", b.url())
	assert.Equal(t, "People", b.text("h1"))
}

func cancelledLogin(t *testing.T, b *tab, s *site) {
	b.expect("403")
	b.open(s.origin + "/users")
	answer := b.press("button[value=cancel]")
	assert.EqualValues(t, http.StatusForbidden, answer.Status)
	assert.Equal(t, "Sign-in was cancelled", b.text("h1"))
	assert.NotContains(t, b.whole(), "the person cancelled", "nothing of the provider's text is repeated")
	b.press("a.button-primary")
	b.logIn("alice", "alice-secret")
	assert.Equal(t, s.origin+"/users", b.url(), "the page that was asked for")
	assert.Equal(t, []string{kindFailed, kindSignIn}, s.kinds())
}

func stepUp(t *testing.T, b *tab, s *site) {
	b.open(s.origin + "/session")
	b.logIn("alice", "alice-secret")
	assert.Equal(t, "basic", b.text("#acr"))
	b.press(`a[href="/settings"]`)
	require.True(t, strings.HasPrefix(b.url(), s.server.Provider.URL), "sent for the second factor, not to %s", b.url())
	b.write("#otp", "123456")
	b.press("button.primary")
	assert.NotEmpty(t, b.text("[role=alert]"), "a wrong code")
	b.write("#otp", secondFactor)
	b.press("button.primary")
	assert.Equal(t, s.origin+"/settings", b.url())
	assert.Equal(t, strongACR, b.text("#acr"))

	b.write("#organisation", "Nordlys 北光 ⚓")
	b.press(".form-foot button")
	assert.Equal(t, "The settings have been saved.", b.text(".flash"))
	assert.Equal(t, "Nordlys 北光 ⚓", b.text(".brand-name"))
	assert.Equal(t, []string{kindSignIn, kindStepUp, kindSettings}, s.kinds())
}

func stepUpImpossible(t *testing.T, b *tab, s *site) {
	b.expect("403")
	b.open(s.origin + "/")
	b.logIn("bob", "bob-secret")
	answer := b.press(`a[href="/settings"]`)
	assert.EqualValues(t, http.StatusForbidden, answer.Status)
	assert.Equal(t, "A second factor is needed", b.text("h1"))
	assert.Equal(t, http.StatusOK, b.open(s.origin+"/users"), "the session goes on as it was")
	assert.Equal(t, "People", b.text("h1"))
}

func oxdRestarts(t *testing.T, b *tab, s *site) {
	b.expect("503")
	b.open(s.origin + "/session")
	b.logIn("alice", "alice-secret")

	s.server.Stop()
	assert.Equal(t, http.StatusOK, b.open(s.origin+"/users"), "who is signed in does not notice")
	assert.Equal(t, "People", b.text("h1"))
	b.open(s.origin + "/session")
	b.press("#refresh")
	assert.Equal(t, "The provider did not refresh the tokens. Your session goes on.", b.text(".flash"))

	stranger := newTab(t, b.ctx)
	stranger.expect("503")
	assert.Equal(t, http.StatusServiceUnavailable, stranger.open(s.origin+"/users"))
	assert.Equal(t, "Sign-in is not available right now", stranger.text("h1"))

	s.server.Restart()
	stranger.press("a.button-primary")
	stranger.logIn("zoe", "Zoë")
	assert.Equal(t, s.origin+"/users", stranger.url(), "signing in works again, and leads to the page that was asked for")
	b.open(s.origin + "/audit")
	assert.Contains(t, b.text("tbody"), "Zoë 李 😀", "and who was signed in still is")
	b.press("#sign-out")
	assert.True(t, strings.HasPrefix(b.url(), s.server.Provider.URL))
	assert.Equal(t, 1, s.server.Provider.EndSessions())
}
