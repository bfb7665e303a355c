// ID tokens of every kind against the keys of a provider.

package idp_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/oxdauth/oxdtest/internal/idp"
	"github.com/go-jose/go-jose/v4"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// keyServer serves a set of keys, and counts how often.
type keyServer struct {
	*httptest.Server
	set     atomic.Value // []byte
	fetched atomic.Int64
}

func newKeyServer(t *testing.T, set string) *keyServer {
	t.Helper()
	s := &keyServer{}
	s.set.Store([]byte(set))
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		s.fetched.Add(1)
		_, _ = w.Write(s.set.Load().([]byte))
	}))
	t.Cleanup(s.Close)
	return s
}

func newRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	return key
}

func jwks(t *testing.T, keys ...jose.JSONWebKey) string {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	require.NoError(t, err)
	return string(text)
}

func sign(t *testing.T, alg jose.SignatureAlgorithm, key any, kid string, change map[string]any) string {
	t.Helper()
	claims := map[string]any{"iss": "https://op.example", "aud": "Client", "exp": time.Now().Add(time.Hour).Unix()}
	for name, value := range change {
		claims[name] = value
	}
	payload, err := json.Marshal(claims)
	require.NoError(t, err)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	require.NoError(t, err)
	signed, err := signer.Sign(payload)
	require.NoError(t, err)
	token, err := signed.CompactSerialize()
	require.NoError(t, err)
	return token
}

func TestIDTokensAreVerifiedAsOxdDoes(t *testing.T) {
	t.Parallel()
	key, stranger := newRSA(t), newRSA(t)
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	edPublic, ed, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	keys := newKeyServer(t, jwks(t, jose.JSONWebKey{Key: &key.PublicKey, KeyID: "rsa"},
		jose.JSONWebKey{Key: &ec.PublicKey, KeyID: "ec"}, jose.JSONWebKey{Key: edPublic, KeyID: "ed"}))
	good := sign(t, jose.RS256, key, "rsa", nil)
	past := time.Now().Add(-time.Hour).Unix()
	for _, c := range []struct {
		name, token string
		ok          bool
	}{
		{"RS256", good, true},
		{"RS384", sign(t, jose.RS384, key, "rsa", nil), true},
		{"RS512", sign(t, jose.RS512, key, "rsa", nil), true},
		{"the client in another case", sign(t, jose.RS256, key, "rsa", map[string]any{"aud": "cLIENT"}), true},
		{"PS256", sign(t, jose.PS256, key, "rsa", nil), false},
		{"ES256", sign(t, jose.ES256, ec, "ec", nil), false},
		{"EdDSA", sign(t, jose.EdDSA, ed, "ed", nil), false},
		{"the secret of HS256 is the public key", sign(t, jose.HS256, []byte(strings.Repeat("k", 32)), "rsa", nil), false},
		{"no signature", "eyJhbGciOiJub25lIn0." + strings.Split(good, ".")[1] + ".", false},
		{"another key", sign(t, jose.RS256, stranger, "rsa", nil), false},
		{"an unknown key id", sign(t, jose.RS256, key, "other", nil), false},
		{"a changed signature", good[:len(good)-6] + "AAAAAA", false},
		{"another issuer", sign(t, jose.RS256, key, "rsa", map[string]any{"iss": "https://evil.example"}), false},
		{"another client", sign(t, jose.RS256, key, "rsa", map[string]any{"aud": "other"}), false},
		{"a list of one client", sign(t, jose.RS256, key, "rsa", map[string]any{"aud": []string{"Client"}}), false},
		{"expired", sign(t, jose.RS256, key, "rsa", map[string]any{"exp": past}), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			token, err := idp.ParseIDToken(c.token)
			require.NoError(t, err, "tokens of every algorithm are read")
			err = token.Verify(t.Context(), idp.New(nil), &idp.Metadata{Issuer: "https://op.example", JWKS: keys.URL}, "Client")
			assert.Equal(t, c.ok, err == nil, err)
		})
	}
}

func TestKeysAreFetchedAgainWhenTheyDoNotFit(t *testing.T) {
	t.Parallel()
	old, renewed := newRSA(t), newRSA(t)
	keys := newKeyServer(t, jwks(t, jose.JSONWebKey{Key: &old.PublicKey, KeyID: "k"}))
	access := idp.New(nil)
	verify := func(key *rsa.PrivateKey, kid string) error {
		token, err := idp.ParseIDToken(sign(t, jose.RS256, key, kid, nil))
		require.NoError(t, err)
		return token.Verify(t.Context(), access, &idp.Metadata{Issuer: "https://op.example", JWKS: keys.URL}, "Client")
	}
	require.NoError(t, verify(old, "k"))
	require.NoError(t, verify(old, "k"))
	assert.EqualValues(t, 1, keys.fetched.Load(), "keys are kept")
	keys.set.Store([]byte(jwks(t, jose.JSONWebKey{Key: &renewed.PublicKey, KeyID: "k"})))
	require.NoError(t, verify(renewed, "k"), "a new key under the old id")
	keys.set.Store([]byte(jwks(t, jose.JSONWebKey{Key: &renewed.PublicKey, KeyID: "k2"})))
	require.NoError(t, verify(renewed, "k2"), "a new id")
	assert.EqualValues(t, 3, keys.fetched.Load())
	require.Error(t, verify(old, "k"))
}

func TestKeysThatCannotBeReadAreIgnored(t *testing.T) {
	t.Parallel()
	key := newRSA(t)
	good, err := json.Marshal(jose.JSONWebKey{Key: &key.PublicKey, KeyID: "k"})
	require.NoError(t, err)
	keys := newKeyServer(t, `{"keys":[{"kty":"RSA","kid":"k","n":"!","e":"AQAB"},{"kty":"unheard-of"},7,`+string(good)+`]}`)
	token, err := idp.ParseIDToken(sign(t, jose.RS256, key, "k", nil))
	require.NoError(t, err)
	assert.NoError(t, token.Verify(t.Context(), idp.New(nil), &idp.Metadata{Issuer: "https://op.example", JWKS: keys.URL}, "Client"))
}

func TestAccessTokenHashHasTheDefectOfOxd(t *testing.T) {
	t.Parallel()
	key := newRSA(t)
	for _, c := range []struct {
		alg  jose.SignatureAlgorithm
		hash string
		ok   bool
	}{
		{jose.RS256, "LPJNul-wow4m6Dsqxbning", true}, // SHA-256 of "hello", its left half
		{jose.RS384, "WeF0h3dEjGnea4ANejO7-5_xtGPkQ1TD", true},
		{jose.RS512, "m3HSJL1i83hdltRq0-o9czGb-8KJDKra4t_3JRlnPKc", false},
		{jose.RS256, "", false},
	} {
		token, err := idp.ParseIDToken(sign(t, c.alg, key, "k", map[string]any{"at_hash": c.hash}))
		require.NoError(t, err)
		assert.Equal(t, c.ok, token.HashMatches("hello"), c.alg)
	}
}
