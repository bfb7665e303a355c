// Commands and answers: the envelope of the socket, and answers of oxd 4, which have none.

package oxdwire

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Values of the member "status" of an answer.
const (
	StatusOK    = "ok"
	StatusError = "error"
)

// InternalError is the generic refusal, after which oxd 3.1.1 closes the connection.
const InternalError = `{"status":"error","data":{"error":"internal_error","details":null,` +
	`"error_description":"Unknown internal server error occurs."}}`

// ParseCommand reads the body of a frame, {"command":...,"params":...}. Other members are refused;
// what follows the object is ignored. The name is in lower case, and empty when it is missing or no
// text.
func ParseCommand(body string) (command string, params *Params, ok bool) {
	top, ok := DecodeObject(body)
	if !ok {
		return "", nil, false
	}
	var raw json.RawMessage
	for key, value := range top {
		switch key {
		case "command":
			_ = json.Unmarshal(value, &command) // anything but text is an unknown command
		case "params":
			raw = value
		default:
			return "", nil, false
		}
	}
	return strings.ToLower(command), newParams(raw), true
}

// Answer returns the answer to a command that succeeded.
func Answer(data any) string {
	return Marshal(struct {
		Status string `json:"status"`
		Data   any    `json:"data"`
	}{StatusOK, data})
}

// Error is the refusal of a command.
type Error struct {
	Code, Description string
	Details           any // nil in nearly all refusals
}

// Errorf returns an Error. The description is a format when there are arguments.
func Errorf(code, description string, args ...any) error {
	if len(args) > 0 {
		description = fmt.Sprintf(description, args...)
	}
	return &Error{Code: code, Description: description}
}

// Error returns code and description.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Answer returns the refusal in its envelope.
func (e *Error) Answer() string {
	return Marshal(struct {
		Status string `json:"status"`
		Data   any    `json:"data"`
	}{StatusError, struct {
		Error       string `json:"error"`
		Details     any    `json:"details"`
		Description string `json:"error_description"`
	}{e.Code, e.Details, e.Description}})
}

// RESTAnswer returns status and body of the refusal by oxd 4. A need_info consists of its details
// alone.
func (e *Error) RESTAnswer() (status int, body string) {
	if e.Code == CodeNeedInfo && e.Details != nil {
		body = Marshal(e.Details)
		return needInfoStatus(body), body
	}
	return restStatus(e.Code), Marshal(struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		Details     any    `json:"details"`
		Reason      any    `json:"reason"`
	}{e.Code, e.Description, e.Details, nil})
}
