package oxd

// Questions about tokens.

import (
	"context"
	"encoding/json"
	"time"
)

// The names in 3.1; check_id_token and check_access_token of oxd 4 are the same.
const (
	idTokenCommand     = "id_token_status"
	accessTokenCommand = "access_token_status"
)

// RPTIntrospection is what the authorization server says about an RPT. Times
// that were not sent are zero.
type RPTIntrospection struct {
	Active                           bool
	ExpiresAt, IssuedAt, NotBefore   time.Time
	ClientID, Subject, Issuer, JWTID string
	Audience                         []string
	Permissions                      []RPTPermission
}

// RPTPermission is one resource that an RPT opens.
type RPTPermission struct {
	// ResourceID is the one of the authorization server.
	ResourceID string
	Scopes     []string
	// ExpiresAt is zero if the permission lasts as long as the RPT, or that is
	// not known.
	ExpiresAt time.Time
}

// IntrospectRPT asks for the permissions of an RPT (introspect_rpt). oxd has the
// command since 3.1.2; before, the error matches ErrUnsupported.
func (c *Client) IntrospectRPT(ctx context.Context, rpt Secret) (*RPTIntrospection, error) {
	const command = "introspect_rpt"
	if err := require(command, "RPT", rpt.Reveal()); err != nil {
		return nil, err
	}
	o, err := c.call(ctx, command, map[string]string{"rpt": rpt.Reveal()})
	if err != nil {
		return nil, err
	}
	r := &RPTIntrospection{
		Active:    o.boolean("active"),
		ExpiresAt: o.moment("exp"), IssuedAt: o.moment("iat"), NotBefore: o.moment("nbf"),
		ClientID: o.text("client_id"), Subject: o.text("sub"), Issuer: o.text("iss"), JWTID: o.text("jti"),
		Audience: o.values("aud"),
	}
	permissions, err := o.objects("permissions")
	if err != nil || o.text("active") == "" {
		return nil, useless(command, "active or permissions")
	}
	for _, p := range permissions {
		r.Permissions = append(r.Permissions, RPTPermission{
			ResourceID: p.text("resource_id"), Scopes: p.values("resource_scopes"), ExpiresAt: p.moment("exp"),
		})
	}
	return r, nil
}

// objects returns an array of objects; null, "" and what is not there are empty.
func (o object) objects(name string) ([]object, error) {
	var list []object
	if raw := o[name]; len(raw) > 0 && string(raw) != `""` {
		if err := json.Unmarshal(raw, &list); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// AccessTokenIntrospection is what the provider says about an access token (RFC
// 7662 section 2.2). Times that were not sent are zero.
type AccessTokenIntrospection struct {
	Active                                         bool
	Scope, Audience                                []string
	ClientID, Username, TokenType, Subject, Issuer string
	JWTID, ACRValues                               string
	ExpiresAt, IssuedAt                            time.Time
}

// IntrospectAccessToken asks the provider about an access token
// (introspect_access_token). oxd has the command since 3.1.2; before, the error
// matches ErrUnsupported.
func (c *Client) IntrospectAccessToken(ctx context.Context, accessToken Secret) (*AccessTokenIntrospection, error) {
	const command = "introspect_access_token"
	if err := require(command, "access token", accessToken.Reveal()); err != nil {
		return nil, err
	}
	o, err := c.call(ctx, command, map[string]string{"access_token": accessToken.Reveal()})
	if err != nil {
		return nil, err
	}
	if o.text("active") == "" {
		return nil, useless(command, "active")
	}
	return &AccessTokenIntrospection{
		Active: o.boolean("active"), Scope: o.scope("scope"), Audience: o.values("aud"),
		ClientID: o.text("client_id"), Username: o.text("username"), TokenType: o.text("token_type"),
		Subject: o.text("sub"), Issuer: o.text("iss"), JWTID: o.text("jti"), ACRValues: o.text("acr_values"),
		ExpiresAt: o.moment("exp"), IssuedAt: o.moment("iat"),
	}, nil
}

// CheckIDTokenParams are the parameters of check_id_token. Only IDToken is
// required.
type CheckIDTokenParams struct {
	IDToken Secret
	// State, Code and AccessToken are compared with s_hash, c_hash and at_hash. Of
	// oxd 4: before, the error is ErrUnsupported. One that does not fit is an
	// *Error, not a status.
	State             string
	Code, AccessToken Secret
}

// IDTokenStatus says whether an ID token holds.
type IDTokenStatus struct {
	Active              bool
	Claims              Claims
	ExpiresAt, IssuedAt time.Time
}

// CheckIDToken has oxd validate an ID token (check_id_token, before oxd 4
// id_token_status, and not over the HTTPS extension). The nonce is for the
// caller to compare.
func (c *Client) CheckIDToken(ctx context.Context, p CheckIDTokenParams) (*IDTokenStatus, error) {
	const command = idTokenCommand
	if err := require(command, "ID token", p.IDToken.Reveal()); err != nil {
		return nil, err
	}
	if p.State != "" || !p.Code.IsZero() || !p.AccessToken.IsZero() {
		if err := c.needsOxd4(command + ": state, code and access token"); err != nil {
			return nil, err
		}
	}
	o, err := c.call(ctx, command, struct {
		IDToken     string `json:"id_token"`
		State       string `json:"state,omitempty"`
		Code        string `json:"code,omitempty"`
		AccessToken string `json:"access_token,omitempty"`
	}{p.IDToken.Reveal(), p.State, p.Code.Reveal(), p.AccessToken.Reveal()})
	if err != nil {
		return nil, err
	}
	claims, err := o.claims("claims")
	if err != nil || o.text("active") == "" {
		return nil, useless(command, "active or claims")
	}
	return &IDTokenStatus{o.boolean("active"), claims, o.moment("expires_at"), o.moment("issued_at")}, nil
}

// AccessTokenStatus says whether an access token belongs to an ID token. The
// times are those of the ID token, zero if not known.
type AccessTokenStatus struct {
	Active              bool
	ExpiresAt, IssuedAt time.Time
}

// CheckAccessToken compares an access token with at_hash of an ID token
// (check_access_token, before oxd 4 access_token_status, and not over the HTTPS
// extension). Nobody asks the provider: a revoked token is still active.
func (c *Client) CheckAccessToken(ctx context.Context, idToken, accessToken Secret) (*AccessTokenStatus, error) {
	const command = accessTokenCommand
	if err := require(command, "ID token", idToken.Reveal(), "access token", accessToken.Reveal()); err != nil {
		return nil, err
	}
	o, err := c.call(ctx, command, map[string]string{"id_token": idToken.Reveal(), "access_token": accessToken.Reveal()})
	if err != nil {
		return nil, err
	}
	if o.text("active") == "" {
		return nil, useless(command, "active")
	}
	return &AccessTokenStatus{o.boolean("active"), o.milliseconds("expires_at"), o.milliseconds("issued_at")}, nil
}
