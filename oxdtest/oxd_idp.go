package oxdtest

// oxd as a client of the provider: discovery, registration, tokens, introspection, over HTTP.

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// opAccess is safe for concurrent use.
type opAccess struct {
	http *http.Client

	mu       sync.Mutex // guards what follows
	metadata map[string]*opMetadata
	uma      map[string]*opMetadata
	umaAsIs  map[string]*opMetadata
	keys     map[string]keySet
}

// opMetadata has the endpoints oxd uses, of both discovery documents.
type opMetadata struct {
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

type keySet struct {
	keys    map[string]*rsa.PublicKey
	fetched time.Time
}

const maxOPAnswer = 1 << 20

func newOPAccess(pool *x509.CertPool) *opAccess {
	return &opAccess{
		http: &http.Client{
			Transport:     &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 64},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Timeout:       20 * time.Second,
		},
		metadata: map[string]*opMetadata{}, uma: map[string]*opMetadata{}, umaAsIs: map[string]*opMetadata{}, keys: map[string]keySet{},
	}
}

// do sends a request and gives status and bounded body.
func (o *opAccess) do(ctx context.Context, method, target, contentType, body string, authorize func(*http.Request)) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	if authorize != nil {
		authorize(req)
	}
	res, err := o.http.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxOPAnswer))
	return res.StatusCode, b, err
}

func bearer(token string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
}

// discover fetches a document once and keeps it for ever under the host alone, as oxd does.
func (o *opAccess) discover(ctx context.Context, cache map[string]*opMetadata, host, target string) (*opMetadata, error) {
	o.mu.Lock()
	found := cache[host]
	o.mu.Unlock()
	if found != nil {
		return found, nil
	}
	status, body, err := o.do(ctx, http.MethodGet, target, "", "", nil)
	var m opMetadata
	if err != nil || status != http.StatusOK || json.Unmarshal(body, &m) != nil || m.Issuer == "" {
		return nil, errInternal
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	cache[host] = &m
	return &m, nil
}

// connect gives the OpenID Connect metadata.
func (o *opAccess) connect(ctx context.Context, opHost, path string) (*opMetadata, error) {
	if opHost == "" {
		return nil, errNoOPHost
	}
	m, err := o.discover(ctx, o.metadata, opHost, baseURL(opHost)+path+"/.well-known/openid-configuration")
	if err != nil {
		return nil, errNoDiscovery
	}
	return m, nil
}

// baseURL adds https:// to a bare host and removes one final slash.
func baseURL(opHost string) string {
	if !strings.HasPrefix(opHost, "http") {
		opHost = "https://" + opHost
	}
	return strings.TrimSuffix(opHost, "/")
}

// umaMetadata gives the UMA metadata, for everything but protecting resources and registering tickets.
func (o *opAccess) umaMetadata(ctx context.Context, opHost, path string) (*opMetadata, error) {
	m, err := o.discover(ctx, o.uma, opHost, baseURL(opHost)+path+"/.well-known/uma2-configuration")
	if err != nil {
		return nil, errNoUMA
	}
	return m, nil
}

// umaMetadataAsIs is what those two use: they take the host as it was registered and know no discovery path.
func (o *opAccess) umaMetadataAsIs(ctx context.Context, opHost string) (*opMetadata, error) {
	return o.discover(ctx, o.umaAsIs, opHost, opHost+"/.well-known/uma2-configuration")
}

// forget empties the caches, as a restart does.
func (o *opAccess) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	clear(o.metadata)
	clear(o.uma)
	clear(o.umaAsIs)
	clear(o.keys)
}

// registered is the provider's answer to a registration.
type registered struct {
	ClientID        string `json:"client_id"`
	ClientSecret    string `json:"client_secret"`
	Token           string `json:"registration_access_token"`
	URI             string `json:"registration_client_uri"`
	IssuedAt        int64  `json:"client_id_issued_at"`
	SecretExpiresAt int64  `json:"client_secret_expires_at"`
}

func (o *opAccess) register(ctx context.Context, m *opMetadata, metadata map[string]any) (rpClient, error) {
	if m.Registration == "" {
		return rpClient{}, errNoResources // the code oxd 3.1.1 gives here
	}
	status, body, err := o.do(ctx, http.MethodPost, m.Registration, "application/json", marshal(metadata), nil)
	var answer registered
	if err != nil || status/100 != 2 || json.Unmarshal(body, &answer) != nil || answer.ClientID == "" || answer.ClientSecret == "" {
		return rpClient{}, errInternal
	}
	return rpClient{answer.ClientID, answer.ClientSecret, answer.URI, answer.Token, answer.IssuedAt, answer.SecretExpiresAt}, nil
}

