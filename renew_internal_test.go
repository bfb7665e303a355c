package oxdauth

// Renewing sessions: when, how often, and what an oxd that is slow, away or refuses means for them. Time is simulated.

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
)

func await(t *testing.T, m *Middleware, v *identity, old *tokens) (*identity, *tokens, error) {
	t.Helper()
	current, err := m.refresher.join(t.Context(), v, old, renewal{tokens: true}, false)
	if err != nil {
		return nil, nil, err
	}
	return current.wait(t.Context())
}

func TestARefreshAheadOfExpiryMakesNoRequestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { time.Sleep(3 * time.Second); return refreshed, nil }}
		m := newTestMiddleware(t, f)
		v := newVisitor(t, m, 5*time.Minute)
		straggler, late := v.copy(), v.copy()
		time.Sleep(4*time.Minute - time.Second)
		v.visit()
		assert.Zero(t, f.refreshes.Load())
		time.Sleep(time.Second)
		start := time.Now()
		for range 10 {
			status, token, _ := v.visit()
			assert.Equal(t, 200, status)
			assert.Equal(t, "old", token, "which holds for another minute")
		}
		assert.Zero(t, time.Since(start))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		_, token, cookies := v.visit()
		assert.Equal(t, "new", token)
		assert.Equal(t, 2, cookies)
		v.visit() // its browser has got them

		time.Sleep(20 * time.Second)
		status, token, _ := straggler.visit()
		assert.Equal(t, 200, status)
		assert.Equal(t, "new", token, "a straggler gets the successor")
		assert.EqualValues(t, 1, f.refreshes.Load())
		time.Sleep(refreshGrace)
		late.visit()
		assert.EqualValues(t, 2, f.refreshes.Load(), "after the grace oxd decides")
		require.NoError(t, m.Close())
	})
}

func TestASuccessorWhoseCookiesGotLostIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { return refreshed, nil }}
		m := newTestMiddleware(t, f, WithSessionLifetime(time.Hour, 12*time.Hour))
		v := newVisitor(t, m, 5*time.Minute)
		time.Sleep(4 * time.Minute)
		v.visit() // starts the refresh and goes away
		time.Sleep(3 * time.Minute)
		_, token, _ := v.visit()
		assert.Equal(t, "new", token, "the old refresh token would be a reuse")
		assert.EqualValues(t, 1, f.refreshes.Load())
		require.NoError(t, m.Close())
	})
}

func TestAnOutageKeepsTheSession(t *testing.T) {
	t.Parallel()
	hang := func(ctx context.Context, _ int32) (string, error) { <-ctx.Done(); return "", ctx.Err() }
	fail := func(err error) func(context.Context, int32) (string, error) {
		return func(context.Context, int32) (string, error) { return "", err }
	}
	say := func(text string) func(context.Context, int32) (string, error) {
		return func(context.Context, int32) (string, error) { return text, nil }
	}
	for name, tc := range map[string]struct {
		answer func(context.Context, int32) (string, error)
		ends   bool
		wait   time.Duration // of the first request with an expired access token
	}{
		"nothing comes in time":       {answer: hang, wait: refreshTimeout},
		"a connection that is reset":  {answer: fail(&oxd.TransportError{Err: errors.New("reset")})},
		"an internal error":           {answer: say("error internal_error")},
		"no access token":             {answer: say(`{"access_token":"","expires_in":5}`)},
		"garbage":                     {answer: say(`[]`)},
		"a 500 of the provider":       {answer: say("error http_status_500")},
		"a 429 of the provider":       {answer: say("error http_status_429")},
		"a rejection":                 {answer: say("error invalid_grant"), ends: true},
		"an error nobody knows today": {answer: say("error fresh_error")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeOxd{answer: tc.answer}
				m := newTestMiddleware(t, f)
				want := 200
				if tc.ends {
					want = 401
				}
				valid := newVisitor(t, m, 5*time.Minute)
				time.Sleep(4*time.Minute + time.Second)
				start := time.Now()
				status, token, _ := valid.visit()
				assert.Equal(t, 200, status)
				assert.Equal(t, "old", token)
				assert.Zero(t, time.Since(start), "a valid access token does not wait")
				time.Sleep(refreshTimeout)
				status, _, _ = valid.visit()
				assert.Equal(t, want, status)

				expired := newVisitor(t, m, time.Second)
				time.Sleep(10 * time.Minute)
				calls := f.refreshes.Load()
				start = time.Now()
				for range 100 {
					status, _, _ = expired.visit()
					require.Equal(t, want, status)
				}
				assert.Equal(t, tc.wait, time.Since(start), "waited for once")
				assert.LessOrEqual(t, f.refreshes.Load()-calls, int32(1), "100 requests, one call")
				if tc.ends {
					return
				}
				require.NoError(t, m.Close())
				calls = f.refreshes.Load()
				_, err := m.Refresh(httptest.NewRecorder(), expired.request())
				require.ErrorIs(t, err, oxd.ErrClosed)
				assert.Equal(t, calls, f.refreshes.Load())
			})
		})
	}
}

