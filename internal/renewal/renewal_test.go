package renewal_test

// When a session is renewed, how often, and what an oxd that is slow, away or refuses means for it.
// Time is simulated.

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/expiring"
	"example.com/oxdauth/internal/renewal"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/oxd"
)

func TestARefreshAheadOfExpiryMakesNoRequestWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { time.Sleep(3 * time.Second); return refreshed, nil }}
		g := newGroup(t, f)
		b := newBrowser(g, 5*time.Minute)
		straggler, late := b.copy(), b.copy()
		time.Sleep(4*time.Minute - time.Second)
		_, err := b.visit()
		require.NoError(t, err)
		assert.Zero(t, f.refreshes.Load())
		time.Sleep(time.Second)
		start := time.Now()
		for range 10 {
			token, err := b.visit()
			require.NoError(t, err)
			assert.Equal(t, "old", token, "which holds for another minute")
		}
		assert.Zero(t, time.Since(start))
		time.Sleep(3 * time.Second)
		synctest.Wait()
		token, renewed, err := b.visitFor(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "new", token)
		assert.True(t, renewed, "it gets new cookies")
		_, renewed, err = b.visitFor(t.Context())
		require.NoError(t, err)
		assert.False(t, renewed, "which it has now")

		time.Sleep(20 * time.Second)
		token, err = straggler.visit()
		require.NoError(t, err)
		assert.Equal(t, "new", token, "a straggler gets the successor")
		assert.EqualValues(t, 1, f.refreshes.Load())
		time.Sleep(renewal.Grace)
		_, err = late.visit()
		require.NoError(t, err)
		synctest.Wait()
		assert.EqualValues(t, 2, f.refreshes.Load(), "after the grace oxd decides")
		g.Close()
	})
}

func TestASuccessorWhoseCookiesGotLostIsKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always(refreshed)}
		g := newGroup(t, f)
		b := newBrowser(g, 5*time.Minute)
		time.Sleep(4 * time.Minute)
		_, err := b.visit() // starts the refresh and goes away
		require.NoError(t, err)
		time.Sleep(3 * time.Minute)
		token, err := b.visit()
		require.NoError(t, err)
		assert.Equal(t, "new", token, "the old refresh token would be a reuse")
		assert.EqualValues(t, 1, f.refreshes.Load())
		g.Close()
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
				g := newGroup(t, f)
				requireOutcome := func(err error) {
					t.Helper()
					require.Equal(t, tc.ends, err != nil)
					require.Equal(t, tc.ends, renewal.Rejected(err))
				}
				valid := newBrowser(g, 5*time.Minute)
				time.Sleep(4*time.Minute + time.Second)
				start := time.Now()
				token, err := valid.visit()
				require.NoError(t, err)
				assert.Equal(t, "old", token)
				assert.Zero(t, time.Since(start), "a valid access token does not wait")
				time.Sleep(renewal.Timeout)
				_, err = valid.visit()
				requireOutcome(err)

				expired := newBrowser(g, time.Second)
				time.Sleep(10 * time.Minute)
				calls := f.refreshes.Load()
				start = time.Now()
				for range 100 {
					_, err = expired.visit()
					requireOutcome(err)
				}
				assert.Equal(t, tc.wait, time.Since(start), "waited for once")
				assert.LessOrEqual(t, f.refreshes.Load()-calls, int32(1), "100 requests, one call")
				if tc.ends {
					return
				}
				g.Close()
				calls = f.refreshes.Load()
				_, err = g.Refresh(t.Context(), expired.v, expired.tokens)
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
		g := newGroup(t, f)
		b := newBrowser(g, 5*time.Minute)
		time.Sleep(10 * time.Minute)
		for range 2 {
			_, err := b.visit()
			require.NoError(t, err)
		}
		assert.EqualValues(t, 1, f.refreshes.Load())
		_, err := g.Refresh(t.Context(), b.v, b.tokens)
		require.Error(t, err)
		assert.EqualValues(t, 2, f.refreshes.Load())
		f.answer = always(refreshed)
		time.Sleep(renewal.Backoff + time.Second)
		token, err := b.visit()
		require.NoError(t, err)
		assert.Equal(t, "new", token, "recovered")
		g.Close()
	})
}

