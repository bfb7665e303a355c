package oxdtest

import (
	"crypto/rand"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file holds the authorization endpoint (OpenID Connect Core section
// 3.1.2): which requests are taken, and how the answers go back.

// opAuthRequest is a checked authorization request.
type opAuthRequest struct {
	client      *opClient
	redirectURI string
	state       string
	nonce       string
	scopes      []string
	acrs        []string
	prompts     []string
	maxAge      time.Duration // negative: not asked for
	loginHint   string
}

func (a *opAuthRequest) prompted(what string) bool { return slices.Contains(a.prompts, what) }

// opTransaction is an authorization request on its way through the pages.
type opTransaction struct {
	opAuthRequest
	id            string
	username      string // what was typed last, for the page that says it was wrong
	authenticated bool   // the person gave a password within this transaction
	chosen        bool   // the person chose to go on with the signed-in account
	consented     bool
}

// opCode is an authorization code. It stays for a while after it was redeemed,
// so that a second use is noticed.
type opCode struct {
	grant       *opGrant
	redirectURI string
	expires     time.Time
	used        bool
}

func (p *Provider) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	if r.Method == http.MethodPost {
		if r.ParseForm() != nil {
			opErrorPage(w, http.StatusBadRequest, "The request cannot be read.")
			return
		}
		form = r.PostForm
	}
	// Until client and redirect URI are known to belong together, nothing is
	// ever sent to the redirect URI.
	if name := opDuplicate(form); name != "" {
		opErrorPage(w, http.StatusBadRequest, "The parameter "+name+" is there more than once.")
		return
	}
	client := p.client(form.Get("client_id"))
	if client == nil {
		opErrorPage(w, http.StatusBadRequest, "The application is not registered here.")
		return
	}
	if !slices.Contains(client.meta.RedirectURIs, form.Get("redirect_uri")) {
		opErrorPage(w, http.StatusBadRequest, "The address to return to is not registered for this application.")
		return
	}
	req := opAuthRequest{
		client: client, redirectURI: form.Get("redirect_uri"), state: form.Get("state"), nonce: form.Get("nonce"),
	}
	if code, description := req.read(form); code != "" {
		req.fail(w, r, code, description)
		return
	}
	if code := p.takeDenial(); code != "" {
		req.fail(w, r, code, "the test asked for this")
		return
	}
	tx := &opTransaction{opAuthRequest: req, id: rand.Text()}
	p.mu.Lock()
	p.transactions.put(tx.id, tx, opTransactionLifetime)
	p.mu.Unlock()
	p.advance(w, r, tx, p.sessionOf(r))
}

// read checks what is left of the request when client and redirect URI are
// known. A code that is not "" goes back to the client.
func (a *opAuthRequest) read(form url.Values) (code, description string) {
	if form.Get("request") != "" {
		return "request_not_supported", "request objects are not supported"
	}
	if form.Get("request_uri") != "" {
		return "request_uri_not_supported", "request objects are not supported"
	}
	if form.Get("response_type") != "code" {
		return "unsupported_response_type", "only the response type code is supported"
	}
	if !a.client.mayUse(opGrantCode) {
		return "unauthorized_client", "the client has not registered the grant type authorization_code"
	}
	asked := opScopes(form.Get("scope"))
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

func (p *Provider) takeDenial() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	code := p.knobs.denyNext
	p.knobs.denyNext = ""
	return code
}

// fail returns to the client with an error (OpenID Connect Core section
// 3.1.2.6).
func (a *opAuthRequest) fail(w http.ResponseWriter, r *http.Request, code, description string) {
	params := url.Values{"error": {code}, "error_description": {description}}
	if a.state != "" {
		params.Set("state", a.state)
	}
	opRedirect(w, r, a.redirectURI, params)
}

// opRedirect adds the parameters to the query of a registered URI and sends
// the browser there, with GET also after a form.
func opRedirect(w http.ResponseWriter, r *http.Request, uri string, params url.Values) {
	status := http.StatusFound
	if r.Method == http.MethodPost {
		status = http.StatusSeeOther
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", opAddQuery(uri, params))
	w.WriteHeader(status)
}

func opAddQuery(uri string, params url.Values) string {
	separator := "?"
	if strings.Contains(uri, "?") {
		separator = "&"
	}
	if len(params) == 0 {
		return uri
	}
	return uri + separator + params.Encode()
}

// advance takes the transaction as far as it goes without the person: to the
// next page that is needed, or back to the client.
func (p *Provider) advance(w http.ResponseWriter, r *http.Request, tx *opTransaction, session *opSession) {
	p.mu.Lock()
	step, user := p.nextStep(tx, session)
	p.mu.Unlock()
	if step == opStepDone {
		p.finish(w, r, tx, session)
		return
	}
	if !tx.prompted("none") {
		p.renderStep(w, tx, step, user, "")
		return
	}
	code := "login_required"
	if step == opStepConsent {
		code = "consent_required"
	}
	p.mu.Lock()
	p.transactions.drop(tx.id)
	p.mu.Unlock()
	tx.fail(w, r, code, "the person would have to be asked")
}

// opStep is what a transaction needs next.
type opStep string

const (
	opStepLogin   opStep = "login"
	opStepSelect  opStep = "select"
	opStepOTP     opStep = "otp"
	opStepConsent opStep = "consent"
	opStepDone    opStep = "done"
)

// nextStep is called with the lock held. The user is nil before the login.
func (p *Provider) nextStep(tx *opTransaction, session *opSession) (opStep, *opUser) {
	if session == nil {
		return opStepLogin, nil
	}
	user := p.users[session.user]
	stale := tx.prompted("login") || tx.maxAge >= 0 && time.Since(session.authTime) > tx.maxAge
	switch {
	case stale && !tx.authenticated:
		return opStepLogin, nil
	case tx.prompted("select_account") && !tx.chosen && !tx.authenticated:
		return opStepSelect, user
	case user.pickACR(tx.acrs, session.otp) == opACROTP && !session.otp:
		return opStepOTP, user
	case p.needsConsent(tx, user) && !tx.consented:
		return opStepConsent, user
	}
	return opStepDone, user
}

func (p *Provider) needsConsent(tx *opTransaction, user *opUser) bool {
	if tx.prompted("consent") {
		return true
	}
	if !p.knobs.consent {
		return false
	}
	given, _ := p.consents.get(opConsentKey(user.Name, tx.client.id))
	for _, s := range tx.scopes {
		if !slices.Contains(given, s) {
			return true
		}
	}
	return false
}

func opConsentKey(user, client string) string { return client + " " + user }

// opACROTP is the level with a second page.
const opACROTP = "otp"

// pickACR returns the first level asked for that the user can reach.
// acr_values is a wish (OpenID Connect Core section 3.1.2.1): when the user
// can reach none of them, or none was asked for, it is the level which the
// session has, or the default one.
func (u *opUser) pickACR(asked []string, otpDone bool) string {
	for _, acr := range asked {
		if slices.Contains(u.ACRs, acr) {
			return acr
		}
	}
	if otpDone {
		return opACROTP
	}
	return u.ACRs[0]
}

// finish issues the code and returns to the client.
func (p *Provider) finish(w http.ResponseWriter, r *http.Request, tx *opTransaction, session *opSession) {
	p.mu.Lock()
	if _, live := p.transactions.take(tx.id); !live {
		p.mu.Unlock()
		opErrorPage(w, http.StatusBadRequest, opMessageEnded)
		return
	}
	user := p.users[session.user]
	acr := user.pickACR(tx.acrs, session.otp)
	if p.knobs.acrDelivered != "" {
		acr = p.knobs.acrDelivered
	}
	amr := []string{"pwd"}
	if session.otp {
		amr = append(amr, "otp")
	}
	code := rand.Text()
	p.codes.put(code, &opCode{
		grant: &opGrant{
			clientID: tx.client.id, user: user.Name, scopes: tx.scopes, nonce: tx.nonce,
			acr: acr, amr: amr, authTime: session.authTime, sid: session.sid,
		},
		redirectURI: tx.redirectURI, expires: time.Now().Add(opCodeLifetime),
	}, opCodeLifetime+opRefreshLifetime)
	p.joinSession(session, tx.client)
	p.mu.Unlock()

	params := url.Values{
		"code": {code}, "scope": {strings.Join(tx.scopes, " ")}, "acr_values": {acr},
		"session_state": {session.state}, "sid": {session.sid},
	}
	if tx.state != "" {
		params.Set("state", tx.state)
	}
	opRedirect(w, r, tx.redirectURI, params)
}
