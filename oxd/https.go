package oxd

// HTTPSTransport: commands over the oxd-https-extension.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"example.com/oxdauth/internal/oxdwire"
)

// HTTPSTransport speaks to the oxd-https-extension of oxd 3.1. Fields must not
// be changed, nor the struct copied, after first use. It is safe for concurrent
// use.
//
// Certificates are always verified, and redirects never followed: the token in
// the header would go with them. The extension ships with a certificate that no
// client should accept; give it another, or trust its CA through Client.
type HTTPSTransport struct {
	// BaseURL is where the extension listens, such as https://oxd.example.org:8443.
	// Required; only https is accepted.
	BaseURL string
	// Client makes the requests; it is not changed. Default: one that verifies
	// against the roots of the system. A Client that skips verification is
	// refused, as far as it can be seen: not within other RoundTrippers.
	Client *http.Client
	// Timeout bounds each command, reading the answer included. Default 10 s.
	Timeout time.Duration

	web web
}

// errNotExposed is a command that the server has no path for.
var errNotExposed = fmt.Errorf("not available over HTTPS: %w", ErrUnsupported)

func (t *HTTPSTransport) settings() webSettings {
	return webSettings{"HTTPSTransport", t.BaseURL, t.Client, t.Timeout}
}

func (t *HTTPSTransport) check() error {
	if t == nil {
		return errors.New("oxd: no transport")
	}
	return t.settings().check()
}

func (t *HTTPSTransport) offers(command string) error {
	if _, exposed := oxdwire.ExtensionRoute(oxdwire.ExtensionPath(command)); !exposed {
		return fmt.Errorf("oxd: %s: %w", command, errNotExposed)
	}
	return nil
}

// RoundTrip sends one command and reads its answer.
func (t *HTTPSTransport) RoundTrip(ctx context.Context, req *Request) (*Response, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if err := t.offers(req.Command); err != nil {
		return nil, err
	}
	path := oxdwire.ExtensionPath(req.Command)
	if route, _ := oxdwire.ExtensionRoute(path); route.Token && req.Token.IsZero() {
		return nil, fmt.Errorf("oxd: %s: needs a protection token over HTTPS; set Site.Protected", req.Command)
	}
	if _, err := newFrame(req); err != nil { // what the extension is going to send
		return nil, err
	}
	return t.web.roundTrip(ctx, t.settings(), webRequest{
		command: req.Command, method: http.MethodPost, path: path,
		body: req.Params, header: commandHeader(req.Token), repeatable: req.Repeatable,
	}, interpret)
}

// interpret looks for the envelope before the status: refusals of oxd come with
// 200, and what the extension itself has to say comes in several shapes.
func interpret(command string, status int, body []byte) (*Response, error) {
	resp, err := decodeEnvelope(body)
	if err == nil && (resp.Status == statusError || status == http.StatusOK) {
		resp.HTTPStatus = status
		return resp, nil
	}
	if status >= 400 && status < 500 {
		return httpRefusal(status, "")
	}
	return nil, &TransportError{Command: command, Sent: true, Err: complaint(status, body)}
}

// complaint puts a name to what is no envelope.
func complaint(status int, body []byte) error {
	switch {
	case status >= 300 && status < 400:
		return fmt.Errorf("redirect (HTTP %d) refused", status)
	case status == http.StatusInternalServerError:
		return errors.New("HTTP 500: the extension could not reach oxd, or did not accept the token header or the parameters")
	case status != http.StatusOK:
		return fmt.Errorf("HTTP %d", status)
	case bytes.HasPrefix(body, []byte("Command response is null")):
		return fmt.Errorf("the extension got no answer: %w", io.EOF)
	}
	return fmt.Errorf("%w: HTTP 200 without an envelope", errMalformed)
}

// Close waits for commands in progress and closes idle connections. Later
// commands return ErrClosed.
func (t *HTTPSTransport) Close() error {
	t.web.close(t.Client)
	return nil
}
