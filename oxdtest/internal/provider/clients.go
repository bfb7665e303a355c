// Dynamic client registration (RFC 7591 and 7592) and client authentication.

package provider

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
	"sync"
	"time"

	"example.com/oxdauth/oxdtest/internal/oauth"
)

// maxClients bounds how many clients are kept.
const maxClients = 10_000

const (
	grantCode    = "authorization_code"
	grantRefresh = "refresh_token"
	grantClient  = "client_credentials"
)

var grantTypes = []string{grantCode, grantRefresh, grantClient, oauth.GrantTicket}

// GrantTypes returns the grant types that clients can register.
func GrantTypes() []string { return slices.Clone(grantTypes) }

// Client is a registered client. It is immutable: an update replaces it.
type Client struct {
	ID string

	secret        string
	token         string // registration access token
	issued        time.Time
	secretExpires time.Time
	meta          metadata
}

// DisplayName returns what people are shown as the name of the application.
func (c *Client) DisplayName() string {
	if c.meta.ClientName != "" {
		return c.meta.ClientName
	}
	return host(c.meta.RedirectURIs[0])
}

func host(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return uri
	}
	return u.Host
}

// ClaimsRedirectURIs returns the registered addresses to return to after claims gathering.
func (c *Client) ClaimsRedirectURIs() []string { return c.meta.ClaimsRedirectURIs }

func (c *Client) mayUse(grant string) bool { return slices.Contains(c.meta.GrantTypes, grant) }

// grantScopes returns those of the scopes that the client registered; asking for none means all.
func (c *Client) grantScopes(asked []string) []string {
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

// clients are the registered ones. It is safe for concurrent use.
type clients struct {
	issuer string

	mu   sync.Mutex // guards byID
	byID map[string]*Client
}

// get returns a client, or nil.
func (c *clients) get(id string) *Client {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byID[id]
}

// newest returns the client registered last with this redirect URI, or nil.
func (c *clients) newest(redirectURI string) (newest *Client) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, client := range c.byID {
		if slices.Contains(client.meta.RedirectURIs, redirectURI) && (newest == nil || client.issued.After(newest.issued)) {
			newest = client
		}
	}
	return newest
}

