package main

// The application: its routes, what protects each, and the handlers that change something.

import (
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

// strongACR is the ACR that the settings need. Each provider chooses its own names. The embedded
// provider has "otp", a common one for a login with a one-time password.
const strongACR = "otp"

// maxForm bounds the body of every POST, in bytes.
const maxForm = 64 << 10

// contentPolicy allows nothing but our own style sheets and pictures. It has no form-action on
// purpose: browsers apply that to redirects as well, and signing out is a form whose answer
// redirects to the provider, another origin.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

type app struct {
	client *oxd.Client
	auth   *oxdauth.Middleware
	guard  *oxdauth.Guard
	self   self
	store  *store
	album  *album
	views  *views
	log    *slog.Logger
}

// setup is what the application is built from. The caller closes the client.
type setup struct {
	client         *oxd.Client
	self           self
	protectionFile string
	data           *store
	log            *slog.Logger
}

// newApp builds the application, to be closed with [app.close].
func newApp(s setup, opts ...oxdauth.Option) (*app, error) {
	a := &app{client: s.client, self: s.self, store: s.data, album: newAlbum(), views: loadViews(), log: s.log}
	opts = append(opts, oxdauth.WithErrorHandler(a.authError), oxdauth.WithLogger(s.log))
	if strings.HasPrefix(s.client.AuthorizationRedirectURI(), "http:") {
		opts = append(opts, oxdauth.WithInsecureCookies())
	}
	var err error
	if a.auth, err = oxdauth.New(s.client, opts...); err != nil {
		return nil, err
	}
	a.guard, err = newGuard(s.client, a.auth, s.protectionFile, s.log)
	return a, err
}

func (a *app) close() error { return a.auth.Close() }

// handler returns the whole application and declares to the guard what is behind it; it is called
// once. Everything else, but for the health check and the assets, is inside auth.Handler, so a page
// added later is protected without anybody having to remember it.
func (a *app) handler() http.Handler {
	inside := http.NewServeMux()
	inside.HandleFunc("GET /{$}", a.dashboard)
	inside.HandleFunc("GET /users", a.users)
	inside.HandleFunc("POST /users/{id}/role", a.changeRole)
	inside.HandleFunc("GET /audit", a.audit)
	inside.HandleFunc("GET /photos", a.photos)
	inside.HandleFunc("POST /photos", a.runExchange)
	inside.HandleFunc("GET /session", a.session)
	inside.HandleFunc("POST /session/refresh", a.refresh)
	stepUp := a.auth.RequireACR(strongACR)
	inside.Handle("GET /settings", stepUp(http.HandlerFunc(a.settings)))
	inside.Handle("POST /settings", stepUp(http.HandlerFunc(a.changeSettings)))
	inside.HandleFunc("/", a.notFound)

	// SameSite=Lax cookies already stay away from cross-site POSTs; this also refuses those of a
	// sibling subdomain.
	forms := http.NewCrossOriginProtection().Handler(limitBody(a.observe(inside)))

	outside := http.NewServeMux()
	outside.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	outside.HandleFunc("GET /assets/{name}", a.views.serveAsset)
	restricted := a.observe(http.HandlerFunc(a.restrictedPage))
	a.guard.Handle(outside, "GET /photos/restricted", restricted, oxdauth.Resource{Scopes: []string{scopeRestricted}, Kind: oxdauth.KindPage})
	outside.Handle(claimsPath, a.guard.ClaimsCallback())
	outside.Handle("/", a.recordSignOut(a.auth.Handler(forms)))

	whole := http.NewServeMux()
	whole.Handle("/api/", a.photoAPI())
	whole.Handle("/", securityHeaders(outside))
	return whole
}

func securityHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		// Not no-referrer: with it browsers send "Origin: null" with our own forms.
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

func limitBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

// observe writes to the audit log what is new about a session: a login, a step-up, a refresh.
func (a *app) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if session, ok := oxdauth.SessionFromContext(r.Context()); ok {
			a.store.observe(session, "by itself, ahead of expiry")
		}
		next.ServeHTTP(w, r)
	})
}

// recordSignOut writes a sign-out to the audit log once it has happened: the same request, asked
// again, has no session.
func (a *app) recordSignOut(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != a.auth.LogoutPath() || r.Method != http.MethodPost {
			next.ServeHTTP(w, r)
			return
		}
		session, err := a.auth.Authenticate(r)
		next.ServeHTTP(w, r)
		if err != nil {
			return
		}
		if _, err := a.auth.Authenticate(r); errors.Is(err, oxdauth.ErrNoSession) {
			a.store.addEvent(a.me(session).Name, kindSignOut, "")
		}
	})
}

// me returns the person a session belongs to.
func (a *app) me(session *oxdauth.Session) person {
	if p, ok := a.store.byAccount(accountOf(session)); ok {
		return p
	}
	return person{Name: displayName(session), Role: roleViewer}
}

func (a *app) changeRole(w http.ResponseWriter, r *http.Request) {
	session, ok := a.mustSession(w, r)
	if !ok || !a.parseForm(w, r) {
		return
	}
	id := r.PathValue("id")
	_, err := a.store.setRole(a.me(session), id, role(r.PostForm.Get("role")))
	back := url.Values{}
	for field, parameter := range map[string]string{"q": "q", "only": "role"} {
		if v := r.PostForm.Get(field); v != "" {
			back.Set(parameter, v)
		}
	}
	a.answerForm(w, r, err, url.URL{Path: "/users", RawQuery: back.Encode(), Fragment: id}, "role-saved")
}

