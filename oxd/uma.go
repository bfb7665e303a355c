package oxd

// The UMA 2 commands: three for resource servers, two for those who call them.

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Resource is a path with the conditions for its methods.
type Resource struct {
	// Path is compared as a whole and without regard to case. Prefixes, patterns
	// and normalisation do not exist.
	Path       string      `json:"path"`
	Conditions []Condition `json:"conditions"`
}

// Condition says which scopes open a resource. The field names of the wire are
// in camel case, and oxd refuses the command for any other field.
type Condition struct {
	// HTTPMethods must not appear in another condition of the same path.
	HTTPMethods []string `json:"httpMethods"`
	// Scopes: any one of them is enough.
	Scopes []string `json:"scopes"`
	// TicketScopes are asked for in a permission ticket. Default: Scopes.
	TicketScopes []string `json:"ticketScopes,omitempty"`
}

// ProtectResources registers resources (uma_rs_protect). oxd 3.1.1 appends: what
// was registered before goes on deciding, and doing it again leaves duplicates
// at the authorization server, so it is to be done once per registration. From
// 3.1.3 on oxd refuses the second time with CodeUMAProtectionExists. It needs the
// scope uma_protection and the grant client_credentials.
func (c *Client) ProtectResources(ctx context.Context, resources []Resource) error {
	return c.protect(ctx, resources, false)
}

// ReplaceResources registers resources in place of all that were registered
// before, which oxd deletes at the authorization server (uma_rs_protect with
// overwrite). RPTs for them are worth nothing then. Of oxd 4: before, the error
// is ErrUnsupported, because 3.1.1 and 3.1.2 would append in silence; to those
// who know that they have 3.1.3 or later, [Client.Do] is open.
func (c *Client) ReplaceResources(ctx context.Context, resources []Resource) error {
	if err := c.needsOxd4(protectCommand + ": overwrite"); err != nil {
		return err
	}
	return c.protect(ctx, resources, true)
}

const protectCommand = "uma_rs_protect"

func (c *Client) protect(ctx context.Context, resources []Resource, overwrite bool) error {
	if err := checkResources(resources); err != nil {
		return fmt.Errorf("oxd: %s: %w", protectCommand, err)
	}
	_, err := c.call(ctx, protectCommand, struct {
		Resources []Resource `json:"resources"`
		Overwrite bool       `json:"overwrite,omitempty"`
	}{resources, overwrite})
	return err
}

