package oxdtest

// Reading and verifying ID tokens, as far as oxd does.

import (
	"crypto"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	_ "crypto/sha256" // the hashes below
	_ "crypto/sha512"
)

type jwt struct {
	alg, kid  string
	claims    map[string]json.RawMessage
	signed    string
	signature []byte
}

func parseJWT(token string) (*jwt, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errInternal
	}
	var header struct{ Alg, Kid string }
	j := &jwt{signed: parts[0] + "." + parts[1]}
	h, err1 := base64.RawURLEncoding.DecodeString(parts[0])
	c, err2 := base64.RawURLEncoding.DecodeString(parts[1])
	var err3 error
	j.signature, err3 = base64.RawURLEncoding.DecodeString(parts[2])
	if err1 != nil || err2 != nil || err3 != nil || json.Unmarshal(h, &header) != nil || json.Unmarshal(c, &j.claims) != nil {
		return nil, errInternal
	}
	j.alg, j.kid = header.Alg, header.Kid
	return j, nil
}

// text gives a claim that is text; an array, even of one, is not.
func (j *jwt) text(name string) string {
	var s string
	_ = json.Unmarshal(j.claims[name], &s)
	return s
}

func (j *jwt) number(name string) int64 {
	n, _ := strconv.ParseInt(string(j.claims[name]), 10, 64)
	return n
}

func (j *jwt) expired() bool { return time.Now().Unix() >= j.number("exp") }

func (j *jwt) hash() crypto.Hash {
	switch j.alg {
	case "RS384":
		return crypto.SHA384
	case "RS512":
		return crypto.SHA512
	}
	return crypto.SHA256
}

func (j *jwt) verify(key *rsa.PublicKey) error {
	h := j.hash().New()
	h.Write([]byte(j.signed))
	return rsa.VerifyPKCS1v15(key, j.hash(), h.Sum(nil), j.signature)
}

// hashes compares at_hash (OpenID Connect Core section 3.1.3.6), which has to be there; for RS512 oxd gets it wrong.
func (j *jwt) hashes(accessToken string) bool {
	if j.alg == "RS512" {
		return false
	}
	h := j.hash().New()
	h.Write([]byte(accessToken))
	sum := h.Sum(nil)
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2]) == j.text("at_hash")
}
