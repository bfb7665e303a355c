package oxd

// Protection tokens: get_client_token, and the one that is kept for commands.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// ClientTokenParams are the parameters of get_client_token. What is empty is
// taken from the registration of a Protected site.
type ClientTokenParams struct {
	OPHost, OPDiscoveryPath string
	ClientID                string
	ClientSecret            Secret
	// Scope is optional; oxd adds openid. oxd encodes scopes once more than
	// providers other than Gluu decode.
	Scope []string
}

// ClientToken is a token of the client credentials grant.
type ClientToken struct {
	AccessToken Secret
	// RefreshToken is zero with a Gluu Server.
	RefreshToken Secret
	Scope        []string
	// ExpiresIn is negative if not known.
	ExpiresIn time.Duration
}

// ClientToken gets a token for the client itself (get_client_token), every time
// a new one. Commands of a Protected site do not need it: they keep their own.
func (c *Client) ClientToken(ctx context.Context, p ClientTokenParams) (*ClientToken, error) {
	if err := c.gate.enter(); err != nil {
		return nil, err
	}
	defer c.gate.leave()
	if c.site.Protected && p.ClientID == "" {
		reg, err := c.registration(ctx)
		if err != nil {
			return nil, err
		}
		scope := p.Scope
		p = c.tokenParams(reg)
		p.Scope = scope
	}
	return c.clientToken(ctx, p)
}

func (c *Client) clientToken(ctx context.Context, p ClientTokenParams) (*ClientToken, error) {
	const command = "get_client_token"
	err := require(command, "OP host", p.OPHost, "client id", p.ClientID, "client secret", p.ClientSecret.Reveal())
	if err != nil {
		return nil, err
	}
	o, err := c.sendDirect(ctx, command, struct {
		OPHost          string   `json:"op_host"`
		OPDiscoveryPath string   `json:"op_discovery_path,omitempty"`
		ClientID        string   `json:"client_id"`
		ClientSecret    string   `json:"client_secret"`
		Scope           []string `json:"scope,omitempty"`
	}{normalHost(p.OPHost), normalPath(p.OPDiscoveryPath), p.ClientID, p.ClientSecret.Reveal(), p.Scope})
	if err != nil {
		return nil, err
	}
	t := &ClientToken{
		AccessToken:  o.secret("access_token"),
		RefreshToken: o.secret("refresh_token"),
		Scope:        o.scope("scope"),
		ExpiresIn:    o.seconds("expires_in"),
	}
	if t.AccessToken.IsZero() {
		return nil, useless(command, "access_token")
	}
	return t, nil
}

// tokenParams asks for no scopes, which suits 3.1.1, except for the one that
// 3.1.4 looks for, if the site is registered with it, and oxd 4 always.
func (c *Client) tokenParams(reg *registration) ClientTokenParams {
	p := ClientTokenParams{
		OPHost: reg.OPHost, OPDiscoveryPath: c.config.Load().wire.OPDiscoveryPath,
		ClientID: reg.ClientID, ClientSecret: reg.ClientSecret,
	}
	if cr := c.site.Credentials; cr != nil {
		p.OPHost, p.OPDiscoveryPath = cr.OPHost, cr.OPDiscoveryPath
	}
	if c.oxd4 || slices.Contains(c.config.Load().wire.Scope, tokenScope) {
		p.Scope = []string{"openid", tokenScope}
	}
	return p
}

// tokenCache keeps the protection token of one client.
type tokenCache struct {
	fetching joined[Secret]

	mu       sync.Mutex
	token    Secret    // guarded by mu
	clientID string    // guarded by mu
	until    time.Time // guarded by mu
}

func (t *tokenCache) get(clientID string) (Secret, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.token, !t.token.IsZero() && t.clientID == clientID && time.Now().Before(t.until)
}

func (t *tokenCache) put(clientID string, token Secret, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.token, t.clientID, t.until = token, clientID, until
}

// drop forgets token, unless another has taken its place already.
func (t *tokenCache) drop(token Secret) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token.Equal(token) {
		t.token = Secret{}
	}
}

// protectionToken returns the token for commands of the site, fetching one if
// there is none that lasts. Callers at the same time share one request.
func (c *Client) protectionToken(ctx context.Context, reg *registration) (Secret, error) {
	if token, ok := c.protection.get(reg.ClientID); ok {
		return token, nil
	}
	token, err := c.protection.fetching.do(ctx, &c.gate, "get_client_token", func(ctx context.Context) (Secret, error) {
		asked := time.Now()
		t, err := c.clientToken(ctx, c.tokenParams(reg))
		if err != nil {
			return Secret{}, err
		}
		c.protection.put(reg.ClientID, t.AccessToken, asked.Add(usable(t.ExpiresIn)))
		return t.AccessToken, nil
	})
	if err != nil {
		return Secret{}, fmt.Errorf("oxd: getting a protection token: %w", err)
	}
	return token, nil
}

const (
	tokenMargin    = 30 * time.Second
	shortLifetime  = time.Minute
	maxTokenReuse  = time.Hour
	marginFraction = 10
)

// usable is how long a token is used. It stops early by 30 s, enough for clocks
// and for a command on its way, but by no more than a tenth, so that lifetimes
// of seconds work as well. An unknown lifetime counts as a minute; Gluu's is
// five. Whatever the provider says, a token is fetched anew after an hour.
func usable(lifetime time.Duration) time.Duration {
	if lifetime < 0 {
		lifetime = shortLifetime
	}
	return min(lifetime-min(tokenMargin, lifetime/marginFraction), maxTokenReuse)
}

func tokenRefused(err error) bool {
	return errors.Is(err, CodeBlankProtectionAccessToken) ||
		errors.Is(err, CodeInvalidProtectionAccessToken) ||
		errors.Is(err, CodeInactiveProtectionAccessToken)
}
