package oxdtest

// From a command to its answer: lookup, binding, protection, faults, the call log.

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

type transport string

const (
	overTCP   transport = "tcp"
	overHTTPS transport = "https"
)

// answer is what one command comes to.
type answer struct {
	body      string
	latin1    bool // FaultWrongCharset
	cut       bool // the connection ends without an answer
	malformed bool // the parameters could not be bound; the HTTPS extension reports that in its own way
}

func (a answer) frame() ([]byte, bool) {
	out, ok := frame(a.body)
	if ok && a.latin1 {
		wrong := out[:4:4]
		for _, c := range string(out[4:]) {
			wrong = append(wrong, byte(c))
		}
		return wrong, true
	}
	return out, ok
}

// Call is one command oxd was sent.
type Call struct {
	Command string          // as the server knows it; empty when there was none
	OxdID   string          // as sent; empty when there was none
	Params  json.RawMessage // secrets included: for tests only
	Over    string          // "tcp", "https" or "rest"
	Error   string          // the error code answered; "" for ok or when nothing was answered
}

const maxCalls = 100_000 // the oldest are forgotten, so that a demo can run for long

// callLog is safe for concurrent use.
type callLog struct {
	mu    sync.Mutex // guards calls
	calls []Call
}

func (l *callLog) add(c Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.calls) >= maxCalls {
		l.calls = slices.Delete(l.calls, 0, maxCalls/2)
	}
	l.calls = append(l.calls, c)
}

// Calls gives the commands oxd was sent, oldest first, each recorded when it was finished.
func (s *Server) Calls() []Call {
	s.log.mu.Lock()
	defer s.log.mu.Unlock()
	return slices.Clone(s.log.calls)
}

// CallCount counts the calls of one command.
func (s *Server) CallCount(command string) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Command == command {
			n++
		}
	}
	return n
}

// Handle replaces one command: f gets its parameters and gives the data to answer, or an error (see [Errorf]). f may be
// called concurrently.
func (s *Server) Handle(command string, f func(params json.RawMessage) (data any, err error)) {
	s.scripts.Store(command, f)
}

// dispatch runs one command. Over HTTPS command comes from the path and body is the parameters alone. The end of ctx is that
// of the server.
func (s *Server) dispatch(ctx context.Context, over transport, command, body string) answer {
	e := envelope{command: command, params: params{raw: json.RawMessage(body)}}
	if over == overTCP {
		var ok bool
		if e, ok = parseEnvelope(body); !ok {
			s.log.add(Call{Over: string(over), Error: "internal_error"})
			return answer{body: internalError}
		}
	}
	call := Call{Command: e.command, Params: e.params.raw, Over: string(over)}
	if e.params.object() {
		call.OxdID = (&params{fields: e.params.fields}).str("oxd_id")
	}
	fault := s.faults.next(e.command)
	a, done := fault.before(ctx, &call)
	if !done {
		a = s.run(ctx, &call, e)
		a = fault.after(a)
	}
	s.log.add(call)
	return a
}

// run finds and executes the command.
func (s *Server) run(ctx context.Context, call *Call, e envelope) answer {
	var data any
	var err error
	run, known := commands[e.command]
	script, scripted := s.scripts.Load(e.command)
	switch {
	case !known && !scripted:
		err = errUnsupported
	case e.params.fields == nil:
		err = errMalformed
	case scripted:
		data, err = script.(func(json.RawMessage) (any, error))(e.params.raw)
	default:
		data, err = run(&execution{ctx: ctx, engine: s.engine, params: &e.params})
	}
	if err == nil && data == nil {
		err = errors.New("no data")
	}
	if err == nil {
		return answer{body: marshal(struct {
			Status string `json:"status"`
			Data   any    `json:"data"`
		}{"ok", data})}
	}
	var coded *commandError
	if !errors.As(err, &coded) {
		call.Error = "internal_error"
		return answer{body: internalError}
	}
	call.Error = coded.code
	return answer{body: errorBody(coded), malformed: errors.Is(err, errMalformed)}
}

