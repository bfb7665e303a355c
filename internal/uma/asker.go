package uma

// Asking oxd on behalf of requests, bounded in time and number.

import (
	"context"
	"time"

	"example.com/oxdauth/internal/limit"
	"example.com/oxdauth/oxd"
)

// Asker sends the commands that requests lead to. At most so many run at a time
// ([limit.ErrBusy]), each for a limited time, and none while oxd does not answer ([limit.ErrOpen]).
// A command does not end with the request that started it: an answer that is on its way still says
// whether oxd answers, and may be for other requests as well. An Asker is safe for concurrent use.
type Asker struct {
	client  *oxd.Client
	gate    *limit.Gate
	timeout time.Duration
	breaker limit.Breaker
}

// NewAsker returns an Asker that sends at most atOnce commands at a time, each for at most timeout,
// connecting included.
func NewAsker(client *oxd.Client, atOnce int, timeout time.Duration) *Asker {
	return &Asker{client: client, gate: limit.NewGate(atOnce), timeout: timeout}
}

// CheckAccess asks for one decision (uma_rs_check_access). It sends what was declared and the RPT,
// and nothing else of the request. Errors are those of [oxd.Client.CheckAccess] and the limits of
// the Asker.
func (a *Asker) CheckAccess(ctx context.Context, r *Resource, rpt RPT) (access *oxd.Access, err error) {
	err = a.call(ctx, func(ctx context.Context) (err error) {
		access, err = a.client.CheckAccess(ctx, oxd.CheckAccessParams{RPT: oxd.NewSecret(rpt.token), Path: r.Path, HTTPMethod: r.Method})
		return err
	})
	return access, err
}

// introspect asks what the authorization server says about an RPT (introspect_rpt).
func (a *Asker) introspect(ctx context.Context, rpt RPT) (about *oxd.RPTIntrospection, err error) {
	err = a.call(ctx, func(ctx context.Context) (err error) {
		about, err = a.client.IntrospectRPT(ctx, oxd.NewSecret(rpt.token))
		return err
	})
	return about, err
}

// call runs one command within the limits.
func (a *Asker) call(ctx context.Context, command func(context.Context) error) error {
	return a.gate.Do(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
		defer cancel()
		return a.breaker.Call(func() error { return command(ctx) })
	})
}
