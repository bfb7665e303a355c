// Package pages shows people the pages of the test provider, and names what a scripted browser
// needs to fill them in.
package pages

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
)

//go:embed *.html style.css
var files embed.FS

var templates = template.Must(template.ParseFS(files, "*.html"))

// FieldTransaction is the hidden field by which the form of a page finds its transaction again.
const FieldTransaction = "oxdtest_transaction"

// OTPCode is the second factor of everybody.
const OTPCode = "000000"

// PathStyle is where the pages look for the style sheet; layout.html names it as well.
const PathStyle = "/oxauth/style.css"

// MessageEnded is for a form whose transaction is gone.
const MessageEnded = "This sign-in has ended or taken too long. Go back to the application and start again."

// Step names a page of the sign-in; it is the value of the hidden field "step".
type Step string

// The pages of the sign-in, and StepDone when none is left.
const (
	StepLogin   Step = "login"
	StepSelect  Step = "select"
	StepOTP     Step = "otp"
	StepConsent Step = "consent"
	StepDone    Step = "done"
)

// titles are the headings of the pages of the sign-in.
var titles = map[Step]string{
	StepLogin: "Sign in", StepSelect: "Choose an account",
	StepOTP: "Second factor", StepConsent: "Allow access",
}

// Form is what every page with a form has.
type Form struct {
	Title       string
	Message     string // what was wrong with the last try, or ""
	Transaction string
	Action      string // path that takes the form
	Client      string // what the application is called
	Step        Step   // "" on a page that is not about signing in
}

// SignIn is what the pages of the sign-in show.
type SignIn struct {
	Form
	Username   string // what the login field holds
	ReturnHost string
	User       string // who is signed in, "" before the login
	Scopes     []string
	Hints      []Hint
}

// Hint names a user on the login page.
type Hint struct{ Name, Password string }

// WriteSignIn answers with the page of a step. It sets the title.
func WriteSignIn(w http.ResponseWriter, page SignIn) {
	page.Title = titles[page.Step]
	write(w, http.StatusOK, string(page.Step), "", struct {
		SignIn
		OTPCode string
	}{page, OTPCode})
}

// WriteGather answers with the claims-gathering page, which asks for the named claims.
func WriteGather(w http.ResponseWriter, form Form, claims []string) {
	form.Title = "A question first"
	write(w, http.StatusOK, "gather", "", struct {
		Form
		Claims []string
	}{form, claims})
}

// WriteSignedOut answers with the page at the end of a logout. The page loads the frames and goes
// on to next after a second. Both may be empty.
func WriteSignedOut(w http.ResponseWriter, frames []string, next string) {
	name, policy := "signedout", ""
	if len(frames) > 0 {
		name, policy = "logout", "; frame-src https: http:"
	}
	if next != "" {
		w.Header().Set("Refresh", "1; url="+next)
	}
	write(w, http.StatusOK, name, policy, struct {
		Title, Continue string
		Frames          []string
	}{"You are signed out", next, frames})
}

// WriteError answers with a page for an error that cannot go back to an application.
func WriteError(w http.ResponseWriter, status int, message string) {
	write(w, status, "error", "", struct{ Title, Message string }{"That did not work", message})
}

// write answers with a page. The policy is appended to the Content-Security-Policy of all pages.
func write(w http.ResponseWriter, status int, name, policy string, page any) {
	var body bytes.Buffer
	err := templates.ExecuteTemplate(&body, name, page)
	if err != nil {
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	// "no-referrer" would make browsers send "Origin: null" with the forms.
	h.Set("Referrer-Policy", "same-origin")
	// There is no form-action: browsers apply it to the redirect after a form as well, which goes
	// to the application.
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"+policy)
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a connection that is gone needs no answer
}

// ServeStyle answers with the style sheet.
func ServeStyle(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeFileFS(w, r, files, "style.css")
}
