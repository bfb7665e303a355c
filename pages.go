package oxdauth

// The answers that this package writes itself: plain pages for people, JSON for everything else.

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/texts"
	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

//go:embed page.css
var pageStyle string

//go:embed page.html
var pageHTML string

// builtinPage is executed with a PageData; its style is a constant of this package.
var builtinPage = template.Must(template.New("page").Funcs(template.FuncMap{
	"style": func() template.CSS { return template.CSS(pageStyle) },
}).Parse(pageHTML))

// builtinPolicy allows the one style sheet by its hash and nothing else. There is no form-action:
// the form of the logout page is redirected to the provider, which such a directive would stop.
var builtinPolicy = func() string {
	sum := sha256.Sum256([]byte(pageStyle))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; frame-ancestors 'none'"
}()

// PageData is what a person sees: a link or, with Post, a form with one button and perhaps another
// way out. Nothing in it comes from the provider; Link, Post and Fields can come from the request,
// as far as a template may show them.
type PageData struct {
	Lang         string // language tag of the texts
	Status       int
	Title, Text  string
	Link         string      // local path; beside a form it stands under Other
	Post         string      // local path a form is posted to; empty: there is none
	Fields       []FormField // hidden
	Button       string      // of the form, else the text of Link
	Other        string
	RequestID    string // as in the log; may be empty
	RequestLabel string
}

// FormField is a hidden field of a [PageData].
type FormField struct{ Name, Value string }

// ErrorHandler writes the answer for a request that ended in err, which is a [RequestError].
// [StatusCode] returns the status that the default handler would use. The request it gets carries
// neither cookies nor an Authorization header, so that it can be forwarded.
type ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)

// PageTexts returns every text of the built-in pages: the keys of a translation for
// [WithTranslations].
func PageTexts() []string { return texts.All() }

// pageSettings is what the options say about pages.
type pageSettings struct {
	template *template.Template
	policy   string         // Content-Security-Policy
	texts    *texts.Catalog // nil: English alone
}

// answers is the component that writes refusals and pages. It is immutable.
type answers struct {
	site      *web.Site
	journal   *journal
	handler   ErrorHandler // nil: the built-in pages and JSON bodies
	pages     pageSettings
	sessionOf func(*http.Request) (*Session, bool) // who is signed in, for events
}

