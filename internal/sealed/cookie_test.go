package sealed_test

// Sealing, chunking and finding cookies: what no request through the front door could show as
// exactly.

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"encoding/base64"
	"io"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/sealed"
)

func TestAPayloadSurvivesItsCookies(t *testing.T) {
	t.Parallel()
	c := testCookie(t, "p", "a")
	for name, pair := range map[string][2]sealed.Payload{
		"an empty note":                            {new(note), new(note)},
		"a note":                                   {&note{"Zoë 李 😀"}, new(note)},
		"JWTs":                                     {&tokens{access: jwt(600), id: jwt(600)}, new(tokens)},
		"opaque tokens":                            {&tokens{access: "b75434ff-f465", id: ""}, new(tokens)},
		"text with dots that is no base64":         {&tokens{access: "a.?.c", id: ".."}, new(tokens)},
		"a JWT whose base64 is not canonical":      {&tokens{access: "YWJj.YWJ=.YWJj", id: "YR.YR.YR"}, new(tokens)},
		"a JWT with line ends":                     {&tokens{access: "YW\nJj.YWJj.YWJj", id: "YWJj.Y\rWJj.YWJj"}, new(tokens)},
		"tokens of 6 KB that compress":             {&tokens{access: strings.Repeat("abc.def", 900)}, new(tokens)},
		"tokens of 6 KB that do not compress much": {&tokens{access: jwt(6000)}, new(tokens)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, open(c, seal(t, c, pair[0]), pair[1]))
			assert.Equal(t, pair[0], pair[1])
		})
	}
}

func TestACookieThatIsNotOursIsRefused(t *testing.T) {
	t.Parallel()
	c := testCookie(t, "p", "a")

	t.Run("V-71 every flipped bit", func(t *testing.T) {
		t.Parallel()
		for _, pair := range [][2]sealed.Payload{
			{new(note), new(note)}, {&note{"jSZtOk9I"}, new(note)}, {&tokens{access: jwt(3000)}, new(tokens)},
		} {
			j := seal(t, c, pair[0])
			for chunk := range j {
				value := j[chunk].Value
				for i := range len(value) {
					for bit := range 8 {
						changed := []byte(value)
						changed[i] ^= 1 << bit
						j[chunk].Value = string(changed)
						if open(c, j, pair[1]) == nil {
							t.Fatalf("%T: chunk %d, byte %d, bit %d: accepted", pair[0], chunk, i, bit)
						}
					}
				}
				j[chunk].Value = value
			}
		}
	})

	t.Run("V-72 anything else", func(t *testing.T) {
		t.Parallel()
		id, rest, _ := strings.Cut(seal(t, c, &note{"a"})[0].Value, ".")
		for name, value := range map[string]string{
			"empty": "", "random": "lHk3jd93kdLp", "dots": "...", "only an id": id, "an id and a count": id + ".1",
			"no body": id + ".1.", "unknown key": "AAAAAA." + rest, "count 0": id + ".0." + rest[2:],
			"count 2": id + ".2." + rest[2:], "count 01": id + ".01." + rest[2:], "count +1": id + ".+1." + rest[2:],
			"no payload":           seal(t, c, raw{})[0].Value,
			"something at the end": seal(t, c, append(raw((&note{"a"}).Marshal()), 0))[0].Value,
		} {
			assert.Equal(t, sealed.ErrPayload, open(c, sealed.Jar{{Name: c.Name(), Value: value}}, new(note)), name)
		}
		assert.Equal(t, sealed.ErrVersion, open(c, seal(t, c, raw{2, 0, 0}), new(note)), "another version byte")
	})

	t.Run("V-30 a cookie of another purpose", func(t *testing.T) {
		t.Parallel()
		logins, sessions := testCookie(t, "login", "a"), testCookie(t, "identity", "a")
		j := seal(t, logins, new(note))
		require.NoError(t, open(logins, j, new(note)))
		assert.Equal(t, sealed.ErrPayload, open(sessions, j, new(note)), "same secret, same name, other purpose")
	})

	t.Run("V-31 a cookie of another application", func(t *testing.T) {
		t.Parallel()
		one, two := testCookie(t, "identity", "client a"), testCookie(t, "identity", "client b")
		j := seal(t, one, new(note))
		require.NoError(t, open(one, j, new(note)))
		assert.Equal(t, sealed.ErrPayload, open(two, j, new(note)))
	})

	t.Run("V-84 a seal older than the limit", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := testCookie(t, "p", "a") // an hour
			j := seal(t, c, &note{"a"})
			time.Sleep(time.Hour)
			require.NoError(t, open(c, j, new(note)))
			time.Sleep(2 * time.Second)
			require.Error(t, open(c, j, new(note)), "the MAC is valid, the age is not")
		})
	})
}

