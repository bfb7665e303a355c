package oxdauth

// The provider's public keys, by which logout tokens are checked: found by discovery, fetched when they are needed.

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

const (
	keysFetchTimeout = 10 * time.Second // discovery and keys together
	keysFetchPause   = time.Minute      // between fetches, however many unknown keys are named
	keysFreshness    = time.Hour        // after which they are fetched again, to notice those withdrawn
	maxKeysDocument  = 256 << 10
	maxKeys          = 64
	maxRSABits       = 8192 // a bigger one takes too long
	minRSABits       = 2048 // RFC 7518 section 3.3
)

type publicKey struct {
	id, alg string // alg is empty when the key may be used with any of its kind
	key     crypto.PublicKey
}

type fetchedKeys struct {
	keys []publicKey
	at   time.Time
}

// providerKeys is safe for concurrent use.
type providerKeys struct {
	issuer  string
	http    *http.Client
	current atomic.Pointer[fetchedKeys] // nil before the first fetch
	gate    chan struct{}               // holds one token: whoever takes it may fetch
	tried   time.Time                   // the latest fetch; belongs to the holder of the token
}

// newProviderKeys makes no request. A client without transport of its own uses [http.DefaultTransport].
func newProviderKeys(issuer string, client *http.Client) (*providerKeys, error) {
	if err := checkHTTPS(issuer); err != nil {
		return nil, fmt.Errorf("issuer %q: %w", issuer, err)
	}
	own := http.Client{}
	if client != nil {
		own = *client
	}
	if t, ok := own.Transport.(*http.Transport); ok && t.TLSClientConfig != nil && t.TLSClientConfig.InsecureSkipVerify {
		return nil, errors.New("the client has InsecureSkipVerify set, so anybody could give it keys")
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	k := &providerKeys{issuer: issuer, http: &own, gate: make(chan struct{}, 1)}
	k.gate <- struct{}{}
	return k, nil
}

func checkHTTPS(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(address, "?#") {
		return errors.New("want an absolute https URL without user, query and fragment")
	}
	return nil
}

// find gives the keys with this id, none when the provider has no such key; errNoKeys when that cannot be told.
func (k *providerKeys) find(ctx context.Context, id string) ([]publicKey, error) {
	if keys := k.fresh(id); len(keys) > 0 {
		return keys, nil
	}
	select {
	case <-k.gate:
		defer func() { k.gate <- struct{}{} }()
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errNoKeys, ctx.Err())
	}
	if keys := k.fresh(id); len(keys) > 0 { // somebody else has fetched them
		return keys, nil
	}
	var err error
	if time.Since(k.tried) >= keysFetchPause {
		k.tried = time.Now()
		err = k.fetch(context.WithoutCancel(ctx)) // whoever asks may go away; the keys are for everybody
	} else if k.current.Load() == nil {
		err = errors.New("the provider did not answer a moment ago")
	}
	keys := k.current.Load().named(id) // while the provider is away, those from before
	if len(keys) == 0 && err != nil {
		return nil, fmt.Errorf("%w: %w", errNoKeys, err)
	}
	return keys, nil
}

func (k *providerKeys) fresh(id string) []publicKey {
	if known := k.current.Load(); known != nil && time.Since(known.at) < keysFreshness {
		return known.named(id)
	}
	return nil
}

// named takes a nil receiver for no keys.
func (f *fetchedKeys) named(id string) (found []publicKey) {
	if f == nil {
		return nil
	}
	for _, key := range f.keys {
		if key.id == id {
			found = append(found, key)
		}
	}
	return found
}

// fetch follows OpenID Connect Discovery 1.0 section 4: the document has to name the issuer it was found under.
func (k *providerKeys) fetch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, keysFetchTimeout)
	defer cancel()
	var discovery struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := k.get(ctx, strings.TrimSuffix(k.issuer, "/")+"/.well-known/openid-configuration", &discovery); err != nil {
		return err
	}
	if discovery.Issuer != k.issuer {
		return fmt.Errorf("discovery names another issuer: %q", discovery.Issuer)
	}
	u, err := url.Parse(discovery.JWKSURI)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("discovery names no https address of keys: %q", discovery.JWKSURI)
	}
	var set jwkSet
	if err := k.get(ctx, discovery.JWKSURI, &set); err != nil {
		return err
	}
	k.current.Store(&fetchedKeys{keys: set.publicKeys(), at: time.Now()})
	return nil
}

func (k *providerKeys) get(ctx context.Context, address string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	res, err := k.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, res.Status)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxKeysDocument+1))
	if err == nil && len(body) > maxKeysDocument {
		err = fmt.Errorf("more than %d bytes", maxKeysDocument)
	}
	if err == nil {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		return fmt.Errorf("reading %s: %w", address, err)
	}
	return nil
}

// jwkSet is a JWK Set (RFC 7517).
type jwkSet struct {
	Keys []json.RawMessage `json:"keys"`
}

// publicKeys gives the keys for signatures that this package can use. Others are passed over (RFC 7517 section 5).
func (s jwkSet) publicKeys() (keys []publicKey) {
	for _, raw := range s.Keys[:min(len(s.Keys), maxKeys)] {
		var j struct {
			Kty, Kid, Use, Alg, Crv, N, E, X, Y string
		}
		if json.Unmarshal(raw, &j) != nil || j.Use != "" && j.Use != "sig" {
			continue
		}
		key := publicKey{id: j.Kid, alg: j.Alg}
		switch j.Kty {
		case "RSA":
			if k := rsaKey(j.N, j.E); k != nil {
				key.key = k
			}
		case "EC":
			if k := ecKey(j.Crv, j.X, j.Y); k != nil {
				key.key = k
			}
		}
		if key.key != nil {
			keys = append(keys, key)
		}
	}
	return keys
}

func rsaKey(n, e string) *rsa.PublicKey {
	modulus, exponent := new(big.Int).SetBytes(unbase64(n)), new(big.Int).SetBytes(unbase64(e))
	if modulus.BitLen() < minRSABits || modulus.BitLen() > maxRSABits || exponent.BitLen() > 31 || exponent.Int64() < 3 || exponent.Bit(0) == 0 {
		return nil
	}
	return &rsa.PublicKey{N: modulus, E: int(exponent.Int64())}
}

func ecKey(crv, x, y string) *ecdsa.PublicKey {
	curves := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
	curve, ok := curves[crv]
	if !ok {
		return nil
	}
	k, err := ecdsa.ParseUncompressedPublicKey(curve, append(append([]byte{4}, unbase64(x)...), unbase64(y)...))
	if err != nil { // not on the curve
		return nil
	}
	return k
}

// unbase64 gives nothing for what is no base64url, and no key comes of that.
func unbase64(s string) []byte {
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil
	}
	return b
}
