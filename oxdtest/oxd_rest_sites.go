package oxdtest

// What oxd 4 has instead of the registration commands of 3.1, and in addition to them.

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

var (
	errNoRedirect4   = Errorf("invalid_redirect_uri", "Invalid redirect_uri (empty or blank).")
	errFragment      = Errorf("redirect_uri_has_fragment_component", "Redirect URI contains fragment component.")
	errNoHost4       = Errorf("invalid_op_host_and_configuration_endpoint", "op_host and op_configuration_endpoint are both blank.")
	errClientID      = Errorf("invalid_client_id", "client_id is not given, but client_secret is.")
	errClientSecret  = Errorf("invalid_client_secret", "client_secret is not given, but client_id is.")
	errRemoveFailed  = Errorf("remove_site_failed", "Failed to remove site.")
	errNoResource    = Errorf("bad_request_no_resource", "'resource' is empty or not specified.")
	errWrongIssuer   = Errorf("invalid_issuer_discovered", "Discovered issuer does not match.")
	errNoRequestHost = Errorf("bad_request_no_oxd_host", "'oxd_host_url' is empty or not specified.")
)

// readRegistration4 binds the names of oxd 4; those of 3.1 are ignored.
func (p *params) readRegistration4() registration {
	r := p.readRegistration()
	r.redirectURI, r.postLogout = "", ""
	if all := p.list("redirect_uris"); len(all) > 0 {
		r.redirectURI, r.redirectURIs = all[0], all[1:]
	}
	if all := p.list("post_logout_redirect_uris"); len(all) > 0 {
		r.postLogout = all[0]
	}
	if endpoint := p.str("op_configuration_endpoint"); r.opHost == "" && endpoint != "" {
		r.opHost = strings.TrimSuffix(endpoint, "/.well-known/openid-configuration")
	}
	r.trusted = p.dict("custom_attributes")["oxAuthTrustedClient"] == "true"
	return r
}

func (r *registration) check4() error {
	switch {
	case r.opHost == "":
		return errNoHost4
	case r.clientID == "" && r.clientSecret != "":
		return errClientID
	case r.clientID != "" && r.clientSecret == "":
		return errClientSecret
	}
	for _, uri := range append([]string{r.redirectURI}, r.redirectURIs...) {
		if u, err := url.Parse(uri); err != nil || u.Host == "" {
			return errNoRedirect4
		} else if u.Fragment != "" {
			return errFragment
		}
	}
	return r.check()
}

// registerSite4 makes one client, which is for logins and for tokens.
func (x *execution) registerSite4() (any, error) {
	r := x.params.readRegistration4()
	if x.params.malformed {
		return nil, errMalformed4
	}
	if err := r.check4(); err != nil {
		return nil, err
	}
	oxdID := opNewUUID()
	grants := orDefault(r.grantTypes)
	if !slices.Contains(grants, "client_credentials") {
		grants = append(slices.Clone(grants), "client_credentials")
	}
	client, err := x.client(&r, oxdID, grants)
	if err != nil {
		return nil, err
	}
	site := x.save(&r, oxdID, client, client)
	x.engine.mu.Lock()
	site.redirectURIs = append([]string{r.redirectURI}, r.redirectURIs...)
	x.engine.mu.Unlock()
	return map[string]any{
		"oxd_id": oxdID, "op_host": r.opHost, "client_id": client.id, "client_name": r.clientName, "client_secret": client.secret,
		"client_registration_access_token": client.registrationToken, "client_registration_client_uri": client.registrationURI,
		"client_id_issued_at": client.issuedAt, "client_secret_expires_at": client.secretExpiresAt,
		"initiate_login_uri ": nil, // spelled with the space
	}, nil
}

func (x *execution) updateSite4() (any, error) {
	r := x.params.readRegistration4()
	return x.update(r, 0, false)
}

func (x *execution) removeSite() (any, error) {
	if err := x.bound(false); err != nil {
		return nil, err
	}
	x.engine.mu.Lock()
	delete(x.engine.sites, x.site.oxdID)
	x.engine.mu.Unlock()
	if uri := x.site.client.registrationURI; uri != "" {
		_, _, err := x.engine.op.do(x.ctx, http.MethodDelete, uri, "", "", bearer(x.site.client.registrationToken))
		if err != nil {
			return nil, errRemoveFailed
		}
	}
	return oxdIDAnswer{x.site.oxdID}, nil
}

