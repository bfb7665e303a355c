package oxd

// Client: how a command finds its site, its token and its transport.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
)

// Client sends commands for one site. It is safe for concurrent use. Every
// command but those that have nothing to do with a site registers it first, if
// that has not been done (see [Client.Register]).
//
// The errors of all commands: an *Error if oxd refused, a *TransportError
// (matching ErrUnavailable) if it did not answer, ErrTooLarge, ErrClosed, one
// that matches ErrUnsupported, and plain errors for parameters that cannot be
// right, which are not sent.
type Client struct {
	transport Transport
	site      Site
	config    atomic.Pointer[siteConfig]
	oxd4      bool

	gate        gate
	current     atomic.Pointer[registration]
	registering joined[*registration]
	protection  tokenCache
	unsaved     *registration // used within registering only

	mu       sync.Mutex // held to replace config as well
	attempts attempts   // guarded by mu
}

// siteConfig is what is registered for the site. It is replaced as a whole.
type siteConfig struct {
	wire     siteWire // Site.Params as sent, a copy, and the addresses added since
	identity string   // fingerprint of what only a new registration changes
	metadata string   // fingerprint of the rest
}

// NewClient returns a Client for site. It does no I/O, and reports all problems
// of the configuration at once. The Client closes t when it is closed.
func NewClient(t Transport, site Site) (*Client, error) {
	if err := errors.Join(checkTransport(t, site), site.check()); err != nil {
		return nil, err
	}
	c := &Client{transport: t, site: site, oxd4: isOxd4(t)}
	if site.Credentials != nil {
		credentials := *site.Credentials
		c.site.Credentials = &credentials
	}
	var config siteConfig
	if err := copyWire(&config.wire, site.Params.wire()); err != nil {
		return nil, err
	}
	if site.OxdID != "" && len(site.Params.Scope) == 0 {
		config.wire.Scope = nil // registered elsewhere, with scopes unknown here
	}
	if site.Protected {
		config.wire = c.withTokenScope(config.wire)
	}
	config.identity, config.metadata = config.wire.fingerprints()
	if c.oxd4 && site.Protected {
		config.identity = "4:" + config.identity // the client of an earlier setup_client gets no tokens there
	}
	c.config.Store(&config)
	if site.OxdID != "" {
		c.current.Store(c.fixedRegistration())
	}
	return c, nil
}

// Audience returns a name of the site that is made from the configuration alone,
// without I/O, and is the same in all processes with that configuration. Data
// sealed for one site can be bound to it.
func (c *Client) Audience() string {
	if c.site.OxdID != "" {
		return "oxd:" + c.site.OxdID
	}
	w := &c.config.Load().wire
	return "site:" + w.OPHost + w.OPDiscoveryPath + " " + w.AuthorizationRedirectURI + " " + w.ClientID
}

// AuthorizationRedirectURI returns the callback of the site as Site.Params has it,
// "" if it has none.
func (c *Client) AuthorizationRedirectURI() string { return c.site.Params.AuthorizationRedirectURI }

// AddClaimsRedirectURI adds an absolute URL to those to which a claims gathering
// may return, in addition to Site.Params. It does no I/O: the next command
// registers it, or updates the registration. A site registered elsewhere, by
// its OxdID, stays as it is.
func (c *Client) AddClaimsRedirectURI(uri string) error {
	return c.addAddress(uri, func(w *siteWire) *[]string { return &w.ClaimsRedirectURI })
}

// AddFrontchannelLogoutURI adds an absolute URL to those that the provider's
// logout page loads (OpenID Connect Front-Channel Logout 1.0), in the same way
// as [Client.AddClaimsRedirectURI].
func (c *Client) AddFrontchannelLogoutURI(uri string) error {
	return c.addAddress(uri, func(w *siteWire) *[]string { return &w.FrontchannelLogoutURIs })
}

// DefaultPostLogoutRedirectURI sets where the provider sends the browser after a
// logout, unless Site.Params has an address for that, in the same way as
// [Client.AddClaimsRedirectURI].
func (c *Client) DefaultPostLogoutRedirectURI(uri string) error {
	if c.site.Params.PostLogoutRedirectURI != "" {
		return nil
	}
	return c.changeConfig(uri, func(w *siteWire) { w.PostLogoutRedirectURI = uri })
}

func (c *Client) addAddress(uri string, list func(*siteWire) *[]string) error {
	return c.changeConfig(uri, func(w *siteWire) {
		if addresses := list(w); !slices.Contains(*addresses, uri) {
			*addresses = append(slices.Clone(*addresses), uri)
		}
	})
}