// checkResources finds what oxd notices too late, when half of it is registered
// at the authorization server, or not at all.
func checkResources(resources []Resource) error {
	if len(resources) == 0 {
		return errors.New("no resources")
	}
	seen := map[string]bool{}
	for _, r := range resources {
		if r.Path == "" || len(r.Conditions) == 0 {
			return errors.New("a resource needs a path and a condition")
		}
		for _, cond := range r.Conditions {
			if err := cond.check(r.Path, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

func (cond Condition) check(path string, seen map[string]bool) error {
	if len(cond.HTTPMethods) == 0 || len(cond.Scopes) == 0 {
		return fmt.Errorf("a condition of %q has no methods or no scopes", path)
	}
	for _, method := range cond.HTTPMethods {
		key := strings.ToUpper(method) + " " + strings.ToLower(path)
		if method == "" || seen[key] {
			return fmt.Errorf("method %q of %q is empty or there twice", method, path)
		}
		seen[key] = true
	}
	return nil
}

// CheckAccessParams are the parameters of uma_rs_check_access.
type CheckAccessParams struct {
	// RPT is the token of the request; zero if it has none.
	RPT Secret
	// Path and HTTPMethod name the resource as registered. Required.
	Path, HTTPMethod string
}

// Access is a decision of oxd.
type Access struct {
	// Granted is true only if oxd said so in as many words.
	Granted bool
	// Ticket is the permission ticket for a request that was denied.
	Ticket Secret
	// WWWAuthenticate is the header field for it, ready to be sent on.
	WWWAuthenticate string
}

// CheckAccess decides about a request (uma_rs_check_access). oxd asks the
// authorization server every time. An error, ErrResourceNotProtected among them,
// is never a permission.
func (c *Client) CheckAccess(ctx context.Context, p CheckAccessParams) (*Access, error) {
	const command = "uma_rs_check_access"
	if err := require(command, "path", p.Path, "method", p.HTTPMethod); err != nil {
		return nil, err
	}
	// The one command that guarded requests wait for is written and read without reflection and
	// maps.
	rpt := p.RPT.Reveal()
	body := make([]byte, 0, 64+len(rpt)+len(p.Path)+len(p.HTTPMethod))
	body = appendText(append(body, `{"rpt":`...), rpt)
	body = appendText(append(body, `,"path":`...), p.Path)
	body = appendText(append(body, `,"http_method":`...), p.HTTPMethod)
	data, err := c.callEncoded(ctx, command, append(body, '}'))
	if err != nil {
		return nil, err
	}
	a := &Access{}
	if len(data) == 0 || isNull(data) {
		return a, nil // which denies
	}
	err = fewFields(data, func(name, value []byte) {
		switch string(name) {
		case "access":
			a.Granted = unquote(value) == "granted"
		case "ticket":
			a.Ticket = NewSecret(scalar(value))
		case "www-authenticate_header":
			if h := unquote(value); !strings.ContainsFunc(h, isControl) {
				a.WWWAuthenticate = h
			}
		}
	})
	if err != nil {
		return nil, useless(command, "data")
	}
	return a, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7F }

// RPTParams are the parameters of uma_rp_get_rpt. Only Ticket is required.
type RPTParams struct {
	Ticket Secret
	// ClaimToken and ClaimTokenFormat push claims; both or none.
	ClaimToken       Secret
	ClaimTokenFormat string
	// PCT and RPT are from an earlier answer: a persisted claims token, and a
	// token to be extended.
	PCT, RPT Secret
	Scope    []string
	// State is the one of the claims gathering that has come back. oxd 3.1.1 does
	// not look at it: the caller compares it.
	State string
}

// RPT is a requesting party token.
type RPT struct {
	AccessToken Secret
	TokenType   string
	// PCT can be given with the next request; zero if there is none.
	PCT Secret
	// Upgraded is true if the permissions were added to the RPT that was sent.
	Upgraded bool
}

// RPT exchanges a permission ticket (uma_rp_get_rpt). If more is to be known
// about the user, the error is an *Error with NeedInfo, and the ticket to go on
// with is the one in there. A wrong or expired ticket and a refusal by policy
// cannot be told apart in 3.1.1: both are CodeInternalError.
func (c *Client) RPT(ctx context.Context, p RPTParams) (*RPT, error) {
	const command = "uma_rp_get_rpt"
	if err := require(command, "ticket", p.Ticket.Reveal()); err != nil {
		return nil, err
	}
	if p.ClaimToken.IsZero() != (p.ClaimTokenFormat == "") {
		return nil, fmt.Errorf("oxd: %s: a claim token and its format go together", command)
	}
	o, err := c.call(ctx, command, struct {
		Ticket           string   `json:"ticket"`
		ClaimToken       string   `json:"claim_token,omitempty"`
		ClaimTokenFormat string   `json:"claim_token_format,omitempty"`
		PCT              string   `json:"pct,omitempty"`
		RPT              string   `json:"rpt,omitempty"`
		Scope            []string `json:"scope,omitempty"`
		State            string   `json:"state,omitempty"`
	}{
		p.Ticket.Reveal(), p.ClaimToken.Reveal(), p.ClaimTokenFormat, p.PCT.Reveal(), p.RPT.Reveal(), p.Scope, p.State,
	})
	if err != nil {
		return nil, err
	}
	rpt := &RPT{
		AccessToken: o.secret("access_token"),
		TokenType:   o.text("token_type"),
		PCT:         o.secret("pct"),
		Upgraded:    o.boolean("updated") || o.boolean("upgraded"), // the code and the manual of oxd
	}
	if rpt.AccessToken.IsZero() {
		return nil, useless(command, "access_token")
	}
	return rpt, nil
}

// ClaimsGatheringParams are the parameters of uma_rp_get_claims_gathering_url.
type ClaimsGatheringParams struct {
	Ticket Secret
	// ClaimsRedirectURI is where the browser comes back to, an absolute URL
	// without query and fragment: oxd does not encode it.
	ClaimsRedirectURI string
	// State is used instead of one made by oxd; see AuthorizationURLParams.State.
	State string
}

// ClaimsGathering is where to send the browser, and the state it will bring back.
type ClaimsGathering struct{ URL, State string }

// ClaimsGatheringURL returns the URL at which a user can answer the questions of
// the authorization server (uma_rp_get_claims_gathering_url). As with a login,
// it is the caller who has to tie the state to the browser.
func (c *Client) ClaimsGatheringURL(ctx context.Context, p ClaimsGatheringParams) (*ClaimsGathering, error) {
	const command = "uma_rp_get_claims_gathering_url"
	if err := require(command, "ticket", p.Ticket.Reveal()); err != nil {
		return nil, err
	}
	if err := checkPlainURL(p.ClaimsRedirectURI); err != nil {
		return nil, fmt.Errorf("oxd: %s: claims redirect URI: %w", command, err)
	}
	if strings.ContainsFunc(p.State, needsEncoding) {
		return nil, fmt.Errorf("oxd: %s: state has a character that oxd would not encode", command)
	}
	if p.State != "" {
		if err := c.needsOxd4(command + ": state"); err != nil {
			return nil, err
		}
	}
	o, err := c.call(ctx, command, struct {
		Ticket            string `json:"ticket"`
		ClaimsRedirectURI string `json:"claims_redirect_uri"`
		State             string `json:"state,omitempty"`
	}{p.Ticket.Reveal(), p.ClaimsRedirectURI, p.State})
	if err != nil {
		return nil, err
	}
	g := &ClaimsGathering{URL: o.link("url"), State: o.text("state")}
	if g.URL == "" || g.State == "" || p.State != "" && g.State != p.State {
		return nil, useless(command, "url or state")
	}
	return g, nil
}

// checkPlainURL accepts an absolute http or https URL that can be pasted into a
// query without being encoded, which is what oxd does with redirect URIs.
func checkPlainURL(s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return errors.New("not an absolute http or https URL")
	case strings.ContainsAny(s, "?#& "):
		return errors.New("has a query, a fragment or a character that oxd would not encode")
	}
	return nil
}
