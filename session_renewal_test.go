package oxdauth_test

// Renewing sessions: when, how often, and what an oxd that is slow, away or refuses means for the
// requests of them. What a renewal itself does is tested in internal/renewal.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/internal/renewal"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/oxd"
)

const (
	refreshGrace   = time.Minute      // how long a successor is kept once its cookies have been seen
	refreshBackoff = 10 * time.Second // how long a failure is remembered before oxd is asked again
	oxdFailures    = 5                // without an answer, after which oxd is left alone for a while
)

func TestARefreshAheadOfExpiryMakesNoRequestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { time.Sleep(3 * time.Second); return refreshed, nil }}
		m := newAuth(t, f)
		v := newVisitor(t, m, f, 5*time.Minute)
		straggler, late := v.copy(), v.copy()
		time.Sleep(4*time.Minute - time.Second)
		v.visit()
		assert.Zero(t, f.refreshes.Load())
		time.Sleep(time.Second)
		start := time.Now()
		for range 10 {
			status, token, _ := v.visit()
			assert.Equal(t, http.StatusOK, status)
			assert.Equal(t, "old", token, "which holds for another minute")
		}
		assert.Zero(t, time.Since(start))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		_, token, cookies := v.visit()
		assert.Equal(t, "new", token)
		assert.Equal(t, 2, cookies)
		v.visit() // its browser has them

		time.Sleep(20 * time.Second)
		status, token, _ := straggler.visit()
		assert.Equal(t, http.StatusOK, status)
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
		f := &fakeOxd{answer: always(refreshed)}
		m := newAuth(t, f, oxdauth.WithSessionLifetime(time.Hour, 12*time.Hour))
		v := newVisitor(t, m, f, 5*time.Minute)
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
	reset := func(context.Context, int32) (string, error) {
		return "", &oxd.TransportError{Err: errors.New("reset")}
	}
	for name, tc := range map[string]struct {
		answer func(context.Context, int32) (string, error)
		ends   bool
		wait   time.Duration // of the first request with an expired access token
	}{
		"nothing comes in time":       {answer: hang, wait: renewal.Timeout},
		"a connection that is reset":  {answer: reset},
		"an internal error":           {answer: always("error internal_error")},
		"no access token":             {answer: always(`{"access_token":"","expires_in":5}`)},
		"garbage":                     {answer: always(`[]`)},
		"a 500 of the provider":       {answer: always("error http_status_500")},
		"a 429 of the provider":       {answer: always("error http_status_429")},
		"a rejection":                 {answer: always("error invalid_grant"), ends: true},
		"an error nobody knows today": {answer: always("error fresh_error")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeOxd{answer: tc.answer}
				m := newAuth(t, f)
				want := http.StatusOK
				if tc.ends {
					want = http.StatusUnauthorized
				}
				valid := newVisitor(t, m, f, 5*time.Minute)
				time.Sleep(4*time.Minute + time.Second)
				start := time.Now()
				status, token, _ := valid.visit()
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, "old", token)
				assert.Zero(t, time.Since(start), "a valid access token does not wait")
				time.Sleep(renewal.Timeout)
				status, _, _ = valid.visit()
				assert.Equal(t, want, status)

				expired := newVisitor(t, m, f, time.Second)
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

func TestAFailureIsRememberedForAWhileButNotForARefreshOnDemand(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always("error internal_error")}
		m := newAuth(t, f)
		v := newVisitor(t, m, f, 5*time.Minute)
		time.Sleep(10 * time.Minute)
		v.visit()
		v.visit()
		assert.EqualValues(t, 1, f.refreshes.Load())
		_, err := m.Refresh(httptest.NewRecorder(), v.request())
		require.Error(t, err)
		assert.EqualValues(t, 2, f.refreshes.Load())
		f.answer = always(refreshed)
		time.Sleep(refreshBackoff + time.Second)
		_, token, _ := v.visit()
		assert.Equal(t, "new", token, "recovered")
		require.NoError(t, m.Close())
	})
}

