package oxdtest

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"time"
)

// This file holds the sign-in of people: the forms of the pages and the
// session of the browser with the Provider (single sign-on).

// opSession is the session of one browser. It is replaced at every sign-in,
// never changed.
type opSession struct {
	id       string // the cookie
	sid      string // what clients are told
	state    string // session_state
	user     string
	otp      bool // the second factor was given
	authTime time.Time
}

const opSessionCookie = "oxdtest_op_session"

// opOTPCode is the second factor of everybody.
const opOTPCode = "000000"

const (
	opMessageEnded         = "This sign-in has ended or taken too long. Go back to the application and start again."
	opMessageWrongPassword = "The user name or the password is wrong."
	opMessageWrongCode     = "The code is wrong."
)

func (p *Provider) sessionOf(r *http.Request) *opSession {
	cookie, err := r.Cookie(opSessionCookie)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	session, _ := p.sessions.get(cookie.Value)
	return session
}

// replaceSession ends the session of the browser and starts the new one, so
// that no session id survives a sign-in.
func (p *Provider) replaceSession(w http.ResponseWriter, old, session *opSession) {
	session.id = rand.Text()
	p.mu.Lock()
	if old != nil {
		p.sessions.drop(old.id)
	}
	p.sessions.put(session.id, session, opSessionLifetime)
	p.mu.Unlock()
	p.setSessionCookie(w, session.id, 0)
}

func (p *Provider) setSessionCookie(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: opSessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(p.URL, "https://"),
	})
}

// serveLogin takes the forms of all sign-in pages.
func (p *Provider) serveLogin(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		opErrorPage(w, http.StatusBadRequest, "The form cannot be read.")
		return
	}
	p.mu.Lock()
	stored, ok := p.transactions.get(r.PostForm.Get(opFieldTransaction))
	p.mu.Unlock()
	if !ok {
		opErrorPage(w, http.StatusBadRequest, opMessageEnded)
		return
	}
	// Two requests may carry the same transaction, so each works on a copy
	// and stores what it changed.
	copied := *stored
	tx := &copied
	session := p.sessionOf(r)
	if r.PostForm.Get("decision") == "cancel" {
		p.mu.Lock()
		p.transactions.drop(tx.id)
		p.mu.Unlock()
		tx.fail(w, r, "access_denied", "the person cancelled")
		return
	}
	answered := false
	switch opStep(r.PostForm.Get("step")) {
	case opStepLogin:
		session, answered = p.stepLogin(w, r, tx, session)
	case opStepOTP:
		session, answered = p.stepOTP(w, r, tx, session)
	case opStepSelect:
		tx.chosen = r.PostForm.Get("decision") == "continue"
		if !tx.chosen {
			p.renderStep(w, tx, opStepLogin, nil, "")
			answered = true
		}
	case opStepConsent:
		tx.consented = r.PostForm.Get("decision") == "allow"
		p.keepConsent(tx, session)
	default:
		opErrorPage(w, http.StatusBadRequest, "The form is not one of this server.")
		answered = true
	}
	if answered {
		return
	}
	p.mu.Lock()
	_, live := p.transactions.get(tx.id)
	if live {
		p.transactions.put(tx.id, tx, opTransactionLifetime)
	}
	p.mu.Unlock()
	if !live {
		opErrorPage(w, http.StatusBadRequest, opMessageEnded)
		return
	}
	p.advance(w, r, tx, session)
}

func (p *Provider) keepConsent(tx *opTransaction, session *opSession) {
	if session == nil || !tx.consented {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.consents.put(opConsentKey(session.user, tx.client.id), tx.scopes, opSessionLifetime)
}

// stepLogin checks the password. answered says that the response is written.
func (p *Provider) stepLogin(w http.ResponseWriter, r *http.Request, tx *opTransaction, old *opSession) (session *opSession, answered bool) {
	name := strings.TrimSpace(r.PostForm.Get("username"))
	if !p.passwordMatches(name, r.PostForm.Get("password")) {
		tx.username = name
		p.renderStep(w, tx, opStepLogin, nil, opMessageWrongPassword)
		return old, true
	}
	session = &opSession{sid: rand.Text(), state: rand.Text(), user: name, authTime: time.Now()}
	p.replaceSession(w, old, session)
	tx.authenticated = true
	return session, false
}

// passwordMatches takes the same time for unknown users and wrong passwords.
func (p *Provider) passwordMatches(name, password string) bool {
	p.mu.Lock()
	user, known := p.users[name]
	p.mu.Unlock()
	want := ""
	if known {
		want = user.Password
	}
	a, b := sha256.Sum256([]byte(password)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && known
}

// stepOTP checks the second factor. answered says that the response is
// written.
func (p *Provider) stepOTP(w http.ResponseWriter, r *http.Request, tx *opTransaction, old *opSession) (session *opSession, answered bool) {
	if old == nil {
		return nil, false // the session has ended meanwhile: back to the password
	}
	code := strings.TrimSpace(r.PostForm.Get("otp"))
	if subtle.ConstantTimeCompare([]byte(code), []byte(opOTPCode)) != 1 {
		p.renderStep(w, tx, opStepOTP, nil, opMessageWrongCode)
		return old, true
	}
	raised := *old
	raised.otp = true
	raised.authTime = time.Now()
	p.replaceSession(w, old, &raised)
	return &raised, false
}
