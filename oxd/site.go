package oxd

// The commands that register, update and protect a site, with their parameters.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// RegisterSiteParams are the parameters of register_site and setup_client.
// AuthorizationRedirectURI and OPHost are required, the others optional; what is
// empty is not sent, and oxd or the provider decides.
type RegisterSiteParams struct {
	// AuthorizationRedirectURI is the callback, the only one ever used for logins.
	AuthorizationRedirectURI string
	// OPHost is the provider, for example https://idp.example.org.
	OPHost string
	// OPDiscoveryPath is put between OPHost and /.well-known/...; no UMA then.
	OPDiscoveryPath       string
	PostLogoutRedirectURI string
	// RedirectURIs are registered in addition.
	RedirectURIs []string
	// ApplicationType is "web" or "native"; oxd 3.1.1 always registers "web".
	ApplicationType string
	// ResponseTypes: one token per element.
	ResponseTypes []string
	// GrantTypes default to authorization_code, refresh_token and
	// client_credentials: oxd alone would ask for the first, which leaves sessions
	// without refresh and, because oxd gets its own token for UMA and for command
	// protection by client credentials, those without a way to work.
	GrantTypes []string
	// Scope defaults to openid, profile, email and uma_protection; the last one
	// is for that same token.
	Scope []string
	// ACRValues are asked for in every login.
	ACRValues               []string
	ClientName              string
	ClientJWKSURI           string
	TokenEndpointAuthMethod string // forwarded; oxd itself always uses HTTP Basic
	RequestURIs             []string
	FrontchannelLogoutURIs  []string
	SectorIdentifierURI     string
	Contacts                []string
	UILocales               []string
	ClaimsLocales           []string
	// ClaimsRedirectURI are the URIs to which a claims gathering may return.
	ClaimsRedirectURI []string
	// ClientID and ClientSecret are for a provider without dynamic registration;
	// both or none. Of the other fields only oxd learns then.
	ClientID     string
	ClientSecret Secret
	// TrustedClient asks a Gluu Server to skip the consent page.
	TrustedClient bool
}

var (
	defaultScope      = []string{"openid", "profile", "email", "uma_protection"}
	defaultGrantTypes = []string{"authorization_code", "refresh_token", "client_credentials"}
)

// siteWire are the parameters in the names that the server reads.
type siteWire struct {
	AuthorizationRedirectURI string   `json:"authorization_redirect_uri,omitempty"`
	OPHost                   string   `json:"op_host,omitempty"`
	OPDiscoveryPath          string   `json:"op_discovery_path,omitempty"`
	PostLogoutRedirectURI    string   `json:"post_logout_redirect_uri,omitempty"`
	RedirectURIs             []string `json:"redirect_uris,omitempty"`
	ApplicationType          string   `json:"application_type,omitempty"`
	ResponseTypes            []string `json:"response_types,omitempty"`
	GrantTypes               []string `json:"grant_types,omitempty"`
	Scope                    []string `json:"scope,omitempty"`
	ACRValues                []string `json:"acr_values,omitempty"`
	ClientName               string   `json:"client_name,omitempty"`
	ClientJWKSURI            string   `json:"client_jwks_uri,omitempty"`
	TokenEndpointAuthMethod  string   `json:"client_token_endpoint_auth_method,omitempty"`
	RequestURIs              []string `json:"client_request_uris,omitempty"`
	FrontchannelLogoutURIs   []string `json:"client_frontchannel_logout_uris,omitempty"`
	LogoutURIs               []string `json:"client_logout_uris,omitempty"` // the former in an update
	SectorIdentifierURI      string   `json:"client_sector_identifier_uri,omitempty"`
	Contacts                 []string `json:"contacts,omitempty"`
	UILocales                []string `json:"ui_locales,omitempty"`
	ClaimsLocales            []string `json:"claims_locales,omitempty"`
	ClaimsRedirectURI        []string `json:"claims_redirect_uri,omitempty"`
	ClientID                 string   `json:"client_id,omitempty"`
	ClientSecret             string   `json:"client_secret,omitempty"`
	TrustedClient            bool     `json:"trusted_client,omitempty"`
	ClientSecretExpiresAt    int64    `json:"client_secret_expires_at,omitempty"` // milliseconds
}

// wire applies the defaults.
func (p RegisterSiteParams) wire() siteWire {
	w := siteWire{
		AuthorizationRedirectURI: p.AuthorizationRedirectURI,
		OPHost:                   normalHost(p.OPHost),
		PostLogoutRedirectURI:    p.PostLogoutRedirectURI,
		RedirectURIs:             p.RedirectURIs,
		ApplicationType:          p.ApplicationType,
		ResponseTypes:            p.ResponseTypes,
		GrantTypes:               p.GrantTypes,
		Scope:                    p.Scope,
		ACRValues:                p.ACRValues,
		ClientName:               p.ClientName,
		ClientJWKSURI:            p.ClientJWKSURI,
		TokenEndpointAuthMethod:  p.TokenEndpointAuthMethod,
		RequestURIs:              p.RequestURIs,
		FrontchannelLogoutURIs:   p.FrontchannelLogoutURIs,
		SectorIdentifierURI:      p.SectorIdentifierURI,
		Contacts:                 p.Contacts,
		UILocales:                p.UILocales,
		ClaimsLocales:            p.ClaimsLocales,
		ClaimsRedirectURI:        p.ClaimsRedirectURI,
		ClientID:                 p.ClientID,
		ClientSecret:             p.ClientSecret.Reveal(),
		TrustedClient:            p.TrustedClient,
	}
	w.OPDiscoveryPath = normalPath(p.OPDiscoveryPath)
	if len(w.GrantTypes) == 0 {
		w.GrantTypes = defaultGrantTypes
	}
	if len(w.Scope) == 0 {
		w.Scope = defaultScope
	}
	return w
}

