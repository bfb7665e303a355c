package limit_test

// The breaker, the gate and the bucket. Time is simulated.

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/limit"
	"example.com/oxdauth/oxd"
)

var errLost = &oxd.TransportError{Command: "get_user_info", Err: errors.New("connection refused")}

func answers(err error) func() error { return func() error { return err } }

// open returns a breaker that has just opened.
func open(t *testing.T) *limit.Breaker {
	t.Helper()
	b := new(limit.Breaker)
	for range 5 {
		require.ErrorIs(t, b.Call(answers(errLost)), errLost)
	}
	require.True(t, b.Open())
	return b
}

func TestABreakerOpensAfterFiveQuestionsWithoutAnswerInARow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer error
		opens  bool
	}{
		"no connection":                {errLost, true},
		"no answer in time":            {fmt.Errorf("x: %w", context.DeadlineExceeded), true},
		"an outage that oxd reports":   {fmt.Errorf("x: %w", oxd.ErrUnavailable), true},
		"a refusal":                    {&oxd.Error{Code: "invalid_grant"}, false},
		"a client that has gone away":  {fmt.Errorf("x: %w", context.Canceled), false},
		"another error":                {errors.New("x"), false},
		"an answer":                    {nil, false},
		"a client gone in a lost call": {&oxd.TransportError{Command: "x", Err: context.Canceled}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := new(limit.Breaker)
			for range 5 {
				assert.False(t, b.Open())
				assert.Equal(t, c.answer, b.Call(answers(c.answer)))
			}
			assert.Equal(t, c.opens, b.Open())
			err := b.Call(answers(c.answer))
			if c.opens {
				assert.Equal(t, limit.ErrOpen, err)
			} else {
				assert.Equal(t, c.answer, err)
			}
		})
	}
	assert.ErrorIs(t, limit.ErrOpen, oxd.ErrUnavailable)
	assert.EqualError(t, limit.ErrOpen, "oxdauth: not asked, because it has not answered lately: "+oxd.ErrUnavailable.Error())
}

func TestOnlyAnAnswerInterruptsTheRow(t *testing.T) {
	t.Parallel()
	b := new(limit.Breaker)
	for _, answer := range []error{errLost, errLost, errLost, errLost, nil, errLost, errLost, errLost, errLost, &oxd.Error{Code: "x"}} {
		_ = b.Call(answers(answer))
		assert.False(t, b.Open())
	}
	for _, answer := range []error{errLost, errLost, errLost, context.Canceled, errLost, context.Canceled} {
		_ = b.Call(answers(answer))
		assert.False(t, b.Open())
	}
	_ = b.Call(answers(errLost))
	assert.True(t, b.Open(), "a client that goes away says nothing")
}

func TestAnOpenBreakerLetsOneQuestionThroughAtATime(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer     error
		opens      bool // afterwards
		asksAtOnce bool // and a further question is asked at once
	}{
		"an answer closes it":                      {nil, false, true},
		"a refusal closes it":                      {&oxd.Error{Code: "x"}, false, true},
		"without an answer it stays open":          {errLost, true, false},
		"a client that goes away leaves the probe": {context.Canceled, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := open(t)
				time.Sleep(limit.Pause - 1)
				assert.Equal(t, limit.ErrOpen, b.Call(func() error { t.Error("asked"); return nil }), "too early")
				time.Sleep(time.Nanosecond)
				var asked, refused atomic.Int32
				var wg sync.WaitGroup
				for range 10 {
					wg.Go(func() {
						err := b.Call(func() error {
							asked.Add(1)
							time.Sleep(time.Second)
							return c.answer
						})
						if errors.Is(err, limit.ErrOpen) {
							refused.Add(1)
						}
					})
				}
				wg.Wait()
				assert.EqualValues(t, 1, asked.Load())
				assert.EqualValues(t, 9, refused.Load())
				assert.Equal(t, c.opens, b.Open())
				err := b.Call(answers(nil))
				assert.Equal(t, c.asksAtOnce, err == nil)
				time.Sleep(limit.Pause)
				assert.NoError(t, b.Call(answers(nil)))
				assert.False(t, b.Open())
			})
		})
	}
}

func TestAPanicCountsAsNoAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := open(t)
		time.Sleep(limit.Pause)
		assert.PanicsWithValue(t, "no", func() { _ = b.Call(func() error { panic("no") }) })
		assert.Equal(t, limit.ErrOpen, b.Call(answers(nil)))
		time.Sleep(limit.Pause)
		assert.NoError(t, b.Call(answers(nil)), "the place of the probe is free again")
		assert.False(t, b.Open())
	})
}

func TestAGateHasItsNumberOfPlaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := limit.NewGate(2)
		var inside, most, busy atomic.Int32
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				err := g.Do(func() error {
					most.Store(max(most.Load(), inside.Add(1)))
					defer inside.Add(-1)
					time.Sleep(time.Second)
					return errLost
				})
				if errors.Is(err, limit.ErrBusy) {
					busy.Add(1)
				} else {
					assert.ErrorIs(t, err, errLost)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 2, most.Load())
		assert.EqualValues(t, 8, busy.Load(), "they do not wait")
		assert.Panics(t, func() { _ = g.Do(func() error { panic("no") }) })
		for range 3 {
			assert.NoError(t, g.Do(answers(nil)), "the places are free again")
		}
		assert.EqualError(t, limit.ErrBusy, "oxdauth: too many questions to oxd at a time")
	})
}

func TestABucketFillsUpToItsBurst(t *testing.T) {
	t.Parallel()
	start := time.Now()
	b := limit.NewBucket(2, 3)
	for _, c := range []struct {
		at   time.Duration
		want bool
	}{
		{0, true}, {0, true}, {0, true}, {0, false},
		{499 * time.Millisecond, false},
		{500 * time.Millisecond, true}, {500 * time.Millisecond, false},
		{400 * time.Millisecond, false}, // a request that was on its way for longer gains nothing
		{1500 * time.Millisecond, true}, {1500 * time.Millisecond, true}, {1500 * time.Millisecond, false},
		{time.Hour, true}, {time.Hour, true}, {time.Hour, true}, {time.Hour, false}, // not more than the burst
	} {
		assert.Equal(t, c.want, b.Take(start.Add(c.at)), "%v", c.at)
	}
}
