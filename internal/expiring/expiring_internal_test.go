package expiring

// How much memory a map and a list take. Time is simulated.

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAMapForgetsInTimeAndTakesNoMoreThanItHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 100_000
		m := New[[16]byte, struct{}](size, Refuse)
		key := func(i int) [16]byte { return [16]byte{byte(i), byte(i >> 8), byte(i >> 16), 1} }
		until := func(d time.Duration) time.Time { return time.Unix(time.Now().Add(d).Unix(), 0) }
		_, fresh, kept := m.Add([16]byte{}, struct{}{}, until(time.Minute))
		assert.True(t, fresh && kept)
		_, fresh, _ = m.Add([16]byte{}, struct{}{}, until(time.Minute))
		assert.False(t, fresh)
		for i := range size - 1 {
			_, _, kept := m.Add(key(i), struct{}{}, until(time.Hour))
			require.True(t, kept)
		}
		_, added, kept := m.Add([16]byte{9}, struct{}{}, until(time.Minute))
		assert.False(t, added)
		assert.False(t, kept, "a full map takes nothing")
		time.Sleep(time.Minute)
		_, ok := m.Get([16]byte{})
		assert.False(t, ok)
		_, fresh, kept = m.Add([16]byte{9}, struct{}{}, until(time.Minute))
		assert.True(t, fresh && kept, "what has expired makes room")
		_, fresh, _ = m.Add(key(0), struct{}{}, until(time.Minute))
		assert.False(t, fresh)
		assert.Len(t, m.entries, size)
	})
}

func TestNoMapHoldsMoreThanItsSize(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		full  WhenFull
		least int
	}{"refuse": {Refuse, 200}, "drop a tenth": {DropTenth, 180}, "drop the soonest": {DropSoonest, 200}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const size = 200
				m := New[int, int](size, c.full)
				for i := range 3 * size {
					kept := m.Put(i, i, time.Now().Add(time.Hour+time.Duration(i)))
					require.Equal(t, i < size || c.full != Refuse, kept)
					require.LessOrEqual(t, len(m.entries), size)
				}
				assert.GreaterOrEqual(t, len(m.entries), c.least)
			})
		})
	}
}

func TestExpiredEntriesAreFreedEveryTenSecondsThatTheMapGrows(t *testing.T) {
	t.Parallel()
	for name, grow := range map[string]func(m *Map[int, int], key int){
		"Put": func(m *Map[int, int], key int) { m.Put(key, 0, time.Now().Add(time.Hour)) },
		"Add": func(m *Map[int, int], key int) { m.Add(key, 0, time.Now().Add(time.Hour)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m := New[int, int](1000, Refuse)
				for i := range 100 {
					m.Put(i, i, time.Now().Add(time.Second))
				}
				time.Sleep(sweepPause - 1)
				grow(m, 100)
				assert.Len(t, m.entries, 101)
				time.Sleep(time.Nanosecond)
				grow(m, 101)
				assert.Len(t, m.entries, 2)
				m.Expire(100, time.Now())
				time.Sleep(sweepPause - 1)
				grow(m, 102)
				assert.Len(t, m.entries, 3)
				time.Sleep(time.Nanosecond)
				grow(m, 103)
				assert.Len(t, m.entries, 3)
			})
		})
	}
}

func TestTheLatestValuesTakeABoundedList(t *testing.T) {
	t.Parallel()
	var l Latest[int]
	for i := range 100 {
		l.Add(i)
		require.LessOrEqual(t, len(l.values), maxLatest)
	}
	assert.Len(t, l.values, maxLatest)
}
