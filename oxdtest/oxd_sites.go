package oxdtest

// The registration commands: setup_client, register_site, update_site_registration, get_client_token.

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// registration has the parameters register_site and setup_client share.
type registration struct {
	opHost, discoveryPath, redirectURI, postLogout   string
	redirectURIs, responseTypes, grantTypes          []string
	scope, acrValues, claimsRedirectURIs             []string
	clientID, clientSecret, clientName, jwksURI      string
	authMethod, sectorIdentifier                     string
	requestURIs, logoutURIs, locales, claims, people []string
	trusted                                          bool
}

// readRegistration binds them. Names the real server does not know are ignored, application_type among them.
func (p *params) readRegistration() registration {
	r := registration{
		opHost: p.str("op_host"), discoveryPath: p.str("op_discovery_path"), redirectURI: p.str("authorization_redirect_uri"),
		postLogout: p.str("post_logout_redirect_uri"), redirectURIs: p.list("redirect_uris"), responseTypes: p.list("response_types"),
		grantTypes: p.list("grant_types"), scope: p.list("scope"), acrValues: p.list("acr_values"), claimsRedirectURIs: p.list("claims_redirect_uri"),
		clientID: p.str("client_id"), clientSecret: p.str("client_secret"), clientName: p.str("client_name"), jwksURI: p.str("client_jwks_uri"),
		authMethod: p.str("client_token_endpoint_auth_method"), sectorIdentifier: p.str("client_sector_identifier_uri"),
		requestURIs: p.list("client_request_uris"), logoutURIs: p.list("client_frontchannel_logout_uris"),
		locales: p.list("ui_locales"), claims: p.list("claims_locales"), people: p.list("contacts"), trusted: p.flag("trusted_client"),
	}
	p.str("oxd_rp_programming_language")
	return r
}

// check applies the defaults of the shipped oxd-default-site-config.json.
func (r *registration) check() error {
	u, err := url.Parse(r.redirectURI)
	switch {
	case r.opHost == "":
		return errNoOPHost
	case err != nil || !slices.Contains([]string{"http", "https", "ftp", "file", "jar", "mailto"}, u.Scheme):
		return errNoRedirectURI
	}
	if len(r.scope) == 0 {
		r.scope = []string{"openid", "profile", "email"}
	}
	if len(r.responseTypes) == 0 {
		r.responseTypes = []string{"code"}
	}
	return nil
}

var (
	knownGrants        = []string{"authorization_code", "implicit", "password", "client_credentials", "refresh_token", umaGrantTicket}
	knownResponseTypes = []string{"code", "token", "id_token"}
)

// orNull is what the real one's request has: null for anything it does not know, several response types in one among them.
func orNull(values, known []string) []any {
	out := make([]any, len(values))
	for i, value := range values {
		if slices.Contains(known, value) {
			out[i] = value
		}
	}
	return out
}

// metadata is what is sent to the provider (RFC 7591 section 2).
func (r *registration) metadata(oxdID string, grants []string) map[string]any {
	redirects := []string{r.redirectURI}
	if len(r.redirectURIs) > 0 {
		redirects = append(redirects, r.redirectURIs...)
		if r.postLogout != "" {
			redirects = append(redirects, r.postLogout)
		}
	}
	slices.Sort(redirects)
	name := r.clientName
	if name == "" {
		name = "oxD client for site: " + oxdID
	}
	m := map[string]any{
		"application_type": "web", "redirect_uris": slices.Compact(redirects), "response_types": orNull(r.responseTypes, knownResponseTypes),
		"grant_types": orNull(grants, knownGrants),
		"scope":       strings.Join(r.scope, " "), "client_name": name,
	}
	for key, list := range map[string][]string{
		"claims_redirect_uri": r.claimsRedirectURIs, "request_uris": r.requestURIs, "frontchannel_logout_uri": r.logoutURIs, "contacts": r.people,
		"ui_locales": r.locales, "claims_locales": r.claims, "default_acr_values": r.acrValues,
	} {
		if len(list) > 0 {
			m[key] = list
		}
	}
	for key, value := range map[string]string{
		"jwks_uri": r.jwksURI, "token_endpoint_auth_method": r.authMethod, "sector_identifier_uri": r.sectorIdentifier,
	} {
		if value != "" {
			m[key] = value
		}
	}
	if r.postLogout != "" {
		m["post_logout_redirect_uris"] = []string{r.postLogout}
	}
	if r.trusted {
		m["oxAuthTrustedClient"] = "true"
	}
	return m
}

