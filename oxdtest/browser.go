// Browser: a person's visit to an application and the Provider.

package oxdtest

import (
	"net/http"
	"net/url"

	"example.com/oxdauth/oxdtest/internal/browser"
)

// Browser is a scripted browser: an [http.Client] with a cookie jar that
// follows redirects and sends the headers of a person who navigates. A request
// that carries a Sec-Fetch-Mode header of its own, as a script in a page would
// send, goes out as it is.
//
// It runs no scripts, and its jar ignores SameSite. A Browser is
// safe for concurrent use, like tabs of one window.
type Browser struct {
	*http.Client
}

// LogIn opens the URL and signs in on the pages of the [Provider] when it is
// sent there: user and password, the one-time code, and consent where asked
// for. It returns the page at the end of the redirects, which is the page of
// the URL itself when no login was asked for. The caller closes the body.
//
// A refused password is an error. To look at the page which says so, use Get
// and Submit.
func (b *Browser) LogIn(url, user, password string) (*http.Response, error) {
	return b.script().LogIn(url, user, password)
}

// Submit sends the first form of the page as if its first button had been
// pressed: with what its fields hold already, and with the given fields, which
// replace those of the same name. To press another button, give its name and
// value. The page can be submitted again. The caller closes the body of the
// answer.
func (b *Browser) Submit(page *http.Response, fields url.Values) (*http.Response, error) {
	return b.script().Submit(page, fields)
}

// LoadFrames loads the iframes of the page, as a browser does by itself, and
// returns their answers; it follows no redirects. A frame of another site gets
// no cookies and keeps none: they are SameSite=Lax unless a site says otherwise.
// The page can be used again. The caller closes the bodies.
func (b *Browser) LoadFrames(page *http.Response) (frames []*http.Response, err error) {
	return b.script().LoadFrames(page)
}

// script returns the browser with what it can do by itself.
func (b *Browser) script() browser.Browser { return browser.Browser{Client: b.Client} }
