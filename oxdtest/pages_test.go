package oxdtest_test

import (
	"strconv"
	"strings"
	"testing"

	"example.com/oxdauth/oxdtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestPagesAreFinished(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	resp, err := w.http.Get(w.authorizeURL(nil))
	require.NoError(t, err)
	text := w.text(resp)
	assert.Equal(t, "text/html; charset=utf-8", resp.Header.Get("Content-Type"))
	assert.Equal(t, "no-store", resp.Header.Get("Cache-Control"))
	policy := resp.Header.Get("Content-Security-Policy")
	assert.Contains(t, policy, "default-src 'none'")
	assert.NotContains(t, policy, "unsafe-inline")
	assert.NotContains(t, policy, "form-action", "the redirect after the form goes to another origin")
	for _, want := range []string{
		`<html lang="en">`, `name="viewport"`, "<title>Sign in", "Test Application", "alice-secret",
		`<label for="username">`, `<label for="password">`, `autocomplete="current-password"`,
	} {
		assert.Contains(t, text, want)
	}
	assert.NotContains(t, text, "<script")

	resp, err = w.http.Get(w.provider.URL + "/oxauth/style.css")
	require.NoError(t, err)
	assert.Equal(t, "text/css; charset=utf-8", resp.Header.Get("Content-Type"))
	assert.Contains(t, w.text(resp), "prefers-color-scheme: dark")
}

func TestPagesEscapeWhatClientsSay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.client = w.register(map[string]any{"client_name": `<script>alert(1)</script>`})
	resp, err := w.http.Get(w.authorizeURL(nil))
	require.NoError(t, err)
	text := w.text(resp)
	assert.NotContains(t, text, "<script")
	assert.Contains(t, text, "&lt;script&gt;")
}

func TestHintsOnlyForFewUsers(t *testing.T) {
	t.Parallel()
	var users []oxdtest.User
	for i := range 6 {
		users = append(users, oxdtest.User{Name: "user" + strconv.Itoa(i), Password: "hinted-secret"})
	}
	for _, c := range []struct {
		count int
		shown bool
	}{{5, true}, {6, false}} {
		b := newBubble(t)
		b.use(users[:c.count])
		resp, err := b.http.Get(b.authorizeURL(nil))
		require.NoError(t, err)
		assert.Equal(t, c.shown, strings.Contains(b.text(resp), "hinted-secret"))
	}
}
