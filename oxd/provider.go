package oxd

// What oxd 4 tells about the provider of the site.

import (
	"context"
	"encoding/json"
)

// ProviderMetadata are the best known fields of the provider's discovery
// document.
type ProviderMetadata struct {
	Issuer                                        string
	AuthorizationEndpoint, TokenEndpoint, JWKSURI string
	UserInfoEndpoint, EndSessionEndpoint          string
	ScopesSupported, ACRValuesSupported           []string
	// All is the whole answer. oxd has names of its own for some fields.
	All json.RawMessage
}

// Discovery returns the discovery document of the site's provider as oxd knows
// it (get_discovery; OpenID Connect Discovery 1.0 section 3). Of oxd 4: before,
// the error is ErrUnsupported.
func (c *Client) Discovery(ctx context.Context) (*ProviderMetadata, error) {
	const command = "get_discovery"
	o, data, err := c.askAboutProvider(ctx, command, "")
	if err != nil {
		return nil, err
	}
	m := &ProviderMetadata{
		Issuer:                o.text("issuer"),
		AuthorizationEndpoint: o.link("authorization_endpoint"), TokenEndpoint: o.link("token_endpoint"), JWKSURI: o.link("jwks_uri"),
		UserInfoEndpoint: o.link("user_info_endpoint"), EndSessionEndpoint: o.link("end_session_endpoint"),
		ScopesSupported: o.values("scopes_supported"), ACRValuesSupported: o.values("acr_values_supported"),
		All: data,
	}
	if m.UserInfoEndpoint == "" {
		m.UserInfoEndpoint = o.link("userinfo_endpoint") // the name in the standard
	}
	if m.Issuer == "" {
		return nil, useless(command, "issuer")
	}
	return m, nil
}

// JWKS returns the public keys of the site's provider (get_jwks), a JSON Web Key
// Set (RFC 7517 section 5). Of oxd 4: before, the error is ErrUnsupported.
func (c *Client) JWKS(ctx context.Context) (json.RawMessage, error) {
	const command = "get_jwks"
	o, data, err := c.askAboutProvider(ctx, command, "")
	if err != nil {
		return nil, err
	}
	if keys, err := o.objects("keys"); err != nil || len(keys) == 0 {
		return nil, useless(command, "keys")
	}
	return data, nil
}

// Issuer returns the issuer for a resource, such as an e-mail address, after oxd
// has compared it with that of the site's provider (get_issuer; OpenID Connect
// Discovery 1.0 section 2). Of oxd 4.2: before, the error matches ErrUnsupported.
func (c *Client) Issuer(ctx context.Context, resource string) (string, error) {
	const command = "get_issuer"
	if err := require(command, "resource", resource); err != nil {
		return "", err
	}
	o, _, err := c.askAboutProvider(ctx, command, resource)
	if err != nil {
		return "", err
	}
	links, err := o.objects("links")
	if err != nil {
		return "", useless(command, "links")
	}
	issuer := ""
	for _, link := range links {
		if link.text("rel") != "http://openid.net/specs/connect/1.0/issuer" {
			continue
		}
		if issuer != "" {
			return "", useless(command, "one issuer") // oxd does not say which one it found right
		}
		issuer = link.link("href")
	}
	if issuer == "" {
		return "", useless(command, "issuer")
	}
	return issuer, nil
}

// askAboutProvider sends a command that needs a provider but no site.
func (c *Client) askAboutProvider(ctx context.Context, command, resource string) (object, json.RawMessage, error) {
	if err := c.needsOxd4(command); err != nil {
		return nil, nil, err
	}
	p := ClientTokenParams{OPHost: c.config.Load().wire.OPHost, OPDiscoveryPath: c.config.Load().wire.OPDiscoveryPath}
	if cr := c.site.Credentials; cr != nil {
		p.OPHost, p.OPDiscoveryPath = normalHost(cr.OPHost), normalPath(cr.OPDiscoveryPath)
	}
	if err := require(command, "OP host of the site", p.OPHost); err != nil {
		return nil, nil, err
	}
	body, err := encode(struct {
		Resource        string `json:"resource,omitempty"`
		OPHost          string `json:"op_host"`
		OPDiscoveryPath string `json:"op_discovery_path,omitempty"`
	}{resource, p.OPHost, p.OPDiscoveryPath})
	if err != nil {
		return nil, nil, err
	}
	data, err := c.roundTrip(ctx, exchange{command: command, body: body, repeatable: traitsOf(command).repeatable})
	if err != nil {
		return nil, nil, err
	}
	o, err := decodeObject(command, data)
	return o, data, err
}
