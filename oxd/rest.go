package oxd

// RESTTransport: commands over the REST interface of oxd 4.

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"example.com/oxdauth/internal/oxdwire"
)

// RESTTransport speaks to oxd-server 4.0 to 4.5. It takes commands in the names
// of oxd 3.1 and answers in its shapes, so that a [Client] works as over the
// other transports. Fields must not be changed, nor the struct copied, after
// first use. It is safe for concurrent use.
//
// Certificates are always verified, and redirects never followed: the token in
// the header would go with them. The certificate that oxd ships with is one that
// no client should accept; give it another, or trust its CA through Client.
//
// Since 4.2 oxd hands out and changes sites without a token (get_rp with their
// secrets, update_site, remove_site): let nobody else reach its port.
type RESTTransport struct {
	// BaseURL is where oxd listens, such as https://oxd.example.org:8443.
	// Required; only https is accepted.
	BaseURL string
	// Client makes the requests; it is not changed. Default: one that verifies
	// against the roots of the system. A Client that skips verification is
	// refused, as far as it can be seen: not within other RoundTrippers.
	Client *http.Client
	// Timeout bounds each command, reading the answer included. Default 10 s.
	Timeout time.Duration
	// AuthorizationOxdID is the site whose client gets the protection tokens, if
	// it is not the site of the command. oxd may have a list of those it takes
	// (protect_commands_with_oxd_id).
	AuthorizationOxdID string

	web web
}

func (t *RESTTransport) settings() webSettings {
	return webSettings{"RESTTransport", t.BaseURL, t.Client, t.Timeout}
}

func (t *RESTTransport) check() error {
	if t == nil {
		return errors.New("oxd: no transport")
	}
	if strings.ContainsFunc(t.AuthorizationOxdID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("oxd: RESTTransport.AuthorizationOxdID is not an oxd_id")
	}
	return t.settings().check()
}

func (t *RESTTransport) offers(command string) error {
	if _, exposed := oxdwire.RESTRoute(oxdwire.RESTPath(command)); !exposed {
		return fmt.Errorf("oxd: %s: %w", command, errNotExposed)
	}
	return nil
}

// OxdVersion returns 4; see [Transport].
func (t *RESTTransport) OxdVersion() int { return 4 }

// RoundTrip sends one command and reads its answer.
func (t *RESTTransport) RoundTrip(ctx context.Context, req *Request) (*Response, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	if err := t.offers(req.Command); err != nil {
		return nil, err
	}
	body, err := restParams(req.Command, req.Params)
	if err != nil {
		return nil, err
	}
	header := commandHeader(req.Token)
	if !req.Token.IsZero() && t.AuthorizationOxdID != "" {
		header[oxdwire.HeaderAuthorizationOxdID] = []string{t.AuthorizationOxdID}
	}
	resp, err := t.web.roundTrip(ctx, t.settings(), webRequest{
		command: req.Command, method: http.MethodPost, path: oxdwire.RESTPath(req.Command),
		body: body, header: header, repeatable: req.Repeatable,
	}, readREST)
	var te *TransportError
	if errors.As(err, &te) && errors.Is(te.Err, io.EOF) {
		te.Err = io.ErrUnexpectedEOF // EOF itself is how 3.1 reports an answer that is too long
	}
	return resp, err
}

// readREST reads an answer without an envelope, of which the status tells
// whether it is a refusal. What the provider refused is relayed as {"code":...,
// "message":...} with its status, and gets the code that it has in 3.1.4.
func readREST(command string, status int, body []byte) (*Response, error) {
	var o object
	readable := json.Unmarshal(body, &o) == nil && o != nil
	refused := status >= 400 && status < 500
	switch {
	case status == http.StatusOK && readable && !isEnvelope(o):
		return &Response{Status: statusOK, Data: restAnswer(command, o, body), HTTPStatus: status}, nil
	case (refused || status == http.StatusInternalServerError) && o.exact("error") != "":
		return &Response{Status: statusError, Data: body, HTTPStatus: status}, nil
	case refused && readable:
		return httpRefusal(status, o.text("message"))
	case refused:
		return httpRefusal(status, string(body)) // what does not fit into the parameters is reported as plain text
	}
	return nil, &TransportError{Command: command, Sent: true, Err: restComplaint(status, readable)}
}

// isEnvelope recognises the extension of 3.1, whose refusals come with HTTP 200.
func isEnvelope(o object) bool {
	s := o.exact("status")
	return (s == statusOK || s == statusError) && o["data"] != nil
}

func restComplaint(status int, readable bool) error {
	switch {
	case status >= 300 && status < 400:
		return fmt.Errorf("redirect (HTTP %d) refused", status)
	case status != http.StatusOK:
		return fmt.Errorf("HTTP %d", status)
	case readable:
		return fmt.Errorf("%w: this is the extension of oxd 3.1, for which there is HTTPSTransport", errMalformed)
	}
	return fmt.Errorf("%w: HTTP 200 without a JSON object", errMalformed)
}

// Close waits for commands in progress and closes idle connections. Later
// commands return ErrClosed.
func (t *RESTTransport) Close() error {
	t.web.close(t.Client)
	return nil
}
