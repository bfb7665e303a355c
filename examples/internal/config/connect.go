package config

// What the configuration is for: the client of oxd and the options of the middleware.

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

func (c *Config) check() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		fail("listen: %q is not host:port", c.Listen)
	}
	for key, value := range map[string]string{
		"oxd.connection_type_value": c.Oxd.ConnectionTypeValue, "client.op_host": c.Client.OPHost,
		"client.authorization_redirect_uri": c.Client.AuthorizationRedirectURI,
	} {
		if value == "" && !(key == "client.op_host" && c.Oxd.ID != "") {
			fail("%s: missing", key)
		}
	}
	if _, err := c.transport(); err != nil {
		errs = append(errs, err)
	}
	given := c.Client.ClientID != "" && c.Client.ClientSecret != ""
	switch {
	case !given && (c.Client.ClientID != "" || c.Client.ClientSecret != ""):
		fail("client.client_id and client.client_secret: set both or none")
	case c.Client.DynamicRegistration != nil && *c.Client.DynamicRegistration && given && c.Oxd.ID == "":
		fail("client.dynamic_registration: true, but there is a client.client_id")
	case c.Client.DynamicRegistration != nil && !*c.Client.DynamicRegistration && !given && c.Oxd.ID == "":
		fail("client.dynamic_registration: false needs client.client_id and client.client_secret")
	}
	if at := c.Client.ClientSecretExpiresAt; at != "" {
		if _, err := time.Parse(time.RFC3339, at); err != nil {
			fail("client.client_secret_expires_at: %q is not a time such as 2030-12-31T00:00:00Z", at)
		}
	}
	_, err := c.keys()
	_, _, limits := c.Session.limits()
	return errors.Join(append(errs, err, limits)...)
}

// OxdClient makes the client. oxd is not contacted.
func (c *Config) OxdClient() (*oxd.Client, error) {
	transport, err := c.transport()
	if err != nil {
		return nil, err
	}
	p := c.Client
	site := oxd.Site{
		OxdID: c.Oxd.ID, File: c.Oxd.SiteFile, Protected: c.Oxd.ProtectCommandsWithAccessToken || c.Oxd.ConnectionType != "local",
		Params: oxd.RegisterSiteParams{
			AuthorizationRedirectURI: p.AuthorizationRedirectURI, OPHost: p.OPHost, OPDiscoveryPath: p.OPDiscoveryPath,
			PostLogoutRedirectURI: p.PostLogoutRedirectURI, ApplicationType: p.ApplicationType, ResponseTypes: p.ResponseTypes,
			GrantTypes: p.GrantTypes, Scope: p.Scope, ACRValues: p.ACRValues, ClientName: p.ClientName, ClientJWKSURI: p.ClientJWKSURI,
			TokenEndpointAuthMethod: p.ClientTokenEndpointAuthMethod, RequestURIs: p.ClientRequestURIs,
			FrontchannelLogoutURIs: p.ClientFrontchannelLogoutURIs, SectorIdentifierURI: p.ClientSectorIdentifierURI, Contacts: p.Contacts,
			UILocales: p.UILocales, ClaimsLocales: p.ClaimsLocales, ClaimsRedirectURI: p.ClaimsRedirectURI,
			ClientID: p.ClientID, ClientSecret: oxd.NewSecret(p.ClientSecret),
		},
	}
	if site.OxdID != "" {
		site.Params.ClientID, site.Params.ClientSecret = "", oxd.Secret{}
		if site.Protected {
			site.Credentials = &oxd.Credentials{ClientID: p.ClientID, ClientSecret: oxd.NewSecret(p.ClientSecret), OPHost: p.OPHost, OPDiscoveryPath: p.OPDiscoveryPath}
		}
	}
	return oxd.NewClient(transport, site)
}

// Extend moves the expiry of the registered client, if the configuration says so.
func (c *Config) Extend(ctx context.Context, client *oxd.Client) error {
	if c.Client.ClientSecretExpiresAt == "" {
		return nil
	}
	at, err := time.Parse(time.RFC3339, c.Client.ClientSecretExpiresAt)
	if err != nil {
		return fmt.Errorf("client.client_secret_expires_at: %w", err)
	}
	return client.UpdateSite(ctx, oxd.UpdateSiteParams{ClientSecretExpiresAt: at})
}

// Options returns what the configuration says about sessions.
func (c *Config) Options() ([]oxdauth.Option, error) {
	keys, err := c.keys()
	idle, absolute, limits := c.Session.limits()
	if err := errors.Join(err, limits); err != nil {
		return nil, err
	}
	var opts []oxdauth.Option
	if len(keys) > 0 {
		opts = append(opts, oxdauth.WithKeys(keys[0], keys[1:]...))
	}
	if idle > 0 {
		opts = append(opts, oxdauth.WithSessionLifetime(idle, absolute))
	}
	if len(c.Client.ClientFrontchannelLogoutURIs) > 0 {
		opts = append(opts, oxdauth.WithFrontChannelLogout())
	}
	if u, err := url.Parse(c.Client.AuthorizationRedirectURI); err == nil && u.Scheme == "http" {
		opts = append(opts, oxdauth.WithInsecureCookies())
	}
	return opts, nil
}

func (c *Config) keys() ([][]byte, error) {
	var keys [][]byte
	for i, text := range c.Session.Keys {
		key, err := base64.StdEncoding.DecodeString(text)
		if len(text) == 64 {
			if fromHex, hexErr := hex.DecodeString(text); hexErr == nil {
				key, err = fromHex, nil
			}
		}
		if err != nil || len(key) < 32 {
			return nil, fmt.Errorf("session.keys: number %d is not 32 random bytes in base64 or hexadecimal", i+1)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (c *Config) transport() (oxd.Transport, error) {
	value := c.Oxd.ConnectionTypeValue
	if c.Oxd.ConnectionType == "local" {
		if _, err := strconv.ParseUint(value, 10, 16); err == nil {
			value = net.JoinHostPort("127.0.0.1", value)
		}
		if _, _, err := net.SplitHostPort(value); err != nil {
			return nil, fmt.Errorf("oxd.connection_type_value: %q is not a port or host:port", value)
		}
		if c.Oxd.CAFile != "" {
			return nil, errors.New("oxd.ca_file: the socket has no TLS")
		}
		return &oxd.TCPTransport{Addr: value}, nil
	}
	if u, err := url.Parse(value); err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("oxd.connection_type_value: %q is not a URL such as https://127.0.0.1:8443", value)
	}
	client, err := c.httpClient()
	if err != nil {
		return nil, err
	}
	switch c.Oxd.ConnectionType {
	case "web":
		return &oxd.HTTPSTransport{BaseURL: value, Client: client}, nil
	case "rest":
		return &oxd.RESTTransport{BaseURL: value, Client: client}, nil
	}
	return nil, fmt.Errorf("oxd.connection_type: %q is none of local, web, rest", c.Oxd.ConnectionType)
}

func (c *Config) httpClient() (*http.Client, error) {
	if c.Oxd.CAFile == "" {
		return nil, nil
	}
	pem, err := readFile(c.Oxd.CAFile)
	if err != nil {
		return nil, fmt.Errorf("oxd.ca_file: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("oxd.ca_file: there is no PEM certificate in %s", c.Oxd.CAFile)
	}
	base := http.DefaultTransport.(*http.Transport).Clone()
	base.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return &http.Client{Transport: base}, nil
}
