// What a test does with the commands: it reads which were received, replaces them, injects faults.

package oxdtest

import (
	"encoding/json"
	"time"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxdtest/internal/daemon"
)

// Call is one command that oxd received.
type Call struct {
	Command string          // in lower case; empty when there was none
	OxdID   string          // as sent; empty when there was none
	Params  json.RawMessage // secrets included
	Over    string          // "tcp", "https" or "rest"
	Error   string          // the error code answered; "" for ok or when nothing was answered
}

// Calls returns the commands that oxd received, oldest first. Each is recorded when it has
// finished; the oldest of 100,000 are dropped.
func (s *Server) Calls() []Call {
	var calls []Call
	for _, c := range s.oxd.Calls() {
		calls = append(calls, Call(c))
	}
	return calls
}

// CallCount returns the number of calls of one command.
func (s *Server) CallCount(command string) int {
	n := 0
	for _, c := range s.Calls() {
		if c.Command == command {
			n++
		}
	}
	return n
}

// Handle replaces one command. f gets the parameters and returns the data to answer, or an error
// (see [Errorf]). f may be called concurrently.
func (s *Server) Handle(command string, f func(params json.RawMessage) (data any, err error)) {
	s.oxd.Handle(command, f)
}

// Errorf returns an error that a function given to [Server.Handle] answers with: oxd's error code
// and description. Any other error is answered as the generic internal error, after which oxd
// closes the connection.
func Errorf(code, description string, args ...any) error {
	return oxdwire.Errorf(code, description, args...)
}

// Overlaps returns how often something arrived on a connection to the socket while the command
// before it had no answer yet. oxd loses such commands or answers them out of step, depending on
// timing; a correct client lets none overlap.
func (s *Server) Overlaps() int { return s.oxd.Overlaps() }

// FaultKind is what goes wrong.
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
	// FaultOversize makes the answer too long to be framed: the command has run, the connection is
	// closed.
	FaultOversize
	// FaultWrongCharset answers in Latin-1 where UTF-8 is due.
	FaultWrongCharset
	// FaultInternalError answers the generic internal error and closes; the command has not run.
	FaultInternalError
	// FaultHang answers nothing until the faults are cleared or the server stops; the command has
	// not run.
	FaultHang
	// FaultError answers the error code Fault.Body; the command has not run.
	FaultError
)

// Fault is a misbehaviour. It is used up after Times commands; zero means it lasts until
// [Server.ClearFaults].
type Fault struct {
	Kind  FaultKind
	Delay time.Duration
	Times int
	Body  string
}

var faultKinds = map[FaultKind]daemon.FaultKind{
	FaultDelay:         daemon.Delay,
	FaultDropBefore:    daemon.DropBefore,
	FaultDropAfter:     daemon.DropAfter,
	FaultGarbage:       daemon.Garbage,
	FaultOversize:      daemon.Oversize,
	FaultWrongCharset:  daemon.WrongCharset,
	FaultInternalError: daemon.InternalError,
	FaultHang:          daemon.Hang,
	FaultError:         daemon.Error,
}

// Inject arms a fault for a command, or for every command with "". Faults are used in the order
// they came.
func (s *Server) Inject(command string, f Fault) {
	s.oxd.Inject(command, daemon.Fault{Kind: faultKinds[f.Kind], Delay: f.Delay, Times: f.Times, Body: f.Body})
}

// ClearFaults disarms all faults and ends what hangs.
func (s *Server) ClearFaults() { s.oxd.ClearFaults() }
