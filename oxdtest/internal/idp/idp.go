// Package idp is oxd as a client of the OpenID Provider and the authorization server: discovery,
// registration, tokens, introspection and ID tokens, with the habits of oxd 3.1.1.
package idp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"example.com/oxdauth/internal/oxdwire"
)

// ErrInternal is every failure for which oxd has no code.
var ErrInternal = errors.New("internal error")

// The failures of discovery, in the words of oxd 3.1.1.
var (
	ErrNoOPHost    = oxdwire.Errorf(oxdwire.CodeInvalidOPHost, "Invalid op_host (empty or blank).")
	errNoDiscovery = oxdwire.Errorf(oxdwire.CodeNoConnectDiscoveryResponse, "Unable to fetch Connect discovery response /.well-known/openid-configuration")
	errNoUMA       = oxdwire.Errorf(oxdwire.CodeNoUMADiscoveryResponse, "Unable to fetch UMA discovery response /.well-known/uma2-configuration")
)

// Failure is an error answer of the provider.
type Failure struct {
	Status int
	Body   []byte
}

// Error returns the status.
func (e *Failure) Error() string { return fmt.Sprintf("provider: status %d", e.Status) }

// Host is where a provider is found.
type Host struct {
	Address string // op_host, as it was registered
	Path    string // op_discovery_path
}

// Discovery returns the address of the OpenID Connect metadata.
func (h Host) Discovery() string { return h.base() + h.Path + "/.well-known/openid-configuration" }

func (h Host) uma() string { return h.base() + h.Path + "/.well-known/uma2-configuration" }

// base adds https:// to a bare host and removes one final slash.
func (h Host) base() string {
	base := h.Address
	if !strings.HasPrefix(base, "http") {
		base = "https://" + base
	}
	return strings.TrimSuffix(base, "/")
}

// Metadata has the endpoints that oxd uses, of both discovery documents.
type Metadata struct {
	Issuer        string `json:"issuer"`
	Authorization string `json:"authorization_endpoint"`
	Token         string `json:"token_endpoint"`
	UserInfo      string `json:"userinfo_endpoint"`
	Registration  string `json:"registration_endpoint"`
	JWKS          string `json:"jwks_uri"`
	EndSession    string `json:"end_session_endpoint"`
	Introspection string `json:"introspection_endpoint"`
	Resources     string `json:"resource_registration_endpoint"`
	Permission    string `json:"permission_endpoint"`
	ClaimsGather  string `json:"claims_interaction_endpoint"`
}

// Client is a client at the provider.
type Client struct {
	ID, Secret, RegistrationURI, RegistrationToken string
	IssuedAt, SecretExpiresAt                      int64 // seconds since 1970
}

// Access is safe for concurrent use.
type Access struct {
	http *http.Client

	mu       sync.Mutex           // guards the rest
	metadata map[string]*Metadata // by address of the host, like the next two
	uma      map[string]*Metadata
	umaAsIs  map[string]*Metadata
	keys     map[string]keySet // by jwks_uri
}

// maxAnswer bounds an answer of the provider, in bytes.
const maxAnswer = 1 << 20

// New returns an Access that trusts the pool.
func New(pool *x509.CertPool) *Access {
	return &Access{
		http: &http.Client{
			Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 64},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       20 * time.Second,
		},
		metadata: map[string]*Metadata{}, uma: map[string]*Metadata{}, umaAsIs: map[string]*Metadata{},
		keys: map[string]keySet{},
	}
}

// Forget empties the caches, as a restart does.
func (a *Access) Forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.metadata)
	clear(a.uma)
	clear(a.umaAsIs)
	clear(a.keys)
}

// CloseIdleConnections closes the idle connections to the provider.
func (a *Access) CloseIdleConnections() { a.http.CloseIdleConnections() }

// Send sends a request with a bearer token and a JSON body, both of which may be empty. It returns
// the status and the body, of which it reads at most 1 MiB.
func (a *Access) Send(ctx context.Context, method, target, bearer, body string) (int, []byte, error) {
	contentType := ""
	if body != "" {
		contentType = "application/json"
	}
	return a.do(ctx, method, target, contentType, body, func(r *http.Request) {
		if bearer != "" {
			r.Header.Set("Authorization", "Bearer "+bearer)
		}
	})
}

func (a *Access) do(ctx context.Context, method, target, contentType, body string, authorize func(*http.Request)) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	authorize(req)
	res, err := a.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res.StatusCode, b, err
}

// post sends a form and reads the answer into one. A refusal is a *Failure.
func (a *Access) post(ctx context.Context, endpoint string, form url.Values, authorize func(*http.Request), answer any) error {
	status, body, err := a.do(ctx, http.MethodPost, endpoint, "application/x-www-form-urlencoded", form.Encode(), authorize)
	if err != nil {
		return err
	}
	if status != http.StatusOK || json.Unmarshal(body, answer) != nil {
		return &Failure{status, body}
	}
	return nil
}

