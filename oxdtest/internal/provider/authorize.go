// The authorization endpoint (OpenID Connect Core section 3.1.2): which requests are accepted, and
// how the answers are returned.

package provider

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"example.com/oxdauth/oxdtest/internal/oauth"
	"example.com/oxdauth/oxdtest/internal/pages"
)

// logins takes people from the authorization request through the pages and back to the client. It
// is safe for concurrent use.
type logins struct {
	issuer  string
	knobs   *knobs
	people  *people
	clients *clients
	logouts *logouts
	tokens  *tokens

	mu           sync.Mutex // guards the rest
	transactions oauth.Store[*transaction]
	sessions     oauth.Store[*browserSession]
	consents     oauth.Store[[]string] // scopes, by user and client
}

// authRequest is a checked authorization request.
type authRequest struct {
	client      *Client
	redirectURI string
	state       string
	nonce       string
	scopes      []string
	acrs        []string
	prompts     []string
	maxAge      time.Duration // negative: not asked for
	loginHint   string
}

func (a *authRequest) prompted(what string) bool { return slices.Contains(a.prompts, what) }

// transaction is an authorization request on its way through the pages.
type transaction struct {
	authRequest
	id            string
	username      string // what was typed last, for the page that says it was wrong
	authenticated bool   // the person gave a password within this transaction
	chosen        bool   // the person chose to go on with the signed-in account
	consented     bool
}

func (l *logins) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		if r.ParseForm() != nil {
			pages.WriteError(w, http.StatusBadRequest, "The request cannot be read.")
			return
		}
		form = r.PostForm
	}
	// Until client and redirect URI are known to belong together, nothing is
	// ever sent to the redirect URI.
	if name := oauth.Duplicate(form); name != "" {
		pages.WriteError(w, http.StatusBadRequest, "The parameter "+name+" is there more than once.")
		return
	}
	client := l.clients.get(form.Get("client_id"))
	if client == nil {
		pages.WriteError(w, http.StatusBadRequest, "The application is not registered here.")
		return
	}
	if !slices.Contains(client.meta.RedirectURIs, form.Get("redirect_uri")) {
		pages.WriteError(w, http.StatusBadRequest, "The address to return to is not registered for this application.")
		return
	}
	req := authRequest{
		client: client, redirectURI: form.Get("redirect_uri"), state: form.Get("state"), nonce: form.Get("nonce"),
	}
	if code, description := req.read(form); code != "" {
		req.fail(w, r, code, description)
		return
	}
	if code := l.knobs.takeDenial(); code != "" {
		req.fail(w, r, code, "the test asked for this")
		return
	}
	tx := &transaction{authRequest: req, id: rand.Text()}
	l.mu.Lock()
	l.transactions.Put(tx.id, tx, transactionLifetime)
	l.mu.Unlock()
	l.advance(w, r, tx, l.sessionOf(r))
}

// read checks what is left of the request when client and redirect URI are
// known. A code that is not "" goes back to the client.
func (a *authRequest) read(form url.Values) (code, description string) {
	if form.Get("request") != "" {
		return "request_not_supported", "request objects are not supported"
	}
	if form.Get("request_uri") != "" {
		return "request_uri_not_supported", "request objects are not supported"
	}
	if form.Get("response_type") != "code" {
		return "unsupported_response_type", "only the response type code is supported"
	}
	if !a.client.mayUse(grantCode) {
		return "unauthorized_client", "the client has not registered the grant type authorization_code"
	}
	asked := oauth.Scopes(form.Get("scope"))
	if !slices.Contains(asked, "openid") {
		return "invalid_scope", "the scope openid is missing"
	}
	a.scopes = a.client.grantScopes(asked)
	if !slices.Contains(a.scopes, "openid") {
		return "invalid_scope", "the client has not registered the scope openid"
	}
	a.acrs = strings.Fields(form.Get("acr_values"))
	if len(a.acrs) == 0 {
		a.acrs = a.client.meta.DefaultACRValues
	}
	a.prompts = strings.Fields(form.Get("prompt"))
	for _, prompt := range a.prompts {
		switch prompt {
		case "login", "consent", "select_account":
		case "none":
			if len(a.prompts) > 1 {
				return "invalid_request", "prompt none cannot be combined"
			}
		default:
			return "invalid_request", "the prompt " + prompt + " is unknown"
		}
	}
	a.loginHint = form.Get("login_hint")
	a.maxAge = -1
	if s := form.Get("max_age"); s != "" {
		seconds, err := strconv.ParseInt(s, 10, 32)
		if err != nil || seconds < 0 {
			return "invalid_request", "max_age is not a number of seconds"
		}
		a.maxAge = time.Duration(seconds) * time.Second
	}
	return "", ""
}

