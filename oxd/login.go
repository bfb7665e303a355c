package oxd

// The OpenID Connect commands.

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// AuthorizationURLParams are the parameters of get_authorization_url. All are
// optional.
type AuthorizationURLParams struct {
	// Scope and ACRValues replace the lists of the site.
	Scope, ACRValues []string
	// Prompt is a value of OpenID Connect Core 3.1.2.1 (login, none, consent,
	// select_account) or several separated by spaces.
	Prompt string
	// HD is the hosted domain, a parameter of Google.
	HD string
	// CustomParameters do not become parameters of the URL: oxd wraps them into
	// one, custom_response_headers, and a Gluu Server sends them as header fields
	// of its redirect. For real parameters there is Params.
	CustomParameters map[string]string
	// Params are further parameters of the request, such as max_age, login_hint or
	// ui_locales (OpenID Connect Core 3.1.2.1). oxd 4 puts them into the URL;
	// before, AuthorizationURL does. Names that have another way to get there, or
	// that oxd sets, are refused.
	Params map[string]string
	// State and Nonce are used instead of values made by oxd. Both must be
	// unguessable, new for each login, and consist of letters, digits and -._~.
	// Of oxd 4: before, the error is ErrUnsupported.
	State, Nonce string
}

// ownParams are the parameters of an authorization request that do not belong
// into Params.
var ownParams = []string{
	"response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "acr_values", "prompt", "hd", "custom_response_headers",
}

func (p AuthorizationURLParams) check() error {
	for name, value := range p.CustomParameters {
		if strings.ContainsAny(name+value, "\r\n") {
			return errors.New("a custom parameter contains a line break")
		}
	}
	for name := range p.Params {
		if name == "" || strings.ContainsFunc(name, needsEncoding) || slices.Contains(ownParams, name) {
			return fmt.Errorf("parameter %q does not belong into Params", name)
		}
	}
	if strings.ContainsFunc(p.State+p.Nonce, needsEncoding) {
		return errors.New("state or nonce has a character that oxd would not encode")
	}
	return nil
}

// needsEncoding reports whether r is not among the unreserved characters of RFC
// 3986 section 2.3.
func needsEncoding(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._~", r))
}

// AuthorizationURL returns the URL that starts a login. State and nonce are in
// its query: oxd ties neither to a browser nor to each other, so the caller has
// to keep both, compare the state before [Client.TokensByCode] and the claim
// nonce after it. oxd forgets both after five minutes, and 3.1 with every restart.
func (c *Client) AuthorizationURL(ctx context.Context, p AuthorizationURLParams) (string, error) {
	const command = "get_authorization_url"
	if err := p.check(); err != nil {
		return "", fmt.Errorf("oxd: %s: %w", command, err)
	}
	if p.State != "" || p.Nonce != "" {
		if err := c.needsOxd4(command + ": state and nonce"); err != nil {
			return "", err
		}
	}
	sent, added := p.Params, url.Values{}
	if !c.oxd4 {
		sent = nil
		for name, value := range p.Params {
			added.Set(name, value)
		}
	}
	answer, err := c.link(ctx, command, "authorization_url", struct {
		Scope            []string          `json:"scope,omitempty"`
		ACRValues        []string          `json:"acr_values,omitempty"`
		Prompt           string            `json:"prompt,omitempty"`
		HD               string            `json:"hd,omitempty"`
		CustomParameters map[string]string `json:"custom_parameters,omitempty"`
		Params           map[string]string `json:"params,omitempty"`
		State            string            `json:"state,omitempty"`
		Nonce            string            `json:"nonce,omitempty"`
	}{
		// oxd pastes prompt and hd into the URL as they are.
		p.Scope, p.ACRValues, url.QueryEscape(p.Prompt), url.QueryEscape(p.HD), p.CustomParameters, sent, p.State, p.Nonce,
	})
	if err != nil {
		return "", err
	}
	u, err := url.Parse(answer)
	if err != nil || p.State != "" && u.Query().Get("state") != p.State || p.Nonce != "" && u.Query().Get("nonce") != p.Nonce {
		return "", useless(command, "state or nonce")
	}
	if len(added) == 0 {
		return answer, nil
	}
	if u.RawQuery == "" || u.Fragment != "" {
		return "", useless(command, "a query")
	}
	return answer + "&" + added.Encode(), nil
}

// Tokens is what a code or a refresh token is exchanged for.
type Tokens struct {
	AccessToken Secret
	// RefreshToken is zero if the provider gave none.
	RefreshToken Secret
	// IDToken and Claims are empty after a refresh.
	IDToken Secret
	// ExpiresIn is the lifetime of the access token, negative if not known.
	ExpiresIn time.Duration
	// Scope is what was granted, as far as oxd says so, which is after a refresh
	// only.
	Scope []string
	// Claims are those of the ID token, which oxd has validated. It has compared
	// nonce with all nonces it knows, not with the one of this login.
	Claims Claims
}

