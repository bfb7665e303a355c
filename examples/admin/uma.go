package main

// UMA: what is guarded and by which scope, the policies of the embedded authorization server, and
// the registration of the resources, which waits for an oxd that is not there yet.

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// claimsPath is where the provider sends people back to after its questions.
const claimsPath = "/auth/claims"

const (
	scopeView       = "photos:view"
	scopeEdit       = "photos:edit"
	scopeRestricted = "photos:restricted"
)

// newGuard makes the guard. protectionFile may be empty, for an oxd that is gone with this program.
func newGuard(client *oxd.Client, auth *oxdauth.Middleware, protectionFile string, log *slog.Logger) (*oxdauth.Guard, error) {
	opts := []oxdauth.GuardOption{
		oxdauth.WithSessions(auth, claimsPath), oxdauth.WithGuardLogger(log),
		oxdauth.WithGuardTimeout(10 * time.Second), // the machine may be busy with other things than a demo
	}
	if protectionFile != "" {
		opts = append(opts, oxdauth.WithProtectionFile(protectionFile))
	}
	return oxdauth.NewGuard(client, "photos", opts...)
}

// photoAPI returns the API for programs, with what the guard asks for at each route.
func (a *app) photoAPI() http.Handler {
	view := oxdauth.Resource{Scopes: []string{scopeView}, Kind: oxdauth.KindAPI}
	edit := oxdauth.Resource{Scopes: []string{scopeEdit}, Kind: oxdauth.KindAPI}
	api := http.NewServeMux()
	a.guard.Handle(api, "GET /api/photos", http.HandlerFunc(a.listPhotos), view)
	a.guard.Handle(api, "GET /api/photos/{id}", http.HandlerFunc(a.showPhoto), view)
	a.guard.Handle(api, "PUT /api/photos/{id}", limitBody(http.HandlerFunc(a.editPhoto)), edit)
	return api
}

// setPolicies sets who gets which scope at the embedded authorization server. One without a policy,
// such as photos:view, is for everybody who asks.
func setPolicies(provider *oxdtest.Provider) {
	provider.SetPolicy(scopeEdit, oxdtest.Policy{Allow: map[string][]string{"role": {"admin"}}})
	provider.SetPolicy(scopeRestricted, oxdtest.Policy{
		Gather: []string{"country"}, Allow: map[string][]string{"country": {"NO", "DK"}},
	})
}

// protector is the part of [oxdauth.Guard] that has to do with registering resources.
type protector interface {
	Ready() error
	Protect(context.Context) error
}

// The pauses between attempts; the longest is also how often a guard that is ready is looked at.
const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// keepProtected registers the resources until that has worked, and again when oxd has lost them,
// until ctx ends. An oxd that is down and an oxd that refuses are each logged once.
func keepProtected(ctx context.Context, guard protector, log *slog.Logger) {
	logged := map[bool]bool{}
	for pause := firstPause; ; pause = min(2*pause, longestPause) {
		if guard.Ready() != nil {
			err := guard.Protect(ctx)
			down := errors.Is(err, oxd.ErrUnavailable)
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				log.InfoContext(ctx, "the photos are protected")
				clear(logged)
			case !logged[down]:
				log.WarnContext(ctx, "the photos cannot be protected, so they answer 503; trying again", "error", err)
				logged[down] = true
			}
		}
		if guard.Ready() == nil {
			pause = longestPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}
