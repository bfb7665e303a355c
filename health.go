package oxdauth

// Health checks, for orchestrators and load balancers.

import (
	"fmt"
	"net/http"
)

// ReadyHandler answers 200 when every check returns nil, otherwise 503, without saying why: anybody
// may be asking. Checks are methods such as [Middleware.Ready] and [Guard.Ready]; they have to be
// quick and safe for concurrent use.
func ReadyHandler(checks ...func() error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		status, text := http.StatusOK, "ready"
		for _, check := range checks {
			if check() != nil {
				status, text = http.StatusServiceUnavailable, "not ready"
			}
		}
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = fmt.Fprintln(w, text) // the client may have gone away
		}
	})
}
