package oxd

// The commands that register, update and protect a site, with their parameters.

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
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
	OPDiscoveryPath string
	// PostLogoutRedirectURI is where the provider sends the browser after a logout
	// (OpenID Connect RP-Initiated Logout section 2). It defaults to the root of the
	// origin of AuthorizationRedirectURI.
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
	// FrontchannelLogoutURIs are loaded by the provider's logout page (OpenID Connect
	// Front-Channel Logout 1.0), beside those of [Client.AddFrontchannelLogoutURI].
	FrontchannelLogoutURIs []string
	SectorIdentifierURI    string
	Contacts               []string
	UILocales              []string
	ClaimsLocales          []string
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
		PostLogoutRedirectURI:    cmp.Or(p.PostLogoutRedirectURI, rootOf(p.AuthorizationRedirectURI)),
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

// rootOf returns the root of the origin of a URL, "" if there is none.
func rootOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host + "/"
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

// check returns all that is wrong with p, each by its field.
func (p RegisterSiteParams) check() error {
	var errs []error
	if err := checkPlainURL(p.AuthorizationRedirectURI); err != nil {
		errs = append(errs, fmt.Errorf("oxd: AuthorizationRedirectURI %q: %w", p.AuthorizationRedirectURI, err))
	}
	if err := checkPlainURL(normalHost(p.OPHost)); err != nil {
		errs = append(errs, fmt.Errorf("oxd: OPHost %q: %w", p.OPHost, err))
	}
	errs = append(errs, p.checkAddresses())
	if (p.ClientID == "") != p.ClientSecret.IsZero() {
		errs = append(errs, errors.New("oxd: ClientID and ClientSecret go together; oxd would ignore one alone"))
	}
	return errors.Join(errs...)
}

// checkAddresses checks the optional addresses to which a browser or the provider goes.
func (p RegisterSiteParams) checkAddresses() error {
	var errs []error
	for _, list := range []struct {
		field     string
		addresses []string
	}{
		{"PostLogoutRedirectURI", []string{p.PostLogoutRedirectURI}},
		{"RedirectURIs", p.RedirectURIs},
		{"FrontchannelLogoutURIs", p.FrontchannelLogoutURIs},
		{"ClaimsRedirectURI", p.ClaimsRedirectURI},
	} {
		for _, address := range list.addresses {
			u, err := url.Parse(address)
			if address != "" && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
				errs = append(errs, fmt.Errorf("oxd: %s %q: not an absolute http or https URL", list.field, address))
			}
		}
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
	// nothing to do with logins; in oxd 4 one client is for both. The times are
	// zero if unknown or unlimited.
	ClientID                string
	ClientSecret            Secret
	RegistrationAccessToken Secret
	RegistrationClientURI   string
	ClientIDIssuedAt        time.Time
	ClientSecretExpiresAt   time.Time
}

// SetupClient registers another site together with the client that gets its
// protection tokens (setup_client; register_site of oxd 4, which answers alike).
// Every call makes new ones.
func (c *Client) SetupClient(ctx context.Context, p RegisterSiteParams) (*SetupClientResult, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	o, err := c.call(ctx, setupCommand, c.withTokenScope(p.wire()))
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
