package oxdauth

// Asking oxd: one question per request, bounded in time and number, and every answer that is not plainly a grant taken for
// a refusal.

import (
	"context"
	"errors"
	"net/http"
	"time"

	"example.com/oxdauth/oxd"
)

// verdict is what asking came to. The zero value denies.
type verdict struct {
	outcome Outcome
	reason  string
	ticket  oxd.Secret
	cached  bool

	fingerprint string // of the RPT, if the cache knows it
}

// screen decides what needs no oxd: whether the guard is ready, the method and the path. Granted means to go on.
func (g *Guard) screen(r *http.Request, rt *route) verdict {
	method := r.Method
	if method == http.MethodHead && rt.method == http.MethodGet && g.find(rt.path, http.MethodHead) == nil {
		method = http.MethodGet
	}
	switch {
	case g.site.Load() == nil || rt.protected.Load() == nil:
		return verdict{outcome: NotReady, reason: "Protect has not succeeded"}
	case method != rt.method: // methods are case-sensitive (RFC 9110 section 9.1), but not for oxd
		return verdict{outcome: MethodNotAllowed, reason: "method"}
	case checkPath(r.URL, rt.encodedSlashes) != nil:
		return verdict{outcome: MalformedRequest, reason: "path"}
	}
	return verdict{outcome: Granted}
}

// find gives the first route declared for a resource and method.
func (g *Guard) find(path, method string) *route {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.first[resourceMethod{path, method}]
}

// ask has oxd decide about a request that screen has let through, or the cache if there is one and oxd has granted the same lately.
func (g *Guard) ask(r *http.Request, rt *route, rpt string, now time.Time) (v verdict) {
	if rpt != "" && !validRPT(rpt) {
		return verdict{outcome: MalformedRequest, reason: "rpt"}
	}
	clients := g.settings.clients
	client := clients.name(r)
	switch {
	case !clients.allows(client, now):
		return verdict{outcome: Limited, reason: "client limit"}
	case rpt == "" && !g.limiter.take(now):
		return verdict{outcome: Limited, reason: "ticket limit"}
	case rpt == "" || g.cache == nil:
		v = g.question(r.Context(), rt, rpt)
	default:
		v = g.askCached(r.Context(), rt, rpt, now)
	}
	if v.outcome == Denied {
		clients.refused(client, now)
	}
	return v
}

// question is one uma_rs_check_access. It does not end with the request that started it: an answer that is on its way
// still tells something about oxd, and may be for other requests as well.
func (g *Guard) question(ctx context.Context, rt *route, rpt string) verdict {
	var access *oxd.Access
	err := g.call(ctx, func(ctx context.Context) (err error) {
		// Only what was declared is sent, never anything of the request but the RPT.
		access, err = g.client.CheckAccess(ctx, oxd.CheckAccessParams{RPT: oxd.NewSecret(rpt), Path: rt.path, HTTPMethod: rt.method})
		return err
	})
	v := judge(access, err, rpt)
	switch v.outcome {
	case NotProtected:
		rt.missing.Store(true)
		g.cache.purge()
	case Granted, Denied:
		rt.missing.Store(false)
	}
	return v
}

var errBusy = errors.New("oxdauth: too many questions to oxd at a time")

// call runs one command within the limits of the guard.
func (g *Guard) call(ctx context.Context, command func(context.Context) error) error {
	select {
	case g.places <- struct{}{}:
		defer func() { <-g.places }()
	default:
		return errBusy
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.settings.timeout)
	defer cancel()
	return g.breaker.call(func() error { return command(ctx) })
}

// judge reads oxd's answer. There is one way to a grant.
func judge(access *oxd.Access, err error, rpt string) verdict {
	var refused *oxd.Error
	switch {
	case errors.Is(err, oxd.ErrResourceNotProtected):
		return verdict{outcome: NotProtected, reason: "oxd does not know the resource"}
	case errors.As(err, &refused) && refused.Code == oxd.CodeInternalError && refused.Command == "uma_rs_check_access":
		return verdict{outcome: DeniedNoTicket, reason: err.Error()} // also the answer when the authorization server is down
	case err != nil:
		return verdict{outcome: Unavailable, reason: err.Error()}
	case access == nil:
		return verdict{outcome: Unavailable, reason: "no answer"}
	case access.Granted && rpt != "" && access.Ticket.IsZero():
		return verdict{outcome: Granted}
	case access.Granted:
		return verdict{outcome: Unavailable, reason: "a grant without an RPT, or with a ticket"}
	case !validTicket(access.Ticket.Reveal()):
		return verdict{outcome: DeniedNoTicket, reason: "no usable ticket"}
	}
	return verdict{outcome: Denied, ticket: access.Ticket}
}
