package oxd

// The errors of this package: what oxd answered, and what kept it from
// answering.

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

var (
	// ErrUnavailable is matched by every failure in which oxd gave no usable
	// answer: not reachable, timed out, cut off, or garbled.
	ErrUnavailable = errors.New("oxd: unavailable")
	// ErrTooLarge means that the command does not fit into the 9,999 UTF-16 code
	// units of a frame. Nothing was sent.
	ErrTooLarge = errors.New("oxd: command over 9,999 characters")
	// ErrUnsupported is matched when this version of oxd does not have a command
	// or a parameter, or not over this transport. Either nothing was sent, or oxd
	// did not know the command; in no case was part of it carried out.
	ErrUnsupported = errors.New("not supported by this oxd")
	// ErrClosed means that Close was called before.
	ErrClosed = errors.New("oxd: closed")
	// ErrStateNotRegistered is matched when oxd does not know the state (any
	// more): five minutes are over, it was restarted, or the login is complete.
	ErrStateNotRegistered error = &condition{CodeBadRequest, "'state' is not registered."}
	// ErrResourceNotProtected is matched when no resource was registered for
	// path and method. It is a mistake in the set-up and never a permission.
	ErrResourceNotProtected error = &condition{CodeInvalidRequest, "Resource is not protected"}
)

// condition is a situation that oxd expresses by a code it uses for others as
// well, so that only the beginning of the description tells.
type condition struct {
	code   Code
	prefix string
}

func (c *condition) Error() string {
	return "oxd: " + string(c.code) + ": " + strings.TrimSuffix(c.prefix, ".")
}

// Error is oxd's refusal of a command.
type Error struct {
	// Command is the command in the spelling of the socket.
	Command string
	// Code is error of the answer.
	Code Code
	// Description is error_description as sent. It can repeat parameters of the
	// command, and what the provider said; Error does not print it unless it is
	// one of the fixed texts of oxd.
	Description string
	// NeedInfo says what the authorization server wants to know. It is nil
	// unless Code is CodeNeedInfo and the answer can be acted on.
	NeedInfo *NeedInfo
	// HTTPStatus is 0 over TCP.
	HTTPStatus int
}

// Error names command and code. It contains no parameter of the command.
func (e *Error) Error() string {
	text := "oxd: " + e.Command + ": " + e.Code.Error()
	if d := e.fixedDescription(); d != "" {
		text += ": " + d
	}
	return text + e.hint()
}

// Unwrap returns the Code, so that errors.Is(err, oxd.CodeInvalidOxdID) works.
func (e *Error) Unwrap() error { return e.Code }

// Is matches ErrStateNotRegistered, ErrResourceNotProtected and ErrUnsupported,
// and the code of oxd 3.1 for one that is called otherwise in oxd 4.
func (e *Error) Is(target error) bool {
	switch t := target.(type) {
	case *condition:
		return e.Code == t.code && strings.HasPrefix(e.Description, t.prefix)
	case Code:
		former, renamed := formerCodes[e.Code]
		return renamed && former == t
	}
	return target == ErrUnsupported && (e.Code == CodeUnsupportedOperation || e.noSuchPath())
}

// noSuchPath recognises the server's own 404. A provider's 404 is relayed with
// what the provider said.
func (e *Error) noSuchPath() bool {
	return e.Code == "http_status_404" && e.HTTPStatus == http.StatusNotFound &&
		(e.Description == "" || e.Description == "HTTP 404 Not Found")
}

// unexplained reports an internal error that says nothing: oxd's answer to its
// own faults, to provider faults, to bad codes and tokens, and, with the default
// storage, to an oxd_id it does not know.
func (e *Error) unexplained() bool {
	return e.Code == CodeInternalError && e.Description == unexplainedText
}

const unexplainedText = "Unknown internal server error occurs."

// fixedTexts are the descriptions which tell apart what shares a code, and which
// contain nothing of the command.
var fixedTexts = []string{
	"'code' is empty or not specified.",
	"'code' is invalid.",
	"'refresh token' is empty or not specified",
	"'state' is empty or not specified.",
	"'state' is not registered.",
	"Command parameters are not specified or otherwise malformed.",
	"Failed to get RPT.",
	"oxd_id is empty or not specified or is otherwise invalid (not registered).",
	"Resource is not protected",
}

func (e *Error) fixedDescription() string {
	for _, text := range fixedTexts {
		if strings.HasPrefix(e.Description, text) {
			return strings.TrimSuffix(text, ".")
		}
	}
	return ""
}

func (e *Error) hint() string {
	if e.unexplained() && strings.HasPrefix(e.Command, "uma_") {
		return " (also oxd's answer to a site without scope uma_protection or grant client_credentials, and to an invalid ticket)"
	}
	return ""
}

// TransportError is a command that got no usable answer. errors.Is(err,
// ErrUnavailable) is true for each.
type TransportError struct {
	Command string
	// Sent is true if bytes of the command may have reached oxd, so that it may
	// have been carried out.
	Sent bool
	Err  error
}

// Error names the command and the cause.
func (e *TransportError) Error() string {
	text := fmt.Sprintf("oxd: %s: no answer: %v", e.Command, e.Err)
	if e.Sent && errors.Is(e.Err, io.EOF) {
		text += " (oxd hangs up instead of sending an answer over 9,999 characters; ask for fewer or shorter claims)"
	}
	return text
}

// Unwrap returns Err.
func (e *TransportError) Unwrap() error { return e.Err }

// Is matches ErrUnavailable.
func (e *TransportError) Is(target error) bool { return target == ErrUnavailable }

// NeedInfo is what an authorization server answers instead of an RPT when it has
// to know more about the requesting party (UMA 2.0 Grant 3.3.6).
type NeedInfo struct {
	// Code is error of the details, always "need_info".
	Code string
	// Ticket takes the place of the one that was sent, which is used up.
	Ticket Secret
	// RedirectUser is where the browser can be sent to give the claims; "" if
	// the server did not offer that.
	RedirectUser   string
	RequiredClaims []RequiredClaim
}

// RequiredClaim is a claim that can be pushed with a claim token.
type RequiredClaim struct {
	Name, FriendlyName, ClaimType string
	Issuers, ClaimTokenFormats    []string
}
