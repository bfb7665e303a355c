package oxdtest

import (
	"time"
)

// This file holds the knobs with which a test makes the Provider misbehave,
// and the counters with which it looks at what happened.

// opKnobs are the values behind the knobs.
type opKnobs struct {
	accessLifetime time.Duration
	ticketLifetime time.Duration
	refreshDelay   time.Duration
	padding        int
	acrDelivered   string
	authTimeAge    time.Duration
	denyNext       string
	consent        bool
	refreshTokens  bool
}

// opCounts are the values behind the counters.
type opCounts struct {
	refreshes         int
	reuseDetected     int
	codeReuses        int
	endSessions       int
	endSessionHints   int
	logoutTokensTaken int
}

// SetDown makes every endpoint answer 503 Service Unavailable until it is
// called with false. Nothing is lost meanwhile. Default: false.
func (p *Provider) SetDown(down bool) { p.down.Store(down) }

// SetAccessTokenLifetime sets how long access tokens live that are issued from
// now on, and with it their expires_in, in whole seconds. Zero or less issues
// tokens that have expired already. Default: 5 minutes, as oxAuth.
func (p *Provider) SetAccessTokenLifetime(d time.Duration) {
	p.set(func(k *opKnobs) { k.accessLifetime = d })
}

// SetTicketLifetime sets how long UMA permission tickets live that are issued
// from now on. Zero or less issues tickets that have expired already.
// Default: 1 hour, as oxAuth.
func (p *Provider) SetTicketLifetime(d time.Duration) {
	p.set(func(k *opKnobs) { k.ticketLifetime = d })
}

// SetTokenPadding makes the tokens of one login bigger by about n bytes taken
// together, a third for each of the access, refresh and ID token, of random
// text that does not compress away. In the ID token it is the claim "padding". n is
// limited to 0..6144, which keeps the answer of oxd under its limit of 9,999
// units. Default: 0.
func (p *Provider) SetTokenPadding(n int) {
	p.set(func(k *opKnobs) { k.padding = min(max(n, 0), opMaxPadding) })
}

const opMaxPadding = 6 << 10

// SetACRDelivered makes ID tokens and introspection name this authentication
// level whatever was asked for and done, for logins completed from now on.
// "" goes back to the truth, which is the default.
func (p *Provider) SetACRDelivered(acr string) {
	p.set(func(k *opKnobs) { k.acrDelivered = acr })
}

// SetAuthTimeAge makes ID tokens issued from now on name an auth_time that much
// before the true one; a negative age leaves the claim out. Default: 0.
func (p *Provider) SetAuthTimeAge(age time.Duration) {
	p.set(func(k *opKnobs) { k.authTimeAge = age })
}

// DenyNext makes the next authorization request of a known client with a
// registered redirect URI return at once with error=code, for example
// "access_denied" or "temporarily_unavailable". It holds for one request.
func (p *Provider) DenyNext(code string) {
	p.set(func(k *opKnobs) { k.denyNext = code })
}

// SetConsent turns on the consent page, which asks each user once for each
// client and set of scopes. Default: false.
func (p *Provider) SetConsent(ask bool) {
	p.set(func(k *opKnobs) { k.consent = ask })
}

// SetRefreshTokens decides whether refresh tokens are issued to clients that
// registered the refresh_token grant. Tokens already issued stay valid.
// Default: true.
func (p *Provider) SetRefreshTokens(issue bool) {
	p.set(func(k *opKnobs) { k.refreshTokens = issue })
}

// SetRefreshDelay makes each refresh wait this long before the token is looked
// at, so that requests which arrive together collide. Default: 0.
func (p *Provider) SetRefreshDelay(d time.Duration) {
	p.set(func(k *opKnobs) { k.refreshDelay = d })
}

func (p *Provider) set(change func(*opKnobs)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.knobs)
}

// SetUserClaim sets a claim of the named user in ID tokens and userinfo
// answers from now on; nil removes it. It panics when there is no such user.
func (p *Provider) SetUserClaim(user, name string, value any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.mustUser(user)
	if value == nil {
		delete(u.Claims, name)
		return
	}
	u.Claims[name] = value
}

// SetUserInfoSub makes userinfo answer for the named user with another
// subject than the ID token has; "" goes back to the same. It panics when
// there is no such user.
func (p *Provider) SetUserInfoSub(user, sub string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mustUser(user).userInfoSub = sub
}

// mustUser is for the knobs, where an unknown name is a mistake in the test.
func (p *Provider) mustUser(name string) *opUser {
	u := p.users[name]
	if u == nil {
		panic("oxdtest: there is no user " + name)
	}
	return u
}

// Refreshes returns how many refresh requests succeeded.
func (p *Provider) Refreshes() int { return p.count(func(c *opCounts) int { return c.refreshes }) }

// ReuseDetected returns how often a refresh token was presented after it had
// been replaced. Each time all tokens of that login were revoked.
func (p *Provider) ReuseDetected() int {
	return p.count(func(c *opCounts) int { return c.reuseDetected })
}

// CodeReuses returns how often an authorization code was presented again
// after it had been redeemed. Each time its tokens were revoked.
func (p *Provider) CodeReuses() int { return p.count(func(c *opCounts) int { return c.codeReuses }) }

// EndSessions returns how many requests came to the end-session endpoint.
func (p *Provider) EndSessions() int { return p.count(func(c *opCounts) int { return c.endSessions }) }

// EndSessionHints returns how many of the EndSessions requests carried an ID
// token of this Provider as id_token_hint.
func (p *Provider) EndSessionHints() int {
	return p.count(func(c *opCounts) int { return c.endSessionHints })
}

func (p *Provider) count(read func(*opCounts) int) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return read(&p.counts)
}
