package uma_test

// Which grants are kept, for how long, and which questions are joined.

import (
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/uma"
	"example.com/oxdauth/oxd"
)

// cache is a Grants with a protected resource of an oxd that grants what a test says.
type cache struct {
	t      testing.TB
	oxd    *fakeOxd
	grants *uma.Grants
	*uma.Resource
}

func newCache(t testing.TB, entries int, maxTTL time.Duration) *cache {
	t.Helper()
	f := newFake()
	r := protected(t, f, "GET /x")[0]
	return &cache{t, f, uma.NewGrants(newAsker(t, f), entries, maxTTL, func(rpt uma.RPT) string { return "f" + rpt.Reveal() }), r}
}

// ask asks with an RPT and returns whether a grant was shared, or else the outcome was asked for.
func (c *cache) ask(r *uma.Resource, token string, outcome bool) (shared bool) {
	c.t.Helper()
	asked := false
	shared, _, err := c.grants.Do(c.t.Context(), r, parse(c.t, token), time.Now(), func() bool { asked = true; return outcome })
	require.NoError(c.t, err)
	assert.NotEqual(c.t, shared, asked)
	return shared
}

// keep enters a grant.
func (c *cache) keep(token string) { c.ask(c.Resource, token, true) }

// kept reports whether there is a grant. It counts as a use.
func (c *cache) kept(token string) bool { return c.ask(c.Resource, token, false) }

func TestKeysOfDifferentPartsDiffer(t *testing.T) {
	t.Parallel()
	t.Run("B-18", func(t *testing.T) {
		t.Parallel()
		seen := map[any][]string{}
		for _, parts := range [][]string{
			{"a$$b", "c"}, {"a", "b$$c"}, {"ab", "c"}, {"a", "bc"}, {"abc"}, {"abc", ""}, {"", "abc"}, {"a", "b", "c"}, {}, {""}, {"\x01a"}, {"a\x01b"},
		} {
			key := uma.NewGrantKey(parts...)
			assert.Empty(t, seen[key], "%q", parts)
			seen[key] = parts
		}
		assert.Equal(t, uma.NewGrantKey("a", "b"), uma.NewGrantKey("a", "b"))
	})
}

func TestAGrantHoldsForItsSiteResourceMethodAndRPTOnly(t *testing.T) {
	t.Parallel()
	c := newCache(t, 100, time.Minute)
	c.keep("a")
	require.True(t, c.kept("a"))
	assert.False(t, c.kept("A"))
	assert.False(t, c.kept("a="))
	for name, change := range map[string]func(*uma.Registrar, *uma.Resource){
		"another method": func(_ *uma.Registrar, r *uma.Resource) { r.Method = "PUT" },
		"another path":   func(_ *uma.Registrar, r *uma.Resource) { r.Path = "/y" },
		"B-17 another authorization server": func(g *uma.Registrar, _ *uma.Resource) {
			g.ASURI = "https://other.example"
		},
		"B-17 another site": func(g *uma.Registrar, _ *uma.Resource) {
			client, err := oxd.NewClient(c.oxd, oxd.Site{OxdID: "y"})
			require.NoError(t, err)
			g.Client = client
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := resource("GET /x", "view")
			g, _ := registrar(t, c.oxd, "")
			change(g, r)
			_, err := g.Protect(t.Context(), declare(r))
			require.NoError(t, err)
			assert.False(t, c.ask(r, "a", false))
			assert.True(t, c.kept("a"))
		})
	}
	again := protected(t, c.oxd, "GET /x")[0]
	assert.True(t, c.ask(again, "a", false), "the same resource, declared once more")
}

