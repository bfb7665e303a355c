package renewal_test

// Many requests at a time with one expired session, over and over: at a provider that rotates
// refresh tokens, each of them may be presented once.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
)

// rotation is a provider that takes a refresh token once; one that comes again ends everything, as
// RFC 9700 section 4.14.2 advises.
type rotation struct {
	mu      sync.Mutex
	current string
	n       int
	reused  bool
}

func (p *rotation) RoundTrip(_ context.Context, req *oxd.Request) (*oxd.Response, error) {
	var params struct {
		RefreshToken string `json:"refresh_token"`
	}
	if err := json.Unmarshal(req.Params, &params); err != nil || req.Command != "get_access_token_by_refresh_token" {
		return nil, errors.New("unexpected " + req.Command)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reused = p.reused || params.RefreshToken != p.current
	if p.reused {
		return &oxd.Response{Status: "error", Data: json.RawMessage(`{"error":"invalid_grant","error_description":"reuse"}`)}, nil
	}
	p.n++
	p.current = fmt.Sprintf("refresh-%d", p.n)
	data := fmt.Sprintf(`{"access_token":"access-%d","refresh_token":%q,"expires_in":300}`, p.n, p.current)
	return &oxd.Response{Status: "ok", Data: json.RawMessage(data)}, nil
}

func TestAThousandRoundsOfAHundredRequestsMakeAThousandRefreshes(t *testing.T) {
	t.Parallel()
	const rounds, requests = 1000, 100
	p := &rotation{current: "first"}
	g := newGroup(t, p)
	b := newBrowser(g, time.Nanosecond)
	for round := range rounds {
		// What a page with a hundred parts does: all of them with the cookies from before.
		copies := make([]*browser, requests)
		var wg sync.WaitGroup
		for i := range copies {
			copies[i] = b.copy()
			wg.Go(func() {
				_, err := copies[i].visit()
				assert.NoError(t, err, "round %d", round)
			})
		}
		wg.Wait()
		require.False(t, t.Failed())
		*b = *copies[round%requests]
		expired := *b.v
		expired.AccessExpires, expired.RefreshAt = 1, 1
		b.v = &expired
	}
	assert.False(t, p.reused)
	assert.Equal(t, rounds, p.n)
	g.Close()
}
