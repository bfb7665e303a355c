package jose_test

// An issuer whose keys, documents and signatures a test decides, without a network.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/jose"
)

const issuer = "https://idp.example"

type change = map[string]any

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// ecKeys has a key for each algorithm.
var ecKeys = sync.OnceValue(func() map[string]*ecdsa.PrivateKey {
	keys := map[string]*ecdsa.PrivateKey{}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		keys[alg] = key
	}
	return keys
})

var edKey = sync.OnceValue(func() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func rsaJWK(kid string) change {
	key := rsaKey()
	return change{"kty": "RSA", "kid": kid, "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
}

func ecJWK(kid, alg string) change {
	key := ecKeys()[alg]
	point, err := key.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	half := len(point) / 2
	return change{
		"kty": "EC", "use": "sig", "kid": kid, "crv": key.Curve.Params().Name,
		"x": b64(point[1 : 1+half]), "y": b64(point[1+half:]),
	}
}

func edJWK(kid string) change {
	return change{"kty": "OKP", "kid": kid, "crv": "Ed25519", "x": b64(edKey().Public().(ed25519.PublicKey))}
}

// jwks is the document of all keys of the test, with two that are none.
func jwks() []any {
	keys := []any{rsaJWK("rsa"), change{"kty": "oct", "kid": "rsa", "k": "AAAA"}, "no key at all", edJWK("ed")}
	for alg := range ecKeys() {
		keys = append(keys, ecJWK(alg, alg))
	}
	return keys
}

var hashes = map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}

// signature is made as alg says, with the key of this test for it. An unknown algorithm has none.
func signature(alg, signed string) []byte {
	var sig []byte
	var err error
	hash, ok := hashes[alg[min(2, len(alg)):]]
	if !ok {
		hash = crypto.SHA256
	}
	h := hash.New()
	h.Write([]byte(signed))
	sum := h.Sum(nil)
	switch alg[:min(2, len(alg))] {
	case "RS":
		sig, err = rsa.SignPKCS1v15(nil, rsaKey(), hash, sum)
	case "PS":
		sig, err = rsa.SignPSS(rand.Reader, rsaKey(), hash, sum, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "ES":
		sig = signEC(ecKeys()[alg], sum)
	case "Ed":
		sig = ed25519.Sign(edKey(), []byte(signed))
	case "HS": // with the public key, which everybody has
		mac := hmac.New(hash.New, rsaKey().N.Bytes())
		mac.Write([]byte(signed))
		sig = mac.Sum(nil)
	}
	if err != nil {
		panic(err)
	}
	return sig
}

func signEC(key *ecdsa.PrivateKey, sum []byte) []byte {
	r, s, err := ecdsa.Sign(rand.Reader, key, sum)
	if err != nil {
		panic(err)
	}
	size := (key.Params().BitSize + 7) / 8
	return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
}

// signText signs a header and a payload that need not be JSON, as alg says.
func signText(alg, header, payload string) string {
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	return signed + "." + b64(signature(alg, signed))
}

// sign signs as its header says.
func sign(header, claims change) string {
	h, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	c, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	alg, _ := header["alg"].(string)
	return signText(alg, string(h), string(c))
}

// roundTripper answers without a network, so that time can be simulated.
type roundTripper func(*http.Request) (string, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := f(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

const discovery = `{"issuer":"` + issuer + `","jwks_uri":"` + issuer + `/jwks"}`

// keySet reads this JWK Set.
func keySet(t testing.TB, document string) *jose.KeySet {
	t.Helper()
	set, err := jose.NewKeySet(issuer, &http.Client{Transport: roundTripper(func(r *http.Request) (string, error) {
		if r.URL.Path == "/jwks" {
			return document, nil
		}
		return discovery, nil
	})})
	require.NoError(t, err)
	return set
}

func keySetOf(t testing.TB, keys ...any) *jose.KeySet {
	t.Helper()
	document, err := json.Marshal(change{"keys": keys})
	require.NoError(t, err)
	return keySet(t, string(document))
}

// verify parses and verifies.
func verify(t testing.TB, set *jose.KeySet, token string) (jose.Object, error) {
	t.Helper()
	parsed, err := jose.Parse(token)
	if err != nil {
		require.ErrorIs(t, err, jose.ErrMalformed)
		return nil, err
	}
	return set.Verify(t.Context(), parsed)
}
