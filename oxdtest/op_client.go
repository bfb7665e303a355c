package oxdtest

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// This file holds dynamic client registration (RFC 7591 and 7592) and client
// authentication.

const (
	opGrantCode    = "authorization_code"
	opGrantRefresh = "refresh_token"
	opGrantClient  = "client_credentials"
	umaGrantTicket = "urn:ietf:params:oauth:grant-type:uma-ticket"
)

var opGrantTypes = []string{opGrantCode, opGrantRefresh, opGrantClient, umaGrantTicket}

// opClient is a registered client. It is replaced as a whole, never changed.
type opClient struct {
	id, secret    string
	token         string // registration access token
	issued        time.Time
	secretExpires time.Time
	meta          opClientMeta
}

// opClientMeta is the metadata that the Provider acts on, or keeps to answer
// with it.
type opClientMeta struct {
	RedirectURIs           []string     `json:"redirect_uris"`
	PostLogoutRedirectURIs []string     `json:"post_logout_redirect_uris,omitempty"`
	ClaimsRedirectURIs     opStringList `json:"claims_redirect_uris,omitempty"`
	// oxAuth names the claims redirect URIs in the singular.
	ClaimsRedirectURI      opStringList `json:"claims_redirect_uri,omitempty"`
	GrantTypes             []string     `json:"grant_types,omitempty"`
	ResponseTypes          []string     `json:"response_types,omitempty"`
	Scope                  opScopeList  `json:"scope,omitempty"`
	Scopes                 opScopeList  `json:"scopes,omitempty"`
	AuthMethod             string       `json:"token_endpoint_auth_method,omitempty"`
	ClientName             string       `json:"client_name,omitempty"`
	ApplicationType        string       `json:"application_type,omitempty"`
	FrontchannelLogoutURI  opStringList `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelLogoutURIs opStringList `json:"frontchannel_logout_uris,omitempty"`
	DefaultACRValues       []string     `json:"default_acr_values,omitempty"`
	Contacts               []string     `json:"contacts,omitempty"`
	JWKSURI                string       `json:"jwks_uri,omitempty"`
	RequestURIs            []string     `json:"request_uris,omitempty"`
	SecretExpiresAt        int64        `json:"client_secret_expires_at,omitempty"`
}

// opStringList reads a list, or a single string, as a list.
type opStringList []string

func (l *opStringList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = nil
		if one != "" {
			*l = opStringList{one}
		}
		return nil
	}
	var many []string
	if err := json.Unmarshal(b, &many); err != nil {
		return err
	}
	*l = many
	return nil
}

// opScopeList is RFC 7591's space-separated text; oxAuth takes a list as well.
type opScopeList []string

func (l *opScopeList) UnmarshalJSON(b []byte) error {
	var list opStringList
	if err := list.UnmarshalJSON(b); err != nil {
		return err
	}
	*l = strings.Fields(strings.Join(list, " "))
	return nil
}

func (l opScopeList) MarshalJSON() ([]byte, error) { return json.Marshal(strings.Join(l, " ")) }

// check completes the metadata with the defaults of RFC 7591 section 2 and
// says what is wrong with it.
func (m *opClientMeta) check() *opError {
	if len(m.RedirectURIs) == 0 {
		return opBadRequest("invalid_redirect_uri", "redirect_uris is required")
	}
	m.ClaimsRedirectURIs = append(m.ClaimsRedirectURIs, m.ClaimsRedirectURI...)
	m.ClaimsRedirectURI = nil
	for _, list := range [][]string{m.RedirectURIs, m.PostLogoutRedirectURIs, m.ClaimsRedirectURIs} {
		for _, uri := range list {
			if err := opCheckRedirectURI(uri); err != nil {
				return opBadRequest("invalid_redirect_uri", err.Error())
			}
		}
	}
	// oxd sends null for every grant and response type that it does not know.
	m.GrantTypes = slices.DeleteFunc(m.GrantTypes, func(s string) bool { return s == "" })
	m.ResponseTypes = slices.DeleteFunc(m.ResponseTypes, func(s string) bool { return s == "" })
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{opGrantCode}
	}
	for _, g := range m.GrantTypes {
		if !slices.Contains(opGrantTypes, g) {
			return opBadRequest("invalid_client_metadata", "the grant type "+g+" is not supported")
		}
	}
	if len(m.ResponseTypes) == 0 {
		m.ResponseTypes = []string{"code"}
	}
	for _, t := range m.ResponseTypes {
		if t != "code" {
			return opBadRequest("invalid_client_metadata", "the response type "+t+" is not supported")
		}
	}
	if len(m.Scope) == 0 {
		m.Scope = m.Scopes
	}
	m.Scopes = nil
	m.Scope = slices.DeleteFunc(m.Scope, func(s string) bool { return !slices.Contains(opScopesSupported, s) })
	if len(m.Scope) == 0 {
		m.Scope = opScopeList{"openid"}
	}
	switch m.AuthMethod {
	case "":
		m.AuthMethod = "client_secret_basic"
	case "client_secret_basic", "client_secret_post":
	default:
		return opBadRequest("invalid_client_metadata", "token_endpoint_auth_method "+m.AuthMethod+" is not supported")
	}
	return nil
}

// opCheckRedirectURI accepts absolute URLs without fragment: https, or http on
// loopback, which is where development servers are.
func opCheckRedirectURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || strings.Contains(uri, "#") {
		return fmt.Errorf("%q is not an absolute URL without fragment", uri)
	}
	if u.Scheme == "https" {
		return nil
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if u.Scheme == "http" && (u.Hostname() == "localhost" || err == nil && addr.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("%q is neither https nor http on loopback", uri)
}

func (p *Provider) serveRegister(w http.ResponseWriter, r *http.Request) {
	meta, fault := opReadMeta(r)
	if fault != nil {
		fault.write(w)
		return
	}
	now := time.Now()
	c := &opClient{
		id: opNewInum(), secret: rand.Text(), token: rand.Text(),
		issued: now, secretExpires: now.Add(opSecretLifetime), meta: *meta,
	}
	p.mu.Lock()
	full := len(p.clients) >= opMaxClients
	if !full {
		p.clients[c.id] = c
	}
	p.mu.Unlock()
	if full {
		(&opError{http.StatusServiceUnavailable, "temporarily_unavailable", "there are too many clients"}).write(w)
		return
	}
	p.writeClient(w, http.StatusCreated, c)
}

// serveRegisterUpdate replaces the metadata of a client; what the request
// leaves out goes back to its default (RFC 7592 section 2.2).
func (p *Provider) serveRegisterUpdate(w http.ResponseWriter, r *http.Request) {
	token := opBearer(r)
	p.mu.Lock()
	c := p.clients[r.URL.Query().Get("client_id")]
	p.mu.Unlock()
	if c == nil || subtle.ConstantTimeCompare([]byte(c.token), []byte(token)) != 1 {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		(&opError{http.StatusUnauthorized, "invalid_token", "the registration access token is not that of the client"}).write(w)
		return
	}
	meta, fault := opReadMeta(r)
	if fault != nil {
		fault.write(w)
		return
	}
	updated := *c
	if meta.SecretExpiresAt > 0 {
		updated.secretExpires = time.Unix(meta.SecretExpiresAt, 0)
	}
	updated.meta = *meta
	p.mu.Lock()
	p.clients[c.id] = &updated
	p.mu.Unlock()
	p.writeClient(w, http.StatusOK, &updated)
}

func opReadMeta(r *http.Request) (*opClientMeta, *opError) {
	var meta opClientMeta
	if err := json.NewDecoder(r.Body).Decode(&meta); err != nil {
		return nil, opBadRequest("invalid_client_metadata", "the body is not a JSON object with client metadata")
	}
	if fault := meta.check(); fault != nil {
		return nil, fault
	}
	return &meta, nil
}

func (p *Provider) writeClient(w http.ResponseWriter, status int, c *opClient) {
	meta := c.meta
	meta.SecretExpiresAt = c.secretExpires.Unix()
	opWriteJSON(w, status, struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
		Issued int64  `json:"client_id_issued_at"`
		Token  string `json:"registration_access_token"`
		URI    string `json:"registration_client_uri"`
		opClientMeta
	}{c.id, c.secret, c.issued.Unix(), c.token, p.URL + opPathRegister + "?client_id=" + url.QueryEscape(c.id), meta})
}

// opNewInum returns an identifier of the shape that oxAuth gives to clients.
// Its "@" and "!" are there to be put into URLs without encoding, as oxd does.
func opNewInum() string {
	t := rand.Text()
	return "@!1736.179E!0001!" + t[0:4] + "." + t[4:8] + "!0008!" + t[8:12] + "." + t[12:16] + "." + t[16:20]
}

// authenticateClient finds the client that sends the request by HTTP Basic or,
// where it registered client_secret_post, by the form. The form must have been
// parsed.
func (p *Provider) authenticateClient(r *http.Request) (*opClient, *opError) {
	fault := &opError{http.StatusUnauthorized, "invalid_client", "client authentication failed"}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	c := p.client(id)
	if c == nil && basic {
		// RFC 6749 section 2.3.1 wants both parts form-encoded; oxd sends
		// them as they are. Ours need no decoding beyond the client id.
		if plain, err := url.QueryUnescape(id); err == nil {
			c = p.client(plain)
		}
	}
	switch {
	case c == nil,
		subtle.ConstantTimeCompare([]byte(secret), []byte(c.secret)) != 1,
		!basic && c.meta.AuthMethod != "client_secret_post",
		!time.Now().Before(c.secretExpires):
		return nil, fault
	}
	return c, nil
}

func (p *Provider) client(id string) *opClient {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.clients[id]
}

func (c *opClient) mayUse(grant string) bool { return slices.Contains(c.meta.GrantTypes, grant) }

// grantScopes returns those of the scopes that the client registered; asking
// for none means all.
func (c *opClient) grantScopes(asked []string) []string {
	if len(asked) == 0 {
		return slices.Clone(c.meta.Scope)
	}
	var granted []string
	for _, s := range asked {
		if slices.Contains(c.meta.Scope, s) {
			granted = append(granted, s)
		}
	}
	return granted
}
