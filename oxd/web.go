package oxd

// What both transports over HTTPS have in common: TLS without exceptions, no
// redirects, bounded answers, and knowing whether a command went out.

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// maxBody bounds the answer. What oxd can send fits many times.
const maxBody = 1 << 20

// webSettings are the fields that such transports have in common.
type webSettings struct {
	name    string // of the transport
	baseURL string
	client  *http.Client
	timeout time.Duration
}

func (s webSettings) check() error {
	u, err := url.Parse(s.baseURL)
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("oxd: %s.BaseURL must be an absolute https URL", s.name)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fmt.Errorf("oxd: %s.BaseURL must not have a user, a query or a fragment", s.name)
	case s.timeout < 0:
		return fmt.Errorf("oxd: negative timeout in %s", s.name)
	case skipsVerification(s.client):
		return fmt.Errorf("oxd: %s.Client has InsecureSkipVerify set; trust the CA of oxd in RootCAs instead", s.name)
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

// web makes the requests of a transport.
type web struct {
	gate gate
	once sync.Once
	http *http.Client
	// fresh takes a new connection for each request, if it can. One that was kept
	// may be closed by the other side just when it is used again, and then nobody
	// knows whether the command was run: those that must not be repeated would be
	// lost with it.
	fresh *http.Client
}

func (w *web) init(configured *http.Client) {
	client := http.Client{}
	if configured != nil {
		client = *configured
	}
	if ht, ok := http.DefaultTransport.(*http.Transport); ok && client.Transport == nil {
		own := ht.Clone()
		own.MaxIdleConnsPerHost = 16
		client.Transport = own
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	fresh := client
	if ht, ok := client.Transport.(*http.Transport); ok {
		own := ht.Clone()
		own.DisableKeepAlives = true
		fresh.Transport = own
	}
	w.http, w.fresh = &client, &fresh
}

// webRequest is a command in the shape of a dialect.
type webRequest struct {
	command      string // for errors
	method, path string
	body         []byte
	header       http.Header
	repeatable   bool
}

// reader makes of an answer what Transport.RoundTrip returns.
type reader func(command string, status int, body []byte) (*Response, error)

func (w *web) roundTrip(ctx context.Context, s webSettings, wr webRequest, read reader) (*Response, error) {
	if err := w.gate.enter(); err != nil {
		return nil, err
	}
	defer w.gate.leave()
	w.once.Do(func() { w.init(s.client) })
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(s.timeout, defaultTimeout))
	defer cancel()

	var sent atomic.Bool
	trace := &httptrace.ClientTrace{WroteHeaders: func() { sent.Store(true) }}
	hr, err := wr.build(httptrace.WithClientTrace(ctx, trace), s)
	if err != nil {
		return nil, err
	}
	client := w.fresh
	if wr.repeatable {
		client = w.http
	}
	hresp, err := client.Do(hr)
	if err != nil {
		return nil, &TransportError{Command: wr.command, Sent: sent.Load(), Err: contextual(ctx, withoutURL(err))}
	}
	defer hresp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(hresp.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errors.New("answer over 1 MiB")
	}
	if err != nil {
		return nil, &TransportError{Command: wr.command, Sent: true, Err: contextual(ctx, err)}
	}
	resp, err := read(wr.command, hresp.StatusCode, body)
	var te *TransportError
	if errors.As(err, &te) { // the end of ctx can look like the end of the body
		te.Err = contextual(ctx, te.Err)
	}
	return resp, err
}

func (wr webRequest) build(ctx context.Context, s webSettings) (*http.Request, error) {
	target, err := url.JoinPath(s.baseURL, wr.path)
	if err != nil {
		return nil, fmt.Errorf("oxd: %s.BaseURL: %w", s.name, err)
	}
	hr, err := http.NewRequestWithContext(ctx, wr.method, target, bytes.NewReader(wr.body))
	if err != nil {
		return nil, fmt.Errorf("oxd: %s.BaseURL: %w", s.name, err)
	}
	if wr.header != nil {
		hr.Header = wr.header
	}
	hr.Header.Set("Accept", "application/json")
	if wr.repeatable {
		hr.Header["Idempotency-Key"] = nil // net/http may repeat it then; nothing is sent
	}
	return hr, nil
}

// commandHeader is what goes with every command.
func commandHeader(token Secret) http.Header {
	h := http.Header{"Content-Type": {"application/json"}}
	if !token.IsZero() {
		h.Set("Authorization", "Bearer "+token.Reveal())
	}
	return h
}

// withoutURL drops what net/http puts around the cause.
func withoutURL(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// httpRefusal is a refusal that has no code but a status. The code is the one
// that oxd 3.1.4 has for an answer of the provider.
func httpRefusal(status int, description string) (*Response, error) {
	refusal := map[string]string{"error": fmt.Sprintf("http_status_%d", status)}
	if description != "" {
		refusal["error_description"] = description
	}
	data, err := encode(refusal)
	return &Response{Status: statusError, Data: data, HTTPStatus: status}, err
}

// close waits for commands in progress and closes idle connections.
func (w *web) close(configured *http.Client) {
	w.gate.close()
	w.once.Do(func() { w.init(configured) })
	w.http.CloseIdleConnections()
}
