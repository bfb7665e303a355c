package redisstore_test

// What two replicas owe each other: one refresh, one logout, and what happens while Redis is away.

import (
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// expired returns the cookies of a session whose access token has just expired; the next one lives
// an hour.
func (a *replicas) expired() string {
	a.t.Helper()
	const lifetime = 3 * time.Second // a login under load takes its time
	for range 10 {
		before, began := a.srv.Provider.Refreshes(), time.Now()
		a.srv.Provider.SetAccessTokenLifetime(lifetime)
		cookies := a.cookies(a.signedIn())
		a.srv.Provider.SetAccessTokenLifetime(time.Hour)
		due := time.Now().Add(lifetime)
		if time.Since(began) < lifetime*2/5 && a.srv.Provider.Refreshes() == before {
			require.Eventually(a.t, func() bool { return time.Now().After(due) }, 10*time.Second, 20*time.Millisecond)
			return cookies
		} // else its last page may have begun a refresh
	}
	a.t.Fatal("no login was quick enough")
	return ""
}

func TestFiftyRequestsAtTwoReplicasMakeOneRefresh(t *testing.T) {
	t.Parallel()
	a := newReplicas(t)
	cookies := a.expired()
	refreshes := a.srv.Provider.Refreshes()
	a.srv.Provider.SetRefreshDelay(300 * time.Millisecond) // both replicas are there before the answer
	seen := make([]string, 50)
	var wg sync.WaitGroup
	for i := range seen {
		wg.Go(func() {
			res, body := a.send(http.MethodGet, "/tokens", []string{"0", "1"}[i%2], cookies)
			assert.Equal(t, http.StatusOK, res.StatusCode, body)
			seen[i], _, _ = strings.Cut(body, " ")
		})
	}
	wg.Wait()
	assert.Equal(t, refreshes+1, a.srv.Provider.Refreshes())
	assert.Zero(t, a.srv.Provider.ReuseDetected())
	for _, token := range seen {
		assert.Equal(t, seen[0], token, "both replicas have the successor")
	}
	for _, replica := range []string{"0", "1"} {
		res, _ := a.send(http.MethodGet, "/", replica, cookies)
		assert.Equal(t, http.StatusOK, res.StatusCode, "a straggler with the old cookie")
		assert.NotEmpty(t, res.Cookies(), "gets the new one")
	}
	assert.Equal(t, refreshes+1, a.srv.Provider.Refreshes())
}

func TestALogoutOnOneReplicaEndsTheSessionOnTheOther(t *testing.T) {
	t.Parallel()
	a := newReplicas(t)
	ending, other := a.cookies(a.signedIn()), a.cookies(a.signedIn())
	require.Equal(t, http.StatusOK, a.status("/", "1", ending), "it is known there")
	res, _ := a.send(http.MethodPost, "/auth/logout", "0", ending)
	require.Equal(t, http.StatusSeeOther, res.StatusCode, "the ID token for the provider's logout came from Redis")
	assert.Equal(t, http.StatusFound, a.status("/", "1", ending), "a copied cookie is worth nothing")
	assert.Equal(t, http.StatusFound, a.status("/", "0", ending))
	assert.Equal(t, http.StatusOK, a.status("/", "1", other))
	kinds := map[string]int{}
	for key := range a.redis.dump() {
		kinds[strings.Split(key, ":")[1]]++
	}
	assert.Equal(t, map[string]int{"ended": 1, "tokens": 1, "sid": 2}, kinds, "the tokens of the session are gone")
}

func TestWhileRedisIsAwayNobodyIsLetThroughAndAfterwardsEverybodyIs(t *testing.T) {
	t.Parallel()
	a := newReplicas(t)
	leaving, staying := a.cookies(a.signedIn()), a.cookies(a.signedIn())
	a.redis.stop()
	for _, replica := range []string{"0", "1"} {
		res, body := a.send(http.MethodGet, "/", replica, staying)
		assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode, "not let through, and not sent to a login either")
		assert.NotEmpty(t, res.Header.Get("Retry-After"))
		assert.Contains(t, body, "Your session cannot be checked right now")
		assert.Empty(t, res.Cookies(), "the session is not touched")
	}
	assert.Equal(t, http.StatusFound, a.status("/", "0", ""), "who has no session needs no Redis to be sent to a login")
	res, err := a.srv.Browser().LogIn(a.base+"/", user, password)
	require.NoError(t, err)
	read(t, res)
	assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode, "there is no session without its tokens")

	res, _ = a.send(http.MethodPost, "/auth/logout", "0", leaving)
	assert.Equal(t, http.StatusOK, res.StatusCode, "signing out works")
	assert.NotEmpty(t, res.Cookies())

	a.redis.start()
	assert.Equal(t, http.StatusOK, a.status("/", "0", staying), "nobody has to sign in again")
	assert.Equal(t, http.StatusOK, a.status("/tokens", "1", staying))
	assert.Equal(t, http.StatusFound, a.status("/", "0", leaving))
	assert.Equal(t, http.StatusFound, a.status("/", "1", leaving), "the other replica has been told since")
	a.signedIn()
}