func TestAFailureIsRememberedForAWhileButNotForWhoAsks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { return "error internal_error", nil }}
		m := newTestMiddleware(t, f)
		v := newVisitor(t, m, 5*time.Minute)
		time.Sleep(10 * time.Minute)
		v.visit()
		v.visit()
		assert.EqualValues(t, 1, f.refreshes.Load())
		_, err := m.Refresh(httptest.NewRecorder(), v.request())
		require.Error(t, err)
		assert.EqualValues(t, 2, f.refreshes.Load())
		f.answer = func(context.Context, int32) (string, error) { return refreshed, nil }
		time.Sleep(refreshBackoff + time.Second)
		_, token, _ := v.visit()
		assert.Equal(t, "new", token, "recovered")
		require.NoError(t, m.Close())
	})
}

func TestV96ADeadOxdIsAskedAFewTimesAndRecoversWithOneProbe(t *testing.T) {
	t.Parallel()
	for name, hang := range map[string]time.Duration{"that refuses connections": 0, "that swallows them": 10 * time.Second} {
		t.Run("an oxd "+name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dead := func(context.Context, int32) (string, error) {
					time.Sleep(hang)
					return "", &oxd.TransportError{Err: errors.New("dead")}
				}
				f := &fakeOxd{answer: dead}
				m := newTestMiddleware(t, f)
				var visitors []*visitor
				for range 1000 {
					visitors = append(visitors, newVisitor(t, m, time.Second))
				}
				time.Sleep(time.Minute)
				for _, v := range visitors {
					go v.visit()
					time.Sleep(10 * time.Millisecond)
					synctest.Wait()
				}
				if hang == 0 {
					assert.LessOrEqual(t, f.refreshes.Load(), int32(breakerFailures+2), "1,000 requests of as many sessions in 10 s")
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				before := f.refreshes.Load()
				for _, v := range visitors[:100] {
					status, _, _ := v.visit()
					require.Equal(t, 200, status)
				}
				assert.LessOrEqual(t, f.refreshes.Load()-before, int32(1))

				f.answer = func(context.Context, int32) (string, error) { return refreshed, nil }
				time.Sleep(refreshBackoff + time.Second)
				for _, v := range visitors {
					_, token, _ := v.visit()
					require.Equal(t, "new", token)
				}
				require.NoError(t, m.Close())
			})
		})
	}
}

func TestAVisitorWhoGoesAwayIsNoOutage(t *testing.T) {
	t.Parallel()
	var b breaker
	for range 2 * breakerFailures {
		assert.True(t, b.allow(time.Now()))
		b.done(time.Now(), &oxd.TransportError{Err: context.Canceled})
	}
	assert.True(t, b.allow(time.Now()))
}

