package oxdtest

// What oxd knows: sites, states, nonces; and the checks in front of every command.

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base32"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"
)

// rpSite is a registered site, as oxd stores it.
type rpSite struct {
	oxdID, opHost, discoveryPath string
	redirectURI, postLogout      string
	redirectURIs                 []string // all, for oxd 4
	scope, acrValues             []string
	client                       rpClient
	setupID                      string   // the client whose tokens may use this site; empty for one from plain register_site
	introspector                 rpClient // whose protection API token those are checked with
	resources                    []umaRow // in the order they were protected

	idToken string // the last one of anybody who logged in
	pats    map[string]pat
}

// rpClient is a client at the provider.
type rpClient struct {
	id, secret, registrationURI, registrationToken string
	issuedAt, secretExpiresAt                      int64
}

// umaRow is what uma_rs_check_access looks through.
type umaRow struct {
	path, resourceID              string
	methods, scopes, ticketScopes []string
}

type pat struct {
	token   string
	expires time.Time
}

// engine is safe for concurrent use.
type engine struct {
	cfg *Config
	op  *opAccess

	mu     sync.Mutex // guards sites and what is in them, states, nonces
	sites  map[string]*rpSite
	states map[string]time.Time // until when they are known
	nonces map[string]time.Time
}

func newEngine(cfg *Config, pool *x509.CertPool) *engine {
	return &engine{cfg: cfg, op: newOPAccess(pool), sites: map[string]*rpSite{}, states: map[string]time.Time{}, nonces: map[string]time.Time{}}
}

// forget is what a restart does: sites and their protection API tokens are stored, the rest is not.
func (e *engine) forget() {
	e.op.forget()
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.states)
	clear(e.nonces)
}

// newValue makes a state or nonce: a number of 130 random bits in base 32, which has 26 digits or, now and then, fewer. It is
// known for the configured time.
func (e *engine) newValue(known map[string]time.Time) string {
	b := make([]byte, 17)
	rand.Read(b)
	value := strings.TrimLeft(strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(b))[:26], "0")
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now()
	if len(known) >= 50_000 {
		for old, until := range known {
			if now.After(until) {
				delete(known, old)
			}
		}
	}
	known[value] = now.Add(e.cfg.StateLifetime)
	return value
}