func TestNothingButAGrantWithAnRPTIsKept(t *testing.T) {
	t.Parallel()
	c := newCache(t, 10, time.Minute)
	assert.False(t, c.ask(c.Resource, "a", false))
	assert.False(t, c.kept("a"), "a denial is not")
	for range 2 {
		asked := 0
		shared, print, err := c.grants.Do(t.Context(), c.Resource, uma.RPT{}, time.Now(), func() bool { asked++; return true })
		require.NoError(t, err)
		assert.False(t, shared)
		assert.Empty(t, print)
		assert.Equal(t, 1, asked, "without an RPT")
	}
	for range 2 {
		assert.False(t, c.ask(resource("GET /x", "view"), "a", true), "not protected yet")
	}
	assert.Zero(t, c.grants.Len())
	c.grants = nil
	for range 2 {
		assert.False(t, c.ask(c.Resource, "a", true), "off")
	}
	c.grants.Purge()
}

func TestAHitHasTheFingerprintOfTheRPT(t *testing.T) {
	t.Parallel()
	c := newCache(t, 10, time.Minute)
	do := func() (bool, string, error) {
		return c.grants.Do(t.Context(), c.Resource, parse(t, "a"), time.Now(), func() bool { return true })
	}
	_, print, err := do()
	require.NoError(t, err)
	assert.Empty(t, print)
	shared, print, err := do()
	require.NoError(t, err)
	assert.True(t, shared)
	assert.Equal(t, "fa", print)
}

func TestTheGrantThatWasNotUsedForLongestGoesFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, 2, time.Second)
		require.Equal(t, 1, c.grants.Shards())
		c.keep("a")
		c.keep("b")
		require.True(t, c.kept("a"), "a is used, so b is the oldest")
		c.keep("d")
		assert.False(t, c.kept("b"))
		assert.True(t, c.kept("a"))
		assert.Equal(t, 2, c.grants.Len())
		time.Sleep(time.Second)
		assert.False(t, c.kept("a"), "not at its end")
		assert.Equal(t, 1, c.grants.Len())
		c.keep("d")
		c.grants.Purge()
		assert.False(t, c.kept("d"))
		assert.Zero(t, c.grants.Len())
		c.keep("d")
		c.keep("e")
		c.keep("f")
		assert.Equal(t, 2, c.grants.Len(), "the order is emptied, too")
	})
}

func TestALargeCacheIsBoundedInAllItsParts(t *testing.T) {
	t.Parallel()
	const size = 1000
	c := newCache(t, size, time.Minute)
	require.Greater(t, c.grants.Shards(), 1)
	for i := range 10 * size {
		c.keep(strconv.Itoa(i))
	}
	assert.LessOrEqual(t, c.grants.Len(), size)
	assert.Greater(t, c.grants.Len(), size*9/10)
	c.grants.Purge()
	assert.Zero(t, c.grants.Len())
}

func TestARevokedRPTIsDeniedNoLaterThanTheTTL(t *testing.T) {
	t.Parallel()
	t.Run("4.11/04", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := newCache(t, 10, 5*time.Second)
			c.keep("a")
			for range 4 { // using a grant does not extend it
				time.Sleep(time.Second)
				assert.True(t, c.kept("a"))
			}
			time.Sleep(time.Second)
			assert.False(t, c.kept("a"))
			assert.False(t, c.kept("a"), "a denial is never kept")
		})
	})
}

func jwt(claims string) string {
	return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}

