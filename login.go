package oxdauth

// Starting a login: the authorization URL from oxd, and one sealed cookie per attempt that binds its state and nonce to
// this browser.

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/oxdauth/oxd"
)

const (
	loginLifetime = 10 * time.Minute // of an attempt, checked inside the sealed cookie
	loginMemory   = time.Hour        // how long an attempt is remembered, so that a slow person still comes to the right page
	maxLogins     = 5                // attempts a browser keeps; the oldest goes first
	maxLoginBytes = 2000             // of all attempts together, names included
	maxAttempts   = 2                // restarts of one login before a page is shown instead
	minStateChars = 22               // 128 bits in base64; oxd sends 130 bits in about 26 characters
)

// loginRequest says what a login is for.
type loginRequest struct {
	requirement
	returnTo string
	hint     string // who is going to sign in, as far as is known
	attempt  byte
	form     string // to be shown after the login
	cause    error  // of a restart
}

// requirement is what a route needs of the login behind a session.
type requirement struct {
	acrs   []string      // one of them; none: any
	maxAge time.Duration // since the user authenticated; zero: any
}

// met accepts an auth_time up to maxClockSkew too old: it is by the provider's clock.
func (need requirement) met(acr string, authTime time.Time) bool {
	recent := need.maxAge == 0 || !authTime.IsZero() && time.Since(authTime) <= need.maxAge+maxClockSkew
	return recent && (len(need.acrs) == 0 || slices.Contains(need.acrs, acr))
}

// startLogin sends the browser to the provider.
func (m *Middleware) startLogin(w http.ResponseWriter, r *http.Request, req loginRequest) {
	params := oxd.AuthorizationURLParams{Scope: m.scopes, ACRValues: req.acrs}
	params.Params = map[string]string{}
	if language := m.language(r); language != "" {
		params.Params["ui_locales"] = language
	}
	if req.maxAge > 0 {
		params.Params["max_age"] = strconv.FormatInt(int64(req.maxAge/time.Second), 10)
	}
	if req.hint != "" {
		params.Params["login_hint"] = req.hint
	}
	var answer string
	err := m.breaker.call(func() (err error) {
		answer, err = m.client.AuthorizationURL(r.Context(), params)
		return err
	})
	if err != nil {
		m.failLogin(w, r, err)
		return
	}
	attempt, err := m.newLogin(answer, req)
	if err != nil {
		m.failLogin(w, r, err)
		return
	}
	if req.form != "" && !m.rememberForm(w, attempt.state, attempt.returnTo, req.form) {
		m.fail(w, r, ErrNoSession) // it would be lost, so the person has to know first
		return
	}
	if err := m.loginAttempts().remember(w, readJar(r, m.prefix), attempt); err != nil {
		m.failLogin(w, r, err)
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
	m.emit(r.Context(), started)
	http.Redirect(w, r, answer, status)
}

// newLogin reads state and nonce out of the authorization URL: oxd 3.1.1 lets nobody choose them and returns them nowhere
// else. The URL is not re-encoded, because oxd leaves client_id and redirect_uri raw and the provider expects them so.
func (m *Middleware) newLogin(authorizationURL string, req loginRequest) (*login, error) {
	u, err := url.Parse(authorizationURL)
	if err != nil || len(authorizationURL) > 8000 || strings.ContainsFunc(authorizationURL, turnsInBrowsers) ||
		u.Host == "" || u.User != nil || (u.Scheme != "https" && u.Scheme != "http") {
		return nil, fmt.Errorf("%w: not an absolute http(s) URL", errAuthURL)
	}
	q := u.Query()
	for _, name := range []string{"state", "nonce", "client_id", "redirect_uri"} {
		if len(q[name]) != 1 || q.Get(name) == "" {
			return nil, fmt.Errorf("%w: it has not exactly one %s", errAuthURL, name)
		}
	}
	if q.Get("redirect_uri") != m.site.origin+m.site.callbackPath {
		return nil, fmt.Errorf("%w: the site is registered with redirect URI %q", errAuthURL, q.Get("redirect_uri"))
	}
	if len(q.Get("state")) < minStateChars || len(q.Get("nonce")) < minStateChars {
		return nil, fmt.Errorf("%w: state or nonce is too short to be unguessable", errAuthURL)
	}
	m.clients.add(q.Get("client_id"))
	return &login{
		created: time.Now().Unix(), attempt: req.attempt,
		state: hash16("state", q.Get("state")), nonce: hash16("nonce", q.Get("nonce")), client: hash8("client", q.Get("client_id")),
		acrs: strings.Join(req.acrs, " "), maxAge: int64(req.maxAge / time.Second), returnTo: m.returnTarget(req.returnTo),
	}, nil
}

// hash16 is the stored form of a value; the label keeps one kind from passing as another.
func hash16(label, value string) [16]byte {
	sum := sha256.Sum256([]byte(label + "\x00" + value))
	return [16]byte(sum[:16])
}

func hash8(label, value string) [8]byte {
	long := hash16(label, value)
	return [8]byte(long[:8])
}

func (l *login) requirement() requirement {
	return requirement{acrs: strings.Fields(l.acrs), maxAge: time.Duration(l.maxAge) * time.Second}
}

func (l *login) begun() (int64, [16]byte) { return l.created, l.state }

// Login gives the handler that starts a login and afterwards returns to the local path in the query parameter return_to.
// Nothing else is taken from the query. [Middleware.Handler] serves it at [Middleware.LoginPath] by itself.
func (m *Middleware) Login() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.allow(w, r, http.MethodGet) {
			return
		}
		returnTo := m.returnTarget(queryValue(r, "return_to"))
		_, err := m.load(w, r)
		switch {
		case err == nil:
			m.redirect(w, r, returnTo)
		case !errors.Is(err, ErrNoSession):
			m.fail(w, r, err)
		case !isNavigation(r):
			m.fail(w, r, ErrNoSession)
		default:
			m.startLogin(w, r, loginRequest{returnTo: returnTo, requirement: requirement{acrs: m.acrs}})
		}
	})
}

// redirect sends the browser to a path that has gone through returnTarget.
func (m *Middleware) redirect(w http.ResponseWriter, r *http.Request, target string) {
	neverStore(w)
	w.Header().Set("Referrer-Policy", "no-referrer") // the code must not leak to the next page (RFC 9700 section 4.2.4)
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
}

// loginURL is where a client that is no navigation can send its user.
func (m *Middleware) loginURL() string { return m.site.origin + m.site.loginPath }
