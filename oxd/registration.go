package oxd

// The life of the client's own registration: made once, kept in a file, updated
// with the configuration, replaced when oxd has lost it.

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	registrationTimeout = time.Minute
	// pauseBetween limits how often the site is looked for when oxd answers as if
	// it did not know it, and how often it is registered anew.
	pauseBetween = time.Minute
)

// Registration is a site known to oxd.
type Registration struct {
	OxdID, OPHost string
	// ClientID and ClientSecret get the protection tokens of a Protected site.
	// They are empty otherwise, and before oxd 4 not those of the client for
	// logins.
	ClientID                string
	ClientSecret            Secret
	RegistrationAccessToken Secret
	RegistrationClientURI   string
	// ClientSecretExpiresAt is zero if they do not expire, or that is not known.
	ClientSecretExpiresAt time.Time
	// RegisteredAt is zero for a site registered elsewhere.
	RegisteredAt time.Time
	// Replaced is the oxd_id before this one: oxd had forgotten it, its
	// credentials had expired, or the configuration had changed in a way that no
	// update can express. Protected resources have to be registered again then,
	// and tokens of the former client are worth nothing. "" if there was none.
	Replaced string
}

// registration is a Registration with what is known about its use.
type registration struct {
	Registration
	identity, metadata string      // fingerprints of the configuration it was made for
	fixed              bool        // Site.OxdID: nothing can be done about it
	fromFile           bool        // made by an earlier process, or another
	working            atomic.Bool // oxd has carried out a command for it
}

func (r *registration) expired() bool {
	return !r.ClientSecretExpiresAt.IsZero() && !time.Now().Before(r.ClientSecretExpiresAt)
}

func (c *Client) fixedRegistration() *registration {
	reg := &registration{fixed: true, Registration: Registration{OxdID: c.site.OxdID, OPHost: c.config.Load().wire.OPHost}}
	if cr := c.site.Credentials; cr != nil {
		reg.OPHost, reg.ClientID, reg.ClientSecret = normalHost(cr.OPHost), cr.ClientID, cr.ClientSecret
	}
	return reg
}

// Register makes sure that oxd knows the site, and returns its registration. It
// reads Site.File, registers if there is nothing in it, updates what has changed
// since, and asks oxd whether it still knows a registration from the file.
// Commands do the same on first use, except for the question, which their own
// answer replaces. Calling it at the start of a program is optional, and shows
// mistakes early; calling it again costs nothing.
//
// At most one registration is under way in a process, and among the processes
// that share the file; it is finished even if ctx ends. A file that cannot be
// understood is an error and stays as it is.
func (c *Client) Register(ctx context.Context) (*Registration, error) {
	if err := c.gate.enter(); err != nil {
		return nil, err
	}
	defer c.gate.leave()
	reg, err := c.registration(ctx)
	if err != nil {
		return nil, err
	}
	if reg.fromFile && !reg.working.Load() {
		if reg, err = c.verify(ctx, reg); err != nil {
			return nil, err
		}
	}
	result := reg.Registration
	return &result, nil
}

// verify asks oxd whether it knows the site. Any answer but the one for unknown
// sites shows that it does; what else may be wrong is not the site's fault.
func (c *Client) verify(ctx context.Context, reg *registration) (*registration, error) {
	err := c.probe(ctx, reg)
	switch {
	case errors.Is(err, errUnknownSite):
		return c.replace(ctx, reg)
	case errors.Is(err, ErrUnavailable):
		return nil, err
	}
	reg.working.Store(true)
	return reg, nil
}

// registration returns the registration to be used, making it if need be.
func (c *Client) registration(ctx context.Context) (*registration, error) {
	reg := c.current.Load()
	if reg != nil && !reg.expired() && (reg.fixed || reg.metadata == c.config.Load().metadata) {
		return reg, nil
	}
	return c.registerOnce(ctx, func(ctx context.Context) (*registration, error) {
		if latest := c.current.Load(); latest != reg {
			return latest, nil
		}
		return c.establish(ctx, reg)
	})
}

// replace gets another registration for one that oxd has lost.
func (c *Client) replace(ctx context.Context, lost *registration) (*registration, error) {
	return c.registerOnce(ctx, func(ctx context.Context) (*registration, error) {
		if latest := c.current.Load(); latest != lost {
			return latest, nil
		}
		c.current.Store(nil)
		reg, err := c.withFile(ctx, lost, func(kept *registration) (*registration, error) {
			if c.fits(kept) && kept.OxdID != lost.OxdID {
				return kept, nil // another process was faster
			}
			return c.create(ctx, lost.OxdID)
		})
		if err != nil {
			c.current.Store(lost)
		}
		return reg, err
	})
}