// client registers at the provider, unless a client is given.
func (x *execution) client(r *registration, oxdID string, grants []string) (rpClient, error) {
	if len(r.claimsRedirectURIs) > 0 {
		uma, err := x.engine.op.umaMetadata(x.ctx, r.opHost, r.discoveryPath)
		if err != nil {
			return rpClient{}, err
		}
		with := *r
		with.claimsRedirectURIs = append(slices.Clone(r.claimsRedirectURIs), uma.ClaimsGather+"?authentication=true")
		r = &with
	}
	if r.clientID != "" && r.clientSecret != "" {
		return rpClient{id: r.clientID, secret: r.clientSecret}, nil
	}
	m, err := x.engine.op.connect(x.ctx, r.opHost, r.discoveryPath)
	if err != nil {
		return rpClient{}, err
	}
	return x.engine.op.register(x.ctx, m, r.metadata(oxdID, grants))
}

func (x *execution) save(r *registration, oxdID string, client, setup rpClient) *rpSite {
	site := &rpSite{
		oxdID: oxdID, opHost: r.opHost, discoveryPath: r.discoveryPath, redirectURI: r.redirectURI, postLogout: r.postLogout, scope: r.scope,
		acrValues: r.acrValues, client: client, setupID: setup.id, introspector: setup,
	}
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	x.engine.sites[oxdID] = site
	return site
}

func orDefault(grants []string) []string {
	if len(grants) == 0 {
		return []string{"authorization_code"}
	}
	return grants
}