func TestADeadOxdIsAskedAFewTimesAndRecoversWithOneProbe(t *testing.T) {
	t.Parallel()
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
				m := newAuth(t, f)
				var visitors []*visitor
				for range 1000 {
					visitors = append(visitors, newVisitor(t, m, f, time.Second))
				}
				time.Sleep(time.Minute)
				for _, v := range visitors {
					go v.visit()
					time.Sleep(10 * time.Millisecond)
					synctest.Wait()
				}
				if hang == 0 {
					assert.LessOrEqual(t, f.refreshes.Load(), int32(oxdFailures+2), "1,000 requests of as many sessions in 10 s")
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				before := f.refreshes.Load()
				for _, v := range visitors[:100] {
					status, _, _ := v.visit()
					require.Equal(t, http.StatusOK, status)
				}
				assert.LessOrEqual(t, f.refreshes.Load()-before, int32(1))

				f.answer = always(refreshed)
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

func TestClaimsAreReadFromUserinfoAgain(t *testing.T) {
	t.Parallel()
	t.Run("V-92", func(t *testing.T) {
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
			m := newAuth(t, f, oxdauth.WithClaims("groups"), oxdauth.WithClaimsInterval(10*time.Minute), oxdauth.WithSessionLifetime(time.Hour, 12*time.Hour))
			v := newVisitorOf(t, m, f, visitLogin{lifetime: time.Hour, claims: map[string][]string{"groups": {}}})
			seen := func() []string {
				status, _, _ := v.visit()
				require.Equal(t, http.StatusOK, status)
				return v.session().Claims["groups"]
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
			_, token, _ := v.visit()
			assert.Equal(t, "new", token, "the tokens do not get lost with the claims")
			require.NoError(t, m.Close())
		})
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
				m := newAuth(t, f, oxdauth.WithClaims("name"), oxdauth.WithClaimsInterval(10*time.Minute))
				v := newVisitorOf(t, m, f, visitLogin{tc.lifetime, true, map[string][]string{"name": {"Alice"}}})
				time.Sleep(10 * time.Minute)
				status, _, _ := v.visit()
				assert.Equal(t, http.StatusOK, status)
				assert.Equal(t, "Alice", v.session().Claims.Get("name"))
				assert.Equal(t, tc.calls, f.userinfos.Load())
				require.NoError(t, m.Close())
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
				f := &fakeOxd{answer: always(refreshed)}
				var ends []oxdauth.EndReason
				m := newAuth(t, f, oxdauth.WithClaimsInterval(10*time.Minute), withEnds(&ends))
				v := newVisitor(t, m, f, lifetime)
				f.userinfo = always(`{"claims":{"sub":["mallory"]}}`)
				copied := v.copy()
				time.Sleep(10 * time.Minute)
				status, _, _ := v.visit()
				assert.Equal(t, http.StatusUnauthorized, status)
				assert.Empty(t, v.jar)
				assert.Equal(t, http.StatusUnauthorized, copied.status())
				assert.Equal(t, []oxdauth.EndReason{oxdauth.EndedBySubject}, ends)
				require.NoError(t, m.Close())
			})
		})
	}
}

func TestAClearRefusalEndsTheSession(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always("error invalid_grant")}
		m := newAuth(t, f)
		v := newVisitor(t, m, f, 5*time.Minute)
		copied := v.copy()
		time.Sleep(4 * time.Minute)
		status, _, _ := v.visit()
		assert.Equal(t, http.StatusOK, status, "ahead of time, in the background")
		synctest.Wait()
		status, _, _ = v.visit()
		assert.Equal(t, http.StatusUnauthorized, status)
		assert.Empty(t, v.jar, "its cookies are removed")
		assert.Equal(t, http.StatusUnauthorized, copied.status())
		require.NoError(t, m.Close())
	})
}

func TestALogoutDuringARefreshWins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { <-release; return refreshed, nil }}
		m := newAuth(t, f)
		v := newVisitor(t, m, f, 5*time.Minute)
		time.Sleep(10 * time.Minute)
		slow := v.copy()
		done := make(chan int)
		go func() { status, _, _ := slow.visit(); done <- status }()
		synctest.Wait()
		v.signOut()
		close(release)
		assert.Equal(t, http.StatusUnauthorized, <-done, "the refresh succeeded, the session had ended")
		assert.EqualValues(t, 1, f.refreshes.Load())
		assert.Equal(t, http.StatusUnauthorized, slow.status())
		require.NoError(t, m.Close())
	})
}

func TestASlowAnswerThatPutsBackAnOldIdentityCookieEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always(refreshed)}
		m := newAuth(t, f)
		v := newVisitor(t, m, f, 5*time.Minute)
		slow := v.copy()
		time.Sleep(5 * time.Minute)
		v.visit()
		v.visit()                                            // the browser has the new cookies
		v.jar["__Host-oxdauth"] = slow.jar["__Host-oxdauth"] // its answer came last
		put := v.copy()
		time.Sleep(3 * time.Minute) // and the refresh is not remembered any more
		rec := httptest.NewRecorder()
		s, err := m.Refresh(rec, put.request())
		require.NoError(t, err)
		assert.Equal(t, "new", s.AccessToken().Reveal())
		put.keep(rec)
		_, token, _ := put.visit()
		assert.Equal(t, "new", token, "the pair matches again")

		time.Sleep(2 * time.Minute)
		status, token, _ := v.visit()
		assert.Equal(t, http.StatusOK, status)
		assert.Equal(t, "new", token)
		assert.EqualValues(t, 3, f.refreshes.Load())

		slow.jar["__Host-oxdauth"] = v.jar["__Host-oxdauth"]
		time.Sleep(5 * time.Minute)
		assert.Equal(t, http.StatusUnauthorized, slow.status(), "tokens older than the identity are refused")
		require.NoError(t, m.Close())
	})
}

