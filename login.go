package oxdauth

// Starting a login: the authorization URL from oxd, and one sealed cookie for each login that binds
// its state and nonce to this browser.

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"example.com/oxdauth/internal/expiring"
	"example.com/oxdauth/internal/limit"
	"example.com/oxdauth/internal/pending"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

const (
	maxRestarts   = 2           // of one login, before a page is shown instead
	minStateChars = 22          // 128 bits in base64; oxd sends 130 bits in about 26 characters
	clientIDPause = time.Minute // between two questions to oxd for the client id
)

// logins is the component that sends browsers out to the provider and takes them back. It is
// immutable but for what it has seen, and safe for concurrent use.
type logins struct {
	client   *oxd.Client
	breaker  *limit.Breaker // of authorization URLs
	site     *web.Site
	sessions *sessions
	answers  *answers
	journal  *journal
	ask      loginSettings
	trips    trips
	clients  clientIDs
}

// trips are the ways out to the provider that browsers are on, and those that have come back.
type trips struct {
	logins     *pending.Book
	gatherings *pending.Book  // of claims, for a guard
	forms      *pending.Forms // a form kept during a login
	used       *pending.Used  // the states that have come back
}

// forget removes what a browser keeps of trips under way.
func (t *trips) forget(w http.ResponseWriter, jar sealed.Jar) {
	t.logins.Clear(w, jar)
	t.gatherings.Clear(w, jar)
	t.forms.Clear(w, jar)
}

// loginSettings is what the options say about logins.
type loginSettings struct {
	scopes, acrs, claims []string
	keepForms            bool
}

// clientIDs holds the client ids that oxd has named in authorization URLs: oxd returns them nowhere
// else.
type clientIDs struct {
	expiring.Latest[string]
	asked atomic.Int64 // when oxd was last asked for one by a logout token, in seconds since the epoch
}

// loginRequest is what a login is for.
type loginRequest struct {
	requirement
	returnTo string
	hint     string // who is going to sign in, as far as that is known
	restarts byte
	form     string // to be shown after the login
	cause    error  // of a restart
}

// page returns the page to go back to after an error, "" for a form: its action may not be a page.
func (req loginRequest) page() string {
	if req.form != "" {
		return ""
	}
	return req.returnTo
}

// requirement is what a route needs of the login behind a session.
type requirement struct {
	acrs   []string      // one of them; none: any
	maxAge time.Duration // since the user authenticated; zero: any
}

// met accepts an auth_time up to ClockSkew too old: it is by the provider's clock.
func (need requirement) met(acr string, authTime time.Time) bool {
	recent := need.maxAge == 0 || !authTime.IsZero() && time.Since(authTime) <= need.maxAge+session.ClockSkew
	return recent && (len(need.acrs) == 0 || slices.Contains(need.acrs, acr))
}

// String words the requirement for [Rules.Report].
func (need requirement) String() string {
	switch {
	case len(need.acrs) > 0:
		return "ACR " + strings.Join(need.acrs, " or ")
	case need.maxAge > 0:
		return "a login at most " + need.maxAge.String() + " ago"
	}
	return "a session"
}

// require is the strict wrapper. The zero requirement asks for any session.
func (l *logins) require(need requirement, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := l.sessions.load(w, r)
		if err == nil && !need.met(s.ACR, s.AuthTime) {
			err = ErrACR
		}
		if err == nil {
			serve(w, r, s, next)
			return
		}
		req := loginRequest{returnTo: l.site.Target(r), requirement: need}
		if len(need.acrs) == 0 {
			req.acrs = l.ask.acrs
		}
		if s != nil {
			req.hint = cmp.Or(s.Claims.Get("preferred_username"), s.Claims.Get("email"))
			if len(need.acrs) == 0 && s.ACR != "" {
				req.acrs = []string{s.ACR}
			}
		}
		begins := web.IsNavigation(r)
		if !begins {
			req.form, begins = l.readForm(r)
		}
		if begins && (errors.Is(err, ErrNoSession) || errors.Is(err, ErrACR)) {
			l.start(w, r, req)
			return
		}
		l.answers.fail(w, r, err)
	})
}

