package oxdtest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/oxdauth/oxdtest"
	"example.com/oxdauth/oxdtest/internal/browser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDiscoveryNamesTheEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, body := w.send(http.MethodGet, "/.well-known/openid-configuration", "", nil)
	metadata := objectOf(t, body)
	assert.Equal(t, w.provider.URL, metadata["issuer"])
	assert.Equal(t, []any{"basic", "otp"}, metadata["acr_values_supported"])
	assert.Equal(t, []any{"code"}, metadata["response_types_supported"])
	for _, name := range []string{
		"authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri",
		"registration_endpoint", "end_session_endpoint", "introspection_endpoint",
	} {
		endpoint, _ := metadata[name].(string)
		assert.True(t, strings.HasPrefix(endpoint, w.provider.URL+"/"), name)
	}
}

func TestAProviderThatIsDownLosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := w.tokens()
	w.provider.SetDown(true)
	for _, path := range []string{"/.well-known/openid-configuration", "/oxauth/restv1/jwks", "/oxauth/restv1/authorize", "/nowhere"} {
		status, _ := w.send(http.MethodGet, path, "", nil)
		assert.Equal(t, http.StatusServiceUnavailable, status, path)
	}
	w.provider.SetDown(false)
	assert.True(t, w.active(tokens["access_token"]), "nothing is lost")
}

func TestDenyNextHoldsForOneRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provider.DenyNext("temporarily_unavailable")
	page, err := w.browser().Get(w.authorizeURL(nil))
	require.NoError(t, err)
	got := w.returned(page)
	assert.Equal(t, "temporarily_unavailable", got.Get("error"))
	assert.Equal(t, "state-1", got.Get("state"))
	assert.NotEmpty(t, w.logIn(w.browser(), "alice", "alice-secret", nil).Get("code"), "it holds once")
}

func TestSetACRDeliveredNamesAnotherLevel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provider.SetACRDelivered("basic")
	got := w.logIn(w.browser(), "alice", "alice-secret", url.Values{"acr_values": {"otp"}})
	_, answer := w.redeem(got.Get("code"))
	assert.Equal(t, "basic", claimsOf(t, answer["id_token"])["acr"])
	w.provider.SetACRDelivered("")
	got = w.logIn(w.browser(), "alice", "alice-secret", url.Values{"acr_values": {"otp"}})
	_, answer = w.redeem(got.Get("code"))
	assert.Equal(t, "otp", claimsOf(t, answer["id_token"])["acr"])
}

func TestSetAuthTimeAgeMovesAuthTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stated := func() (time.Time, bool) {
		got := w.logIn(w.browser(), "alice", "alice-secret", nil)
		_, answer := w.redeem(got.Get("code"))
		seconds, ok := claimsOf(t, answer["id_token"])["auth_time"].(float64)
		return time.Unix(int64(seconds), 0), ok
	}
	w.provider.SetAuthTimeAge(time.Hour)
	at, ok := stated()
	require.True(t, ok)
	assert.WithinDuration(t, time.Now().Add(-time.Hour), at, time.Minute)
	w.provider.SetAuthTimeAge(-1)
	_, ok = stated()
	assert.False(t, ok)
	w.provider.SetAuthTimeAge(0)
	at, ok = stated()
	require.True(t, ok)
	assert.WithinDuration(t, time.Now(), at, time.Minute)
}

func TestSetUserClaimChangesTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provider.SetUserClaim("alice", "role", []string{"viewer"})
	w.provider.SetUserClaim("alice", "locale", nil)
	w.provider.SetUserClaim("alice", "sub", "forged")
	claims := claimsOf(t, w.tokens()["id_token"])
	assert.Equal(t, []any{"viewer"}, claims["role"])
	assert.NotContains(t, claims, "locale")
	assert.NotEqual(t, "forged", claims["sub"], "the Provider's own claims cannot be set")
	assert.Panics(t, func() { w.provider.SetUserClaim("nobody", "role", "x") })
}

func TestProviderCopiesItsUsers(t *testing.T) {
	t.Parallel()
	users := oxdtest.DefaultUsers()
	p, _ := oxdtest.ExportProvider("https://op.example.org", users)
	p.SetUserClaim("alice", "role", "changed")
	assert.Equal(t, []string{"admin"}, users[0].Claims["role"])
	assert.Equal(t, []string{"admin"}, oxdtest.DefaultUsers()[0].Claims["role"])
}

func TestSetTokenPaddingMakesTokensBigger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	size := func(answer map[string]any) (n int) {
		for _, name := range []string{"access_token", "refresh_token", "id_token"} {
			text, _ := answer[name].(string)
			n += len(text)
		}
		return n
	}
	plain := size(w.tokens())
	for _, c := range []struct{ asked, want int }{{3000, 3000}, {6144, 6144}, {100_000, 6144}, {-1, 0}} {
		w.provider.SetTokenPadding(c.asked)
		answer := w.tokens()
		assert.InDelta(t, plain+c.want, size(answer), 60)
		assert.True(t, w.active(answer["access_token"]))
	}
}