// show writes a page.
func (a *answers) show(w http.ResponseWriter, r *http.Request, status int, p PageData) {
	p.Status, p.RequestLabel = status, texts.LabelRequest
	var body bytes.Buffer
	if err := a.pages.template.Execute(&body, a.translated(p, a.language(r))); err != nil {
		a.journal.ErrorContext(r.Context(), "oxdauth: page template", "error", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", a.pages.policy)
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin") // the logout form needs an Origin
	sealed.NoStore(w)
	writeBody(w, r, status, body.Bytes())
}

// language returns the language for a request, "" when there are no translations.
func (a *answers) language(r *http.Request) string {
	return a.pages.texts.Match(r.Header.Get("Accept-Language"))
}

func (a *answers) translated(p PageData, language string) PageData {
	for _, text := range []*string{&p.Title, &p.Text, &p.Button, &p.Other, &p.RequestLabel} {
		*text = a.pages.texts.Text(language, *text)
	}
	p.Lang = cmp.Or(language, "en")
	return p
}

// fail logs the whole error under a request id and shows the client a status and that id.
func (a *answers) fail(w http.ResponseWriter, r *http.Request, err error) {
	a.failFor(w, r, err, "")
}

// failFor is fail with the page that the request was for, "" for the page of the request.
func (a *answers) failFor(w http.ResponseWriter, r *http.Request, err error, returnTo string) {
	a.refuse(w, r, a.report(r, RequestRefused, err, returnTo))
}

// failLogin is fail for a login that could not begin or end. returnTo is the page that it was for,
// "" for the page of the request.
func (a *answers) failLogin(w http.ResponseWriter, r *http.Request, err error, returnTo string) {
	a.refuse(w, r, a.report(r, LoginFailed, err, returnTo))
}

// report logs an error under a new request id, emits its event, and returns what belongs to it.
func (a *answers) report(r *http.Request, kind EventKind, err error, returnTo string) *RequestError {
	failed := a.newError(r, err, web.RequestID(), returnTo)
	status := StatusCode(err)
	log := a.journal.InfoContext
	if status >= 500 {
		log = a.journal.ErrorContext
	}
	attrs := []any{"status", status, "request_id", failed.RequestID, "method", r.Method, "path", r.URL.Path, "error", err}
	var provider *ProviderError
	if errors.As(err, &provider) {
		attrs = append(attrs, "description", provider.Description)
	}
	log(r.Context(), "oxdauth: request refused", attrs...)
	refused := Event{Kind: kind, Status: status, RequestID: failed.RequestID, Err: err}
	if s, ok := a.sessionOf(r); ok {
		refused.Subject, refused.Issuer, refused.SessionID = s.Subject, s.Issuer, s.ID()
	}
	a.journal.emit(r.Context(), refused)
	return failed
}

// newError returns an error with what belongs to its request. Without returnTo it is the page of
// the request, but for a form the start page: its action may not be a page at all.
func (a *answers) newError(r *http.Request, err error, id, returnTo string) *RequestError {
	switch {
	case returnTo != "":
		returnTo = a.site.ReturnTo(returnTo)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		returnTo = a.site.ReturnTo(a.site.Target(r))
	default:
		returnTo = a.site.Outside("/")
	}
	var decided *DecisionError
	return &RequestError{Err: err, RequestID: id, ReturnTo: returnTo, Page: web.WantsPage(r) || errors.As(err, &decided)}
}

// refuse answers a request that has been reported.
func (a *answers) refuse(w http.ResponseWriter, r *http.Request, err *RequestError) {
	status := StatusCode(err)
	sealed.NoStore(w)
	var decided *DecisionError
	switch {
	case errors.As(err, &decided): // its headers are there
	case status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "10")
	case status == http.StatusUnauthorized, errors.Is(err, ErrACR) && !web.WantsPage(r):
		w.Header().Set("WWW-Authenticate", `OpenID realm="`+a.site.Origin+`"`)
	}
	if a.handler != nil {
		a.handler(w, withoutCredentials(r), err)
		return
	}
	a.write(w, r, err)
}

// write is the default answer for err: a page for a person, JSON for everything else.
func (a *answers) write(w http.ResponseWriter, r *http.Request, err *RequestError) {
	status := StatusCode(err)
	if err.Page {
		a.show(w, r, status, a.errorPage(err, status))
		return
	}
	// error follows OpenID Connect (login_required) and RFC 9470
	// (insufficient_user_authentication).
	body := struct {
		Error     string `json:"error"`
		LoginURL  string `json:"login_url,omitempty"`
		RequestID string `json:"request_id"`
	}{Error: strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_"), RequestID: err.RequestID}
	switch {
	case errors.Is(err, ErrNoSession):
		body.Error, body.LoginURL = "login_required", a.site.URL(a.site.Endpoints.Login)
	case errors.Is(err, ErrACR):
		body.Error = "insufficient_user_authentication"
	}
	writeJSON(w, r, status, body)
}

// allow answers 405 for every method but the one given.
func (a *answers) allow(w http.ResponseWriter, r *http.Request, method string) bool {
	if r.Method == method {
		return true
	}
	w.Header().Set("Allow", method)
	a.fail(w, r, errMethod)
	return false
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
func (a *answers) errorPage(err *RequestError, status int) PageData {
	p := PageData{
		Title: http.StatusText(status), Text: texts.TextAgain, RequestID: err.RequestID,
		Link: a.loginLink(err.ReturnTo), Button: texts.ButtonSignIn,
	}
	start := a.site.Outside("/")
	var provider *ProviderError
	var decided *DecisionError
	switch {
	case errors.As(err, &decided):
		p.Title, p.Text, p.Link, p.Button = texts.TitleDenied, texts.TextDenied, start, texts.ButtonStart
		wordDecision(&p, decided, err.ReturnTo)
	case errors.Is(err, ErrClaims):
		p.Title, p.Text, p.Link, p.Button = texts.TitleGathering, texts.TextGathering, start, texts.ButtonStart
	case errors.Is(err, ErrNoSession):
		p.Title, p.Text = texts.TitleEnded, texts.TextEnded
	case errors.Is(err, ErrState):
		p.Title, p.Text = texts.TitleStray, texts.TextStray
	case errors.As(err, &provider) && provider.Code == "access_denied":
		p.Title, p.Text = texts.TitleCancelled, texts.TextCancelled
	case errors.As(err, &provider):
		p.Title = texts.TitleProvider
	case errors.Is(err, ErrACR):
		p.Title, p.Text, p.Link, p.Button = texts.TitleACR, texts.TextACR, start, texts.ButtonStart
	case errors.Is(err, ErrForbidden):
		p.Text, p.Link, p.Button = texts.TextForbidden, start, texts.ButtonStart
	case errors.Is(err, web.ErrPath):
		p.Text, p.Link, p.Button = texts.TextBadPath, start, texts.ButtonStart
	case errors.Is(err, ErrCrossOrigin):
		p.Text, p.Link, p.Button = texts.TextCrossOrigin, start, texts.ButtonStart
	case errors.Is(err, ErrStore):
		p.Title, p.Text, p.Link, p.Button = texts.TitleStore, texts.TextUnchecked, start, texts.ButtonStart
	case status == http.StatusServiceUnavailable || errors.Is(err, oxd.ErrUnavailable):
		p.Title, p.Text, p.Button = texts.TitleUnavailable, texts.TextUnavailable, texts.ButtonRetry
	}
	return p
}

// wordDecision words a decision that is not the usual denial. No ticket is shown.
func wordDecision(p *PageData, refused *DecisionError, returnTo string) {
	switch d := refused.Decision; {
	case d.Outcome == OutcomeMalformedRequest || d.Outcome == OutcomeMethodNotAllowed:
		p.Title, p.Text = http.StatusText(d.Status), texts.TextMalformed
	case d.Outcome == OutcomeCrossOrigin:
		p.Text = texts.TextCrossOrigin
	case refused.Waiting:
		p.Title, p.Text, p.Link, p.Button = texts.TitleWaiting, texts.TextWaiting, returnTo, texts.ButtonRetry
	case d.Outcome != OutcomeDenied:
		p.Title, p.Text = texts.TitleUnchecked, texts.TextUnchecked
	}
}

// loginLink returns the path of a login that leads to a page.
func (a *answers) loginLink(returnTo string) string {
	link := a.site.Outside(a.site.Endpoints.Login)
	if returnTo != a.site.Outside("/") {
		link += "?return_to=" + url.QueryEscape(returnTo)
	}
	return link
}

// redirect sends the browser to a target that has gone through [web.Site.ReturnTo], or to the
// provider.
func redirect(w http.ResponseWriter, target string) {
	sealed.NoStore(w)
	// The code must not leak to the next page (RFC 9700 section 4.2.4).
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", target)
	w.WriteHeader(http.StatusSeeOther)
}

// writeJSON answers a client that is no navigation.
func writeJSON(w http.ResponseWriter, r *http.Request, status int, body any) {
	text, _ := json.Marshal(body) // of structs of strings: it cannot fail
	w.Header().Set("Content-Type", "application/json")
	writeBody(w, r, status, append(text, '\n'))
}

// writeBody writes status and body, the body not for HEAD.
func writeBody(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the client may have gone away
	}
}
