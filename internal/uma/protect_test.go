package uma_test

// Registering the resources: what is sent, how often, and what is refused.

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/uma"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// photos is the declaration of a small application.
func photos(scopes ...string) []*uma.Resource {
	list := []*uma.Resource{
		resource("GET /photos/{id}", scopes...), resource("PUT /photos/{id}", "edit"), resource("GET /admin", "admin"),
	}
	list[0].TicketScopes = []string{"view"}
	return list
}

func TestProtectingAgainRegistersNothing(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"local", "web", "rest"} {
		t.Run("4.11/10 "+transport, func(t *testing.T) {
			t.Parallel()
			srv := oxdtest.NewUnstartedServer(oxdtest.Config{ProtectCommands: transport == "rest"})
			srv.Start()
			t.Cleanup(srv.Close)
			dir := t.TempDir()
			site := srv.Site("https://app.example/auth/callback")
			site.File = filepath.Join(dir, "site.json")
			site.Protected = transport != "local"
			over := map[string]oxd.Transport{"local": srv.Transport(), "web": srv.HTTPSTransport(), "rest": srv.RESTTransport()}[transport]
			client, err := oxd.NewClient(over, site)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, client.Close()) })
			log := &bytes.Buffer{}
			newRegistrar := func() *uma.Registrar {
				return &uma.Registrar{Client: client, File: filepath.Join(dir, "uma.json"), Logger: slog.New(slog.NewTextHandler(log, nil))}
			}
			g, declared := newRegistrar(), declare(append(photos("view", "all"), resource("GET /any/{id}", "view"))...)
			first, err := g.Protect(t.Context(), declared)
			require.NoError(t, err)
			assert.Equal(t, srv.Provider.URL, first.ASURI, "the op_host of the site")
			require.NoError(t, declared.Ready())
			require.Equal(t, 1, srv.CallCount("uma_rs_protect"))
			checks := srv.CallCount("uma_rs_check_access")
			again, err := g.Protect(t.Context(), declared)
			require.NoError(t, err)
			assert.Equal(t, first, again)

			restart := func(list ...*uma.Resource) error {
				_, err := newRegistrar().Protect(t.Context(), declare(list...))
				return err
			}
			require.NoError(t, restart(append(photos("all", "view"), resource("GET /any/{id}", "view"))...), "the same, after a restart")
			assert.Equal(t, 1, srv.CallCount("uma_rs_protect"))
			assert.Equal(t, checks, srv.CallCount("uma_rs_check_access"), "and no ticket is spent on it")
			if transport == "rest" { // where everything can be registered anew
				require.NoError(t, restart(append(photos("view"), resource("GET /any/{id}", "view"))...), "other scopes")
				require.NoError(t, restart(photos("view")...), "one less")
				require.NoError(t, restart(photos("view")...), "the same again")
				assert.Equal(t, 3, srv.CallCount("uma_rs_protect"))
				assert.Contains(t, log.String(), "RPTs from before open nothing any more")
				return
			}
			require.ErrorContains(t, restart(append(photos("view"), resource("GET /any/{id}", "view"))...), "other scopes")
			require.ErrorContains(t, restart(photos("all", "view")...), "not declared any more")
			assert.Equal(t, 1, srv.CallCount("uma_rs_protect"))
		})
	}
}

func TestEachMethodOfAPathIsAConditionOfItsOwn(t *testing.T) {
	t.Parallel()
	f := newFake()
	g, _ := registrar(t, f, "")
	get := resource("GET /x", "view", "all", "view")
	get.TicketScopes = []string{"view"}
	shared := func() *uma.Resource {
		r := resource("GET /s", "view")
		r.Shared = true
		return r
	}
	site, err := g.Protect(t.Context(), declare(get, resource("PUT /x", "edit"), resource("GET /y", "view"), shared(), shared()))
	require.NoError(t, err)
	assert.Equal(t, uma.Site{OxdID: "x", ASURI: asURI}, site)
	sent := f.sent("uma_rs_protect")
	require.Len(t, sent, 1)
	assert.Equal(t, []oxd.Resource{
		{Path: "/x", Conditions: []oxd.Condition{
			{HTTPMethods: []string{"GET"}, Scopes: []string{"all", "view"}, TicketScopes: []string{"view"}},
			{HTTPMethods: []string{"PUT"}, Scopes: []string{"edit"}},
		}},
		{Path: "/y", Conditions: []oxd.Condition{{HTTPMethods: []string{"GET"}, Scopes: []string{"view"}}}},
		{Path: "/s", Conditions: []oxd.Condition{{HTTPMethods: []string{"GET"}, Scopes: []string{"view"}}}},
	}, sent[0].Resources)
}

