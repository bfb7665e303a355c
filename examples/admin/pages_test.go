package main

// The application from outside, without a browser: what each page says, who may do what, and the
// headers that protect it.

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// overBoth runs a test against the application connected to oxd by its socket and by its HTTPS
// extension.
func overBoth(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	t.Run("over the socket", func(t *testing.T) {
		t.Parallel()
		test(t, secureSite(t))
	})
	t.Run("over https", func(t *testing.T) {
		t.Parallel()
		server := oxdtest.NewUnstartedServer(oxdtest.Config{ProtectCommands: true})
		server.Start()
		t.Cleanup(server.Close)
		s := &site{server: server}
		s.connect = func(redirectURL string) (*oxd.Client, error) {
			oxdSite := siteOf(server, redirectURL)
			oxdSite.Protected = true
			return oxd.NewClient(server.HTTPSTransport(), oxdSite)
		}
		s.origin = server.ServeApp(func(baseURL string) http.Handler { return s.build(t, baseURL) })
		test(t, s)
	})
}

func readBody(t *testing.T, answer *http.Response) string {
	t.Helper()
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(body)
}

// as returns a scripted browser signed in as somebody, and the page that came after the login.
func (s *site) as(t *testing.T, user, path string) (*oxdtest.Browser, *http.Response) {
	t.Helper()
	password := map[string]string{"alice": "alice-secret", "bob": "bob-secret", "zoe": "Zoë"}[user]
	browser := s.server.Browser()
	answer, err := browser.LogIn(s.origin+path, user, password)
	require.NoError(t, err)
	return browser, answer
}

func fetch(t *testing.T, browser *oxdtest.Browser, url string) (int, string) {
	t.Helper()
	answer, err := browser.Get(url)
	require.NoError(t, err)
	return answer.StatusCode, readBody(t, answer)
}

func send(t *testing.T, browser *oxdtest.Browser, url string, form url.Values) (*http.Response, string) {
	t.Helper()
	answer, err := browser.PostForm(url, form)
	require.NoError(t, err)
	return answer, readBody(t, answer)
}

func TestADeepLinkSurvivesTheLogin(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		const path = "/users?q=zo%C3%AB+%E6%9D%8E+%F0%9F%98%80"
		_, answer := s.as(t, "alice", path)
		assert.Equal(t, s.origin+path, answer.Request.URL.String())
		text := readBody(t, answer)
		assert.Contains(t, text, "Zoë 李 😀")
		assert.Contains(t, text, `value="zoë 李 😀"`)
		assert.Contains(t, text, "1 of 19 people")
	})
}

var (
	inline  = regexp.MustCompile(`(?i)<script|<style|\sstyle\s*=|\son[a-z]+\s*=|javascript:`)
	foreign = regexp.MustCompile(`(?i)\s(?:src|href|action)\s*=\s*"(?:https?:)?//`)
)

func TestEveryPageIsThereAndHasNothingInline(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		browser, first := s.as(t, "zoe", "/")
		first.Body.Close()
		for _, page := range []struct {
			path, heading string
			status        int
		}{
			{"/", "Welcome, ", http.StatusOK},
			{"/users", "People", http.StatusOK},
			{"/users?q=nobody&role=Nothing", "People", http.StatusOK},
			{"/photos", "Photos", http.StatusOK},
			{"/audit", "Audit log", http.StatusOK},
			{"/audit?kind=Signed+in", "Audit log", http.StatusOK},
			{"/session", "My session", http.StatusOK},
			{"/nothing", "There is no such page", http.StatusNotFound},
		} {
			answer, err := browser.Get(s.origin + page.path)
			require.NoError(t, err)
			text := readBody(t, answer)
			assert.Equal(t, page.status, answer.StatusCode, page.path)
			assert.Contains(t, text, "<h1>"+page.heading, page.path)
			assert.NotRegexp(t, inline, text, page.path)
			assert.NotRegexp(t, foreign, text, page.path)
			h := answer.Header
			assert.Equal(t, contentPolicy, h.Get("Content-Security-Policy"), page.path)
			assert.Equal(t, "nosniff", h.Get("X-Content-Type-Options"), page.path)
			assert.Equal(t, "same-origin", h.Get("Referrer-Policy"), page.path)
			assert.Equal(t, "text/html; charset=utf-8", h.Get("Content-Type"), page.path)
			assert.Equal(t, "no-store", h.Get("Cache-Control"), page.path)
		}
		assert.NotContains(t, contentPolicy, "unsafe")
		assert.NotContains(t, contentPolicy, "form-action", "it would stop the redirect to the provider after signing out")
	})
}

func TestTheSessionPageShowsTheSessionAndNoToken(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		_, answer := s.as(t, "zoe", "/session")
		text := readBody(t, answer)
		for _, want := range []string{"Zoë 李 😀", s.server.Provider.URL, "zoe@example.com", "basic", "in 5 minutes", "in 1 hour", "in 12 hours"} {
			assert.Contains(t, text, want)
		}
		assert.Regexp(t, `<code>[A-Z2-7]{16}</code>`, text, "the id of the session that logs have")
		assert.NotRegexp(t, `eyJ[A-Za-z0-9_-]{20,}`, text, "no JWT")
	})
}