func TestRefreshesOnDemandAfterAFailureShareOneCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always("error internal_error")}
		g := newGroup(t, f)
		b := newBrowser(g, 5*time.Minute)
		_, err := g.Refresh(t.Context(), b.v, b.tokens)
		require.Error(t, err)
		f.answer = func(context.Context, int32) (string, error) { time.Sleep(time.Second); return refreshed, nil }
		var got atomic.Int32
		for range 20 {
			go func() {
				newer, err := g.Refresh(t.Context(), b.v, b.tokens)
				assert.NoError(t, err)
				assert.Equal(t, "new", newer.Tokens.Access)
				got.Add(1)
			}()
		}
		time.Sleep(2 * time.Second)
		assert.EqualValues(t, 20, got.Load())
		assert.EqualValues(t, 2, f.refreshes.Load())
		g.Close()
	})
}

func TestAFullShardGivesUpTheSuccessorNeededLeast(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always(refreshed)}
		g := newGroup(t, f)
		for i := range renewal.MaxRenewals {
			g.Fill(session.ID{}, uint64(i)+10, time.Now().Add(renewal.Grace+time.Duration(i)))
		}
		_, err := g.Refresh(t.Context(), &session.Identity{}, &session.Tokens{Refresh: "r"})
		require.NoError(t, err)
		assert.True(t, g.Remembers(session.ID{}, 0))
		assert.False(t, g.Remembers(session.ID{}, 10))
		for i := range renewal.MaxRenewals - 1 {
			require.True(t, g.Remembers(session.ID{}, uint64(i)+11))
		}

		full := newGroup(t, f)
		for i := range renewal.MaxRenewals {
			full.Fill(session.ID{}, uint64(i)+10, expiring.Forever)
		}
		_, err = full.Refresh(t.Context(), &session.Identity{Generation: 1}, &session.Tokens{Refresh: "r"})
		require.ErrorIs(t, err, renewal.ErrFull, "those in progress are not given up")
		assert.EqualValues(t, 1, f.refreshes.Load())
		g.Close()
		full.Close()
	})
}

func TestASlowAnswerThatPutsBackAnOldIdentityCookieEndsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always(refreshed)}
		g := newGroup(t, f)
		visit := func(b *browser) string {
			t.Helper()
			token, err := b.visit()
			require.NoError(t, err)
			return token
		}
		b := newBrowser(g, 5*time.Minute)
		slow := b.copy()
		time.Sleep(5 * time.Minute)
		visit(b)
		visit(b)     // the browser has the new cookies
		b.v = slow.v // its answer came last
		put := b.copy()
		time.Sleep(3 * time.Minute) // and the refresh is not remembered any more
		v, tokens, err := put.readTokens(t.Context(), put.v)
		require.NoError(t, err)
		newer, err := g.Refresh(t.Context(), v, tokens)
		require.NoError(t, err)
		assert.Equal(t, "new", newer.Tokens.Access)
		put.v, put.tokens = newer.Identity, newer.Tokens
		assert.Equal(t, "new", visit(put), "the pair matches again")

		time.Sleep(2 * time.Minute)
		assert.Equal(t, "new", visit(b))
		assert.EqualValues(t, 3, f.refreshes.Load())

		slow.v = b.v
		time.Sleep(5 * time.Minute)
		_, err = slow.visit()
		require.ErrorIs(t, err, renewal.ErrGone, "tokens older than the identity are refused")
		g.Close()
	})
}

func TestRefreshesOfDifferentSessionsAreNeverShared(t *testing.T) {
	t.Parallel()
	f := &fakeOxd{answer: func(_ context.Context, n int32) (string, error) {
		return strings.Replace(refreshed, "new", string(rune('a'+n)), 1), nil
	}}
	g := newGroup(t, f)
	t.Run("V-34 nor are those of different generations", func(t *testing.T) {
		seen := map[string]bool{}
		for _, id := range []session.ID{{'a', 'b', 0, 'c'}, {'a', 0, 'b', 'c'}, {0, 'a', 'b', 'c'}} {
			for generation := range uint64(3) {
				v := &session.Identity{ID: id, Generation: generation, RefreshAt: 1}
				got, err := g.Refresh(t.Context(), v, &session.Tokens{ID: id, Generation: generation, Refresh: "r"})
				require.NoError(t, err)
				assert.Equal(t, id, got.Identity.ID)
				seen[got.Tokens.Access] = true
			}
		}
		assert.Len(t, seen, 9)
	})
	g.Close()
	_, err := g.Refresh(t.Context(), &session.Identity{Generation: 99}, &session.Tokens{})
	assert.ErrorIs(t, err, oxd.ErrClosed)
}

