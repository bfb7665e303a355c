package oxdtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// Browser is a scripted browser: an [http.Client] with a cookie jar that
// follows redirects and sends the headers of a person who navigates. A request
// that carries a Sec-Fetch-Mode header of its own, as a script in a page would
// send, goes out as it is.
//
// It does not run scripts, and its jar does not know SameSite. A Browser is
// safe for concurrent use, like tabs of one window.
type Browser struct {
	*http.Client
}

const (
	browserMaxRedirects = 20
	browserMaxPage      = 1 << 20 // bytes
	browserTimeout      = 30 * time.Second
	browserMaxLogin     = 6 // pages of one login
)

// newBrowser returns a browser with no cookies that trusts the pool.
func newBrowser(pool *x509.CertPool) *Browser {
	jar, _ := cookiejar.New(nil) // never fails, says its documentation
	return &Browser{&http.Client{
		Transport: &browserTransport{&http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}},
		Jar:       jar,
		Timeout:   browserTimeout,
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > browserMaxRedirects {
				return fmt.Errorf("oxdtest: stopped after %d redirects", browserMaxRedirects)
			}
			return nil
		},
	}}
}

// LogIn opens the URL and signs in on the pages of the [Provider] when it is
// sent there: user and password, the one-time code, and consent where asked
// for. It returns the page at the end of the redirects, which is the page of
// the URL itself when nobody asked for a login. The caller closes the body.
//
// A refused password is an error. To look at the page which says so, use Get
// and Submit.
func (b *Browser) LogIn(url, user, password string) (*http.Response, error) {
	page, err := b.Get(url)
	if err != nil {
		return nil, err
	}
	tried := map[opStep]bool{}
	for range browserMaxLogin {
		form, err := browserPageForm(page)
		if err != nil {
			return nil, err
		}
		if form == nil || !form.has(opFieldTransaction) {
			return page, nil
		}
		step := opStep(form.value("step"))
		fields, ok := browserLoginFields(step, user, password)
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

func browserLoginFields(step opStep, user, password string) (url.Values, bool) {
	switch step {
	case opStepLogin:
		return url.Values{"username": {user}, "password": {password}}, true
	case opStepOTP:
		return url.Values{"otp": {opOTPCode}}, true
	case opStepSelect:
		return url.Values{"decision": {"other"}}, true
	case opStepConsent:
		return url.Values{"decision": {"allow"}}, true
	}
	return nil, false
}

// Submit sends the first form of the page as if its first button had been
// pressed: with what its fields hold already, and with the given fields, which
// replace those of the same name. To press another button, give its name and
// value. The page can be submitted again. The caller closes the body of the
// answer.
func (b *Browser) Submit(page *http.Response, fields url.Values) (*http.Response, error) {
	form, err := browserPageForm(page)
	if err != nil {
		return nil, err
	}
	if form == nil {
		return nil, fmt.Errorf("oxdtest: the page %s (%s) has no form", page.Request.URL.Redacted(), page.Status)
	}
	target, err := page.Request.URL.Parse(form.action)
	if err != nil {
		return nil, fmt.Errorf("oxdtest: the form of %s has a bad action: %w", page.Request.URL.Redacted(), err)
	}
	values := form.submission(fields)
	ctx := context.WithValue(context.Background(), browserInitiatorKey{}, page.Request.URL)
	method, body := http.MethodGet, ""
	if form.method == http.MethodPost {
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

// browserPageForm returns the first form of a page, or nil, and leaves the
// body as it was.
func browserPageForm(page *http.Response) (*browserForm, error) {
	text, err := browserPageText(page)
	if err != nil {
		return nil, err
	}
	return browserFirstForm(text), nil
}

// browserPageText returns the text of a page, "" when it is none, and leaves the
// body as it was.
func browserPageText(page *http.Response) (string, error) {
	if kind, _, _ := mime.ParseMediaType(page.Header.Get("Content-Type")); kind != "text/html" {
		return "", nil
	}
	text, err := io.ReadAll(io.LimitReader(page.Body, browserMaxPage+1))
	_ = page.Body.Close()
	if err != nil {
		return "", fmt.Errorf("oxdtest: read %s: %w", page.Request.URL.Redacted(), err)
	}
	if len(text) > browserMaxPage {
		return "", fmt.Errorf("oxdtest: the page %s is bigger than %d bytes", page.Request.URL.Redacted(), browserMaxPage)
	}
	page.Body = io.NopCloser(bytes.NewReader(text))
	return string(text), nil
}