// metadata is the metadata that the Provider acts on, or keeps to answer
// with it.
type metadata struct {
	RedirectURIs           []string   `json:"redirect_uris"`
	PostLogoutRedirectURIs []string   `json:"post_logout_redirect_uris,omitempty"`
	ClaimsRedirectURIs     stringList `json:"claims_redirect_uris,omitempty"`
	// oxAuth names the claims redirect URIs in the singular.
	ClaimsRedirectURI      stringList `json:"claims_redirect_uri,omitempty"`
	GrantTypes             []string   `json:"grant_types,omitempty"`
	ResponseTypes          []string   `json:"response_types,omitempty"`
	Scope                  scopeList  `json:"scope,omitempty"`
	Scopes                 scopeList  `json:"scopes,omitempty"`
	AuthMethod             string     `json:"token_endpoint_auth_method,omitempty"`
	ClientName             string     `json:"client_name,omitempty"`
	ApplicationType        string     `json:"application_type,omitempty"`
	FrontchannelLogoutURI  stringList `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelLogoutURIs stringList `json:"frontchannel_logout_uris,omitempty"`
	DefaultACRValues       []string   `json:"default_acr_values,omitempty"`
	Contacts               []string   `json:"contacts,omitempty"`
	JWKSURI                string     `json:"jwks_uri,omitempty"`
	RequestURIs            []string   `json:"request_uris,omitempty"`
	SecretExpiresAt        int64      `json:"client_secret_expires_at,omitempty"`
}

// stringList reads a list, or a single string, as a list.
type stringList []string

func (l *stringList) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*l = nil
		if one != "" {
			*l = stringList{one}
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

// scopeList is RFC 7591's space-separated text; oxAuth takes a list as well.
type scopeList []string

func (l *scopeList) UnmarshalJSON(b []byte) error {
	var list stringList
	if err := list.UnmarshalJSON(b); err != nil {
		return err
	}
	*l = strings.Fields(strings.Join(list, " "))
	return nil
}

func (l scopeList) MarshalJSON() ([]byte, error) { return json.Marshal(strings.Join(l, " ")) }

// check adds the defaults of RFC 7591 section 2 and reports what is wrong.
func (m *metadata) check() *oauth.Error {
	if len(m.RedirectURIs) == 0 {
		return oauth.BadRequest("invalid_redirect_uri", "redirect_uris is required")
	}
	m.ClaimsRedirectURIs = append(m.ClaimsRedirectURIs, m.ClaimsRedirectURI...)
	m.ClaimsRedirectURI = nil
	for _, list := range [][]string{m.RedirectURIs, m.PostLogoutRedirectURIs, m.ClaimsRedirectURIs} {
		for _, uri := range list {
			if err := checkRedirectURI(uri); err != nil {
				return oauth.BadRequest("invalid_redirect_uri", err.Error())
			}
		}
	}
	// oxd sends null for every grant and response type that is unknown to it.
	m.GrantTypes = slices.DeleteFunc(m.GrantTypes, func(s string) bool { return s == "" })
	m.ResponseTypes = slices.DeleteFunc(m.ResponseTypes, func(s string) bool { return s == "" })
	if len(m.GrantTypes) == 0 {
		m.GrantTypes = []string{grantCode}
	}
	for _, g := range m.GrantTypes {
		if !slices.Contains(grantTypes, g) {
			return oauth.BadRequest("invalid_client_metadata", "the grant type "+g+" is not supported")
		}
	}
	if len(m.ResponseTypes) == 0 {
		m.ResponseTypes = []string{"code"}
	}
	for _, t := range m.ResponseTypes {
		if t != "code" {
			return oauth.BadRequest("invalid_client_metadata", "the response type "+t+" is not supported")
		}
	}
	if len(m.Scope) == 0 {
		m.Scope = m.Scopes
	}
	m.Scopes = nil
	m.Scope = slices.DeleteFunc(m.Scope, func(s string) bool { return !slices.Contains(scopesSupported, s) })
	if len(m.Scope) == 0 {
		m.Scope = scopeList{"openid"}
	}
	switch m.AuthMethod {
	case "":
		m.AuthMethod = "client_secret_basic"
	case "client_secret_basic", "client_secret_post":
	default:
		return oauth.BadRequest("invalid_client_metadata", "token_endpoint_auth_method "+m.AuthMethod+" is not supported")
	}
	return nil
}

// checkRedirectURI accepts absolute URLs without fragment: https, or http on
// loopback, which is where development servers are.
func checkRedirectURI(uri string) error {
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

func (c *clients) serveRegister(w http.ResponseWriter, r *http.Request) {
	meta, fault := readMetadata(r)
	if fault != nil {
		fault.Write(w)
		return
	}
	now := time.Now()
	client := &Client{
		ID: newClientID(), secret: rand.Text(), token: rand.Text(),
		issued: now, secretExpires: now.Add(secretLifetime), meta: *meta,
	}
	c.mu.Lock()
	full := len(c.byID) >= maxClients
	if !full {
		c.byID[client.ID] = client
	}
	c.mu.Unlock()
	if full {
		oauth.Unavailable("there are too many clients").Write(w)
		return
	}
	c.write(w, http.StatusCreated, client)
}

// serveUpdate replaces the metadata of a client; what the request leaves out gets its default (RFC
// 7592 section 2.2).
func (c *clients) serveUpdate(w http.ResponseWriter, r *http.Request) {
	token := oauth.Bearer(r)
	client := c.get(r.URL.Query().Get("client_id"))
	if client == nil || subtle.ConstantTimeCompare([]byte(client.token), []byte(token)) != 1 {
		oauth.WriteInvalidToken(w, "the registration access token is not that of the client")
		return
	}
	meta, fault := readMetadata(r)
	if fault != nil {
		fault.Write(w)
		return
	}
	updated := *client
	if meta.SecretExpiresAt > 0 {
		updated.secretExpires = time.Unix(meta.SecretExpiresAt, 0)
	}
	updated.meta = *meta
	c.mu.Lock()
	c.byID[client.ID] = &updated
	c.mu.Unlock()
	c.write(w, http.StatusOK, &updated)
}

func readMetadata(r *http.Request) (*metadata, *oauth.Error) {
	var meta metadata
	if err := json.NewDecoder(r.Body).Decode(&meta); err != nil {
		return nil, oauth.BadRequest("invalid_client_metadata", "the body is not a JSON object with client metadata")
	}
	if fault := meta.check(); fault != nil {
		return nil, fault
	}
	return &meta, nil
}

func (c *clients) write(w http.ResponseWriter, status int, client *Client) {
	meta := client.meta
	meta.SecretExpiresAt = client.secretExpires.Unix()
	oauth.WriteJSON(w, status, struct {
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
		Issued int64  `json:"client_id_issued_at"`
		Token  string `json:"registration_access_token"`
		URI    string `json:"registration_client_uri"`
		metadata
	}{
		client.ID, client.secret, client.issued.Unix(), client.token,
		c.issuer + PathRegister + "?client_id=" + url.QueryEscape(client.ID), meta,
	})
}

// newClientID returns an identifier of the shape that oxAuth gives to clients. Its "@" and "!" are
// put into URLs without encoding by oxd.
func newClientID() string {
	t := rand.Text()
	return "@!1736.179E!0001!" + t[0:4] + "." + t[4:8] + "!0008!" + t[8:12] + "." + t[12:16] + "." + t[16:20]
}

// authenticate returns the client that sends the request, by HTTP Basic or, where it registered
// client_secret_post, by the form. The form must have been parsed.
func (c *clients) authenticate(r *http.Request) (*Client, *oauth.Error) {
	fault := &oauth.Error{
		Status: http.StatusUnauthorized, Code: "invalid_client", Description: "client authentication failed",
	}
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	client := c.get(id)
	if client == nil && basic {
		// RFC 6749 section 2.3.1 wants both parts form-encoded; oxd sends them as they are. The
		// secrets made here need no decoding.
		if plain, err := url.QueryUnescape(id); err == nil {
			client = c.get(plain)
		}
	}
	switch {
	case client == nil,
		subtle.ConstantTimeCompare([]byte(secret), []byte(client.secret)) != 1,
		!basic && client.meta.AuthMethod != "client_secret_post",
		!time.Now().Before(client.secretExpires):
		return nil, fault
	}
	return client, nil
}
