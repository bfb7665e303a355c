package uma_test

// A scripted oxd without a socket, and a guard's worth of it.

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/uma"
	"example.com/oxdauth/oxd"
)

const asURI = "https://op.example"

type params struct {
	RPT, Path, Ticket, PCT, State string
	Method                        string `json:"http_method"`
	ClaimToken                    string `json:"claim_token"`
	ClaimTokenFormat              string `json:"claim_token_format"`
	Overwrite                     bool
	Resources                     []oxd.Resource
}

type call struct {
	command string
	params  params
}

// fakeOxd protects what it is told to and grants what it protects to the RPT "good". It is an oxd
// 3.1.1 unless a test says otherwise.
type fakeOxd struct {
	mu        sync.Mutex                                                            // guards the rest
	protected map[string][]string                                                   // scopes by key
	tickets   int                                                                   // given so far
	answers   map[string]func(ctx context.Context, p params) (*oxd.Response, error) // instead
	calls     []call
}

func newFake() *fakeOxd {
	return &fakeOxd{protected: map[string][]string{}, answers: map[string]func(context.Context, params) (*oxd.Response, error){}}
}

func ok(data string, args ...any) *oxd.Response {
	return &oxd.Response{Status: "ok", Data: json.RawMessage(fmt.Sprintf(data, args...))}
}

func fault(code, description string) *oxd.Response {
	return &oxd.Response{Status: "error", Data: json.RawMessage(fmt.Sprintf(`{"error":%q,"error_description":%q}`, code, description))}
}

// answer replaces a command.
func (f *fakeOxd) answer(command string, with func(ctx context.Context, p params) (*oxd.Response, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[command] = with
}

// reply has a command answered in the same way each time.
func (f *fakeOxd) reply(command string, with *oxd.Response) {
	f.answer(command, func(context.Context, params) (*oxd.Response, error) { return with, nil })
}

func (f *fakeOxd) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	var p params
	if err := json.Unmarshal(req.Params, &p); err != nil {
		return nil, err
	}
	f.mu.Lock()
	f.calls = append(f.calls, call{req.Command, p})
	with := f.answers[req.Command]
	f.mu.Unlock()
	if with != nil {
		return with(ctx, p)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch req.Command {
	case "uma_rs_protect":
		if p.Overwrite {
			clear(f.protected)
		}
		for _, r := range p.Resources {
			for _, c := range r.Conditions {
				for _, method := range c.HTTPMethods {
					f.protected[method+" "+r.Path] = c.Scopes
				}
			}
		}
		return ok(`{"oxd_id":"x"}`), nil
	case "uma_rs_check_access":
		if f.protected[p.Method+" "+p.Path] == nil {
			return fault("invalid_request", "Resource is not protected with path: "+p.Path+" and httpMethod: "+p.Method+"."), nil
		}
		if p.RPT == "good" {
			return ok(`{"access":"granted"}`), nil
		}
		f.tickets++
		return ok(`{"access":"denied","ticket":"t-%d"}`, f.tickets), nil
	}
	return fault("unsupported_operation", ""), nil
}

// count returns how often a command was sent.
func (f *fakeOxd) count(command string) int { return len(f.sent(command)) }

// sent returns the parameters of a command, oldest first.
func (f *fakeOxd) sent(command string) (list []params) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.calls {
		if c.command == command {
			list = append(list, c.params)
		}
	}
	return list
}

// lose has oxd forget what it protects.
func (f *fakeOxd) lose(keys ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, key := range keys {
		delete(f.protected, key)
	}
}

func (f *fakeOxd) keys() (list []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key := range f.protected {
		list = append(list, key)
	}
	slices.Sort(list)
	return list
}

// oxd4 is the same oxd in version 4.
type oxd4 struct{ *fakeOxd }

func (oxd4) OxdVersion() int { return 4 }

func newClient(t testing.TB, transport oxd.Transport) *oxd.Client {
	t.Helper()
	client, err := oxd.NewClient(transport, oxd.Site{OxdID: "x"})
	require.NoError(t, err)
	return client
}

// registrar is a Registrar over a client, with a log.
func registrar(t testing.TB, transport oxd.Transport, file string) (*uma.Registrar, *bytes.Buffer) {
	t.Helper()
	log := &bytes.Buffer{}
	return &uma.Registrar{
		Client: newClient(t, transport), ASURI: asURI, File: file, Logger: slog.New(slog.NewTextHandler(log, nil)),
	}, log
}

func resource(key string, scopes ...string) *uma.Resource {
	var r uma.Resource
	if _, err := fmt.Sscanf(key, "%s %s", &r.Method, &r.Path); err != nil {
		panic(err)
	}
	r.Scopes = scopes
	return &r
}

func declare(list ...*uma.Resource) *uma.Declared {
	var d uma.Declared
	for _, r := range list {
		d.Add(r)
	}
	return &d
}

// protected returns resources that f protects.
func protected(t testing.TB, f *fakeOxd, keys ...string) (list []*uma.Resource) {
	t.Helper()
	for _, key := range keys {
		list = append(list, resource(key, "view"))
	}
	g, _ := registrar(t, f, "")
	_, err := g.Protect(t.Context(), declare(list...))
	require.NoError(t, err)
	return list
}

func newAsker(t testing.TB, f *fakeOxd) *uma.Asker {
	t.Helper()
	return uma.NewAsker(newClient(t, f), 64, 3*time.Second)
}

func parse(t testing.TB, token string) uma.RPT {
	t.Helper()
	rpt, err := uma.ParseRPT(token)
	require.NoError(t, err)
	return rpt
}

func authorization(values ...string) http.Header { return http.Header{"Authorization": values} }
