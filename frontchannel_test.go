package oxdauth_test

// Front-channel logout, with a provider that has frames on its logout page.

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

func withFrontChannel(site *oxd.Site) {
	site.Params.FrontchannelLogoutURIs = []string{strings.Replace(site.Params.AuthorizationRedirectURI, "callback", "frontchannel-logout", 1)}
}

// sessions is an application that shows the session of a browser to the test.
func sessions() (handler func(*app) http.Handler, of func(a *app, b *oxdtest.Browser) *oxdauth.Session) {
	got := make(chan *oxdauth.Session, 1)
	handler = func(a *app) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/session" {
				s, _ := oxdauth.SessionFromContext(r.Context())
				_ = s.IDToken() // opened while the request is there
				got <- s
				return
			}
			a.whoami().ServeHTTP(w, r)
		})
	}
	return handler, func(a *app, b *oxdtest.Browser) *oxdauth.Session {
		a.get(b, "/session")
		return <-got
	}
}

// endSession sends a browser to the provider's logout, as another application would.
func (a *app) endSession(b *oxdtest.Browser, s *oxdauth.Session) *http.Response {
	a.t.Helper()
	page, err := b.Get(a.srv.Provider.URL + "/oxauth/restv1/end_session?" + url.Values{"id_token_hint": {s.IDToken().Reveal()}}.Encode())
	require.NoError(a.t, err)
	require.Equal(a.t, http.StatusOK, page.StatusCode)
	return page
}

// status is the answer to a page load with these cookies and no others.
func (a *app) status(cookies string) int {
	a.t.Helper()
	res, _ := a.once(nil, a.navigation("/", "Cookie", cookies))
	return res.StatusCode
}

func TestAFrontChannelLogoutEndsTheSessionOfItsProviderSession(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			handler, of := sessions()
			a := newApp(t, setup{transport: transport, site: withFrontChannel, handler: handler})
			one, two := a.signedIn(user, password), a.signedIn(user, password)
			copied := a.sessionCookie(one)
			page := a.endSession(one, of(a, one))
			assert.Equal(t, http.StatusOK, a.status(copied), "the frames are not loaded yet")
			frames, err := one.LoadFrames(page)
			require.NoError(t, err)
			require.Len(t, frames, 1)
			readBody(t, frames[0])
			assert.Equal(t, http.StatusOK, frames[0].StatusCode)
			assert.Empty(t, frames[0].Request.Cookies())
			assert.Contains(t, frames[0].Header.Get("Content-Security-Policy"), "frame-ancestors "+a.srv.Provider.URL)
			assert.Empty(t, frames[0].Header.Get("X-Frame-Options"))
			assert.Equal(t, "no-store", frames[0].Header.Get("Cache-Control"))

			assert.Equal(t, http.StatusFound, a.status(a.sessionCookie(one)))
			assert.Equal(t, http.StatusFound, a.status(copied))
			assert.Equal(t, http.StatusOK, a.status(a.sessionCookie(two)), "the other browser has a provider session of its own")
		})
	}
}

func TestV107AFrontChannelLogoutNeedsTheIssuerAndSIDOfTheSession(t *testing.T) {
	t.Parallel()
	handler, of := sessions()
	a := newApp(t, setup{handler: handler})
	b := a.signedIn(user, password)
	s := of(a, b)
	require.NotEmpty(t, s.SID)
	good := url.Values{"iss": {s.Issuer}, "sid": {s.SID}}
	for _, c := range []struct {
		name, method string
		change       url.Values
		want         int
	}{
		{"another sid", "GET", url.Values{"sid": {s.SID + "x"}}, http.StatusOK},
		{"no sid", "GET", url.Values{"sid": nil}, http.StatusBadRequest},
		{"an empty sid", "GET", url.Values{"sid": {""}}, http.StatusBadRequest},
		{"two sids", "GET", url.Values{"sid": {s.SID, "x"}}, http.StatusBadRequest},
		{"no issuer", "GET", url.Values{"iss": nil}, http.StatusBadRequest},
		{"another issuer", "GET", url.Values{"iss": {"https://evil.example"}}, http.StatusBadRequest},
		{"the issuer with a slash", "GET", url.Values{"iss": {s.Issuer + "/"}}, http.StatusBadRequest},
		{"a POST", "POST", nil, http.StatusMethodNotAllowed},
		{"a HEAD", "HEAD", nil, http.StatusMethodNotAllowed},
		{"an endless query", "GET", url.Values{"x": {strings.Repeat("x", 10_000)}}, http.StatusBadRequest},
	} {
		q := url.Values{}
		for _, values := range []url.Values{good, c.change} {
			for name, value := range values {
				q[name] = value
			}
		}
		res, _ := a.once(b, a.request(c.method, a.auth.FrontChannelLogoutPath()+"?"+q.Encode(), "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Dest", "iframe"))
		assert.Equal(t, c.want, res.StatusCode, c.name)
		assert.Empty(t, res.Cookies(), c.name)
		assert.Equal(t, http.StatusOK, a.status(a.sessionCookie(b)), c.name)
	}
	res, _ := a.once(b, a.request("GET", a.auth.FrontChannelLogoutPath()+"?"+good.Encode()))
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Empty(t, a.sessionCookie(b), "cookies that came are removed")
}

func TestTheFrontChannelPathCanBeMountedElsewhere(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/gone", m.FrontChannelLogout())
		return mux
	}})
	assert.Equal(t, "/auth/frontchannel-logout", a.auth.FrontChannelLogoutPath())
	res, _ := a.once(nil, a.request("GET", "/gone?iss=x&sid=y"))
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Contains(t, res.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'", "the issuer is not known yet")
}
