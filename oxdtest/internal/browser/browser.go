// Package browser is a scripted browser: it navigates, keeps cookies, and fills in forms.
package browser

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"example.com/oxdauth/oxdtest/internal/pages"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// Browser is a client with a cookie jar that follows redirects and sends the headers of a person
// who navigates. A request that carries a Sec-Fetch-Mode header of its own is sent as it is.
type Browser struct {
	*http.Client
}

const (
	maxRedirects  = 20
	maxPage       = 1 << 20 // bytes
	timeout       = 30 * time.Second
	maxLoginPages = 6 // pages of one login
)

// New returns a browser without cookies that trusts the pool.
func New(pool *x509.CertPool) Browser {
	jar, _ := cookiejar.New(nil) // never fails, says its documentation
	return Browser{&http.Client{
		Transport: &transport{&http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}},
		Jar:       jar,
		Timeout:   timeout,
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("oxdtest: stopped after %d redirects", maxRedirects)
			}
			return nil
		},
	}}
}

// LogIn opens the URL and signs in on the pages of the test provider when it is sent there. It
// returns the page at the end of the redirects. A refused password is an error.
func (b Browser) LogIn(url, user, password string) (*http.Response, error) {
	page, err := b.Get(url)
	if err != nil {
		return nil, err
	}
	tried := map[pages.Step]bool{}
	for range maxLoginPages {
		form, err := pageForm(page)
		if err != nil {
			return nil, err
		}
		if form == nil || !form.has(pages.FieldTransaction) {
			return page, nil
		}
		step := pages.Step(form.value("step"))
		fields, ok := loginFields(step, user, password)
		if !ok {
			return page, nil // a page of the Provider that is not about signing in
		}
		if tried[step] {
			_ = page.Body.Close()
			return nil, fmt.Errorf("oxdtest: the provider refused the %s page for user %q", step, user)
		}
		tried[step] = true
		if page, err = b.Submit(page, fields); err != nil {
			return nil, err
		}
	}
	_ = page.Body.Close()
	return nil, errors.New("oxdtest: the login has more pages than expected")
}

func loginFields(step pages.Step, user, password string) (url.Values, bool) {
	switch step {
	case pages.StepLogin:
		return url.Values{"username": {user}, "password": {password}}, true
	case pages.StepOTP:
		return url.Values{"otp": {pages.OTPCode}}, true
	case pages.StepSelect:
		return url.Values{"decision": {"other"}}, true
	case pages.StepConsent:
		return url.Values{"decision": {"allow"}}, true
	}
	return nil, false
}

// Submit sends the first form of the page as if its first button had been pressed, with the given
// fields in place of those of the same name. The page can be submitted again.
func (b Browser) Submit(page *http.Response, fields url.Values) (*http.Response, error) {
	form, err := pageForm(page)
	if err != nil {
		return nil, err
	}
	if form == nil {
		return nil, fmt.Errorf("oxdtest: the page %s (%s) has no form", page.Request.URL.Redacted(), page.Status)
	}
	target, err := page.Request.URL.Parse(form.Action)
	if err != nil {
		return nil, fmt.Errorf("oxdtest: the form of %s has a bad action: %w", page.Request.URL.Redacted(), err)
	}
	values := form.Submission(fields)
	ctx := context.WithValue(context.Background(), initiatorKey{}, page.Request.URL)
	method, body := http.MethodGet, ""
	if form.Method == http.MethodPost {
		method, body = http.MethodPost, values.Encode()
	} else {
		target.RawQuery = values.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target.String(), strings.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("oxdtest: submit the form of %s: %w", page.Request.URL.Redacted(), err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return b.Do(req)
}

// pageForm returns the first form of a page, or nil, and leaves the
// body as it was.
func pageForm(page *http.Response) (*Form, error) {
	text, err := pageText(page)
	if err != nil {
		return nil, err
	}
	return FirstForm(text), nil
}

// pageText returns the text of a page, "" when it is none, and leaves the
// body as it was.
func pageText(page *http.Response) (string, error) {
	if kind, _, _ := mime.ParseMediaType(page.Header.Get("Content-Type")); kind != "text/html" {
		return "", nil
	}
	text, err := io.ReadAll(io.LimitReader(page.Body, maxPage+1))
	_ = page.Body.Close()
	if err != nil {
		return "", fmt.Errorf("oxdtest: read %s: %w", page.Request.URL.Redacted(), err)
	}
	if len(text) > maxPage {
		return "", fmt.Errorf("oxdtest: the page %s is bigger than %d bytes", page.Request.URL.Redacted(), maxPage)
	}
	page.Body = io.NopCloser(bytes.NewReader(text))
	return string(text), nil
}
