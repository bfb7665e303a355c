package main

// The pages in a real browser: what is on them, that they fit a phone, that everything has a name
// for those who cannot see it, and a picture of each for people to look at.

import (
	"bytes"
	"fmt"
	"image/png"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxdtest"
)

func TestPagesInABrowser(t *testing.T) {
	browser := startBrowser(t)
	t.Run("refreshing now brings new tokens", func(t *testing.T) {
		t.Parallel()
		refreshNow(t, newTab(t, browser), plainSite(t))
	})
	t.Run("an administrator changes a role", func(t *testing.T) {
		t.Parallel()
		changeRoleInBrowser(t, newTab(t, browser), secureSite(t))
	})
	t.Run("a search is a link", func(t *testing.T) {
		t.Parallel()
		searchInBrowser(t, newTab(t, browser), plainSite(t))
	})
	t.Run("the keyboard alone is enough", func(t *testing.T) {
		t.Parallel()
		keyboardOnly(t, newTab(t, browser), plainSite(t))
	})
	t.Run("the pages of the package look right without any of this application", func(t *testing.T) {
		t.Parallel()
		builtInPages(t, newTab(t, browser), newTab(t, browser))
	})
	t.Run("every page looks right on a desk and on a phone, by day and by night", func(t *testing.T) {
		t.Parallel()
		pictures(t, newTab(t, browser), plainSite(t))
	})
}

func refreshNow(t *testing.T, b *tab, s *site) {
	b.open(s.origin + "/session")
	b.logIn("alice", "alice-secret")
	subject := b.text("#subject")
	b.press("#refresh")
	assert.Equal(t, "The tokens have been refreshed.", b.text(".flash"))
	assert.Equal(t, 1, s.server.Provider.Refreshes())
	b.press("#refresh")
	assert.Equal(t, 2, s.server.Provider.Refreshes(), "the successor of the refresh token has been kept")
	assert.Equal(t, subject, b.text("#subject"))
	assert.Zero(t, s.server.Provider.ReuseDetected())
	assert.Regexp(t, `in 5 minutes`, b.text("#access-expires"))
}

func changeRoleInBrowser(t *testing.T, b *tab, s *site) {
	b.open(s.origin + "/users?q=hamburg")
	b.logIn("alice", "alice-secret")
	row := "#" + s.app.store.search("Jürgen", "")[0].ID
	b.do(chromedp.SetValue(chromedp.CSS(row+" select"), string(roleAuditor)))
	b.press(row + " button")
	assert.Equal(t, "The role has been saved.", b.text(".flash"))
	assert.Equal(t, string(roleAuditor), get(b, chromedp.Value(chromedp.CSS(row+" select"))))
	assert.Contains(t, b.url(), "q=hamburg", "the search is kept")
	posts := s.posts()
	require.Len(t, posts, 1)
	assert.Equal(t, s.origin, posts[0].Header.Get("Origin"))
	b.press(`a[href="/audit"]`)
	assert.Contains(t, b.text("tbody tr:first-child"), "Jürgen Groß: Editor → Auditor")
}

func searchInBrowser(t *testing.T, b *tab, s *site) {
	b.open(s.origin + "/users")
	b.logIn("bob", "bob-secret")
	b.write("input[name=q]", "Ångström")
	b.press(".toolbar button")
	assert.Equal(t, "1 of 19 people · Show everyone", b.text(".count"))
	assert.Contains(t, b.text("tbody"), "Alice Ångström")
	assert.NotContains(t, get(b, chromedp.OuterHTML(chromedp.CSS("main"))), "/role", "bob changes no roles")
	b.write("input[name=q]", `"><img src=x onerror=alert(1)>`)
	b.press(".toolbar button")
	assert.Contains(t, b.whole(), `Nobody matches “"><img src=x onerror=alert(1)>”`)
	b.press(".empty a")
	assert.Equal(t, "19 of 19 people", b.text(".count"))
}

func keyboardOnly(t *testing.T, b *tab, s *site) {
	b.open(s.origin + "/users")
	b.do(chromedp.Focus(chromedp.CSS("#username")), chromedp.KeyEvent("alice"), chromedp.KeyEvent("\t"), chromedp.KeyEvent("alice-secret"))
	b.follow(chromedp.KeyEvent("\r"))
	assert.Equal(t, s.origin+"/users", b.url())

	b.do(chromedp.KeyEvent("\t"))
	skip := get(b, chromedp.Evaluate[string](`document.activeElement.className + " " + (document.activeElement.getBoundingClientRect().top >= 0)`))
	assert.Equal(t, "skip-link true", skip, "the first stop is a visible link to the content")
	b.do(chromedp.KeyEvent("\r"))
	assert.Equal(t, "main", get(b, chromedp.Evaluate[string](`document.activeElement.id`)))
	b.do(chromedp.KeyEvent("\t"))
	outline := get(b, chromedp.Evaluate[string](`document.activeElement.name + " " + getComputedStyle(document.activeElement).outlineStyle`))
	assert.Equal(t, "q solid", outline, "focus can be seen")
}

// unnamed lists the controls without a name for screen readers, and images without a text.
const unnamed = `[...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a, svg[role=img]")].filter(e =>
	!(e.labels && [...e.labels].some(l => l.textContent.trim())) && !(e.getAttribute("aria-label") || "").trim() && !e.textContent.trim()
).map(e => e.outerHTML.slice(0, 100))`

// tooSmall lists what a finger cannot hit.
const tooSmall = `[...document.querySelectorAll("nav a, button, select, input:not([type=hidden])")].filter(e => {
	const r = e.getBoundingClientRect(); return r.width > 1 && (r.width < 24 || r.height < 24)
}).map(e => e.outerHTML.slice(0, 100))`

