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

// fakeOxd answers refreshes and, if it has something to say, userinfo.
type fakeOxd struct {
	refreshes, userinfos atomic.Int32
	answer, userinfo     func(ctx context.Context, n int32) (data string, err error)
}

func (f *fakeOxd) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	answer, count := f.answer, &f.refreshes
	switch {
	case req.Command == "get_user_info" && f.userinfo != nil:
		answer, count = f.userinfo, &f.userinfos
	case req.Command != "get_access_token_by_refresh_token":
		return nil, errors.New("unexpected " + req.Command)
	}
	data, err := answer(ctx, count.Add(1))
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
	require.NoError(t, m.shared.putTokens(t.Context(), v, tok))
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

func TestALoginThatTookTooLongStartsAgainAndKeepsThePage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		client, err := oxd.NewClient(transportFunc(func(req *oxd.Request) (string, error) {
			asked++
			state := strings.Repeat(string(rune('a'+asked)), minStateChars)
			u := "https://idp.example/authorize?client_id=c&redirect_uri=https://app.example/auth/callback&nonce=" + state + "&state=" + state
			return `{"authorization_url":"` + u + `"}`, nil
		}), oxd.Site{OxdID: "site"})
		require.NoError(t, err)
		m, err := New(client, "https://app.example/auth/callback", WithKeys(randomKey()), WithLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		v := &visitor{m: m, jar: map[string]string{}}
		get := func(path string) *http.Response {
			rec := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header = v.request().Header
			r.Header.Set("Accept", "text/html")
			m.Handler(http.NotFoundHandler()).ServeHTTP(rec, r)
			v.keep(rec.Result())
			return rec.Result()
		}
		require.Equal(t, http.StatusFound, get("/report?week=3").StatusCode)
		for attempt := range maxAttempts + 1 {
			time.Sleep(loginLifetime + time.Second)
			state := strings.Repeat(string(rune('a'+asked)), minStateChars)
			res := get("/auth/callback?code=x&state=" + state)
			if attempt == maxAttempts {
				assert.Equal(t, http.StatusBadRequest, res.StatusCode, "then a page")
				assert.Equal(t, 1+maxAttempts, asked)
				return
			}
			require.Equal(t, http.StatusFound, res.StatusCode, "once more")
			begun := new(login)
			require.NotEmpty(t, m.loginAttempts().find(readJar(v.request(), m.prefix), strings.Repeat(string(rune('a'+asked)), minStateChars), begun))
			assert.Equal(t, "/report?week=3", begun.returnTo)
		}
	})
}

type transportFunc func(*oxd.Request) (string, error)

func (f transportFunc) RoundTrip(_ context.Context, req *oxd.Request) (*oxd.Response, error) {
	data, err := f(req)
	return &oxd.Response{Status: "ok", Data: json.RawMessage(data)}, err
}