func (c *Client) registerOnce(ctx context.Context, run func(context.Context) (*registration, error)) (*registration, error) {
	reg, err := c.registering.do(ctx, &c.gate, "register_site", func(ctx context.Context) (*registration, error) {
		ctx, cancel := context.WithTimeout(ctx, registrationTimeout)
		defer cancel()
		reg, err := run(ctx)
		if err != nil {
			return nil, err
		}
		c.current.Store(reg)
		return reg, nil
	})
	if err != nil {
		return nil, fmt.Errorf("oxd: registering the site: %w", err)
	}
	return reg, nil
}

// establish finds or makes a registration that fits the configuration.
func (c *Client) establish(ctx context.Context, have *registration) (*registration, error) {
	return c.withFile(ctx, have, func(kept *registration) (*registration, error) {
		switch {
		case kept == nil:
			return c.create(ctx, "")
		case !c.fits(kept):
			return c.create(ctx, kept.OxdID)
		case kept.metadata == c.config.Load().metadata:
			return kept, nil
		}
		return c.update(ctx, kept)
	})
}

// fits reports whether a registration can be used, perhaps after an update.
func (c *Client) fits(reg *registration) bool {
	return reg != nil && reg.identity == c.config.Load().identity && !reg.expired() &&
		(reg.ClientID != "" || !c.site.Protected)
}

// update brings oxd's registration in line with the configuration.
func (c *Client) update(ctx context.Context, kept *registration) (*registration, error) {
	config := c.config.Load()
	if config.wire.ClientID != "" {
		return c.create(ctx, kept.OxdID) // oxd has no way to update it, and no client is made
	}
	err := sendUpdate(func(command string) error {
		body, err := encode(UpdateSiteParams{}.wire(config.wire))
		if err != nil {
			return err
		}
		_, err = c.sendFor(ctx, kept, exchange{command: command, body: body, own: true})
		return err
	})
	if err != nil && c.forgotten(ctx, kept, err) {
		return c.create(ctx, kept.OxdID)
	}
	if err != nil {
		return nil, err
	}
	updated := &registration{
		Registration: kept.Registration, identity: kept.identity, metadata: config.metadata, fromFile: kept.fromFile,
	}
	updated.working.Store(true)
	return updated, c.keep(updated)
}

// create registers the site. replaced is the oxd_id it has had so far.
func (c *Client) create(ctx context.Context, replaced string) (*registration, error) {
	if err := c.mayRegister(replaced != ""); err != nil {
		return nil, err
	}
	config := c.config.Load()
	reg := &registration{identity: config.identity, metadata: config.metadata}
	err := c.newSite(ctx, reg, config.wire)
	c.registered(replaced != "", err)
	if err != nil {
		return nil, err
	}
	reg.RegisteredAt, reg.Replaced = time.Now().UTC().Truncate(time.Second), replaced
	return reg, c.keep(reg)
}

func (c *Client) newSite(ctx context.Context, reg *registration, wire siteWire) error {
	if c.site.Protected {
		o, err := c.sendDirect(ctx, setupCommand, wire)
		if err != nil {
			return err
		}
		r, err := readSetup(o)
		if err != nil {
			return err
		}
		reg.Registration = Registration{
			OxdID: r.OxdID, OPHost: wire.OPHost, ClientID: r.ClientID, ClientSecret: r.ClientSecret,
			RegistrationAccessToken: r.RegistrationAccessToken, RegistrationClientURI: r.RegistrationClientURI,
			ClientSecretExpiresAt: r.ClientSecretExpiresAt,
		}
		return nil
	}
	o, err := c.sendDirect(ctx, "register_site", wire)
	if err != nil {
		return err
	}
	reg.OxdID, reg.OPHost = o.text("oxd_id"), wire.OPHost
	if reg.OxdID == "" {
		return useless("register_site", "oxd_id")
	}
	return nil
}

// fingerprints tell configurations apart: identity what only a new registration
// can change, metadata what an update can.
func (w siteWire) fingerprints() (identity, metadata string) {
	id := siteWire{OPHost: w.OPHost, OPDiscoveryPath: w.OPDiscoveryPath, ClientID: w.ClientID, ClientSecret: w.ClientSecret, TrustedClient: w.TrustedClient}
	w.OPHost, w.OPDiscoveryPath, w.ClientID, w.ClientSecret, w.TrustedClient = "", "", "", "", false
	return id.fingerprint(), w.fingerprint()
}

func (w siteWire) fingerprint() string {
	data, _ := json.Marshal(w) // strings, lists of them and a boolean: it cannot fail
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