func (x *execution) registerSite() (any, error) {
	r, token := x.params.readRegistration(), x.params.str("protection_access_token")
	if x.params.malformed {
		return nil, errMalformed
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	blank := strings.TrimSpace(token) == ""
	if blank && x.engine.cfg.ProtectCommands {
		return nil, errBlankToken
	}
	oxdID := opNewUUID()
	client, err := x.client(&r, oxdID, orDefault(r.grantTypes))
	if err != nil {
		return nil, err
	}
	site := x.save(&r, oxdID, client, rpClient{})
	if !blank { // checked too late: if it fails, client and site remain
		owner, err := x.introspectClientToken(site, client, token)
		if err != nil {
			return nil, err
		}
		x.engine.mu.Lock()
		site.setupID, site.introspector = owner, client // whichever client the token is of
		x.engine.mu.Unlock()
	}
	return struct {
		OxdID  string `json:"oxd_id"`
		OPHost string `json:"op_host"`
	}{oxdID, r.opHost}, nil
}

func (x *execution) setupClient() (any, error) {
	r := x.params.readRegistration()
	x.params.str("protection_access_token")
	if x.params.malformed {
		return nil, errMalformed
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	setupGrants, siteGrants := []string{"client_credentials"}, orDefault(nil)
	if r.grantTypes != nil { // an empty list comes to client_credentials alone, for both
		setupGrants = slices.Clone(r.grantTypes)
		if !slices.Contains(setupGrants, "client_credentials") {
			setupGrants = append(setupGrants, "client_credentials")
		}
		siteGrants = setupGrants
	}
	oxdID := opNewUUID()
	setup, err := x.client(&r, opNewUUID(), setupGrants)
	if err != nil {
		return nil, err
	}
	client, err := x.client(&r, oxdID, siteGrants)
	if err != nil {
		return nil, err
	}
	x.save(&r, oxdID, client, setup)
	optional := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return struct {
		OxdID     string `json:"oxd_id"`
		OPHost    string `json:"op_host"`
		ID        string `json:"client_id"`
		Secret    string `json:"client_secret"`
		Token     any    `json:"client_registration_access_token"`
		URI       any    `json:"client_registration_client_uri"`
		IssuedAt  int64  `json:"client_id_issued_at"`
		ExpiresAt int64  `json:"client_secret_expires_at"`
	}{oxdID, r.opHost, setup.id, setup.secret, optional(setup.registrationToken), optional(setup.registrationURI), setup.issuedAt, setup.secretExpiresAt}, nil
}

func (x *execution) updateSite() (any, error) {
	p := x.params
	r := registration{
		redirectURI: p.str("authorization_redirect_uri"), redirectURIs: p.list("redirect_uris"), postLogout: p.str("post_logout_redirect_uri"),
		responseTypes: p.list("response_types"), grantTypes: p.list("grant_types"), logoutURIs: p.list("client_logout_uris"),
		jwksURI: p.str("client_jwks_uri"), sectorIdentifier: p.str("client_sector_identifier_uri"), requestURIs: p.list("client_request_uris"),
		scope: p.list("scope"), people: p.list("contacts"),
	}
	expires := p.date("client_secret_expires_at")
	return x.update(r, expires, true)
}

// update replaces the client's metadata by what is sent: grant_types left out are gone.
func (x *execution) update(r registration, expires int64, protected bool) (any, error) {
	p := x.params
	for _, name := range []string{"client_id", "client_secret", "client_token_endpoint_auth_method"} { // read, but of no effect
		p.str(name)
	}
	for _, name := range []string{"acr_values", "ui_locales", "claims_locales"} {
		p.list(name)
	}
	if err := x.bound(protected); err != nil {
		return nil, err
	}
	x.engine.mu.Lock()
	client, current := x.site.client, x.site.redirectURI
	x.engine.mu.Unlock()
	if client.registrationURI == "" {
		return nil, errNoClientURI
	}
	sent := r
	if sent.redirectURI == "" || len(r.redirectURIs) == 0 {
		sent.redirectURI = current // the new one reaches the provider only together with redirect_uris
	}
	if len(sent.responseTypes) == 0 {
		sent.responseTypes = []string{"code"}
	}
	metadata := sent.metadata(x.site.oxdID, r.grantTypes)
	if len(r.grantTypes) == 0 {
		delete(metadata, "grant_types")
	}
	if len(r.scope) == 0 {
		delete(metadata, "scope")
	}
	if expires != 0 {
		metadata["client_secret_expires_at"] = expires
	}
	status, _, err := x.engine.op.do(x.ctx, http.MethodPut, client.registrationURI, "application/json", marshal(metadata), bearer(client.registrationToken))
	if err != nil || status != http.StatusOK {
		return nil, errInternal
	}
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	if r.redirectURI != "" {
		x.site.redirectURI = r.redirectURI
		x.site.redirectURIs = append([]string{r.redirectURI}, r.redirectURIs...)
	}
	if len(r.scope) > 0 {
		x.site.scope = r.scope
	}
	return oxdIDAnswer{x.site.oxdID}, nil
}

type oxdIDAnswer struct {
	OxdID string `json:"oxd_id"`
}

// scopedToken is the answer of get_client_token and of a refresh.
type scopedToken struct {
	Scope        any     `json:"scope"`
	AccessToken  string  `json:"access_token"`
	ExpiresIn    int64   `json:"expires_in"`
	RefreshToken *string `json:"refresh_token"`
}

func (x *execution) scopedToken(a *tokenAnswer) (any, error) {
	if a.AccessToken == "" || a.ExpiresIn == nil {
		return nil, errInternal
	}
	out := scopedToken{AccessToken: a.AccessToken, ExpiresIn: *a.ExpiresIn, RefreshToken: a.RefreshToken}
	switch {
	case x.v4:
		out.Scope = strings.Fields(a.Scope)
	case a.Scope != "":
		out.Scope = a.Scope
	}
	return out, nil
}

func withOpenID(scope []string) string {
	if !slices.Contains(scope, "openid") {
		scope = append([]string{"openid"}, scope...)
	}
	return strings.Join(scope, " ")
}

func (x *execution) clientToken() (any, error) {
	p := x.params
	host, path, id, secret, scope := p.str("op_host"), p.str("op_discovery_path"), p.str("client_id"), p.str("client_secret"), p.list("scope")
	if x.v4 {
		host, path = x.host()
	}
	if p.malformed {
		return nil, x.malformed()
	}
	m, err := x.engine.op.connect(x.ctx, host, path)
	if err != nil {
		return nil, err
	}
	answer, err := x.engine.op.token(x.ctx, m.Token, rpClient{id: id, secret: secret},
		map[string]string{"grant_type": "client_credentials", "scope": withOpenID(scope)})
	if err != nil {
		return nil, err
	}
	return x.scopedToken(answer)
}