func TestSetAccessTokenLifetimeHoldsForNewTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provider.SetAccessTokenLifetime(90 * time.Second)
	answer := w.tokens()
	assert.EqualValues(t, 90, answer["expires_in"])
	assert.True(t, w.active(answer["access_token"]))
	w.provider.SetAccessTokenLifetime(-time.Second)
	answer = w.tokens()
	assert.EqualValues(t, 0, answer["expires_in"])
	assert.False(t, w.active(answer["access_token"]))
	status, _ := w.send(http.MethodGet, "/oxauth/restv1/userinfo", answer["access_token"].(string), nil)
	assert.Equal(t, http.StatusUnauthorized, status)
}

func TestProviderBoundsBodies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status, answer := w.token(url.Values{"grant_type": {strings.Repeat("x", 100_000)}})
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "invalid_request", answer["error"])
}

// bubble drives the handler without a network, so that time can be faked.
type bubble struct {
	*world
	cookies []*http.Cookie
}

func newBubble(t *testing.T) *bubble {
	b := &bubble{&world{t: t, app: "https://app.example.org"}, nil}
	b.use(nil)
	return b
}

// use starts over with a new Provider that has these users.
func (b *bubble) use(users []oxdtest.User) {
	p, handler := oxdtest.ExportProvider("https://op.example.org", users)
	b.provider = p
	b.http = &http.Client{
		Transport:     handlerTransport{handler},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	b.client = b.register(nil)
}

type handlerTransport struct{ handler http.Handler }

func (rt handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	rt.handler.ServeHTTP(rec, r)
	resp := rec.Result()
	resp.Request = r
	return resp, nil
}

// code signs alice in, or goes on with her session, and returns the code.
func (b *bubble) code(more url.Values) string {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, b.authorizeURL(more), nil)
	require.NoError(b.t, err)
	for _, c := range b.cookies {
		req.AddCookie(c)
	}
	resp, err := b.http.Do(req)
	require.NoError(b.t, err)
	if resp.StatusCode == http.StatusOK {
		form := browser.FirstForm(b.text(resp))
		require.NotNil(b.t, form)
		filled := form.Submission(url.Values{"username": {"alice"}, "password": {"alice-secret"}})
		resp, err = b.http.PostForm(b.provider.URL+form.Action, filled)
		require.NoError(b.t, err)
		b.cookies = resp.Cookies()
	}
	back, err := resp.Location()
	require.NoError(b.t, err)
	return back.Query().Get("code")
}

func TestWhatTheProviderIssuesExpires(t *testing.T) {
	t.Parallel()
	t.Run("a code lives for 60 seconds", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t)
			fresh, late := b.code(nil), b.code(nil)
			time.Sleep(59 * time.Second)
			status, _ := b.redeem(fresh)
			assert.Equal(t, http.StatusOK, status)
			time.Sleep(time.Second)
			status, answer := b.redeem(late)
			assert.Equal(t, http.StatusBadRequest, status)
			assert.Equal(t, "invalid_grant", answer["error"])
			assert.Zero(t, b.provider.CodeReuses())
		})
	})
	t.Run("an access token lives for 5 minutes and is refreshed after that", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t)
			_, answer := b.redeem(b.code(nil))
			time.Sleep(5*time.Minute - time.Second)
			assert.True(t, b.active(answer["access_token"]))
			time.Sleep(time.Second)
			assert.False(t, b.active(answer["access_token"]))
			status, _ := b.refresh(answer["refresh_token"])
			assert.Equal(t, http.StatusOK, status)
		})
	})
	t.Run("a refresh token lives for 4 hours", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t)
			_, answer := b.redeem(b.code(nil))
			time.Sleep(4 * time.Hour)
			status, _ := b.refresh(answer["refresh_token"])
			assert.Equal(t, http.StatusBadRequest, status)
			assert.Zero(t, b.provider.ReuseDetected())
		})
	})
	t.Run("max_age asks for the password when the sign-in is older", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t)
			b.code(nil)
			old := b.cookies[0].Value
			time.Sleep(61 * time.Second)
			assert.NotEmpty(t, b.code(url.Values{"max_age": {"120"}}))
			assert.Equal(t, old, b.cookies[0].Value)
			assert.NotEmpty(t, b.code(url.Values{"max_age": {"60"}}))
			assert.NotEqual(t, old, b.cookies[0].Value)
		})
	})
	t.Run("a client secret lives for a day", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBubble(t)
			time.Sleep(24 * time.Hour)
			status, answer := b.token(url.Values{"grant_type": {"client_credentials"}})
			assert.Equal(t, http.StatusUnauthorized, status)
			assert.Equal(t, "invalid_client", answer["error"])
		})
	})
}
