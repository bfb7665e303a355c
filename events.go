package oxdauth

// Events: what happens to logins and sessions, for counting and for an audit trail.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"example.com/oxdauth/internal/renewal"
	"example.com/oxdauth/internal/session"
)

// EventKind names what has happened. The names are stable.
type EventKind string

const (
	// LoginStarted means that a browser was sent to the provider. Most of them end as
	// LoginSucceeded or LoginFailed; for a person who leaves there is no further event.
	LoginStarted EventKind = "login_started"
	// LoginRestarted means that a login began again by itself, because it took too long or oxd
	// forgot it. Err has the cause.
	LoginRestarted EventKind = "login_restarted"
	// LoginSucceeded means that a session began.
	LoginSucceeded EventKind = "login_succeeded"
	// LoginFailed means that a login could not begin or was refused at the callback.
	LoginFailed EventKind = "login_failed"
	// RefreshSucceeded and RefreshFailed are about tokens and re-read claims, once for however many
	// requests waited.
	RefreshSucceeded EventKind = "refresh_succeeded"
	RefreshFailed    EventKind = "refresh_failed"
	// SessionEnded means that a session was ended before its limits; Reason has the cause.
	SessionEnded EventKind = "session_ended"
	// RequestRefused means that a request got an error: without session, with too weak a one, from
	// another origin, or because of a fault.
	RequestRefused EventKind = "request_refused"
)

// EndReason names what ended a session. The names are stable.
type EndReason string

const (
	EndedByLogout   EndReason = "logout"   // the person signed out
	EndedByLogin    EndReason = "login"    // another login in the same browser took its place
	EndedByProvider EndReason = "provider" // the provider refuses to renew it
	EndedBySubject  EndReason = "subject"  // userinfo names another subject

	// The following end sessions by what they have in common; Subject is empty where a sid was
	// named.
	EndedByFrontChannel EndReason = "front_channel" // a frame of the provider's logout page
	EndedByBackChannel  EndReason = "back_channel"  // a logout token of the provider
	EndedByApplication  EndReason = "application"   // RevokeSubject
)

// Event is something that has happened. It holds no token, code or cookie.
type Event struct {
	Kind EventKind
	Time time.Time
	// Subject, Issuer and SessionID are those of the session ([Session.ID]), empty where there is
	// none.
	Subject, Issuer, SessionID string
	// Reason is set for SessionEnded.
	Reason EndReason
	// Status and RequestID are those of the answer, for LoginFailed and RequestRefused; the person
	// sees the same id.
	Status    int
	RequestID string
	// Err is what failed, for errors.Is. Its text may hold what a provider said: escape it.
	Err error
}

// eventOf returns an event about a session.
func eventOf(v *session.Identity, kind EventKind) Event {
	return Event{Kind: kind, Subject: v.Subject, Issuer: v.Issuer, SessionID: publicID(v)}
}

// journal is where the components report: the log, and the application's event hook.
type journal struct {
	*slog.Logger
	onEvent func(context.Context, Event) // nil: none
}

func (j *journal) emit(ctx context.Context, e Event) {
	if j.onEvent == nil {
		return
	}
	e.Time = time.Now()
	defer func() {
		if fault := recover(); fault != nil && fault != http.ErrAbortHandler {
			j.ErrorContext(ctx, "oxdauth: the event hook panicked", "event", string(e.Kind))
		}
	}()
	j.onEvent(ctx, e)
}

// ended emits the end of sessions that are not named one by one.
func (j *journal) ended(ctx context.Context, issuer, subject string, reason EndReason) {
	j.emit(ctx, Event{Kind: SessionEnded, Issuer: issuer, Subject: subject, Reason: reason})
}

// renewed reports the result of a renewal.
func (j *journal) renewed(ctx context.Context, v *session.Identity, err error) {
	result := eventOf(v, RefreshSucceeded)
	if errors.Is(err, renewal.ErrGone) {
		err = fmt.Errorf("%w: %w", ErrNoSession, err)
	}
	if err != nil {
		result.Kind, result.Err = RefreshFailed, err
	}
	j.emit(ctx, result)
	if err != nil {
		j.WarnContext(ctx, "oxdauth: refresh failed", "subject", v.Subject, "error", err)
	}
}
