// The sign-in of people: the forms of the pages, and the session of the browser with the provider
// (single sign-on).

package provider

import (
	"cmp"
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"

	"example.com/oxdauth/oxdtest/internal/pages"
)

// browserSession is the session of one browser. It is replaced at every sign-in,
// never changed.
type browserSession struct {
	id       string // the cookie
	sid      string // in ID tokens and logout tokens
	state    string // session_state
	user     string
	otp      bool // the second factor was given
	authTime time.Time
}

const sessionCookie = "oxdtest_op_session"

const (
	messageWrongPassword = "The user name or the password is wrong."
	messageWrongCode     = "The code is wrong."
)

func (l *logins) sessionOf(r *http.Request) *browserSession {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	session, _ := l.sessions.Get(cookie.Value)
	return session
}

// replaceSession ends the session of the browser and starts the new one, so
// that no session id survives a sign-in.
func (l *logins) replaceSession(w http.ResponseWriter, old, session *browserSession) {
	session.id = rand.Text()
	l.mu.Lock()
	if old != nil {
		l.sessions.Drop(old.id)
	}
	l.sessions.Put(session.id, session, sessionLifetime)
	l.mu.Unlock()
	l.setSessionCookie(w, session.id, 0)
}

func (l *logins) setSessionCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(l.issuer, "https://"),
	})
}

// serveLogin takes the forms of all sign-in pages.
func (l *logins) serveLogin(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		pages.WriteError(w, http.StatusBadRequest, "The form cannot be read.")
		return
	}
	l.mu.Lock()
	stored, ok := l.transactions.Get(r.PostForm.Get(pages.FieldTransaction))
	l.mu.Unlock()
	if !ok {
		pages.WriteError(w, http.StatusBadRequest, pages.MessageEnded)
		return
	}
	// Two requests may carry the same transaction, so each works on a copy
	// and stores what it changed.
	copied := *stored
	tx := &copied
	session := l.sessionOf(r)
	if r.PostForm.Get("decision") == "cancel" {
		l.mu.Lock()
		l.transactions.Drop(tx.id)
		l.mu.Unlock()
		tx.fail(w, r, "access_denied", "the person cancelled")
		return
	}
	answered := false
	switch pages.Step(r.PostForm.Get("step")) {
	case pages.StepLogin:
		session, answered = l.stepLogin(w, r, tx, session)
	case pages.StepOTP:
		session, answered = l.stepOTP(w, r, tx, session)
	case pages.StepSelect:
		tx.chosen = r.PostForm.Get("decision") == "continue"
		if !tx.chosen {
			l.showStep(w, tx, pages.StepLogin, nil, "")
			answered = true
		}
	case pages.StepConsent:
		tx.consented = r.PostForm.Get("decision") == "allow"
		l.keepConsent(tx, session)
	default:
		pages.WriteError(w, http.StatusBadRequest, "The form is not one of this server.")
		answered = true
	}
	if answered {
		return
	}
	l.mu.Lock()
	_, live := l.transactions.Get(tx.id)
	if live {
		l.transactions.Put(tx.id, tx, transactionLifetime)
	}
	l.mu.Unlock()
	if !live {
		pages.WriteError(w, http.StatusBadRequest, pages.MessageEnded)
		return
	}
	l.advance(w, r, tx, session)
}

func (l *logins) keepConsent(tx *transaction, session *browserSession) {
	if session == nil || !tx.consented {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.consents.Put(consentKey(session.user, tx.client.ID), tx.scopes, sessionLifetime)
}

// stepLogin checks the password. answered says that the response is written.
func (l *logins) stepLogin(w http.ResponseWriter, r *http.Request, tx *transaction, old *browserSession) (session *browserSession, answered bool) {
	name := strings.TrimSpace(r.PostForm.Get("username"))
	if !l.people.passwordMatches(name, r.PostForm.Get("password")) {
		tx.username = name
		l.showStep(w, tx, pages.StepLogin, nil, messageWrongPassword)
		return old, true
	}
	session = &browserSession{sid: rand.Text(), state: rand.Text(), user: name, authTime: time.Now()}
	l.replaceSession(w, old, session)
	tx.authenticated = true
	return session, false
}

// stepOTP checks the second factor. answered says that the response is
// written.
func (l *logins) stepOTP(w http.ResponseWriter, r *http.Request, tx *transaction, old *browserSession) (session *browserSession, answered bool) {
	if old == nil {
		return nil, false // the session has ended: back to the password
	}
	code := strings.TrimSpace(r.PostForm.Get("otp"))
	if subtle.ConstantTimeCompare([]byte(code), []byte(pages.OTPCode)) != 1 {
		l.showStep(w, tx, pages.StepOTP, nil, messageWrongCode)
		return old, true
	}
	raised := *old
	raised.otp = true
	raised.authTime = time.Now()
	l.replaceSession(w, old, &raised)
	return &raised, false
}

// showStep shows the page of a step of the sign-in. The session is nil before the login.
func (l *logins) showStep(w http.ResponseWriter, tx *transaction, step pages.Step, session *browserSession, message string) {
	user := ""
	if session != nil {
		user = session.user
	}
	pages.WriteSignIn(w, pages.SignIn{
		Form: pages.Form{
			Message: message, Transaction: tx.id, Action: pathLogin, Client: tx.client.DisplayName(), Step: step,
		},
		Username: cmp.Or(tx.username, tx.loginHint), ReturnHost: host(tx.redirectURI),
		User: user, Scopes: tx.scopes, Hints: l.people.hints(),
	})
}
