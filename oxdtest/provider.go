// Provider: what a test sets at the OpenID Provider and the authorization server, and what it
// reads.

package oxdtest

import (
	"crypto/x509"
	"time"

	"example.com/oxdauth/oxdtest/internal/provider"
	"example.com/oxdauth/oxdtest/internal/uma"
)

// Provider is an OpenID Provider and UMA 2 authorization server in the image
// of oxAuth 3.1.1. It keeps everything in memory and runs in the process of
// the test. It has pages for people, so a demo can use it too, but it is no
// identity server: passwords lie in memory as they are, and everybody who can
// reach it can register clients.
//
// All methods are safe for concurrent use and take effect at once, also for
// requests in progress that have not come to the point in question.
type Provider struct {
	// URL is the issuer: scheme, host and port, without a final slash.
	URL string

	op *provider.Provider
	as *uma.Server
}

// newProvider returns a Provider. A nil list of users means DefaultUsers. The pool is trusted at
// the clients; nil means the roots of the system.
func newProvider(issuer string, users []User, pool *x509.CertPool) *Provider {
	if users == nil {
		users = DefaultUsers()
	}
	cfg := provider.Config{Issuer: issuer, Pool: pool}
	for _, u := range users {
		cfg.Users = append(cfg.Users, provider.User(u))
	}
	op := provider.New(cfg)
	return &Provider{URL: issuer, op: op, as: uma.New(op)}
}

// SetDown makes every endpoint answer 503 Service Unavailable until it is
// called with false. Nothing is lost. Default: false.
func (p *Provider) SetDown(down bool) {
	p.op.Set(func(s *provider.Settings) { s.Down = down })
}

// SetAccessTokenLifetime sets how long access tokens live that are issued from
// now on, and with it their expires_in, in whole seconds. Zero or less issues
// tokens that have expired already. Default: 5 minutes, as oxAuth.
func (p *Provider) SetAccessTokenLifetime(d time.Duration) {
	p.op.Set(func(s *provider.Settings) { s.AccessLifetime = d })
}

// SetTicketLifetime sets how long UMA permission tickets live that are issued
// from now on. Zero or less issues tickets that have expired already.
// Default: 1 hour, as oxAuth.
func (p *Provider) SetTicketLifetime(d time.Duration) { p.as.SetTicketLifetime(d) }

// maxTokenPadding keeps an answer under the limit of a frame, in bytes.
const maxTokenPadding = 6 << 10

// SetTokenPadding makes the tokens of one login bigger by about n bytes taken
// together, a third for each of the access, refresh and ID token, of random
// text that does not compress away. In the ID token it is the claim "padding". n is
// limited to 0..6144, which keeps the answer of oxd under its limit of 9,999
// units. Default: 0.
func (p *Provider) SetTokenPadding(n int) {
	p.op.Set(func(s *provider.Settings) { s.Padding = min(max(n, 0), maxTokenPadding) })
}

// SetACRDelivered makes ID tokens and introspection name this authentication
// level whatever was asked for and done, for logins completed from now on.
// "" goes back to the truth, which is the default.
func (p *Provider) SetACRDelivered(acr string) {
	p.op.Set(func(s *provider.Settings) { s.ACRDelivered = acr })
}

// SetAuthTimeAge makes ID tokens issued from now on name an auth_time that much
// before the true one; a negative age leaves the claim out. Default: 0.
func (p *Provider) SetAuthTimeAge(age time.Duration) {
	p.op.Set(func(s *provider.Settings) { s.AuthTimeAge = age })
}

// DenyNext makes the next authorization request of a known client with a
// registered redirect URI return at once with error=code, for example
// "access_denied" or "temporarily_unavailable". It holds for one request.
func (p *Provider) DenyNext(code string) {
	p.op.Set(func(s *provider.Settings) { s.DenyNext = code })
}

// SetConsent turns on the consent page, which asks each user once for each
// client and set of scopes. Default: false.
func (p *Provider) SetConsent(ask bool) {
	p.op.Set(func(s *provider.Settings) { s.Consent = ask })
}

