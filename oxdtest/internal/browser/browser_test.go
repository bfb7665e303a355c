// Navigation: headers, redirects, forms and cookies.

package browser_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"example.com/oxdauth/oxdtest/internal/browser"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// sites are two plain-http servers with the same handler, "localhost"
// and 127.0.0.1, which are different sites, and what they were sent.
type sites struct {
	name, number string // base URLs
	mu           sync.Mutex
	requests     []*http.Request
}

func newSites(t *testing.T) *sites {
	t.Helper()
	s := &sites{}
	server := httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(server.Close)
	s.number = server.URL
	s.name = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return s
}

func (s *sites) serve(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	s.mu.Lock()
	s.requests = append(s.requests, r)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html")
	switch r.URL.Path {
	case "/redirect":
		http.Redirect(w, r, r.URL.Query().Get("to"), http.StatusTemporaryRedirect)
	case "/loop":
		http.Redirect(w, r, "/loop", http.StatusFound)
	case "/form":
		_, _ = fmt.Fprintf(w, `<form method="%s" action="%s"><input name="a" value="1 &amp; 2"><button name="go" value="yes">Go</button></form>`,
			r.URL.Query().Get("method"), r.URL.Query().Get("action"))
	case "/big":
		_, _ = io.WriteString(w, "<form>"+strings.Repeat("x", 1<<20))
	case "/cookie":
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "yes", Path: "/"})
	case "/json":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"form":"<form>"}`)
	}
}

// last returns the newest request.
func (s *sites) last(t *testing.T) *http.Request {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NotEmpty(t, s.requests)
	return s.requests[len(s.requests)-1]
}

func closePage(t *testing.T, page *http.Response, err error) {
	t.Helper()
	require.NoError(t, err)
	require.NoError(t, page.Body.Close())
}

func TestBrowserNavigates(t *testing.T) {
	t.Parallel()
	s := newSites(t)
	b := browser.New(nil)
	page, err := b.Get(s.name + "/redirect?to=" + url.QueryEscape(s.number+"/end"))
	closePage(t, page, err)
	h := s.last(t).Header
	assert.Equal(t, "navigate", h.Get("Sec-Fetch-Mode"))
	assert.Equal(t, "document", h.Get("Sec-Fetch-Dest"))
	assert.Equal(t, "none", h.Get("Sec-Fetch-Site"), "the person typed the address")
	assert.Contains(t, h.Get("Accept"), "text/html")
	assert.Empty(t, h.Get("Referer"))
	assert.Empty(t, h.Get("Origin"))
}

func TestBrowserSaysWhereFormsComeFrom(t *testing.T) {
	t.Parallel()
	s := newSites(t)
	redirect := func(to string) string { return "/redirect?to=" + url.QueryEscape(to) }
	cases := []struct{ name, action, site, origin string }{
		{"to its own origin", "/end", "same-origin", s.name},
		{"to another site", s.number + "/end", "cross-site", s.name},
		{"redirected to another site", redirect(s.number + "/end"), "cross-site", s.name},
		{"redirected back by another site", s.number + redirect(s.name+"/end"), "cross-site", "null"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := browser.New(nil)
			page, err := b.Get(s.name + "/form?method=post&action=" + url.QueryEscape(c.action))
			require.NoError(t, err)
			page, err = b.Submit(page, nil)
			closePage(t, page, err)
			got := s.last(t)
			assert.Equal(t, "/end", got.URL.Path)
			assert.Equal(t, http.MethodPost, got.Method)
			assert.Equal(t, c.site, got.Header.Get("Sec-Fetch-Site"))
			assert.Equal(t, c.origin, got.Header.Get("Origin"))
			assert.Equal(t, "1 & 2", got.PostForm.Get("a"))
		})
	}
}

func TestBrowserPostsWithoutPageAsSameOrigin(t *testing.T) {
	t.Parallel()
	s := newSites(t)
	page, err := browser.New(nil).PostForm(s.name+"/end", url.Values{"a": {"1"}})
	closePage(t, page, err)
	assert.Equal(t, "same-origin", s.last(t).Header.Get("Sec-Fetch-Site"))
	assert.Equal(t, s.name, s.last(t).Header.Get("Origin"))
}

func TestBrowserLeavesScriptedRequestsAlone(t *testing.T) {
	t.Parallel()
	s := newSites(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.name+"/end", nil)
	require.NoError(t, err)
	req.Header.Set("Sec-Fetch-Mode", "cors")
	page, err := browser.New(nil).Do(req)
	closePage(t, page, err)
	h := s.last(t).Header
	assert.Equal(t, "cors", h.Get("Sec-Fetch-Mode"))
	assert.Empty(t, h.Get("Sec-Fetch-Dest"))
	assert.Empty(t, h.Get("Origin"))
}

func TestBrowserSubmits(t *testing.T) {
	t.Parallel()
	s := newSites(t)
	b := browser.New(nil)
	form, err := b.Get(s.name + "/form?method=get&action=/end?old=1")
	require.NoError(t, err)
	page, err := b.Submit(form, url.Values{"a": {"ö"}})
	closePage(t, page, err)
	assert.Equal(t, url.Values{"a": {"ö"}, "go": {"yes"}}, s.last(t).URL.Query(), "GET replaces the query of the action")

	page, err = b.Submit(form, url.Values{"go": {"no"}})
	closePage(t, page, err)
	assert.Equal(t, "no", s.last(t).URL.Query().Get("go"), "a page can be submitted again, with another button")
}

func TestBrowserKeepsCookiesByHost(t *testing.T) {
	t.Parallel()
	s := newSites(t)
	b := browser.New(nil)
	for _, base := range []string{s.name, s.number} {
		page, err := b.Get(base + "/end")
		closePage(t, page, err)
		assert.Empty(t, s.last(t).Cookies(), base)
		page, err = b.Get(base + "/cookie")
		closePage(t, page, err)
		page, err = b.Get(base + "/end")
		closePage(t, page, err)
		assert.Len(t, s.last(t).Cookies(), 1, base)
	}
}

func TestBrowserGivesUp(t *testing.T) {
	t.Parallel()
	s := newSites(t)
	b := browser.New(nil)
	_, err := b.Get(s.name + "/loop")
	require.ErrorContains(t, err, "20 redirects")
	s.mu.Lock()
	assert.Len(t, s.requests, 21)
	s.mu.Unlock()

	for path, want := range map[string]string{
		"/end":  "has no form",
		"/json": "has no form",
		"/big":  "bigger than",
		"/form?method=post&action=" + url.QueryEscape("http://%zz/"): "bad action",
	} {
		page, err := b.Get(s.name + path)
		require.NoError(t, err)
		_, err = b.Submit(page, nil)
		require.ErrorContains(t, err, want, path)
	}
}

func TestLogInReturnsPagesThatAskForNothing(t *testing.T) {
	t.Parallel()
	s := newSites(t)
	page, err := browser.New(nil).LogIn(s.name+"/form?method=post&action=/end", "alice", "alice-secret")
	require.NoError(t, err)
	body, err := io.ReadAll(page.Body)
	require.NoError(t, err)
	assert.Contains(t, string(body), "<form", "the body is still there to be read")
	assert.Equal(t, "/form", s.last(t).URL.Path, "the form of the application is not sent")
}
