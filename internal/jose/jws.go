// Package jose reads signed JSON Web Tokens and verifies them with the keys that their issuer
// publishes. The signatures are go-jose's; this package adds the bounds and the strictness that a
// token from a stranger needs.
package jose

// JSON Web Signatures (RFC 7515) in compact serialization, and the algorithms that are accepted.

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// MaxToken is the length of the longest token that [Parse] accepts, in bytes.
const MaxToken = 16 << 10

// ed25519Alg is the name that RFC 9864 section 2.2 gives to EdDSA over Ed25519. go-jose has no
// constant for it.
const ed25519Alg jose.SignatureAlgorithm = "Ed25519"

var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA, ed25519Alg,
}

var (
	// ErrMalformed means that a text is no JWS that this package accepts.
	ErrMalformed = errors.New("malformed token")
	// ErrSignature means that no key of the issuer has made the signature of a token.
	ErrSignature = errors.New("the signature is not the issuer's")
)

// JWS is a parsed token whose signature has not been verified. [KeySet.Verify] returns its
// claims.
type JWS struct {
	Algorithm string
	KeyID     string // "" when the header has no kid
	Type      string // typ in lower case without "application/", "" when the header has none

	signed *jose.JSONWebSignature
	claims Object
}

// Parse takes a compact JWS apart (RFC 7515 section 7.1). Every error wraps [ErrMalformed].
//
// The algorithm is one of RS, PS and ES with 256, 384 and 512 bits, EdDSA and Ed25519. Parse
// refuses "none" and the HMACs, base64 that is not canonical, a header with crit, because it
// supports no extension, and a payload that is no JSON object. It also refuses b64 (RFC 7797),
// which counts without crit in go-jose.
func Parse(token string) (*JWS, error) {
	if len(token) > MaxToken {
		return nil, malformed("it is too long")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, malformed("it is no compact JWS")
	}
	var raw [3][]byte
	for i, part := range parts {
		var err error
		raw[i], err = base64.RawURLEncoding.Strict().DecodeString(part)
		if err != nil || strings.ContainsAny(part, "\r\n") { // which the decoder skips
			return nil, malformed("its base64 is not canonical")
		}
	}
	var header, claims Object
	if json.Unmarshal(raw[0], &header) != nil || json.Unmarshal(raw[1], &claims) != nil || claims == nil {
		return nil, malformed("its parts are no JSON objects")
	}
	var err error
	t := &JWS{Algorithm: header.Text("alg", &err), KeyID: header.Text("kid", &err), claims: claims}
	t.Type = strings.TrimPrefix(strings.ToLower(header.Text("typ", &err)), "application/")
	if err != nil {
		return nil, malformed(err.Error())
	}
	for _, name := range []string{"crit", "b64"} {
		if _, ok := header[name]; ok {
			return nil, malformed("its header has " + name)
		}
	}
	// The error of go-jose is left out: it may quote the header, at any length.
	if t.signed, err = jose.ParseSignedCompact(token, algorithms); err != nil {
		return nil, malformed("its algorithm or another part of its header is not accepted")
	}
	return t, nil
}

func malformed(reason string) error { return fmt.Errorf("%w: %s", ErrMalformed, reason) }

// verify returns the claims if k has signed t.
func (t *JWS) verify(k key) (Object, bool) {
	if k.alg != "" && k.alg != t.Algorithm {
		return nil, false
	}
	public := k.public
	if verifier, ok := verifiers[jose.SignatureAlgorithm(t.Algorithm)]; ok {
		public = opaque(func(payload, signature []byte) bool { return verifier(k.public, payload, signature) })
	}
	if _, err := t.signed.Verify(public); err != nil {
		return nil, false
	}
	return t.claims, true
}

// verifiers has the algorithms that go-jose does not verify as wanted: it accepts a PSS salt of any
// length, where RFC 7518 section 3.5 has one length, and it does not have "Ed25519".
var verifiers = map[jose.SignatureAlgorithm]func(public any, payload, signature []byte) bool{
	jose.PS256: verifyPSS(crypto.SHA256),
	jose.PS384: verifyPSS(crypto.SHA384),
	jose.PS512: verifyPSS(crypto.SHA512),
	ed25519Alg: func(public any, payload, signature []byte) bool {
		k, ok := public.(ed25519.PublicKey)
		return ok && ed25519.Verify(k, payload, signature)
	},
}

func verifyPSS(hash crypto.Hash) func(public any, payload, signature []byte) bool {
	return func(public any, payload, signature []byte) bool {
		k, ok := public.(*rsa.PublicKey)
		h := hash.New()
		h.Write(payload)
		salt := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return ok && rsa.VerifyPSS(k, hash, h.Sum(nil), signature, salt) == nil
	}
}

// opaque is a [jose.OpaqueVerifier] for one algorithm.
type opaque func(payload, signature []byte) bool

// VerifyPayload is called with the algorithm of the token, which verify has looked up already.
func (f opaque) VerifyPayload(payload, signature []byte, _ jose.SignatureAlgorithm) error {
	if !f(payload, signature) {
		return ErrSignature
	}
	return nil
}