// SetRefreshTokens decides whether refresh tokens are issued to clients that
// registered the refresh_token grant. Tokens already issued stay valid.
// Default: true.
func (p *Provider) SetRefreshTokens(issue bool) {
	p.op.Set(func(s *provider.Settings) { s.RefreshTokens = issue })
}

// SetRefreshDelay makes each refresh wait this long before the token is looked
// at, so that requests which arrive together collide. Default: 0.
func (p *Provider) SetRefreshDelay(d time.Duration) {
	p.op.Set(func(s *provider.Settings) { s.RefreshDelay = d })
}

// SetUserClaim sets a claim of the named user in ID tokens and userinfo
// answers from now on; nil removes it. It panics when there is no such user.
func (p *Provider) SetUserClaim(user, name string, value any) {
	p.op.SetUserClaim(user, name, value)
}

// SetUserInfoSub makes userinfo answer for the named user with another
// subject than the ID token has; "" goes back to the same. It panics when
// there is no such user.
func (p *Provider) SetUserInfoSub(user, sub string) { p.op.SetUserInfoSub(user, sub) }

// SetPolicy sets the policy for a UMA scope. It decides over RPTs asked for
// from now on; those already granted stay as they are. As in oxAuth, a scope
// without a policy is granted to everybody, which is the default.
func (p *Provider) SetPolicy(scope string, policy Policy) {
	p.as.SetPolicy(scope, uma.Policy(policy))
}

// RevokeRPT makes a requesting party token inactive at once. It reports
// whether there was such a token.
func (p *Provider) RevokeRPT(rpt string) bool { return p.as.RevokeRPT(rpt) }

// SetBackchannelLogoutURI makes the Provider send logout tokens for the clients
// with this redirect URI, as if they had registered backchannel_logout_uri,
// which oxd 3.1.1 cannot do. "" ends that, which is the default. The tokens are
// sent before the end-session endpoint answers, each for at most 10 seconds.
func (p *Provider) SetBackchannelLogoutURI(redirectURI, logoutURI string) {
	p.op.SetBackchannelLogoutURI(redirectURI, logoutURI)
}

// LogoutToken makes a logout token for the newest client with this redirect URI, signed
// by the Provider, without sending it. It has iss, aud, iat, exp, jti and events.
// change adds claims, at least sub or sid for a token that can be used, and
// replaces or, with nil, removes the others. It panics when there is no such
// client.
func (p *Provider) LogoutToken(redirectURI string, change map[string]any) string {
	return p.op.LogoutToken(redirectURI, change)
}

// LogoutTokensTaken returns how many of the logout tokens that were sent got
// the answer 200.
func (p *Provider) LogoutTokensTaken() int { return p.op.Counts().LogoutTokensTaken }

// Refreshes returns how many refresh requests succeeded.
func (p *Provider) Refreshes() int { return p.op.Counts().Refreshes }

// ReuseDetected returns how often a refresh token was presented after it had
// been replaced. Each time all tokens of that login were revoked.
func (p *Provider) ReuseDetected() int { return p.op.Counts().ReuseDetected }

// CodeReuses returns how often an authorization code was presented again
// after it had been redeemed. Each time its tokens were revoked.
func (p *Provider) CodeReuses() int { return p.op.Counts().CodeReuses }

// EndSessions returns how many requests came to the end-session endpoint.
func (p *Provider) EndSessions() int { return p.op.Counts().EndSessions }

// EndSessionHints returns how many of the EndSessions requests carried an ID
// token of this Provider as id_token_hint.
func (p *Provider) EndSessionHints() int { return p.op.Counts().EndSessionHints }

// Policy says who is granted a UMA scope. The zero Policy grants it to
// everybody.
type Policy struct {
	// Deny refuses everybody.
	Deny bool
	// Allow names claims of the requesting party and their accepted values.
	// Of each claim named here the party must have one of the values, for
	// example {"role": {"admin"}} or {"preferred_username": {"alice", "bob"}}.
	// Claims come from a pushed ID token, from the claims-gathering page and
	// from the PCT of an earlier grant. A claim that is not known yet leads to
	// need_info, one with another value to a refusal.
	Allow map[string][]string
	// Gather names the claims that the person is asked for on the
	// claims-gathering page when they are not known yet, for example
	// "country". Without an entry in Allow any value will do.
	Gather []string
}