func (a *app) changeSettings(w http.ResponseWriter, r *http.Request) {
	session, ok := a.mustSession(w, r)
	if !ok || !a.parseForm(w, r) {
		return
	}
	err := a.store.setSettings(a.me(session), settings{
		Organisation: r.PostForm.Get("organisation"),
		Notice:       r.PostForm.Get("notice"),
	})
	a.answerForm(w, r, err, url.URL{Path: "/settings"}, "settings-saved")
}

// refresh renews the tokens because the person asked for it; the middleware does it ahead of expiry
// by itself.
func (a *app) refresh(w http.ResponseWriter, r *http.Request) {
	session, err := a.auth.Refresh(w, r)
	if err != nil {
		a.log.WarnContext(r.Context(), "refresh on request failed", "error", err)
		redirect(w, r, url.URL{Path: "/session"}, "refresh-failed")
		return
	}
	a.store.observe(session, "on request")
	redirect(w, r, url.URL{Path: "/session"}, "refreshed")
}

// answerForm ends every form the same way: a redirect, so that reloading the page does not send the
// form again.
func (a *app) answerForm(w http.ResponseWriter, r *http.Request, err error, back url.URL, done string) {
	switch {
	case err == nil:
		redirect(w, r, back, done)
	case errors.Is(err, errNotAdministrator):
		a.message(w, r, http.StatusForbidden, "Not allowed", "Only an administrator may do this.", linkHome)
	case errors.Is(err, errUnknownPerson):
		a.notFound(w, r)
	case errors.Is(err, errLastAdministrator):
		redirect(w, r, back, "last-administrator")
	default:
		a.message(w, r, http.StatusUnprocessableEntity, "That cannot be saved", sentence(err), linkHome)
	}
}

// redirect sends the browser on with a 303; done names the message the next page shows, see
// flashes.
func redirect(w http.ResponseWriter, r *http.Request, to url.URL, done string) {
	q := to.Query()
	q.Set("done", done)
	to.RawQuery = q.Encode()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

func (a *app) parseForm(w http.ResponseWriter, r *http.Request) bool {
	err := r.ParseForm()
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		a.message(w, r, http.StatusRequestEntityTooLarge, "Too much", "The form is too large.", linkHome)
	case err != nil:
		a.message(w, r, http.StatusBadRequest, "Bad request", "The form could not be read.", linkHome)
	}
	return err == nil
}

// mustSession is for handlers inside auth.Handler, where a session is always there; without one
// nothing is shown.
func (a *app) mustSession(w http.ResponseWriter, r *http.Request) (*oxdauth.Session, bool) {
	session, ok := oxdauth.SessionFromContext(r.Context())
	if !ok {
		a.authError(w, r, oxdauth.ErrNoSession)
	}
	return session, ok
}

// authError answers what the login or the guard refuses. Nothing the provider or the URL says is
// repeated. The request id is the one in the log.
func (a *app) authError(w http.ResponseWriter, r *http.Request, err error) {
	status := oxdauth.StatusCode(err)
	var provider *oxdauth.ProviderError
	if errors.As(err, &provider) {
		a.store.addFailure("refused by the provider")
	}
	if !strings.Contains(r.Header.Get("Accept"), "text/html") {
		a.auth.WriteError(w, r, err) // JSON
		return
	}
	id, again := "", link{Path: a.auth.LoginPath(), Label: "Sign in", Primary: true}
	var request *oxdauth.RequestError
	if errors.As(err, &request) {
		id = request.RequestID
		again.Path += "?return_to=" + url.QueryEscape(request.ReturnTo)
	}
	var decided *oxdauth.DecisionError
	switch {
	case errors.As(err, &decided) && status == http.StatusForbidden:
		a.refusal(w, r, status, id, "You do not have access", "Access to this page was not granted.", linkHome)
	case errors.As(err, &decided):
		a.refusal(w, r, status, id, "Access cannot be checked right now", "Please try again in a moment.", linkHome)
	case errors.Is(err, oxdauth.ErrClaims):
		a.refusal(w, r, status, id, "This cannot be continued", "It was started too long ago, in another browser, or has been finished already.", linkHome)
	case errors.Is(err, oxdauth.ErrNoSession):
		a.refusal(w, r, status, id, "Your session has ended", "What you sent was not processed. Sign in and send it again.", again)
	case errors.Is(err, oxdauth.ErrACR):
		a.refusal(w, r, status, id, "A second factor is needed",
			"This page opens only after a login with a one-time password, and yours did not have one.", linkHome)
	case provider != nil && provider.Code == "access_denied":
		a.refusal(w, r, status, id, "Sign-in was cancelled", "You are not signed in. Nothing has been changed.", again)
	case errors.Is(err, oxdauth.ErrState):
		a.refusal(w, r, status, id, "This sign-in has expired",
			"It was started too long ago, in another browser, or has been finished already.", again)
	case errors.Is(err, oxdauth.ErrCrossOrigin):
		a.refusal(w, r, status, id, "Request refused", "Another site tried to do this in your name.", linkHome)
	case status == http.StatusServiceUnavailable:
		a.refusal(w, r, status, id, "Sign-in is not available right now", "Please try again in a moment.", again)
	default:
		a.refusal(w, r, status, id, "Sign-in did not work", "Please try again. If it happens again, tell your administrator.", again)
	}
}
