// From a command to its answer: faults, lookup, binding, the call log.

package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxdtest/internal/commands"
)

// How a command came, as in Call.Over.
const (
	overTCP   = "tcp"
	overHTTPS = "https"
	overREST  = "rest"
)

// answer is the outcome of one command.
type answer struct {
	body      string
	latin1    bool // WrongCharset
	cut       bool // the connection ends without an answer
	malformed bool // the parameters could not be bound, for the HTTPS extension
}

func (a answer) frame() ([]byte, bool) {
	out, ok := oxdwire.Frame(a.body)
	if ok && a.latin1 {
		wrong := out[:oxdwire.PrefixLen:oxdwire.PrefixLen]
		for _, c := range string(out[oxdwire.PrefixLen:]) {
			wrong = append(wrong, byte(c))
		}
		return wrong, true
	}
	return out, ok
}

// Call is one command that was received; oxdtest.Call documents the fields.
type Call struct {
	Command string
	OxdID   string
	Params  json.RawMessage
	Over    string
	Error   string
}

// maxCalls bounds the log, so that a demo can run for long. The oldest calls are dropped.
const maxCalls = 100_000

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

// Calls returns the commands received, oldest first, each recorded when it was finished.
func (d *Daemon) Calls() []Call {
	d.log.mu.Lock()
	defer d.log.mu.Unlock()
	return slices.Clone(d.log.calls)
}

// script replaces a command.
type script = func(params json.RawMessage) (data any, err error)

// Handle replaces a command by f, which may be called concurrently.
func (d *Daemon) Handle(command string, f func(params json.RawMessage) (data any, err error)) {
	d.scripts.Store(command, script(f))
}

func (d *Daemon) script(command string) script {
	if f, ok := d.scripts.Load(command); ok {
		return f.(script)
	}
	return nil
}

// dispatch runs one command of oxd 3.1.1. The end of ctx is that of the daemon.
func (d *Daemon) dispatch(ctx context.Context, over, command string, params *oxdwire.Params) answer {
	call := Call{Command: command, OxdID: params.Peek(oxdwire.ParamOxdID), Params: params.Raw(), Over: over}
	fault := d.faults.next(command)
	a, done := fault.before(ctx, &call)
	if !done {
		a = fault.after(d.run(ctx, &call, params))
	}
	d.log.add(call)
	return a
}

// run finds and executes the command.
func (d *Daemon) run(ctx context.Context, call *Call, params *oxdwire.Params) answer {
	var data any
	var err error
	script := d.script(call.Command)
	switch {
	case script == nil && !commands.Known(call.Command):
		err = commands.ErrUnsupported
	case !params.IsObject():
		err = commands.ErrMalformed
	case script != nil:
		data, err = script(params.Raw())
	default:
		data, err = d.engine.Run(ctx, call.Command, params)
	}
	if err == nil && data == nil {
		err = errors.New("no data")
	}
	if err == nil {
		return answer{body: oxdwire.Answer(data)}
	}
	var refusal *oxdwire.Error
	if !errors.As(err, &refusal) {
		call.Error = oxdwire.CodeInternalError
		return answer{body: oxdwire.InternalError}
	}
	call.Error = refusal.Code
	return answer{body: refusal.Answer(), malformed: errors.Is(err, commands.ErrMalformed)}
}
