package main

// Registering the photos: at an oxd that comes late, at one that refuses, and once.

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// flakyGuard fails with each error once, then works, and is lost again half an hour after it began.
type flakyGuard struct {
	errs, errsThen []error
	ready, lost    bool
	at             []time.Duration // of the attempts, since began
	began          time.Time
}

func (g *flakyGuard) Ready() error {
	if !g.lost && time.Since(g.began) > 30*time.Minute {
		g.ready, g.lost, g.errs = false, true, g.errsThen
	}
	if g.ready {
		return nil
	}
	return errors.New("not ready")
}

func (g *flakyGuard) Protect(context.Context) error {
	g.at = append(g.at, time.Since(g.began))
	if len(g.errs) > 0 {
		err := g.errs[0]
		g.errs = g.errs[1:]
		return err
	}
	g.ready = true
	return nil
}

func TestProtectingIsTriedAgainWithGrowingPausesAndLoggedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down, refused := &oxd.TransportError{Err: errors.New("refused")}, &oxd.Error{Command: "uma_rs_protect", Code: oxd.CodeInternalError}
		guard := &flakyGuard{
			errs: []error{down, down, refused, down, refused, refused, refused, refused}, errsThen: []error{down}, began: time.Now(),
		}
		var text bytes.Buffer
		stop := inBackground(t.Context(), func(ctx context.Context) { keepProtected(ctx, guard, slog.New(slog.NewTextHandler(&text, nil))) })
		time.Sleep(time.Hour)
		stop()
		const s = time.Second
		assert.Equal(t, []time.Duration{0, 1 * s, 3 * s, 7 * s, 15 * s, 31 * s, 63 * s, 123 * s, 183 * s, 1803 * s, 1863 * s}, guard.at)
		assert.True(t, guard.ready)
		assert.Equal(t, 3, strings.Count(text.String(), "level=WARN"), "once for each kind of trouble, anew after the loss: %s", text.String())
		assert.Equal(t, 2, strings.Count(text.String(), "level=INFO"))
	})
}

// realArgs are the flags for a real oxd, with an address and files of their own.
func realArgs(t *testing.T, server *oxdtest.Server) []string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	free.Close()
	return []string{
		"-listen", free.Addr().String(), "-op-host", server.Provider.URL, "-oxd", server.Addr,
		"-site-file", filepath.Join(t.TempDir(), "site.json"),
	}
}

func apiStatus(t *testing.T, origin string) int {
	t.Helper()
	answer, err := http.Get(origin + "/api/photos/1")
	require.NoError(t, err)
	answer.Body.Close()
	return answer.StatusCode
}

func becomesProtected(t *testing.T, origin string) {
	t.Helper()
	require.Eventually(t, func() bool { return apiStatus(t, origin) == http.StatusUnauthorized }, time.Minute, 50*time.Millisecond)
}

func TestAnOxdThatComesLateProtectsThePhotosOnce(t *testing.T) {
	t.Parallel()
	server := oxdtest.NewServer()
	t.Cleanup(server.Close)
	args := realArgs(t, server)
	server.Stop()
	_, origin, stop := startProgram(t, args...)
	assert.Equal(t, http.StatusServiceUnavailable, apiStatus(t, origin))
	server.Restart()
	becomesProtected(t, origin)
	require.Equal(t, 0, stop())

	_, origin, stop = startProgram(t, args...)
	becomesProtected(t, origin)
	require.Equal(t, 0, stop())
	assert.Equal(t, 1, server.CallCount("uma_rs_protect"), "what is registered is kept beside the site file")
	assert.FileExists(t, args[len(args)-1]+".uma")
}

func TestARealOxdThatRefusesUMABreaksNothingElse(t *testing.T) {
	t.Parallel()
	server := oxdtest.NewServer()
	t.Cleanup(server.Close)
	tried := make(chan struct{}, 100)
	server.Handle("uma_rs_protect", func(json.RawMessage) (any, error) { // as without the scope uma_protection
		tried <- struct{}{}
		return nil, oxdtest.Errorf("internal_error", "Unknown internal server error occurs.")
	})
	_, origin, stop := startProgram(t, realArgs(t, server)...)
	<-tried
	assert.Equal(t, http.StatusServiceUnavailable, apiStatus(t, origin))
	browser := server.Browser()
	answer, err := browser.LogIn(origin+"/session", "alice", "alice-secret")
	require.NoError(t, err)
	assert.Contains(t, readBody(t, answer), "<h1>My session</h1>")
	answer, err = browser.Get(origin + "/photos/restricted")
	require.NoError(t, err)
	assert.NotContains(t, readBody(t, answer), "Hull 214")
	assert.Equal(t, http.StatusServiceUnavailable, answer.StatusCode)
	assert.Equal(t, 0, stop())
}
