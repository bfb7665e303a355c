package oxdauth_test

// Two replicas with one store: what travels, what is read, one refresh, one logout.

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

func TestWithAStoreTheIdentityCookieTravelsAlone(t *testing.T) {
	overStores(t, func(t *testing.T, store oxdauth.Store, under *plainStore) {
		a := newReplicas(t, nil, oxdauth.WithStore(store))
		a.srv.Provider.SetTokenPadding(6000)
		b := a.signedIn(user, password)
		cookies := a.sessionCookie(b)
		require.NotContains(t, cookies, ";", "the tokens alone would take two more")
		assert.Less(t, len(cookies), 1000)

		reads, writes, began := under.reads.Load(), under.writes.Load(), time.Now()
		for range 10 {
			res, body := a.at("1", http.MethodGet, "/", cookies)
			require.Equal(t, http.StatusOK, res.StatusCode, body)
		}
		res, token := a.at("1", http.MethodGet, "/tokens", cookies)
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.Greater(t, len(token), 600, "another replica finds the tokens")
		pauses := 1 + int64(time.Since(began)/(5*time.Second)) // one, unless this test is held up
		assert.GreaterOrEqual(t, under.reads.Load()-reads, int64(10+2+2), "each request asks whether the session has ended")
		assert.LessOrEqual(t, under.reads.Load()-reads, 10+2+2*pauses, "and now and then about the user")
		assert.Equal(t, writes, under.writes.Load(), "reading writes nothing")
	})
}

func TestWithAStoreTwoReplicasMakeOneRefresh(t *testing.T) {
	overStores(t, func(t *testing.T, store oxdauth.Store, under *plainStore) {
		a := newReplicas(t, nil, oxdauth.WithStore(store))
		cookies := a.expiredSession()
		before := a.srv.Provider.Refreshes()
		locking, _ := store.(*lockingStore)
		var locks int64
		if locking != nil {
			locks = locking.locks.Load()
		}
		a.srv.Provider.SetRefreshDelay(300 * time.Millisecond) // both are there before the answer
		seen := make([]string, 50)
		var wg sync.WaitGroup
		for i := range seen {
			wg.Go(func() {
				res, body := a.at([]string{"", "1"}[i%2], http.MethodGet, "/tokens", cookies)
				assert.Equal(t, http.StatusOK, res.StatusCode, body)
				assert.NotEmpty(t, res.Cookies())
				seen[i] = body
			})
		}
		wg.Wait()
		assert.Equal(t, before+1, a.srv.Provider.Refreshes())
		assert.Zero(t, a.srv.Provider.ReuseDetected())
		for _, token := range seen {
			assert.Equal(t, seen[0], token, "both replicas have the successor")
		}
		if locking != nil {
			assert.EqualValues(t, 2, locking.locks.Load()-locks, "one for each replica")
		}
	})
}

func TestWithAStoreALogoutIsKnownToEveryReplica(t *testing.T) {
	overStores(t, func(t *testing.T, store oxdauth.Store, under *plainStore) {
		a := newReplicas(t, nil, oxdauth.WithStore(store))
		ending, other := a.sessionCookie(a.signedIn(user, password)), a.sessionCookie(a.signedIn(user, password))
		res, _ := a.at("", http.MethodPost, "/auth/logout", ending)
		require.Equal(t, http.StatusSeeOther, res.StatusCode, "to the provider: the ID token was in the store")
		res, _ = a.at("1", http.MethodGet, "/", ending)
		assert.Equal(t, http.StatusFound, res.StatusCode)
		res, _ = a.at("1", http.MethodGet, "/", other)
		assert.Equal(t, http.StatusOK, res.StatusCode)
		kinds := map[string]int{}
		for key := range under.values {
			kinds[strings.Split(key, ":")[1]]++
		}
		assert.Equal(t, map[string]int{"ended": 1, "tokens": 1, "sid": 2}, kinds, "tokens of an ended session are not kept")
	})
}

