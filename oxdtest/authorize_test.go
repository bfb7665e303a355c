package oxdtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLoginReturnsWithCode(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.logIn(w.browser(), "alice", "alice-secret", nil)
	assert.NotEmpty(t, got.Get("code"))
	assert.Equal(t, "state-1", got.Get("state"))
	assert.Equal(t, "openid profile email", got.Get("scope"))
	assert.NotEmpty(t, got.Get("session_state"), "oxAuth sends more than the specification asks for")
	assert.NotEmpty(t, got.Get("sid"))
	assert.Equal(t, "basic", got.Get("acr_values"))
}

func TestLoginTakesPasswordsOfAnyScript(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	assert.NotEmpty(t, w.logIn(w.browser(), "zoe", "Zoë", nil).Get("code"))
}

func TestAuthorizeKeepsQueryOfRedirectURI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.client = w.register(map[string]any{"redirect_uris": []string{w.callback() + "?tenant=1"}})
	target := strings.Replace(w.authorizeURL(nil), w.callback(), w.callback()+"?tenant=1", 1)
	page, err := w.browser().LogIn(target, "bob", "bob-secret")
	require.NoError(t, err)
	got := w.returned(page)
	assert.Equal(t, "1", got.Get("tenant"))
	assert.NotEmpty(t, got.Get("code"))
}

func TestAuthorizeTakesPOST(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page, err := w.browser().PostForm(w.provider.URL+"/oxauth/restv1/authorize", url.Values{
		"response_type": {"code"}, "client_id": {w.client.ID}, "redirect_uri": {w.callback()}, "scope": {"openid"},
	})
	require.NoError(t, err)
	assert.Contains(t, w.text(page), "Sign in")
}

func TestAuthorizeShowsErrorPageWithoutRedirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	base := w.provider.URL + "/oxauth/restv1/authorize?response_type=code&scope=openid&state=s"
	cases := []struct{ name, url string }{
		{"no client", base + "&redirect_uri=" + w.callback()},
		{"an unknown client", base + "&client_id=nobody&redirect_uri=" + w.callback()},
		{"no redirect URI", base + "&client_id=" + w.client.ID},
		{"a longer redirect URI", base + "&client_id=" + w.client.ID + "&redirect_uri=" + w.callback() + "/more"},
		{"another case", base + "&client_id=" + w.client.ID + "&redirect_uri=" + w.app + "/CALLBACK"},
		{"another host", base + "&client_id=" + w.client.ID + "&redirect_uri=https://evil.example.org/callback"},
		{"two redirect URIs", w.authorizeURL(nil) + "&redirect_uri=https://evil.example.org/"},
		{"two states", w.authorizeURL(nil) + "&state=state-2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			resp, err := w.http.Get(c.url)
			require.NoError(t, err)
			text := w.text(resp)
			assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
			assert.Empty(t, resp.Header.Get("Location"))
			assert.Contains(t, text, `role="alert"`)
			assert.NotContains(t, text, "evil.example.org")
		})
	}
}

func TestAuthorizeReturnsErrorToClient(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	withoutCode := w.register(map[string]any{"grant_types": []string{"client_credentials"}})
	cases := []struct {
		name string
		url  string
		code string
	}{
		{"the implicit flow", strings.Replace(w.authorizeURL(nil), "response_type=code", "response_type=id_token", 1), "unsupported_response_type"},
		{"no openid scope", strings.Replace(w.authorizeURL(nil), "openid+", "", 1), "invalid_scope"},
		{"a client without the grant", strings.Replace(w.authorizeURL(nil), w.client.ID, withoutCode.ID, 1), "unauthorized_client"},
		{"an unknown prompt", w.authorizeURL(url.Values{"prompt": {"magic"}}), "invalid_request"},
		{"none together with login", w.authorizeURL(url.Values{"prompt": {"none login"}}), "invalid_request"},
		{"a max_age in words", w.authorizeURL(url.Values{"max_age": {"an hour"}}), "invalid_request"},
		{"a negative max_age", w.authorizeURL(url.Values{"max_age": {"-1"}}), "invalid_request"},
		{"a request object", w.authorizeURL(url.Values{"request": {"e30.e30."}}), "request_not_supported"},
		{"a request URI", w.authorizeURL(url.Values{"request_uri": {"https://evil.example.org/"}}), "request_uri_not_supported"},
		{"prompt none without session", w.authorizeURL(url.Values{"prompt": {"none"}}), "login_required"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			page, err := w.browser().Get(c.url)
			require.NoError(t, err)
			got := w.returned(page)
			assert.Equal(t, c.code, got.Get("error"))
			assert.Equal(t, "state-1", got.Get("state"))
			assert.NotContains(t, got, "code")
		})
	}
}