func TestV92ClaimsAreReReadFromUserinfo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		pass := func(d time.Duration) { time.Sleep(d); synctest.Wait() }
		groups := `["staff","admin"]`
		f := &fakeOxd{
			answer: func(context.Context, int32) (string, error) { return refreshed, nil },
			userinfo: func(context.Context, int32) (string, error) {
				time.Sleep(time.Second)
				return `{"claims":{"sub":["alice"],"groups":` + groups + `}}`, nil
			},
		}
		m := newTestMiddleware(t, f, WithClaims("groups"), WithClaimsInterval(10*time.Minute), WithSessionLifetime(time.Hour, 12*time.Hour))
		v := newVisitor(t, m, time.Hour)
		seen := func() []string {
			status, _, _ := v.visit()
			require.Equal(t, 200, status)
			s, err := m.Authenticate(v.request())
			require.NoError(t, err)
			return s.Claims["groups"]
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

		f.userinfo = func(context.Context, int32) (string, error) { return "error internal_error", nil }
		pass(15 * time.Minute)
		calls := f.userinfos.Load()
		for range 10 {
			assert.Equal(t, []string{"staff"}, seen(), "an outage keeps the session and its claims")
		}
		assert.Equal(t, calls+1, f.userinfos.Load())
		assert.Zero(t, f.refreshes.Load())

		pass(27 * time.Minute) // the access token has expired as well
		_, token, _ := v.visit()
		assert.Equal(t, "new", token, "the tokens do not get lost with the claims")
		require.NoError(t, m.Close())
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
				f := &fakeOxd{userinfo: func(context.Context, int32) (string, error) { return `{"claims":{}}`, nil }}
				m := newTestMiddleware(t, f, WithClaimsInterval(10*time.Minute))
				id, tok := m.mint(&oxd.Tokens{
					AccessToken: oxd.NewSecret("a"), IDToken: oxd.NewSecret("i"), ExpiresIn: tc.lifetime, Claims: oxd.Claims{"sub": {"alice"}},
				}, oxd.Claims{"name": {"Alice"}})
				rec := httptest.NewRecorder()
				require.NoError(t, m.save(rec, nil, id, tok, true, true))
				v := &visitor{m: m, jar: map[string]string{}}
				v.keep(rec.Result())
				time.Sleep(10 * time.Minute)
				status, _, _ := v.visit()
				assert.Equal(t, 200, status)
				s, err := m.Authenticate(v.request())
				require.NoError(t, err)
				assert.Equal(t, "Alice", s.Claims.Get("name"))
				assert.Equal(t, tc.calls, f.userinfos.Load())
				require.NoError(t, m.Close())
			})
		})
	}
}

func TestV90AChangedSubjectEndsTheSession(t *testing.T) {
	t.Parallel()
	for name, lifetime := range map[string]time.Duration{"with a valid access token": time.Hour, "together with a refresh": time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeOxd{
					answer:   func(context.Context, int32) (string, error) { return refreshed, nil },
					userinfo: func(context.Context, int32) (string, error) { return `{"claims":{"sub":["mallory"]}}`, nil },
				}
				m := newTestMiddleware(t, f, WithClaimsInterval(10*time.Minute))
				v := newVisitor(t, m, lifetime)
				copied := v.copy()
				time.Sleep(10 * time.Minute)
				status, _, _ := v.visit()
				assert.Equal(t, 401, status)
				assert.Empty(t, v.jar)
				status, _, _ = copied.visit()
				assert.Equal(t, 401, status)
				require.NoError(t, m.Close())
			})
		})
	}
}

func TestAFullListGivesUpTheSuccessorNeededLeast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { return refreshed, nil }}
		m := newTestMiddleware(t, f)
		done := make(chan struct{})
		close(done)
		shard := m.refresher.shard(sessionID{})
		shard.flights = map[flightKey]*flight{}
		for i := range maxFlights {
			there := &flight{done: done}
			there.forget.Store(time.Now().Add(refreshGrace + time.Duration(i)).UnixNano())
			shard.flights[flightKey{generation: uint64(i) + 10}] = there
		}
		_, _, err := await(t, m, &identity{}, &tokens{refresh: "r"})
		require.NoError(t, err)
		assert.Len(t, shard.flights, maxFlights)
		assert.NotContains(t, shard.flights, flightKey{generation: 10})

		for key := range shard.flights {
			shard.flights[key] = &flight{done: make(chan struct{})}
		}
		_, _, err = await(t, m, &identity{generation: 1}, &tokens{refresh: "r"})
		require.ErrorIs(t, err, errFlightsFull, "those under way are not given up")
		clear(shard.flights)
		require.NoError(t, m.Close())
	})
}

func TestAClearRefusalEndsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { return "error invalid_grant", nil }}
		m := newTestMiddleware(t, f)
		v := newVisitor(t, m, 5*time.Minute)
		copied := v.copy()
		time.Sleep(4 * time.Minute)
		status, _, _ := v.visit()
		assert.Equal(t, 200, status, "ahead of time, in the background")
		synctest.Wait()
		status, _, _ = v.visit()
		assert.Equal(t, 401, status)
		assert.Empty(t, v.jar, "its cookies are removed")
		status, _, _ = copied.visit()
		assert.Equal(t, 401, status)
		require.NoError(t, m.Close())
	})
	relayed := &oxd.Error{Code: "http_status_400", Description: `{"error":"invalid_grant","error_description":"x"}`}
	assert.True(t, refreshRejected(relayed), "as oxd 3.1.4 relays it")
	assert.False(t, refreshRejected(&oxd.Error{Code: "http_status_400", Description: `{"error":"slow_down"}`}))
	assert.False(t, refreshRejected(&oxd.Error{Code: "internal_error"}))
	assert.False(t, refreshRejected(nil))
}

func TestALogoutDuringARefreshWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { <-release; return refreshed, nil }}
		m := newTestMiddleware(t, f)
		v := newVisitor(t, m, 5*time.Minute)
		time.Sleep(10 * time.Minute)
		slow := v.copy()
		done := make(chan int)
		go func() { status, _, _ := slow.visit(); done <- status }()
		synctest.Wait()
		identity, _ := m.readIdentity(readJar(v.request(), m.prefix))
		m.revoked.add(identity)
		close(release)
		assert.Equal(t, 401, <-done, "the refresh succeeded, the session had ended")
		status, _, _ := slow.visit()
		assert.Equal(t, 401, status)
		require.NoError(t, m.Close())
	})
}

func TestASlowAnswerThatPutsBackAnOldIdentityCookieEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { return refreshed, nil }}
		m := newTestMiddleware(t, f)
		v := newVisitor(t, m, 5*time.Minute)
		slow := v.copy()
		time.Sleep(5 * time.Minute)
		v.visit()
		v.visit()                                            // the browser has the new cookies
		v.jar["__Host-oxdauth"] = slow.jar["__Host-oxdauth"] // its answer came last
		put := v.copy()
		time.Sleep(3 * time.Minute) // and nobody remembers the refresh any more
		rec := httptest.NewRecorder()
		s, err := m.Refresh(rec, put.request())
		require.NoError(t, err)
		assert.Equal(t, "new", s.AccessToken().Reveal())
		put.keep(rec.Result())
		_, token, _ := put.visit()
		assert.Equal(t, "new", token, "the pair matches again")

		time.Sleep(2 * time.Minute)
		status, token, _ := v.visit()
		assert.Equal(t, 200, status)
		assert.Equal(t, "new", token)
		assert.EqualValues(t, 3, f.refreshes.Load())

		slow.jar["__Host-oxdauth"] = v.jar["__Host-oxdauth"]
		time.Sleep(5 * time.Minute)
		status, _, _ = slow.visit()
		assert.Equal(t, 401, status, "tokens older than the identity are refused")
		require.NoError(t, m.Close())
	})
}

func TestV34RefreshesOfDifferentSessionsAreNeverShared(t *testing.T) {
	t.Parallel()
	f := &fakeOxd{answer: func(_ context.Context, n int32) (string, error) {
		return strings.Replace(refreshed, "new", string(rune('a'+n)), 1), nil
	}}
	m := newTestMiddleware(t, f)
	ids := []sessionID{{'a', 'b', 0, 'c'}, {'a', 0, 'b', 'c'}, {0, 'a', 'b', 'c'}}
	seen := map[string]bool{}
	for _, id := range ids {
		for generation := range uint64(3) {
			v := &identity{id: id, generation: generation, refreshAt: 1}
			_, got, err := await(t, m, v, &tokens{id: id, generation: generation, refresh: "r"})
			require.NoError(t, err)
			seen[got.access] = true
		}
	}
	assert.Len(t, seen, 9)
	require.NoError(t, m.Close())
	_, _, err := await(t, m, &identity{generation: 99}, &tokens{})
	assert.ErrorIs(t, err, oxd.ErrClosed)
}