func TestWithAStoreALoginEndsTheSessionBeforeEverywhere(t *testing.T) {
	t.Parallel()
	a := newReplicas(t, nil, oxdauth.WithStore(&plainStore{}))
	before := a.sessionCookie(a.signedIn(user, password))
	b := a.srv.Browser()
	callback := a.callback(b, a.base+"/")
	cookies := before
	for _, c := range a.cookies(b) {
		cookies += "; " + c.Name + "=" + c.Value
	}
	res, _ := a.at("", http.MethodGet, callback.RequestURI(), cookies)
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	res, _ = a.at("1", http.MethodGet, "/", before)
	assert.Equal(t, http.StatusFound, res.StatusCode)
}

func TestWhileTheStoreFailsNobodyIsLetThrough(t *testing.T) {
	overStores(t, func(t *testing.T, store oxdauth.Store, under *plainStore) {
		a := newReplicas(t, func(m *oxdauth.Middleware, a *app) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/", m.Handler(a.whoami()))
			mux.Handle("/open", m.Optional(a.whoami()))
			mux.HandleFunc("/decide", func(w http.ResponseWriter, r *http.Request) {
				_, err := m.Authenticate(r)
				http.Error(w, "", oxdauth.StatusCode(err))
				_, again := m.Refresh(w, r)
				assert.Equal(t, errors.Is(err, oxdauth.ErrStore), errors.Is(again, oxdauth.ErrStore))
			})
			return mux
		}, oxdauth.WithStore(store))
		cookies := a.sessionCookie(a.signedIn(user, password))
		under.down.Store(true)
		a.runs.Store(0)
		for _, replica := range []string{"", "1"} {
			res, body := a.at(replica, http.MethodGet, "/", cookies)
			assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
			assert.Contains(t, body, "Your session cannot be checked right now")
			assert.Equal(t, "10", res.Header.Get("Retry-After"))
			assert.Empty(t, res.Cookies(), "the session is as it was")
		}
		res, body := a.once(nil, a.request(http.MethodGet, "/", "Cookie", cookies))
		assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		assert.Contains(t, body, `"service_unavailable"`)
		res, _ = a.at("", http.MethodGet, "/decide", cookies)
		assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
		res, _ = a.at("", http.MethodGet, "/auth/login", cookies)
		assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode, "another login would not help")
		assert.Zero(t, a.runs.Load())
		res, body = a.at("", http.MethodGet, "/open", cookies)
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.Contains(t, body, "nobody", "what is open to everybody knows nobody")
		res, err := a.srv.Browser().LogIn(a.base+"/", user, password)
		require.NoError(t, err)
		readBody(t, res)
		assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode, "there is no session without its tokens")
		assert.Contains(t, a.log.String(), errDown.Error())

		under.down.Store(false)
		res, body = a.at("1", http.MethodGet, "/", cookies)
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.Contains(t, body, "Alice", "nobody has to sign in again")
	})
}

func TestALogoutWhileTheStoreFailsIsWrittenLater(t *testing.T) {
	t.Parallel()
	store := &plainStore{}
	a := newReplicas(t, nil, oxdauth.WithStore(store))
	other := a.sessionCookie(a.signedIn(user, password))
	var ended []string
	for range 20 { // more than one request tells
		ended = append(ended, a.sessionCookie(a.signedIn(user, password)))
	}
	store.down.Store(true)
	for _, cookies := range ended {
		res, _ := a.at("", http.MethodPost, "/auth/logout", cookies)
		assert.Equal(t, http.StatusOK, res.StatusCode)
		require.NotEmpty(t, res.Cookies())
		assert.Negative(t, res.Cookies()[0].MaxAge, "it is gone from the browser")
	}
	store.down.Store(false)
	res, _ := a.at("", http.MethodGet, "/", ended[0])
	assert.Equal(t, http.StatusFound, res.StatusCode, "its own replica has not forgotten")
	for range 2 {
		a.at("", http.MethodGet, "/", other)
	}
	for _, cookies := range ended {
		res, _ = a.at("1", http.MethodGet, "/", cookies)
		assert.Equal(t, http.StatusFound, res.StatusCode, "the other one has learnt it")
	}
	writes := store.writes.Load()
	a.at("", http.MethodGet, "/", other)
	assert.Equal(t, writes, store.writes.Load(), "once")
}