func TestNothingReadableStandsInACookie(t *testing.T) {
	t.Parallel()
	c := testCookie(t, "p", "a")
	layers := func(value string) (inner, encrypted string) {
		b, err := base64.URLEncoding.DecodeString(strings.SplitN(value, ".", 3)[2])
		require.NoError(t, err)
		inner = string(b)
		b, err = base64.URLEncoding.DecodeString(strings.Split(inner, "|")[1])
		require.NoError(t, err)
		return inner, string(b)
	}

	t.Run("V-70 the same payload is sealed into different values", func(t *testing.T) {
		t.Parallel()
		seen := map[string]bool{}
		for range 10_000 {
			value, err := c.SealOne(new(note))
			require.NoError(t, err)
			_, encrypted := layers(value)
			require.False(t, seen[encrypted[:16]], "an initialisation vector came twice")
			seen[encrypted[:16]] = true
		}
	})

	t.Run("V-85", func(t *testing.T) {
		t.Parallel()
		secret := "very-secret-access-token-0123456789"
		value, err := c.SealOne(&tokens{access: secret})
		require.NoError(t, err)
		inner, encrypted := layers(value)
		for _, layer := range []string{value, inner, encrypted} {
			assert.NotContains(t, layer, secret[:8])
		}
		signedOnly, err := securecookie.New(make([]byte, 32), nil).SetSerializer(securecookie.NopEncoder{}).
			Encode(c.Name()+".1", []byte{sealed.Version})
		require.NoError(t, err)
		forged := sealed.Jar{{Name: c.Name(), Value: keyID(t, c) + ".1." + signedOnly}}
		assert.Equal(t, sealed.ErrPayload, open(c, forged, new(note)))
	})
}

func TestWhatACookieCostsIsBounded(t *testing.T) { // not parallel: it measures allocations
	c := testCookie(t, "p", "a")
	allocated := func(f func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}

	t.Run("V-73 an attacker's number of chunks", func(t *testing.T) {
		id := keyID(t, c)
		assert.Less(t, allocated(func() {
			for _, count := range []string{
				"99999999", "2147483647", "-2147483647", "17", "1e9", "0x10", "99999999999999999999999",
			} {
				j := sealed.Jar{{Name: c.Name(), Value: id + "." + count + ".abcd"}}
				assert.Error(t, open(c, j, new(note)), count)
			}
		}), uint64(64<<10))
	})

	t.Run("V-75 a decompression bomb", func(t *testing.T) {
		var part bytes.Buffer
		w, err := flate.NewWriter(&part, flate.BestCompression)
		require.NoError(t, err)
		_, err = w.Write(make([]byte, 1<<20))
		require.NoError(t, err)
		require.NoError(t, w.Flush())
		bomb := append([]byte{0x80}, bytes.Repeat(part.Bytes(), 64)...)
		_, err = io.CopyN(io.Discard, flate.NewReader(bytes.NewReader(bomb[1:])), 2<<20)
		require.NoError(t, err, "it can be inflated")
		assert.Less(t, allocated(func() {
			require.ErrorIs(t, new(tokens).Unmarshal(bomb), sealed.ErrPayload)
		}), uint64(8<<20), "64 MB must not be inflated")
	})

	t.Run("V-78 a huge cookie header", func(t *testing.T) {
		r := withCookies(strings.Repeat("a=;", 350_000), strings.Repeat("__Host-oxdauth=x; ", 10_000))
		allocs := testing.AllocsPerRun(1, func() {
			assert.Len(t, sealed.ReadJar(r, "__Host-oxdauth"), sealed.MaxJar)
		})
		assert.Less(t, allocs, 50.0)
	})

	t.Run("V-79 a forged cookie costs one MAC whatever the number of keys", func(t *testing.T) {
		keys := make([][]byte, 50)
		for i := range keys {
			keys[i] = sealed.RandomKey()
		}
		one, many := testCookie(t, "p", "a", keys[0]), testCookie(t, "p", "a", keys...)
		body := "1790000000|" + strings.Repeat("A", 8000) + "|" + strings.Repeat("x", 32)
		forged := func(c *sealed.Cookie) float64 {
			value := keyID(t, c) + ".1." + base64.URLEncoding.EncodeToString([]byte(body))
			j := sealed.Jar{{Name: c.Name(), Value: value}}
			return testing.AllocsPerRun(20, func() { assert.Error(t, open(c, j, new(note))) })
		}
		assert.InDelta(t, forged(one), forged(many), 2, "work grows with the number of keys")
	})
}

