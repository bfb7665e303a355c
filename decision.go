package oxdauth

// What a decision of a guard is.

import (
	"context"
	"time"

	"example.com/oxdauth/oxd"
)

// Outcome is the result of a decision. The zero value denies, and so does every other one but
// OutcomeGranted.
type Outcome uint8

// The outcomes.
const (
	OutcomeDenied           Outcome = iota // oxd said no, with a ticket to try with
	OutcomeGranted                         // oxd said yes
	OutcomeDeniedNoTicket                  // oxd answered, but neither yes nor with a usable ticket
	OutcomeUnavailable                     // no usable answer: oxd unreachable, too slow, overloaded, or wrongly set up
	OutcomeNotProtected                    // oxd does not protect the resource
	OutcomeNotReady                        // Protect has not succeeded yet
	OutcomeMalformedRequest                // the RPT or the path is not well-formed; oxd was not asked
	OutcomeMethodNotAllowed                // the method is not declared; oxd was not asked
	OutcomeLimited                         // too many requests without RPT; oxd was not asked
	OutcomeCrossOrigin                     // another site made a signed-in browser send a request that changes something; oxd was not asked
)

var outcomeNames = [...]string{
	"denied", "granted", "denied_no_ticket", "unavailable", "not_protected", "not_ready", "malformed_request",
	"method_not_allowed", "limited", "cross_origin",
}

// String returns the outcome as it is logged.
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

// DecisionFromContext returns the decision that let a request through.
func DecisionFromContext(ctx context.Context) (Decision, bool) {
	d, ok := ctx.Value(decisionKey{}).(Decision)
	return d, ok
}

// public returns the decision without the ticket.
func (d Decision) public() Decision {
	d.ticket = oxd.Secret{}
	return d
}
