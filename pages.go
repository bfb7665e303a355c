package oxdauth

// The answers this package writes itself: plain pages for people, JSON for everything else.

import (
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"strings"

	"example.com/oxdauth/oxd"
)

//go:embed page.css
var pageStyle string

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Parse(pageHTML))

// pagePolicy allows the one style sheet by its hash and nothing else. There is no form-action: the form of the logout page
// is redirected to the provider, which such a directive would stop.
var pagePolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'"
}()

// page is what a person sees: a link or, with Post, a form with one button and perhaps another way out.
type page struct {
	Title, Text        string
	Link, Post, Button string
	Fields             []formField // hidden
	Other              string      // what Link says beside a form
	RequestID          string
}

func (m *Middleware) showPage(w http.ResponseWriter, r *http.Request, status int, p page) {
	var body strings.Builder
	if err := pageTemplate.Execute(&body, struct {
		page
		Style template.CSS
	}{p, template.CSS(pageStyle)}); err != nil {
		m.logger.ErrorContext(r.Context(), "oxdauth: page template", "error", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // the logout form needs an Origin
	neverStore(w)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write([]byte(body.String())) // the client may have gone away
	}
}

// fail logs the whole error under a request id and shows the client a status and that id.
func (m *Middleware) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := StatusCode(err)
	id := rand.Text()[:12]
	log := m.logger.InfoContext
	if status >= 500 {
		log = m.logger.ErrorContext
	}
	attrs := []any{"status", status, "request_id", id, "method", r.Method, "path", r.URL.Path, "error", err}
	var provider *ProviderError
	if errors.As(err, &provider) {
		attrs = append(attrs, "description", provider.Description)
	}
	log(r.Context(), "oxdauth: request refused", attrs...)

	neverStore(w)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	if status == http.StatusUnauthorized || (errors.Is(err, ErrACR) && !wantsPage(r)) {
		w.Header().Set("WWW-Authenticate", `OpenID realm="`+m.site.origin+`"`)
	}
	switch {
	case m.errorHandler != nil:
		m.errorHandler(w, withoutCredentials(r), err)
	case wantsPage(r):
		m.showPage(w, r, status, m.errorPage(r, err, status, id))
	default:
		m.failJSON(w, r, err, status, id)
	}
}

// withoutCredentials keeps a forwarding error handler from leaking the session.
func withoutCredentials(r *http.Request) *http.Request {
	clone := r.Clone(r.Context())
	for _, name := range []string{"Cookie", "Authorization", "Proxy-Authorization"} {
		clone.Header.Del(name)
	}
	return clone
}

// errorPage words an error for a person. Nothing in it comes from the provider or the request.
func (m *Middleware) errorPage(r *http.Request, err error, status int, id string) page {
	p := page{Title: http.StatusText(status), RequestID: id, Link: m.site.loginPath, Button: "Sign in again"}
	var provider *ProviderError
	switch {
	case errors.Is(err, ErrNoSession):
		p.Title, p.Text = "Your session has ended", "What you sent was not processed. Sign in and send it again."
	case errors.Is(err, ErrState):
		p.Title, p.Text = "This login cannot be continued", "It was started in another browser, has been used already, or cookies are switched off."
	case errors.As(err, &provider) && provider.Code == "access_denied":
		p.Title, p.Text = "The login was cancelled", "You, or the provider, chose not to go on."
	case errors.As(err, &provider):
		p.Title, p.Text = "The provider could not sign you in", "Please try again; if it happens again, tell the people who run this application."
	case errors.Is(err, ErrACR):
		p.Title, p.Text, p.Link, p.Button = "A stronger login is needed", "The provider did not confirm the kind of login this page requires.", "/", "Go to the start page"
	case errors.Is(err, ErrCrossOrigin):
		p.Text, p.Link, p.Button = "The request came from another site.", "/", "Go to the start page"
	case status == http.StatusServiceUnavailable || errors.Is(err, oxd.ErrUnavailable):
		p.Title, p.Text, p.Button = "Signing in is not possible right now", "The login service does not answer. Please try again in a moment.", "Try again"
	default:
		p.Text = "Please try again; if it happens again, tell the people who run this application."
	}
	return p
}

// failJSON answers a client that is no navigation. error follows OpenID Connect (login_required) and RFC 9470
// (insufficient_user_authentication).
func (m *Middleware) failJSON(w http.ResponseWriter, r *http.Request, err error, status int, id string) {
	body := struct {
		Error     string `json:"error"`
		LoginURL  string `json:"login_url,omitempty"`
		RequestID string `json:"request_id"`
	}{Error: strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_"), RequestID: id}
	switch {
	case errors.Is(err, ErrNoSession):
		body.Error, body.LoginURL = "login_required", m.loginURL()
	case errors.Is(err, ErrACR):
		body.Error = "insufficient_user_authentication"
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(body) // the client may have gone away
	}
}

// allow answers 405 for every method but the one given.
func (m *Middleware) allow(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	m.fail(w, r, errMethod)
	return false
}

// queryValue gives the first value of a parameter of a bounded query.
func queryValue(r *http.Request, name string) string {
	if len(r.URL.RawQuery) > maxCallbackQuery {
		return ""
	}
	return r.URL.Query().Get(name)
}