func TestTheSettingsNeedASecondFactor(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		browser, answer := s.as(t, "alice", "/session")
		assert.Contains(t, readBody(t, answer), "needs a second factor")

		denied, _ := send(t, browser, s.origin+"/settings", url.Values{"organisation": {"Sneaky"}})
		assert.Equal(t, http.StatusForbidden, denied.StatusCode, "a form without the second factor is refused")

		page, err := browser.Get(s.origin + "/settings")
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(page.Request.URL.String(), s.server.Provider.URL), page.Request.URL.String())
		settings, err := browser.Submit(page, url.Values{"otp": {secondFactor}})
		require.NoError(t, err)
		assert.Equal(t, s.origin+"/settings", settings.Request.URL.String())
		assert.Contains(t, readBody(t, settings), "<h1>Settings")

		saved, text := send(t, browser, s.origin+"/settings", url.Values{"organisation": {"Nordlys <b>北光</b>"}, "notice": {"Hello & welcome"}})
		assert.Equal(t, http.StatusOK, saved.StatusCode)
		assert.Contains(t, text, "Nordlys &lt;b&gt;北光&lt;/b&gt;")
		assert.Contains(t, text, "Hello &amp; welcome")

		refused, _ := send(t, browser, s.origin+"/settings", url.Values{"organisation": {""}})
		assert.Equal(t, http.StatusUnprocessableEntity, refused.StatusCode)
		large, _ := send(t, browser, s.origin+"/settings", url.Values{"notice": {strings.Repeat("x", maxForm+1)}})
		assert.Equal(t, http.StatusRequestEntityTooLarge, large.StatusCode)
		assert.Equal(t, []string{kindSignIn, kindStepUp, kindSettings, kindSettings}, s.kinds())
	})
}

func TestWithoutASecondFactorTheSettingsStayClosed(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		browser, first := s.as(t, "bob", "/")
		first.Body.Close()
		status, text := fetch(t, browser, s.origin+"/settings")
		assert.Equal(t, http.StatusForbidden, status)
		assert.Contains(t, text, "A second factor is needed")
		assert.NotContains(t, text, "Save changes")
		status, _ = fetch(t, browser, s.origin+"/")
		assert.Equal(t, http.StatusOK, status, "the session from before goes on")
	})
}

func TestRolesAreChangedByAdministratorsFromThisSiteOnly(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		alice, page := s.as(t, "alice", "/users")
		assert.Contains(t, readBody(t, page), `action="/users/p101/role"`)
		bob, page := s.as(t, "bob", "/users")
		assert.NotContains(t, readBody(t, page), "/role", "bob sees no form")

		target := s.origin + "/users/p101/role"
		form := url.Values{"role": {string(roleAuditor)}, "q": {"Anaïs"}}
		refused, text := send(t, bob, target, form)
		assert.Equal(t, http.StatusForbidden, refused.StatusCode)
		assert.Contains(t, text, "Only an administrator may do this.")

		foreign, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(form.Encode()))
		require.NoError(t, err)
		foreign.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		foreign.Header.Set("Origin", "https://evil.example")
		foreign.Header.Set("Sec-Fetch-Site", "cross-site")
		foreign.Header.Set("Sec-Fetch-Mode", "navigate")
		answer, err := alice.Do(foreign)
		require.NoError(t, err)
		answer.Body.Close()
		assert.Equal(t, http.StatusForbidden, answer.StatusCode)
		assert.Len(t, s.app.store.search("Anaïs", roleEditor), 1, "nothing has been changed")

		saved, text := send(t, alice, target, form)
		assert.Equal(t, http.StatusOK, saved.StatusCode)
		assert.Equal(t, "Anaïs", saved.Request.URL.Query().Get("q"), "back at the same search")
		assert.Contains(t, text, "The role has been saved.")
		assert.Len(t, s.app.store.search("Anaïs", roleAuditor), 1)
		_, text = fetch(t, bob, s.origin+"/audit?kind=Role+changed")
		assert.Contains(t, text, "Anaïs Lefèvre-Dubois: Editor → Auditor")

		missing, _ := send(t, alice, s.origin+"/users/p999/role", form)
		assert.Equal(t, http.StatusNotFound, missing.StatusCode)
		emperor, _ := send(t, alice, target, url.Values{"role": {"Emperor"}})
		assert.Equal(t, http.StatusUnprocessableEntity, emperor.StatusCode)
	})
}

func TestRefreshOnRequestIsLoggedOnce(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		browser, first := s.as(t, "alice", "/session")
		first.Body.Close()
		_, text := send(t, browser, s.origin+"/session/refresh", nil)
		assert.Contains(t, text, "The tokens have been refreshed.")
		assert.Equal(t, 1, s.server.Provider.Refreshes())
		_, text = fetch(t, browser, s.origin+"/session")
		assert.NotContains(t, text, "The tokens have been refreshed.")

		s.server.Provider.SetDown(true)
		_, text = send(t, browser, s.origin+"/session/refresh", nil)
		assert.Contains(t, text, "did not refresh the tokens")
		s.server.Provider.SetDown(false)
		status, _ := fetch(t, browser, s.origin+"/session")
		assert.Equal(t, http.StatusOK, status)
	})
}

