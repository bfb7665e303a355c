package main

// The photos from outside, without a browser: the API with and without a token, the exchange step
// by step, and the page the authorization server has a question about.

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// call sends one request of a program to the API.
func (s *site) call(t *testing.T, method, path, rpt, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.origin+path, strings.NewReader(body))
	require.NoError(t, err)
	if rpt != "" {
		req.Header.Set("Authorization", "Bearer "+rpt)
	}
	answer, err := s.server.HTTPClient().Do(req)
	require.NoError(t, err)
	return answer, readBody(t, answer)
}

// ticketOf reads the challenge of an answer.
func ticketOf(t *testing.T, answer *http.Response) string {
	t.Helper()
	require.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	match := challengeTicket.FindStringSubmatch(answer.Header.Get("WWW-Authenticate"))
	require.NotNil(t, match, answer.Header)
	return match[1]
}

// rptFor gets the token for a request that is refused without one.
func (s *site) rptFor(t *testing.T, method, path string) string {
	t.Helper()
	answer, _ := s.call(t, method, path, "", "")
	got, err := s.app.client.RPT(t.Context(), oxd.RPTParams{Ticket: oxd.NewSecret(ticketOf(t, answer))})
	require.NoError(t, err)
	return got.AccessToken.Reveal()
}

func TestThePhotoAPIAsksForATokenAndOpensWithIt(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		answer, text := s.call(t, http.MethodGet, "/api/photos/1", "", "")
		first := ticketOf(t, answer)
		assert.Contains(t, answer.Header.Get("WWW-Authenticate"), `as_uri="`+s.server.Provider.URL+`"`)
		assert.NotContains(t, text, "Hamburg")

		rpt := s.rptFor(t, http.MethodGet, "/api/photos/1")
		answer, text = s.call(t, http.MethodGet, "/api/photos/2", rpt, "")
		assert.Equal(t, http.StatusOK, answer.StatusCode)
		assert.Equal(t, "no-store", answer.Header.Get("Cache-Control"))
		assert.JSONEq(t, `{"id":"2","title":"Tugs in the fog","place":"Rotterdam","year":2023}`, text)
		answer, _ = s.call(t, http.MethodGet, "/api/photos/r1", rpt, "")
		assert.Equal(t, http.StatusNotFound, answer.StatusCode)

		answer, _ = s.call(t, http.MethodGet, "/api/photos", rpt, "")
		assert.NotEqual(t, first, ticketOf(t, answer), "the list is another resource")
		answer, text = s.call(t, http.MethodGet, "/api/photos", s.rptFor(t, http.MethodGet, "/api/photos"), "")
		assert.Equal(t, http.StatusOK, answer.StatusCode)
		var list []photo
		require.NoError(t, json.Unmarshal([]byte(text), &list))
		assert.Equal(t, newAlbum().photos, list)

		browser, page := s.as(t, "alice", "/")
		page.Body.Close()
		answer, err := browser.Get(s.origin + "/api/photos/1")
		require.NoError(t, err)
		readBody(t, answer)
		ticketOf(t, answer) // a session opens no API
	})
}

func TestATokenForLookingDoesNotEdit(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		const path = "/api/photos/1"
		answer, _ := s.call(t, http.MethodPut, path, "", `{"title":"Mine"}`)
		first := ticketOf(t, answer)
		weak := s.rptFor(t, http.MethodGet, path)
		answer, _ = s.call(t, http.MethodPut, path, weak, `{"title":"Mine"}`)
		second := ticketOf(t, answer)
		assert.NotEqual(t, first, second)
		assert.Equal(t, newAlbum().photos, s.app.album.list(), "nothing has been changed")

		_, err := s.app.client.RPT(t.Context(), oxd.RPTParams{Ticket: oxd.NewSecret(second)})
		require.ErrorIs(t, err, oxd.CodeNeedInfo, "a stranger gets no token for it")

		s.server.Provider.SetPolicy(scopeEdit, oxdtest.Policy{})
		rpt := s.rptFor(t, http.MethodPut, path)
		for _, bad := range []string{"", "[]", `{"title":" "}`, `{"title":"a\u0000b"}`, `{"title":"` + strings.Repeat("x", 81) + `"}`, strings.Repeat(" ", maxForm+1)} {
			answer, _ = s.call(t, http.MethodPut, path, rpt, bad)
			assert.Equal(t, http.StatusBadRequest, answer.StatusCode, "%.40s", bad)
		}
		answer, text := s.call(t, http.MethodPut, path, rpt, `{"title":"Zoë’s <photo>"}`)
		assert.Equal(t, http.StatusOK, answer.StatusCode, text)
		assert.Equal(t, "Zoë’s <photo>", s.app.album.list()[0].Title)
	})
}

