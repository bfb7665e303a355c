package oxdauth

// Serving a guarded route: the decision, and the answer to a request that is refused.

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// umaWarning is prescribed by UMA 2.0 Grant section 3.2.2, word for word.
const umaWarning = `199 - "UMA Authorization Server Unreachable"`

// Check decides about a request for a declared resource and method without answering it: for routers and frameworks that
// [Guard.Require] does not fit. Only an Outcome of Granted lets a request through; [Guard.Refuse] writes the answer for
// every other one. The RPT is that of the Authorization header, sessions are not looked at.
func (g *Guard) Check(r *http.Request, path, method string) Decision {
	rt := g.find(path, method)
	if rt == nil {
		rt = &route{path: path, method: method} // never protected, hence never ready
	}
	started := time.Now()
	v, rpt := g.check(r, rt, started)
	d := g.newDecision(r, rt, v, started)
	d.RPT = g.fingerprintOf(v, rpt)
	if v.outcome != Granted {
		d.Status = g.status(v.outcome)
	}
	g.record(r.Context(), d)
	return d
}

// check is the decision about a request with what its own Authorization header brings, and the RPT in there.
func (g *Guard) check(r *http.Request, rt *route, now time.Time) (verdict, string) {
	rpt, err := requestRPT(r.Header)
	if v := g.screen(r, rt); v.outcome != Granted {
		return v, rpt
	}
	if err != nil {
		return verdict{outcome: MalformedRequest, reason: "authorization header"}, rpt
	}
	return g.ask(r, rt, rpt, now), rpt
}

func (g *Guard) newDecision(r *http.Request, rt *route, v verdict, started time.Time) Decision {
	now := time.Now()
	return Decision{
		ID: newRequestID(), Resource: rt.path, Method: rt.method, RequestMethod: r.Method, Outcome: v.outcome, Reason: v.reason,
		Cached: v.cached, ReportOnly: g.settings.reportOnly, CheckedAt: now, Latency: now.Sub(started), ticket: v.ticket,
	}
}

// serve is the whole of a guarded route.
func (g *Guard) serve(w http.ResponseWriter, r *http.Request, rt *route, next http.Handler) {
	started := time.Now()
	if g.settings.sessions != nil && len(r.Header["Authorization"]) == 0 {
		g.serveSession(w, r, rt, next, started)
		return
	}
	v, rpt := g.check(r, rt, started)
	d := g.newDecision(r, rt, v, started)
	d.RPT = g.fingerprintOf(v, rpt)
	if v.outcome != Granted && !g.settings.reportOnly {
		d.Status = g.status(v.outcome)
		g.record(r.Context(), d)
		g.Refuse(w, r, d)
		return
	}
	g.record(r.Context(), d)
	g.pass(w, r, rt, rpt, d, next)
}

// pass calls the handler. The ResponseWriter is not wrapped, and the body not read.
func (g *Guard) pass(w http.ResponseWriter, r *http.Request, rt *route, rpt string, d Decision, next http.Handler) {
	ctx := context.WithValue(r.Context(), decisionKey{}, d.public())
	if rt.recheck > 0 && !g.settings.reportOnly {
		var stop context.CancelFunc
		ctx, stop = g.watch(ctx, rt, rpt)
		defer stop()
	}
	next.ServeHTTP(w, r.WithContext(ctx))
}

// status gives the HTTP status of an outcome. What is not known is no decision.
func (g *Guard) status(o Outcome) int {
	switch o {
	case Denied:
		return http.StatusUnauthorized
	case DeniedNoTicket, CrossOrigin:
		return http.StatusForbidden
	case MalformedRequest:
		return http.StatusBadRequest
	case MethodNotAllowed:
		return http.StatusMethodNotAllowed
	case Limited:
		return http.StatusTooManyRequests
	}
	return g.settings.unavailable
}

// Refuse writes the answer for a decision of [Guard.Check] that is not Granted. A decision is answered once: its ticket is
// for one client.
func (g *Guard) Refuse(w http.ResponseWriter, r *http.Request, d Decision) {
	status := g.refusalHeaders(w.Header(), d)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		// No ticket here: it belongs in the challenge alone. The client may have gone away.
		_ = json.NewEncoder(w).Encode(struct {
			Error     string `json:"error"`
			RequestID string `json:"request_id"`
		}{d.Outcome.String(), d.ID})
	}
}

// refusalHeaders sets what the answer to a refusal has whatever its body, and gives the status.
func (g *Guard) refusalHeaders(h http.Header, d Decision) int {
	status := g.status(d.Outcome)
	neverCache(h)
	h.Add("Access-Control-Expose-Headers", "WWW-Authenticate, Warning") // scripts of other origins see them only then
	site := g.site.Load()
	switch d.Outcome {
	case Denied:
		if site == nil || !validTicket(d.ticket.Reveal()) {
			status = http.StatusForbidden
			h.Set("Warning", umaWarning)
			break
		}
		h.Add("WWW-Authenticate", `UMA realm=`+g.realm+`, as_uri=`+quoted(site.asURI)+`, ticket=`+quoted(d.ticket.Reveal()))
	case MalformedRequest, CrossOrigin:
	case MethodNotAllowed:
		h.Set("Allow", strings.Join(g.allowed(d.Resource), ", "))
	case Limited:
		h.Set("Retry-After", "1")
	case DeniedNoTicket:
		h.Set("Warning", umaWarning)
	default:
		h.Set("Warning", umaWarning)
		h.Set("Retry-After", strconv.Itoa(int(breakerPause/time.Second)))
	}
	return status
}

// neverCache makes sure that no outer layer has this answer cached: a ticket is used once (UMA 2.0 Grant section 5.5).
func neverCache(h http.Header) {
	h.Set("Cache-Control", "no-store")
	h.Del("Expires")
}

// allowed gives the methods declared for a resource.
func (g *Guard) allowed(path string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var names []string
	for _, rt := range g.routes {
		if rt.path == path && !slices.Contains(names, rt.method) {
			names = append(names, rt.method)
			if rt.method == http.MethodGet {
				names = append(names, http.MethodHead)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