func TestTheExpOfAJWTOnlyShortens(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, token string // %d is the time now
		kept        time.Duration
	}{
		{"past", jwt(`{"exp":%d}`), 0},
		{"exactly the clock skew ahead", jwt(`{"exp":%d+5}`), 0},
		{"ten seconds ahead", jwt(`{"exp":%d+10}`), 5 * time.Second},
		{"a fraction", jwt(`{"exp":%d+10.5}`), 5500 * time.Millisecond},
		{"after the TTL", jwt(`{"exp":%d+26}`), 20 * time.Second},
		{"at the end of time", jwt(`{"exp":1e300}`), 20 * time.Second},
		{"at the beginning of time", jwt(`{"exp":-1e300}`), 0},
		{"no exp", jwt(`{}`), 20 * time.Second},
		{"null", jwt(`{"exp":null}`), 20 * time.Second},
		{"a text", jwt(`{"exp":"1"}`), 20 * time.Second},
		{"no JSON", jwt(`x`), 20 * time.Second},
		{"no base64", "e30.a.c2ln", 20 * time.Second},
		{"four parts", jwt(`{"exp":1}`) + ".x", 20 * time.Second},
		{"opaque", "opaque", 20 * time.Second},
	} {
		t.Run("4.11/03 "+tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, token := newCache(t, 10, 20*time.Second), tc.token
				if parts := strings.Split(token, "."); len(parts) == 3 {
					if claims, err := base64.RawURLEncoding.DecodeString(parts[1]); err == nil && strings.Contains(string(claims), "%d") {
						token = jwt(at(string(claims), time.Now()))
					}
				}
				c.keep(token)
				if tc.kept == 0 {
					assert.False(t, c.kept(token), "not kept at all")
					return
				}
				time.Sleep(tc.kept - time.Millisecond)
				assert.True(t, c.kept(token))
				time.Sleep(time.Millisecond)
				assert.False(t, c.kept(token))
			})
		})
	}
}

// at replaces "%d", "%d+10" or "%d+10.5" by a time.
func at(claims string, now time.Time) string {
	before, rest, _ := strings.Cut(claims, "%d")
	plus, after, _ := strings.Cut(rest, "}")
	seconds := float64(now.Unix())
	if plus != "" {
		more, err := strconv.ParseFloat(plus[1:], 64)
		if err != nil {
			panic(err)
		}
		seconds += more
	}
	return before + strconv.FormatFloat(seconds, 'f', -1, 64) + "}" + after
}