func TestWithoutAFileOxdIsAskedWhatItProtects(t *testing.T) {
	t.Parallel()
	f := newFake()
	protected(t, f, "GET /admin")
	g, log := registrar(t, f, "")
	list := []*uma.Resource{resource("GET /admin", "admin"), resource("GET /new", "admin")}
	_, err := g.Protect(t.Context(), declare(list...))
	require.NoError(t, err)
	sent := f.sent("uma_rs_protect")
	require.Len(t, sent, 2)
	require.Len(t, sent[1].Resources, 1)
	assert.Equal(t, "/new", sent[1].Resources[0].Path, "only the new one is registered")
	assert.Contains(t, log.String(), "its scopes cannot be verified")
	assert.Contains(t, log.String(), "GET /admin")
	assert.NotContains(t, log.String(), "/new")

	asked := f.count("uma_rs_check_access")
	_, err = g.Protect(t.Context(), declare(list...))
	require.NoError(t, err)
	assert.Equal(t, asked, f.count("uma_rs_check_access"), "the Registrar remembers")
	assert.Len(t, f.sent("uma_rs_protect"), 2)
}

func TestResourcesAreRegisteredInPartsAndNotTwiceAfterAFault(t *testing.T) {
	t.Parallel()
	const n = 40
	path := func(i int) string { return fmt.Sprintf("/%03d/%s", i, strings.Repeat("x", 300)) }
	declared := new(uma.Declared)
	for i := range n {
		declared.Add(resource("GET "+path(i), "view"))
	}
	f := newFake()
	g, _ := registrar(t, f, "")
	commands := 0
	f.answer("uma_rs_protect", func(ctx context.Context, p params) (*oxd.Response, error) {
		if commands++; commands == 3 {
			return fault("internal_error", "Unknown internal server error occurs."), nil
		}
		for _, r := range p.Resources {
			f.mu.Lock()
			f.protected["GET "+r.Path] = []string{"view"}
			f.mu.Unlock()
		}
		return ok(`{"oxd_id":"x"}`), nil
	})
	_, err := g.Protect(t.Context(), declared)
	require.ErrorIs(t, err, oxd.CodeInternalError)
	require.Error(t, declared.Ready())
	for range 2 {
		_, err = g.Protect(t.Context(), declared)
		require.NoError(t, err)
		require.NoError(t, declared.Ready())
	}
	seen := map[string]int{}
	for i, p := range f.sent("uma_rs_protect") {
		size := 0
		for _, r := range p.Resources {
			size += len(r.Path)
			if i != 2 {
				seen[r.Path]++
			}
		}
		assert.Less(t, size, 6000/2)
	}
	for i := range n {
		assert.Equal(t, 1, seen[path(i)], "in a command that did not fail")
	}
	assert.Greater(t, commands, 3)
}

func TestAResourceOfAnySizeIsRegistered(t *testing.T) {
	t.Parallel()
	f := newFake()
	r := resource("GET /x")
	for i := range 60 {
		r.Scopes = append(r.Scopes, fmt.Sprintf("%03d-%s", i, strings.Repeat("s", 80)))
	}
	g, _ := registrar(t, f, "")
	_, err := g.Protect(t.Context(), declare(r, resource("GET /y", "view")))
	require.NoError(t, err)
	assert.Len(t, f.sent("uma_rs_protect"), 2, "a command of its own")
}

