package oxd

// What a Client is configured with, and whether it can be right.

import (
	"errors"
	"fmt"
	"slices"
)

// Site says on whose behalf commands are sent: either OxdID, or Params.
type Site struct {
	// OxdID is a site registered elsewhere. Nothing is registered or kept then. Of
	// Params the redirect URL is for the caller of [Client.AuthorizationRedirectURI],
	// and the metadata for UpdateSite and LogoutURL.
	OxdID string
	// Params is what to register on first use.
	Params RegisterSiteParams
	// File keeps the registration, credentials included, as JSON with mode 0600,
	// so that a restart does not register again. A lock file lies beside it.
	// Default: memory only, with a new client at the provider per process.
	File string
	// Protected states that oxd protects its commands by tokens, as the HTTPS
	// extension always does, and oxd 4 unless it is told not to. The site is
	// registered together with a client for such tokens (setup_client; in oxd 4
	// it is the one for logins), and each command gets a token. Without need it
	// breaks commands: oxd 3.1 checks any token it is sent.
	Protected bool
	// Credentials are for a Protected site registered elsewhere.
	Credentials *Credentials
}

// Credentials are what setup_client answered: those of the client that gets
// protection tokens. Before oxd 4 that is not the one that users log in with.
type Credentials struct {
	ClientID                string
	ClientSecret            Secret
	OPHost, OPDiscoveryPath string
}

func (cr *Credentials) check() error {
	if cr.ClientID == "" || cr.ClientSecret.IsZero() {
		return errors.New("oxd: Site.Credentials: client id or secret missing")
	}
	if err := checkPlainURL(normalHost(cr.OPHost)); err != nil {
		return fmt.Errorf("oxd: Site.Credentials.OPHost: %w", err)
	}
	return nil
}

func checkTransport(t Transport, site Site) error {
	switch t := t.(type) {
	case nil:
		return errors.New("oxd: no transport")
	case *TCPTransport:
		return t.check()
	case *HTTPSTransport:
		if !site.Protected {
			return errors.Join(t.check(), errors.New("oxd: over HTTPS Site.Protected is needed"))
		}
		return t.check()
	case *RESTTransport:
		return t.check()
	}
	return nil
}

// isOxd4 reports whether a transport leads to oxd 4.
func isOxd4(t Transport) bool {
	v, ok := t.(interface{ OxdVersion() int })
	return ok && v.OxdVersion() >= 4
}

// needsOxd4 refuses what earlier versions would not know, or ignore in silence.
func (c *Client) needsOxd4(what string) error {
	if c.oxd4 {
		return nil
	}
	return fmt.Errorf("oxd: %s: %w", what, ErrUnsupported)
}

// tokenScope is the one that tokens for commands need since 3.1.4. Before oxd 4
// it is up to the configuration, because 3.1.1 does without.
const tokenScope = "oxd"

// withTokenScope adds it for oxd 4, where the client for logins gets the tokens.
func (c *Client) withTokenScope(w siteWire) siteWire {
	if c.oxd4 && len(w.Scope) > 0 && !slices.Contains(w.Scope, tokenScope) {
		w.Scope = append(slices.Clone(w.Scope), tokenScope)
	}
	return w
}

func (s *Site) check() error {
	var errs []error
	if s.OxdID == "" {
		errs = append(errs, s.Params.check())
	} else {
		errs = append(errs, s.Params.checkAddresses())
	}
	switch elsewhere := s.OxdID != "" && s.Protected; {
	case elsewhere && s.Credentials == nil:
		errs = append(errs, errors.New("oxd: a protected site registered elsewhere needs Site.Credentials"))
	case !elsewhere && s.Credentials != nil:
		errs = append(errs, errors.New("oxd: Site.Credentials are for protected sites with an OxdID only"))
	case elsewhere:
		errs = append(errs, s.Credentials.check())
	}
	return errors.Join(errs...)
}