func TestEachRenewalIsReportedOnceBeforeItsOutcomeIsSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var reported []error
		f := &fakeOxd{answer: always(refreshed)}
		g := newGroup(t, f, func(c *renewal.Config) {
			c.OnResult = func(_ context.Context, v *session.Identity, err error) {
				assert.Equal(t, "alice", v.Subject)
				assert.Zero(t, v.Generation, "as it was before")
				reported = append(reported, err)
			}
		})
		b := newBrowser(g, time.Second)
		time.Sleep(time.Minute)
		for _, b := range []*browser{b.copy(), b.copy(), b.copy()} {
			_, err := b.visit()
			require.NoError(t, err)
			assert.Equal(t, []error{nil}, reported)
		}

		reported = nil
		f.answer = func(context.Context, int32) (string, error) { return "", &oxd.TransportError{Err: errors.New("dead")} }
		for range 5 {
			other := newBrowser(g, time.Second)
			_, err := g.Refresh(t.Context(), other.v, other.tokens)
			require.ErrorIs(t, err, oxd.ErrUnavailable)
		}
		require.Len(t, reported, 5)
		other := newBrowser(g, time.Second)
		_, err := g.Refresh(t.Context(), other.v, other.tokens)
		require.ErrorIs(t, err, oxd.ErrUnavailable)
		assert.Len(t, reported, 5, "oxd was not asked")
		g.Close()
	})
}

func TestARenewalGoesOnWithoutTheRequestThatStartedIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(ctx context.Context, _ int32) (string, error) {
			time.Sleep(3 * time.Second)
			return refreshed, ctx.Err()
		}}
		g := newGroup(t, f)
		b := newBrowser(g, time.Second)
		time.Sleep(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		token, renewed, err := b.visitFor(ctx)
		require.NoError(t, err)
		assert.Equal(t, []any{"old", false}, []any{token, renewed})
		assert.Equal(t, time.Second, time.Since(start))
		token, err = b.visit()
		require.NoError(t, err)
		assert.Equal(t, "new", token)
		assert.EqualValues(t, 1, f.refreshes.Load())
		g.Close()
	})
}

func TestCloseWaitsForTheRenewalsInProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { time.Sleep(3 * time.Second); return refreshed, nil }}
		g := newGroup(t, f)
		b := newBrowser(g, 5*time.Minute)
		time.Sleep(4 * time.Minute)
		_, err := b.visit()
		require.NoError(t, err)
		start := time.Now()
		g.Close()
		assert.Equal(t, 3*time.Second, time.Since(start))
		token, err := b.visit()
		require.NoError(t, err)
		assert.Equal(t, "new", token)
	})
}

func TestASuccessorIsKeptForTheGraceAfterItsCookiesCame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { time.Sleep(3 * time.Second); return refreshed, nil }}
		g := newGroup(t, f)
		b := newBrowser(g, 5*time.Minute)
		later := *b.v
		later.Generation++
		go g.Refresh(t.Context(), b.v, b.tokens)
		time.Sleep(time.Second)
		g.Successor(&later) // another replica has made one before
		time.Sleep(3 * time.Second)
		for range 3 {
			g.Successor(&later)
			time.Sleep(renewal.Grace / 3)
		}
		assert.False(t, g.Remembers(b.v.ID, 0), "from the first time on")
		g.Close()
	})
}

func TestLookingForASuccessorAllocatesNothing(t *testing.T) {
	g := newGroup(t, &fakeOxd{answer: always(refreshed)})
	defer g.Close()
	b := newBrowser(g, time.Hour)
	assert.Zero(t, testing.AllocsPerRun(100, func() { g.Successor(b.v) }), "no renewal")
	newer, err := g.Refresh(t.Context(), b.v, b.tokens)
	require.NoError(t, err)
	for name, v := range map[string]*session.Identity{"the old one": b.v, "the newest one": newer.Identity} {
		assert.Zero(t, testing.AllocsPerRun(100, func() { g.Successor(v) }), name)
	}
}
