package oxd_test

// TCPTransport where time matters: pipes and a clock that waits for nobody.

import (
	"context"
	"encoding/json"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// inBubble runs test with a fake on pipes and a transport to it.
func inBubble(t *testing.T, test func(t *testing.T, f *fake, tr *oxd.TCPTransport)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := bareFake()
		tr := &oxd.TCPTransport{DialContext: f.dialPipe}
		test(t, f, tr)
		require.NoError(t, tr.Close())
		f.cutAll()
		f.serving.Wait()
	})
}

func TestCommandWithoutAnswerEndsAfterTheTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, tr *oxd.TCPTransport) {
		f.reply("license_status", answer{hang: true})
		for _, timeout := range []time.Duration{0, 3 * time.Second} {
			tr := &oxd.TCPTransport{DialContext: f.dialPipe, Timeout: timeout}
			start := time.Now()
			_, err := tr.RoundTrip(t.Context(), status())
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, oxd.ErrUnavailable)
			want := timeout
			if want == 0 {
				want = 10 * time.Second
			}
			assert.Equal(t, want, time.Since(start))
			require.NoError(t, tr.Close())
		}
	})
}

func TestEarlierDeadlineOfTheCallerCounts(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, tr *oxd.TCPTransport) {
		f.reply("license_status", answer{hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := tr.RoundTrip(ctx, repeatable())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, time.Second, time.Since(start))
		assert.Equal(t, 1, f.count("license_status"), "running out of time is no reason to repeat")
	})
}

func TestRepeatingTakesPlaceWithinTheSameTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, tr *oxd.TCPTransport) {
		_, err := tr.RoundTrip(t.Context(), status())
		require.NoError(t, err)
		f.replies("license_status", answer{hangUp: true}, answer{hang: true})
		start := time.Now()
		_, err = tr.RoundTrip(t.Context(), repeatable())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.LessOrEqual(t, time.Since(start), 10*time.Second)
		assert.Equal(t, 3, f.count("license_status"))
	})
}

func TestSlowDripEndsWithTheTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fake, _ *oxd.TCPTransport) {
		var dripping sync.WaitGroup
		tr := &oxd.TCPTransport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			client, server := net.Pipe()
			dripping.Go(func() {
				_, _ = server.Read(make([]byte, 4096))
				_, _ = server.Write([]byte("9999"))
				for {
					time.Sleep(time.Second)
					if _, err := server.Write([]byte(" ")); err != nil {
						return
					}
				}
			})
			return client, nil
		}}
		start := time.Now()
		_, err := tr.RoundTrip(t.Context(), status())
		require.ErrorIs(t, err, oxd.ErrUnavailable)
		assert.Equal(t, 10*time.Second, time.Since(start))
		dripping.Wait()
	})
}

func TestWaitingForAPlaceHonoursTheContext(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, _ *oxd.TCPTransport) {
		f.reply("slow", answer{hang: true})
		tr := &oxd.TCPTransport{DialContext: f.dialPipe, MaxConns: 1, Timeout: time.Minute}
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := tr.RoundTrip(t.Context(), &oxd.Request{Command: "slow", Params: json.RawMessage("{}")})
			assert.ErrorIs(t, err, oxd.ErrUnavailable)
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		start := time.Now()
		_, err := tr.RoundTrip(ctx, status())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorIs(t, err, oxd.ErrUnavailable)
		var te *oxd.TransportError
		require.ErrorAs(t, err, &te)
		assert.False(t, te.Sent)
		assert.Equal(t, 2*time.Second, time.Since(start))
		wg.Wait()
		_, err = tr.RoundTrip(t.Context(), status())
		require.NoError(t, err, "the place is free again")
		require.NoError(t, tr.Close())
	})
}

func TestHangingDialEndsWithTheTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T, _ *fake, _ *oxd.TCPTransport) {
		tr := &oxd.TCPTransport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		start := time.Now()
		_, err := tr.RoundTrip(t.Context(), status())
		require.ErrorIs(t, err, oxd.ErrUnavailable)
		assert.Equal(t, 10*time.Second, time.Since(start))
	})
}

func TestConnectionIdleForTooLongIsClosed(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, tr *oxd.TCPTransport) {
		for _, tc := range []struct {
			pause time.Duration
			conns int
		}{
			{0, 1},
			{59 * time.Second, 1},
			{61 * time.Second, 2},
			{time.Second, 2},
		} {
			time.Sleep(tc.pause)
			_, err := tr.RoundTrip(t.Context(), status())
			require.NoError(t, err)
			assert.Equal(t, tc.conns, f.connections(), "%v", tc.pause)
		}
		synctest.Wait()
		assert.Equal(t, 1, f.open())
	})
}

func TestPoolKeepsNoMoreThanMaxIdleConnections(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, _ *oxd.TCPTransport) {
		gather := make(chan struct{})
		f.on("license_status", func(params) answer {
			<-gather
			return answer{data: params{}}
		})
		tr := &oxd.TCPTransport{DialContext: f.dialPipe, MaxConns: 5, MaxIdle: 2}
		var wg sync.WaitGroup
		for range 9 {
			wg.Go(func() {
				_, err := tr.RoundTrip(t.Context(), status())
				assert.NoError(t, err)
			})
		}
		synctest.Wait()
		assert.Equal(t, 5, f.connections(), "the others wait")
		close(gather)
		wg.Wait()
		synctest.Wait()
		assert.Equal(t, 2, f.open())
		require.NoError(t, tr.Close())
		synctest.Wait()
		assert.Zero(t, f.open())
	})
}

func TestConnectionUsedLastIsUsedFirst(t *testing.T) {
	inBubble(t, func(t *testing.T, f *fake, tr *oxd.TCPTransport) {
		gather := make(chan struct{})
		f.on("license_status", func(params) answer {
			<-gather
			return answer{data: params{}}
		})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				_, err := tr.RoundTrip(t.Context(), status())
				assert.NoError(t, err)
			})
		}
		synctest.Wait()
		close(gather)
		wg.Wait()
		// One connection stays in use, the other two grow old.
		for range 4 {
			time.Sleep(30 * time.Second)
			_, err := tr.RoundTrip(t.Context(), status())
			require.NoError(t, err)
		}
		synctest.Wait()
		assert.Equal(t, 3, f.connections())
		assert.Equal(t, 1, f.open())
	})
	t.Run("V-87", func(t *testing.T) {

	})
}
