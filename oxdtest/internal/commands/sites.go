// The registration commands: setup_client, register_site, update_site_registration,
// get_client_token.

package commands

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxdtest/internal/idp"
	"example.com/oxdauth/oxdtest/internal/oauth"
)

// checkRegistration applies the defaults of the shipped oxd-default-site-config.json.
func checkRegistration(r *oxdwire.Registration) error {
	u, err := url.Parse(r.RedirectURI)
	switch {
	case r.OPHost == "":
		return idp.ErrNoOPHost
	case err != nil || !slices.Contains([]string{"http", "https", "ftp", "file", "jar", "mailto"}, u.Scheme):
		return errNoRedirectURI
	}
	if len(r.Scope) == 0 {
		r.Scope = []string{"openid", "profile", "email"}
	}
	if len(r.ResponseTypes) == 0 {
		r.ResponseTypes = []string{"code"}
	}
	return nil
}

func hostOf(r *oxdwire.Registration) idp.Host {
	return idp.Host{Address: r.OPHost, Path: r.DiscoveryPath}
}

var (
	knownGrants        = []string{"authorization_code", "implicit", "password", "client_credentials", "refresh_token", oauth.GrantTicket}
	knownResponseTypes = []string{"code", "token", "id_token"}
)

// orNull returns the values with null in place of unknown ones, as oxd sends them. Several response
// types in one are unknown.
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
func clientMetadata(r *oxdwire.Registration, oxdID string, grants []string) map[string]any {
	redirects := []string{r.RedirectURI}
	if len(r.RedirectURIs) > 0 {
		redirects = append(redirects, r.RedirectURIs...)
		if r.PostLogout != "" {
			redirects = append(redirects, r.PostLogout)
		}
	}
	slices.Sort(redirects)
	name := r.ClientName
	if name == "" {
		name = "oxD client for site: " + oxdID
	}
	m := map[string]any{
		"application_type": "web", "redirect_uris": slices.Compact(redirects), "response_types": orNull(r.ResponseTypes, knownResponseTypes),
		"grant_types": orNull(grants, knownGrants),
		"scope":       strings.Join(r.Scope, " "), "client_name": name,
	}
	for key, list := range map[string][]string{
		"claims_redirect_uri": r.ClaimsRedirectURIs, "request_uris": r.RequestURIs, "frontchannel_logout_uri": r.LogoutURIs, "contacts": r.Contacts,
		"ui_locales": r.UILocales, "claims_locales": r.ClaimsLocales, "default_acr_values": r.ACRValues,
	} {
		if len(list) > 0 {
			m[key] = list
		}
	}
	for key, value := range map[string]string{
		"jwks_uri": r.JWKSURI, "token_endpoint_auth_method": r.AuthMethod, "sector_identifier_uri": r.SectorID,
	} {
		if value != "" {
			m[key] = value
		}
	}
	if r.PostLogout != "" {
		m["post_logout_redirect_uris"] = []string{r.PostLogout}
	}
	if r.Trusted {
		m["oxAuthTrustedClient"] = "true"
	}
	return m
}

// client registers at the provider, unless a client is given.
func (x *execution) client(r *oxdwire.Registration, oxdID string, grants []string) (idp.Client, error) {
	if len(r.ClaimsRedirectURIs) > 0 {
		uma, err := x.engine.op.UMA(x.ctx, hostOf(r))
		if err != nil {
			return idp.Client{}, err
		}
		with := *r
		with.ClaimsRedirectURIs = append(slices.Clone(r.ClaimsRedirectURIs), uma.ClaimsGather+"?authentication=true")
		r = &with
	}
	if r.ClientID != "" && r.ClientSecret != "" {
		return idp.Client{ID: r.ClientID, Secret: r.ClientSecret}, nil
	}
	m, err := x.engine.op.Connect(x.ctx, hostOf(r))
	if err != nil {
		return idp.Client{}, err
	}
	if m.Registration == "" {
		return idp.Client{}, errNoResources // the code oxd 3.1.1 answers here
	}
	return x.engine.op.Register(x.ctx, m, clientMetadata(r, oxdID, grants))
}

