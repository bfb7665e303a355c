package main

// What the browser tests stand on: finding and starting a browser, and tabs that fail the test when
// the page complains. The tests themselves are in browser_login_test.go and browser_pages_test.go.

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is how long one step in the browser may take. It is a limit, nothing waits that long
// when all is well.
const patience = 30 * time.Second

// findBrowser returns the browser to use: $OXDAUTH_BROWSER, or the first one on PATH. Without any,
// the test is skipped, unless OXDAUTH_BROWSER_TESTS=require says that there has to be one.
func findBrowser(t *testing.T) string {
	t.Helper()
	candidates := []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"}
	if chosen := os.Getenv("OXDAUTH_BROWSER"); chosen != "" {
		candidates = []string{chosen}
	}
	for _, name := range candidates {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("OXDAUTH_BROWSER_TESTS") == "require" {
		t.Fatalf("no browser: none of %v is there", candidates)
	}
	t.Skipf("no browser: none of %v is there; name one with OXDAUTH_BROWSER", candidates)
	return ""
}

// startBrowser starts one headless browser for the test and its subtests. Each tab of it can have a
// profile of its own.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	path := findBrowser(t)
	profile, err := os.MkdirTemp("", "oxdauth-browser-")
	require.NoError(t, err)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		// The authority of the test server is made by the test; no browser knows it.
		chromedp.IgnoreCertErrors,
	)...)
	ctx, cancel := chromedp.NewContext(allocator)
	t.Cleanup(func() {
		closing, done := context.WithTimeout(ctx, patience)
		defer done()
		_ = chromedp.Cancel(closing) // graceful; what is left of it goes with the allocator
		cancel()
		stop()
		_ = os.RemoveAll(profile) // the browser's last child may still write; what stays is in the temporary directory
	})
	// The first call starts the browser and binds its life to the context of the call, so this one
	// has no deadline.
	require.NoError(t, chromedp.Do(ctx))
	return ctx
}

// tab is one tab. What its pages write to the console as an error, exceptions, and violations of
// the content security policy fail the test at its end.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string
	expected []string // parts of problems that are meant to happen
}

// newTab opens a tab with a profile of its own: no cookies, nobody signed in.
func newTab(t *testing.T, browser context.Context) *tab {
	t.Helper()
	return openTab(t, browser, chromedp.WithNewBrowserContext())
}

// sibling opens another tab of the same profile.
func (b *tab) sibling() *tab {
	b.t.Helper()
	return openTab(b.t, b.ctx)
}

func openTab(t *testing.T, parent context.Context, opts ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, opts...)
	b := &tab{t: t, ctx: ctx}
	t.Cleanup(func() {
		cancel()
		for _, problem := range b.unexpected() {
			t.Errorf("the page complained: %s", problem)
		}
	})
	require.NoError(t, chromedp.Do(ctx))
	require.NoError(t, chromedp.Listen(ctx, b.notice))
	return b
}

func (b *tab) notice(ev any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch ev := ev.(type) {
	case *cdplog.EventEntryAdded:
		if ev.Entry.Level == cdplog.EntryLevelError || ev.Entry.Source == cdplog.EntrySourceSecurity {
			b.problems = append(b.problems, fmt.Sprintf("%s: %s (%s)", ev.Entry.Source, ev.Entry.Text, ev.Entry.URL))
		}
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, "exception: "+ev.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.problems = append(b.problems, fmt.Sprintf("console.%s by a page without scripts", ev.Type))
	}
}

// expect says that a problem containing text is meant to happen, such as the status of an error
// page.
func (b *tab) expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expected = append(b.expected, text)
}

func (b *tab) unexpected() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []string
next:
	for _, problem := range b.problems {
		for _, expected := range b.expected {
			if strings.Contains(problem, expected) {
				continue next
			}
		}
		left = append(left, problem)
	}
	return left
}

// do runs actions within the patience; a failure names the page it happened on.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.fail(err)
	}
}

// get runs an action and returns its value.
func get[T any](b *tab, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, action)
	if err != nil {
		b.fail(err)
	}
	return value
}

func (b *tab) fail(err error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	url, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body ? document.body.innerText : ''"))
	require.NoError(b.t, err, "at %s, which says: %.400s", url, text)
}

// open loads a page as if somebody had typed its address. It returns the status after all
// redirects.
func (b *tab) open(url string) int {
	b.t.Helper()
	return int(get(b, chromedp.NavigateResponse(url)).Status)
}

// press clicks a link or button and waits for the next page. It returns the answer after all
// redirects.
func (b *tab) press(selector string) *network.Response {
	b.t.Helper()
	return b.follow(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// follow runs an action that leads to another page and waits for that page. It returns the answer
// after all redirects.
func (b *tab) follow(action chromedp.Action[chromedp.Void]) *network.Response {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	answer, err := chromedp.RunResponse(ctx, action)
	if err != nil {
		b.fail(err)
	}
	return answer
}

// write types text into a field, in place of what is there.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.do(chromedp.Focus(chromedp.CSS(selector), chromedp.NodeVisible),
		chromedp.Evaluate[chromedp.Void]("document.activeElement.select()"), chromedp.KeyEvent(text))
}

func (b *tab) text(selector string) string {
	b.t.Helper()
	return strings.TrimSpace(get(b, chromedp.Text(chromedp.CSS(selector))))
}

func (b *tab) url() string {
	b.t.Helper()
	return get(b, chromedp.Location())
}

// whole returns everything the page says.
func (b *tab) whole() string {
	b.t.Helper()
	return get(b, chromedp.Evaluate[string]("document.body.innerText"))
}

// logIn fills in the provider's login page, which the tab shows, and waits for what comes then.
func (b *tab) logIn(user, password string) {
	b.t.Helper()
	b.write("#username", user)
	b.write("#password", password)
	b.press("button.primary")
}
