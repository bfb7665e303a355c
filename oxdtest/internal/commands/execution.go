// A command being executed: its site, and the checks in front of every operation.

package commands

import (
	"context"
	"slices"
	"strings"
	"time"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxdtest/internal/idp"
)

// site is a registered site, as oxd stores it. Everything that changes is guarded by the lock of
// the engine.
type site struct {
	oxdID                   string
	host                    idp.Host
	redirectURI, postLogout string
	redirectURIs            []string // all, for oxd 4
	scope, acrValues        []string
	client                  idp.Client
	// setupID is the client whose tokens may use this site, "" after plain register_site. They are
	// checked with a protection API token of the introspector.
	setupID      string
	introspector idp.Client
	resources    []resourceRow // in the order they were protected

	idToken string // the last one of anybody who logged in
	pats    map[string]pat
}

// resourceRow is what uma_rs_check_access looks through.
type resourceRow struct {
	path, resourceID              string
	methods, scopes, ticketScopes []string
}

// pat is a protection API token, by client id.
type pat struct {
	token   string
	expires time.Time
}

// execution is one command being executed.
type execution struct {
	ctx    context.Context // until the server stops
	engine *Engine
	params *oxdwire.Params
	site   *site
	v4     bool // the dialect of oxd 4
}

// commands are the operations of oxd 3.1.1 by name. Each binds its parameters completely before it
// does anything.
var commands = map[string]func(*execution) (any, error){
	"setup_client":                      setupClient,
	"get_client_token":                  clientToken,
	"register_site":                     registerSite,
	"update_site_registration":          updateSite,
	"get_authorization_url":             authorizationURL,
	"get_tokens_by_code":                tokensByCode,
	"get_access_token_by_refresh_token": refreshToken,
	"get_user_info":                     userInfo,
	"get_logout_uri":                    logoutURI,
	"uma_rs_protect":                    rsProtect,
	"uma_rs_check_access":               rsCheckAccess,
	"uma_rp_get_rpt":                    rpGetRPT,
	"uma_rp_get_claims_gathering_url":   rpClaimsGatheringURL,
	"validate":                          validate,
	"id_token_status":                   idTokenStatus,
	"access_token_status":               accessTokenStatus,
	"license_status":                    licenseStatus,
	// Headless password logins of old; they always fail here.
	"get_authorization_code":  passwordLogin,
	"authorization_code_flow": passwordLogin,
	"implicit_flow":           passwordLogin,
}

// commands4 are the operations of oxd 4, by path with underscores.
var commands4 = map[string]func(*execution) (any, error){
	"register_site":                     registerSite4,
	"update_site":                       updateSite4,
	"remove_site":                       removeSite,
	"get_rp":                            getRP,
	"get_client_token":                  clientToken,
	"get_jwks":                          getJWKS,
	"get_discovery":                     getDiscovery,
	"get_issuer":                        getIssuer,
	"get_authorization_url":             authorizationURL,
	"get_tokens_by_code":                tokensByCode,
	"get_access_token_by_refresh_token": refreshToken,
	"get_user_info":                     userInfo,
	"get_logout_uri":                    logoutURI,
	"introspect_access_token":           introspectAccessToken,
	"introspect_rpt":                    introspectRPT4,
	"check_id_token":                    idTokenStatus,
	"check_access_token":                accessTokenStatus,
	"uma_rs_protect":                    rsProtect,
	"uma_rs_modify":                     rsModify,
	"uma_rs_check_access":               rsCheckAccess,
	"uma_rp_get_rpt":                    rpGetRPT,
	"uma_rp_get_claims_gathering_url":   rpClaimsGatheringURL,
	"get_authorization_code":            passwordLogin,
	"authorization_code_flow":           passwordLogin,
	"get_request_object_uri":            requestObjectURI,
}

// bound is called by every command of a site once it has read its parameters. It refuses malformed
// ones, checks the protection token and finds the site. own are the checks of the command, which
// come before the site is looked up.
func (x *execution) bound(protected bool, own ...error) error {
	oxdID, token := x.params.Text("oxd_id"), x.params.Text("protection_access_token")
	if x.params.Malformed() {
		return x.malformed()
	}
	if oxdID == "" {
		return errNoOxdID
	}
	if protected && !x.v4 { // oxd 4 has checked it before
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

func (x *execution) malformed() error {
	if x.v4 {
		return errMalformed4
	}
	return ErrMalformed
}

// find returns the site itself, not a copy.
func (x *execution) find(oxdID string) (*site, error) {
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
	return nil, idp.ErrInternal
}

// connect returns the OpenID Connect metadata of the provider of the site.
func (x *execution) connect() (*idp.Metadata, error) { return x.engine.op.Connect(x.ctx, x.site.host) }

// checkProtection verifies a protection token. One that is there is verified even when protection
// is off.
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

// introspectClientToken returns the client that a token was issued to.
func (x *execution) introspectClientToken(site *site, as idp.Client, token string) (owner string, err error) {
	m, err := x.engine.op.Connect(x.ctx, site.host)
	if err != nil {
		return "", err
	}
	protection, err := x.pat(site, as)
	if err != nil {
		return "", err
	}
	var answer idp.Introspection
	if err := x.engine.op.Introspect(x.ctx, m.Introspection, protection, token, &answer); err != nil {
		return "", err
	}
	if !answer.Active {
		return "", errInactiveToken
	}
	return answer.ClientID, nil
}

// pat returns a protection API token (Federated Authorization for UMA 2.0 section 1.3), from the
// cache while it lives.
func (x *execution) pat(site *site, client idp.Client) (string, error) {
	x.engine.mu.Lock()
	cached := site.pats[client.ID]
	x.engine.mu.Unlock()
	if time.Now().Before(cached.expires) {
		return cached.token, nil
	}
	m, err := x.engine.op.Connect(x.ctx, site.host)
	if err != nil {
		return "", err
	}
	answer, err := x.engine.op.Token(x.ctx, m.Token, client, map[string]string{"grant_type": "client_credentials", "scope": "uma_protection openid"})
	if err != nil {
		return "", err
	}
	if !slices.Contains(strings.Fields(answer.Scope), "uma_protection") || answer.AccessToken == "" || answer.ExpiresIn == nil {
		return "", idp.ErrInternal
	}
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	if site.pats == nil {
		site.pats = map[string]pat{}
	}
	site.pats[client.ID] = pat{answer.AccessToken, time.Now().Add(time.Duration(*answer.ExpiresIn) * time.Second)}
	return answer.AccessToken, nil
}

func licenseStatus(x *execution) (any, error) {
	return struct {
		Valid       bool `json:"valid"`
		Name        any  `json:"name"`
		Features    any  `json:"features"`
		ThreadCount int  `json:"thread_count"`
	}{Valid: true}, nil
}

func passwordLogin(x *execution) (any, error) {
	if err := x.bound(true); err != nil {
		return nil, err
	}
	return nil, idp.ErrInternal
}
