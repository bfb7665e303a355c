package oxdauth

// The options of NewGuard, with their defaults and limits.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"example.com/oxdauth/internal/limit"
	"example.com/oxdauth/internal/uma"
)

// GuardOption changes one setting of [NewGuard].
type GuardOption interface{ applyGuard(*guardSettings) error }

type guardOption func(*guardSettings) error

func (o guardOption) applyGuard(s *guardSettings) error { return o(s) }

type guardSettings struct {
	asURI          string
	protectionFile string
	grants         grantSettings
	tickets        ticketSettings
	clients        *limit.Clients // nil: no limit for each client
	timeout        time.Duration
	concurrency    int
	unavailable    int // status
	log            decisionLog
	sessions       *Middleware // nil: API clients only
	claimsPath     string
}

type grantSettings struct {
	entries int // 0: no cache
	maxTTL  time.Duration
}

type ticketSettings struct {
	perSecond float64
	burst     int
}

func defaultGuardSettings() guardSettings {
	return guardSettings{
		tickets: ticketSettings{100, 200}, timeout: 3 * time.Second, concurrency: 64,
		unavailable: http.StatusServiceUnavailable, log: decisionLog{logger: slog.Default()},
	}
}

// WithAuthorizationServer sets as_uri, the issuer clients are sent to (UMA 2.0 Grant section
// 3.2.1), exactly as the authorization server writes it; [Guard.VerifyIssuer] compares. Default:
// the op_host of the site.
func WithAuthorizationServer(issuer string) GuardOption {
	return guardOption(func(s *guardSettings) error {
		s.asURI = issuer
		return uma.CheckASURI(issuer)
	})
}

// WithProtectionFile keeps which resources have been registered with oxd, beside the site's own
// file, so that a restart registers nothing twice and changed scopes are noticed. Replicas may
// share the file: they take turns. Default: memory only; then oxd is asked about each resource once
// per start, which costs a ticket each.
func WithProtectionFile(file string) GuardOption {
	return guardOption(func(s *guardSettings) error {
		s.protectionFile = file
		if file == "" {
			return errors.New("oxdauth: WithProtectionFile: no file name")
		}
		return nil
	})
}

// WithGrantCache remembers grants, never anything else, for at most maxTTL and never past the exp
// of an RPT that is a JWT, or past the expiry that oxd 3.1.2 and later tell (introspect_rpt, one
// more question per grant). maxTTL is how long a revoked RPT may still be accepted, with oxd 3.1.1
// also an expired one. Equal checks that run at the same time are then joined as well. 1 to 100,000
// entries of about 200 bytes; more than 0 and at most 60 seconds, of which 5 are a good start.
// Default: off, every request is checked by oxd.
func WithGrantCache(maxEntries int, maxTTL time.Duration) GuardOption {
	return guardOption(func(s *guardSettings) error {
		if maxEntries < 1 || maxEntries > 100_000 || maxTTL <= 0 || maxTTL > time.Minute {
			return fmt.Errorf("oxdauth: WithGrantCache: want 1 to 100000 entries (%d) and up to 60s (%v)", maxEntries, maxTTL)
		}
		s.grants = grantSettings{maxEntries, maxTTL}
		return nil
	})
}

// WithTicketLimit limits how many requests without an RPT are answered with a ticket; those above
// it get 429. Each ticket is an entry in the database of the authorization server. Default: 100 per
// second, bursts of 200, for this process.
func WithTicketLimit(perSecond float64, burst int) GuardOption {
	return guardOption(func(s *guardSettings) error {
		if !(perSecond > 0 && perSecond <= 1e6) || burst < 1 {
			return fmt.Errorf("oxdauth: WithTicketLimit: want a rate above 0 (%v) and a burst of at least 1 (%d)", perSecond, burst)
		}
		s.tickets = ticketSettings{perSecond, burst}
		return nil
	})
}

// WithClientLimit limits how many requests of one client are refused with a ticket, with an RPT
// that is not enough or without any; further ones get 429 before oxd is asked, so that one client
// cannot use up the limit of all. Requests under way are not counted yet. client names who sends a
// request, by an address or a certificate; what it returns must not be the client's own choice. It
// has to be safe for concurrent use. 10,000 clients are told apart at a time, the others share one
// limit. Default: none, because behind a proxy only the application knows whom a request comes
// from.
func WithClientLimit(perSecond float64, burst int, client func(*http.Request) string) GuardOption {
	return guardOption(func(s *guardSettings) error {
		if !(perSecond > 0 && perSecond <= 1e6) || burst < 1 || client == nil {
			return fmt.Errorf("oxdauth: WithClientLimit: want a rate above 0 (%v), a burst of at least 1 (%d) and a function", perSecond, burst)
		}
		s.clients = limit.NewClients(perSecond, burst, client)
		return nil
	})
}

