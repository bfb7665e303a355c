package limit

// The buckets of clients: whom they limit, and how many there are. Time is simulated.

import (
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// crowd has clients with numbers for addresses.
type crowd struct{ *Clients }

func newCrowd(perSecond float64, burst int) crowd {
	return crowd{NewClients(perSecond, burst, func(r *http.Request) string { return r.RemoteAddr })}
}

func (c crowd) client(i int) Client { return c.Name(&http.Request{RemoteAddr: strconv.Itoa(i)}) }

func (c crowd) refuse(i, times int) {
	for range times {
		c.Refused(c.client(i), time.Now())
	}
}

func (c crowd) allowed(i int) bool { return c.Allow(c.client(i), time.Now()) }

func TestTheClientsOfALimitAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(1, 2)
		for i := range maxClients {
			assert.True(t, c.allowed(i))
			c.refuse(i, 1)
		}
		c.refuse(5, 1)
		assert.False(t, c.allowed(5))
		assert.True(t, c.allowed(6))
		c.refuse(-1, 1)
		assert.True(t, c.allowed(-1))
		c.refuse(-2, 1)
		assert.False(t, c.allowed(-1), "without room clients share one limit")
		assert.False(t, c.allowed(-3))
		assert.True(t, c.allowed(6), "the others have their own")
		assert.Len(t, c.buckets, maxClients)
		time.Sleep(3 * time.Second)
		assert.True(t, c.allowed(-1))
		c.refuse(-1, 1)
		assert.Len(t, c.buckets, 1, "those that may ask as before are forgotten")
		c.refuse(-1, 1)
		assert.False(t, c.allowed(-1))
		assert.True(t, c.allowed(-3), "there is room again")
	})
}

func TestAClientIsLimitedByItsOwnRefusals(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(0.5, 3)
		for range 100 {
			require.True(t, c.allowed(1), "asking costs nothing")
		}
		assert.Empty(t, c.buckets, "nor does it take memory")
		c.refuse(1, 2)
		assert.True(t, c.allowed(1))
		c.refuse(1, 1)
		assert.False(t, c.allowed(1))
		assert.True(t, c.allowed(2))
		time.Sleep(2*time.Second - 1)
		assert.False(t, c.allowed(1))
		time.Sleep(time.Nanosecond)
		assert.True(t, c.allowed(1))
		c.refuse(1, 1)
		assert.False(t, c.allowed(1))
		time.Sleep(time.Hour)
		c.refuse(1, 3)
		assert.False(t, c.allowed(1), "not more than the burst")
	})
}

func TestNoBucketIsDroppedBeforeItIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(0.1, 3) // 10 seconds for one, 30 for three
		c.refuse(-1, 3)
		require.False(t, c.allowed(-1))
		for i := range maxClients - 1 {
			c.refuse(i, 1)
		}
		limited := 0
		for start := time.Now(); time.Since(start) < 10*time.Second; time.Sleep(500 * time.Millisecond) {
			c.refuse(-2, 1) // looks for room
			assert.Len(t, c.buckets, maxClients, "nobody has been forgotten")
			assert.False(t, c.allowed(-1))
			limited++
		}
		require.Equal(t, 20, limited)
		time.Sleep(time.Second)
		c.refuse(-3, 1)
		assert.Len(t, c.buckets, 2, "the one that was refused three times, and the new one")
		assert.True(t, c.allowed(-1), "after 10 seconds it may ask once more")
		c.refuse(-1, 1)
		assert.False(t, c.allowed(-1))
	})
}

func TestFullBucketsAreLookedForOnceASecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd(1000, 2)
		fill := func() {
			for i := range maxClients {
				c.refuse(i, 1)
			}
		}
		fill()
		time.Sleep(10 * time.Millisecond)
		c.refuse(-1, 1)
		require.Len(t, c.buckets, 1)
		fill()
		require.Len(t, c.buckets, maxClients)
		time.Sleep(10 * time.Millisecond)
		c.refuse(-2, 1)
		assert.Len(t, c.buckets, maxClients, "too early")
		time.Sleep(sweepPause)
		c.refuse(-2, 1)
		assert.Len(t, c.buckets, 1)
	})
}

func TestWithoutALimitEverybodyMayAsk(t *testing.T) {
	t.Parallel()
	var c *Clients
	client := c.Name(&http.Request{RemoteAddr: "x"})
	for range 10 {
		assert.True(t, c.Allow(client, time.Now()))
		c.Refused(client, time.Now())
	}
}

func TestClientsAskAtTheSameTime(t *testing.T) {
	t.Parallel()
	c := newCrowd(0.001, 50)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 100 {
				c.allowed(i % 5)
				c.refuse(i%5, 1)
			}
		})
	}
	wg.Wait()
	for i := range 5 {
		assert.False(t, c.allowed(i), "80 refusals")
	}
	assert.True(t, c.allowed(5))
	assert.NotEqual(t, c.client(1), c.client(2))
	assert.Equal(t, c.client(1), c.client(1))
}
