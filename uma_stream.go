package oxdauth

// Requests that last: an event stream or a WebSocket is decided about when it begins, and, if asked for, again and again.

import (
	"context"
	"errors"
	"time"
)

// ErrAccessWithdrawn is the [context.Cause] of a request whose access ended while it was served; see [Recheck].
var ErrAccessWithdrawn = errors.New("oxdauth: access withdrawn")

const recheckFaults = 3 // without a decision in a row, after which access ends as well

// Recheck has oxd asked again every interval while a request is served, past any cache. When access is not granted any
// more, or no decision could be had three times in a row, the request's context ends with [ErrAccessWithdrawn], which the
// handler has to watch. For event streams and WebSockets. At least a second. Default: one decision, at the beginning.
func Recheck(interval time.Duration) ResourceOption {
	return resourceOption(func(r *route) {
		if r.recheck = interval; interval <= 0 {
			r.recheck = -1 // reported by Protect
		}
	})
}

// watch ends the context when access ends. Calling stop ends the watching.
func (g *Guard) watch(ctx context.Context, rt *route, rpt string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		tick := time.NewTicker(rt.recheck)
		defer tick.Stop()
		for faults := 0; ; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			v := g.question(ctx, rt, rpt)
			switch {
			case v.outcome == Granted:
				faults = 0
				continue
			case v.outcome == Unavailable && faults < recheckFaults-1:
				faults++
				continue
			}
			if ctx.Err() == nil {
				g.settings.logger.InfoContext(ctx, "oxdauth: access withdrawn", "resource", rt.path, "method", rt.method,
					"outcome", v.outcome.String(), "reason", v.reason, "rpt", g.fingerprint(rpt))
			}
			cancel(ErrAccessWithdrawn)
			return
		}
	}()
	return ctx, func() { cancel(context.Canceled) }
}