// value is one the caller has chosen, or a new one.
func (e *engine) value(known map[string]time.Time, chosen string) string {
	if chosen == "" {
		return e.newValue(known)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known[chosen] = time.Now().Add(e.cfg.StateLifetime)
	return chosen
}

func (e *engine) known(values map[string]time.Time, value string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	until, ok := values[value]
	return ok && time.Now().Before(until)
}

// execution is one command being carried out. Errors that are no *commandError become the generic internal error.
type execution struct {
	ctx    context.Context // until the server stops
	engine *engine
	params *params
	site   *rpSite
	v4     bool // the dialect of oxd 4
}

// commands are the operations by name. Each binds its parameters completely before it does anything.
var commands = map[string]func(*execution) (any, error){
	"setup_client":                      (*execution).setupClient,
	"get_client_token":                  (*execution).clientToken,
	"register_site":                     (*execution).registerSite,
	"update_site_registration":          (*execution).updateSite,
	"get_authorization_url":             (*execution).authorizationURL,
	"get_tokens_by_code":                (*execution).tokensByCode,
	"get_access_token_by_refresh_token": (*execution).refreshToken,
	"get_user_info":                     (*execution).userInfo,
	"get_logout_uri":                    (*execution).logoutURI,
	"uma_rs_protect":                    (*execution).rsProtect,
	"uma_rs_check_access":               (*execution).rsCheckAccess,
	"uma_rp_get_rpt":                    (*execution).rpGetRPT,
	"uma_rp_get_claims_gathering_url":   (*execution).rpClaimsGatheringURL,
	"validate":                          (*execution).validate,
	"id_token_status":                   (*execution).idTokenStatus,
	"access_token_status":               (*execution).accessTokenStatus,
	"license_status":                    (*execution).licenseStatus,
	// Headless password logins of old; they always fail here.
	"get_authorization_code":  (*execution).passwordLogin,
	"authorization_code_flow": (*execution).passwordLogin,
	"implicit_flow":           (*execution).passwordLogin,
}

var errInternal = errors.New("internal error")

// bound is what every command of a site does once it has read its parameters: complain about malformed ones, find the site,
// check the protection token. own are the command's own checks, which come before the site is looked up.
func (x *execution) bound(protected bool, own ...error) error {
	oxdID, token := x.params.str("oxd_id"), x.params.str("protection_access_token")
	if x.params.malformed {
		return x.malformed()
	}
	if oxdID == "" {
		return errNoOxdID
	}
	if protected && !x.v4 { // where it has been checked before
		if err := x.checkProtection(oxdID, token); err != nil {
			return err
		}
	}
	for _, err := range own {
		if err != nil {
			return err
		}
	}
	var err error
	x.site, err = x.find(oxdID)
	return err
}

var errMalformed4 = Errorf("bad_request", "Command parameters are not specified or otherwise malformed.")

func (x *execution) malformed() error {
	if x.v4 {
		return errMalformed4
	}
	return errMalformed
}

// find gives the site itself: its mutable fields are read and written under the engine's lock.
func (x *execution) find(oxdID string) (*rpSite, error) {
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	site := x.engine.sites[oxdID]
	switch {
	case site != nil:
		return site, nil
	case x.v4:
		return nil, errUnknownOxdID4
	case x.engine.cfg.RedisErrors:
		return nil, errUnknownOxdID
	}
	return nil, errInternal
}

// checkProtection verifies a protection token. One that is there is verified even when protection is off.
func (x *execution) checkProtection(oxdID, token string) error {
	if strings.TrimSpace(token) == "" {
		if x.engine.cfg.ProtectCommands {
			return errBlankToken
		}
		return nil
	}
	site, err := x.find(oxdID)
	if err != nil {
		return err
	}
	x.engine.mu.Lock()
	setupID, introspector := site.setupID, site.introspector
	x.engine.mu.Unlock()
	if setupID == "" {
		return errNoSetupClient
	}
	owner, err := x.introspectClientToken(site, introspector, token)
	if err == nil && owner != setupID {
		err = errForeignToken
	}
	return err
}

// introspectClientToken gives the client a token was issued to.
func (x *execution) introspectClientToken(site *rpSite, as rpClient, token string) (owner string, err error) {
	m, err := x.engine.op.connect(x.ctx, site.opHost, site.discoveryPath)
	if err != nil {
		return "", err
	}
	protection, err := x.pat(site, as)
	if err != nil {
		return "", err
	}
	answer, err := x.engine.op.introspect(x.ctx, m.Introspection, protection, token)
	if err != nil {
		return "", err
	}
	if !answer.Active {
		return "", errInactiveToken
	}
	return answer.ClientID, nil
}

// pat gives a protection API token (Federated Authorization for UMA 2.0 section 1.3), from the cache while it lives.
func (x *execution) pat(site *rpSite, client rpClient) (string, error) {
	x.engine.mu.Lock()
	cached := site.pats[client.id]
	x.engine.mu.Unlock()
	if time.Now().Before(cached.expires) {
		return cached.token, nil
	}
	m, err := x.engine.op.connect(x.ctx, site.opHost, site.discoveryPath)
	if err != nil {
		return "", err
	}
	answer, err := x.engine.op.token(x.ctx, m.Token, client, map[string]string{"grant_type": "client_credentials", "scope": "uma_protection openid"})
	if err != nil {
		return "", err
	}
	if !slices.Contains(strings.Fields(answer.Scope), "uma_protection") || answer.AccessToken == "" || answer.ExpiresIn == nil {
		return "", errInternal
	}
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	if site.pats == nil {
		site.pats = map[string]pat{}
	}
	site.pats[client.id] = pat{answer.AccessToken, time.Now().Add(time.Duration(*answer.ExpiresIn) * time.Second)}
	return answer.AccessToken, nil
}

func (x *execution) licenseStatus() (any, error) {
	return struct {
		Valid       bool `json:"valid"`
		Name        any  `json:"name"`
		Features    any  `json:"features"`
		ThreadCount int  `json:"thread_count"`
	}{Valid: true}, nil
}

func (x *execution) passwordLogin() (any, error) {
	if err := x.bound(true); err != nil {
		return nil, err
	}
	return nil, errInternal
}
