package oxdauth

// What has ended, and how long and how much of it is remembered. Time is simulated.

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/logouttoken"
)

const testIssuer = "https://idp.example"

func revoked(sid string, created int64) *identity {
	return &identity{id: sessionID{1}, subject: "alice", issuer: testIssuer, sid: sid, created: created, expires: created + 3600}
}

func TestRevokingAUserEndsTheSessionsOfBeforeAndNoOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newTestMiddleware(t, &fakeOxd{}, WithSessionLifetime(12*time.Hour, 12*time.Hour))
		one, two := newVisitor(t, m, 0), newVisitor(t, m, 0)
		time.Sleep(time.Minute)
		m.RevokeSubject(testIssuer, "bob")
		m.RevokeSubject("https://other.example", "alice")
		status, _, _ := one.visit()
		assert.Equal(t, 200, status, "another user, and a namesake at another provider")

		time.Sleep(300 * time.Millisecond)
		sameSecond := newVisitor(t, m, 0)
		m.RevokeSubject(testIssuer, "alice")
		lateInTheSecond := newVisitor(t, m, 0)
		for name, v := range map[string]*visitor{
			"a session": one, "another of the same user": two, "one of the same second": sameSecond,
			"one of later in that second, which cannot be told from it": lateInTheSecond,
		} {
			status, _, _ := v.visit()
			assert.Equal(t, 401, status, name)
		}
		time.Sleep(time.Second)
		later := newVisitor(t, m, 0)
		time.Sleep(12*time.Hour - 2*time.Second)
		status, _, _ = later.visit()
		assert.Equal(t, 200, status, "signed in again")
		status, _, _ = lateInTheSecond.visit()
		assert.Equal(t, 401, status, "to the end of the absolute lifetime")
	})
}

func TestWithNotBeforeRefusesOlderSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		key := randomKey()
		before := newVisitor(t, newTestMiddleware(t, &fakeOxd{}, WithKeys(key)), 0)
		for _, c := range []struct {
			name      string
			wait      time.Duration
			sameGone  bool
			laterGone bool
		}{
			{"a moment that begins a second", 10 * time.Second, false, false},
			{"a moment within a second, whose sessions cannot be told apart", 500 * time.Millisecond, true, false},
		} {
			time.Sleep(c.wait)
			m := newTestMiddleware(t, &fakeOxd{}, WithKeys(key), WithNotBefore(time.Now()))
			same := newVisitor(t, m, 0)
			time.Sleep(time.Second)
			later := newVisitor(t, m, 0)
			before.m = m
			for _, v := range []struct {
				name string
				*visitor
				gone bool
			}{{"before", before, true}, {"the same second", same, c.sameGone}, {"later", later, c.laterGone}} {
				status, _, _ := v.copy().visit()
				assert.Equal(t, map[bool]int{true: 401, false: 200}[v.gone], status, "%s: %s", c.name, v.name)
			}
		}
		_, err := New(before.m.client, "https://app.example/auth/callback", WithNotBefore(time.Now().Add(time.Second)))
		assert.ErrorContains(t, err, "WithNotBefore")
	})
}

func TestALogoutOfAProviderSessionEndsWhatCanBeOfIt(t *testing.T) {
	t.Parallel()
	m := newTestMiddleware(t, &fakeOxd{}, WithBackChannelLogout(testIssuer, nil))
	now := time.Now().Unix()
	m.endByToken(t.Context(), &logouttoken.Token{SID: "s1"})
	assert.True(t, m.revoked.has(revoked("s1", now-1)))
	assert.False(t, m.revoked.has(revoked("s2", now-1)))
	assert.False(t, m.revoked.has(revoked("", now-1)))
	m.endByToken(t.Context(), &logouttoken.Token{SID: "s3", Subject: "alice"})
	assert.True(t, m.revoked.has(revoked("", now-1)), "nobody can tell that it is not of s3")
	assert.False(t, m.revoked.has(revoked("s2", now-1)))
	m.endByToken(t.Context(), &logouttoken.Token{Subject: "alice"})
	assert.True(t, m.revoked.has(revoked("s2", now-1)))
	assert.False(t, m.revoked.has(revoked("s1", now+5)), "a new login")
}

func TestTooManyRevokedUsersEndAllRatherThanForgettingOne(t *testing.T) {
	t.Parallel()
	var l revocations
	id := func(i int) groupID { return groupID{9, byte(i), byte(i >> 8), byte(i >> 16)} }
	first := groupOf(groupSubject, testIssuer, "alice")
	l.addGroup(first, time.Hour)
	old := revoked("s", time.Now().Unix())
	for i := range maxRevocations {
		l.addGroup(id(i), time.Hour)
	}
	assert.True(t, l.has(old))
	assert.True(t, l.has(&identity{subject: "bob", created: old.created}), "together with everything of its time")
	assert.False(t, l.has(&identity{subject: "bob", created: time.Now().Unix() + 1}))
	assert.LessOrEqual(t, l.count, maxRevocations)
	assert.EqualValues(t, l.count, l.groups.Load())

	var roomy revocations
	roomy.addGroup(first, time.Hour)
	for i := range maxRevocations {
		roomy.add(&identity{id: sessionID(id(i)), expires: time.Now().Unix() - 1})
	}
	assert.Equal(t, 1, roomy.count, "expired ones make room")
	assert.True(t, roomy.has(old))
	assert.Zero(t, roomy.before.Load())
}

