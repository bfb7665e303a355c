package oxd_test

// The token that protects commands.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// guarded is an oxd that checks tokens: the latest one it gave out is good.
type guarded struct {
	mu       sync.Mutex
	lifetime string // of tokens, as JSON
	given    int
	revoked  bool
	refusal  oxd.Code
	block    chan struct{} // get_client_token waits for it, if not nil
	fail     error
	log      []string // command and token
}

func (g *guarded) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	g.mu.Lock()
	g.log = append(g.log, req.Command+" "+req.Token.Reveal())
	block := g.block
	g.mu.Unlock()
	if req.Command == "get_client_token" && block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case req.Command == "get_client_token" && g.fail != nil:
		return nil, g.fail
	case req.Command == "get_client_token":
		g.given, g.revoked = g.given+1, false
		return ok(fmt.Sprintf(`{"access_token":"t%d","expires_in":%s}`, g.given, g.lifetime)), nil
	case req.Command == "license_status":
		return ok("{}"), nil
	case req.Command == "setup_client":
		return ok(`{"oxd_id":"o","client_id":"setup","client_secret":"sec"}`), nil
	case g.revoked || req.Token.Reveal() != fmt.Sprintf("t%d", g.given):
		return &oxd.Response{Status: "error", Data: json.RawMessage(`{"error":"` + string(g.refusal) + `"}`)}, nil
	}
	return ok(`{"claims":{"sub":["u"]},"access_token":"a","oxd_id":"o2"}`), nil
}

func ok(data string) *oxd.Response { return &oxd.Response{Status: "ok", Data: json.RawMessage(data)} }

func newGuarded(t testing.TB) (*guarded, *oxd.Client) {
	g := &guarded{lifetime: "299", refusal: oxd.CodeInactiveProtectionAccessToken}
	return g, newClient(t, g, oxd.Site{OxdID: "x", Protected: true, Credentials: credentials()})
}

func TestProtectionTokenIsFetchedOnceAndSentWithEveryCommand(t *testing.T) {
	t.Parallel()
	g, c := newGuarded(t)
	for range 2 {
		_, err := c.UserInfo(t.Context(), secret("a"))
		require.NoError(t, err)
	}
	_, err := c.RefreshTokens(t.Context(), secret("r"))
	require.NoError(t, err)
	require.NoError(t, c.Do(t.Context(), "anything", nil, nil))
	_, err = c.RegisterSite(t.Context(), siteParams())
	require.NoError(t, err)
	require.NoError(t, c.Do(t.Context(), "license_status", nil, nil))
	assert.Equal(t, []string{
		"get_client_token ", "get_user_info t1", "get_user_info t1",
		"get_access_token_by_refresh_token t1", "anything t1", "register_site t1", "license_status ",
	}, g.log)
}

func TestRefusedProtectionTokenIsReplacedOnce(t *testing.T) {
	t.Parallel()
	for _, code := range []oxd.Code{
		oxd.CodeBlankProtectionAccessToken, oxd.CodeInvalidProtectionAccessToken, oxd.CodeInactiveProtectionAccessToken,
	} {
		g, c := newGuarded(t)
		g.refusal = code
		_, err := c.UserInfo(t.Context(), secret("a"))
		require.NoError(t, err)
		g.revoked = true
		_, err = c.TokensByCode(t.Context(), "c", "s")
		require.NoError(t, err, "refused before it was carried out")
		assert.Equal(t, []string{
			"get_client_token ", "get_user_info t1", "get_tokens_by_code t1", "get_client_token ", "get_tokens_by_code t2",
		}, g.log)
	}
}

func TestProtectionTokenRefusedAgainIsAnError(t *testing.T) {
	t.Parallel()
	g, _ := newGuarded(t)
	calls := 0
	c := newClient(t, scripted(func(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
		if req.Command == "get_client_token" {
			return g.RoundTrip(ctx, req)
		}
		calls++
		return &oxd.Response{Status: "error", Data: json.RawMessage(`{"error":"inactive_protection_access_token"}`)}, nil
	}), oxd.Site{OxdID: "x", Protected: true, Credentials: credentials()})
	_, err := c.UserInfo(t.Context(), secret("a"))
	require.ErrorIs(t, err, oxd.CodeInactiveProtectionAccessToken)
	assert.Equal(t, 2, calls)

	calls = 0
	_, err = c.RegisterSite(t.Context(), siteParams())
	require.ErrorIs(t, err, oxd.CodeInactiveProtectionAccessToken)
	assert.Equal(t, 1, calls, "register_site has made the client before it looks at the token")
}

