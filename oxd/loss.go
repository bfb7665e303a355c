package oxd

// Finding out that oxd has lost a site, and not overdoing the remedy: each
// registration leaves a client at the provider.

import (
	"context"
	"errors"
	"fmt"
	"time"
)

var errUnknownSite = errors.New("oxd does not know the site")

// attempts is the memory of registrations and probes.
type attempts struct {
	probed   time.Time // the last time a site was looked for
	replaced time.Time // the last time one was registered in place of another
	failures int       // registrations failed in a row
	failed   time.Time // the last of them
	failure  error
}

// forgotten reports whether err means that oxd does not know the site. oxd 4 says
// so. With its default storage oxd 3.1.1 has no code for that and answers as to any fault of
// its own or of the provider. So it is asked again with a command that should
// work, at most once a minute, and only about a site that has worked before: a
// new one that fails is wrongly set up, and another would fail as well.
func (c *Client) forgotten(ctx context.Context, reg *registration, err error) bool {
	if reg.fixed {
		return false
	}
	if errors.Is(err, CodeInvalidOxdID) {
		return true
	}
	var e *Error
	if c.oxd4 || !errors.As(err, &e) || !e.unexplained() || !(reg.working.Load() || reg.fromFile) || !c.mayProbe() {
		return false
	}
	return errors.Is(c.probe(ctx, reg), errUnknownSite)
}

// probe asks for an authorization URL, which needs nothing but the site and the
// discovery document, and if that fails without a reason, whether oxd is well
// otherwise. The error is errUnknownSite if all points to that. A token of the
// site is fetched anew, because oxd answers in the same way when the provider
// cannot check it.
func (c *Client) probe(ctx context.Context, reg *registration) error {
	if token, ok := c.protection.get(reg.ClientID); ok {
		c.protection.drop(token)
	}
	x := exchange{command: "get_authorization_url", body: []byte("{}"), own: true, repeatable: true}
	_, err := c.sendFor(ctx, reg, x)
	var e *Error
	switch {
	case err == nil || errors.Is(err, CodeInvalidOxdID):
	case c.oxd4 || !errors.As(err, &e) || !e.unexplained() || e.Command != x.command:
		return err
	default:
		_, alive := c.sendDirect(ctx, "license_status", struct{}{})
		if alive != nil && !errors.Is(alive, errNotExposed) {
			return alive
		}
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errUnknownSite, err)
	}
	return nil
}

func (c *Client) mayProbe() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.attempts.probed) < pauseBetween {
		return false
	}
	c.attempts.probed = time.Now()
	return true
}

// mayRegister refuses a registration that follows too soon on another: a minute
// in place of a lost one, and after failures, of which the first is free, a time
// that doubles from a second to a minute.
func (c *Client) mayRegister(again bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &c.attempts
	if again && time.Since(a.replaced) < pauseBetween {
		return errors.New("oxd: the site was lost again within a minute")
	}
	if a.failures > 1 && time.Since(a.failed) < min(time.Second<<min(a.failures-2, 6), pauseBetween) {
		return fmt.Errorf("waiting after %d failures: %w", a.failures, a.failure)
	}
	return nil
}

// registered keeps count. What never got to oxd has left nothing at the
// provider, and may be tried again at once.
func (c *Client) registered(again bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &c.attempts
	var te *TransportError
	switch {
	case err == nil:
		a.failures, a.failure = 0, nil
		if again {
			a.replaced = time.Now()
		}
	case errors.As(err, &te) && !te.Sent:
	default:
		a.failures, a.failed, a.failure = a.failures+1, time.Now(), err
	}
}
