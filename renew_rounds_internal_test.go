package oxdauth

// Many requests at a time with one expired session, over and over: at a provider that rotates refresh tokens, each of them
// may be presented once.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
)

// rotation is a provider that takes a refresh token once; one that comes again ends everything, as RFC 9700 section 4.14.2
// advises.
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
	return &oxd.Response{Status: "ok", Data: json.RawMessage(fmt.Sprintf(`{"access_token":"access-%d","refresh_token":%q,"expires_in":300}`, p.n, p.current))}, nil
}

func TestAThousandRoundsOfAHundredRequestsMakeAThousandRefreshes(t *testing.T) {
	t.Parallel()
	const rounds, requests = 1000, 100
	p := &rotation{current: "first"}
	client, err := oxd.NewClient(p, oxd.Site{OxdID: "site"})
	require.NoError(t, err)
	m, err := New(client, "https://app.example/auth/callback", WithKeys(randomKey()))
	require.NoError(t, err)
	v := newVisitor(t, m, time.Nanosecond)
	handler := m.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for round := range rounds {
		// What a page with a hundred parts does: all of them with the cookies from before.
		answers := make([]*http.Response, requests)
		var wg sync.WaitGroup
		for i := range answers {
			r := v.request()
			wg.Go(func() {
				rec := httptest.NewRecorder()
				handler.ServeHTTP(rec, r)
				answers[i] = rec.Result()
			})
		}
		wg.Wait()
		for _, res := range answers {
			require.Equal(t, http.StatusOK, res.StatusCode, "round %d", round)
		}
		v.keep(answers[round%requests])
		v.expire(t)
	}
	assert.False(t, p.reused)
	assert.Equal(t, rounds, p.n)
	require.NoError(t, m.Close())
}

// expire lets the access token be too old.
func (v *visitor) expire(t *testing.T) {
	t.Helper()
	jar := readJar(v.request(), v.m.prefix)
	id, _ := v.m.readIdentity(jar)
	require.NotNil(t, id)
	id, tok, err := v.m.readTokens(t.Context(), jar, id)
	require.NoError(t, err)
	require.NotNil(t, tok)
	id.accessExpires, id.refreshAt = 1, 1
	rec := httptest.NewRecorder()
	require.NoError(t, v.m.save(rec, jar, id, tok, true, true))
	v.keep(rec.Result())
}
