package oxdauth

// What depends on time or on sizes no real login reaches: limits, refreshes, the lists kept in memory. Time is simulated
// (testing/synctest) and oxd is a Transport in the same process.

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
)

// fakeOxd answers refreshes.
type fakeOxd struct {
	refreshes atomic.Int32
	answer    func(ctx context.Context, n int32) (data string, err error)
}

func (f *fakeOxd) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	if req.Command != "get_access_token_by_refresh_token" {
		return nil, errors.New("unexpected " + req.Command)
	}
	data, err := f.answer(ctx, f.refreshes.Add(1))
	if err != nil {
		return nil, err
	}
	if code, refused := strings.CutPrefix(data, "error "); refused {
		return &oxd.Response{Status: "error", Data: json.RawMessage(`{"error":"` + code + `","error_description":""}`)}, nil
	}
	return &oxd.Response{Status: "ok", Data: json.RawMessage(data)}, nil
}

const refreshed = `{"access_token":"new","refresh_token":"next","expires_in":300,"scope":"openid"}`

func newTestMiddleware(t *testing.T, f *fakeOxd, opts ...Option) *Middleware {
	t.Helper()
	client, err := oxd.NewClient(f, oxd.Site{OxdID: "site"})
	require.NoError(t, err)
	opts = append([]Option{WithKeys(randomKey()), WithLogger(slog.New(slog.DiscardHandler))}, opts...)
	m, err := New(client, "https://app.example/auth/callback", opts...)
	require.NoError(t, err)
	return m
}

// visitor is a browser that has a session and keeps its cookies.
type visitor struct {
	m   *Middleware
	jar map[string]string
}

func newVisitor(t *testing.T, m *Middleware, lifetime time.Duration) *visitor {
	t.Helper()
	v, tok := m.mint(&oxd.Tokens{
		AccessToken: oxd.NewSecret("old"), RefreshToken: oxd.NewSecret("first"), IDToken: oxd.NewSecret("id"), ExpiresIn: lifetime,
		Claims: oxd.Claims{"sub": {"alice"}, "iss": {"https://idp.example"}},
	}, nil)
	rec := httptest.NewRecorder()
	require.NoError(t, m.save(rec, nil, v, tok, true, true))
	visitor := &visitor{m: m, jar: map[string]string{}}
	visitor.keep(rec.Result())
	return visitor
}

func (v *visitor) keep(res *http.Response) {
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(v.jar, c.Name)
		} else {
			v.jar[c.Name] = c.Value
		}
	}
}

func (v *visitor) copy() *visitor {
	twin := &visitor{m: v.m, jar: map[string]string{}}
	for name, value := range v.jar {
		twin.jar[name] = value
	}
	return twin
}

func (v *visitor) request() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for name, value := range v.jar {
		r.Header.Add("Cookie", name+"="+value)
	}
	return r
}

// visit makes a request and gives its status, the access token the handler saw, and the number of cookies set.
func (v *visitor) visit() (status int, accessToken string, cookies int) {
	rec := httptest.NewRecorder()
	v.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, _ := SessionFromContext(r.Context())
		accessToken = s.AccessToken().Reveal()
	})).ServeHTTP(rec, v.request())
	res := rec.Result()
	v.keep(res)
	return res.StatusCode, accessToken, len(res.Cookies())
}

func TestTheIdleLimitEndsASessionToTheSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newTestMiddleware(t, &fakeOxd{}, WithSessionLifetime(time.Hour, 12*time.Hour))
		for range 2 {
			v := newVisitor(t, m, 0)
			time.Sleep(time.Hour - time.Second)
			status, _, _ := v.copy().visit()
			assert.Equal(t, 200, status, "a second before")
			time.Sleep(time.Second)
			status, _, _ = v.visit()
			assert.Equal(t, 401, status)
		}
	})
}