func (x *execution) save(r *oxdwire.Registration, oxdID string, client, setup idp.Client) *site {
	site := &site{
		oxdID: oxdID, host: hostOf(r), redirectURI: r.RedirectURI, postLogout: r.PostLogout, scope: r.Scope,
		acrValues: r.ACRValues, client: client, setupID: setup.ID, introspector: setup,
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

func registerSite(x *execution) (any, error) {
	r, token := x.params.Registration(), x.params.Text("protection_access_token")
	if x.params.Malformed() {
		return nil, ErrMalformed
	}
	if err := checkRegistration(&r); err != nil {
		return nil, err
	}
	blank := strings.TrimSpace(token) == ""
	if blank && x.engine.cfg.ProtectCommands {
		return nil, errBlankToken
	}
	oxdID := oauth.NewUUID()
	client, err := x.client(&r, oxdID, orDefault(r.GrantTypes))
	if err != nil {
		return nil, err
	}
	site := x.save(&r, oxdID, client, idp.Client{})
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
	}{oxdID, r.OPHost}, nil
}

func setupClient(x *execution) (any, error) {
	r := x.params.Registration()
	x.params.Text("protection_access_token")
	if x.params.Malformed() {
		return nil, ErrMalformed
	}
	if err := checkRegistration(&r); err != nil {
		return nil, err
	}
	setupGrants, siteGrants := []string{"client_credentials"}, orDefault(nil)
	if r.GrantTypes != nil { // an empty list comes to client_credentials alone, for both
		setupGrants = slices.Clone(r.GrantTypes)
		if !slices.Contains(setupGrants, "client_credentials") {
			setupGrants = append(setupGrants, "client_credentials")
		}
		siteGrants = setupGrants
	}
	oxdID := oauth.NewUUID()
	setup, err := x.client(&r, oauth.NewUUID(), setupGrants)
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
	}{oxdID, r.OPHost, setup.ID, setup.Secret, optional(setup.RegistrationToken), optional(setup.RegistrationURI), setup.IssuedAt, setup.SecretExpiresAt}, nil
}

func updateSite(x *execution) (any, error) { return x.update(x.params.Update(), true) }

// update replaces the client's metadata by what is sent: grant types left out are gone.
func (x *execution) update(r oxdwire.Registration, protected bool) (any, error) {
	if err := x.bound(protected); err != nil {
		return nil, err
	}
	x.engine.mu.Lock()
	client, current := x.site.client, x.site.redirectURI
	x.engine.mu.Unlock()
	if client.RegistrationURI == "" {
		return nil, errNoClientURI
	}
	sent := r
	if sent.RedirectURI == "" || len(r.RedirectURIs) == 0 {
		sent.RedirectURI = current // the new one reaches the provider only together with redirect_uris
	}
	if len(sent.ResponseTypes) == 0 {
		sent.ResponseTypes = []string{"code"}
	}
	metadata := clientMetadata(&sent, x.site.oxdID, r.GrantTypes)
	if len(r.GrantTypes) == 0 {
		delete(metadata, "grant_types")
	}
	if len(r.Scope) == 0 {
		delete(metadata, "scope")
	}
	if r.SecretExpiresAt != 0 {
		metadata["client_secret_expires_at"] = r.SecretExpiresAt
	}
	status, _, err := x.engine.op.Send(x.ctx, http.MethodPut, client.RegistrationURI, client.RegistrationToken, oxdwire.Marshal(metadata))
	if err != nil || status != http.StatusOK {
		return nil, idp.ErrInternal
	}
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	if r.RedirectURI != "" {
		x.site.redirectURI = r.RedirectURI
		x.site.redirectURIs = append([]string{r.RedirectURI}, r.RedirectURIs...)
	}
	if len(r.Scope) > 0 {
		x.site.scope = r.Scope
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

func newScopedToken(a *idp.Tokens, v4 bool) (any, error) {
	if a.AccessToken == "" || a.ExpiresIn == nil {
		return nil, idp.ErrInternal
	}
	out := scopedToken{AccessToken: a.AccessToken, ExpiresIn: *a.ExpiresIn, RefreshToken: a.RefreshToken}
	switch {
	case v4:
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

func clientToken(x *execution) (any, error) {
	p := x.params
	host := idp.Host{Address: p.Text("op_host"), Path: p.Text("op_discovery_path")}
	id, secret, scope := p.Text("client_id"), p.Text("client_secret"), p.List("scope")
	if x.v4 {
		host = host4(x.params)
	}
	if p.Malformed() {
		return nil, x.malformed()
	}
	m, err := x.engine.op.Connect(x.ctx, host)
	if err != nil {
		return nil, err
	}
	answer, err := x.engine.op.Token(x.ctx, m.Token, idp.Client{ID: id, Secret: secret},
		map[string]string{"grant_type": "client_credentials", "scope": withOpenID(scope)})
	if err != nil {
		return nil, err
	}
	return newScopedToken(answer, x.v4)
}