// WithGuardTimeout sets how long one question to oxd may take, connecting included. Keep it below
// the server's write timeout. Default: 3 seconds; at most a minute.
func WithGuardTimeout(d time.Duration) GuardOption {
	return guardOption(func(s *guardSettings) error {
		if d <= 0 || d > time.Minute {
			return fmt.Errorf("oxdauth: WithGuardTimeout: want more than 0 and at most 1m (%v)", d)
		}
		s.timeout = d
		return nil
	})
}

// WithGuardConcurrency sets how many questions to oxd may be under way; requests above that get
// 503. Default: 64.
func WithGuardConcurrency(n int) GuardOption {
	return guardOption(func(s *guardSettings) error {
		if n < 1 {
			return fmt.Errorf("oxdauth: WithGuardConcurrency: want at least 1 (%d)", n)
		}
		s.concurrency = n
		return nil
	})
}

// WithReportOnly protects nothing: every decision is made and logged, and the request goes through
// whatever it was. It is for watching a new declaration on live traffic before it is enforced.
func WithReportOnly() GuardOption {
	return guardOption(func(s *guardSettings) error {
		s.log.reportOnly = true
		return nil
	})
}

// WithUnavailableStatus sets the status for requests about which no decision could be had: 503, the
// default, or 403 as in the example of UMA 2.0 Grant section 3.2.2. The Warning header is the same.
func WithUnavailableStatus(status int) GuardOption {
	return guardOption(func(s *guardSettings) error {
		if status != http.StatusServiceUnavailable && status != http.StatusForbidden {
			return fmt.Errorf("oxdauth: WithUnavailableStatus: want 503 or 403, not %d", status)
		}
		s.unavailable = status
		return nil
	})
}

// WithDecisionHook has f called with each decision, for an audit trail or metrics; Resource and
// Outcome have few values. f runs before the answer is written, must be safe for concurrent use and
// quick, and cannot change the decision: a panic in it is logged. Default: none.
func WithDecisionHook(f func(context.Context, Decision)) GuardOption {
	return guardOption(func(s *guardSettings) error {
		if f == nil {
			return errors.New("oxdauth: WithDecisionHook: nil function")
		}
		s.log.onDecision = f
		return nil
	})
}

// WithGuardLogger sets where decisions are logged: grants at debug, refusals at info, faults at
// error. RPTs, tickets and queries never are. Default: [slog.Default] at the time of [NewGuard].
func WithGuardLogger(l *slog.Logger) GuardOption {
	return guardOption(func(s *guardSettings) error {
		if l == nil {
			return errors.New("oxdauth: WithGuardLogger: nil logger")
		}
		s.log.logger = l
		return nil
	})
}

// WithSessions lets people use guarded pages with their browser: for a request without
// Authorization header the RPT comes from the session of m, and where there is none yet the guard
// gets one. When the authorization server has questions, the browser is sent there and comes back
// to claimsRedirectPath, a path as requests arrive, where [Guard.ClaimsCallback] has to be mounted.
// Its URL is registered with the site; at a site known by its OxdID it has to be among the
// registered ones. m has to be for the same site. Requests that change something are refused when
// another origin sent them. Default: API clients only.
func WithSessions(m *Middleware, claimsRedirectPath string) GuardOption {
	return guardOption(func(s *guardSettings) error {
		s.sessions, s.claimsPath = m, claimsRedirectPath
		p := claimsRedirectPath
		switch {
		case m == nil:
			return errors.New("oxdauth: WithSessions: nil middleware")
		case !strings.HasPrefix(p, "/") || p == "/" || path.Clean(p) != p || (&url.URL{Path: p}).EscapedPath() != p || strings.ContainsAny(p, "?#&"):
			return fmt.Errorf("oxdauth: WithSessions: %q is not a clean path of its own, such as /auth/claims", p)
		case m.site.Owns(p):
			return fmt.Errorf("oxdauth: WithSessions: %q is a path of the middleware", p)
		}
		return nil
	})
}
