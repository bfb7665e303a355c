package session_test

// What a session consists of, how it travels, and when it is due.

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/base64"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/oxd"
)

func sampleIdentity() *session.Identity {
	return &session.Identity{
		ID: session.ID{1, 2, 3}, Generation: 7, Created: 1_790_000_000, AuthTime: 1_790_000_001,
		IdleExpires: 1_790_003_600, Expires: 1_790_040_000, RefreshAt: 1_790_000_240, AccessExpires: 1_790_000_300,
		Subject: "jSZtOk9I", Issuer: "https://idp.example.org", SID: "s1", ACR: "otp",
		Claims: oxd.Claims{"name": {"Zoë 李 😀"}, "groups": {"a", "b"}, "none": {}},
	}
}

func jwt(n int) string {
	part := func(n int) string {
		b := make([]byte, n)
		rand.Read(b)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return part(20) + "." + part(n*3/4) + "." + part(32)
}

func TestASessionSurvivesItsCookies(t *testing.T) {
	t.Parallel()
	c, err := sealed.NewCookie("__Host-test", "p", "a", [][]byte{sealed.RandomKey()}, time.Hour, true)
	require.NoError(t, err)
	for name, pair := range map[string][2]sealed.Payload{
		"a full identity":   {sampleIdentity(), new(session.Identity)},
		"an empty identity": {new(session.Identity), new(session.Identity)},
		"JWTs": {
			&session.Tokens{ID: session.ID{9}, Access: jwt(600), Refresh: jwt(600), IDToken: jwt(600)}, new(session.Tokens),
		},
		"opaque tokens": {
			&session.Tokens{Access: "b75434ff-f465", Refresh: "", IDToken: "a.b.c"}, new(session.Tokens),
		},
		"text with dots that is no base64": {
			&session.Tokens{Access: "a.?.c", Refresh: "..", IDToken: "aa.bb.cc"}, new(session.Tokens),
		},
		"a JWT whose base64 is not canonical": {
			&session.Tokens{Access: "YWJj.YWJ=.YWJj", IDToken: "YR.YR.YR"}, new(session.Tokens),
		},
		"tokens of 6 KB that compress": {
			&session.Tokens{Access: strings.Repeat("abc.def", 900)}, new(session.Tokens),
		},
		"tokens of 6 KB that do not compress much": {&session.Tokens{Access: jwt(6000)}, new(session.Tokens)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := httptest.NewRecorder()
			require.NoError(t, c.Write(rec, nil, pair[0]))
			var j sealed.Jar
			for _, cookie := range rec.Result().Cookies() {
				j = append(j, sealed.Pair{Name: cookie.Name, Value: cookie.Value})
			}
			_, err := c.Open(j, j[0].Value, pair[1])
			require.NoError(t, err)
			if v, ok := pair[0].(*session.Identity); ok && v.Claims == nil {
				assert.Nil(t, pair[1].(*session.Identity).Claims)
			}
			assert.Equal(t, pair[0], pair[1])
		})
	}
}

func TestTheClaimsAreReadIntoABufferAsFarAsTheyFit(t *testing.T) {
	t.Parallel()
	b := sampleIdentity().Marshal()
	for _, size := range []int{0, 1, 4} {
		var v session.Identity
		v.UseBuffer(make([]string, 0, size))
		require.NoError(t, v.Unmarshal(b))
		assert.Equal(t, sampleIdentity().Claims, v.Claims)
		v.Claims["name"] = append(v.Claims["name"], "x")
		v.Claims["groups"] = append(v.Claims["groups"], "x")
		assert.Equal(t, []string{"Zoë 李 😀", "x"}, v.Claims["name"], "the claims do not share room")
		assert.Equal(t, []string{"a", "b", "x"}, v.Claims["groups"])
	}
}

func TestSessionIDsAreRandom(t *testing.T) {
	t.Parallel()
	t.Run("V-81", func(t *testing.T) {
		t.Parallel()
		seen := map[session.ID]bool{}
		var ones [128]int
		for range 10_000 {
			id := session.NewID()
			require.False(t, seen[id])
			seen[id] = true
			for i := range ones {
				ones[i] += int(id[i/8] >> (i % 8) & 1)
			}
		}
		for i, n := range ones {
			assert.InDelta(t, 5000, n, 400, "bit %d", i)
		}
	})
}

func TestASessionIsAliveWithinBothLimits(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for name, test := range map[string]struct {
		idle, absolute time.Duration
		alive          bool
	}{
		"within both":      {time.Second, time.Second, true},
		"at the idle one":  {0, time.Hour, false},
		"at the absolute":  {time.Hour, 0, false},
		"without any left": {-time.Hour, -time.Hour, false},
	} {
		v := &session.Identity{IdleExpires: now.Add(test.idle).Unix(), Expires: now.Add(test.absolute).Unix()}
		assert.Equal(t, test.alive, v.Alive(now), name)
	}
}

