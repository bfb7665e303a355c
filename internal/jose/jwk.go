package jose

// JSON Web Keys (RFC 7517): the public keys for signatures in a JWK Set.

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"

	"github.com/go-jose/go-jose/v4"
	josejson "github.com/go-jose/go-jose/v4/json"
)

const (
	maxKeys    = 64
	minRSABits = 2048 // RFC 7518 section 3.3
	maxRSABits = 8192 // verifying with a bigger key takes too long
)

// key is a public key. The kind and, with elliptic curves, the curve decide which algorithms it
// verifies.
type key struct {
	id, alg string // alg is the only algorithm of the key, "" when it may be used with any of its kind
	public  any    // *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// jwkSet is a JWK Set (RFC 7517 section 5).
type jwkSet struct {
	Keys []json.RawMessage `json:"keys"`
}

// usable returns the keys of the set that can verify signatures. The others are passed over, as
// RFC 7517 section 5 wants, and so are those after the first 64.
func (s jwkSet) usable() (keys []key) {
	for _, raw := range s.Keys[:min(len(s.Keys), maxKeys)] {
		if k, ok := parseKey(raw); ok {
			keys = append(keys, k)
		}
	}
	return keys
}

// curvePoint has the members of a public key on a curve. go-jose gets only these: a certificate
// that does not fit is no reason to pass over a key.
type curvePoint struct {
	Kty string `json:"kty"`
	Crv string `json:"crv"`
	X   string `json:"x"`
	Y   string `json:"y,omitempty"`
}

// parseKey reports whether raw is a public key for signatures. The json package of go-jose compares
// member names exactly and refuses duplicates.
func parseKey(raw []byte) (k key, ok bool) {
	var members struct {
		curvePoint
		Kid string          `json:"kid"`
		Use string          `json:"use"`
		Alg string          `json:"alg"`
		N   string          `json:"n"`
		E   string          `json:"e"`
		D   json.RawMessage `json:"d"` // of every private key
		K   json.RawMessage `json:"k"` // of every symmetric key
	}
	if josejson.Unmarshal(raw, &members) != nil || members.D != nil || members.K != nil {
		return key{}, false
	}
	if members.Use != "" && members.Use != "sig" {
		return key{}, false
	}
	k = key{id: members.Kid, alg: members.Alg}
	if members.Kty == "RSA" {
		k.public, ok = parseRSA(members.N, members.E)
	} else {
		k.public, ok = parsePoint(members.curvePoint)
	}
	return k, ok
}

// parseRSA is not left to go-jose, which refuses more than 4096 bits and has one setting for that
// for the whole program.
func parseRSA(n, e string) (*rsa.PublicKey, bool) {
	modulus, errN := base64.RawURLEncoding.DecodeString(n)
	exponent, errE := base64.RawURLEncoding.DecodeString(e)
	if errN != nil || errE != nil {
		return nil, false
	}
	bigN, bigE := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(exponent)
	if bigN.BitLen() < minRSABits || bigN.BitLen() > maxRSABits {
		return nil, false
	}
	if bigE.BitLen() > 31 || bigE.Int64() < 3 || bigE.Bit(0) == 0 {
		return nil, false
	}
	return &rsa.PublicKey{N: bigN, E: int(bigE.Int64())}, true
}

// parsePoint returns an *ecdsa.PublicKey or an ed25519.PublicKey.
func parsePoint(p curvePoint) (any, bool) {
	var jwk jose.JSONWebKey
	raw, err := json.Marshal(p)
	if err != nil || jwk.UnmarshalJSON(raw) != nil || !jwk.Valid() {
		return nil, false
	}
	return jwk.Key, true
}