func TestTheAbsoluteLimitIsNeverExtended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newTestMiddleware(t, &fakeOxd{}, WithSessionLifetime(time.Hour, 3*time.Hour))
		v := newVisitor(t, m, 0)
		for range 5 {
			time.Sleep(30 * time.Minute)
			status, _, _ := v.visit()
			require.Equal(t, 200, status, "activity keeps it alive")
		}
		time.Sleep(30*time.Minute - time.Second)
		status, _, _ := v.visit()
		assert.Equal(t, 200, status, "a second before")
		time.Sleep(time.Second)
		status, _, _ = v.visit()
		assert.Equal(t, 401, status)
	})
}

func TestTheCookieIsRewrittenAtMostOncePerTenthOfTheIdleLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newTestMiddleware(t, &fakeOxd{}, WithSessionLifetime(time.Hour, 12*time.Hour))
		v := newVisitor(t, m, 0)
		rewritten := 0
		for range 1000 { // over 60 minutes
			time.Sleep(3600 * time.Millisecond)
			_, _, cookies := v.visit()
			rewritten += cookies
		}
		assert.LessOrEqual(t, rewritten, 10)
		assert.GreaterOrEqual(t, rewritten, 9)
	})
}

func TestARefreshHappensOnceAndIsReplayedForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { return refreshed, nil }}
		m := newTestMiddleware(t, f)
		v := newVisitor(t, m, 5*time.Minute)
		straggler, late := v.copy(), v.copy()
		time.Sleep(4*time.Minute - time.Second)
		_, token, cookies := v.visit()
		assert.Equal(t, "old", token)
		assert.Zero(t, cookies)
		time.Sleep(time.Second)
		_, token, cookies = v.visit()
		assert.Equal(t, "new", token, "a minute ahead of expiry")
		assert.Equal(t, 2, cookies)
		time.Sleep(20 * time.Second)
		status, token, _ := straggler.visit()
		assert.Equal(t, 200, status)
		assert.Equal(t, "new", token, "a straggler gets the successor")
		assert.EqualValues(t, 1, f.refreshes.Load())
		time.Sleep(41 * time.Second)
		late.visit()
		assert.EqualValues(t, 2, f.refreshes.Load(), "after the grace oxd decides")
		require.NoError(t, m.Close())
	})
}

func TestAHangingOxdDelaysRequestsLittleWhileTheTokenHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(ctx context.Context, _ int32) (string, error) { <-ctx.Done(); return "", ctx.Err() }}
		m := newTestMiddleware(t, f)
		v := newVisitor(t, m, 5*time.Minute)
		time.Sleep(4 * time.Minute)
		start := time.Now()
		status, token, _ := v.visit()
		assert.Equal(t, 200, status)
		assert.Equal(t, "old", token)
		assert.Equal(t, refreshWait, time.Since(start))
		require.NoError(t, m.Close()) // waits for the refresh to give up
		assert.Equal(t, refreshTimeout, time.Since(start))
	})
}

func TestAnOutageKeepsTheSessionAndIsNotAskedAgainAtOnce(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(context.Context, int32) (string, error){
		"oxd away":              func(context.Context, int32) (string, error) { return "", oxd.ErrUnavailable },
		"an internal error":     func(context.Context, int32) (string, error) { return "error internal_error", nil },
		"no access token":       func(context.Context, int32) (string, error) { return `{"access_token":"","expires_in":5}`, nil },
		"garbage":               func(context.Context, int32) (string, error) { return `[]`, nil },
		"the provider is broke": func(context.Context, int32) (string, error) { return "error http_status_500", nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := &fakeOxd{answer: answer}
				m := newTestMiddleware(t, f)
				v := newVisitor(t, m, 5*time.Minute)
				time.Sleep(10 * time.Minute)
				for range 100 {
					status, token, _ := v.visit()
					require.Equal(t, 200, status, "expired access token, living session")
					require.Equal(t, "old", token)
				}
				assert.EqualValues(t, 1, f.refreshes.Load(), "100 requests, one call")
				_, err := m.Refresh(httptest.NewRecorder(), v.request())
				require.Error(t, err)
				assert.EqualValues(t, 2, f.refreshes.Load(), "who asks for it is not held up by an earlier failure")
				f.answer = func(context.Context, int32) (string, error) { return refreshed, nil }
				time.Sleep(refreshBackoff + time.Second)
				_, token, _ := v.visit()
				assert.Equal(t, "new", token, "recovered")
				require.NoError(t, m.Close())
			})
		})
	}
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
		time.Sleep(4 * time.Minute)
		v.visit()
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