// try presses a button of the photos page and returns what the answer says, as text.
func (s *site) try(t *testing.T, browser *oxdtest.Browser, name string) (*http.Response, string) {
	t.Helper()
	answer, text := send(t, browser, s.origin+"/photos", url.Values{"try": {name}})
	assert.NotRegexp(t, inline, text)
	assert.Equal(t, contentPolicy, answer.Header.Get("Content-Security-Policy"))
	for _, call := range s.server.Calls() { // no ticket, RPT or ID token is shown
		var secrets map[string]any
		require.NoError(t, json.Unmarshal(call.Params, &secrets))
		for _, field := range []string{"ticket", "rpt", "claim_token", "pct"} {
			if secret, _ := secrets[field].(string); secret != "" {
				assert.NotContains(t, text, secret, field)
			}
		}
	}
	return answer, html.UnescapeString(text)
}

func TestTheExchangeIsShownStepByStep(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		browser, page := s.as(t, "bob", "/photos")
		assert.NotContains(t, readBody(t, page), "Ask without a token", "nothing happens unasked")
		assert.Zero(t, s.server.CallCount("uma_rp_get_rpt"))

		answer, text := s.try(t, browser, "view")
		assert.Equal(t, http.StatusOK, answer.StatusCode)
		assert.Regexp(t, `(?s)GET /api/photos/1 HTTP/1\.1\nHost: localhost:\d+\n.*`+
			`HTTP/1\.1 401 Unauthorized\n.*WWW-Authenticate: UMA realm="photos", as_uri="`+s.server.Provider.URL+`", ticket="[0-9a-f]{8}…".*`+
			`uma_rp_get_rpt\nticket: [0-9a-f]{8}….*access_token: [0-9a-f]{8}….*`+
			`Authorization: Bearer [0-9a-f]{8}….*HTTP/1\.1 200 OK\n.*"title":"Container ship at dusk".*Access granted\.`, text)
		assert.Equal(t, 1, s.server.CallCount("uma_rp_get_rpt"))

		_, text = s.try(t, browser, "edit")
		assert.Regexp(t, `(?s)PUT /api/photos/1 .*401 Unauthorized.*need_info.*required_claims: role.*claim_token: eyJ[^\n]{5}….*error: internal_error.*no access`, text)
		assert.Equal(t, newAlbum().photos, s.app.album.list(), "bob has not the role")

		alice, page := s.as(t, "alice", "/photos")
		page.Body.Close()
		_, text = s.try(t, alice, "edit")
		assert.Regexp(t, `(?s)need_info.*access_token: .*200 OK.*retouched.*Access granted`, text)
		assert.Equal(t, "Container ship at dusk, retouched", s.app.album.list()[0].Title)

		answer, _ = s.try(t, alice, "delete")
		assert.Equal(t, http.StatusBadRequest, answer.StatusCode)
	})
}

func TestAnotherSiteCannotStartTheExchange(t *testing.T) {
	t.Parallel()
	s := secureSite(t)
	browser, page := s.as(t, "alice", "/photos")
	page.Body.Close()
	before := len(s.server.Calls())
	foreign, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.origin+"/photos", strings.NewReader("try=edit"))
	require.NoError(t, err)
	foreign.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	foreign.Header.Set("Origin", "https://evil.example")
	foreign.Header.Set("Sec-Fetch-Site", "cross-site")
	foreign.Header.Set("Sec-Fetch-Mode", "navigate")
	answer, err := browser.Do(foreign)
	require.NoError(t, err)
	readBody(t, answer)
	assert.Equal(t, http.StatusForbidden, answer.StatusCode)
	assert.Len(t, s.server.Calls(), before, "oxd was not asked")
}