// begin starts a login without a requirement of a route, for a page that the browser asked for.
func (l *logins) begin(w http.ResponseWriter, r *http.Request, returnTo string) {
	l.start(w, r, loginRequest{returnTo: returnTo, requirement: requirement{acrs: l.ask.acrs}})
}

// start sends the browser to the provider.
func (l *logins) start(w http.ResponseWriter, r *http.Request, req loginRequest) {
	if err := l.stuck(r); err != nil {
		l.answers.failLogin(w, r, err, req.page())
		return
	}
	answer, err := l.authorizationURL(r, req)
	if err != nil {
		l.answers.failLogin(w, r, err, req.page())
		return
	}
	trip, err := l.newTrip(answer, req)
	if err != nil {
		l.answers.failLogin(w, r, err, req.page())
		return
	}
	if req.form != "" && !l.trips.forms.Remember(w, &pending.Form{State: trip.State, Action: trip.ReturnTo, URLEncoded: req.form}) {
		l.answers.fail(w, r, ErrNoSession) // it would be lost; the person has to see that first
		return
	}
	if err := l.trips.logins.Remember(w, l.sessions.jar(r), trip); err != nil {
		l.answers.failLogin(w, r, err, req.page())
		return
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	status := http.StatusFound
	if r.Method != http.MethodGet {
		status = http.StatusSeeOther // the form must not go to the provider
	}
	started := Event{Kind: LoginStarted}
	if req.cause != nil {
		started = Event{Kind: LoginRestarted, Err: req.cause}
	}
	l.journal.emit(r.Context(), started)
	http.Redirect(w, r, answer, status)
}

func (l *logins) authorizationURL(r *http.Request, req loginRequest) (answer string, err error) {
	params := oxd.AuthorizationURLParams{Scope: l.ask.scopes, ACRValues: req.acrs, Params: map[string]string{}}
	if language := l.answers.language(r); language != "" {
		params.Params["ui_locales"] = language
	}
	if req.maxAge > 0 {
		params.Params["max_age"] = strconv.FormatInt(int64(req.maxAge/time.Second), 10)
	}
	if req.hint != "" {
		params.Params["login_hint"] = req.hint
	}
	err = l.breaker.Call(func() (err error) {
		answer, err = l.client.AuthorizationURL(r.Context(), params)
		return err
	})
	return answer, err
}

// callbackQuery reads the query of a return from the provider. It has one state.
func callbackQuery(raw string) (url.Values, error) {
	q, err := web.Query(raw, "code", "state", "error", "error_description", "iss")
	if err == nil && q.Get("state") == "" {
		err = web.ErrQuery
	}
	return q, err
}

// stuck returns an error for a request on which a login would only lead to the next one: a callback
// that arrives under a path that is not ours, or a browser whose logins succeed and leave no
// session.
func (l *logins) stuck(r *http.Request) error {
	jar := l.sessions.jar(r)
	if l.sessions.rounds.TooMany(jar) {
		return errRounds
	}
	q, err := callbackQuery(r.URL.RawQuery)
	if err != nil || q.Get("code") == "" && q.Get("error") == "" || l.trips.logins.Find(jar, q.Get("state"), new(pending.Login)) == "" {
		return nil
	}
	return l.misplaced(r)
}

// misplaced returns an error for a callback of this browser that does not arrive at the callback
// path.
func (l *logins) misplaced(r *http.Request) error {
	here, there := r.URL.Path, l.site.CallbackPath
	prefix, stripped := strings.CutSuffix(there, here)
	switch {
	case here == there:
		return nil
	case stripped:
		return fmt.Errorf("%w: it arrives as %q instead of %q; something takes the prefix away: use WithPathPrefix(%q)", errMisplaced, here, there, prefix)
	}
	return fmt.Errorf("%w: it arrives as %q instead of %q; check WithPathPrefix and what rewrites paths", errMisplaced, here, there)
}

// newTrip reads state and nonce out of the authorization URL: oxd 3.1.1 lets nobody choose them and
// returns them nowhere else. The URL is not re-encoded, because oxd leaves client_id and
// redirect_uri raw and the provider expects them so.
func (l *logins) newTrip(authorizationURL string, req loginRequest) (*pending.Login, error) {
	u, err := web.AbsoluteURL(authorizationURL)
	if err != nil {
		return nil, fmt.Errorf("%w: not an absolute http(s) URL", errAuthURL)
	}
	q := u.Query()
	for _, name := range []string{"state", "nonce", "client_id", "redirect_uri"} {
		if len(q[name]) != 1 || q.Get(name) == "" {
			return nil, fmt.Errorf("%w: it has not exactly one %s", errAuthURL, name)
		}
	}
	if q.Get("redirect_uri") != l.site.RedirectURL() {
		return nil, fmt.Errorf("%w: the site is registered with redirect URI %q", errAuthURL, q.Get("redirect_uri"))
	}
	if len(q.Get("state")) < minStateChars || len(q.Get("nonce")) < minStateChars {
		return nil, fmt.Errorf("%w: state or nonce is too short to be unguessable", errAuthURL)
	}
	l.clients.Add(q.Get("client_id"))
	return &pending.Login{
		Created: time.Now().Unix(), Restarts: req.restarts,
		State: l.trips.logins.Digest(q.Get("state")), Nonce: session.Digest("nonce", q.Get("nonce")),
		Client: session.Digest8("client", q.Get("client_id")),
		ACRs:   strings.Join(req.acrs, " "), MaxAge: int64(req.maxAge / time.Second), ReturnTo: l.site.ReturnTo(req.returnTo),
	}, nil
}

// requirementOf returns what a login under way has to deliver.
func requirementOf(trip *pending.Login) requirement {
	return requirement{acrs: strings.Fields(trip.ACRs), maxAge: time.Duration(trip.MaxAge) * time.Second}
}

// isClient reports whether all audiences are client ids of this site. When one is not known, oxd is
// asked for an authorization URL, at most once a minute. An error means that oxd did not answer.
func (l *logins) isClient(ctx context.Context, audience []string) (bool, error) {
	if now := time.Now().Unix(); !l.clients.Has(audience...) && now-l.clients.asked.Load() >= int64(clientIDPause/time.Second) {
		answer, err := l.client.AuthorizationURL(ctx, oxd.AuthorizationURLParams{Scope: l.ask.scopes})
		if err == nil {
			_, err = l.newTrip(answer, loginRequest{}) // adds the client id
		}
		if err != nil {
			return false, err
		}
		l.clients.asked.Store(now)
	}
	return l.clients.Has(audience...), nil
}

// serveLogin is [Middleware.Login].
func (l *logins) serveLogin(w http.ResponseWriter, r *http.Request) {
	if !l.answers.allow(w, r, http.MethodGet) {
		return
	}
	returnTo := l.site.ReturnTo(web.QueryValue(r, "return_to"))
	_, err := l.sessions.load(w, r)
	switch {
	case err == nil:
		redirect(w, returnTo)
	case !errors.Is(err, ErrNoSession):
		l.answers.fail(w, r, err)
	case !web.IsNavigation(r):
		l.answers.fail(w, r, ErrNoSession)
	default:
		l.begin(w, r, returnTo)
	}
}

// readForm returns a form that may be kept: submitted by a person on a page of this very origin, so
// that no other site gets its form confirmed, and readable as text.
func (l *logins) readForm(r *http.Request) (urlEncoded string, ok bool) {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	switch {
	case !l.ask.keepForms || r.Method != http.MethodPost || !web.WantsPage(r),
		!l.site.SameOrigin(r) || r.Header.Get("Origin") == "",
		err != nil || mediaType != "application/x-www-form-urlencoded" || charset != "" && !strings.EqualFold(charset, "utf-8"):
		return "", false
	}
	if l.site.ReturnTo(l.site.Target(r)) == l.site.Outside("/") && r.URL.Path != "/" {
		return "", false // it would go elsewhere
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, pending.MaxFormBytes+1))
	if err != nil || len(body) > pending.MaxFormBytes || bytes.ContainsFunc(body, web.Unsafe) {
		return "", false
	}
	_, ok = pending.ParseForm(string(body))
	return string(body), ok
}
