// The parameters of a registration, in the names of oxd 3.1 and of oxd 4.

package oxdwire

import "strings"

// Registration has the parameters of register_site and setup_client, and those of an update.
type Registration struct {
	OPHost, DiscoveryPath              string
	RedirectURI                        string   // the one for logins
	RedirectURIs                       []string // further ones
	PostLogout                         string
	ResponseTypes, GrantTypes          []string
	Scope, ACRValues                   []string
	ClaimsRedirectURIs                 []string
	ClientID, ClientSecret, ClientName string
	JWKSURI, AuthMethod, SectorID      string
	RequestURIs, LogoutURIs            []string
	UILocales, ClaimsLocales, Contacts []string
	Trusted                            bool
	SecretExpiresAt                    int64 // of an update, in seconds since 1970
}

// discoveryDocument is what op_configuration_endpoint has at its end.
const discoveryDocument = "/.well-known/openid-configuration"

// Registration binds the names of oxd 3.1. Other names are ignored,
// application_type among them.
func (p *Params) Registration() Registration {
	r := Registration{
		OPHost: p.Text("op_host"), DiscoveryPath: p.Text("op_discovery_path"),
		RedirectURI: p.Text(Param3RedirectURI), RedirectURIs: p.List("redirect_uris"), PostLogout: p.Text(Param3PostLogout),
		ResponseTypes: p.List("response_types"), GrantTypes: p.List("grant_types"),
		Scope: p.List("scope"), ACRValues: p.List("acr_values"), ClaimsRedirectURIs: p.List("claims_redirect_uri"),
		ClientID: p.Text("client_id"), ClientSecret: p.Text("client_secret"), ClientName: p.Text("client_name"),
		JWKSURI: p.Text("client_jwks_uri"), AuthMethod: p.Text("client_token_endpoint_auth_method"),
		SectorID: p.Text("client_sector_identifier_uri"), RequestURIs: p.List("client_request_uris"),
		LogoutURIs: p.List("client_frontchannel_logout_uris"), UILocales: p.List("ui_locales"),
		ClaimsLocales: p.List("claims_locales"), Contacts: p.List("contacts"), Trusted: p.Flag(Param3Trusted),
	}
	p.Text("oxd_rp_programming_language")
	return r
}

// Registration4 binds the names of oxd 4; those of 3.1 are ignored.
func (p *Params) Registration4() Registration {
	r := p.Registration()
	r.RedirectURI, r.PostLogout = "", ""
	if all := p.List(Param4RedirectURIs); len(all) > 0 {
		r.RedirectURI, r.RedirectURIs = all[0], all[1:]
	}
	if all := p.List(Param4PostLogouts); len(all) > 0 {
		r.PostLogout = all[0]
	}
	r.OPHost = p.OPHost4()
	r.Trusted = p.Dict(Param4Attributes)[AttributeTrusted] == "true"
	return r
}

// OPHost4 returns which provider a command of oxd 4 is about, "" when it names none.
func (p *Params) OPHost4() string {
	host, endpoint := p.Text("op_host"), p.Text("op_configuration_endpoint")
	if host == "" {
		host = strings.TrimSuffix(endpoint, discoveryDocument)
	}
	return host
}

// Update binds the parameters of update_site_registration.
func (p *Params) Update() Registration {
	r := Registration{
		RedirectURI: p.Text(Param3RedirectURI), RedirectURIs: p.List("redirect_uris"), PostLogout: p.Text(Param3PostLogout),
		ResponseTypes: p.List("response_types"), GrantTypes: p.List("grant_types"), LogoutURIs: p.List(Param3LogoutURIs),
		JWKSURI: p.Text("client_jwks_uri"), SectorID: p.Text("client_sector_identifier_uri"),
		RequestURIs: p.List("client_request_uris"), Scope: p.List("scope"), Contacts: p.List("contacts"),
		SecretExpiresAt: p.Date("client_secret_expires_at"),
	}
	for _, name := range []string{"client_id", "client_secret", "client_token_endpoint_auth_method"} {
		p.Text(name) // read, but of no effect
	}
	for _, name := range []string{"acr_values", "ui_locales", "claims_locales"} {
		p.List(name)
	}
	return r
}
