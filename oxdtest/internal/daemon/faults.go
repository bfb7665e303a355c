// Faults that a test injects.

package daemon

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"example.com/oxdauth/internal/oxdwire"
)

// FaultKind is what goes wrong; the constants of oxdtest.FaultKind document it.
type FaultKind int

// The faults.
const (
	Delay FaultKind = iota + 1
	DropBefore
	DropAfter
	Garbage
	Oversize
	WrongCharset
	InternalError
	Hang
	Error
)

// Fault is a misbehaviour; oxdtest.Fault documents the fields.
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

// Inject arms a fault for a command, or for every command with "".
func (d *Daemon) Inject(command string, f Fault) {
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	d.faults.list = append(d.faults.list, &armedFault{Fault: f, command: command, once: f.Times > 0})
}

// ClearFaults disarms all faults and ends what hangs.
func (d *Daemon) ClearFaults() {
	d.faults.mu.Lock()
	defer d.faults.mu.Unlock()
	d.faults.list = nil
	close(d.faults.cleared)
	d.faults.cleared = make(chan struct{})
}

// next returns the fault of this command, nil when there is none.
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
	case Delay:
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-f.cleared:
		case <-ctx.Done():
		}
		return answer{}, false
	case Hang:
		select {
		case <-f.cleared:
		case <-ctx.Done():
		}
		return answer{cut: true}, true
	case DropBefore:
		return answer{cut: true}, true
	case InternalError:
		call.Error = oxdwire.CodeInternalError
		return answer{body: oxdwire.InternalError}, true
	case Error:
		call.Error = f.Body
		return answer{body: (&oxdwire.Error{Code: f.Body, Description: "Injected."}).Answer()}, true
	}
	return answer{}, false
}

// after applies what happens to the answer.
func (f *faultInUse) after(a answer) answer {
	if f == nil {
		return a
	}
	switch f.Kind {
	case DropAfter:
		a.cut = true
	case Garbage:
		if a.body = f.Body; a.body == "" {
			a.body = `<html>502 Bad Gateway</html>`
		}
	case Oversize:
		a.body = `{"status":"ok","data":{"padding":"` + strings.Repeat("x", 2*oxdwire.MaxUnits) + `"}}`
	case WrongCharset:
		a.latin1 = true
	}
	return a
}