func TestWhatOxdHasLostIsRegisteredAgain(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"", "uma.json"} {
		t.Run("with file "+file, func(t *testing.T) {
			t.Parallel()
			if file != "" {
				file = filepath.Join(t.TempDir(), file)
			}
			f := newFake()
			g, log := registrar(t, f, file)
			lost, kept := resource("GET /x", "view"), resource("GET /y", "view")
			declared := declare(lost, kept)
			_, err := g.Protect(t.Context(), declared)
			require.NoError(t, err)
			f.lose("GET /x")
			_, err = g.Protect(t.Context(), declared)
			require.NoError(t, err)
			assert.Equal(t, []string{"GET /y"}, f.keys(), "nobody has noticed")
			lost.SetMissing(true)
			kept.SetMissing(true) // as by an answer that was wrong
			_, err = g.Protect(t.Context(), declared)
			require.NoError(t, err)
			assert.Equal(t, []string{"GET /x", "GET /y"}, f.keys())
			require.NoError(t, declared.Ready())
			sent := f.sent("uma_rs_protect")
			require.Len(t, sent, 2)
			assert.Len(t, sent[1].Resources, 1)
			assert.NotContains(t, log.String(), "cannot be verified", "it is in the record")
		})
	}
}

func TestOxdThatKnowsHowToReplaceIsSentEverything(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		transport func(*fakeOxd) oxd.Transport
		commands  int // of the second Protect
	}{
		"oxd 4":               {func(f *fakeOxd) oxd.Transport { return oxd4{f} }, 1},
		"oxd 3.1.3 and later": {func(f *fakeOxd) oxd.Transport { return f }, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			g, log := registrar(t, tc.transport(f), "")
			_, err := g.Protect(t.Context(), declare(resource("GET /x", "view")))
			require.NoError(t, err)
			assert.NotContains(t, log.String(), "registered anew")
			before := f.count("uma_rs_protect")
			f.answer("uma_rs_protect", func(_ context.Context, p params) (*oxd.Response, error) {
				if !p.Overwrite {
					return fault("uma_protection_exists", ""), nil
				}
				f.lose("GET /x")
				f.mu.Lock()
				defer f.mu.Unlock()
				for _, r := range p.Resources {
					f.protected["GET "+r.Path] = r.Conditions[0].Scopes
				}
				return ok(`{"oxd_id":"x"}`), nil
			})
			_, err = g.Protect(t.Context(), declare(resource("GET /x", "view"), resource("GET /y", "view")))
			require.NoError(t, err)
			assert.Equal(t, []string{"GET /x", "GET /y"}, f.keys())
			assert.Equal(t, tc.commands, f.count("uma_rs_protect")-before)
			assert.Contains(t, log.String(), "RPTs from before open nothing any more")
			_, err = g.Protect(t.Context(), declare(resource("GET /x", "view"), resource("GET /y", "view")))
			require.NoError(t, err)
			assert.Equal(t, tc.commands, f.count("uma_rs_protect")-before, "and it is remembered")
		})
	}
}

func TestAFaultOfOxdIsAnErrorOfProtect(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		oxd4   bool
		script func(*fakeOxd)
		error  string
	}{
		"a grant without an RPT": {
			script: func(f *fakeOxd) { f.reply("uma_rs_check_access", ok(`{"access":"granted"}`)) }, error: `looking for resource "GET /x": oxd gave no ticket`,
		},
		"no ticket": {
			script: func(f *fakeOxd) { f.reply("uma_rs_check_access", ok(`{"access":"denied"}`)) }, error: "oxd gave no ticket",
		},
		"a ticket that is none": {
			script: func(f *fakeOxd) { f.reply("uma_rs_check_access", ok(`{"access":"denied","ticket":"*"}`)) }, error: "oxd gave no ticket",
		},
		"no answer to the question": {
			script: func(f *fakeOxd) { f.reply("uma_rs_check_access", fault("internal_error", "")) }, error: `looking for resource "GET /x": oxd: uma_rs_check_access`,
		},
		"no registration": {
			script: func(f *fakeOxd) { f.reply("uma_rs_protect", fault("internal_error", "")) }, error: "oxdauth: Protect: oxd: uma_rs_protect",
		},
		"no registration with oxd 4": {
			oxd4:   true,
			script: func(f *fakeOxd) { f.reply("uma_rs_protect", fault("internal_error", "")) }, error: "oxdauth: Protect: oxd: uma_rs_protect",
		},
		"no overwriting": {
			script: func(f *fakeOxd) { f.reply("uma_rs_protect", fault("uma_protection_exists", "")) }, error: "oxdauth: Protect: oxd: uma_rs_protect",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			tc.script(f)
			var transport oxd.Transport = f
			if tc.oxd4 {
				transport = oxd4{f}
			}
			g, _ := registrar(t, transport, "")
			declared := declare(resource("GET /x", "view"))
			_, err := g.Protect(t.Context(), declared)
			require.ErrorContains(t, err, tc.error)
			require.Error(t, declared.Ready())
		})
	}
}

