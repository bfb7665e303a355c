package expiring_test

// What a map finds, for how long, and what it does when it is full. Time is simulated.

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/expiring"
)

func in(d time.Duration) time.Time { return time.Now().Add(d) }

// wall returns the same time as in, as of a clock that can be set.
func wall(d time.Duration) time.Time { return in(d).Round(0) }

// found returns how many of the keys from first to last are found.
func found(m *expiring.Map[int, string], first, last int) (n int) {
	for key := first; key <= last; key++ {
		if _, ok := m.Get(key); ok {
			n++
		}
	}
	return n
}

func TestAnEntryIsFoundUntilItExpires(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		until func(time.Duration) time.Time
		left  time.Duration
	}{
		"monotonic": {in, time.Minute}, "of the wall clock": {wall, time.Minute},
		"now": {in, 0}, "in the past": {in, -time.Hour}, "in 200 years": {in, 200 * 365 * 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := expiring.New[string, int](10, expiring.Refuse)
				_, ok := m.Get("a")
				assert.False(t, ok)
				time.Sleep(time.Hour)
				assert.True(t, m.Put("a", 1, c.until(c.left)))
				assert.True(t, m.Put("b", 2, c.until(c.left+1)))
				time.Sleep(max(c.left-1, 0))
				value, ok := m.Get("a")
				assert.Equal(t, c.left > 0, ok)
				assert.Equal(t, ok, value == 1)
				time.Sleep(time.Nanosecond)
				value, ok = m.Get("a")
				assert.False(t, ok)
				assert.Zero(t, value)
				value, ok = m.Get("b")
				assert.Equal(t, c.left > 0, ok && value == 2)
			})
		})
	}
}

func TestAnEntryThatIsPutForeverDoesNotExpire(t *testing.T) {
	t.Parallel()
	for name, full := range map[string]expiring.WhenFull{
		"refuse": expiring.Refuse, "drop a tenth": expiring.DropTenth, "drop the soonest": expiring.DropSoonest,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := expiring.New[int, string](3, full)
				for key := range 3 {
					require.True(t, m.Put(key, "x", expiring.Forever))
					time.Sleep(time.Second)
				}
				time.Sleep(250 * 365 * 24 * time.Hour)
				assert.Equal(t, 3, found(m, 0, 2))
				assert.False(t, m.Put(3, "y", in(time.Hour)), "nor does it make room")
				_, added, kept := m.Add(3, "y", in(time.Hour))
				assert.False(t, added || kept)
				assert.Equal(t, 3, found(m, 0, 3))
				m.Expire(1, in(time.Second))
				time.Sleep(time.Second)
				assert.Equal(t, 2, found(m, 0, 3))
				time.Sleep(10 * time.Second)
				assert.True(t, m.Put(3, "y", in(time.Hour)))
			})
		})
	}
}

func TestPutReplacesAndAddLeavesAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := expiring.New[string, int](1, expiring.Refuse)
		there, added, kept := m.Add("a", 1, in(time.Minute))
		assert.True(t, added && kept)
		assert.Zero(t, there)
		there, added, kept = m.Add("a", 2, in(time.Hour))
		assert.True(t, !added && kept)
		assert.Equal(t, 1, there)
		there, added, kept = m.Add("b", 3, in(time.Hour))
		assert.False(t, added || kept, "no room")
		assert.Zero(t, there)
		time.Sleep(time.Minute)
		_, ok := m.Get("a")
		assert.False(t, ok, "Add has not extended it")
		there, added, kept = m.Add("a", 4, in(time.Minute))
		assert.True(t, added && kept, "what has expired is replaced")
		assert.Zero(t, there)

		assert.True(t, m.Put("a", 5, in(time.Second)), "which needs no room")
		value, _ := m.Get("a")
		assert.Equal(t, 5, value)
		time.Sleep(time.Second)
		_, ok = m.Get("a")
		assert.False(t, ok, "Put has set an earlier end")
		assert.True(t, m.Put("a", 6, in(time.Second)))
		value, _ = m.Get("a")
		assert.Equal(t, 6, value)
	})
}