// changeConfig enters an address. The registration follows with the next command.
func (c *Client) changeConfig(uri string, change func(*siteWire)) error {
	if err := checkPlainURL(uri); err != nil {
		return fmt.Errorf("oxd: address %q: %w", uri, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	next := *c.config.Load()
	change(&next.wire)
	_, next.metadata = next.wire.fingerprints()
	c.config.Store(&next)
	return nil
}

// Close waits for commands in progress and closes the transport if it can be
// closed. Later commands return ErrClosed.
func (c *Client) Close() error {
	c.gate.close()
	if closer, ok := c.transport.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// Do sends any other command. params must become a JSON object; nil is an empty
// one. oxd_id is added if it is missing and the command is not one of those
// without a site. The answer is decoded into result unless that is nil. Commands
// sent this way are never repeated. Over HTTPS there are only those of the server
// in question; for others the error matches ErrUnsupported.
func (c *Client) Do(ctx context.Context, command string, params, result any) error {
	body := []byte("{}")
	if params != nil {
		var err error
		if body, err = encode(params); err != nil {
			return err
		}
	}
	var o object
	if err := json.Unmarshal(body, &o); err != nil || o == nil {
		return fmt.Errorf("oxd: %s: parameters are not a JSON object", command)
	}
	own := o["oxd_id"] == nil && !traitsOf(command).siteless
	data, err := c.roundTrip(ctx, exchange{command: command, body: body, own: own})
	if err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(data, result); err != nil {
		return &TransportError{Command: command, Sent: true, Err: fmt.Errorf("decoding the answer: %w", err)}
	}
	return nil
}

// exchange is a command on its way.
type exchange struct {
	command    string
	body       []byte // a JSON object, without oxd_id if own
	own        bool   // oxd_id of the client's own site is to be added
	repeatable bool
}

// call sends one of the typed commands and reads its answer.
func (c *Client) call(ctx context.Context, command string, params any) (object, error) {
	body, err := encode(params)
	if err != nil {
		return nil, err
	}
	data, err := c.callEncoded(ctx, command, body)
	if err != nil {
		return nil, err
	}
	return decodeObject(command, data)
}

// callEncoded is call for who does without what makes it slower.
func (c *Client) callEncoded(ctx context.Context, command string, body []byte) (json.RawMessage, error) {
	t := traitsOf(command)
	return c.roundTrip(ctx, exchange{command, body, !t.siteless, t.repeatable})
}

func decodeObject(command string, data json.RawMessage) (object, error) {
	var o object
	if len(data) > 0 && o.parse(data) != nil {
		return nil, useless(command, "data")
	}
	return o, nil
}

func (c *Client) roundTrip(ctx context.Context, x exchange) (json.RawMessage, error) {
	if err := c.gate.enter(); err != nil {
		return nil, err
	}
	defer c.gate.leave()
	if t, ok := c.transport.(interface{ offers(command string) error }); ok {
		if err := t.offers(x.command); err != nil {
			return nil, err
		}
	}
	if !x.own && !c.needsToken(x.command) {
		return c.send(ctx, x, Secret{})
	}
	reg, err := c.registration(ctx)
	if err != nil {
		return nil, err
	}
	data, err := c.sendFor(ctx, reg, x)
	if err == nil {
		reg.working.Store(true)
		return data, nil
	}
	if !x.own || !c.forgotten(ctx, reg, err) {
		return nil, err
	}
	return c.afterLoss(ctx, reg, x, err)
}

// afterLoss goes on with a new registration. What belongs to the old one, such
// as a code, is of no use there; the caller gets the error then.
func (c *Client) afterLoss(ctx context.Context, lost *registration, x exchange, cause error) (json.RawMessage, error) {
	reg, err := c.replace(ctx, lost)
	if err != nil {
		return nil, errors.Join(cause, err)
	}
	if !traitsOf(x.command).renewable {
		return nil, fmt.Errorf("%w (oxd had forgotten the site, which is registered anew now)", cause)
	}
	return c.sendFor(ctx, reg, x)
}

// sendFor adds what belongs to the site: its id and its token. A token that oxd
// refuses is replaced once; the refusal came before the command was carried out.
func (c *Client) sendFor(ctx context.Context, reg *registration, x exchange) (json.RawMessage, error) {
	if x.own {
		var err error
		if x.body, err = withField(x.body, "oxd_id", reg.OxdID); err != nil {
			return nil, err
		}
	}
	if !c.needsToken(x.command) {
		return c.send(ctx, x, Secret{})
	}
	token, err := c.protectionToken(ctx, reg)
	if err != nil {
		return nil, err
	}
	data, err := c.send(ctx, x, token)
	if !tokenRefused(err) || x.command == "register_site" { // checked there after the client was made
		return data, err
	}
	c.protection.drop(token)
	if token, err = c.protectionToken(ctx, reg); err != nil {
		return nil, err
	}
	return c.send(ctx, x, token)
}

func (c *Client) needsToken(command string) bool {
	return c.site.Protected && !traitsOf(command).unprotected
}

// send is the last step: everything is in x.
func (c *Client) send(ctx context.Context, x exchange, token Secret) (json.RawMessage, error) {
	resp, err := c.transport.RoundTrip(ctx, &Request{
		Command: x.command, Params: x.body, Token: token, Repeatable: x.repeatable,
	})
	switch {
	case err != nil:
		return nil, err
	case resp != nil && resp.Status == statusOK:
		return resp.Data, nil
	case resp != nil && resp.Status == statusError:
		return nil, newError(x.command, resp)
	}
	return nil, useless(x.command, "status")
}

// sendDirect sends a command that needs neither site nor token.
func (c *Client) sendDirect(ctx context.Context, command string, params any) (object, error) {
	body, err := encode(params)
	if err != nil {
		return nil, err
	}
	data, err := c.send(ctx, exchange{command: command, body: body, repeatable: traitsOf(command).repeatable}, Secret{})
	if err != nil {
		return nil, err
	}
	return decodeObject(command, data)
}

// useless is the error for an ok answer in which something is missing.
func useless(command, what string) error {
	return &TransportError{Command: command, Sent: true, Err: fmt.Errorf("%w: %s", errMalformed, what)}
}

// require reports the first empty value of pairs of name and value.
func require(command string, pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] == "" {
			return fmt.Errorf("oxd: %s: %s is empty", command, pairs[i])
		}
	}
	return nil
}

// copyWire copies the lists as well, which belong to the caller.
func copyWire(to *siteWire, from siteWire) error {
	data, err := json.Marshal(from)
	if err != nil {
		return fmt.Errorf("oxd: site parameters: %w", err)
	}
	return json.Unmarshal(data, to)
}