func TestWrongPasswordKeepsThePage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ name, user, password string }{
		{"a wrong password", "alice", "wrong"},
		{"an unknown user", "mallory", "alice-secret"},
		{"an unknown user without password", "mallory", ""},
		{"the password of somebody else", "alice", "bob-secret"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			b := w.browser()
			page, err := b.Get(w.authorizeURL(nil))
			require.NoError(t, err)
			page, err = b.Submit(page, url.Values{"username": {c.user}, "password": {c.password}})
			require.NoError(t, err)
			text := w.text(page)
			assert.Contains(t, text, "The user name or the password is wrong.")
			assert.Contains(t, text, `value="`+c.user+`"`, "the name need not be typed again")
			assert.NotContains(t, page.Request.URL.String(), w.app)

			_, err = b.LogIn(w.authorizeURL(nil), c.user, c.password)
			require.Error(t, err)
			if c.password != "" {
				assert.NotContains(t, err.Error(), c.password)
			}
		})
	}
}

func TestCancelReturnsAccessDenied(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	login, err := b.Get(w.authorizeURL(nil))
	require.NoError(t, err)
	page, err := b.Submit(login, url.Values{"decision": {"cancel"}})
	require.NoError(t, err)
	got := w.returned(page)
	assert.Equal(t, "access_denied", got.Get("error"))
	assert.Equal(t, "state-1", got.Get("state"))

	page, err = b.Submit(login, url.Values{"username": {"alice"}, "password": {"alice-secret"}})
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadRequest, page.StatusCode, "a cancelled sign-in is over")
}

func TestLoginFormWorksOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	login, err := b.Get(w.authorizeURL(nil))
	require.NoError(t, err)
	alice := url.Values{"username": {"alice"}, "password": {"alice-secret"}}
	page, err := b.Submit(login, alice)
	require.NoError(t, err)
	assert.NotEmpty(t, w.returned(page).Get("code"))
	page, err = b.Submit(login, alice)
	require.NoError(t, err)
	assert.Equal(t, http.StatusBadRequest, page.StatusCode)
	assert.Contains(t, w.text(page), "start again")
}

func TestLoginFormRefusesOtherSites(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct{ name, header, value string }{
		{"by Sec-Fetch-Site", "Sec-Fetch-Site", "cross-site"},
		{"by Origin", "Origin", "https://evil.example.org"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.provider.URL+"/oxauth/login",
				strings.NewReader("username=alice&password=alice-secret"))
			require.NoError(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set(c.header, c.value)
			status, _ := w.do(req)
			assert.Equal(t, http.StatusForbidden, status)
		})
	}
}

func TestTheSessionCookieIsHTTPOnlySecureAndLax(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	login, err := b.Get(w.authorizeURL(nil))
	require.NoError(t, err)
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := b.Submit(login, url.Values{"username": {"alice"}, "password": {"alice-secret"}})
	require.NoError(t, err)
	assert.Equal(t, http.StatusSeeOther, resp.StatusCode)
	require.Len(t, resp.Cookies(), 1)
	cookie := resp.Cookies()[0]
	assert.True(t, cookie.HttpOnly)
	assert.True(t, cookie.Secure)
	assert.Equal(t, http.SameSiteLaxMode, cookie.SameSite)
	assert.Equal(t, "/", cookie.Path)
	assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
}

func TestSingleSignOnAsksOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	first := w.logIn(b, "alice", "alice-secret", nil)

	page, err := b.Get(w.authorizeURL(url.Values{"prompt": {"none"}}))
	require.NoError(t, err)
	again := w.returned(page)
	assert.NotEmpty(t, again.Get("code"))
	assert.NotEqual(t, first.Get("code"), again.Get("code"))
	assert.Equal(t, first.Get("sid"), again.Get("sid"))

	for _, c := range []struct {
		name string
		more url.Values
		want string
	}{
		{"prompt login asks again", url.Values{"prompt": {"login"}}, `name="password"`},
		{"max_age 0 asks again", url.Values{"max_age": {"0"}}, `name="password"`},
		{"a hint fills in the name", url.Values{"prompt": {"login"}, "login_hint": {"zoe"}}, `name="username" type="text" value="zoe"`},
		{"select_account shows who is signed in", url.Values{"prompt": {"select_account"}}, "Continue as alice"},
		{"prompt consent asks for consent", url.Values{"prompt": {"consent"}}, "see your e-mail address"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			page, err := b.Get(w.authorizeURL(c.more))
			require.NoError(t, err)
			assert.Contains(t, w.text(page), c.want)
		})
	}

	page, err = b.Get(w.authorizeURL(url.Values{"max_age": {"3600"}}))
	require.NoError(t, err)
	assert.NotEmpty(t, w.returned(page).Get("code"), "a fresh session is good for max_age")
}

