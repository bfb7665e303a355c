package renewal_test

// What is asked of oxd, and which of its answers end a session. Time is simulated.

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/renewal"
	"example.com/oxdauth/oxd"
)

func TestClaimsAreReadFromUserinfoAgain(t *testing.T) {
	t.Parallel()
	t.Run("V-92 a withdrawn group is gone after the interval", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
			groups := `["staff","admin"]`
			f := &fakeOxd{
				answer: always(refreshed),
				userinfo: func(context.Context, int32) (string, error) {
					time.Sleep(time.Second)
					return `{"claims":{"sub":["alice"],"groups":` + groups + `}}`, nil
				},
			}
			g := newGroup(t, f, func(c *renewal.Config) { c.Claims, c.ClaimsInterval = []string{"groups"}, 10*time.Minute })
			b := newBrowser(g, time.Hour)
			seen := func() []string {
				_, err := b.visit()
				require.NoError(t, err)
				return b.v.Claims["groups"]
			}
			assert.Empty(t, seen(), "as at the login")
			time.Sleep(8 * time.Minute)
			start := time.Now()
			assert.Empty(t, seen())
			assert.Zero(t, time.Since(start), "ahead of time nobody waits")
			pass(time.Second)
			assert.Equal(t, []string{"staff", "admin"}, seen())
			assert.EqualValues(t, 1, f.userinfos.Load())

			groups = `["staff"]`
			pass(10 * time.Minute)
			start = time.Now()
			assert.Equal(t, []string{"staff"}, seen(), "claims that are too old are waited for")
			assert.Equal(t, time.Second, time.Since(start))

			f.userinfo = always("error internal_error")
			pass(15 * time.Minute)
			calls := f.userinfos.Load()
			for range 10 {
				assert.Equal(t, []string{"staff"}, seen(), "an outage keeps the session and its claims")
			}
			assert.Equal(t, calls+1, f.userinfos.Load())
			assert.Zero(t, f.refreshes.Load())

			pass(27 * time.Minute) // the access token has expired as well
			token, err := b.visit()
			require.NoError(t, err)
			assert.Equal(t, "new", token, "the tokens do not get lost with the claims")
			g.Close()
		})
	})
}

func TestClaimsThatFailedBesideARefreshHoldUpNoOtherRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always(refreshed), userinfo: func(context.Context, int32) (string, error) {
			time.Sleep(time.Second)
			return "error internal_error", nil
		}}
		g := newGroup(t, f, func(c *renewal.Config) { c.ClaimsInterval = 10 * time.Minute })
		b := newBrowser(g, time.Minute)
		time.Sleep(10 * time.Minute)
		_, err := b.visit()
		require.NoError(t, err)
		start := time.Now()
		for range 3 {
			token, err := b.visit()
			require.NoError(t, err)
			assert.Equal(t, "new", token)
		}
		assert.Zero(t, time.Since(start), "they are read again in the background")
		synctest.Wait()
		time.Sleep(renewal.Backoff / 2)
		_, err = b.visit()
		require.NoError(t, err)
		assert.EqualValues(t, 2, f.userinfos.Load())
		assert.EqualValues(t, 1, f.refreshes.Load())
		g.Close()
	})
}

func TestClaimsThatCannotBeReadLeaveTheSessionAsItIs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		lifetime time.Duration // of the access token, without a refresh token
		calls    int32
	}{
		"userinfo that names nobody, as for a token the provider refused": {0, 1},
		"an access token that has expired":                                {time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeOxd{userinfo: always(`{"claims":{}}`)}
				g := newGroup(t, f, func(c *renewal.Config) { c.ClaimsInterval = 10 * time.Minute })
				b := newBrowser(g, tc.lifetime)
				b.v.RefreshAt, b.tokens.Refresh, b.v.Claims = 0, "", oxd.Claims{"name": {"Alice"}}
				time.Sleep(10 * time.Minute)
				_, err := b.visit()
				require.NoError(t, err)
				assert.Equal(t, "Alice", b.v.Claims.Get("name"))
				assert.Equal(t, tc.calls, f.userinfos.Load())
				g.Close()
			})
		})
	}
}

func TestAChangedSubjectEndsTheSession(t *testing.T) {
	t.Parallel()
	for name, lifetime := range map[string]time.Duration{
		"V-90 with a valid access token": time.Hour,
		"V-90 together with a refresh":   time.Minute,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeOxd{answer: always(refreshed), userinfo: always(`{"claims":{"sub":["mallory"]}}`)}
				g := newGroup(t, f, func(c *renewal.Config) { c.ClaimsInterval = 10 * time.Minute })
				b := newBrowser(g, lifetime)
				copied := b.copy()
				time.Sleep(10 * time.Minute)
				for _, b := range []*browser{b, copied} {
					_, err := b.visit()
					require.ErrorIs(t, err, renewal.ErrSubject)
				}
				assert.EqualValues(t, 1, f.userinfos.Load())
				g.Close()
			})
		})
	}
}

func TestAClearRefusalEndsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always("error invalid_grant")}
		g := newGroup(t, f)
		b := newBrowser(g, 5*time.Minute)
		copied := b.copy()
		time.Sleep(4 * time.Minute)
		_, err := b.visit()
		require.NoError(t, err, "ahead of time, in the background")
		synctest.Wait()
		for _, b := range []*browser{b, copied} {
			_, err := b.visit()
			require.True(t, renewal.Rejected(err))
		}
		g.Close()
	})
	relayed := &oxd.Error{Code: "http_status_400", Description: `{"error":"invalid_grant","error_description":"x"}`}
	assert.True(t, renewal.Rejected(relayed), "as oxd 3.1.4 relays it")
	assert.False(t, renewal.Rejected(&oxd.Error{Code: "http_status_400", Description: `{"error":"slow_down"}`}))
	assert.False(t, renewal.Rejected(&oxd.Error{Code: "internal_error"}))
	assert.False(t, renewal.Rejected(nil))
}

func TestADeadOxdIsAskedAFewTimesAndRecoversWithOneProbe(t *testing.T) {
	t.Parallel()
	const breakerFailures = 5
	for name, hang := range map[string]time.Duration{
		"V-96 an oxd that refuses connections": 0,
		"V-96 an oxd that swallows them":       10 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeOxd{answer: func(context.Context, int32) (string, error) {
					time.Sleep(hang)
					return "", &oxd.TransportError{Err: errors.New("dead")}
				}}
				g := newGroup(t, f)
				var browsers []*browser
				for range 1000 {
					browsers = append(browsers, newBrowser(g, time.Second))
				}
				time.Sleep(time.Minute)
				for _, b := range browsers {
					go b.visit()
					time.Sleep(10 * time.Millisecond)
					synctest.Wait()
				}
				if hang == 0 {
					assert.LessOrEqual(t, f.refreshes.Load(), int32(breakerFailures+2), "1,000 requests of as many sessions in 10 s")
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				before := f.refreshes.Load()
				for _, b := range browsers[:100] {
					_, err := b.visit()
					require.NoError(t, err)
				}
				assert.LessOrEqual(t, f.refreshes.Load()-before, int32(1))

				f.answer = always(refreshed)
				time.Sleep(renewal.Backoff + time.Second)
				for _, b := range browsers {
					token, err := b.visit()
					require.NoError(t, err)
					require.Equal(t, "new", token)
				}
				g.Close()
			})
		})
	}
}