func TestAGrantEndsWithItsRPTWhereOxdCanSayWhen(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		about string // %d is the time in half a minute
		kept  time.Duration
	}{
		"an RPT that ends":                    {`{"active":true,"exp":%d,"permissions":[]}`, 25 * time.Second},
		"a permission that ends earlier":      {`{"active":true,"exp":9999999999,"permissions":[{"resource_id":"1","exp":%d}]}`, 25 * time.Second},
		"one that outlives the cache":         {`{"active":true,"exp":9999999999}`, time.Minute},
		"nothing said about the end":          {`{"active":true}`, time.Minute},
		"an RPT that has ended meanwhile":     {`{"active":false}`, 0},
		"an answer that cannot be understood": {`{"permissions":7}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, 10, time.Minute)
				c.oxd.answer("introspect_rpt", func(_ context.Context, p params) (*oxd.Response, error) {
					assert.Equal(t, "a", p.RPT)
					return &oxd.Response{Status: "ok", Data: []byte(strings.ReplaceAll(tc.about, "%d", fmt.Sprint(time.Now().Add(30*time.Second).Unix())))}, nil
				})
				c.keep("a")
				if tc.kept > 0 {
					time.Sleep(tc.kept - time.Second)
					assert.True(t, c.kept("a"), "a second before")
					time.Sleep(time.Second)
				}
				assert.False(t, c.kept("a"))
				assert.Equal(t, 1, c.oxd.count("introspect_rpt"), "a denial needs no end")
			})
		})
	}
}

func TestOxdThatCannotIntrospectIsAskedOnce(t *testing.T) {
	t.Parallel()
	c := newCache(t, 10, time.Minute) // unsupported_operation
	c.keep("a")
	c.keep("b")
	assert.True(t, c.kept("a"))
	assert.Equal(t, 1, c.oxd.count("introspect_rpt"))
}

func TestEqualQuestionsShareAGrantAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, outcome := range []bool{true, false} {
		t.Run(fmt.Sprint("4.11/16 granted ", outcome), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := newCache(t, 10, time.Minute)
				var mu sync.Mutex
				asked, shares := 0, 0
				do := func(ctx context.Context) error {
					shared, print, err := c.grants.Do(ctx, c.Resource, parse(t, "a"), time.Now(), func() bool {
						mu.Lock()
						asked++
						mu.Unlock()
						time.Sleep(time.Second)
						return outcome
					})
					assert.Empty(t, print, "only the cache has it")
					mu.Lock()
					defer mu.Unlock()
					if shared {
						shares++
					}
					return err
				}
				var wg sync.WaitGroup
				for range 21 {
					wg.Go(func() { assert.NoError(t, do(t.Context())) })
				}
				synctest.Wait()
				gone, cancel := context.WithCancel(t.Context())
				wg.Go(func() { assert.ErrorIs(t, do(gone), context.Canceled) })
				synctest.Wait()
				cancel() // this client goes away, the others get their answers
				wg.Wait()
				if outcome {
					assert.Equal(t, 1, asked)
					assert.Equal(t, 20, shares)
					assert.True(t, c.kept("a"))
					return
				}
				assert.Equal(t, 21, asked, "each has an answer of its own")
				assert.Zero(t, shares)
			})
		})
	}
}

func TestAQuestionThatPanicsLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, 10, time.Minute)
		var wg sync.WaitGroup
		wg.Go(func() {
			assert.PanicsWithValue(t, "broken", func() {
				_, _, _ = c.grants.Do(t.Context(), c.Resource, parse(t, "a"), time.Now(), func() bool { time.Sleep(time.Second); panic("broken") })
			})
		})
		synctest.Wait()
		assert.False(t, c.kept("a"), "it asks by itself")
		wg.Wait()
		assert.False(t, c.kept("a"))
	})
}

func TestAGrantUnderWayIsNotKeptAfterAPurge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCache(t, 10, time.Minute)
		var wg sync.WaitGroup
		slow := func() bool { time.Sleep(time.Second); return true }
		for range 2 { // one asks, the other waits
			wg.Go(func() {
				_, _, err := c.grants.Do(t.Context(), c.Resource, parse(t, "a"), time.Now(), slow)
				assert.NoError(t, err)
			})
		}
		synctest.Wait()
		c.grants.Purge()
		wg.Go(func() {
			assert.False(t, c.ask(c.Resource, "a", false), "nobody joins a question from before")
		})
		wg.Wait()
		assert.False(t, c.kept("a"))
		c.keep("a")
		assert.True(t, c.kept("a"))
	})
}

func TestASecondProtectChangesNoKeyOfTheSameSite(t *testing.T) {
	t.Parallel()
	c := newCache(t, 10, time.Minute)
	c.keep("a")
	g := &uma.Registrar{Client: newClient(t, c.oxd), ASURI: asURI, Logger: slog.New(slog.DiscardHandler)}
	_, err := g.Protect(t.Context(), declare(c.Resource))
	require.NoError(t, err)
	assert.True(t, c.kept("a"))
}

func TestACachedGrantCostsNoAllocation(t *testing.T) {
	c := newCache(t, 100, time.Minute)
	c.keep("a")
	h := authorization("Bearer a")
	assert.Zero(t, testing.AllocsPerRun(100, func() { c.hit(h) }))
}

// hit is what a guard does for a grant in the cache.
func (c *cache) hit(h map[string][]string) {
	rpt, err := uma.ReadRPT(h)
	if err != nil {
		c.t.Fatal(err)
	}
	var access *oxd.Access
	shared, print, err := c.grants.Do(context.Background(), c.Resource, rpt, time.Now(), func() bool {
		access = &oxd.Access{}
		return access.Granted
	})
	if !shared || print != "fa" || err != nil || access != nil {
		c.t.Fatal("no hit")
	}
}

func BenchmarkCachedGrant(b *testing.B) {
	c := newCache(b, 100, time.Minute)
	c.ask(c.Resource, "a", true)
	h := authorization("Bearer a")
	b.ReportAllocs()
	for b.Loop() {
		c.hit(h)
	}
}
