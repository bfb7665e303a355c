package oxdauth

// Events: what happens to logins and sessions, for counting and for an audit trail.

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// EventKind names what has happened. The names are stable.
type EventKind string

const (
	// LoginStarted means that a browser was sent to the provider. Most of them end as LoginSucceeded or LoginFailed; a
	// person who leaves ends as nothing.
	LoginStarted EventKind = "login_started"
	// LoginRestarted means that a login began again by itself, because it took too long or oxd forgot it. Err says why.
	LoginRestarted EventKind = "login_restarted"
	// LoginSucceeded means that a session began.
	LoginSucceeded EventKind = "login_succeeded"
	// LoginFailed means that a login could not begin or was refused at the callback.
	LoginFailed EventKind = "login_failed"
	// RefreshSucceeded and RefreshFailed are about tokens and re-read claims, once for however many requests waited.
	RefreshSucceeded EventKind = "refresh_succeeded"
	RefreshFailed    EventKind = "refresh_failed"
	// SessionEnded means that a session was ended before its limits; Reason says by what.
	SessionEnded EventKind = "session_ended"
	// RequestRefused means that a request got an error: without session, with too weak a one, from another origin, or because
	// of a fault.
	RequestRefused EventKind = "request_refused"
)

// EndReason says what ended a session. The names are stable.
type EndReason string

const (
	EndedByLogout   EndReason = "logout"   // the person signed out
	EndedByLogin    EndReason = "login"    // another login in the same browser took its place
	EndedByProvider EndReason = "provider" // the provider refuses to renew it
	EndedBySubject  EndReason = "subject"  // userinfo names another subject

	// The following end sessions by what they have in common; Subject is empty where a sid was named.
	EndedByFrontChannel EndReason = "front_channel" // a frame of the provider's logout page
	EndedByBackChannel  EndReason = "back_channel"  // a logout token of the provider
	EndedByApplication  EndReason = "application"   // RevokeSubject
)

// Event is something that has happened. It holds no token, code or cookie.
type Event struct {
	Kind EventKind
	Time time.Time
	// Subject and Issuer are those of the session, empty where there is none.
	Subject, Issuer string
	// Reason is set for SessionEnded.
	Reason EndReason
	// Status and RequestID are those of the answer, for LoginFailed and RequestRefused; the person sees the same id.
	Status    int
	RequestID string
	// Err is what failed, for errors.Is. Its text may hold what a provider said: escape it.
	Err error
}

// WithOnEvent has f called with each [Event], exactly once. f runs before the answer is written, must be safe for concurrent
// use and quick, and cannot change anything: a panic in it is logged. Decisions of a [Guard] are not events; see
// [WithOnDecision]. Default: none.
func WithOnEvent(f func(context.Context, Event)) Option {
	return option(func(s *settings) error {
		if f == nil {
			return errors.New("oxdauth: WithOnEvent: nil function")
		}
		s.onEvent = f
		return nil
	})
}

func (s *settings) emit(ctx context.Context, e Event) {
	if s.onEvent == nil {
		return
	}
	e.Time = time.Now()
	defer func() {
		if fault := recover(); fault != nil && fault != http.ErrAbortHandler {
			s.logger.ErrorContext(ctx, "oxdauth: the event hook panicked", "event", string(e.Kind))
		}
	}()
	s.onEvent(ctx, e)
}

// emitEnded reports the end of sessions that are not named one by one.
func (m *Middleware) emitEnded(ctx context.Context, issuer, subject string, reason EndReason) {
	m.emit(ctx, Event{Kind: SessionEnded, Issuer: issuer, Subject: subject, Reason: reason})
}

func (v *identity) event(kind EventKind) Event {
	return Event{Kind: kind, Subject: v.subject, Issuer: v.issuer}
}
