package oxdauth

// What a decision is, and how it is logged and handed on. Nothing here gives away an RPT or a ticket.

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net/http"
	"time"

	"example.com/oxdauth/oxd"
)

// Outcome is what a decision came to. The zero value denies, and so does every other one but Granted.
type Outcome uint8

// The outcomes.
const (
	Denied           Outcome = iota // oxd said no, and gave a ticket to try with
	Granted                         // oxd said yes
	DeniedNoTicket                  // oxd answered, but neither yes nor with a usable ticket
	Unavailable                     // no usable answer: oxd unreachable, too slow, overloaded, or wrongly set up
	NotProtected                    // oxd does not know the resource
	NotReady                        // Protect has not succeeded yet
	MalformedRequest                // the RPT or the path is not well-formed; oxd was not asked
	MethodNotAllowed                // the method is not declared; oxd was not asked
	Limited                         // too many requests without RPT; oxd was not asked
	CrossOrigin                     // another site made a signed-in browser send a request that changes something; oxd was not asked
)

var outcomeNames = [...]string{
	"denied", "granted", "denied_no_ticket", "unavailable", "not_protected", "not_ready", "malformed_request", "method_not_allowed", "limited", "cross_origin",
}

// String gives the outcome as it is logged.
func (o Outcome) String() string {
	if int(o) < len(outcomeNames) {
		return outcomeNames[o]
	}
	return "unknown"
}

// Decision is one decision of a guard. It is a value without secrets, safe to keep.
type Decision struct {
	ID            string // appears in the log and in the answer
	Resource      string // as declared
	Method        string // the one that was checked: GET for a HEAD request
	RequestMethod string
	Outcome       Outcome
	Reason        string // for the log: a short word, or oxd's error without parameters
	Cached        bool   // a grant from the cache, or shared with an equal request
	ReportOnly    bool   // the request went through whatever the outcome
	Status        int    // of the answer; 0 if the handler wrote it
	Subject       string // the user, if the RPT came from a session
	RPT           string // 8 hexadecimal digits that are the same for the same RPT in this process; empty without RPT
	CheckedAt     time.Time
	Latency       time.Duration

	ticket oxd.Secret // only on its way to the answer
}

type decisionKey struct{}

// DecisionFromContext gives the decision that let a request through.
func DecisionFromContext(ctx context.Context) (Decision, bool) {
	d, ok := ctx.Value(decisionKey{}).(Decision)
	return d, ok
}

// public gives the decision without the ticket.
func (d Decision) public() Decision {
	d.ticket = oxd.Secret{}
	return d
}

// fingerprint lets log records of one RPT be found together without telling the RPT.
func (g *Guard) fingerprint(rpt string) string {
	if rpt == "" {
		return ""
	}
	mac := hmac.New(sha256.New, g.key[:])
	mac.Write([]byte(rpt))
	return hex.EncodeToString(mac.Sum(nil)[:4])
}

// fingerprintOf spares the hash if the cache has it.
func (g *Guard) fingerprintOf(v verdict, rpt string) string {
	if v.fingerprint != "" {
		return v.fingerprint
	}
	return g.fingerprint(rpt)
}

// record logs a decision and hands it to the hook. It does so for clients that have gone away as well.
func (g *Guard) record(ctx context.Context, d Decision) {
	level := slog.LevelInfo
	switch d.Outcome {
	case Granted:
		level = slog.LevelDebug
	case DeniedNoTicket, Unavailable, NotProtected, NotReady:
		level = slog.LevelError
	}
	if g.settings.logger.Enabled(ctx, level) { // grants usually are not logged, and need no attributes then
		g.settings.logger.LogAttrs(ctx, level, "oxdauth: access decision",
			slog.String("request_id", d.ID), slog.String("resource", d.Resource), slog.String("method", d.Method),
			slog.String("request_method", loggedMethod(d.RequestMethod)), slog.String("outcome", d.Outcome.String()), slog.String("reason", d.Reason),
			slog.Bool("cached", d.Cached), slog.Bool("report_only", d.ReportOnly), slog.Int("status", d.Status),
			slog.String("subject", d.Subject), slog.String("rpt", d.RPT), slog.Duration("latency", d.Latency))
	}
	if g.settings.onDecision == nil {
		return
	}
	defer func() {
		if fault := recover(); fault != nil && fault != http.ErrAbortHandler {
			g.settings.logger.ErrorContext(ctx, "oxdauth: the decision hook panicked", "request_id", d.ID)
		}
	}()
	g.settings.onDecision(ctx, d.public())
}

// loggedMethod bounds what a client can write into the log.
func loggedMethod(method string) string { return method[:min(len(method), 16)] }