func TestALogoutFromTheProviderCountsOnEveryReplica(t *testing.T) {
	t.Parallel()
	handler, of := sessions()
	store := &plainStore{}
	a := newReplicas(t, func(m *oxdauth.Middleware, a *app) http.Handler { return m.Handler(handler(a)) },
		oxdauth.WithStore(store), oxdauth.WithFrontChannelLogout())
	s := of(a, a.signedIn(user, password))
	groups := func() (n int) {
		for key := range store.values {
			if strings.Contains(key, ":group:") {
				n++
			}
		}
		return n
	}
	logout := func(sid string) {
		query := url.Values{"iss": {s.Issuer}, "sid": {sid}}.Encode()
		res, _ := a.at("1", http.MethodGet, "/auth/frontchannel-logout?"+query, "")
		assert.Equal(t, http.StatusOK, res.StatusCode)
	}
	logout("guessed")
	assert.Zero(t, groups(), "who guesses fills no store")
	logout(s.SID)
	assert.Equal(t, 1, groups(), "a replica that has not seen the session ends it for all")
}

func TestALogoutTokenIsTakenOnceByAllReplicas(t *testing.T) {
	t.Parallel()
	handler, of := sessions()
	store, registered := &plainStore{}, filepath.Join(t.TempDir(), "site.json")
	both := setup{handler: handler, options: []oxdauth.Option{oxdauth.WithStore(store)}, late: backChannel,
		site: func(s *oxd.Site) { s.File = registered }}
	a := newApp(t, both)
	replica := a.middleware(a.base, both)
	t.Cleanup(func() { require.NoError(t, replica.Close()) })
	b := a.signedIn(user, password)
	s := of(a, b)
	atReplica := func(token string) int {
		rec := httptest.NewRecorder()
		replica.BackChannelLogout().ServeHTTP(rec, logoutRequest(t, a.base, token))
		return rec.Code
	}
	token := a.logoutToken(map[string]any{"sid": s.SID})
	store.down.Store(true)
	assert.Equal(t, http.StatusServiceUnavailable, atReplica(token), "nobody can tell whether it has been taken")
	store.down.Store(false)
	assert.Equal(t, http.StatusOK, atReplica(token))
	res, _ := a.post(token)
	assert.Equal(t, http.StatusBadRequest, res.StatusCode)
	_, err := replica.Authenticate(a.request(http.MethodGet, "/", "Cookie", a.sessionCookie(b)))
	assert.ErrorIs(t, err, oxdauth.ErrNoSession)
}

func TestAGuardKeepsRPTsInTheStoreAndRefusesWithoutIt(t *testing.T) {
	t.Parallel()
	store := &plainStore{}
	a := newGuardApp(t, guardSetup{sessions: true, auth: []oxdauth.Option{oxdauth.WithStore(store)}})
	b := a.personSignedIn()
	for range 3 {
		res, body := a.get(b, "/photos/1")
		require.Equal(t, http.StatusOK, res.StatusCode, body)
	}
	assert.Equal(t, 1, a.srv.CallCount("uma_rp_get_rpt"), "the RPT is found again")
	require.NotContains(t, a.sessionCookie(b), ";")
	store.down.Store(true)
	res, body := a.get(b, "/photos/1")
	assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode, body)
	res, body = a.once(b, a.request(http.MethodGet, "/photos/1"))
	assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode, body)
	assert.EqualValues(t, 3, a.runs.Load())
}

func TestTheStoreHasToBeOne(t *testing.T) {
	t.Parallel()
	_, err := oxdauth.New(nil, oxdauth.WithStore(nil))
	require.ErrorContains(t, err, "WithStore: nil store")
}