// fail returns to the client with an error (OpenID Connect Core section
// 3.1.2.6).
func (a *authRequest) fail(w http.ResponseWriter, r *http.Request, code, description string) {
	params := url.Values{"error": {code}, "error_description": {description}}
	if a.state != "" {
		params.Set("state", a.state)
	}
	oauth.Redirect(w, r, a.redirectURI, params)
}

// advance takes the transaction as far as it goes without the person: to the
// next page that is needed, or back to the client.
func (l *logins) advance(w http.ResponseWriter, r *http.Request, tx *transaction, session *browserSession) {
	step := l.nextStep(tx, session)
	if step == pages.StepDone {
		l.finish(w, r, tx, session)
		return
	}
	if !tx.prompted("none") {
		l.showStep(w, tx, step, session, "")
		return
	}
	code := "login_required"
	if step == pages.StepConsent {
		code = "consent_required"
	}
	l.mu.Lock()
	l.transactions.Drop(tx.id)
	l.mu.Unlock()
	tx.fail(w, r, code, "the person would have to be asked")
}

// nextStep returns the page that the transaction needs next.
func (l *logins) nextStep(tx *transaction, session *browserSession) pages.Step {
	if session == nil {
		return pages.StepLogin
	}
	user := l.people.byName[session.user]
	stale := tx.prompted("login") || tx.maxAge >= 0 && time.Since(session.authTime) > tx.maxAge
	switch {
	case stale && !tx.authenticated:
		return pages.StepLogin
	case tx.prompted("select_account") && !tx.chosen && !tx.authenticated:
		return pages.StepSelect
	case user.pickACR(tx.acrs, session.otp) == acrOTP && !session.otp:
		return pages.StepOTP
	case l.needsConsent(tx, user) && !tx.consented:
		return pages.StepConsent
	}
	return pages.StepDone
}

func (l *logins) needsConsent(tx *transaction, user *person) bool {
	if tx.prompted("consent") {
		return true
	}
	if !l.knobs.get().Consent {
		return false
	}
	l.mu.Lock()
	given, _ := l.consents.Get(consentKey(user.Name, tx.client.ID))
	l.mu.Unlock()
	for _, s := range tx.scopes {
		if !slices.Contains(given, s) {
			return true
		}
	}
	return false
}

func consentKey(user, client string) string { return client + " " + user }

// finish issues the code and returns to the client.
func (l *logins) finish(w http.ResponseWriter, r *http.Request, tx *transaction, session *browserSession) {
	l.mu.Lock()
	_, live := l.transactions.Take(tx.id)
	l.mu.Unlock()
	if !live {
		pages.WriteError(w, http.StatusBadRequest, pages.MessageEnded)
		return
	}
	user := l.people.byName[session.user]
	acr := user.pickACR(tx.acrs, session.otp)
	if delivered := l.knobs.get().ACRDelivered; delivered != "" {
		acr = delivered
	}
	amr := []string{"pwd"}
	if session.otp {
		amr = append(amr, "otp")
	}
	code := l.tokens.newCode(&grant{
		clientID: tx.client.ID, user: user.Name, scopes: tx.scopes, nonce: tx.nonce,
		acr: acr, amr: amr, authTime: session.authTime, sid: session.sid,
	}, tx.redirectURI)
	l.logouts.join(session, tx.client)

	params := url.Values{
		"code": {code}, "scope": {strings.Join(tx.scopes, " ")}, "acr_values": {acr},
		"session_state": {session.state}, "sid": {session.sid},
	}
	if tx.state != "" {
		params.Set("state", tx.state)
	}
	oauth.Redirect(w, r, tx.redirectURI, params)
}
