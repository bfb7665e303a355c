package oxdauth

// The answers of a guard to requests that it refuses.

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"example.com/oxdauth/internal/limit"
	"example.com/oxdauth/internal/uma"
	"example.com/oxdauth/internal/web"
)

// umaWarning is prescribed by UMA 2.0 Grant section 3.2.2, word for word.
const umaWarning = `199 - "UMA Authorization Server Unreachable"`

// refuser is the component that refuses. It is immutable.
type refuser struct {
	realm       string // as a quoted-string
	unavailable int    // the status where there is no decision
	decider     *decider
}

// status returns the HTTP status of an outcome. Unknown outcomes count as OutcomeUnavailable.
func (f *refuser) status(o Outcome) int {
	switch o {
	case OutcomeDenied:
		return http.StatusUnauthorized
	case OutcomeDeniedNoTicket, OutcomeCrossOrigin:
		return http.StatusForbidden
	case OutcomeMalformedRequest:
		return http.StatusBadRequest
	case OutcomeMethodNotAllowed:
		return http.StatusMethodNotAllowed
	case OutcomeLimited:
		return http.StatusTooManyRequests
	}
	return f.unavailable
}

// pageStatus is the status of a page: people cannot answer a challenge.
func (f *refuser) pageStatus(o Outcome) int {
	if o == OutcomeDenied {
		return http.StatusForbidden
	}
	return f.status(o)
}

// refuse answers a program. The body has no ticket: it belongs in the challenge alone.
func (f *refuser) refuse(w http.ResponseWriter, r *http.Request, d Decision) {
	writeJSON(w, r, f.setHeaders(w.Header(), d), struct {
		Error     string `json:"error"`
		RequestID string `json:"request_id"`
	}{d.Outcome.String(), d.ID})
}

// setHeaders sets what the answer to a refusal has whatever its body, and returns the status.
func (f *refuser) setHeaders(h http.Header, d Decision) int {
	status := f.status(d.Outcome)
	// No outer layer may have this answer cached: a ticket is used once (UMA 2.0 Grant section
	// 5.5).
	h.Set("Cache-Control", "no-store")
	h.Del("Expires")
	h.Add("Access-Control-Expose-Headers", "WWW-Authenticate, Warning") // scripts of other origins see them only then
	switch d.Outcome {
	case OutcomeDenied:
		site, ticket := f.decider.site.Load(), d.ticket.Reveal()
		if site == nil || !uma.ValidTicket(ticket) {
			status = http.StatusForbidden
			h.Set("Warning", umaWarning)
			break
		}
		h.Add("WWW-Authenticate", `UMA realm=`+f.realm+`, as_uri=`+web.Quote(site.ASURI)+`, ticket=`+web.Quote(ticket))
	case OutcomeMalformedRequest, OutcomeCrossOrigin:
	case OutcomeMethodNotAllowed:
		h.Set("Allow", strings.Join(f.decider.declared.Methods(d.Resource), ", "))
	case OutcomeLimited:
		h.Set("Retry-After", "1")
	case OutcomeDeniedNoTicket:
		h.Set("Warning", umaWarning)
	default:
		h.Set("Warning", umaWarning)
		h.Set("Retry-After", strconv.Itoa(int(limit.Pause/time.Second)))
	}
	return status
}