// discover fetches a document once and keeps it for ever under the host alone, as oxd does.
func (a *Access) discover(ctx context.Context, cache map[string]*Metadata, host, target string) (*Metadata, error) {
	a.mu.Lock()
	found := cache[host]
	a.mu.Unlock()
	if found != nil {
		return found, nil
	}
	status, body, err := a.Send(ctx, http.MethodGet, target, "", "")
	var m Metadata
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &m) != nil || m.Issuer == "" {
		return nil, ErrInternal
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	cache[host] = &m
	return &m, nil
}

// Connect returns the OpenID Connect metadata.
func (a *Access) Connect(ctx context.Context, host Host) (*Metadata, error) {
	if host.Address == "" {
		return nil, ErrNoOPHost
	}
	m, err := a.discover(ctx, a.metadata, host.Address, host.Discovery())
	if err != nil {
		return nil, errNoDiscovery
	}
	return m, nil
}

// UMA returns the UMA metadata, for everything but protecting resources and registering tickets.
func (a *Access) UMA(ctx context.Context, host Host) (*Metadata, error) {
	m, err := a.discover(ctx, a.uma, host.Address, host.uma())
	if err != nil {
		return nil, errNoUMA
	}
	return m, nil
}

// ProtectionAPI returns the UMA metadata for those two, which take the address as it was registered
// and ignore the discovery path.
func (a *Access) ProtectionAPI(ctx context.Context, host Host) (*Metadata, error) {
	return a.discover(ctx, a.umaAsIs, host.Address, host.Address+"/.well-known/uma2-configuration")
}

// Register registers a client (RFC 7591).
func (a *Access) Register(ctx context.Context, m *Metadata, metadata map[string]any) (Client, error) {
	status, body, err := a.Send(ctx, http.MethodPost, m.Registration, "", oxdwire.Marshal(metadata))
	var answer struct {
		ClientID        string `json:"client_id"`
		ClientSecret    string `json:"client_secret"`
		Token           string `json:"registration_access_token"`
		URI             string `json:"registration_client_uri"`
		IssuedAt        int64  `json:"client_id_issued_at"`
		SecretExpiresAt int64  `json:"client_secret_expires_at"`
	}
	if err != nil || status/100 != 2 || json.Unmarshal(body, &answer) != nil || answer.ClientID == "" || answer.ClientSecret == "" {
		return Client{}, ErrInternal
	}
	return Client{
		ID: answer.ClientID, Secret: answer.ClientSecret, RegistrationURI: answer.URI, RegistrationToken: answer.Token,
		IssuedAt: answer.IssuedAt, SecretExpiresAt: answer.SecretExpiresAt,
	}, nil
}

// Tokens is a successful answer of the token endpoint.
type Tokens struct {
	AccessToken  string  `json:"access_token"`
	IDToken      string  `json:"id_token"`
	RefreshToken *string `json:"refresh_token"`
	Scope        string  `json:"scope"`
	ExpiresIn    *int64  `json:"expires_in"`
	PCT          *string `json:"pct"`
	Upgraded     bool    `json:"upgraded"`
}

// Token calls a token endpoint with HTTP Basic. A refusal is a *Failure.
func (a *Access) Token(ctx context.Context, endpoint string, client Client, form map[string]string) (*Tokens, error) {
	values := url.Values{}
	for name, value := range form {
		if name == "scope" {
			value = url.QueryEscape(value) // encoded twice: a defect of oxd that oxAuth puts up with
		}
		if value != "" {
			values.Set(name, value)
		}
	}
	var answer Tokens
	err := a.post(ctx, endpoint, values, func(r *http.Request) { r.SetBasicAuth(client.ID, client.Secret) }, &answer)
	if err != nil {
		return nil, err
	}
	return &answer, nil
}

// Introspection has the members of RFC 7662 and Federated Authorization for UMA 2.0 section 5.1.1
// that oxd looks at.
type Introspection struct {
	Active      bool   `json:"active"`
	ClientID    string `json:"client_id"`
	Scope       string `json:"scope"`
	Permissions []struct {
		ResourceID string   `json:"resource_id"`
		Scopes     []string `json:"resource_scopes"`
	} `json:"permissions"`
}

// Introspect reads what the provider says of a token into answer. The request carries a protection
// API access token. A refusal is a *Failure.
func (a *Access) Introspect(ctx context.Context, endpoint, protection, token string, answer any) error {
	return a.post(ctx, endpoint, url.Values{"token": {token}}, func(r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+protection)
	}, answer)
}