func TestLoginReplacesSession(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	first := w.logIn(b, "alice", "alice-secret", nil)
	provider, err := url.Parse(w.provider.URL)
	require.NoError(t, err)
	old := b.Jar.Cookies(provider)
	require.Len(t, old, 1)
	second := w.logIn(b, "bob", "bob-secret", url.Values{"prompt": {"login"}})
	assert.NotEqual(t, first.Get("sid"), second.Get("sid"))

	thief := w.browser()
	thief.Jar.SetCookies(provider, old)
	page, err := thief.Get(w.authorizeURL(url.Values{"prompt": {"none"}}))
	require.NoError(t, err)
	assert.Equal(t, "login_required", w.returned(page).Get("error"))
}

func TestSelectAccountOffersAnother(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.logIn(b, "alice", "alice-secret", nil)
	choose, err := b.Get(w.authorizeURL(url.Values{"prompt": {"select_account"}}))
	require.NoError(t, err)
	page, err := b.Submit(choose, nil)
	require.NoError(t, err)
	assert.NotEmpty(t, w.returned(page).Get("code"), "the first button goes on as alice")

	got := w.logIn(b, "bob", "bob-secret", url.Values{"prompt": {"select_account"}})
	_, answer := w.redeem(got.Get("code"))
	assert.Equal(t, "bob", claimsOf(t, answer["id_token"])["preferred_username"])
}

func TestConsentIsAskedForOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provider.SetConsent(true)
	b := w.browser()
	page, err := b.Get(w.authorizeURL(nil))
	require.NoError(t, err)
	page, err = b.Submit(page, url.Values{"username": {"alice"}, "password": {"alice-secret"}})
	require.NoError(t, err)
	refused, err := b.Submit(page, url.Values{"decision": {"cancel"}})
	require.NoError(t, err)
	assert.Equal(t, "access_denied", w.returned(refused).Get("error"))

	page, err = b.Get(w.authorizeURL(url.Values{"prompt": {"none"}}))
	require.NoError(t, err)
	assert.Equal(t, "consent_required", w.returned(page).Get("error"))

	assert.NotEmpty(t, w.logIn(b, "alice", "alice-secret", nil).Get("code"))
	page, err = b.Get(w.authorizeURL(url.Values{"prompt": {"none"}}))
	require.NoError(t, err)
	assert.NotEmpty(t, w.returned(page).Get("code"), "consent is remembered")
}

func TestTheFirstLevelThatTheUserCanReachIsDelivered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cases := []struct {
		name, user, password, asked, want string
		otp                               bool
	}{
		{"nothing asked: the first level", "alice", "alice-secret", "", "basic", false},
		{"otp shows the second page", "alice", "alice-secret", "otp", "otp", true},
		{"the first that the user can reach", "alice", "alice-secret", "smartcard otp basic", "otp", true},
		{"order decides", "alice", "alice-secret", "basic otp", "basic", false},
		{"a user without otp gets less than asked", "bob", "bob-secret", "otp", "basic", false},
		{"an unknown level falls back", "bob", "bob-secret", "smartcard", "basic", false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := w.with(t)
			got := w.logIn(w.browser(), c.user, c.password, url.Values{"acr_values": {c.asked}})
			_, answer := w.redeem(got.Get("code"))
			claims := claimsOf(t, answer["id_token"])
			assert.Equal(t, c.want, claims["acr"])
			if c.otp {
				assert.Equal(t, []any{"pwd", "otp"}, claims["amr"])
			} else {
				assert.Equal(t, []any{"pwd"}, claims["amr"])
			}
		})
	}
}

func TestStepUpAsksForTheSecondFactorOnly(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	w.logIn(b, "alice", "alice-secret", nil)

	page, err := b.Get(w.authorizeURL(url.Values{"acr_values": {"otp"}, "prompt": {"none"}}))
	require.NoError(t, err)
	assert.Equal(t, "login_required", w.returned(page).Get("error"))

	page, err = b.Get(w.authorizeURL(url.Values{"acr_values": {"otp"}}))
	require.NoError(t, err)
	page, err = b.Submit(page, url.Values{"otp": {"123456"}})
	require.NoError(t, err)
	text := w.text(page)
	assert.Contains(t, text, "The code is wrong.")
	assert.NotContains(t, text, `name="password"`, "the password was given before")

	assert.Equal(t, "otp", w.logIn(b, "alice", "", url.Values{"acr_values": {"otp"}}).Get("acr_values"))
	page, err = b.Get(w.authorizeURL(url.Values{"prompt": {"none"}}))
	require.NoError(t, err)
	assert.Equal(t, "otp", w.returned(page).Get("acr_values"), "the session keeps its level")
}

func TestLogInGoesThroughAllPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provider.SetConsent(true)
	got := w.logIn(w.browser(), "zoe", "Zoë", url.Values{"acr_values": {"otp"}, "prompt": {"login consent"}})
	assert.NotEmpty(t, got.Get("code"))
	assert.Equal(t, "otp", got.Get("acr_values"))
}
