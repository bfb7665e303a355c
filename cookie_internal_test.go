package oxdauth

// Sealing, chunking and finding cookies, from inside: what no request through the front door could show as exactly.

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
)

func testSealer(t testing.TB, purpose, audience string, keys ...[]byte) *sealer {
	t.Helper()
	if len(keys) == 0 {
		keys = [][]byte{bytes.Repeat([]byte("0123456789abcdef!"), 2)}
	}
	s, err := newSealer("__Host-test", purpose, audience, keys, time.Hour, true)
	require.NoError(t, err)
	return s
}

// asJar gives the cookies as a request would carry them.
func asJar(s *sealer, values []string) jar {
	var j jar
	for i, value := range values {
		j = append(j, cookiePair{s.chunkName(i), value})
	}
	return j
}

func open(s *sealer, j jar, v payload) bool {
	_, ok := s.open(j, j.first(s.name), v)
	return ok
}

func sampleIdentity() *identity {
	return &identity{
		id: sessionID{1, 2, 3}, generation: 7, created: 1_790_000_000, authTime: 1_790_000_001, idleExpires: 1_790_003_600,
		expires: 1_790_040_000, refreshAt: 1_790_000_240, accessExpires: 1_790_000_300,
		subject: "jSZtOk9I", issuer: "https://idp.example.org", sid: "s1", acr: "otp",
		claims: oxd.Claims{"name": {"Zoë 李 😀"}, "groups": {"a", "b"}, "none": {}},
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

func TestPayloadsSurviveSealing(t *testing.T) {
	t.Parallel()
	s := testSealer(t, "p", "a")
	for name, pair := range map[string][2]payload{
		"a full identity":                          {sampleIdentity(), new(identity)},
		"an empty identity":                        {new(identity), new(identity)},
		"JWTs":                                     {&tokens{id: sessionID{9}, access: jwt(600), refresh: jwt(600), idToken: jwt(600)}, new(tokens)},
		"opaque tokens":                            {&tokens{access: "b75434ff-f465", refresh: "", idToken: "a.b.c"}, new(tokens)},
		"text with dots that is no base64":         {&tokens{access: "a.?.c", refresh: "..", idToken: "aa.bb.cc"}, new(tokens)},
		"a JWT whose base64 is not canonical":      {&tokens{access: "YWJj.YWJ=.YWJj", idToken: "YR.YR.YR"}, new(tokens)},
		"a login":                                  {&login{created: 5, attempt: 2, state: [16]byte{1}, maxAge: 60, acrs: "a b", returnTo: "/x?y=é"}, new(login)},
		"tokens of 6 KB that compress":             {&tokens{access: strings.Repeat("abc.def", 900)}, new(tokens)},
		"tokens of 6 KB that do not compress much": {&tokens{access: jwt(6000)}, new(tokens)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values, err := s.seal(pair[0])
			require.NoError(t, err)
			require.True(t, open(s, asJar(s, values), pair[1]))
			if v, ok := pair[0].(*identity); ok && v.claims == nil {
				assert.Nil(t, pair[1].(*identity).claims)
			}
			assert.Equal(t, pair[0], pair[1])
		})
	}
}

func TestV70SealingTheSameTwiceGivesDifferentValues(t *testing.T) {
	t.Parallel()
	s := testSealer(t, "p", "a")
	seen := map[string]bool{}
	for range 10_000 {
		values, err := s.seal(new(identity))
		require.NoError(t, err)
		inner, err := base64.URLEncoding.DecodeString(strings.SplitN(values[0], ".", 3)[2])
		require.NoError(t, err)
		sealed, err := base64.URLEncoding.DecodeString(strings.Split(string(inner), "|")[1])
		require.NoError(t, err)
		iv := string(sealed[:16])
		require.False(t, seen[iv], "an initialisation vector came twice")
		seen[iv] = true
	}
}

func TestV71EveryFlippedBitIsRejected(t *testing.T) {
	t.Parallel()
	s := testSealer(t, "p", "a")
	for _, v := range []payload{new(login), sampleIdentity(), &tokens{access: jwt(3000)}} {
		values, err := s.seal(v)
		require.NoError(t, err)
		for chunk := range values {
			for i := range len(values[chunk]) {
				for bit := range 8 {
					changed := []byte(values[chunk])
					changed[i] ^= 1 << bit
					j := asJar(s, values)
					j[chunk].value = string(changed)
					if open(s, j, newLike(v)) {
						t.Fatalf("%T: chunk %d, byte %d, bit %d: accepted", v, chunk, i, bit)
					}
				}
			}
		}
	}
}

func newLike(v payload) payload {
	switch v.(type) {
	case *identity:
		return new(identity)
	case *tokens:
		return new(tokens)
	case *form:
		return new(form)
	case *storedTokens:
		return new(storedTokens)
	case *groupEnd:
		return new(groupEnd)
	}
	return new(login)
}

func TestV72WhatIsNotOursIsNoSession(t *testing.T) {
	t.Parallel()
	s := testSealer(t, "p", "a")
	values, err := s.seal(sampleIdentity())
	require.NoError(t, err)
	id, rest, _ := strings.Cut(values[0], ".")
	raw, err := s.keys[0].codec.Encode(s.macNames[1], []byte{2, 0, 0})
	require.NoError(t, err)
	for name, value := range map[string]string{
		"empty": "", "random": "lHk3jd93kdLp", "dots": "...", "only an id": id, "an id and a count": id + ".1", "no body": id + ".1.",
		"unknown key": "AAAAAA." + rest, "count 0": id + ".0." + rest[2:], "count 2": id + ".2." + rest[2:], "count 01": id + ".01." + rest[2:],
		"count +1": id + ".+1." + rest[2:], "another version byte": id + ".1." + raw,
	} {
		assert.False(t, open(s, jar{{s.name, value}}, new(identity)), name)
	}
}

func TestV30ACookieOfOnePurposeIsNoneOfAnother(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte("0123456789abcdef!"), 2)
	logins, sessions := testSealer(t, "login", "a", key), testSealer(t, "identity", "a", key)
	values, err := logins.seal(new(login))
	require.NoError(t, err)
	assert.True(t, open(logins, asJar(logins, values), new(login)))
	assert.False(t, open(sessions, asJar(sessions, values), new(login)), "same secret, same name, other purpose")
}

