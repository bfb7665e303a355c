package oxd

// The commands that change and remove a site.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// UpdateSiteParams are the parameters of an update. Empty fields keep what
// Site.Params says; fields that cannot be updated (OPHost, OPDiscoveryPath,
// ClientID, ClientSecret, TrustedClient) do not exist here.
type UpdateSiteParams struct {
	AuthorizationRedirectURI string
	PostLogoutRedirectURI    string
	RedirectURIs             []string
	ResponseTypes            []string
	// GrantTypes default to those of a registration if Site.Params names none:
	// oxd wipes them when an update leaves them out.
	GrantTypes             []string
	Scope                  []string
	ClientJWKSURI          string
	RequestURIs            []string
	FrontchannelLogoutURIs []string
	SectorIdentifierURI    string
	Contacts               []string
	// Of the manual; oxd 3.1.1 accepts and ignores them.
	ClientName, TokenEndpointAuthMethod string
	ACRValues, UILocales, ClaimsLocales []string
	// ClientSecretExpiresAt extends the life of the client; zero leaves it alone.
	// Sent in milliseconds, as the only time in this protocol. 3.1.4 ignores
	// it; in oxd 4 it does not exist, and the error is ErrUnsupported.
	ClientSecretExpiresAt time.Time
}

// UpdateSite changes the registration at oxd and at the provider
// (update_site_registration, update_site since 3.1.2). All metadata is sent, as
// what an update leaves out may be lost. It does not change Site.Params, which
// [Client.Register] goes by after a restart.
func (c *Client) UpdateSite(ctx context.Context, p UpdateSiteParams) error {
	if c.oxd4 && !p.ClientSecretExpiresAt.IsZero() {
		return fmt.Errorf("oxd: %s: expiry of the client secret: %w", updateCommandLater, ErrUnsupported)
	}
	w := p.wire(c.config.Load().wire)
	if c.site.Protected {
		w = c.withTokenScope(w)
	}
	if w.AuthorizationRedirectURI != "" {
		if err := checkPlainURL(w.AuthorizationRedirectURI); err != nil {
			return fmt.Errorf("oxd: AuthorizationRedirectURI: %w", err)
		}
	}
	return sendUpdate(func(command string) error {
		_, err := c.call(ctx, command, w)
		return err
	})
}

// sendUpdate tries the name of 3.1.1 first, and then the one it got in 3.1.2.
func sendUpdate(send func(command string) error) error {
	err := send(updateCommand)
	if errors.Is(err, CodeUnsupportedOperation) {
		return send(updateCommandLater)
	}
	return err
}

const (
	updateCommand      = "update_site_registration"
	updateCommandLater = "update_site"
)

// wire puts p over the metadata of the site.
func (p UpdateSiteParams) wire(w siteWire) siteWire {
	w.OPHost, w.OPDiscoveryPath, w.ClientID, w.ClientSecret, w.TrustedClient = "", "", "", "", false
	w.AuthorizationRedirectURI = cmp.Or(p.AuthorizationRedirectURI, w.AuthorizationRedirectURI)
	w.PostLogoutRedirectURI = cmp.Or(p.PostLogoutRedirectURI, w.PostLogoutRedirectURI)
	w.ClientJWKSURI = cmp.Or(p.ClientJWKSURI, w.ClientJWKSURI)
	w.SectorIdentifierURI = cmp.Or(p.SectorIdentifierURI, w.SectorIdentifierURI)
	w.ClientName = cmp.Or(p.ClientName, w.ClientName)
	w.TokenEndpointAuthMethod = cmp.Or(p.TokenEndpointAuthMethod, w.TokenEndpointAuthMethod)
	for _, list := range []struct {
		to   *[]string
		from []string
	}{
		{&w.RedirectURIs, p.RedirectURIs},
		{&w.ResponseTypes, p.ResponseTypes},
		{&w.GrantTypes, p.GrantTypes},
		{&w.Scope, p.Scope},
		{&w.RequestURIs, p.RequestURIs},
		{&w.FrontchannelLogoutURIs, p.FrontchannelLogoutURIs},
		{&w.Contacts, p.Contacts},
		{&w.ACRValues, p.ACRValues},
		{&w.UILocales, p.UILocales},
		{&w.ClaimsLocales, p.ClaimsLocales},
	} {
		if len(list.from) > 0 {
			*list.to = list.from
		}
	}
	// The provider hears of a new redirect URI only if the list is there as well.
	if len(w.RedirectURIs) == 0 && w.AuthorizationRedirectURI != "" {
		w.RedirectURIs = []string{w.AuthorizationRedirectURI}
	}
	w.LogoutURIs = w.FrontchannelLogoutURIs // 3.1.1 reads one name, later versions the other
	if !p.ClientSecretExpiresAt.IsZero() {
		w.ClientSecretExpiresAt = p.ClientSecretExpiresAt.UnixMilli()
	}
	return w
}

// RemoveSite makes oxd forget a site (remove_site); it need not be the Client's
// own, which is registered anew if it is used again. oxd has the command since
// 3.1.2; before, the error matches ErrUnsupported.
func (c *Client) RemoveSite(ctx context.Context, oxdID string) error {
	const command = "remove_site"
	if err := require(command, "oxd_id", oxdID); err != nil {
		return err
	}
	body, err := encode(map[string]string{"oxd_id": oxdID})
	if err != nil {
		return err
	}
	_, err = c.roundTrip(ctx, exchange{command: command, body: body})
	return err
}
