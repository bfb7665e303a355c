package main

// The photos in a real browser: the exchange at the press of a button, and the question of the
// authorization server, on a desk and on a phone.

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPhotosInABrowser(t *testing.T) {
	browser := startBrowser(t)
	for _, tt := range []struct {
		name string
		run  func(t *testing.T, b *tab, s *site)
	}{
		{"a person watches the exchange", watchExchange},
		{"the right answer opens the restricted photos", answerTheQuestion},
		{"the wrong answer and none keep them closed", answerWrongly},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, width := range map[string]int64{"on a phone": 390, "on a desk": 1280} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					serve := plainSite
					if width == 390 {
						serve = secureSite
					}
					b := newTab(t, browser)
					b.do(chromedp.EmulateViewport(width, 844))
					tt.run(t, b, serve(t))
				})
			}
		})
	}
	t.Run("the pages look right", func(t *testing.T) {
		t.Parallel()
		photographPhotos(t, newTab(t, browser), plainSite(t))
	})
}

// badges returns what the steps of the exchange came to.
func badges(b *tab) []string {
	return get(b, chromedp.Evaluate[[]string](`[...document.querySelectorAll(".step .badge")].map(e => e.textContent)`))
}

func watchExchange(t *testing.T, b *tab, s *site) {
	b.open(s.origin + "/")
	b.logIn("bob", "bob-secret")
	b.press(`nav a[href="/photos"]`)
	assert.Equal(t, "Photos", b.text("nav a[aria-current]"))
	b.press("#try-view")
	assert.Equal(t, []string{"401 Unauthorized", "ok", "200 OK"}, badges(b))
	assert.Contains(t, b.text("#outcome"), "Access granted.")
	assert.Contains(t, b.whole(), `WWW-Authenticate: UMA realm="photos"`)
	b.press("#try-edit")
	assert.Equal(t, []string{"401 Unauthorized", "need_info", "internal_error"}, badges(b))
	assert.Contains(t, b.text("#outcome"), "no access")
	posts := s.posts()
	require.Len(t, posts, 2)
	assert.Equal(t, s.origin, posts[0].Header.Get("Origin"))
}

// toQuestion returns a tab that is signed in and shows the question of the authorization server.
func toQuestion(b *tab, s *site) {
	b.t.Helper()
	b.open(s.origin + "/photos")
	if strings.HasPrefix(b.url(), s.server.Provider.URL) {
		b.logIn("zoe", "Zoë")
	}
	b.press(`main a[href="/photos/restricted"]`)
	require.True(b.t, strings.HasPrefix(b.url(), s.server.Provider.URL+"/"), b.url())
}

func answerTheQuestion(t *testing.T, b *tab, s *site) {
	toQuestion(b, s)
	b.write("#claim-0", "DK")
	answer := b.press("button.primary")
	assert.EqualValues(t, http.StatusOK, answer.Status)
	assert.Equal(t, s.origin+"/photos/restricted", b.url())
	assert.Equal(t, "Restricted photos", b.text("h1"))
	assert.Equal(t, "granted", b.text("#outcome"))
	assert.Equal(t, "Photos", b.text("nav a[aria-current]"))
	assert.Empty(t, get(b, chromedp.Evaluate[string]("document.cookie")), "no cookie is readable by scripts")
	b.press(`main a[href="/photos"]`)
	b.press(`main a[href="/photos/restricted"]`)
	assert.Equal(t, "Restricted photos", b.text("h1"), "without another question")
}

func answerWrongly(t *testing.T, b *tab, s *site) {
	b.expect("403")
	toQuestion(b, s)
	b.write("#claim-0", "XX")
	answer := b.press("button.primary")
	assert.EqualValues(t, http.StatusForbidden, answer.Status)
	assert.Equal(t, "You do not have access", b.text("h1"))
	toQuestion(b, s)
	answer = b.press("button[value=cancel]")
	assert.EqualValues(t, http.StatusForbidden, answer.Status)
	assert.Equal(t, "You do not have access", b.text("h1"))
	assert.Equal(t, http.StatusOK, b.open(s.origin+"/session"), "the session goes on")
}

func photographPhotos(t *testing.T, b *tab, s *site) {
	b.expect("403")
	dir := os.Getenv("OXDAUTH_SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	b.open(s.origin + "/photos")
	b.logIn("alice", "alice-secret")
	photograph(t, b, dir, "photos", "Photos")
	b.press("#try-edit")
	assert.Equal(t, []string{"401 Unauthorized", "need_info", "ok", "200 OK"}, badges(b))
	photograph(t, b, dir, "photos-exchange", "Photos")
	toQuestion(b, s)
	photograph(t, b, dir, "question", "")
	b.press("button[value=cancel]")
	photograph(t, b, dir, "no-access", "")
	toQuestion(b, s)
	b.write("#claim-0", "NO")
	b.press("button.primary")
	photograph(t, b, dir, "restricted", "Restricted photos")
}
