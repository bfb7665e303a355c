package oxdauth

// Logout tokens: signed JSON Web Tokens from whoever posts them, hence every check of OpenID Connect Back-Channel Logout 1.0
// section 2.6 that needs no other state.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256" // for crypto.Hash
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"time"
)

const (
	logoutEvent     = "http://schemas.openid.net/event/backchannel-logout"
	logoutTokenLife = 10 * time.Minute // an older one is refused, whatever it says itself; its jti is remembered that long
	logoutTokenSkew = time.Minute      // how far the provider's clock may be off
	maxLogoutToken  = 16 << 10         // characters
)

// logoutToken is what a token says, the signature aside.
type logoutToken struct {
	audience         []string
	subject, sid, id string
	issued           time.Time
}

// jws is a compact JWS (RFC 7515 section 7.1) taken apart, nothing of it checked yet but its form.
type jws struct {
	alg, keyID string
	signed     string
	signature  []byte
	claims     jsonObject
}

// jsonObject compares names exactly; a struct would take "ISS" for "iss".
type jsonObject map[string]json.RawMessage

// text gives a member that is a string, "" when there is none. Anything else sets bad.
func (o jsonObject) text(name string, bad *bool) (s string) {
	if raw, ok := o[name]; ok && (json.Unmarshal(raw, &s) != nil || s == "" || len(s) > 1024) {
		*bad = true
	}
	return s
}

// seconds gives a NumericDate (RFC 7519 section 2), which has to be there.
func (o jsonObject) seconds(name string, bad *bool) time.Time {
	var s float64
	if json.Unmarshal(o[name], &s) != nil || s <= 0 || s > maxTime {
		*bad = true
	}
	return time.Unix(int64(s), 0)
}

func badToken(reason string) error { return fmt.Errorf("%w: %s", errBadLogout, reason) }

// parseJWS refuses what is no JWS, critical extensions, because there is none we know, and types that are another kind of
// token. Providers say logout+jwt, JWT or nothing.
func parseJWS(token string) (*jws, error) {
	parts := strings.Split(token, ".")
	if len(token) > maxLogoutToken || len(parts) != 3 {
		return nil, badToken("it is no compact JWS")
	}
	var raw [3][]byte
	for i, part := range parts {
		var err error
		if raw[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return nil, badToken("its base64 is not canonical")
		}
	}
	var header jsonObject
	t := &jws{signed: parts[0] + "." + parts[1], signature: raw[2]}
	if json.Unmarshal(raw[0], &header) != nil || json.Unmarshal(raw[1], &t.claims) != nil {
		return nil, badToken("its parts are no JSON objects")
	}
	bad := false
	t.alg, t.keyID = header.text("alg", &bad), header.text("kid", &bad)
	typ := strings.TrimPrefix(strings.ToLower(header.text("typ", &bad)), "application/")
	_, critical := header["crit"]
	switch {
	case bad || critical:
		return nil, badToken("its header is not understood")
	case typ != "" && typ != "jwt" && typ != "logout+jwt":
		return nil, badToken("it is a token of another type")
	}
	return t, nil
}

// verified reports whether the signature is one of key. The algorithm is of those this package knows for the kind of key:
// "none" and the HMACs are not among them.
func (t *jws) verified(key publicKey) bool {
	if len(t.alg) != 5 || key.alg != "" && key.alg != t.alg {
		return false
	}
	hash, ok := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[t.alg[2:]]
	if !ok {
		return false
	}
	h := hash.New()
	h.Write([]byte(t.signed))
	sum := h.Sum(nil)
	switch k := key.key.(type) {
	case *rsa.PublicKey:
		return t.alg[:2] == "RS" && rsa.VerifyPKCS1v15(k, hash, sum, t.signature) == nil ||
			t.alg[:2] == "PS" && rsa.VerifyPSS(k, hash, sum, t.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}) == nil
	case *ecdsa.PublicKey:
		size := (k.Curve.Params().BitSize + 7) / 8
		if t.alg != ecAlgorithms[k.Curve.Params().Name] || len(t.signature) != 2*size {
			return false
		}
		r, s := new(big.Int).SetBytes(t.signature[:size]), new(big.Int).SetBytes(t.signature[size:])
		return ecdsa.Verify(k, sum, r, s)
	}
	return false
}

// ecAlgorithms has the one algorithm of each curve (RFC 7518 section 3.4).
var ecAlgorithms = map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}

// readLogoutToken checks the claims of a verified token of this issuer, all but its audience and whether it is new.
func readLogoutToken(claims jsonObject, issuer string, now time.Time) (*logoutToken, error) {
	bad := false
	t := &logoutToken{
		subject: claims.text("sub", &bad), sid: claims.text("sid", &bad), id: claims.text("jti", &bad),
		issued: claims.seconds("iat", &bad),
	}
	expires, iss := claims.seconds("exp", &bad), claims.text("iss", &bad)
	if json.Unmarshal(claims["aud"], &t.audience) != nil {
		t.audience = []string{claims.text("aud", &bad)}
	}
	var events, event jsonObject
	if json.Unmarshal(claims["events"], &events) == nil {
		_ = json.Unmarshal(events[logoutEvent], &event) // stays nil unless it is an object
	}
	_, nonce := claims["nonce"]
	switch {
	case bad:
		return nil, badToken("a claim is missing or malformed")
	case !equal([]byte(iss), []byte(issuer)):
		return nil, badToken("its issuer is another")
	case now.Before(t.issued.Add(-logoutTokenSkew)):
		return nil, badToken("it is from the future")
	case now.After(t.issued.Add(logoutTokenLife)) || !now.Before(expires.Add(logoutTokenSkew)):
		return nil, badToken("it has expired")
	case event == nil:
		return nil, badToken("it is not about a logout")
	case t.subject == "" && t.sid == "":
		return nil, badToken("it names neither a user nor a session")
	case nonce:
		return nil, badToken("it has a nonce, like an ID token")
	case t.id == "":
		return nil, badToken("it has no jti")
	}
	return t, nil
}
