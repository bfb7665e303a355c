package flight_test

// The outcome of a call, for those who come before it and after it.

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/flight"
)

func TestEverybodyGetsTheOneOutcome(t *testing.T) {
	t.Parallel()
	failed := errors.New("no")
	for name, c := range map[string]struct {
		value string
		err   error
	}{"a value": {"yes", nil}, "an error": {"", failed}, "both": {"half", failed}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := flight.New[string]()
				assert.False(t, f.Finished())
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						value, err := f.Wait(t.Context())
						assert.Equal(t, c.value, value)
						assert.Equal(t, c.err, err)
						assert.True(t, f.Finished())
					})
				}
				synctest.Wait()
				assert.False(t, f.Finished(), "they wait")
				f.Finish(c.value, c.err)
				wg.Wait()
				value, err := f.Result()
				assert.Equal(t, c.value, value)
				assert.Equal(t, c.err, err)
				value, err = f.Wait(t.Context())
				assert.Equal(t, c.value, value, "later, too")
				assert.Equal(t, c.err, err)
			})
		})
	}
}

func TestWhoGoesAwayLeavesTheCallAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := flight.New[int]()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		value, err := f.Wait(ctx)
		assert.Zero(t, value)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		assert.False(t, f.Finished())
		f.Finish(7, nil)
		value, err = f.Wait(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 7, value)
	})
}