func TestTheEndOfAnEntryCanBeMoved(t *testing.T) {
	t.Parallel()
	extend, expire := (*expiring.Map[string, int]).Extend, (*expiring.Map[string, int]).Expire
	for name, c := range map[string]struct {
		move func(*expiring.Map[string, int], string, time.Time)
		to   time.Duration
		want time.Duration // counted from now
	}{
		"extend to a later time":     {extend, time.Hour, time.Hour},
		"extend to an earlier time":  {extend, time.Second, time.Minute},
		"extend to the same":         {extend, time.Minute, time.Minute},
		"set a later time":           {expire, time.Hour, time.Hour},
		"set an earlier time":        {expire, time.Second, time.Second},
		"set the same":               {expire, time.Minute, time.Minute},
		"set a time that has passed": {expire, -time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := expiring.New[string, int](2, expiring.Refuse)
				m.Put("a", 1, in(time.Minute))
				m.Put("b", 2, in(time.Minute))
				c.move(m, "a", in(c.to))
				if c.want > 0 {
					time.Sleep(c.want - 1)
					value, ok := m.Get("a")
					assert.True(t, ok && value == 1)
					time.Sleep(time.Nanosecond)
				}
				_, ok := m.Get("a")
				assert.False(t, ok)
				c.move(m, "a", in(time.Hour))
				_, ok = m.Get("a")
				assert.False(t, ok, "what has expired stays so")
				c.move(m, "c", in(time.Hour))
				_, ok = m.Get("c")
				assert.False(t, ok)
				_, ok = m.Get("b")
				assert.Equal(t, c.want < time.Minute, ok, "the other is as before")
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		m := expiring.New[string, int](1, expiring.Refuse)
		m.Put("a", 1, in(time.Minute))
		m.Extend("a", expiring.Forever)
		time.Sleep(time.Hour)
		_, ok := m.Get("a")
		assert.True(t, ok)
		m.Extend("a", in(time.Hour))
		m.Expire("a", time.Time{})
		_, ok = m.Get("a")
		assert.False(t, ok, "at once")
	})
}

func TestAFullMapThatRefusesKeepsWhatItHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := expiring.New[int, string](3, expiring.Refuse)
		for key := range 3 {
			require.True(t, m.Put(key, "x", in(time.Minute)))
		}
		assert.False(t, m.Put(3, "x", in(time.Hour)))
		assert.Equal(t, 3, found(m, 0, 3))
		assert.True(t, m.Put(2, "y", in(time.Hour)), "a key that is there")
		time.Sleep(time.Minute)
		assert.True(t, m.Put(3, "x", in(time.Hour)), "what has expired makes room")
		assert.Equal(t, 2, found(m, 0, 3))
		assert.True(t, m.Put(4, "x", in(time.Second)))
		time.Sleep(9 * time.Second)
		assert.False(t, m.Put(5, "x", in(time.Hour)), "it was looked at less than ten seconds ago")
		time.Sleep(time.Second)
		assert.True(t, m.Put(5, "x", in(time.Hour)))
	})
}

func TestAFullMapThatDropsATenth(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := expiring.New[int, string](100, expiring.DropTenth)
		for key := range 100 {
			require.True(t, m.Put(key, "x", in(time.Duration(1+key/50)*time.Minute)))
		}
		assert.True(t, m.Put(100, "x", in(time.Hour)))
		assert.Equal(t, 89, found(m, 0, 99))
		_, ok := m.Get(100)
		assert.True(t, ok)
		for key := 101; key < 1000; key++ {
			_, added, kept := m.Add(key, "x", in(time.Hour))
			require.True(t, added && kept)
			_, ok := m.Get(key)
			require.True(t, ok, "the new one is never dropped")
		}
		n := found(m, 0, 999)
		assert.GreaterOrEqual(t, n, 90)
		assert.LessOrEqual(t, n, 100)
	})
	synctest.Test(t, func(t *testing.T) {
		m := expiring.New[int, string](100, expiring.DropTenth)
		for key := range 100 {
			require.True(t, m.Put(key, "x", in(time.Duration(1+key/50)*time.Minute)))
		}
		time.Sleep(time.Minute)
		assert.True(t, m.Put(100, "x", in(time.Hour)))
		assert.Equal(t, 50, found(m, 50, 99), "if what has expired is enough, nothing else goes")
		one := expiring.New[int, string](1, expiring.DropTenth)
		for key := range 3 {
			assert.True(t, one.Put(key, "x", in(time.Hour)))
			assert.Equal(t, 1, found(one, 0, key))
		}
	})
}