func pictures(t *testing.T, b *tab, s *site) {
	b.expect("404")
	dir := os.Getenv("OXDAUTH_SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))

	b.open(s.origin + "/settings")
	photograph(t, b, dir, "sign-in", "")
	b.logIn("alice", "alice-secret")
	photograph(t, b, dir, "second-factor", "")
	b.write("#otp", secondFactor)
	b.press("button.primary")
	require.Equal(t, s.origin+"/settings", b.url())
	b.write("#notice", "Maintenance on Saturday, 06:00–08:00 UTC: nobody can sign in meanwhile.")
	b.press(".form-foot button")
	b.open(s.origin + "/users")
	b.do(chromedp.SetValue(chromedp.CSS("#p103 select"), string(roleEditor)))
	b.press("#p103 button")
	b.open(s.origin + "/session")
	b.press("#refresh")

	for _, page := range []struct{ name, path, heading string }{
		{"dashboard", "/", "Welcome, Alice Ångström"},
		{"people", "/users", "People"},
		{"people-none", "/users?q=nobody", "People"},
		{"audit", "/audit", "Audit log"},
		{"session", "/session?done=refreshed", "My session"},
		{"settings", "/settings", "Settings"},
		{"not-found", "/nothing", "There is no such page"},
	} {
		status := b.open(s.origin + page.path)
		if page.name == "not-found" {
			assert.Equal(t, http.StatusNotFound, status)
		} else {
			assert.Equal(t, http.StatusOK, status)
		}
		photograph(t, b, dir, page.name, page.heading)
	}
}

// builtInPages shows what an application gets that replaces none of them.
func builtInPages(t *testing.T, b, newcomer *tab) {
	server := oxdtest.NewUnstartedServer(oxdtest.Config{InsecureProvider: true})
	server.Start()
	t.Cleanup(server.Close)
	listener, err := net.Listen("tcp", "localhost:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(listener.Addr().String())
	require.NoError(t, err)
	origin := "http://localhost:" + port
	auth, err := oxdauth.New(server.Client(origin+"/auth/callback"), oxdauth.WithInsecureCookies(),
		oxdauth.WithFormPreservation(), oxdauth.WithLogger(slog.New(slog.DiscardHandler)))
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("/", auth.Handler(http.NotFoundHandler()))
	mux.HandleFunc("GET /form", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!DOCTYPE html><title>Form</title><form method="post" action="/notes"><input name="note" value="a&quot;&lt;b"><button>Send</button></form>`)
	})
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(listener) }()
	t.Cleanup(func() { _ = srv.Close() })
	dir := os.Getenv("OXDAUTH_SCREENSHOTS")
	if dir == "" {
		dir = t.TempDir()
	}
	b.open(origin + "/form")
	b.press("button")
	b.logIn("alice", "alice-secret")
	photograph(t, b, dir, "builtin-form", "Send your form?")
	b.open(origin + "/auth/logout")
	photograph(t, b, dir, "builtin-sign-out", "Sign out?")
	server.Stop()
	newcomer.expect("503")
	b.expect("favicon.ico") // a browser asks for one, and gets what everything without a session gets
	newcomer.expect("favicon.ico")
	assert.Equal(t, http.StatusServiceUnavailable, newcomer.open(origin+"/"))
	photograph(t, newcomer, dir, "builtin-unavailable", "Signing in is not possible right now")
}

// photograph takes six pictures of the page the tab shows and checks what can be measured. An empty
// heading is a page of the provider, whose design is not ours.
func photograph(t *testing.T, b *tab, dir, name, heading string) {
	t.Helper()
	for _, width := range []struct {
		name string
		w, h int64
	}{{"desktop", 1280, 900}, {"phone", 390, 844}, {"small-phone", 320, 640}} {
		for _, scheme := range []string{"light", "dark"} {
			b.do(chromedp.EmulateViewport(width.w, width.h))
			_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{
					{Name: "prefers-color-scheme", Value: scheme},
					{Name: "prefers-reduced-motion", Value: "reduce"}, // no picture of a change half done
				},
			})
			require.NoError(t, err)
			what := fmt.Sprintf("%s-%s-%s", name, width.name, scheme)
			scroll := get(b, chromedp.Evaluate[int64]("document.documentElement.scrollWidth"))
			assert.LessOrEqual(t, scroll, width.w, "%s scrolls sideways", what)
			if heading != "" {
				assert.Equal(t, heading, b.text("h1"), what)
				assert.Equal(t, 1, get(b, chromedp.Evaluate[int](`document.querySelectorAll("h1").length`)), what)
				assert.Empty(t, get(b, chromedp.Evaluate[[]string](unnamed)), what)
				assert.Empty(t, get(b, chromedp.Evaluate[[]string](tooSmall)), what)
				ground := get(b, chromedp.Evaluate[string](`["documentElement", "body"].map(e => getComputedStyle(document[e]).backgroundColor).find(c => c != "rgba(0, 0, 0, 0)")`))
				assert.Contains(t, map[string][]string{
					"light": {"rgb(244, 246, 248)", "rgb(243, 245, 248)"}, "dark": {"rgb(14, 19, 25)", "rgb(18, 22, 28)"}, // of this application, of the package
				}[scheme], ground, what)
			}
			picture := get(b, chromedp.CaptureScreenshot())
			config, err := png.DecodeConfig(bytes.NewReader(picture))
			require.NoError(t, err)
			assert.EqualValues(t, width.w, config.Width, what)
			require.NoError(t, os.WriteFile(filepath.Join(dir, what+".png"), picture, 0o644))
		}
	}
	b.do(chromedp.EmulateViewport(1280, 900))
}
