package oxd

// The seam between commands and the way they travel, and what both ways share:
// the envelope, its limit, and closing without cutting anybody off.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"example.com/oxdauth/internal/oxdwire"
)

// Transport carries one command to oxd and its answer back.
//
// RoundTrip returns a Response whenever oxd gave one, also a refusal. Its errors
// are a *TransportError when no usable answer was had, ErrTooLarge and ErrClosed;
// others mean that the transport is not set up for the command. It must be safe
// for concurrent use, must not keep or change req, and may only send a command
// twice under the rule of Request.Repeatable. A Transport that is an io.Closer
// is closed by Client.Close.
//
// A Transport to oxd 4 says so with a method OxdVersion() int that returns 4.
// Without it the Client takes oxd for 3.1, and refuses what only oxd 4 can do.
type Transport interface {
	RoundTrip(ctx context.Context, req *Request) (*Response, error)
}

// Request is one command.
type Request struct {
	// Command is the name in the spelling of the socket, such as
	// "get_authorization_url".
	Command string
	// Params is a JSON object, without the protection token.
	Params json.RawMessage
	// Token is the protection access token; the zero Secret if there is none.
	Token Secret
	// Repeatable allows to send the command again over a fresh connection, once,
	// if a connection that had been used before died without a byte of an answer.
	Repeatable bool
}

// Response is an answer, with or without an envelope on its way.
type Response struct {
	// Status is "ok" or "error".
	Status string
	Data   json.RawMessage
	// HTTPStatus is 0 over TCP.
	HTTPStatus int
}

const (
	statusOK    = oxdwire.StatusOK
	statusError = oxdwire.StatusError

	defaultTimeout = 10 * time.Second
)

// encode returns v as JSON in pure ASCII, where bytes, characters and UTF-16
// code units are the same number.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // six characters for a "&" would eat up the frame
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("oxd: encoding parameters: %w", err)
	}
	return escapeASCII(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

func escapeASCII(text []byte) []byte {
	if oxdwire.Units(text) == len(text) {
		return text
	}
	var out []byte
	for _, r := range string(text) {
		switch {
		case r < utf8.RuneSelf:
			out = append(out, byte(r))
		case r > 0xFFFF:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xD800+r>>10, 0xDC00+r&0x3FF)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
	}
	return out
}

var errNotObject = errors.New("oxd: parameters are not a JSON object")

// withField adds a field to the text of a JSON object.
func withField(params []byte, name, value string) ([]byte, error) {
	inner := bytes.TrimSpace(params)
	if len(inner) < 2 || inner[0] != '{' || inner[len(inner)-1] != '}' {
		return nil, errNotObject
	}
	inner = bytes.TrimSpace(inner[1 : len(inner)-1])
	out := make([]byte, 0, len(params)+len(name)+len(value)+8)
	out = append(appendText(append(out, '{'), name), ':')
	out = appendText(out, value)
	if len(inner) > 0 {
		out = append(append(out, ','), inner...)
	}
	return append(out, '}'), nil
}

// appendText appends s as a JSON string in ASCII.
func appendText(out []byte, s string) []byte {
	if !strings.ContainsFunc(s, needsEscape) {
		return append(append(append(out, '"'), s...), '"')
	}
	text, _ := json.Marshal(s) // a string always can be
	return append(out, escapeASCII(text)...)
}

func needsEscape(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r > '~' }

// decodeEnvelope reads {"status":...,"data":...}.
func decodeEnvelope(msg []byte) (*Response, error) {
	resp := &Response{}
	err := fewFields(msg, func(name, value []byte) {
		switch string(name) {
		case "status":
			resp.Status = unquote(value)
		case "data":
			resp.Data = value
		}
	})
	if err != nil {
		return nil, errors.New("the answer is not a JSON object")
	}
	if resp.Status != statusOK && resp.Status != statusError {
		return nil, errors.New("the answer has no status")
	}
	return resp, nil
}

// gate counts what is in progress and lets nothing in after it was closed.
type gate struct {
	mu      sync.Mutex
	n       int           // guarded by mu
	drained chan struct{} // guarded by mu; not nil once closed
}

func (g *gate) enter() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.drained != nil {
		return ErrClosed
	}
	g.n++
	return nil
}

// stay lets a caller who is inside leave something running.
func (g *gate) stay() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n++
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.n--; g.n == 0 && g.drained != nil {
		close(g.drained)
	}
}

// close shuts the gate and waits until the last has left. It may be called any
// number of times.
func (g *gate) close() {
	g.mu.Lock()
	if g.drained == nil {
		g.drained = make(chan struct{})
		if g.n == 0 {
			close(g.drained)
		}
	}
	drained := g.drained
	g.mu.Unlock()
	<-drained
}
