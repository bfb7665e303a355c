package uma_test

// The limits within which oxd is asked.

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/limit"
	"example.com/oxdauth/internal/uma"
	"example.com/oxdauth/oxd"
)

func TestAQuestionHasWhatWasDeclaredAndTheRPT(t *testing.T) {
	t.Parallel()
	f := newFake()
	r := protected(t, f, "GET /photos/{id}")[0]
	a := newAsker(t, f)
	access, err := a.CheckAccess(t.Context(), r, parse(t, "good"))
	require.NoError(t, err)
	assert.True(t, access.Granted)
	access, err = a.CheckAccess(t.Context(), r, uma.RPT{})
	require.NoError(t, err)
	assert.False(t, access.Granted)
	assert.NotEmpty(t, access.Ticket.Reveal())
	sent := f.sent("uma_rs_check_access")
	assert.Equal(t, []params{
		{RPT: "good", Path: "/photos/{id}", Method: "GET"}, {Path: "/photos/{id}", Method: "GET"},
	}, sent[len(sent)-2:])
	f.lose("GET /photos/{id}")
	_, err = a.CheckAccess(t.Context(), r, parse(t, "good"))
	require.ErrorIs(t, err, oxd.ErrResourceNotProtected)
}

func TestQuestionsAreBoundedInNumberAndTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := protected(t, f, "GET /x")[0]
		f.answer("uma_rs_check_access", func(ctx context.Context, _ params) (*oxd.Response, error) {
			<-ctx.Done()
			return nil, &oxd.TransportError{Command: "uma_rs_check_access", Err: ctx.Err()}
		})
		a := uma.NewAsker(newClient(t, f), 2, 3*time.Second)
		started := time.Now()
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				cancel() // the request ends, the question does not
				_, err := a.CheckAccess(ctx, r, parse(t, "a"))
				assert.ErrorIs(t, err, oxd.ErrUnavailable)
				assert.Equal(t, 3*time.Second, time.Since(started))
			})
		}
		synctest.Wait()
		_, err := a.CheckAccess(t.Context(), r, parse(t, "a"))
		require.ErrorIs(t, err, limit.ErrBusy)
		assert.Zero(t, time.Since(started), "at once")
		wg.Wait()
		for range 3 {
			_, err = a.CheckAccess(t.Context(), r, parse(t, "a"))
			require.NotErrorIs(t, err, limit.ErrBusy)
		}
		asked := f.count("uma_rs_check_access")
		_, err = a.CheckAccess(t.Context(), r, parse(t, "a"))
		require.ErrorIs(t, err, limit.ErrOpen, "after five without an answer")
		assert.Equal(t, asked, f.count("uma_rs_check_access"))
		_, err = a.Exchange(t.Context(), uma.Exchange{Ticket: oxd.NewSecret("t")})
		require.ErrorIs(t, err, limit.ErrOpen, "the commands share a breaker")
		_, err = a.GatheringURL(t.Context(), oxd.NewSecret("t"), "https://app.example/claims")
		require.ErrorIs(t, err, limit.ErrOpen)
	})
}
