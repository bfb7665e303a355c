package oxd

// HTTPSTransport: commands over the oxd-https-extension.

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxBody bounds the answer. What oxd can send fits many times.
const maxBody = 1 << 20

// HTTPSTransport speaks to the oxd-https-extension. Fields must not be changed,
// nor the struct copied, after first use. It is safe for concurrent use.
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

	gate gate
	once sync.Once
	http *http.Client
}

// errNotExposed is a command that the extension does not have.
var errNotExposed = errors.New("not available over HTTPS")

// needsHeader tells for each path of the extension whether it demands a token.
var needsHeader = map[string]bool{
	"setup-client":                      false,
	"get-client-token":                  false,
	"get-access-token-by-refresh-token": false,
	"register-site":                     true,
	"update-site":                       true,
	"get-authorization-url":             true,
	"get-tokens-by-code":                true,
	"get-user-info":                     true,
	"get-logout-uri":                    true,
	"uma-rs-protect":                    true,
	"uma-rs-check-access":               true,
	"uma-rp-get-rpt":                    true,
	"uma-rp-get-claims-gathering-url":   true,
}

func (t *HTTPSTransport) check() error {
	if t == nil {
		return errors.New("oxd: no transport")
	}
	u, err := url.Parse(t.BaseURL)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "":
		return errors.New("oxd: HTTPSTransport.BaseURL must be an absolute https URL")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("oxd: HTTPSTransport.BaseURL must not have a user, a query or a fragment")
	case t.Timeout < 0:
		return errors.New("oxd: negative timeout in HTTPSTransport")
	case skipsVerification(t.Client):
		return errors.New("oxd: HTTPSTransport.Client has InsecureSkipVerify set; trust the CA of oxd in RootCAs instead")
	}
	return nil
}

func skipsVerification(client *http.Client) bool {
	rt := http.DefaultTransport
	if client != nil && client.Transport != nil {
		rt = client.Transport
	}
	ht, ok := rt.(*http.Transport)
	return ok && ht.TLSClientConfig != nil && ht.TLSClientConfig.InsecureSkipVerify
}

func (t *HTTPSTransport) init() {
	client := http.Client{}
	if t.Client != nil {
		client = *t.Client
	}
	if ht, ok := http.DefaultTransport.(*http.Transport); ok && client.Transport == nil {
		own := ht.Clone()
		own.MaxIdleConnsPerHost = 16
		client.Transport = own
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.http = &client
}

// RoundTrip sends one command and reads its answer.
func (t *HTTPSTransport) RoundTrip(ctx context.Context, req *Request) (*Response, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	path := pathOf(req.Command)
	demanded, exposed := needsHeader[path]
	if !exposed {
		return nil, fmt.Errorf("oxd: %s: %w", req.Command, errNotExposed)
	}
	if demanded && req.Token.IsZero() {
		return nil, fmt.Errorf("oxd: %s: needs a protection token over HTTPS; set Site.Protected", req.Command)
	}
	if _, err := envelope(req); err != nil { // what the extension is going to send
		return nil, err
	}
	if err := t.gate.enter(); err != nil {
		return nil, err
	}
	defer t.gate.leave()
	t.once.Do(t.init)
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(t.Timeout, defaultTimeout))
	defer cancel()
	return t.exchange(ctx, req, path)
}

// pathOf follows the rule of the extension and its one exception.
func pathOf(command string) string {
	if command == updateCommand {
		return "update-site"
	}
	return strings.ReplaceAll(command, "_", "-")
}

func (t *HTTPSTransport) exchange(ctx context.Context, req *Request, path string) (*Response, error) {
	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	hr, err := t.newRequest(httptrace.WithClientTrace(ctx, trace), req, path)
	if err != nil {
		return nil, err
	}
	hresp, err := t.http.Do(hr)
	if err != nil {
		return nil, &TransportError{Command: req.Command, Sent: sent.Load(), Err: contextual(ctx, withoutURL(err))}
	}
	defer hresp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(hresp.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("answer over 1 MiB")
	}
	if err != nil {
		return nil, &TransportError{Command: req.Command, Sent: true, Err: contextual(ctx, err)}
	}
	resp, err := interpret(req.Command, hresp.StatusCode, body)
	var te *TransportError
	if errors.As(err, &te) { // the end of ctx can look like the end of the body
		te.Err = contextual(ctx, te.Err)
	}
	return resp, err
}

func (t *HTTPSTransport) newRequest(ctx context.Context, req *Request, path string) (*http.Request, error) {
	target, err := url.JoinPath(t.BaseURL, path)
	if err != nil {
		return nil, fmt.Errorf("oxd: HTTPSTransport.BaseURL: %w", err)
	}
	hr, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(req.Params))
	if err != nil {
		return nil, fmt.Errorf("oxd: HTTPSTransport.BaseURL: %w", err)
	}
	hr.Header.Set("Content-Type", "application/json")
	hr.Header.Set("Accept", "application/json")
	if !req.Token.IsZero() {
		hr.Header.Set("Authorization", "Bearer "+req.Token.Reveal())
	}
	if req.Repeatable {
		hr.Header["Idempotency-Key"] = nil // net/http may repeat it then; nothing is sent
	}
	return hr, nil
}

// withoutURL drops what net/http puts around the cause.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
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
		data, err := json.Marshal(map[string]string{"error": fmt.Sprintf("http_status_%d", status)})
		return &Response{Status: statusError, Data: data, HTTPStatus: status}, err
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
	t.gate.close()
	t.once.Do(t.init)
	t.http.CloseIdleConnections()
	return nil
}