func TestRefreshesOfDifferentSessionsAreNeverShared(t *testing.T) {
	t.Parallel()
	t.Run("V-34", func(t *testing.T) {
		t.Parallel()
		f := &fakeOxd{answer: func(_ context.Context, n int32) (string, error) {
			return strings.Replace(refreshed, "new", string(rune('a'+n)), 1), nil
		}}
		key := sealed.RandomKey()
		m := newAuth(t, f, oxdauth.WithKeys(key))
		identities, tokens := newCookie(t, "", "identity", key), newCookie(t, "-tokens", "tokens", key)
		request := func(id session.ID, generation uint64) *http.Request {
			now := time.Now()
			identity, err := identities.SealOne(&session.Identity{
				ID: id, Generation: generation, Subject: "alice", Issuer: visitIssuer, RefreshAt: 1,
				Created: now.Unix(), IdleExpires: now.Add(time.Hour).Unix(), Expires: now.Add(time.Hour).Unix(),
			})
			require.NoError(t, err)
			refresh, err := tokens.SealOne(&session.Tokens{ID: id, Generation: generation, Refresh: "r"})
			require.NoError(t, err)
			v := &visitor{t: t, m: m, jar: map[string]string{identities.Name(): identity, tokens.Name(): refresh}}
			return v.request()
		}
		seen := map[string]bool{}
		for _, id := range []session.ID{{'a', 'b', 0, 'c'}, {'a', 0, 'b', 'c'}, {0, 'a', 'b', 'c'}} {
			for generation := range uint64(3) {
				s, err := m.Refresh(httptest.NewRecorder(), request(id, generation))
				require.NoError(t, err)
				seen[s.AccessToken().Reveal()] = true
			}
		}
		assert.Len(t, seen, 9)
		require.NoError(t, m.Close())
		_, err := m.Refresh(httptest.NewRecorder(), request(session.ID{}, 99))
		assert.ErrorIs(t, err, oxd.ErrClosed)
	})
}

// rotation is a provider that takes a refresh token once; one that comes again ends everything, as
// RFC 9700 section 4.14.2 advises.
type rotation struct {
	fakeOxd
	mu      sync.Mutex // guards the rest
	current string
	n       int
	reused  bool
}

func (p *rotation) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	if req.Command != "get_access_token_by_refresh_token" {
		return p.fakeOxd.RoundTrip(ctx, req)
	}
	var params struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(req.Params, &params); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reused = p.reused || params.RefreshToken != p.current
	if p.reused {
		return &oxd.Response{Status: "error", Data: json.RawMessage(`{"error":"invalid_grant","error_description":"reuse"}`)}, nil
	}
	p.n++
	p.current = fmt.Sprintf("refresh-%d", p.n)
	data := fmt.Sprintf(`{"access_token":"access-%d","refresh_token":%q,"expires_in":300}`, p.n, p.current)
	return &oxd.Response{Status: "ok", Data: json.RawMessage(data)}, nil
}

func TestAThousandRoundsOfAHundredRequestsMakeAThousandRefreshes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rounds, requests = 1000, 100
		p := &rotation{current: "first"}
		m := newAuth(t, p, oxdauth.WithSessionLifetime(time.Hour, 30*24*time.Hour))
		v := newVisitor(t, m, &p.fakeOxd, time.Second)
		handler := m.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		for round := range rounds {
			time.Sleep(5 * time.Minute) // the access token has expired
			// What a page with a hundred parts does: all of them with the cookies from before.
			answers := make([]*httptest.ResponseRecorder, requests)
			var wg sync.WaitGroup
			for i := range answers {
				r := v.request()
				wg.Go(func() {
					answers[i] = httptest.NewRecorder()
					handler.ServeHTTP(answers[i], r)
				})
			}
			wg.Wait()
			for _, rec := range answers {
				require.Equal(t, http.StatusOK, rec.Code, "round %d", round)
			}
			v.keep(answers[round%requests])
		}
		assert.False(t, p.reused)
		assert.Equal(t, rounds, p.n)
		require.NoError(t, m.Close())
	})
}