func TestAKeyIsRotatedWithoutASignOut(t *testing.T) {
	t.Parallel()
	older, newer := randomKey(), randomKey()
	v := newVisitor(t, newTestMiddleware(t, &fakeOxd{}, WithKeys(older)), time.Hour)
	kept := v.copy()

	v.m = newTestMiddleware(t, &fakeOxd{}, WithKeys(newer, older))
	status, token, cookies := v.visit()
	assert.Equal(t, 200, status)
	assert.Equal(t, "old", token)
	assert.Equal(t, 2, cookies, "both are rewritten by the first request")
	_, _, cookies = v.visit()
	assert.Zero(t, cookies, "once")

	after := newTestMiddleware(t, &fakeOxd{}, WithKeys(newer))
	v.m, kept.m = after, after
	status, token, _ = v.visit()
	assert.Equal(t, 200, status)
	assert.Equal(t, "old", token)
	status, _, _ = kept.visit()
	assert.Equal(t, 401, status, "who did not come by while both keys were known signs in once more")
}

func TestAPairOfCookiesThatDoesNotMatchIsRefused(t *testing.T) {
	t.Parallel()
	f := &fakeOxd{answer: func(context.Context, int32) (string, error) { return refreshed, nil }}
	m := newTestMiddleware(t, f)
	one, two := newVisitor(t, m, time.Nanosecond), newVisitor(t, m, time.Hour)
	one.jar["__Host-oxdauth-tokens"] = two.jar["__Host-oxdauth-tokens"]
	status, _, _ := one.visit()
	assert.Equal(t, 401, status, "a refresh would use the other one's token")
	two.jar["__Host-oxdauth-tokens"] = "x"
	status, token, _ := two.visit()
	assert.Equal(t, 200, status, "nothing needs the tokens")
	assert.Empty(t, token)
	assert.Zero(t, f.refreshes.Load())
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
			_, got, err := m.refresher.refresh(t.Context(), v, &tokens{id: id, generation: generation, refresh: "r"}, time.Minute)
			require.NoError(t, err)
			seen[got.access] = true
		}
	}
	assert.Len(t, seen, 9)
	require.NoError(t, m.Close())
	_, _, err := m.refresher.refresh(t.Context(), &identity{generation: 99}, &tokens{}, time.Minute)
	assert.ErrorIs(t, err, oxd.ErrClosed)
}

func TestV81SessionIDsAreRandomAndOurs(t *testing.T) {
	t.Parallel()
	m := newTestMiddleware(t, &fakeOxd{})
	seen := map[sessionID]bool{}
	var ones [128]int
	for range 10_000 {
		v, _ := m.mint(&oxd.Tokens{Claims: oxd.Claims{"sub": {"same"}}}, nil)
		require.False(t, seen[v.id])
		seen[v.id] = true
		for i := range ones {
			ones[i] += int(v.id[i/8] >> (i % 8) & 1)
		}
	}
	for i, n := range ones {
		assert.InDelta(t, 5000, n, 400, "bit %d", i)
	}
}

func TestTooManyEndedSessionsEndAllRatherThanForgettingOne(t *testing.T) {
	t.Parallel()
	var l revocations
	now := time.Now().Unix()
	first := &identity{id: sessionID{1}, created: now - 10, expires: now + 3600}
	l.add(first)
	l.add(first)
	assert.Equal(t, 1, l.count)
	other := &identity{id: sessionID{2}, created: now - 10, expires: now + 3600}
	assert.False(t, l.has(other))
	for i := range maxRevocations {
		id := sessionID{3, byte(i), byte(i >> 8), byte(i >> 16)}
		l.add(&identity{id: id, created: now - 10, expires: now + 3600})
	}
	assert.True(t, l.has(first), "what was ended stays ended")
	assert.True(t, l.has(other), "together with everything of its time")
	assert.LessOrEqual(t, l.count, maxRevocations)
	assert.False(t, l.has(&identity{created: time.Now().Unix() + 1}), "a new login is not affected")

	var expired revocations
	for i := range maxRevocations + 1 {
		expired.add(&identity{id: sessionID{byte(i), byte(i >> 8), byte(i >> 16)}, created: now - 10, expires: now - 1})
	}
	assert.Zero(t, expired.count, "expired ones make room")
	assert.Zero(t, expired.before.Load())
}