// Overlaps counts how often something arrived on a connection to the socket while the command before it had no answer yet.
// oxd loses such commands or answers them out of step, depending on timing; a correct client lets none overlap.
func (s *Server) Overlaps() int { return int(s.overlaps.Load()) }

// FaultKind says what goes wrong.
type FaultKind int

const (
	// FaultDelay answers late, by Fault.Delay.
	FaultDelay FaultKind = iota + 1
	// FaultDropBefore closes the connection; the command has not run.
	FaultDropBefore
	// FaultDropAfter closes the connection without an answer; the command has run.
	FaultDropAfter
	// FaultGarbage answers something that is no JSON: Fault.Body, or a default.
	FaultGarbage
	// FaultOversize makes the answer too long to be framed: the command has run, the connection is closed.
	FaultOversize
	// FaultWrongCharset answers in Latin-1 where UTF-8 is due.
	FaultWrongCharset
	// FaultInternalError answers the generic internal error and closes; the command has not run.
	FaultInternalError
	// FaultHang answers nothing until the faults are cleared or the server stops; the command has not run.
	FaultHang
	// FaultError answers the error code Fault.Body; the command has not run.
	FaultError
)

// Fault is a misbehaviour. It is used up after Times commands; zero means it lasts until [Server.ClearFaults].
type Fault struct {
	Kind  FaultKind
	Delay time.Duration
	Times int
	Body  string
}

// faults is safe for concurrent use.
type faults struct {
	mu      sync.Mutex // guards the rest
	list    []*armedFault
	cleared chan struct{}
}

type armedFault struct {
	Fault
	command string
	once    bool
}

// Inject arms a fault for a command, or for every command with "". Faults are used in the order they came.
func (s *Server) Inject(command string, f Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, &armedFault{Fault: f, command: command, once: f.Times > 0})
}

// ClearFaults disarms all faults and lets go what hangs.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
	close(s.faults.cleared)
	s.faults.cleared = make(chan struct{})
}

// next gives the fault of this command, nil when there is none.
func (f *faults) next(command string) *faultInUse {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, armed := range f.list {
		if armed.command != "" && armed.command != command {
			continue
		}
		use := &faultInUse{armed.Fault, f.cleared}
		if armed.once {
			if armed.Times--; armed.Times == 0 {
				f.list = slices.Delete(f.list, i, i+1)
			}
		}
		return use
	}
	return nil
}

type faultInUse struct {
	Fault
	cleared <-chan struct{}
}

// before applies what happens instead of the command.
func (f *faultInUse) before(ctx context.Context, call *Call) (a answer, done bool) {
	if f == nil {
		return answer{}, false
	}
	switch f.Kind {
	case FaultDelay:
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-f.cleared:
		case <-ctx.Done():
		}
		return answer{}, false
	case FaultHang:
		select {
		case <-f.cleared:
		case <-ctx.Done():
		}
		return answer{cut: true}, true
	case FaultDropBefore:
		return answer{cut: true}, true
	case FaultInternalError:
		call.Error = "internal_error"
		return answer{body: internalError}, true
	case FaultError:
		call.Error = f.Body
		return answer{body: errorBody(&commandError{code: f.Body, description: "Injected."})}, true
	}
	return answer{}, false
}

// after applies what happens to the answer.
func (f *faultInUse) after(a answer) answer {
	if f == nil {
		return a
	}
	switch f.Kind {
	case FaultDropAfter:
		a.cut = true
	case FaultGarbage:
		if a.body = f.Body; a.body == "" {
			a.body = `<html>502 Bad Gateway</html>`
		}
	case FaultOversize:
		a.body = `{"status":"ok","data":{"padding":"` + strings.Repeat("x", 2*maxUnits) + `"}}`
	case FaultWrongCharset:
		a.latin1 = true
	}
	return a
}
