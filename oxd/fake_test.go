package oxd_test

// A scripted oxd: real frames over real connections, answers from the test.

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"path/filepath"
	"sync"
	"testing"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/require"
)

type params = map[string]any

// answer is what the fake does with a command.
type answer struct {
	data   any // of an ok answer
	code   oxd.Code
	desc   string // beside code
	detail any    // beside code
	raw    string // sent as it is, instead of a frame
	hangUp bool   // afterwards
	hang   bool   // no answer until the connection ends
}

var (
	unexplained = answer{code: oxd.CodeInternalError, desc: "Unknown internal server error occurs.", hangUp: true}
	unsupported = answer{code: oxd.CodeUnsupportedOperation, desc: "Operation is not supported by server error."}
)

type call struct {
	command string
	params  params
}

type fake struct {
	listener net.Listener

	mu       sync.Mutex
	handlers map[string]func(params) answer // guarded by mu
	calls    []call                         // guarded by mu
	conns    map[net.Conn]bool              // guarded by mu; true while open
	busy     int                            // guarded by mu; commands being answered
	maxBusy  int                            // guarded by mu
	serving  sync.WaitGroup
}

func newFake(t testing.TB) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	f := bareFake()
	f.listener = l
	f.serving.Add(1)
	go func() {
		defer f.serving.Done()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			f.accept(conn)
		}
	}()
	t.Cleanup(func() {
		l.Close()
		f.cutAll()
		f.serving.Wait()
	})
	return f
}

// bareFake has no listener; dialPipe reaches it.
func bareFake() *fake {
	f := &fake{handlers: map[string]func(params) answer{}, conns: map[net.Conn]bool{}}
	f.reply("license_status", answer{data: params{"valid": true}})
	f.reply("register_site", answer{data: params{"oxd_id": "site-1", "op_host": "https://idp.example.org"}})
	f.reply("get_authorization_url", answer{data: params{"authorization_url": "https://idp.example.org/authorize?state=s&nonce=n"}})
	return f
}

func (f *fake) dialPipe(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	f.accept(server)
	return client, nil
}

func (f *fake) accept(conn net.Conn) {
	f.mu.Lock()
	f.conns[conn] = true
	f.mu.Unlock()
	f.serving.Add(1)
	go func() {
		defer f.serving.Done()
		f.serve(conn)
		conn.Close()
		f.mu.Lock()
		f.conns[conn] = false
		f.mu.Unlock()
	}()
}

func (f *fake) serve(conn net.Conn) {
	r := bufio.NewReader(conn)
	for {
		msg, _, err := oxd.ReadFrame(r)
		if err != nil {
			return
		}
		var req struct {
			Command string
			Params  params
		}
		if json.Unmarshal(msg, &req) != nil {
			return
		}
		a := f.handle(req.Command, req.Params)
		if a.hang {
			_, _ = r.ReadByte()
			return
		}
		if _, err := conn.Write(a.bytes()); err != nil || a.hangUp {
			return
		}
	}
}

func (f *fake) handle(command string, p params) answer {
	f.mu.Lock()
	f.calls = append(f.calls, call{command, p})
	h := f.handlers[command]
	f.busy++
	f.maxBusy = max(f.maxBusy, f.busy)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.busy--
		f.mu.Unlock()
	}()
	if h == nil {
		return unsupported
	}
	return h(p)
}

func (a answer) bytes() []byte {
	if a.raw != "" || (a.hangUp && a.data == nil && a.code == "") {
		return []byte(a.raw)
	}
	msg := params{"status": "ok", "data": a.data}
	if a.code != "" {
		msg = params{"status": "error", "data": params{
			"error": a.code, "error_description": a.desc, "details": a.detail,
		}}
	}
	text, err := json.Marshal(msg)
	if err != nil {
		panic(err)
	}
	return oxd.AppendFrame(text)
}

func (f *fake) on(command string, h func(params) answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.handlers[command] = h
}

func (f *fake) reply(command string, a answer) {
	f.on(command, func(params) answer { return a })
}

// replies returns one answer after the other, and then the last one for ever.
func (f *fake) replies(command string, answers ...answer) {
	var mu sync.Mutex
	f.on(command, func(params) answer {
		mu.Lock()
		defer mu.Unlock()
		a := answers[0]
		if len(answers) > 1 {
			answers = answers[1:]
		}
		return a
	})
}

func (f *fake) sent(command string) []params {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []params
	for _, c := range f.calls {
		if c.command == command {
			all = append(all, c.params)
		}
	}
	return all
}

func (f *fake) count(command string) int { return len(f.sent(command)) }

func (f *fake) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.conns)
}

// cutAll ends all connections, as a restart of oxd does.
func (f *fake) cutAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn := range f.conns {
		conn.Close()
	}
}

func (f *fake) transport() *oxd.TCPTransport {
	return &oxd.TCPTransport{Addr: f.listener.Addr().String()}
}

// knownClient is for a site that needs no registration.
func (f *fake) knownClient(t testing.TB) *oxd.Client {
	t.Helper()
	return newClient(t, f.transport(), oxd.Site{OxdID: "known"})
}

func newClient(t testing.TB, tr oxd.Transport, site oxd.Site) *oxd.Client {
	t.Helper()
	c, err := oxd.NewClient(tr, site)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func siteParams() oxd.RegisterSiteParams {
	return oxd.RegisterSiteParams{
		AuthorizationRedirectURI: "https://app.example.org/cb",
		OPHost:                   "https://idp.example.org",
	}
}

func siteWithFile(t testing.TB) oxd.Site {
	return oxd.Site{Params: siteParams(), File: filepath.Join(t.TempDir(), "site.json")}
}

// scripted is a Transport without any network.
type scripted func(ctx context.Context, req *oxd.Request) (*oxd.Response, error)

func (s scripted) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	return s(ctx, req)
}

// answering answers all commands with the same data.
func answering(data string) scripted {
	return func(context.Context, *oxd.Request) (*oxd.Response, error) {
		return &oxd.Response{Status: "ok", Data: json.RawMessage(data)}, nil
	}
}

func secret(s string) oxd.Secret { return oxd.NewSecret(s) }

func (f *fake) open() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, open := range f.conns {
		if open {
			n++
		}
	}
	return n
}

// cutIdle closes connections while nothing is asked, as far as it can know.
func (f *fake) cutIdle() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy > 0 {
		return
	}
	for conn, open := range f.conns {
		if open {
			conn.Close()
			return
		}
	}
}

// write says something on all open connections without being asked.
func (f *fake) write(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for conn, open := range f.conns {
		if open {
			_, _ = conn.Write(b)
		}
	}
}
