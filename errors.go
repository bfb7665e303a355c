package oxdauth

// The errors a caller can act on, and the HTTP status each becomes.

import (
	"errors"
	"net/http"

	"example.com/oxdauth/internal/logouttoken"
	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

var (
	// ErrNoSession means that the request carries no usable session: none, expired, forged,
	// revoked, or sealed with a key that is gone.
	ErrNoSession = errors.New("oxdauth: no session")
	// ErrState means that a callback does not belong to a login that this browser has started and
	// not yet finished.
	ErrState = errors.New("oxdauth: the callback does not belong to a login of this browser")
	// ErrIDToken means that the ID token answered by oxd is not the one this login asked for: its
	// nonce, audience, issuer or subject differs.
	ErrIDToken = errors.New("oxdauth: the ID token does not belong to this login")
	// ErrACR means that the session, or the login just finished, does not have the authentication
	// context that is required, or is of a time too long ago ([Middleware.RequireACR],
	// [Middleware.RequireMaxAge]).
	ErrACR = errors.New("oxdauth: a stronger login is required")
	// ErrForbidden means that the session lacks a claim that is required, or that no rule lets the
	// request through.
	ErrForbidden = errors.New("oxdauth: access denied")
	// ErrCrossOrigin means that another site tried to log the user out.
	ErrCrossOrigin = errors.New("oxdauth: cross-origin request refused")
	// ErrNoRefreshToken means that the provider issued no refresh token, so the access token cannot
	// be renewed.
	ErrNoRefreshToken = errors.New("oxdauth: the session has no refresh token")
	// ErrClaims means that a return from gathering claims does not belong to a claims gathering
	// that this browser and session have started and not yet finished.
	ErrClaims = errors.New("oxdauth: the claims gathering does not belong to this session")
	// ErrAccessWithdrawn is the [context.Cause] of a request whose access ended while it was
	// served; see [Resource].
	ErrAccessWithdrawn = errors.New("oxdauth: access withdrawn")

	// ErrSessionTooLarge means that tokens and claims do not fit in the cookies that browsers
	// accept; ask for fewer claims, or keep the tokens in a store ([WithStore]).
	ErrSessionTooLarge = sealed.ErrTooLarge // "oxdauth: the session does not fit in cookies"
	// ErrStore means that the store of [WithStore] does not answer or answers with an error, so
	// that whether a session has ended is not known. [Middleware.Handler] answers 503: sending
	// people through a login would not help them.
	ErrStore = replica.ErrStore // "oxdauth: the session store failed"

	errBadLogout = errors.New("oxdauth: logout from the provider refused")
	errMisplaced = errors.New("oxdauth: the callback arrives under another path")
	errRounds    = errors.New("oxdauth: logins succeed and leave no session: cookies get lost on the way, or another replica has other keys")
	errMethod    = errors.New("oxdauth: method not allowed")
	errAuthURL   = errors.New("oxdauth: oxd answered an unusable authorization URL")
)

// RequestError is what an [ErrorHandler] gets: an error, and what belongs to its request.
type RequestError struct {
	Err       error  // the cause, which errors.Is and errors.As find as well
	RequestID string // as in the log and in the event; show it to the person
	ReturnTo  string // local path and query of the page that was asked for, as the browser sees it
	Page      bool   // a person is waiting, so answer with a page; otherwise a program
}

func (e *RequestError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RequestError) Unwrap() error { return e.Err }

// DecisionError is the cause of a page that a [Guard] refuses. Programs are answered by
// [Guard.Refuse] instead.
type DecisionError struct {
	Decision Decision
	// Waiting is set when the authorization server has asked somebody for approval (UMA 2.0 Grant
	// section 3.3.6): trying again later may help.
	Waiting bool
}

func (e *DecisionError) Error() string {
	return "oxdauth: access refused: " + e.Decision.Outcome.String()
}

// ProviderError is an error answer of the provider at the callback (OAuth 2.0, RFC 6749 section
// 4.1.2.1). Both fields come from the browser's request: show neither to a person without escaping.
type ProviderError struct {
	Code        string // such as access_denied; at most 64 characters of [A-Za-z0-9_]
	Description string // at most 512 bytes, for the log
}

func (e *ProviderError) Error() string { return "oxdauth: the provider answered " + e.Code }

// StatusCode returns the HTTP status that the default error handler uses for err: 4xx when the
// request is to blame, 502 and 503 when oxd, the provider or the store is, 500 otherwise.
func StatusCode(err error) int {
	var provider *ProviderError
	var answered *oxd.Error
	var refused *DecisionError
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &refused):
		return refused.Decision.Status
	case errors.Is(err, ErrNoSession):
		return http.StatusUnauthorized
	case errors.Is(err, ErrState), errors.Is(err, ErrClaims), errors.Is(err, web.ErrQuery), errors.Is(err, web.ErrPath),
		errors.Is(err, errBadLogout), errors.Is(err, logouttoken.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, ErrACR), errors.Is(err, ErrForbidden), errors.Is(err, ErrCrossOrigin):
		return http.StatusForbidden
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed
	case errors.As(err, &provider):
		return provider.status()
	case errors.Is(err, ErrStore), errors.Is(err, oxd.ErrUnavailable), errors.Is(err, logouttoken.ErrUnavailable):
		return http.StatusServiceUnavailable
	case errors.Is(err, ErrIDToken), errors.Is(err, errAuthURL), errors.As(err, &answered):
		return http.StatusBadGateway
	}
	return http.StatusInternalServerError
}

func (e *ProviderError) status() int {
	switch e.Code {
	case "access_denied", "login_required", "interaction_required", "consent_required", "account_selection_required":
		return http.StatusForbidden
	case "temporarily_unavailable":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}