func TestV31ACookieOfOneApplicationIsNoneOfAnother(t *testing.T) {
	t.Parallel()
	key := bytes.Repeat([]byte("0123456789abcdef!"), 2)
	a, b := testSealer(t, "identity", "client a", key), testSealer(t, "identity", "client b", key)
	values, err := a.seal(sampleIdentity())
	require.NoError(t, err)
	assert.True(t, open(a, asJar(a, values), new(identity)))
	assert.False(t, open(b, asJar(b, values), new(identity)))
}

func TestV73AnAttackersPartCountIsBounded(t *testing.T) { // not parallel: it measures allocations
	s := testSealer(t, "p", "a")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, count := range []string{"99999999", "2147483647", "-2147483647", "17", "1e9", "0x10", "99999999999999999999999"} {
		j := jar{{s.name, s.keys[0].id + "." + count + ".abcd"}}
		assert.False(t, open(s, j, new(identity)), count)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10))
}

func TestV74EveryLengthRoundTrips(t *testing.T) {
	t.Parallel()
	s := testSealer(t, "p", "a")
	noise := make([]byte, 33<<10)
	rand.Read(noise)
	text := base64.RawURLEncoding.EncodeToString(noise) // does not compress below 3/4
	last := 0
	for n := 0; n <= 32<<10; n++ {
		chunks := s.chunks(n)
		boundary := chunks != last
		last = chunks
		if n > 300 && !boundary && n%97 != 0 && s.chunks(n+3) == chunks && s.chunks(max(n-3, 0)) == chunks {
			continue // every length near a boundary, every 97th elsewhere
		}
		v := &identity{subject: text[:n]}
		values, err := s.seal(v)
		require.NoError(t, err, n)
		for i, value := range values {
			require.NotEmpty(t, value)
			require.LessOrEqual(t, len(s.chunkName(i))+len(value), maxCookie)
		}
		got := new(identity)
		require.True(t, open(s, asJar(s, values), got), "length %d in %d chunks", n, len(values))
		require.Equal(t, v.subject, got.subject)
	}
	_, err := s.seal(&identity{subject: text[:40<<10]})
	require.ErrorIs(t, err, ErrSessionTooLarge)
}

func TestV75ADecompressionBombIsStopped(t *testing.T) { // not parallel: it measures allocations
	var bomb bytes.Buffer
	bomb.WriteByte(deflated)
	w, err := flate.NewWriter(&bomb, flate.BestCompression)
	require.NoError(t, err)
	zeros := make([]byte, 1<<20)
	for range 64 {
		_, err = w.Write(zeros)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	require.ErrorIs(t, new(tokens).unmarshal(bomb.Bytes()), errPayload)
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20), "64 MB must not be inflated")
}

func TestV76ChunksNoLongerNeededAreRemoved(t *testing.T) {
	t.Parallel()
	s := testSealer(t, "p", "a")
	big, err := s.seal(&tokens{access: jwt(12_000)})
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(big), 4)
	rec := httptest.NewRecorder()
	require.NoError(t, s.write(rec, asJar(s, big), &tokens{access: "small"}))
	left := map[string]string{}
	for _, c := range asJar(s, big) {
		left[c.name] = c.value
	}
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(left, c.Name)
		} else {
			left[c.Name] = c.Value
		}
	}
	require.Len(t, left, 1)
	got := new(tokens)
	require.True(t, open(s, jar{{s.name, left[s.name]}}, got))
	assert.Equal(t, "small", got.access)
}