// normalHost adds what oxd itself adds for logins but not for UMA, where a host
// without scheme or with a slash at the end does not work.
func normalHost(host string) string {
	if host != "" && !strings.Contains(host, "://") {
		host = "https://" + host
	}
	return strings.TrimRight(host, "/")
}

// normalPath adds the slash that oxd expects and its manual leaves out.
func normalPath(path string) string {
	if path = strings.Trim(path, "/"); path != "" {
		path = "/" + path
	}
	return path
}

// check returns all that is wrong with p.
func (p RegisterSiteParams) check() error {
	var errs []error
	if err := checkPlainURL(p.AuthorizationRedirectURI); err != nil {
		errs = append(errs, fmt.Errorf("oxd: authorization redirect URI: %w", err))
	}
	if err := checkPlainURL(normalHost(p.OPHost)); err != nil {
		errs = append(errs, fmt.Errorf("oxd: OP host: %w", err))
	}
	if (p.ClientID == "") != p.ClientSecret.IsZero() {
		errs = append(errs, errors.New("oxd: client id and client secret go together; oxd would ignore one alone"))
	}
	return errors.Join(errs...)
}

// RegisterSiteResult is the answer to register_site.
type RegisterSiteResult struct{ OxdID, OPHost string }

// RegisterSite registers another site (register_site). Every call makes a new
// one, and a new client at the provider. The site of the Client itself is the
// business of [Client.Register].
func (c *Client) RegisterSite(ctx context.Context, p RegisterSiteParams) (*RegisterSiteResult, error) {
	const command = "register_site"
	if err := p.check(); err != nil {
		return nil, err
	}
	o, err := c.call(ctx, command, p.wire())
	if err != nil {
		return nil, err
	}
	r := &RegisterSiteResult{OxdID: o.text("oxd_id"), OPHost: o.text("op_host")}
	if r.OxdID == "" {
		return nil, useless(command, "oxd_id")
	}
	return r, nil
}

// SetupClientResult is the answer to setup_client.
type SetupClientResult struct {
	// OxdID and OPHost are of the site.
	OxdID, OPHost string
	// The others are of a second client, which gets protection tokens and has
	// nothing to do with logins. The times are zero if unknown or unlimited.
	ClientID                string
	ClientSecret            Secret
	RegistrationAccessToken Secret
	RegistrationClientURI   string
	ClientIDIssuedAt        time.Time
	ClientSecretExpiresAt   time.Time
}

// SetupClient registers another site together with the client that gets its
// protection tokens (setup_client). Every call makes new ones.
func (c *Client) SetupClient(ctx context.Context, p RegisterSiteParams) (*SetupClientResult, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	o, err := c.call(ctx, setupCommand, p.wire())
	if err != nil {
		return nil, err
	}
	return readSetup(o)
}

const setupCommand = "setup_client"

func readSetup(o object) (*SetupClientResult, error) {
	r := &SetupClientResult{
		OxdID:                   o.text("oxd_id"),
		OPHost:                  o.text("op_host"),
		ClientID:                o.text("client_id"),
		ClientSecret:            o.secret("client_secret"),
		RegistrationAccessToken: o.secret("client_registration_access_token"),
		RegistrationClientURI:   o.text("client_registration_client_uri"),
		ClientIDIssuedAt:        o.moment("client_id_issued_at"),
		ClientSecretExpiresAt:   o.moment("client_secret_expires_at"),
	}
	if r.OxdID == "" || r.ClientID == "" || r.ClientSecret.IsZero() {
		return nil, useless(setupCommand, "oxd_id or client credentials")
	}
	return r, nil
}

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
	// Sent in milliseconds, as the only time in this protocol.
	ClientSecretExpiresAt time.Time
}

// UpdateSite changes the registration at oxd and at the provider
// (update_site_registration, update_site since 3.1.2). All metadata is sent, as
// what an update leaves out may be lost. It does not change Site.Params, which
// [Client.Register] goes by after a restart.
func (c *Client) UpdateSite(ctx context.Context, p UpdateSiteParams) error {
	w := p.wire(c.wire)
	if w.AuthorizationRedirectURI != "" {
		if err := checkPlainURL(w.AuthorizationRedirectURI); err != nil {
			return fmt.Errorf("oxd: authorization redirect URI: %w", err)
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
