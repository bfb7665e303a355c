package oxdauth

// The answers this package writes itself: plain pages for people, JSON for everything else.

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"strings"

	"example.com/oxdauth/oxd"
)

//go:embed page.css
var pageStyle string

//go:embed page.html
var pageHTML string

// builtinPage is executed with a PageData; its style is a constant of this package.
var builtinPage = template.Must(template.New("page").Funcs(template.FuncMap{"style": func() template.CSS { return template.CSS(pageStyle) }}).Parse(pageHTML))

// builtinPolicy allows the one style sheet by its hash and nothing else. There is no form-action: the form of the logout
// page is redirected to the provider, which such a directive would stop.
var builtinPolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'"
}()

// PageData is what a person sees: a link or, with Post, a form with one button and perhaps another way out. Nothing in it comes
// from the provider; Link, Post and Fields can come from the request, as far as a template may show them.
type PageData struct {
	Lang         string // language tag of the texts
	Status       int
	Title, Text  string
	Link         string      // local path; beside a form it stands under Other
	Post         string      // local path a form is posted to; empty: there is none
	Fields       []FormField // hidden
	Button       string      // of the form, else what Link says
	Other        string
	RequestID    string // as in the log; may be empty
	RequestLabel string
}

// FormField is a hidden field of a [PageData].
type FormField struct{ Name, Value string }

// WithPageTemplate replaces the built-in pages. t is executed with a [PageData]; parse it with [html/template], from files with
// [template.ParseFS]. policy is the Content-Security-Policy of the pages: without inline script or style, "default-src
// 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'" is a good start, and a form-action
// would stop the redirect of the logout form to the provider. [New] refuses a template that fails on any page. Default: a
// plain card with a style sheet of its own, light or dark as the browser prefers.
func WithPageTemplate(t *template.Template, policy string) Option {
	return option(func(s *settings) error {
		if t == nil || policy == "" || strings.ContainsAny(policy, "\r\n") {
			return errors.New("oxdauth: WithPageTemplate: no template or no policy")
		}
		full := PageData{
			Lang: "en", Status: http.StatusOK, Title: "t", Text: "t", Link: "/", Post: "/", Fields: []FormField{{"n", "v"}}, Button: "b", Other: "o",
			RequestID: "r", RequestLabel: "l",
		}
		for _, p := range []PageData{{}, full} {
			if err := t.Execute(io.Discard, p); err != nil {
				return fmt.Errorf("oxdauth: WithPageTemplate: %w", err)
			}
		}
		s.pages, s.pagePolicy = t, policy
		return nil
	})
}

func (m *Middleware) showPage(w http.ResponseWriter, r *http.Request, status int, p PageData) {
	p.Status, p.RequestLabel = status, labelRequest
	var body bytes.Buffer
	if err := m.pages.Execute(&body, m.translated(p, m.language(r))); err != nil {
		m.logger.ErrorContext(r.Context(), "oxdauth: page template", "error", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", m.pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // the logout form needs an Origin
	neverStore(w)
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body.Bytes()) // the client may have gone away
	}
}

// fail logs the whole error under a request id and shows the client a status and that id.
func (m *Middleware) fail(w http.ResponseWriter, r *http.Request, err error) {
	m.refuse(w, r, RequestRefused, err)
}

// failLogin is fail for a login that could not begin or end.
func (m *Middleware) failLogin(w http.ResponseWriter, r *http.Request, err error) {
	m.refuse(w, r, LoginFailed, err)
}

func (m *Middleware) refuse(w http.ResponseWriter, r *http.Request, kind EventKind, err error) {
	status := StatusCode(err)
	id := newRequestID()
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
	refused := Event{Kind: kind, Status: status, RequestID: id, Err: err}
	if s, ok := m.sessionOf(r); ok {
		refused.Subject, refused.Issuer = s.Subject, s.Issuer
	}
	m.emit(r.Context(), refused)

	neverStore(w)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	if status == http.StatusUnauthorized || (errors.Is(err, ErrACR) && !wantsPage(r)) {
		w.Header().Set("WWW-Authenticate", `OpenID realm="`+m.site.origin+`"`)
	}
	if m.errorHandler != nil {
		m.errorHandler(w, withoutCredentials(r), err)
		return
	}
	m.writeError(w, r, err, id)
}

// WriteError writes the default answer for err: a page for a person, JSON for everything else. It is for an [ErrorHandler]
// that treats some errors itself and leaves the rest. The request id is a new one.
func (m *Middleware) WriteError(w http.ResponseWriter, r *http.Request, err error) {
	m.writeError(w, r, err, newRequestID())
}

func (m *Middleware) writeError(w http.ResponseWriter, r *http.Request, err error, id string) {
	status := StatusCode(err)
	if wantsPage(r) {
		m.showPage(w, r, status, m.errorPage(err, status, id))
		return
	}
	m.failJSON(w, r, err, status, id)
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
func (m *Middleware) errorPage(err error, status int, id string) PageData {
	p := PageData{Title: http.StatusText(status), Text: textAgain, RequestID: id, Link: m.site.loginPath, Button: buttonSignIn}
	var provider *ProviderError
	switch {
	case errors.Is(err, ErrNoSession):
		p.Title, p.Text = titleEnded, textEnded
	case errors.Is(err, ErrState):
		p.Title, p.Text = titleStray, textStray
	case errors.As(err, &provider) && provider.Code == "access_denied":
		p.Title, p.Text = titleCancelled, textCancelled
	case errors.As(err, &provider):
		p.Title = titleProvider
	case errors.Is(err, ErrACR):
		p.Title, p.Text, p.Link, p.Button = titleACR, textACR, "/", buttonStart
	case errors.Is(err, ErrForbidden):
		p.Text, p.Link, p.Button = textForbidden, "/", buttonStart
	case errors.Is(err, errBadPath):
		p.Text, p.Link, p.Button = textBadPath, "/", buttonStart
	case errors.Is(err, ErrCrossOrigin):
		p.Text, p.Link, p.Button = textCrossOrigin, "/", buttonStart
	case errors.Is(err, ErrStore):
		p.Title, p.Text, p.Link, p.Button = titleStore, textUnchecked, "/", buttonStart
	case status == http.StatusServiceUnavailable || errors.Is(err, oxd.ErrUnavailable):
		p.Title, p.Text, p.Button = titleUnavailable, textUnavailable, buttonRetry
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
