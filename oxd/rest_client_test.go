package oxd_test

// A Client over RESTTransport: registration and tokens as oxd 4 sees them.

import (
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// oxd4 is a scripted oxd 4: it notes what arrives and answers by path.
type oxd4 struct {
	mu      sync.Mutex
	calls   []seen
	answers map[string]http.HandlerFunc
}

func newOxd4(t testing.TB) (*oxd4, *oxd.RESTTransport) {
	f := &oxd4{answers: map[string]http.HandlerFunc{}}
	f.answer("/register-site", 200, `{"oxd_id":"site-4","op_host":"https://idp.example.org","client_id":"cid","client_name":"n",
		"client_secret":"csec","client_registration_access_token":"rat","client_registration_client_uri":"https://idp.example.org/r",
		"client_id_issued_at":1501854943,"client_secret_expires_at":0,"initiate_login_uri ":null}`)
	f.answer("/get-client-token", 200, `{"scope":["openid","oxd"],"access_token":"t1","expires_in":299,"refresh_token":null}`)
	f.answer("/get-authorization-url", 200, `{"authorization_url":"https://idp.example.org/authorize?state=s&nonce=n"}`)
	return f, newREST(t, f.serve)
}

func (f *oxd4) serve(w http.ResponseWriter, r *http.Request) {
	call := newSeen(r)
	f.mu.Lock()
	f.calls = append(f.calls, call)
	h := f.answers[call.path]
	f.mu.Unlock()
	if h == nil {
		h = respond(404, `{"code":404,"message":"HTTP 404 Not Found"}`)
	}
	h(w, r)
}

func (f *oxd4) answer(path string, status int, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[path] = respond(status, body)
}

// inTurn returns one answer after the other.
func (f *oxd4) inTurn(path string, handlers ...http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[path] = func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		h := handlers[0]
		handlers = handlers[1:]
		f.mu.Unlock()
		h(w, r)
	}
}

func (f *oxd4) log() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var lines []string
	for _, c := range f.calls {
		lines = append(lines, strings.TrimSpace(c.path+" "+strings.TrimPrefix(c.authorization, "Bearer ")))
	}
	return lines
}

func (f *oxd4) last() seen {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[len(f.calls)-1]
}

func protectedSite() oxd.Site { return oxd.Site{Params: siteParams(), Protected: true} }

func TestRESTProtectedSiteNeedsNoSetUpClient(t *testing.T) {
	t.Parallel()
	f, tr := newOxd4(t)
	c := newClient(t, tr, protectedSite())
	_, err := authorize(t, c)
	require.NoError(t, err)
	assert.Equal(t, []string{"/register-site", "/get-client-token", "/get-authorization-url t1"}, f.log())
	assert.JSONEq(t, `{"op_host":"https://idp.example.org","redirect_uris":["https://app.example.org/cb"],
		"post_logout_redirect_uris":["https://app.example.org/"],
		"grant_types":["authorization_code","refresh_token","client_credentials"],
		"scope":["openid","profile","email","uma_protection","oxd"]}`, f.calls[0].body)
	assert.JSONEq(t, `{"op_host":"https://idp.example.org","client_id":"cid","client_secret":"csec","scope":["openid","oxd"]}`, f.calls[1].body)
	assert.JSONEq(t, `{"oxd_id":"site-4"}`, f.calls[2].body)

	reg, err := c.Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "cid", reg.ClientID)
	assert.Equal(t, "csec", reg.ClientSecret.Reveal())
	assert.True(t, reg.ClientSecretExpiresAt.IsZero())

	f.answer("/update-site", 200, `{"oxd_id":"site-4"}`)
	require.NoError(t, c.UpdateSite(t.Context(), oxd.UpdateSiteParams{
		Scope: []string{"openid"}, PostLogoutRedirectURI: "https://app.example.org/bye", FrontchannelLogoutURIs: []string{"f"},
	}))
	assert.Equal(t, "/update-site", f.last().path)
	assert.JSONEq(t, `{"oxd_id":"site-4","redirect_uris":["https://app.example.org/cb"],"post_logout_redirect_uris":["https://app.example.org/bye"],
		"grant_types":["authorization_code","refresh_token","client_credentials"],"scope":["openid","oxd"],
		"client_frontchannel_logout_uris":["f"]}`, f.last().body)

	s, err := c.SetupClient(t.Context(), siteParams())
	require.NoError(t, err)
	assert.Equal(t, "csec", s.ClientSecret.Reveal())
	assert.Contains(t, f.last().body, `"oxd"`)
}

