package oxdauth_test

// What the parts of a middleware have in common.

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

func TestLoginsAndRefreshesHaveOneBreaker(t *testing.T) {
	t.Parallel()
	f := &fakeOxd{answer: func(context.Context, int32) (string, error) { return "", context.DeadlineExceeded }}
	m := newAuth(t, f)
	v := newVisitor(t, m, f, time.Hour)
	for range 5 {
		require.NoError(t, m.Ready())
		_, err := m.Refresh(httptest.NewRecorder(), v.request())
		require.Error(t, err)
	}
	require.ErrorIs(t, m.Ready(), oxd.ErrUnavailable)
	asked := f.states.Load()
	stranger := &visitor{t: t, m: m, jar: map[string]string{}}
	res, _ := stranger.send(m.Handler(http.NotFoundHandler()), stranger.page("/"))
	assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	assert.Equal(t, asked, f.states.Load(), "no login is begun")
	require.NoError(t, m.Close())
}

// recordingOxd keeps the parameters of refreshes.
type recordingOxd struct {
	*fakeOxd
	mu     sync.Mutex // guards params
	params []string
}

func (f *recordingOxd) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	if req.Command == "get_access_token_by_refresh_token" {
		f.mu.Lock()
		f.params = append(f.params, string(req.Params))
		f.mu.Unlock()
	}
	return f.fakeOxd.RoundTrip(ctx, req)
}

func TestARefreshAsksForTheScopesOfTheLogin(t *testing.T) {
	t.Parallel()
	f := &recordingOxd{fakeOxd: &fakeOxd{answer: always(refreshed)}}
	m := newAuth(t, f, oxdauth.WithScopes("openid", "photos"))
	v := newVisitor(t, m, f.fakeOxd, time.Hour)
	_, err := m.Refresh(httptest.NewRecorder(), v.request())
	require.NoError(t, err)
	require.Len(t, f.params, 1)
	assert.Contains(t, f.params[0], `"scope":["openid","photos"]`)
	require.NoError(t, m.Close())
}

func TestOldCookiesBringTheSuccessorEvenWhenNothingIsDue(t *testing.T) {
	t.Parallel()
	f := &fakeOxd{answer: always(refreshed)}
	m := newAuth(t, f)
	v := newVisitor(t, m, f, time.Hour)
	_, err := m.Refresh(httptest.NewRecorder(), v.request())
	require.NoError(t, err, "the answer gets lost")
	assert.Equal(t, "new", v.session().AccessToken().Reveal())
	status, token, cookies := v.visit()
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "new", token)
	assert.Positive(t, cookies)
	assert.EqualValues(t, 1, f.refreshes.Load())
	require.NoError(t, m.Close())
}

func TestTheIssuerOfLogoutTokensIsKnownBeforeAnyLogin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		opts     []oxdauth.Option
		iss      string
		status   int
		ancestor string
	}{
		"V-107 its issuer":           {[]oxdauth.Option{oxdauth.WithBackChannelLogout(visitIssuer, nil)}, visitIssuer, http.StatusOK, visitIssuer},
		"V-107 another issuer":       {[]oxdauth.Option{oxdauth.WithBackChannelLogout(visitIssuer, nil)}, "https://other.example", http.StatusBadRequest, ""},
		"V-107 where none is stated": {nil, visitIssuer, http.StatusOK, "'none'"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m, rec := newAuth(t, &fakeOxd{}, c.opts...), httptest.NewRecorder()
			q := url.Values{"iss": {c.iss}, "sid": {"sid"}}
			m.FrontChannelLogout().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, m.FrontChannelLogoutPath()+"?"+q.Encode(), nil))
			assert.Equal(t, c.status, rec.Code)
			_, ancestor, _ := strings.Cut(rec.Header().Get("Content-Security-Policy"), "frame-ancestors ")
			assert.Equal(t, c.ancestor, ancestor)
		})
	}
}