func TestAFullMapThatDropsTheSoonest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := expiring.New[int, string](4, expiring.DropSoonest)
		require.True(t, m.Put(0, "x", expiring.Forever))
		require.True(t, m.Put(1, "x", in(3*time.Minute)))
		require.True(t, m.Put(2, "x", in(time.Minute)))
		require.True(t, m.Put(3, "x", in(2*time.Minute)))
		assert.True(t, m.Put(4, "x", in(time.Hour)))
		assert.Equal(t, 4, found(m, 0, 4))
		assert.Zero(t, found(m, 2, 2))
		m.Expire(0, in(time.Second))
		assert.True(t, m.Put(5, "x", in(time.Hour)))
		assert.Zero(t, found(m, 0, 0), "once it has an end, it can be the next")
		assert.Equal(t, 4, found(m, 1, 5))
		time.Sleep(3 * time.Minute)
		assert.True(t, m.Put(6, "x", in(time.Second)))
		assert.Equal(t, 3, found(m, 4, 6), "if something has expired, nothing else goes")
		assert.True(t, m.Put(7, "x", in(time.Hour)))
		assert.Equal(t, 4, found(m, 4, 7))
	})
}

func TestAMapIsUsedByManyAtOnce(t *testing.T) {
	t.Parallel()
	for _, full := range []expiring.WhenFull{expiring.Refuse, expiring.DropTenth, expiring.DropSoonest} {
		m := expiring.New[int, int](50, full)
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := range 200 {
					key := (worker*7 + i) % 100
					m.Put(key, key, in(time.Duration(i%3)*time.Minute))
					if there, _, kept := m.Add(key, key, in(time.Minute)); kept && there != 0 {
						assert.Equal(t, key, there)
					}
					m.Extend(key, in(time.Hour))
					if value, ok := m.Get(key); ok {
						assert.Equal(t, key, value)
					}
					m.Expire(key, in(0))
				}
			})
		}
		wg.Wait()
	}
}

func TestOneOfManyAddsAKey(t *testing.T) {
	t.Parallel()
	m := expiring.New[string, int](10, expiring.Refuse)
	results := make(chan int, 20)
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if there, added, _ := m.Add("a", i+1, in(time.Hour)); added {
				results <- i + 1
			} else {
				results <- -there
			}
		})
	}
	wg.Wait()
	close(results)
	first, _ := m.Get("a")
	added := 0
	for result := range results {
		if result > 0 {
			added++
		}
		assert.Equal(t, first, max(result, -result))
	}
	assert.Equal(t, 1, added)
}

func TestOnlyTheLatestValuesAreKept(t *testing.T) {
	t.Parallel()
	var l expiring.Latest[string]
	assert.True(t, l.Empty())
	assert.False(t, l.Has())
	for _, value := range []string{"a", "b", "b", "c", "d", "e"} {
		l.Add(value)
	}
	assert.False(t, l.Empty())
	assert.False(t, l.Has())
	assert.False(t, l.Has("a"))
	assert.True(t, l.Has("b", "e"))
	assert.True(t, l.Has("b") && l.Has("c") && l.Has("d") && l.Has("e"))
	assert.False(t, l.Has("b", "x"))
}

func TestManyAddTheSameValues(t *testing.T) {
	t.Parallel()
	var l expiring.Latest[int]
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 400 {
				l.Add(i % 4)
				l.Has(i)
				l.Empty()
			}
		})
	}
	wg.Wait()
	assert.True(t, l.Has(0, 1, 2, 3), "none is there twice, so none had to go")
}