func TestWhatASessionNeeds(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	for name, test := range map[string]struct {
		v        session.Identity
		interval time.Duration
		want     session.Need
	}{
		"nothing is known":            {session.Identity{}, 0, session.Need{}},
		"the token is fresh":          {session.Identity{RefreshAt: at(time.Second), AccessExpires: at(time.Minute)}, 0, session.Need{}},
		"a refresh is due":            {session.Identity{RefreshAt: at(0), AccessExpires: at(time.Second)}, 0, session.Need{Tokens: true}},
		"the token has expired":       {session.Identity{RefreshAt: at(-time.Minute), AccessExpires: at(0)}, 0, session.Need{Tokens: true, Wait: true}},
		"there is no refresh token":   {session.Identity{AccessExpires: at(-time.Hour)}, 0, session.Need{}},
		"the claims are fresh":        {session.Identity{ClaimsAt: at(-79 * time.Second)}, 100 * time.Second, session.Need{}},
		"the claims are nearly old":   {session.Identity{ClaimsAt: at(-80 * time.Second)}, 100 * time.Second, session.Need{Claims: true}},
		"the claims are old":          {session.Identity{ClaimsAt: at(-100 * time.Second)}, 100 * time.Second, session.Need{Claims: true, Wait: true}},
		"the claims were never read":  {session.Identity{}, 100 * time.Second, session.Need{Claims: true, Wait: true}},
		"no token to read them with":  {session.Identity{AccessExpires: at(-time.Second), ClaimsAt: at(-time.Hour)}, time.Minute, session.Need{}},
		"both, after one refresh":     {session.Identity{RefreshAt: at(-time.Minute), AccessExpires: at(0), ClaimsAt: at(-time.Hour)}, time.Minute, session.Need{Tokens: true, Claims: true, Wait: true}},
		"a refresh ahead, old claims": {session.Identity{RefreshAt: at(0), AccessExpires: at(time.Minute), ClaimsAt: at(-time.Hour)}, time.Minute, session.Need{Tokens: true, Claims: true, Wait: true}},
	} {
		got := test.v.Due(now, test.interval)
		assert.Equal(t, test.want, got, name)
		assert.Equal(t, test.want.Tokens || test.want.Claims, got.Any(), name)
	}
}

func TestAnAccessTokenIsRefreshedAheadOfItsExpiry(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for name, test := range map[string]struct {
		lifetime            time.Duration
		refreshable         bool
		expires, refreshing time.Duration // from now; zero: never
	}{
		"a fifth":                    {100 * time.Second, true, 100 * time.Second, 80 * time.Second},
		"at most a minute":           {time.Hour, true, time.Hour, 59 * time.Minute},
		"without a refresh token":    {time.Hour, false, time.Hour, 0},
		"without a lifetime":         {0, true, 0, 0},
		"with a lifetime below zero": {-time.Second, true, 0, 0},
	} {
		at := func(d time.Duration) int64 {
			if d == 0 {
				return 0
			}
			return now.Add(d).Unix()
		}
		expires, refreshAt := session.Schedule(now, test.lifetime, test.refreshable)
		assert.Equal(t, at(test.expires), expires, name)
		assert.Equal(t, at(test.refreshing), refreshAt, name)
	}
	assert.True(t, session.Unix(0).IsZero())
	assert.Equal(t, now, session.Unix(now.Unix()))
}

func TestDigestsOfDifferentKindsDiffer(t *testing.T) {
	t.Parallel()
	assert.NotEqual(t, session.Digest("state", "a"), session.Digest("nonce", "a"))
	assert.Equal(t, session.Digest("state", "a"), session.Digest("state", "a"))
	long := session.Digest("state", "a")
	assert.Equal(t, [8]byte(long[:8]), session.Digest8("state", "a"))
}

func TestASessionBelongsToItsUserAndItsSessionAtTheProvider(t *testing.T) {
	t.Parallel()
	const issuer = "https://idp.example"
	with := &session.Identity{Issuer: issuer, Subject: "alice", SID: "s1"}
	without := &session.Identity{Issuer: issuer, Subject: "alice"}
	alice := session.GroupOfSubject(issuer, "alice")
	assert.Equal(t, [2]session.Group{alice, session.GroupOfSID(issuer, "s1")}, with.Groups())
	assert.Equal(t, [2]session.Group{alice, session.GroupWithoutSID(issuer, "alice")}, without.Groups())
	seen := map[session.Group]bool{}
	for _, group := range []session.Group{
		alice, session.GroupOfSID(issuer, "alice"), session.GroupWithoutSID(issuer, "alice"),
		session.GroupOfSubject(issuer+"a", "lice"), session.GroupOfSubject("https://other.example", "alice"),
	} {
		assert.False(t, seen[group], "groups of different kinds, issuers or names differ")
		seen[group] = true
	}
}

func FuzzPayloads(f *testing.F) {
	f.Add(sampleIdentity().Marshal())
	f.Add((&session.Tokens{Access: "a.b.c", IDToken: jwt(30)}).Marshal())
	f.Add((&session.Tokens{Access: "a", RPTs: session.RPTs{PCT: "p", List: []session.RPT{{Token: "r"}}}}).Marshal())
	f.Add([]byte{sealed.Version})
	deflated := bytes.NewBuffer([]byte{0x80})
	w, err := flate.NewWriter(deflated, flate.DefaultCompression)
	require.NoError(f, err)
	_, err = w.Write((&session.Tokens{Access: strings.Repeat("x", 500)}).Marshal())
	require.NoError(f, err)
	require.NoError(f, w.Close())
	require.NoError(f, new(session.Tokens).Unmarshal(deflated.Bytes()))
	f.Add(deflated.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		identity, tokens := new(session.Identity), new(session.Tokens)
		if identity.Unmarshal(b) == nil {
			again := new(session.Identity)
			require.NoError(t, again.Unmarshal(identity.Marshal()), "what was read can be written and read")
		}
		if tokens.Unmarshal(b) == nil {
			assert.LessOrEqual(t, len(tokens.RPTs.List), 5)
			again := new(session.Tokens)
			require.NoError(t, again.Unmarshal(tokens.Marshal()), "what was read can be written and read")
		}
	})
}
