package oxd_test

// The pool of TCPTransport under stress, and closing it.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDeadIdleConnectionsAreNoticedBeforeUse(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tr := f.transport()
	for range 3 {
		// Not repeatable: it works only because the end is seen before writing.
		_, err := tr.RoundTrip(t.Context(), status())
		require.NoError(t, err)
		f.cutAll()
		require.Eventually(t, func() bool { return f.open() == 0 }, 5*time.Second, time.Millisecond)
	}
	assert.Equal(t, 3, f.connections())
}

func TestConnectionThatSpeaksUnaskedIsNotUsed(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tr := f.transport()
	_, err := tr.RoundTrip(t.Context(), status())
	require.NoError(t, err)
	f.write([]byte("0002{}"))
	// The bytes may come too late to be seen; then they are taken for an answer
	// that cannot be understood, but never for one that can.
	if _, err = tr.RoundTrip(t.Context(), status()); err != nil {
		require.ErrorIs(t, err, oxd.ErrUnavailable)
		_, err = tr.RoundTrip(t.Context(), status())
		require.NoError(t, err)
	}
	assert.Equal(t, 2, f.connections())
}

func TestPoolStaysWithinItsLimitsUnderStress(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.on("echo", func(p params) answer { return answer{data: p} })
	f.reply("die", answer{hangUp: true})
	f.reply("slow", answer{hang: true})
	f.reply("fail", unexplained)
	tr := f.transport()
	tr.MaxConns, tr.MaxIdle = 4, 2
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for i := range 60 {
				stress(t, tr, worker, i)
			}
		})
	}
	done := make(chan struct{})
	go func() {
		often := time.NewTicker(time.Millisecond)
		defer often.Stop()
		for {
			select {
			case <-done:
				return
			case <-often.C:
				f.cutIdle()
			}
		}
	}()
	wg.Wait()
	close(done)
	require.NoError(t, tr.Close())
	f.mu.Lock()
	defer f.mu.Unlock()
	assert.LessOrEqual(t, f.maxBusy, 4, "commands at the same time")
}

// stress sends one command of a mix; whatever else happens, an answer is the
// answer to the question.
func stress(t *testing.T, tr *oxd.TCPTransport, worker, i int) {
	mark := fmt.Sprintf("%d-%d", worker, i)
	req := &oxd.Request{Command: "echo", Params: json.RawMessage(`{"mark":"` + mark + `"}`), Repeatable: true}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	switch i % 6 {
	case 1:
		req.Command = "die"
	case 2:
		req.Command = "fail"
	case 3:
		req.Command = "slow"
		time.AfterFunc(time.Millisecond, cancel)
	case 4:
		time.AfterFunc(time.Duration(i)*10*time.Microsecond, cancel)
	}
	resp, err := tr.RoundTrip(ctx, req)
	if err != nil {
		assert.ErrorIs(t, err, oxd.ErrUnavailable)
		return
	}
	if req.Command == "echo" {
		assert.JSONEq(t, string(req.Params), string(resp.Data))
	}
}

func TestCloseWaitsForCommandsInProgress(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	started, finish := make(chan struct{}), make(chan struct{})
	f.on("license_status", func(params) answer {
		close(started)
		<-finish
		return answer{data: params{}}
	})
	tr := f.transport()
	result := make(chan error, 1)
	go func() {
		_, err := tr.RoundTrip(context.Background(), status())
		result <- err
	}()
	<-started
	closed := make(chan struct{})
	go func() {
		assert.NoError(t, tr.Close())
		close(closed)
	}()
	require.Eventually(t, func() bool {
		_, err := tr.RoundTrip(t.Context(), &oxd.Request{Command: "x", Params: json.RawMessage("{}")})
		return errors.Is(err, oxd.ErrClosed)
	}, 5*time.Second, time.Millisecond)
	select {
	case <-closed:
		t.Fatal("Close did not wait")
	default:
	}
	close(finish)
	require.NoError(t, <-result)
	<-closed
	require.NoError(t, tr.Close(), "closing again is harmless")
}