// forgetful loses its site when a resource is registered.
type forgetful struct {
	*fakeOxd
	sites int
}

func (f *forgetful) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	var p struct {
		OxdID string `json:"oxd_id"`
	}
	if err := json.Unmarshal(req.Params, &p); err != nil {
		return nil, err
	}
	switch {
	case req.Command == "register_site":
		f.sites++
		return ok(`{"oxd_id":"site-%d","op_host":%q}`, f.sites, asURI), nil
	case req.Command == "uma_rs_protect" && p.OxdID == "site-1":
		return fault("invalid_oxd_id", ""), nil
	}
	return f.fakeOxd.RoundTrip(ctx, req)
}

func TestASiteThatIsRegisteredAnewMeanwhileIsProtectedByTheNextCall(t *testing.T) {
	t.Parallel()
	f := &forgetful{fakeOxd: newFake()}
	client, err := oxd.NewClient(f, oxd.Site{Params: oxd.RegisterSiteParams{
		AuthorizationRedirectURI: "https://app.example/cb", OPHost: asURI,
	}})
	require.NoError(t, err)
	g := &uma.Registrar{Client: client, Logger: slog.New(slog.DiscardHandler)}
	declared := declare(resource("GET /x", "view"))
	_, err = g.Protect(t.Context(), declared)
	require.Error(t, err)
	require.Error(t, declared.Ready())
	site, err := g.Protect(t.Context(), declared)
	require.NoError(t, err)
	assert.Equal(t, uma.Site{OxdID: "site-2", ASURI: asURI}, site)
	require.NoError(t, declared.Ready())
}

func TestASiteThatOxdCannotRegisterOrNameIsAnError(t *testing.T) {
	t.Parallel()
	f := newFake()
	g, _ := registrar(t, f, "")
	g.ASURI = ""
	_, err := g.Protect(t.Context(), declare(resource("GET /x", "view")))
	require.ErrorContains(t, err, "is not an absolute http(s) URL: use WithAuthorizationServer")
	assert.Empty(t, f.calls)

	client, err := oxd.NewClient(f, oxd.Site{Params: oxd.RegisterSiteParams{
		AuthorizationRedirectURI: "https://app.example/cb", OPHost: asURI,
	}})
	require.NoError(t, err)
	g = &uma.Registrar{Client: client, Logger: slog.New(slog.DiscardHandler)}
	_, err = g.Protect(t.Context(), declare(resource("GET /x", "view")))
	require.ErrorContains(t, err, "oxdauth: Protect: ")
	assert.Zero(t, f.count("uma_rs_protect"))
}

func TestAFileThatCannotBeUnderstoodIsAnErrorAndStays(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"another version": `{"version":2}`, "no oxd_id": `{"version":1,"resources":{}}`, "no JSON": `x`, "nothing": ``,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "uma.json")
			require.NoError(t, os.WriteFile(file, []byte(content), 0o600))
			f := newFake()
			g, _ := registrar(t, f, file)
			declared := declare(resource("GET /x", "view"))
			_, err := g.Protect(t.Context(), declared)
			require.ErrorContains(t, err, "cannot be understood")
			assert.Zero(t, f.count("uma_rs_protect"))
			require.Error(t, declared.Ready())
			left, err := os.ReadFile(file)
			require.NoError(t, err)
			assert.Equal(t, content, string(left))
		})
	}
}