func TestFinishedLoginsAreRememberedWhileTheirCookieCouldComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f finished
		state := hash16("state", "s")
		_, first := f.take(state, "/page")
		assert.True(t, first)
		returnTo, first := f.take(state, "/other")
		assert.False(t, first)
		assert.Equal(t, "/page", returnTo)
		time.Sleep(loginLifetime)
		_, known := f.find(state)
		assert.True(t, known)
		time.Sleep(2 * time.Second)
		_, known = f.find(state)
		assert.False(t, known)

		for i := range 3 * maxFinished {
			_, first := f.take([16]byte{9, byte(i), byte(i >> 8), byte(i >> 16)}, "/")
			require.True(t, first, "a full list is no reason to refuse a login")
			require.LessOrEqual(t, len(f.states), maxFinished)
		}
	})
}

func TestAFullListOfRefreshesRefusesNewOnes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: func(context.Context, int32) (string, error) { return refreshed, nil }}
		m := newTestMiddleware(t, f)
		m.refresher.flights = map[flightKey]*flight{}
		done := make(chan struct{})
		close(done)
		for i := range maxFlights {
			m.refresher.flights[flightKey{generation: uint64(i) + 10}] = &flight{done: done, forget: time.Now().Add(refreshGrace)}
		}
		_, _, err := m.refresher.refresh(t.Context(), &identity{}, &tokens{refresh: "r"}, time.Minute)
		require.ErrorIs(t, err, errFlightsFull)
		time.Sleep(refreshGrace + time.Second)
		_, _, err = m.refresher.refresh(t.Context(), &identity{}, &tokens{refresh: "r"}, time.Minute)
		require.NoError(t, err)
		require.NoError(t, m.Close())
	})
}

func TestAnAuthorizationURLThatCannotBeUsedIsRefused(t *testing.T) {
	t.Parallel()
	m := newTestMiddleware(t, &fakeOxd{})
	const good = "https://idp.example/authorize?response_type=code&client_id=@!17.36!0008&redirect_uri=https://app.example/auth/callback&scope=openid&state=473ot4nuqb4ubeokc139raur13&nonce=lbrdgorr974q66q6q9g454iccm"
	_, err := m.newLogin(good, loginRequest{})
	require.NoError(t, err)
	for name, bad := range map[string]string{
		"relative":             strings.TrimPrefix(good, "https:"),
		"a script":             "javascript:alert(1)",
		"a control character":  good + "\n",
		"no state":             strings.Replace(good, "&state=", "&x=", 1),
		"two states":           good + "&state=473ot4nuqb4ubeokc139raur14",
		"no nonce":             strings.Replace(good, "&nonce=", "&x=", 1),
		"a short state":        strings.Replace(good, "473ot4nuqb4ubeokc139raur13", "473ot4", 1),
		"another redirect URI": strings.Replace(good, "/auth/callback", "/elsewhere", 1),
		"a user":               strings.Replace(good, "idp.example", "me@idp.example", 1),
		"endless":              good + "&x=" + strings.Repeat("y", 8000),
	} {
		_, err := m.newLogin(bad, loginRequest{})
		assert.ErrorIs(t, err, errAuthURL, name)
	}
}

func FuzzCallbackQuery(f *testing.F) {
	f.Add("code=a&state=b")
	f.Add("state=%zz&state=")
	f.Fuzz(func(t *testing.T, raw string) {
		if q, err := callbackQuery(raw); err == nil && (len(q["state"]) != 1 || q.Get("state") == "" || len(q["code"]) > 1) {
			t.Fatalf("%q gives %v", raw, q)
		}
	})
}
