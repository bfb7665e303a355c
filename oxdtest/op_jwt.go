package oxdtest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"strings"
	"sync"
)

// This file holds the signing key and the JSON Web Tokens made with it.

// opSigningKey makes the key on first use and keeps it for the process:
// making a 2048-bit key takes longer than most tests.
var opSigningKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("oxdtest: make signing key: " + err.Error())
	}
	return key
})

// opKeyID is the RFC 7638 thumbprint of the key.
var opKeyID = sync.OnceValue(func() string {
	n, e := opPublicKey()
	sum := sha256.Sum256([]byte(`{"e":"` + e + `","kty":"RSA","n":"` + n + `"}`))
	return opBase64(sum[:])
})

func opPublicKey() (n, e string) {
	pub := opSigningKey().PublicKey
	return opBase64(pub.N.Bytes()), opBase64(big.NewInt(int64(pub.E)).Bytes())
}

func opBase64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (p *Provider) serveJWKS(w http.ResponseWriter, _ *http.Request) {
	n, e := opPublicKey()
	opWriteJSON(w, http.StatusOK, map[string]any{"keys": []any{map[string]string{
		"kty": "RSA", "use": "sig", "alg": "RS256", "kid": opKeyID(), "n": n, "e": e,
	}}})
}

// opSign returns the claims as a JWT signed with RS256.
func opSign(claims map[string]any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := opBase64([]byte(`{"typ":"JWT","alg":"RS256","kid":"`+opKeyID()+`"}`)) + "." + opBase64(payload)
	sum := sha256.Sum256([]byte(signed))
	sig, err := rsa.SignPKCS1v15(nil, opSigningKey(), crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return signed + "." + opBase64(sig), nil
}

// opVerify returns the claims of a JWT that opSign made. It says nothing about
// issuer, audience and time.
func opVerify(token string) (map[string]any, error) {
	errInvalid := errors.New("the token is not one of this server")
	head, rest, _ := strings.Cut(token, ".")
	body, sig64, ok := strings.Cut(rest, ".")
	if !ok {
		return nil, errInvalid
	}
	sig, err := base64.RawURLEncoding.Strict().DecodeString(sig64)
	if err != nil {
		return nil, errInvalid
	}
	// The algorithm is not looked up in the header: there is one key, and it
	// signs in one way.
	sum := sha256.Sum256([]byte(head + "." + body))
	if rsa.VerifyPKCS1v15(&opSigningKey().PublicKey, crypto.SHA256, sum[:], sig) != nil {
		return nil, errInvalid
	}
	payload, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil {
		return nil, errInvalid
	}
	var claims map[string]any
	if json.Unmarshal(payload, &claims) != nil || claims == nil {
		return nil, errInvalid
	}
	return claims, nil
}

// opTokenHash is the at_hash of OpenID Connect Core section 3.1.3.6.
func opTokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return opBase64(sum[:len(sum)/2])
}