func TestRestrictedPhotosOpenAfterTheRightAnswer(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		browser, question := s.as(t, "zoe", "/photos/restricted?from=link") // signed out at first
		require.True(t, strings.HasPrefix(question.Request.URL.String(), s.server.Provider.URL), question.Request.URL.String())
		answer, err := browser.Submit(question, url.Values{"claim_country": {"NO"}})
		require.NoError(t, err)
		text := readBody(t, answer)
		assert.Equal(t, http.StatusOK, answer.StatusCode)
		assert.Equal(t, s.origin+"/photos/restricted?from=link", answer.Request.URL.String())
		assert.Contains(t, text, "Hull 214 before the naming")
		assert.NotRegexp(t, inline, text)
		assert.Equal(t, contentPolicy, answer.Header.Get("Content-Security-Policy"))
		assert.Equal(t, "no-store", answer.Header.Get("Cache-Control"))

		asked := s.server.CallCount("uma_rp_get_claims_gathering_url")
		status, _ := fetch(t, browser, s.origin+"/photos/restricted")
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, asked, s.server.CallCount("uma_rp_get_claims_gathering_url"), "the question comes once")
		assert.Equal(t, []string{kindSignIn}, s.kinds(), "signing in by this page is noticed as by any other")
	})
}

func TestRestrictedPhotosStayClosed(t *testing.T) {
	t.Parallel()
	overBoth(t, func(t *testing.T, s *site) {
		for _, c := range []struct {
			name   string
			fields url.Values
		}{
			{"after the wrong answer", url.Values{"claim_country": {"XX"}}},
			{"without an answer", url.Values{"decision": {"cancel"}}},
		} {
			browser, question := s.as(t, "bob", "/photos/restricted")
			answer, err := browser.Submit(question, c.fields)
			require.NoError(t, err, c.name)
			text := readBody(t, answer)
			assert.Equal(t, http.StatusForbidden, answer.StatusCode, c.name)
			assert.Equal(t, claimsPath, answer.Request.URL.Path, c.name)
			assert.Contains(t, text, "You do not have access", c.name)
			assert.NotContains(t, text, "Hull 214", c.name)

			again, err := browser.Get(answer.Request.URL.String())
			require.NoError(t, err, c.name)
			readBody(t, again)
			assert.Equal(t, http.StatusBadRequest, again.StatusCode, "%s: a return counts once", c.name)
		}
		status, text := fetch(t, s.server.Browser(), s.origin+claimsPath+"?state=made-up&ticket=made-up")
		assert.Equal(t, http.StatusBadRequest, status)
		assert.NotContains(t, text, "Hull 214")
	})
}

func TestPhotosThatAreNotProtectedYetAnswer503(t *testing.T) {
	t.Parallel()
	s := &site{server: oxdtest.NewServer(), unprotected: true}
	t.Cleanup(s.server.Close)
	s.origin = s.server.ServeApp(func(baseURL string) http.Handler { return s.build(t, baseURL) })
	answer, _ := s.call(t, http.MethodGet, "/api/photos/1", "", "")
	assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	assert.Empty(t, answer.Header.Get("WWW-Authenticate"))

	browser, page := s.as(t, "alice", "/photos")
	assert.Contains(t, readBody(t, page), "not protected yet")
	status, text := fetch(t, browser, s.origin+"/photos/restricted")
	assert.Equal(t, http.StatusServiceUnavailable, status)
	assert.NotContains(t, text, "Hull 214")
	_, text = s.try(t, browser, "view")
	assert.Contains(t, text, "503 Service Unavailable")
	assert.Contains(t, text, "The API gave no ticket")
	assert.NotContains(t, text, "Access granted")

	require.NoError(t, s.app.guard.Protect(t.Context()))
	_, text = s.try(t, browser, "view")
	assert.Contains(t, text, "Access granted")
}