// getRP shows everything to whoever asks.
func (x *execution) getRP() (any, error) {
	if x.params.flag("list") {
		x.engine.mu.Lock()
		defer x.engine.mu.Unlock()
		list := []map[string]any{}
		for id := range x.engine.sites {
			list = append(list, map[string]any{"oxd_id": id, "client_name": nil})
		}
		return map[string]any{"node": list}, nil
	}
	if err := x.bound(false); err != nil {
		return nil, err
	}
	x.engine.mu.Lock()
	defer x.engine.mu.Unlock()
	return map[string]any{"node": map[string]any{
		"oxd_id": x.site.oxdID, "op_host": x.site.opHost, "client_id": x.site.client.id, "client_secret": x.site.client.secret,
		"redirect_uris": x.site.redirectURIs, "scope": x.site.scope, "acr_values": x.site.acrValues, "id_token": x.site.idToken,
		"client_registration_access_token": x.site.client.registrationToken, "client_registration_client_uri": x.site.client.registrationURI,
	}}, nil
}

// host reads which provider a command without site is about.
func (x *execution) host() (host, path string) {
	host = x.params.str("op_host")
	if endpoint := x.params.str("op_configuration_endpoint"); host == "" {
		host = strings.TrimSuffix(endpoint, "/.well-known/openid-configuration")
	}
	return host, x.params.str("op_discovery_path")
}

// fetch gets a JSON document of the provider.
func (x *execution) fetch(target string) (json.RawMessage, error) {
	status, body, err := x.engine.op.do(x.ctx, http.MethodGet, target, "", "", nil)
	if err != nil || status != http.StatusOK || !json.Valid(body) {
		return nil, Errorf("failed_to_get_discovery", "Failed to get discovery.")
	}
	return body, nil
}

func (x *execution) getDiscovery() (any, error) {
	host, path := x.host()
	if host == "" {
		return nil, errNoHost4
	}
	return x.fetch(baseURL(host) + path + "/.well-known/openid-configuration")
}

func (x *execution) getJWKS() (any, error) {
	m, err := x.engine.op.connect(x.ctx, first(x.host()), x.params.str("op_discovery_path"))
	if err != nil {
		return nil, err
	}
	return x.fetch(m.JWKS)
}

func first(host, _ string) string { return host }

// getIssuer answers as WebFinger does (OpenID Connect Discovery 1.0 section 2), for a provider that is its own directory.
func (x *execution) getIssuer() (any, error) {
	resource := x.params.str("resource")
	if resource == "" {
		return nil, errNoResource
	}
	m, err := x.engine.op.connect(x.ctx, first(x.host()), x.params.str("op_discovery_path"))
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(m.Issuer); err != nil || !strings.HasSuffix(resource, "@"+u.Hostname()) {
		return nil, errWrongIssuer
	}
	return map[string]any{"subject": resource, "links": []map[string]string{{"rel": "http://openid.net/specs/connect/1.0/issuer", "href": m.Issuer}}}, nil
}

// requestObjectURI only checks what it is given: the embedded provider takes no request objects.
func (x *execution) requestObjectURI() (any, error) {
	base := x.params.str("oxd_host_url")
	if err := x.bound(false); err != nil {
		return nil, err
	}
	if base == "" {
		return nil, errNoRequestHost
	}
	return map[string]string{"request_uri": strings.TrimSuffix(base, "/") + "/get-request-object/" + opNewUUID()}, nil
}

func (x *execution) introspectAccessToken() (any, error) {
	token := x.params.str("access_token")
	if err := x.bound(false); err != nil {
		return nil, err
	}
	about, err := x.introspectRaw(token)
	if err != nil {
		return nil, err
	}
	about["scope"] = strings.Fields(text(about["scope"]))
	return about, nil
}

func (x *execution) introspectRPT4() (any, error) {
	rpt := x.params.str("rpt")
	if err := x.bound(false); err != nil {
		return nil, err
	}
	if rpt == "" {
		return nil, Errorf("invalid_rpt_parameter", "rpt parameter is not specified or otherwise is not valid")
	}
	return x.introspectRaw(rpt)
}

// introspectRaw gives the provider's answer as it is.
func (x *execution) introspectRaw(token string) (map[string]any, error) {
	m, err := x.engine.op.connect(x.ctx, x.site.opHost, x.site.discoveryPath)
	if err != nil {
		return nil, err
	}
	protection, err := x.pat(x.site, x.site.client)
	if err != nil {
		return nil, err
	}
	form := url.Values{"token": {token}}.Encode()
	status, body, err := x.engine.op.do(x.ctx, http.MethodPost, m.Introspection, "application/x-www-form-urlencoded", form, bearer(protection))
	var about map[string]any
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK || json.Unmarshal(body, &about) != nil {
		return nil, &opFailure{status, body}
	}
	return about, nil
}

func text(v any) string {
	s, _ := v.(string)
	return s
}
