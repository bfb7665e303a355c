package oxdtest

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"net/url"
)

// This file holds the pages that people see.

//go:embed pages
var opPageFiles embed.FS

var opTemplates = template.Must(template.ParseFS(opPageFiles, "pages/*.html"))

// opFieldTransaction is the hidden field by which the form of a page finds
// its transaction again.
const opFieldTransaction = "oxdtest_transaction"

// opMaxHints is up to how many users the login page names.
const opMaxHints = 5

// opPage is what the templates show.
type opPage struct {
	Title       string
	Style       string // path of the style sheet
	Message     string // what went wrong with the last try
	Step        opStep
	Transaction string
	Action      string
	Username    string
	Client      string
	ReturnHost  string
	User        *opUser
	Scopes      []string
	Hints       []opHint
	OTPCode     string
	Claims      []string
	Frames      []string
	Continue    string
}

type opHint struct{ Name, Password string }

var opTitles = map[opStep]string{
	opStepLogin: "Sign in", opStepSelect: "Choose an account",
	opStepOTP: "Second factor", opStepConsent: "Allow access",
}

// renderStep shows the page of a step of the sign-in.
func (p *Provider) renderStep(w http.ResponseWriter, tx *opTransaction, step opStep, user *opUser, message string) {
	page := opPage{
		Title: opTitles[step], Message: message, Step: step, Transaction: tx.id, Action: opPathLogin, Username: cmp.Or(tx.username, tx.loginHint),
		Client: tx.client.displayName(), ReturnHost: opHost(tx.redirectURI), User: user, Scopes: tx.scopes,
	}
	p.mu.Lock()
	if len(p.userNames) <= opMaxHints {
		for _, name := range p.userNames {
			page.Hints = append(page.Hints, opHint{name, p.users[name].Password})
		}
	}
	p.mu.Unlock()
	page.OTPCode = opOTPCode
	opRender(w, http.StatusOK, string(step), page)
}

// displayName is what people are told the application is called.
func (c *opClient) displayName() string {
	if c.meta.ClientName != "" {
		return c.meta.ClientName
	}
	return opHost(c.meta.RedirectURIs[0])
}

func opHost(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return uri
	}
	return u.Host
}

// opErrorPage is for errors that cannot go back to a client.
func opErrorPage(w http.ResponseWriter, status int, message string) {
	opRender(w, status, "error", opPage{Title: "That did not work", Message: message})
}

func opRender(w http.ResponseWriter, status int, name string, page opPage) {
	page.Style = opPathStyle
	var body bytes.Buffer
	if err := opTemplates.ExecuteTemplate(&body, name, page); err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	// "no-referrer" would make browsers send "Origin: null" with the forms.
	h.Set("Referrer-Policy", "same-origin")
	// There is no form-action: browsers apply it to the redirect after a form
	// too, which goes to the client.
	policy := "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
	if len(page.Frames) > 0 {
		policy += "; frame-src https: http:"
	}
	h.Set("Content-Security-Policy", policy)
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a connection that is gone needs no answer
}

func (p *Provider) serveStyle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, opPageFiles, "pages/style.css")
}