func TestOtherRefusalsDoNotCostAToken(t *testing.T) {
	t.Parallel()
	g, c := newGuarded(t)
	g.refusal = oxd.CodeNoSetupClientForOxdID
	_, err := c.UserInfo(t.Context(), secret("a"))
	require.NoError(t, err)
	g.revoked = true
	_, err = c.UserInfo(t.Context(), secret("a"))
	require.ErrorIs(t, err, oxd.CodeNoSetupClientForOxdID)
	assert.Equal(t, 1, g.given)
}

func TestFailureToGetAProtectionTokenIsNamed(t *testing.T) {
	t.Parallel()
	g, c := newGuarded(t)
	g.fail = &oxd.TransportError{Command: "get_client_token", Err: errors.New("down")}
	_, err := c.UserInfo(t.Context(), secret("a"))
	require.ErrorIs(t, err, oxd.ErrUnavailable)
	require.ErrorContains(t, err, "protection token")
	g.fail = nil
	_, err = c.UserInfo(t.Context(), secret("a"))
	require.NoError(t, err, "a failure is not kept")

	g.revoked, g.fail = true, errors.New("down again")
	_, err = c.UserInfo(t.Context(), secret("a"))
	require.ErrorContains(t, err, "down again")
}

func TestProtectionTokenIsReplacedBeforeItExpires(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		lifetime string
		used     time.Duration
	}{
		{"299", 299*time.Second - 29900*time.Millisecond},
		{"3000", 2970 * time.Second},
		{"10", 9 * time.Second},
		{"null", 54 * time.Second},
		{"-1", 54 * time.Second},
		{"1e300", time.Hour},
		{"86400", time.Hour},
	} {
		t.Run(tc.lifetime, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				g, c := newGuarded(t)
				g.lifetime = tc.lifetime
				user := func() {
					_, err := c.UserInfo(t.Context(), secret("a"))
					require.NoError(t, err)
				}
				user()
				time.Sleep(tc.used - time.Millisecond)
				user()
				assert.Equal(t, 1, g.given)
				time.Sleep(time.Millisecond)
				user()
				assert.Equal(t, 2, g.given)
			})
		})
	}
	assert.Zero(t, oxd.UsableLifetime(0))
}

func TestCallersShareOneTokenRequestAndLeaveOnTheirOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, c := newGuarded(t)
		g.block = make(chan struct{})
		first, giveUp := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.UserInfo(first, secret("a"))
			assert.ErrorIs(t, err, context.Canceled)
			assert.ErrorIs(t, err, oxd.ErrUnavailable)
		})
		synctest.Wait()
		for range 5 {
			wg.Go(func() {
				_, err := c.UserInfo(t.Context(), secret("a"))
				assert.NoError(t, err)
			})
		}
		synctest.Wait()
		giveUp() // it was this one's request, but the others need the token
		synctest.Wait()
		close(g.block)
		wg.Wait()
		assert.Equal(t, 1, g.given)
	})
}

func TestCloseWaitsForATokenRequestNobodyWaitsFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g, c := newGuarded(t)
		g.block = make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.UserInfo(ctx, secret("a"))
		require.ErrorIs(t, err, context.DeadlineExceeded)
		closed := make(chan struct{})
		go func() {
			assert.NoError(t, c.Close())
			close(closed)
		}()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("Close did not wait")
		default:
		}
		close(g.block)
		<-closed
	})
}

func TestProtectedSiteIsSetUpWithItsOwnCredentials(t *testing.T) {
	t.Parallel()
	g := &guarded{lifetime: "299"}
	var asked json.RawMessage
	p := siteParams()
	p.Scope, p.OPDiscoveryPath = []string{"openid", "uma_protection", "oxd"}, "oxauth"
	c := newClient(t, scripted(func(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
		if req.Command == "get_client_token" {
			asked = req.Params
		}
		return g.RoundTrip(ctx, req)
	}), oxd.Site{Params: p, Protected: true})
	_, err := c.UserInfo(t.Context(), secret("a"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"op_host":"https://idp.example.org","op_discovery_path":"/oxauth","client_id":"setup","client_secret":"sec",
		"scope":["openid","oxd"]}`, string(asked))
	assert.Equal(t, []string{"setup_client ", "get_client_token ", "get_user_info t1"}, g.log)

	token, err := c.ClientToken(t.Context(), oxd.ClientTokenParams{Scope: []string{"openid", "more"}})
	require.NoError(t, err)
	assert.Equal(t, "t2", token.AccessToken.Reveal())
	assert.Contains(t, string(asked), `"scope":["openid","more"]`)
	assert.Contains(t, string(asked), `"client_id":"setup"`)

	reg, err := c.Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "setup", reg.ClientID)
	assert.Equal(t, "sec", reg.ClientSecret.Reveal())
}
