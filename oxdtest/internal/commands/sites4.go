// What oxd 4 has instead of the registration commands of 3.1, and in addition to them.

package commands

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxdtest/internal/idp"
	"example.com/oxdauth/oxdtest/internal/oauth"
)

func checkRegistration4(r *oxdwire.Registration) error {
	switch {
	case r.OPHost == "":
		return errNoHost4
	case r.ClientID == "" && r.ClientSecret != "":
		return errClientID
	case r.ClientID != "" && r.ClientSecret == "":
		return errClientSecret
	}
	for _, uri := range append([]string{r.RedirectURI}, r.RedirectURIs...) {
		if u, err := url.Parse(uri); err != nil || u.Host == "" {
			return errNoRedirect4
		} else if u.Fragment != "" {
			return errFragment
		}
	}
	return checkRegistration(r)
}

// registerSite4 makes one client, which is for logins and for tokens.
func registerSite4(x *execution) (any, error) {
	r := x.params.Registration4()
	if x.params.Malformed() {
		return nil, errMalformed4
	}
	if err := checkRegistration4(&r); err != nil {
		return nil, err
	}
	oxdID := oauth.NewUUID()
	grants := orDefault(r.GrantTypes)
	if !slices.Contains(grants, "client_credentials") {
		grants = append(slices.Clone(grants), "client_credentials")
	}
	client, err := x.client(&r, oxdID, grants)
	if err != nil {
		return nil, err
	}
	site := x.save(&r, oxdID, client, client)
	x.engine.mu.Lock()
	site.redirectURIs = append([]string{r.RedirectURI}, r.RedirectURIs...)
	x.engine.mu.Unlock()
	return map[string]any{
		"oxd_id": oxdID, "op_host": r.OPHost, "client_id": client.ID, "client_name": r.ClientName, "client_secret": client.Secret,
		"client_registration_access_token": client.RegistrationToken, "client_registration_client_uri": client.RegistrationURI,
		"client_id_issued_at": client.IssuedAt, "client_secret_expires_at": client.SecretExpiresAt,
		"initiate_login_uri ": nil, // spelled with the space
	}, nil
}

func updateSite4(x *execution) (any, error) {
	return x.update(x.params.Registration4(), false)
}

func removeSite(x *execution) (any, error) {
	if err := x.bound(false); err != nil {
		return nil, err
	}
	x.engine.mu.Lock()
	delete(x.engine.sites, x.site.oxdID)
	x.engine.mu.Unlock()
	if uri := x.site.client.RegistrationURI; uri != "" {
		_, _, err := x.engine.op.Send(x.ctx, http.MethodDelete, uri, x.site.client.RegistrationToken, "")
		if err != nil {
			return nil, errRemoveFailed
		}
	}
	return oxdIDAnswer{x.site.oxdID}, nil
}

// getRP returns everything, secrets included, without a token.
func getRP(x *execution) (any, error) {
	if x.params.Flag("list") {
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
		"oxd_id": x.site.oxdID, "op_host": x.site.host.Address, "client_id": x.site.client.ID, "client_secret": x.site.client.Secret,
		"redirect_uris": x.site.redirectURIs, "scope": x.site.scope, "acr_values": x.site.acrValues, "id_token": x.site.idToken,
		"client_registration_access_token": x.site.client.RegistrationToken, "client_registration_client_uri": x.site.client.RegistrationURI,
	}}, nil
}

// host4 returns which provider a command without site is about.
func host4(p *oxdwire.Params) idp.Host {
	return idp.Host{Address: p.OPHost4(), Path: p.Text("op_discovery_path")}
}

// fetch gets a JSON document of the provider.
func (x *execution) fetch(target string) (json.RawMessage, error) {
	status, body, err := x.engine.op.Send(x.ctx, http.MethodGet, target, "", "")
	if err != nil || status != http.StatusOK || !json.Valid(body) {
		return nil, oxdwire.Errorf(oxdwire.CodeFailedToGetDiscovery, "Failed to get discovery.")
	}
	return body, nil
}

func getDiscovery(x *execution) (any, error) {
	host := host4(x.params)
	if host.Address == "" {
		return nil, errNoHost4
	}
	return x.fetch(host.Discovery())
}

func getJWKS(x *execution) (any, error) {
	m, err := x.engine.op.Connect(x.ctx, host4(x.params))
	if err != nil {
		return nil, err
	}
	return x.fetch(m.JWKS)
}

// getIssuer answers as WebFinger does (OpenID Connect Discovery 1.0 section 2), for a provider that
// is its own directory.
func getIssuer(x *execution) (any, error) {
	resource := x.params.Text("resource")
	if resource == "" {
		return nil, errNoResource
	}
	m, err := x.engine.op.Connect(x.ctx, host4(x.params))
	if err != nil {
		return nil, err
	}
	if u, err := url.Parse(m.Issuer); err != nil || !strings.HasSuffix(resource, "@"+u.Hostname()) {
		return nil, errWrongIssuer
	}
	return map[string]any{"subject": resource, "links": []map[string]string{{"rel": "http://openid.net/specs/connect/1.0/issuer", "href": m.Issuer}}}, nil
}

// requestObjectURI only checks what it is given: the embedded provider takes no request objects.
func requestObjectURI(x *execution) (any, error) {
	base := x.params.Text("oxd_host_url")
	if err := x.bound(false); err != nil {
		return nil, err
	}
	if base == "" {
		return nil, errNoRequestHost
	}
	return map[string]string{"request_uri": strings.TrimSuffix(base, "/") + "/get-request-object/" + oauth.NewUUID()}, nil
}

func introspectAccessToken(x *execution) (any, error) {
	token := x.params.Text("access_token")
	if err := x.bound(false); err != nil {
		return nil, err
	}
	about, err := x.introspectRaw(token)
	if err != nil {
		return nil, err
	}
	scope, _ := about["scope"].(string)
	about["scope"] = strings.Fields(scope)
	return about, nil
}

func introspectRPT4(x *execution) (any, error) {
	rpt := x.params.Text("rpt")
	if err := x.bound(false); err != nil {
		return nil, err
	}
	if rpt == "" {
		return nil, oxdwire.Errorf(oxdwire.CodeInvalidRPTParameter, "rpt parameter is not specified or otherwise is not valid")
	}
	return x.introspectRaw(rpt)
}

// introspectRaw returns the provider's answer as it is.
func (x *execution) introspectRaw(token string) (map[string]any, error) {
	m, err := x.connect()
	if err != nil {
		return nil, err
	}
	protection, err := x.pat(x.site, x.site.client)
	if err != nil {
		return nil, err
	}
	var about map[string]any
	err = x.engine.op.Introspect(x.ctx, m.Introspection, protection, token, &about)
	if err == nil && about == nil {
		err = idp.ErrInternal
	}
	return about, err
}