func TestASessionOfBeforeARestartBecomesKnownWhenItIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := newTestMiddleware(t, &fakeOxd{})
		v := newVisitor(t, m, 0)
		identity, _ := m.readIdentity(readJar(v.request(), m.prefix))
		identity.sid = "s1"
		rec := httptest.NewRecorder()
		require.NoError(t, m.identity.write(rec, nil, identity))
		v.keep(rec.Result())
		id := groupOf(groupSID, testIssuer, "s1")
		time.Sleep(10 * time.Minute)
		assert.False(t, m.seen.has(id))
		status, _, _ := v.visit()
		assert.Equal(t, 200, status)
		assert.True(t, m.seen.has(id))
	})
}

func TestAFloodOfFrontChannelLogoutsEndsNoSessionAndDisplacesNoKnownOne(t *testing.T) {
	t.Parallel()
	m := newTestMiddleware(t, &fakeOxd{})
	send := func(sid string) int {
		rec := httptest.NewRecorder()
		q := url.Values{"iss": {testIssuer}, "sid": {sid}}
		m.FrontChannelLogout().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, m.FrontChannelLogoutPath()+"?"+q.Encode(), nil))
		return rec.Code
	}
	now := time.Now().Unix()
	ended, other, stranger := revoked("ended", now), revoked("other", now), revoked("stranger", now)
	m.learn(ended)
	m.learn(other)
	require.Equal(t, 200, send("ended"))
	require.Equal(t, 200, send("stranger"))
	assert.True(t, m.revoked.has(ended))
	assert.True(t, m.revoked.has(stranger), "a session this process has not seen, as after a restart")
	for i := range 3 * maxHints {
		m.revoked.addHint(groupID{9, byte(i), byte(i >> 8)}, time.Hour)
	}
	assert.True(t, m.revoked.has(ended))
	assert.False(t, m.revoked.has(other))
	assert.False(t, m.revoked.has(stranger), "the price")
	assert.LessOrEqual(t, m.revoked.hints, maxHints)
	assert.Zero(t, m.revoked.before.Load())

	var full revocations
	for i := range maxRevocations {
		full.add(&identity{id: sessionID{7, byte(i), byte(i >> 8), byte(i >> 16)}, expires: now + 3600})
	}
	full.addHint(groupID{}, time.Hour)
	assert.Zero(t, full.before.Load(), "nor does a list that is full already")

	require.Equal(t, 200, send("again"))
	id := groupOf(groupSID, testIssuer, "again")
	m.revoked.addGroup(id, time.Hour)
	m.revoked.addHint(id, time.Hour)
	for i := range 2 * maxHints {
		m.revoked.addHint(groupID{8, byte(i), byte(i >> 8)}, time.Hour)
	}
	assert.True(t, m.revoked.has(revoked("again", now)), "what is proved does not become a hint again")
}

func TestAMemoryForgetsInTimeAndTakesNoMoreThanItHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var s memory
		key := func(i int) [16]byte { return [16]byte{byte(i), byte(i >> 8), byte(i >> 16), 1} }
		until := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
		fresh, kept := s.add([16]byte{}, until(time.Minute))
		assert.True(t, fresh && kept)
		fresh, _ = s.add([16]byte{}, until(time.Minute))
		assert.False(t, fresh)
		for i := range maxMemory - 1 {
			_, kept := s.add(key(i), until(time.Hour))
			require.True(t, kept)
		}
		fresh, kept = s.add([16]byte{9}, until(time.Minute))
		assert.True(t, fresh)
		assert.False(t, kept, "a full memory takes nothing")
		time.Sleep(time.Minute)
		assert.False(t, s.has([16]byte{}))
		_, kept = s.add([16]byte{9}, until(time.Minute))
		assert.True(t, kept, "what has expired makes room")
		fresh, _ = s.add(key(0), until(time.Minute))
		assert.False(t, fresh)
		assert.Len(t, s.until, maxMemory)
	})
}

func TestOnlyTheLatestValuesAreLearned(t *testing.T) {
	t.Parallel()
	var l learned
	assert.True(t, l.none())
	assert.False(t, l.has())
	for _, value := range []string{"a", "b", "b", "c", "d", "e"} {
		l.add(value)
	}
	assert.False(t, l.has("a"))
	assert.True(t, l.has("b", "e"))
	assert.False(t, l.has("b", "x"))
	assert.Len(t, l.values, maxLearned)
}

func TestOnlyAnOriginGetsIntoAPolicy(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://idp.example/realms/a": "https://idp.example",
		"https://idp.example:8443":     "https://idp.example:8443",
		"https://idp.example;x":        "'none'",
		"https://idp.example,x":        "'none'",
		"https://*":                    "'none'",
		"javascript:alert(1)":          "'none'",
		"idp.example":                  "'none'",
		"":                             "'none'",
	} {
		assert.Equal(t, want, originOf(address), address)
	}
}

func FuzzFrontChannelQuery(f *testing.F) {
	f.Add("iss=https://idp.example&sid=s")
	f.Add("iss=a&iss=b&sid=%zz")
	f.Fuzz(func(t *testing.T, raw string) {
		if iss, sid, ok := frontChannelQuery(raw); ok && (iss == "" || sid == "") {
			t.Fatalf("%q passes", raw)
		}
	})
}
