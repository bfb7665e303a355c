package oxd_test

import (
	"testing"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	with := func(change func(*oxd.RegisterSiteParams)) oxd.Site {
		p := siteParams()
		change(&p)
		return oxd.Site{Params: p}
	}
	tcp, https := &oxd.TCPTransport{}, &oxd.HTTPSTransport{BaseURL: "https://oxd.example.org:8443"}
	for _, tc := range []struct {
		name string
		tr   oxd.Transport
		site oxd.Site
		want []string // parts of the error; none: accepted
	}{
		{"minimal", tcp, oxd.Site{Params: siteParams()}, nil},
		{"known site", tcp, oxd.Site{OxdID: "x"}, nil},
		{"host without scheme", tcp, with(func(p *oxd.RegisterSiteParams) { p.OPHost = "idp.example.org" }), nil},
		{"plain http, for tests", tcp, with(func(p *oxd.RegisterSiteParams) {
			p.OPHost, p.AuthorizationRedirectURI = "http://127.0.0.1:8080", "http://localhost/cb"
		}), nil},
		{"client credentials", tcp, with(func(p *oxd.RegisterSiteParams) { p.ClientID, p.ClientSecret = "i", secret("s") }), nil},
		{"protected over HTTPS", https, oxd.Site{Params: siteParams(), Protected: true}, nil},
		{"known and protected", https, oxd.Site{OxdID: "x", Protected: true, Credentials: credentials()}, nil},

		{"no transport", nil, oxd.Site{Params: siteParams()}, []string{"no transport"}},
		{"nothing", tcp, oxd.Site{}, []string{"AuthorizationRedirectURI", "OPHost"}},
		{"impossible addresses", tcp, oxd.Site{OxdID: "x", Params: oxd.RegisterSiteParams{
			PostLogoutRedirectURI: "/bye", RedirectURIs: []string{"x:"}, FrontchannelLogoutURIs: []string{"https://"}, ClaimsRedirectURI: []string{"javascript:x"},
		}}, []string{"PostLogoutRedirectURI \"/bye\"", "RedirectURIs", "FrontchannelLogoutURIs", "ClaimsRedirectURI"}},
		{"everything wrong at once", nil, oxd.Site{Params: oxd.RegisterSiteParams{ClientID: "i"}, Credentials: credentials()},
			[]string{"no transport", "AuthorizationRedirectURI", "OPHost", "go together", "Site.Credentials"}},
		{"redirect URI with a query", tcp, with(func(p *oxd.RegisterSiteParams) { p.AuthorizationRedirectURI += "?a=b" }), []string{"query"}},
		{"redirect URI with a fragment", tcp, with(func(p *oxd.RegisterSiteParams) { p.AuthorizationRedirectURI += "#a" }), []string{"query"}},
		{"redirect URI of an app", tcp, with(func(p *oxd.RegisterSiteParams) { p.AuthorizationRedirectURI = "myapp://cb" }), []string{"absolute"}},
		{"relative redirect URI", tcp, with(func(p *oxd.RegisterSiteParams) { p.AuthorizationRedirectURI = "/cb" }), []string{"absolute"}},
		{"client id alone", tcp, with(func(p *oxd.RegisterSiteParams) { p.ClientID = "i" }), []string{"go together"}},
		{"client secret alone", tcp, with(func(p *oxd.RegisterSiteParams) { p.ClientSecret = secret("s") }), []string{"go together"}},
		{"HTTPS without protection", https, oxd.Site{Params: siteParams()}, []string{"Protected"}},
		{"known and protected without credentials", tcp, oxd.Site{OxdID: "x", Protected: true}, []string{"needs Site.Credentials"}},
		{"credentials without host", tcp, oxd.Site{OxdID: "x", Protected: true, Credentials: &oxd.Credentials{ClientID: "i", ClientSecret: secret("s")}}, []string{"OPHost"}},
		{"credentials without secret", tcp, oxd.Site{OxdID: "x", Protected: true, Credentials: &oxd.Credentials{ClientID: "i", OPHost: "h"}}, []string{"secret missing"}},
		{"credentials for an unprotected site", tcp, oxd.Site{OxdID: "x", Credentials: credentials()}, []string{"protected sites"}},
		{"credentials for a site to be registered", tcp, oxd.Site{Params: siteParams(), Protected: true, Credentials: credentials()}, []string{"protected sites"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, err := oxd.NewClient(tc.tr, tc.site)
			if tc.want == nil {
				require.NoError(t, err)
				require.NotNil(t, c)
				return
			}
			require.Error(t, err)
			assert.Nil(t, c)
			for _, part := range tc.want {
				assert.ErrorContains(t, err, part)
			}
		})
	}
}

func TestAudienceDependsOnTheConfigurationAlone(t *testing.T) {
	t.Parallel()
	audience := func(site oxd.Site) string { return newClient(t, &oxd.TCPTransport{}, site).Audience() }
	same := oxd.Site{Params: siteParams(), File: "elsewhere.json"}
	same.Params.OPHost += "/"
	same.Params.Scope = []string{"openid"}
	assert.Equal(t, audience(oxd.Site{Params: siteParams()}), audience(same))
	assert.Equal(t, "oxd:x", audience(oxd.Site{OxdID: "x", Params: siteParams()}))

	seen := map[string]bool{audience(oxd.Site{Params: siteParams()}): true}
	for _, change := range []func(*oxd.RegisterSiteParams){
		func(p *oxd.RegisterSiteParams) { p.OPHost = "https://other.example.org" },
		func(p *oxd.RegisterSiteParams) { p.OPDiscoveryPath = "oxauth" },
		func(p *oxd.RegisterSiteParams) { p.AuthorizationRedirectURI += "2" },
		func(p *oxd.RegisterSiteParams) { p.ClientID, p.ClientSecret = "i", secret("s") },
	} {
		p := siteParams()
		change(&p)
		a := audience(oxd.Site{Params: p})
		assert.False(t, seen[a], a)
		seen[a] = true
	}
}

func TestSiteIsCopied(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	p := siteParams()
	p.Scope = []string{"openid"}
	c := newClient(t, f.transport(), oxd.Site{Params: p})
	p.Scope[0] = "changed"
	_, err := c.Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []any{"openid"}, f.sent("register_site")[0]["scope"])
}

func TestClosedClientRefusesCommands(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	tr := f.transport()
	c := newClient(t, tr, oxd.Site{Params: siteParams()})
	require.NoError(t, c.Close())
	for name, call := range map[string]func() error{
		"command":   func() error { _, err := c.UserInfo(t.Context(), secret("a")); return err },
		"Register":  func() error { _, err := c.Register(t.Context()); return err },
		"Do":        func() error { return c.Do(t.Context(), "license_status", nil, nil) },
		"token":     func() error { _, err := c.ClientToken(t.Context(), oxd.ClientTokenParams{}); return err },
		"transport": func() error { _, err := tr.RoundTrip(t.Context(), status()); return err },
	} {
		assert.ErrorIs(t, call(), oxd.ErrClosed, name)
	}
	assert.Zero(t, f.connections())
	require.NoError(t, c.Close())
	require.NoError(t, newClient(t, answering("{}"), oxd.Site{OxdID: "x"}).Close(), "a transport that cannot be closed")
}