func TestSigningOutEndsTheSessionHereAndAtTheProvider(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		browser, first := s.as(t, "alice", "/session")
		page := readBody(t, first)
		assert.Contains(t, page, `<form method="post" action="/auth/logout">`)
		answer, _ := send(t, browser, s.origin+"/auth/logout", nil)
		assert.True(t, strings.HasPrefix(answer.Request.URL.String(), s.server.Provider.URL), answer.Request.URL.String())
		assert.Equal(t, 1, s.server.Provider.EndSessions())
		assert.Equal(t, 1, s.server.Provider.EndSessionHints(), "with the ID token of this session")
		_, text := fetch(t, browser, s.origin+"/users")
		assert.NotContains(t, text, "Søren Kjærgård")
		assert.Equal(t, []string{kindSignIn, kindSignOut}, s.kinds())

		_, _ = send(t, browser, s.origin+"/auth/logout", nil)
		assert.Equal(t, []string{kindSignIn, kindSignOut}, s.kinds(), "nobody signs out twice")
	})
}

func TestOnlyTheHealthCheckAndTheAssetsAreOpen(t *testing.T) {
	t.Parallel()
	s := secureSite(t)
	client := s.server.HTTPClient()
	for _, path := range []string{"/", "/users", "/audit", "/session", "/settings", "/nothing", "/healthz/../users", "/assets", "/assets/../users", "//users"} {
		answer, err := client.Get(s.origin + path)
		require.NoError(t, err)
		text := readBody(t, answer)
		assert.NotEqual(t, http.StatusOK, answer.StatusCode, path)
		assert.NotContains(t, text, "Søren", path)
	}
	for path, kind := range map[string]string{
		"/healthz": "text/plain; charset=utf-8", "/assets/base.css": "text/css; charset=utf-8", "/assets/favicon.svg": "image/svg+xml",
	} {
		answer, err := client.Get(s.origin + path)
		require.NoError(t, err)
		assert.NotEmpty(t, readBody(t, answer), path)
		assert.Equal(t, http.StatusOK, answer.StatusCode, path)
		assert.Equal(t, kind, answer.Header.Get("Content-Type"), path)
		assert.Empty(t, answer.Header.Values("Set-Cookie"), path)
	}
}

func TestAScriptGetsJSONAndNoRedirect(t *testing.T) {
	t.Parallel()
	s := secureSite(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.origin+"/users", nil)
	require.NoError(t, err)
	request.Header.Set("Accept", "application/json")
	answer, err := s.server.HTTPClient().Do(request)
	require.NoError(t, err)
	assert.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	var body map[string]string
	require.NoError(t, json.Unmarshal([]byte(readBody(t, answer)), &body))
	assert.NotEmpty(t, body["request_id"])
	delete(body, "request_id")
	assert.Equal(t, map[string]string{"error": "login_required", "login_url": s.origin + "/auth/login"}, body)
	assert.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
}

func TestAnErrorPageKeepsThePageAndNamesTheRequest(t *testing.T) {
	t.Parallel()
	s := secureSite(t)
	s.server.Stop()
	status, text := fetch(t, s.server.Browser(), s.origin+"/users?q=a+b")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.Contains(t, text, "Sign-in is not available right now")
	assert.Contains(t, text, `href="/auth/login?return_to=%2Fusers%3Fq%3Da%2Bb"`)
	assert.Regexp(t, `Status 503, request \w{8,}<`, text)
}

func TestNothingTheProviderSaysIsRepeated(t *testing.T) {
	t.Parallel()
	s := secureSite(t)
	browser := s.server.Browser()
	for _, query := range []string{
		"error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E&state=unknown",
		"code=x&state=%3Csvg%20onload=alert(1)%3E",
		"error=%0d%0aSet-Cookie:%20a=b&state=x",
	} {
		status, text := fetch(t, browser, s.origin+"/auth/callback?"+query)
		assert.Equal(t, http.StatusBadRequest, status, query)
		assert.Contains(t, text, "This sign-in has expired", query)
		assert.NotContains(t, text, "alert(1)", query)
	}
	assert.Empty(t, s.kinds(), "and strangers write nothing to the audit log")
}

func TestPersonsNamesAreTextAndNotMarkup(t *testing.T) {
	t.Parallel()
	s := secureSite(t)
	s.server.Provider.SetUserClaim("zoe", "name", `</td><script>alert("Zoë")</script>`)
	s.server.Provider.SetUserClaim("zoe", "email", `"><img src=x onerror=alert(1)>`)
	browser, first := s.as(t, "zoe", "/session")
	assert.NotRegexp(t, `<script|<img`, readBody(t, first))
	for _, path := range []string{"/", "/users", "/audit"} {
		_, text := fetch(t, browser, s.origin+path)
		assert.NotRegexp(t, `<script|<img`, text, path)
		assert.Contains(t, text, "alert(&#34;Zoë&#34;)", path)
	}
}