func TestAPayloadOfAnyLengthIsCutIntoChunks(t *testing.T) {
	t.Parallel()
	c := testCookie(t, "p", "a")

	t.Run("V-74 every length round-trips", func(t *testing.T) {
		t.Parallel()
		noise := make([]byte, 33<<10)
		rand.Read(noise)
		text := base64.RawURLEncoding.EncodeToString(noise) // does not compress below 3/4
		last := 0
		for n := 0; n <= 32<<10; n++ {
			chunks := c.Chunks(n)
			boundary := chunks != last
			last = chunks
			near := c.Chunks(n+3) != chunks || c.Chunks(max(n-3, 0)) != chunks
			if n > 300 && !boundary && n%97 != 0 && !near {
				continue // every length near a boundary, every 97th elsewhere
			}
			v := &note{text[:n]}
			j := seal(t, c, v)
			for _, pair := range j {
				require.NotEmpty(t, pair.Value)
				require.LessOrEqual(t, len(pair.Name)+len(pair.Value), sealed.MaxCookie)
			}
			got := new(note)
			require.NoError(t, open(c, j, got), "length %d in %d chunks", n, len(j))
			require.Equal(t, v.text, got.text)
		}
		rec := httptest.NewRecorder()
		require.ErrorIs(t, c.Write(rec, nil, &note{text[:40<<10]}), sealed.ErrTooLarge)
		assert.Empty(t, rec.Header())
	})

	t.Run("V-76 chunks no longer needed are removed", func(t *testing.T) {
		t.Parallel()
		big := seal(t, c, &tokens{access: jwt(12_000)})
		require.GreaterOrEqual(t, len(big), 4)
		rec := httptest.NewRecorder()
		require.NoError(t, c.Write(rec, big, &tokens{access: "small"}))
		left := map[string]string{}
		for _, pair := range big {
			left[pair.Name] = pair.Value
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
		require.NoError(t, open(c, sealed.Jar{{Name: c.Name(), Value: left[c.Name()]}}, got))
		assert.Equal(t, "small", got.access)
	})

	t.Run("a missing, empty or overlong chunk", func(t *testing.T) {
		t.Parallel()
		j := seal(t, c, &tokens{access: jwt(6000)})
		require.Len(t, j, 3)
		for name, second := range map[string]sealed.Pair{
			"missing": {}, "empty": {Name: j[1].Name}, "overlong": {Name: j[1].Name, Value: strings.Repeat("A", 4096)},
		} {
			assert.Equal(t, sealed.ErrPayload, open(c, sealed.Jar{j[0], second, j[2]}, new(tokens)), name)
		}
	})

	t.Run("one cookie is asked for", func(t *testing.T) {
		t.Parallel()
		_, err := c.SealOne(&note{strings.Repeat("x", 6000)})
		assert.Equal(t, sealed.ErrTooLarge, err)
		value, err := c.SealOne(&tokens{access: strings.Repeat("x", 6000)})
		require.NoError(t, err, "compressed it fits")
		assert.NoError(t, open(c, sealed.Jar{{Name: c.Name(), Value: value}}, new(tokens)))
	})
}

func TestAPreviousKeyReadsAndAsksForARewrite(t *testing.T) {
	t.Parallel()
	older, newer := sealed.RandomKey(), sealed.RandomKey()
	j := seal(t, testCookie(t, "p", "a", older), &note{"a"})

	rotate, err := testCookie(t, "p", "a", older).Open(j, j[0].Value, new(note))
	assert.NoError(t, err)
	assert.False(t, rotate)
	rotate, err = testCookie(t, "p", "a", newer, older).Open(j, j[0].Value, new(note))
	assert.NoError(t, err)
	assert.True(t, rotate)
	_, err = testCookie(t, "p", "a", newer).Open(j, j[0].Value, new(note))
	assert.Equal(t, sealed.ErrPayload, err)
}

func TestACookieOfAnUnknownVersionIsLeftToTheReleaseThatKnowsIt(t *testing.T) {
	t.Parallel()
	c := testCookie(t, "p", "a")
	later := func(text string) raw {
		b := (&note{text}).Marshal()
		b[0]++
		return b
	}
	planted := func(n int, j sealed.Jar) sealed.Jar {
		return append(slices.Repeat(sealed.Jar{{Name: c.Name(), Value: "x"}}, n), j...)
	}
	small, large := seal(t, c, later("x")), seal(t, c, later(jwt(6000)))
	for name, test := range map[string]struct {
		jar     sealed.Jar
		unknown bool
	}{
		"nothing":                       {nil, false},
		"garbage":                       {planted(1, nil), false},
		"this version":                  {seal(t, c, &tokens{access: "x"}), false},
		"this version, deflated":        {seal(t, c, &tokens{access: strings.Repeat("x", 9000)}), false},
		"this version, malformed":       {seal(t, c, raw{sealed.Version, 7}), false},
		"the next version":              {small, true},
		"the next version, in chunks":   {large, true},
		"the next version, deflated":    {seal(t, c, deflated(t, later("x"))), true},
		"the next version, without end": {large[:1], false},
		"an unknown compression":        {seal(t, c, raw{0x80, 0xff}), true},
		"no payload":                    {seal(t, c, raw{}), false},
		"the next version, beside some": {planted(2, large), true},
		"the next version, beside many": {planted(3, large), false},
		"the next version, changed":     {sealed.Jar{{Name: c.Name(), Value: small[0].Value + "x"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := httptest.NewRecorder()
			c.ClearKnown(rec, test.jar)
			assert.Equal(t, len(test.jar) > 0 && !test.unknown, len(sent(rec)) > 0)
			rec = httptest.NewRecorder()
			c.Clear(rec, test.jar)
			assert.Equal(t, len(test.jar) > 0, len(sent(rec)) > 0, "Clear removes it all the same")
		})
	}
	assert.Equal(t, sealed.ErrVersion, open(c, small, new(note)))
	assert.Equal(t, sealed.ErrVersion, open(c, large, new(tokens)))
}

func TestACookieIsSetOnceAndNotStored(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		secure bool
		do     func(*sealed.Cookie, *httptest.ResponseRecorder)
		want   string
	}{
		"kept": {true, func(c *sealed.Cookie, rec *httptest.ResponseRecorder) {
			c.Set(rec, "__Host-test", "v", time.Hour)
		}, "__Host-test=v; Path=/; Max-Age=3600; HttpOnly; Secure; SameSite=Lax"},
		"removed": {true, func(c *sealed.Cookie, rec *httptest.ResponseRecorder) {
			c.Set(rec, "__Host-test", "v", time.Hour)
			c.Remove(rec, "__Host-test")
		}, "__Host-test=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"},
		"without Secure": {false, func(c *sealed.Cookie, rec *httptest.ResponseRecorder) {
			c.Set(rec, "__Host-test", "v", time.Minute)
		}, "__Host-test=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := sealed.NewCookie("__Host-test", "p", "a", [][]byte{testKey}, time.Hour, test.secure)
			require.NoError(t, err)
			rec := httptest.NewRecorder()
			rec.Header().Add("Set-Cookie", "__Host-test2=theirs")
			test.do(c, rec)
			assert.Equal(t, []string{"__Host-test2=theirs", test.want}, rec.Header()["Set-Cookie"])
			rec.Header().Set("Cache-Control", "public")
			for field, value := range map[string]string{"cache-control": "no-store", "vary": "Cookie"} {
				assert.Equal(t, []string{value}, rec.Header()[field], "a handler cannot replace it")
			}
		})
	}
	rec, c := httptest.NewRecorder(), testCookie(t, "p", "a")
	require.NoError(t, c.Write(rec, nil, &note{"a"}))
	assert.Regexp(t, `^__Host-test=[\w-]{6}\.1\.[\w-]+=*; Path=/; HttpOnly; Secure; SameSite=Lax$`, rec.Header()["Set-Cookie"][0])
}

func TestACookieOwnsItsNameAndThoseOfItsChunks(t *testing.T) {
	t.Parallel()
	c := testCookie(t, "p", "a")
	for name, want := range map[string]bool{
		"__Host-test": true, "__Host-test_1": true, "__Host-test_15": true, c.ChunkName(15): true,
		"__Host-tes": false, "__Host-test2": false, "__Host-test-tokens": false, "__Host-test_a": false, "": false,
	} {
		assert.Equal(t, want, c.Owns(name), name)
	}
}