func TestRESTUnprotectedSiteSendsNoToken(t *testing.T) {
	t.Parallel()
	f, tr := newOxd4(t)
	_, err := authorize(t, newClient(t, tr, oxd.Site{Params: siteParams()}))
	require.NoError(t, err)
	assert.Equal(t, []string{"/register-site", "/get-authorization-url"}, f.log())
	assert.NotContains(t, f.calls[0].body, `"oxd"`)
}

func TestRESTRefusedTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	f, tr := newOxd4(t)
	f.inTurn("/get-client-token", respond(200, `{"access_token":"t1","expires_in":299}`), respond(200, `{"access_token":"t2","expires_in":299}`))
	f.inTurn("/get-tokens-by-code", respond(403, inactiveToken), respond(200, `{"access_token":"a","expires_in":-1,
		"id_token_claims":{"sub":"u","exp":1501860330,"aud":["c","d"],"email_verified":true,"name":null}}`))
	c := newClient(t, tr, oxd.Site{OxdID: "x", Protected: true, Credentials: credentials()})
	tokens, err := c.TokensByCode(t.Context(), "c", "s")
	require.NoError(t, err)
	assert.Equal(t, []string{"/get-client-token", "/get-tokens-by-code t1", "/get-client-token", "/get-tokens-by-code t2"}, f.log())
	assert.Contains(t, f.calls[0].body, `"scope":["openid","oxd"]`)
	assert.Equal(t, oxd.Claims{"sub": {"u"}, "exp": {"1501860330"}, "aud": {"c", "d"}, "email_verified": {"true"}}, tokens.Claims)
	assert.Negative(t, tokens.ExpiresIn)

	f.inTurn("/get-user-info", respond(403, `{"error":"access_token_insufficient_scope"}`))
	_, err = c.UserInfo(t.Context(), secret("a"))
	require.ErrorIs(t, err, oxd.CodeAccessTokenInsufficientScope, "another token would have no more of them")
}

func TestRESTSiteIsRegisteredAnewOnlyIfOxdSaysThatItIsLost(t *testing.T) {
	t.Parallel()
	f, tr := newOxd4(t)
	c := newClient(t, tr, oxd.Site{Params: siteParams()})
	_, err := authorize(t, c)
	require.NoError(t, err)
	f.inTurn("/get-authorization-url", respond(500, `{"error":"internal_error","error_description":"Unknown internal server error occurs."}`),
		respond(400, unknownSite), respond(200, `{"authorization_url":"https://idp.example.org/authorize?state=s"}`))
	_, err = authorize(t, c)
	require.ErrorIs(t, err, oxd.CodeInternalError)
	assert.Equal(t, []string{"/register-site", "/get-authorization-url", "/get-authorization-url"}, f.log(), "no guessing")
	_, err = authorize(t, c)
	require.NoError(t, err)
	assert.Equal(t, []string{"/get-authorization-url", "/register-site", "/get-authorization-url"}, f.log()[3:])
}

func TestRESTRegistrationOfAnotherVersionIsNotUsedForTokens(t *testing.T) {
	t.Parallel()
	site := protectedSite()
	site.File = filepath.Join(t.TempDir(), "site.json")
	g := &guarded{lifetime: "299"}
	_, err := newClient(t, g, site).UserInfo(t.Context(), secret("a"))
	require.NoError(t, err)

	f, tr := newOxd4(t)
	c := newClient(t, tr, site)
	_, err = authorize(t, c)
	require.NoError(t, err)
	assert.Equal(t, "/register-site", f.log()[0])
	reg, err := c.Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "o", reg.Replaced)
	_, err = authorize(t, newClient(t, tr, site))
	require.NoError(t, err)
	assert.Len(t, f.log(), 5, "the new one is kept")

	f.answer("/get-authorization-url", 500, `{"error":"internal_error","error_description":"Unknown internal server error occurs."}`)
	kept, err := newClient(t, tr, site).Register(t.Context())
	require.NoError(t, err, "a fault of the provider is none of the site")
	assert.Equal(t, "site-4", kept.OxdID)
	assert.Equal(t, []string{"/get-client-token", "/get-authorization-url t1"}, f.log()[5:])
}