// tokenAnswer is a successful answer of the token endpoint.
type tokenAnswer struct {
	AccessToken  string  `json:"access_token"`
	IDToken      string  `json:"id_token"`
	RefreshToken *string `json:"refresh_token"`
	Scope        string  `json:"scope"`
	ExpiresIn    *int64  `json:"expires_in"`
	TokenType    string  `json:"token_type"`
	PCT          *string `json:"pct"`
	Upgraded     bool    `json:"upgraded"`
}

// opFailure is an error answer of the provider.
type opFailure struct {
	status int
	body   []byte
}

func (e *opFailure) Error() string { return fmt.Sprintf("provider: status %d", e.status) }

// token calls a token endpoint with HTTP Basic.
func (o *opAccess) token(ctx context.Context, endpoint string, client rpClient, form map[string]string) (*tokenAnswer, error) {
	values := url.Values{}
	for name, value := range form {
		if name == "scope" {
			value = url.QueryEscape(value) // encoded twice: a defect of oxd that oxAuth puts up with
		}
		if value != "" {
			values.Set(name, value)
		}
	}
	status, body, err := o.do(ctx, http.MethodPost, endpoint, "application/x-www-form-urlencoded", values.Encode(), func(r *http.Request) {
		r.SetBasicAuth(client.id, client.secret)
	})
	if err != nil {
		return nil, err
	}
	var answer tokenAnswer
	if status != http.StatusOK || json.Unmarshal(body, &answer) != nil {
		return nil, &opFailure{status, body}
	}
	return &answer, nil
}

// introspection has the fields of RFC 7662 and Federated Authorization for UMA 2.0 section 5.1.1 that oxd looks at.
type introspection struct {
	Active      bool   `json:"active"`
	ClientID    string `json:"client_id"`
	Scope       string `json:"scope"`
	Permissions []struct {
		ResourceID string   `json:"resource_id"`
		Scopes     []string `json:"resource_scopes"`
	} `json:"permissions"`
}

func (o *opAccess) introspect(ctx context.Context, endpoint, protection, token string) (*introspection, error) {
	form := url.Values{"token": {token}}.Encode()
	status, body, err := o.do(ctx, http.MethodPost, endpoint, "application/x-www-form-urlencoded", form, bearer(protection))
	if err != nil {
		return nil, err
	}
	var answer introspection
	if status != http.StatusOK || json.Unmarshal(body, &answer) != nil {
		return nil, &opFailure{status, body}
	}
	return &answer, nil
}

// key gives a signing key of the provider, cached for an hour; again fetches once more.
func (o *opAccess) key(ctx context.Context, jwksURI, kid string, again bool) (*rsa.PublicKey, error) {
	o.mu.Lock()
	set, ok := o.keys[jwksURI]
	o.mu.Unlock()
	if !ok || again || time.Since(set.fetched) > time.Hour {
		status, body, err := o.do(ctx, http.MethodGet, jwksURI, "", "", nil)
		if err != nil || status != http.StatusOK {
			return nil, errInternal
		}
		set = keySet{parseKeys(body), time.Now()}
		o.mu.Lock()
		o.keys[jwksURI] = set
		o.mu.Unlock()
	}
	if key := set.keys[kid]; key != nil {
		return key, nil
	}
	if !again {
		return o.key(ctx, jwksURI, kid, true)
	}
	return nil, errInternal
}

func parseKeys(body []byte) map[string]*rsa.PublicKey {
	var set struct {
		Keys []struct{ Kty, Kid, N, E string } `json:"keys"`
	}
	keys := map[string]*rsa.PublicKey{}
	if json.Unmarshal(body, &set) != nil {
		return keys
	}
	for _, k := range set.Keys {
		n, errN := base64.RawURLEncoding.DecodeString(k.N)
		e, errE := base64.RawURLEncoding.DecodeString(k.E)
		if k.Kty == "RSA" && errN == nil && errE == nil && len(e) <= 4 && len(n) <= 1024 {
			keys[k.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		}
	}
	return keys
}