func TestAnEndedSessionStaysEndedWhenRedisStartsAgain(t *testing.T) {
	t.Parallel()
	a := newReplicas(t)
	cookies := a.cookies(a.signedIn())
	a.send(http.MethodPost, "/auth/logout", "0", cookies)
	a.redis.stop()
	a.redis.start()
	assert.Equal(t, http.StatusFound, a.status("/", "1", cookies))
}

func TestARefreshSurvivesARestartOfRedisInTheMiddleOfIt(t *testing.T) {
	t.Parallel()
	a := newReplicas(t)
	cookies := a.expired()
	refreshes, asked, calls := a.srv.Provider.Refreshes(), a.asked.Load(), a.srv.CallCount(refreshCommand)
	a.srv.Provider.SetRefreshDelay(2 * time.Second)
	done := make(chan int)
	go func() { done <- a.status("/", "0", cookies) }()
	require.Eventually(t, func() bool { return a.asked.Load() > asked }, 30*time.Second, 5*time.Millisecond)
	a.redis.stop()
	require.Eventually(t, func() bool { return a.srv.CallCount(refreshCommand) > calls }, 30*time.Second, 5*time.Millisecond)
	a.redis.start()
	assert.Equal(t, http.StatusOK, <-done)
	assert.Equal(t, http.StatusOK, a.status("/tokens", "1", cookies), "the refresh token in Redis is the new one")
	assert.Equal(t, refreshes+1, a.srv.Provider.Refreshes())
	assert.Zero(t, a.srv.Provider.ReuseDetected())
}

func TestRedisHoldsNothingReadable(t *testing.T) {
	t.Parallel()
	a := newReplicas(t)
	b := a.signedIn()
	cookies := a.cookies(b)
	_, tokens := a.send(http.MethodGet, "/tokens", "1", cookies)
	secrets := []string{user, "oxdauth-tokens"}
	for _, token := range strings.Fields(tokens) {
		secrets = append(secrets, token)
		for _, part := range strings.Split(token, ".") {
			if raw, err := base64.RawURLEncoding.DecodeString(part); err == nil {
				secrets = append(secrets, string(raw))
			}
		}
	}
	require.Greater(t, len(secrets), 4)
	for _, pair := range strings.Split(cookies, "; ") {
		_, value, _ := strings.Cut(pair, "=")
		secrets = append(secrets, value)
	}
	dump := a.redis.dump()
	require.NotEmpty(t, dump)
	for key, value := range dump {
		assert.LessOrEqual(t, len(key), 64)
		layers := []string{key, value}
		_, sealed, _ := strings.Cut(value, ".")
		for range 2 { // securecookie encodes twice
			raw, err := base64.URLEncoding.DecodeString(sealed)
			if err != nil {
				break
			}
			layers = append(layers, string(raw))
			if parts := strings.SplitN(string(raw), "|", 3); len(parts) == 3 {
				sealed = parts[1]
			}
		}
		require.Greater(t, len(layers), 3)
		for _, layer := range layers {
			for _, secret := range secrets {
				assert.False(t, strings.Contains(layer, secret), "%s holds %.12s", key, secret)
			}
		}
	}
}
