package oxdauth

// Decisions of a guard: what one is, how it is found by asking oxd once per request, and how it is
// logged and passed on. Nothing here reveals an RPT or a ticket, and every answer that is not
// plainly a grant counts as a refusal.

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"example.com/oxdauth/internal/limit"
	"example.com/oxdauth/internal/uma"
	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

// verdict is the result of asking. The zero value denies.
type verdict struct {
	outcome     Outcome
	reason      string // for the log
	next        next   // for a person
	ticket      oxd.Secret
	cached      bool
	fingerprint string // of the RPT, if the cache has it
}

// next is what a person in a browser can do about a denial.
type next byte

const (
	nextNothing next = iota
	nextLogin        // sign in
	nextWait         // the authorization server has asked somebody for approval (UMA 2.0 Grant section 3.3.6)
)

// decider is the component that decides. It is safe for concurrent use.
type decider struct {
	declared *uma.Declared
	site     atomic.Pointer[uma.Site] // nil until Protect has succeeded
	asker    *uma.Asker
	grants   *uma.Grants    // nil: off
	tickets  *limit.Bucket  // of requests without RPT, for all clients
	clients  *limit.Clients // nil: no limit for each client
	log      decisionLog
}

// check decides about a request with what its own Authorization header brings, and returns the RPT
// in there.
func (d *decider) check(r *http.Request, res *uma.Resource, now time.Time) (verdict, uma.RPT) {
	rpt, err := uma.ReadRPT(r.Header)
	if v := d.screen(r, res); v.outcome != OutcomeGranted {
		return v, rpt
	}
	if err != nil {
		return verdict{outcome: OutcomeMalformedRequest, reason: "authorization header"}, rpt
	}
	return d.ask(r, res, rpt, now), rpt
}

// screen decides what needs no oxd: whether the guard is ready, the method and the path.
// OutcomeGranted means to go on.
func (d *decider) screen(r *http.Request, res *uma.Resource) verdict {
	method := r.Method
	if method == http.MethodHead && res.Method == http.MethodGet && d.declared.Find(res.Path, http.MethodHead) == nil {
		method = http.MethodGet
	}
	switch {
	case d.site.Load() == nil || !res.Protected():
		return verdict{outcome: OutcomeNotReady, reason: "Protect has not succeeded"}
	case method != res.Method: // methods are case-sensitive (RFC 9110 section 9.1), but not for oxd
		return verdict{outcome: OutcomeMethodNotAllowed, reason: "method"}
	case web.CheckPath(r.URL, res.EncodedSlashes) != nil:
		return verdict{outcome: OutcomeMalformedRequest, reason: "path"}
	}
	return verdict{outcome: OutcomeGranted}
}

// ask decides about a request that screen has let through: by a grant of the cache, or by asking
// oxd.
func (d *decider) ask(r *http.Request, res *uma.Resource, rpt uma.RPT, now time.Time) (v verdict) {
	client := d.clients.Name(r)
	switch {
	case !d.clients.Allow(client, now):
		return verdict{outcome: OutcomeLimited, reason: "client limit"}
	case rpt.IsZero() && !d.tickets.Take(now):
		return verdict{outcome: OutcomeLimited, reason: "ticket limit"}
	}
	shared, fingerprint, err := d.grants.Do(r.Context(), res, rpt, now, func() bool {
		v = d.question(r.Context(), res, rpt)
		return v.outcome == OutcomeGranted
	})
	switch {
	case err != nil:
		return verdict{outcome: OutcomeUnavailable, reason: "the client has gone away"}
	case shared:
		return verdict{outcome: OutcomeGranted, cached: true, fingerprint: fingerprint}
	case v.outcome == OutcomeDenied:
		d.clients.Refused(client, now)
	}
	return v
}

// question is one uma_rs_check_access.
func (d *decider) question(ctx context.Context, res *uma.Resource, rpt uma.RPT) verdict {
	access, err := d.asker.CheckAccess(ctx, res, rpt)
	v := judge(access, err, rpt)
	switch v.outcome {
	case OutcomeNotProtected:
		res.SetMissing(true)
		d.grants.Purge()
	case OutcomeGranted, OutcomeDenied:
		res.SetMissing(false)
	}
	return v
}