func TestAFileThatCannotBeReadOrWrittenIsAnError(t *testing.T) {
	t.Parallel()
	list := []*uma.Resource{resource("GET /x", "view")}
	t.Run("no folder", func(t *testing.T) {
		t.Parallel()
		g, _ := registrar(t, newFake(), filepath.Join(t.TempDir(), "none", "uma.json"))
		_, err := g.Protect(t.Context(), declare(list...))
		require.ErrorContains(t, err, "oxdauth: protection file: ")
	})
	t.Run("a folder in its place", func(t *testing.T) {
		t.Parallel()
		f := newFake()
		g, _ := registrar(t, f, t.TempDir())
		_, err := g.Protect(t.Context(), declare(list...))
		require.ErrorContains(t, err, "oxdauth: protection file: ")
		assert.Zero(t, f.count("uma_rs_protect"))
	})
	t.Run("a folder in its place, later", func(t *testing.T) {
		t.Parallel()
		f, file := newFake(), filepath.Join(t.TempDir(), "uma.json")
		g, _ := registrar(t, f, file)
		f.answer("uma_rs_protect", func(context.Context, params) (*oxd.Response, error) {
			require.NoError(t, os.MkdirAll(filepath.Join(file, "x"), 0o700))
			return ok(`{"oxd_id":"x"}`), nil
		})
		_, err := g.Protect(t.Context(), declare(list...))
		require.ErrorContains(t, err, "oxdauth: protection file: ")
	})
	t.Run("held by another process", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "uma.json")
		first, second := newFake(), newFake()
		held, release := make(chan struct{}), make(chan struct{})
		first.answer("uma_rs_protect", func(context.Context, params) (*oxd.Response, error) {
			close(held)
			<-release
			return ok(`{"oxd_id":"x"}`), nil
		})
		a, _ := registrar(t, first, file)
		b, _ := registrar(t, second, file)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := a.Protect(t.Context(), declare(resource("GET /x", "view")))
			assert.NoError(t, err)
		})
		<-held
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := b.Protect(ctx, declare(resource("GET /x", "view")))
		require.ErrorContains(t, err, "another process holds")
		close(release)
		wg.Wait()
	})
}

func TestARecordOfAnotherSiteCountsForNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "uma.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"version":1,"oxd_id":"other","resources":{"GET /gone":"00"}}`), 0o600))
	f := newFake()
	g, log := registrar(t, f, file)
	_, err := g.Protect(t.Context(), declare(resource("GET /x", "view")))
	require.NoError(t, err)
	assert.Equal(t, 1, f.count("uma_rs_protect"))
	assert.Empty(t, log.String())
	var record struct {
		Version   int
		OxdID     string `json:"oxd_id"`
		Resources map[string]string
	}
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &record))
	assert.Equal(t, 1, record.Version)
	assert.Equal(t, "x", record.OxdID)
	assert.Equal(t, map[string]string{"GET /x": "50d8fa30"}, map[string]string{"GET /x": record.Resources["GET /x"][:8]}, "as every release writes it")
	assert.Len(t, record.Resources, 1)
}

func TestProcessesThatStartTogetherProtectOnce(t *testing.T) {
	t.Parallel()
	f := newFake()
	file := filepath.Join(t.TempDir(), "uma.json")
	var wg sync.WaitGroup
	for range 5 {
		g, _ := registrar(t, f, file)
		declared := new(uma.Declared)
		for i := range 40 { // more than one command's worth
			declared.Add(resource(fmt.Sprintf("GET /%02d/%s", i, strings.Repeat("x", 300)), "view"))
		}
		wg.Go(func() {
			_, err := g.Protect(t.Context(), declared)
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	registered := map[string]int{}
	for _, p := range f.sent("uma_rs_protect") {
		for _, r := range p.Resources {
			registered[r.Path]++
		}
	}
	for path, n := range registered {
		assert.Equal(t, 1, n, "resource %s", path)
	}
	assert.Len(t, registered, 40)
}
