// Package commands is what oxd does with a command: the operations of oxd 3.1.1 and of oxd 4 on the
// same sites, with the defects of Gluu's server.
package commands

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base32"
	"net/http"
	"strings"
	"sync"
	"time"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxdtest/internal/idp"
)

// Config has the settings of oxd; oxdtest.Config documents them.
type Config struct {
	ProtectCommands bool
	StateLifetime   time.Duration
	RedisErrors     bool
}

// Engine has what oxd remembers: sites, states and nonces. It is safe for concurrent use.
type Engine struct {
	cfg Config
	op  *idp.Access

	mu     sync.Mutex // guards sites and what is in them, states, nonces
	sites  map[string]*site
	states map[string]time.Time // until when they are known
	nonces map[string]time.Time
}

// New returns an Engine that trusts the pool at providers.
func New(cfg Config, pool *x509.CertPool) *Engine {
	return &Engine{
		cfg: cfg, op: idp.New(pool), sites: map[string]*site{}, states: map[string]time.Time{}, nonces: map[string]time.Time{},
	}
}

// Known reports whether oxd 3.1.1 has the command.
func Known(command string) bool { return commands[command] != nil }

// Run executes a command of oxd 3.1.1, which must be known. An error that is no *oxdwire.Error is
// the generic internal error.
func (e *Engine) Run(ctx context.Context, command string, params *oxdwire.Params) (data any, err error) {
	return commands[command](&execution{ctx: ctx, engine: e, params: params})
}

// Run4 executes a command of oxd 4, which must be one of oxdwire.RESTRoute. An error can be a
// *idp.Failure, which is relayed with its status.
func (e *Engine) Run4(ctx context.Context, command string, params *oxdwire.Params) (data any, err error) {
	return commands4[command](&execution{ctx: ctx, engine: e, params: params, v4: true})
}

// CheckToken4 checks the token in the header of a command of oxd 4 about a site.
func (e *Engine) CheckToken4(ctx context.Context, oxdID string, h http.Header) error {
	return (&execution{ctx: ctx, engine: e}).checkToken4(oxdID, h)
}

// Forget is what a restart does: sites and their protection API tokens are stored, the rest is not.
func (e *Engine) Forget() {
	e.op.Forget()
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.states)
	clear(e.nonces)
}

// CloseIdleConnections closes the idle connections to providers.
func (e *Engine) CloseIdleConnections() { e.op.CloseIdleConnections() }

// newValue returns a state or nonce: a number of 130 random bits in base 32, which has 26 digits
// or, now and then, fewer. It is known for the configured time.
func (e *Engine) newValue(known map[string]time.Time) string {
	b := make([]byte, 17)
	rand.Read(b)
	value := strings.TrimLeft(strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(b))[:26], "0")
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if len(known) >= 50_000 {
		for old, until := range known {
			if now.After(until) {
				delete(known, old)
			}
		}
	}
	known[value] = now.Add(e.cfg.StateLifetime)
	return value
}

// value returns the state or nonce that the caller has chosen, or a new one.
func (e *Engine) value(known map[string]time.Time, chosen string) string {
	if chosen == "" {
		return e.newValue(known)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known[chosen] = time.Now().Add(e.cfg.StateLifetime)
	return chosen
}

func (e *Engine) known(values map[string]time.Time, value string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	until, ok := values[value]
	return ok && time.Now().Before(until)
}