// judge reads oxd's answer. There is one way to a grant.
func judge(access *oxd.Access, err error, rpt uma.RPT) verdict {
	var refused *oxd.Error
	switch {
	case errors.Is(err, oxd.ErrResourceNotProtected):
		return verdict{outcome: OutcomeNotProtected, reason: "oxd does not know the resource"}
	case errors.As(err, &refused) && refused.Code == oxd.CodeInternalError && refused.Command == "uma_rs_check_access":
		return verdict{outcome: OutcomeDeniedNoTicket, reason: err.Error()} // also the answer when the authorization server is down
	case err != nil:
		return verdict{outcome: OutcomeUnavailable, reason: err.Error()}
	case access == nil:
		return verdict{outcome: OutcomeUnavailable, reason: "no answer"}
	case access.Granted && !rpt.IsZero() && access.Ticket.IsZero():
		return verdict{outcome: OutcomeGranted}
	case access.Granted:
		return verdict{outcome: OutcomeUnavailable, reason: "a grant without an RPT, or with a ticket"}
	case !uma.ValidTicket(access.Ticket.Reveal()):
		return verdict{outcome: OutcomeDeniedNoTicket, reason: "no usable ticket"}
	}
	return verdict{outcome: OutcomeDenied, ticket: access.Ticket}
}

// newDecision makes the decision of a verdict. Its status is not set.
func (d *decider) newDecision(r *http.Request, res *uma.Resource, v verdict, rpt uma.RPT, started time.Time) Decision {
	now := time.Now()
	if v.fingerprint == "" {
		v.fingerprint = rpt.Fingerprint(&d.log.key)
	}
	return Decision{
		ID: web.RequestID(), Resource: res.Path, Method: res.Method, RequestMethod: r.Method, Outcome: v.outcome,
		Reason: v.reason, Cached: v.cached, ReportOnly: d.log.reportOnly, RPT: v.fingerprint, CheckedAt: now,
		Latency: now.Sub(started), ticket: v.ticket,
	}
}

const recheckFaults = 3 // without a decision in a row, after which access ends as well

// watch asks again at intervals while a request is served, and ends the context when access has
// ended. Calling stop ends the watching.
func (d *decider) watch(ctx context.Context, res *uma.Resource, rpt uma.RPT) (watched context.Context, stop context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(res.Recheck)
		defer tick.Stop()
		for faults := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			v := d.question(ctx, res, rpt)
			switch {
			case v.outcome == OutcomeGranted:
				faults = 0
				continue
			case v.outcome == OutcomeUnavailable && faults < recheckFaults-1:
				faults++
				continue
			}
			if ctx.Err() == nil {
				d.log.logger.InfoContext(ctx, "oxdauth: access withdrawn", "resource", res.Path, "method", res.Method,
					"outcome", v.outcome.String(), "reason", v.reason, "rpt", rpt.Fingerprint(&d.log.key))
			}
			cancel(ErrAccessWithdrawn)
			return
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}

// decisionLog is where decisions are reported.
type decisionLog struct {
	logger     *slog.Logger
	onDecision func(context.Context, Decision) // nil: none
	key        [32]byte                        // of the fingerprints of RPTs
	reportOnly bool                            // decisions are not enforced
}

// record logs a decision and passes it to the hook. It does so for clients that have gone away as
// well.
func (l *decisionLog) record(ctx context.Context, d Decision) {
	level := slog.LevelInfo
	switch d.Outcome {
	case OutcomeGranted:
		level = slog.LevelDebug
	case OutcomeDeniedNoTicket, OutcomeUnavailable, OutcomeNotProtected, OutcomeNotReady:
		level = slog.LevelError
	}
	if l.logger.Enabled(ctx, level) { // grants usually are not logged, and need no attributes then
		l.logger.LogAttrs(ctx, level, "oxdauth: access decision",
			slog.String("request_id", d.ID), slog.String("resource", d.Resource), slog.String("method", d.Method),
			slog.String("request_method", loggedMethod(d.RequestMethod)), slog.String("outcome", d.Outcome.String()),
			slog.String("reason", d.Reason), slog.Bool("cached", d.Cached), slog.Bool("report_only", d.ReportOnly),
			slog.Int("status", d.Status), slog.String("subject", d.Subject), slog.String("rpt", d.RPT),
			slog.Duration("latency", d.Latency))
	}
	if l.onDecision == nil {
		return
	}
	defer func() {
		if fault := recover(); fault != nil && fault != http.ErrAbortHandler {
			l.logger.ErrorContext(ctx, "oxdauth: the decision hook panicked", "request_id", d.ID)
		}
	}()
	l.onDecision(ctx, d.public())
}

// loggedMethod bounds what a client can write into the log.
func loggedMethod(method string) string { return method[:min(len(method), 16)] }
