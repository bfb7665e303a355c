// The signing key and the JSON Web Tokens made with it.

package provider

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"sync"

	"example.com/oxdauth/oxdtest/internal/oauth"
	"github.com/go-jose/go-jose/v4"
)

// signingKey makes the key on first use and keeps it for the process: making a 2048-bit key takes
// longer than most tests. Its id is the thumbprint (RFC 7638).
var signingKey = sync.OnceValue(func() *jose.JSONWebKey {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("oxdtest: make signing key: " + err.Error())
	}
	key := &jose.JSONWebKey{Key: private, Algorithm: string(jose.RS256), Use: "sig"}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		panic("oxdtest: make signing key: " + err.Error())
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return key
})

func serveJWKS(w http.ResponseWriter, _ *http.Request) {
	oauth.WriteJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{signingKey().Public()}})
}

// sign returns the claims as a JWT signed with RS256.
func sign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.RS256, Key: signingKey()}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return signed.CompactSerialize()
}

// verify returns the claims of a JWT that sign made. It does not look at issuer, audience and time.
func verify(token string) (map[string]any, error) {
	signed, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.RS256})
	if err != nil {
		return nil, err
	}
	payload, err := signed.Verify(signingKey().Public())
	if err != nil {
		return nil, err
	}
	var claims map[string]any
	if json.Unmarshal(payload, &claims) != nil || claims == nil {
		return nil, errors.New("the payload is not a JSON object")
	}
	return claims, nil
}

// tokenHash is the at_hash of OpenID Connect Core section 3.1.3.6.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