// TokensByCode exchanges the code of a callback (get_tokens_by_code). It is
// never sent twice: a provider revokes all tokens of a code it sees again. Before
// oxd 4 an answer over 9,999 characters, ID token and claims together, is lost
// together with the code.
func (c *Client) TokensByCode(ctx context.Context, code, state string) (*Tokens, error) {
	const command = "get_tokens_by_code"
	if err := require(command, "code", code, "state", state); err != nil {
		return nil, err
	}
	return c.tokens(ctx, command, map[string]string{"code": code, "state": state})
}

// RefreshTokens exchanges a refresh token (get_access_token_by_refresh_token).
// Gluu issues a new refresh token and ends the old one, so two refreshes must not
// run at the same time. Before 3.1.4 a refused token cannot be told from an outage
// of the provider: both are CodeInternalError. Since then, and in oxd 4, the code
// is http_status_400 and the description what the provider said. No scopes means
// those of the login.
func (c *Client) RefreshTokens(ctx context.Context, refreshToken Secret, scopes ...string) (*Tokens, error) {
	const command = "get_access_token_by_refresh_token"
	if err := require(command, "refresh token", refreshToken.Reveal()); err != nil {
		return nil, err
	}
	return c.tokens(ctx, command, struct {
		RefreshToken string   `json:"refresh_token"`
		Scope        []string `json:"scope,omitempty"`
	}{refreshToken.Reveal(), scopes})
}

func (c *Client) tokens(ctx context.Context, command string, params any) (*Tokens, error) {
	o, err := c.call(ctx, command, params)
	if err != nil {
		return nil, err
	}
	t := &Tokens{
		AccessToken:  o.secret("access_token"),
		RefreshToken: o.secret("refresh_token"),
		IDToken:      o.secret("id_token"),
		ExpiresIn:    o.seconds("expires_in"),
		Scope:        o.scope("scope"),
	}
	if t.Claims, err = o.claims("id_token_claims"); err != nil || t.AccessToken.IsZero() {
		return nil, useless(command, "access_token or id_token_claims")
	}
	return t, nil
}

// UserInfo returns the claims of the userinfo endpoint (get_user_info). oxd
// reports an expired or revoked token as success with whatever is left of the
// error, usually nothing, and this package does so for oxd 4: only claims whose
// sub equals the one of the ID token say anything about the user.
func (c *Client) UserInfo(ctx context.Context, accessToken Secret) (Claims, error) {
	const command = "get_user_info"
	if err := require(command, "access token", accessToken.Reveal()); err != nil {
		return nil, err
	}
	o, err := c.call(ctx, command, map[string]string{"access_token": accessToken.Reveal()})
	if err != nil {
		return nil, err
	}
	claims, err := o.claims("claims")
	if err != nil {
		return nil, useless(command, "claims")
	}
	return claims, nil
}

// LogoutURLParams are the parameters of get_logout_uri.
type LogoutURLParams struct {
	// IDTokenHint is the ID token of the session that ends. It is required:
	// without one oxd takes the last ID token of the site, which is another
	// user's.
	IDTokenHint Secret
	// PostLogoutRedirectURI is where the provider sends the browser afterwards.
	// Default: that of Site.Params, because oxd itself falls back to nothing.
	PostLogoutRedirectURI string
	// State and SessionState are optional. They are passed through to the
	// provider (OpenID Connect Session Management 1.0 section 5).
	State, SessionState string
}

// LogoutURL returns the URL that ends the session at the provider
// (get_logout_uri). Asking for it ends nothing by itself.
func (c *Client) LogoutURL(ctx context.Context, p LogoutURLParams) (string, error) {
	const command = "get_logout_uri"
	if err := require(command, "ID token hint", p.IDTokenHint.Reveal()); err != nil {
		return "", err
	}
	if p.PostLogoutRedirectURI == "" {
		p.PostLogoutRedirectURI = c.config.Load().wire.PostLogoutRedirectURI
	}
	return c.link(ctx, command, "uri", struct {
		IDTokenHint           string `json:"id_token_hint"`
		PostLogoutRedirectURI string `json:"post_logout_redirect_uri,omitempty"`
		State                 string `json:"state,omitempty"`
		SessionState          string `json:"session_state,omitempty"`
	}{
		// oxd pastes the last two into the URL as they are.
		p.IDTokenHint.Reveal(), p.PostLogoutRedirectURI, url.QueryEscape(p.State), url.QueryEscape(p.SessionState),
	})
}

// link calls a command whose answer is one URL.
func (c *Client) link(ctx context.Context, command, name string, params any) (string, error) {
	o, err := c.call(ctx, command, params)
	if err != nil {
		return "", err
	}
	if u := o.link(name); u != "" {
		return u, nil
	}
	return "", useless(command, name)
}