func TestV79AForgedCookieCostsOneMACWhateverTheNumberOfKeys(t *testing.T) { // not parallel: it measures allocations
	keys := make([][]byte, 50)
	for i := range keys {
		keys[i] = randomKey()
	}
	one, many := testSealer(t, "p", "a", keys[0]), testSealer(t, "p", "a", keys...)
	body := strings.Repeat("A", 8000)
	forged := func(s *sealer) float64 {
		j := jar{{s.name, s.keys[0].id + ".1." + base64.URLEncoding.EncodeToString([]byte("1790000000|"+body+"|"+strings.Repeat("x", 32)))}}
		return testing.AllocsPerRun(20, func() { assert.False(t, open(s, j, new(identity))) })
	}
	assert.InDelta(t, forged(one), forged(many), 2, "work grows with the number of keys")
}

func TestV84ASealOlderThanTheLimitIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := testSealer(t, "p", "a") // an hour
		values, err := s.seal(sampleIdentity())
		require.NoError(t, err)
		time.Sleep(time.Hour)
		require.True(t, open(s, asJar(s, values), new(identity)))
		time.Sleep(2 * time.Second)
		require.False(t, open(s, asJar(s, values), new(identity)), "the MAC is valid, the age is not")
	})
}

func TestV85NothingReadableStandsInACookie(t *testing.T) {
	t.Parallel()
	s := testSealer(t, "p", "a")
	secret := "very-secret-access-token-0123456789"
	values, err := s.seal(&tokens{access: secret})
	require.NoError(t, err)
	inner, err := base64.URLEncoding.DecodeString(strings.SplitN(values[0], ".", 3)[2])
	require.NoError(t, err)
	sealed, err := base64.URLEncoding.DecodeString(strings.Split(string(inner), "|")[1])
	require.NoError(t, err)
	for _, layer := range []string{values[0], string(inner), string(sealed)} {
		assert.NotContains(t, layer, secret[:8])
	}
	signedOnly, err := securecookie.New(make([]byte, 32), nil).SetSerializer(serializer{}).Encode(s.macNames[1], []byte{payloadVersion})
	require.NoError(t, err)
	assert.False(t, open(s, jar{{s.name, s.keys[0].id + ".1." + signedOnly}}, new(identity)))
}

func TestAPreviousKeyReadsAndAsksForARewrite(t *testing.T) {
	t.Parallel()
	older, newer := randomKey(), randomKey()
	before := testSealer(t, "p", "a", older)
	values, err := before.seal(sampleIdentity())
	require.NoError(t, err)

	during := testSealer(t, "p", "a", newer, older)
	rotate, ok := during.open(asJar(during, values), values[0], new(identity))
	assert.True(t, ok)
	assert.True(t, rotate)

	after := testSealer(t, "p", "a", newer)
	_, ok = after.open(asJar(after, values), values[0], new(identity))
	assert.False(t, ok)
}

func TestV78AHugeCookieHeaderIsReadOnceAndBounded(t *testing.T) { // not parallel: it measures allocations
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["Cookie"] = []string{strings.Repeat("a=;", 350_000), strings.Repeat("__Host-oxdauth=x; ", 10_000)}
	allocs := testing.AllocsPerRun(1, func() {
		assert.Len(t, readJar(r, "__Host-oxdauth"), maxJar)
	})
	assert.Less(t, allocs, 50.0)
}

func TestV80OddCookieHeadersAreNothing(t *testing.T) {
	t.Parallel()
	for _, header := range []string{";", "=", "a", ";;=;", "__Host-oxdauth", "__Host-oxdauth=", " ; __Host-oxdauth ; ", "\x00=\x01;\xff"} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Cookie"] = []string{header}
		for _, c := range readJar(r, "__Host-oxdauth") {
			assert.Empty(t, c.value, header)
		}
	}
}

func FuzzOpen(f *testing.F) {
	s := testSealer(f, "p", "a")
	values, err := s.seal(sampleIdentity())
	require.NoError(f, err)
	f.Add(s.name + "=" + values[0])
	f.Add("__Host-test=AAAAAA.2.x; __Host-test_1=y")
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"Cookie": {header}}}
		j := readJar(r, "__Host-test")
		v := new(identity)
		if open(s, j, v) && v.subject != sampleIdentity().subject {
			t.Fatalf("accepted %q", header)
		}
	})
}

func FuzzPayloads(f *testing.F) {
	f.Add(sampleIdentity().marshal())
	f.Add((&tokens{access: "a.b.c", idToken: jwt(30)}).marshal())
	f.Add(deflate((&tokens{access: strings.Repeat("x", 500)}).marshal()))
	f.Add((&login{returnTo: "/"}).marshal())
	f.Add((&form{action: "/notes", urlEncoded: "a=b"}).marshal())
	f.Add((&storedTokens{sampleIdentity(), tokens{access: "a"}}).marshal())
	f.Add((&groupEnd{through: 1_800_000_000}).marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, v := range []payload{new(identity), new(tokens), new(login), new(form), new(storedTokens), new(groupEnd)} {
			if v.unmarshal(b) != nil {
				continue
			}
			again := newLike(v)
			require.NoError(t, again.unmarshal(v.marshal()), "what was read can be written and read")
		}
	})
}
