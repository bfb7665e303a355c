package oxdauth_test

// Limits in time that something which is under way runs into.

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/internal/pending"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/oxd"
)

func TestASessionThatReachesALimitDuringARefreshHasEnded(t *testing.T) {
	t.Parallel()
	visit := func(m *oxdauth.Middleware, w http.ResponseWriter, r *http.Request) error {
		err := oxdauth.ErrNoSession
		m.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { err = nil })).ServeHTTP(w, r)
		return err
	}
	refresh := func(m *oxdauth.Middleware, w http.ResponseWriter, r *http.Request) error {
		_, err := m.Refresh(w, r)
		return err
	}
	for name, c := range map[string]struct {
		absolute time.Duration
		request  func(*oxdauth.Middleware, http.ResponseWriter, *http.Request) error
		takes    time.Duration
		want     error
	}{
		"a request before the idle limit":  {time.Hour, visit, time.Second - 1, nil},
		"a request at the idle limit":      {time.Hour, visit, time.Second, oxdauth.ErrNoSession},
		"a request at the absolute limit":  {10 * time.Minute, visit, time.Second, oxdauth.ErrNoSession},
		"on demand, before the idle limit": {time.Hour, refresh, time.Second - 1, nil},
		"on demand, at the idle limit":     {time.Hour, refresh, time.Second, oxdauth.ErrNoSession},
		"on demand, at the absolute limit": {10 * time.Minute, refresh, time.Second, oxdauth.ErrNoSession},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeOxd{answer: func(context.Context, int32) (string, error) { time.Sleep(c.takes); return refreshed, nil }}
				m := newAuth(t, f, oxdauth.WithSessionLifetime(10*time.Minute, c.absolute))
				v := newVisitor(t, m, f, 5*time.Minute)
				time.Sleep(10*time.Minute - time.Second)
				rec := httptest.NewRecorder()
				assert.ErrorIs(t, c.request(m, rec, v.request()), c.want)
				assert.EqualValues(t, 1, f.refreshes.Load())
				assert.Equal(t, c.want == nil, len(rec.Result().Cookies()) > 0, "cookies of the new tokens")
				require.NoError(t, m.Close())
			})
		})
	}
}

// The cookie was sealed later than the gathering began: the time inside counts.
func TestAClaimsGatheringMayTakeTenMinutes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		took      time.Duration
		status    int
		exchanges int32
	}{
		"ten minutes":           {10 * time.Minute, http.StatusSeeOther, 1},
		"4.11-13 a second more": {10*time.Minute + time.Second, http.StatusBadRequest, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var exchanges atomic.Int32
				f, key := &fakeOxd{}, sealed.RandomKey()
				f.other = func(req *oxd.Request) (string, error) {
					if req.Command == "uma_rp_get_rpt" {
						exchanges.Add(1)
					}
					return `{"access_token":"rpt","token_type":"Bearer"}`, nil
				}
				m := newAuth(t, f, oxdauth.WithKeys(key))
				client, err := oxd.NewClient(f, siteOf("site", "https://app.example/auth/callback"))
				require.NoError(t, err)
				g, err := oxdauth.NewGuard(client, "photos", oxdauth.WithSessions(m, "/auth/claims"))
				require.NoError(t, err)
				v := newVisitor(t, m, f, time.Hour)
				var signedIn session.Identity
				identity := newCookie(t, "", "identity", key)
				_, err = identity.Open(nil, v.jar[identity.Name()], &signedIn)
				require.NoError(t, err)
				book, rec := pending.NewGatherings(newCookie(t, "-claims-", "claims", key)), httptest.NewRecorder()
				require.NoError(t, book.Remember(rec, nil, &pending.Gathering{
					Created: time.Now().Add(-c.took).Unix(), Session: signedIn.ID, State: book.Digest("state"), ReturnTo: "/photos/1",
				}))
				v.keep(rec)
				require.Len(t, v.jar, 3)
				res, _ := v.send(g.ClaimsCallback(), v.page("/auth/claims?state=state&ticket=new"))
				assert.Equal(t, c.status, res.StatusCode)
				assert.Equal(t, c.exchanges, exchanges.Load())
				for name := range v.jar {
					assert.NotContains(t, name, "-claims-", "it is over, whatever came of it")
				}
				require.NoError(t, m.Close())
			})
		})
	}
}

// A browser may keep a cookie longer than it was told to.
func TestALoginIsRememberedForAnHour(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		after  time.Duration
		status int
		asked  int32 // authorization URLs
	}{
		"V-32 after an hour it starts again":  {time.Hour, http.StatusFound, 2},
		"V-32 a second later it is not known": {time.Hour + time.Second, http.StatusBadRequest, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeOxd{}
				m := newAuth(t, f)
				v := (&visitor{t: t, m: m, jar: map[string]string{}}).leave("/page")
				time.Sleep(c.after)
				res, body := v.send(m.Callback(), v.page("/auth/callback?code=code&state="+v.state))
				assert.Equal(t, c.status, res.StatusCode, body)
				assert.Equal(t, c.asked, f.states.Load())
				assert.Zero(t, f.exchanges.Load())
				require.NoError(t, m.Close())
			})
		})
	}
}
