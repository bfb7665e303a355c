package jose_test

// Tokens whose form, header or signature is not as it should be, and those that are right.

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/jose"
)

func TestEveryAcceptedAlgorithmIsVerified(t *testing.T) {
	t.Parallel()
	set := keySetOf(t, jwks()...)
	for alg, kid := range map[string]string{
		"RS256": "rsa", "RS384": "rsa", "RS512": "rsa", "PS256": "rsa", "PS384": "rsa", "PS512": "rsa",
		"ES256": "ES256", "ES384": "ES384", "ES512": "ES512", "EdDSA": "ed", "Ed25519": "ed",
	} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			parsed, err := jose.Parse(sign(change{"alg": alg, "kid": kid, "typ": "application/Logout+JWT"}, change{"sub": "alice"}))
			require.NoError(t, err)
			assert.Equal(t, []string{alg, kid, "logout+jwt"}, []string{parsed.Algorithm, parsed.KeyID, parsed.Type})
			claims, err := set.Verify(t.Context(), parsed)
			require.NoError(t, err)
			assert.Equal(t, "alice", claims.Text("sub", &err))
			assert.NoError(t, err)

			parsed, err = jose.Parse(sign(change{"alg": alg, "kid": kid}, change{}))
			require.NoError(t, err)
			assert.Empty(t, parsed.Type)
			_, err = keySetOf(t, rsaJWK("x"), ecJWK("x", "ES256"), edJWK("x")).Verify(t.Context(), parsed)
			assert.ErrorIs(t, err, jose.ErrSignature, "no key has its id")
		})
	}
}

// The table is what a stranger can do to a token. All but those of wrongKey have a right signature
// over what they say, as far as there is one.
func TestAHeaderWithAnyFaultIsRefused(t *testing.T) {
	t.Parallel()
	const payload = `{"sub":"alice"}`
	set := keySetOf(t, jwks()...)
	for _, c := range []struct {
		name, alg, header string
		wrongKey          bool // it is well-formed, so that the signature decides
	}{
		{"V-108 alg none", "", `{"alg":"none","kid":"rsa"}`, false},
		{"V-108 alg None", "", `{"alg":"None","kid":"rsa"}`, false},
		{"alg NONE", "", `{"alg":"NONE","kid":"rsa"}`, false},
		{"alg none with a signature", "RS256", `{"alg":"none","kid":"rsa"}`, false},
		{"V-108 an HMAC with the public key", "HS256", `{"alg":"HS256","kid":"rsa"}`, false},
		{"a longer HMAC with the public key", "HS512", `{"alg":"HS512","kid":"rsa"}`, false},
		{"V-108 no alg", "RS256", `{"kid":"rsa"}`, false},
		{"V-108 an empty alg", "RS256", `{"alg":"","kid":"rsa"}`, false},
		{"an alg that is null", "RS256", `{"alg":null,"kid":"rsa"}`, false},
		{"an alg that is a list", "RS256", `{"alg":["RS256"],"kid":"rsa"}`, false},
		{"an alg that is a number", "RS256", `{"alg":256,"kid":"rsa"}`, false},
		{"the name alg in capitals", "RS256", `{"ALG":"RS256","kid":"rsa"}`, false},
		{"an alg in small letters", "RS256", `{"alg":"rs256","kid":"rsa"}`, false},
		{"an alg with a space", "RS256", `{"alg":"RS256 ","kid":"rsa"}`, false},
		{"an alg with a letter that folds to S", "RS256", `{"alg":"R\u017f256","kid":"rsa"}`, false},
		{"two algs that differ", "RS256", `{"alg":"none","alg":"RS256","kid":"rsa"}`, false},
		{"two algs, the last of them none", "RS256", `{"alg":"RS256","alg":"none","kid":"rsa"}`, false},
		{"V-108 an unknown hash", "RS256", `{"alg":"RS999","kid":"rsa"}`, false},
		{"SHA-1", "RS256", `{"alg":"RS1","kid":"rsa"}`, false},
		{"secp256k1", "ES256", `{"alg":"ES256K","kid":"ES256"}`, false},
		{"ed448", "EdDSA", `{"alg":"Ed448","kid":"ed"}`, false},
		{"eddsa in small letters", "EdDSA", `{"alg":"eddsa","kid":"ed"}`, false},
		{"ml-dsa", "EdDSA", `{"alg":"ML-DSA-44","kid":"ed"}`, false},
		{"the header of an encrypted token", "RS256", `{"alg":"RSA-OAEP","enc":"A256GCM","kid":"rsa"}`, false},
		{"a dir header", "RS256", `{"alg":"dir","enc":"A256GCM","kid":"rsa"}`, false},

		{"V-108 an unknown key", "RS256", `{"alg":"RS256","kid":"x"}`, true},
		{"V-108 no key id, when keys have one", "RS256", `{"alg":"RS256"}`, true},
		{"a key id in capitals", "RS256", `{"alg":"RS256","kid":"RSA"}`, true},
		{"the name kid in capitals", "RS256", `{"alg":"RS256","KID":"rsa"}`, true},
		{"V-108 the key of another algorithm", "RS256", `{"alg":"RS256","kid":"ES256"}`, true},
		{"V-108 the curve of another algorithm", "ES384", `{"alg":"ES384","kid":"ES256"}`, true},
		{"EdDSA with an RSA key", "EdDSA", `{"alg":"EdDSA","kid":"rsa"}`, true},
		{"Ed25519 with an RSA key", "Ed25519", `{"alg":"Ed25519","kid":"rsa"}`, true},
		{"Ed25519 with an EC key", "Ed25519", `{"alg":"Ed25519","kid":"ES256"}`, true},
		{"RS256 with an Ed25519 key", "RS256", `{"alg":"RS256","kid":"ed"}`, true},
		{"PS256 with an Ed25519 key", "PS256", `{"alg":"PS256","kid":"ed"}`, true},
		{"PS256 with an EC key", "PS256", `{"alg":"PS256","kid":"ES256"}`, true},
		{"PKCS #1 under the name of PSS", "RS256", `{"alg":"PS256","kid":"rsa"}`, true},
		{"PSS under the name of PKCS #1", "PS256", `{"alg":"RS256","kid":"rsa"}`, true},
		{"the signature of a shorter hash", "RS256", `{"alg":"RS512","kid":"rsa"}`, true},
		{"an embedded key of the stranger", "ES256", `{"alg":"ES256","kid":"x","jwk":` + jsonOf(ecJWK("x", "ES256")) + `}`, true},
		{"an address of keys", "RS256", `{"alg":"RS256","kid":"x","jku":"https://evil.example/jwks"}`, true},

		{"a key id that is empty", "RS256", `{"alg":"RS256","kid":""}`, false},
		{"a key id that is null", "RS256", `{"alg":"RS256","kid":null}`, false},
		{"a key id that is a number", "RS256", `{"alg":"RS256","kid":1}`, false},
		{"an endless key id", "RS256", `{"alg":"RS256","kid":"` + strings.Repeat("x", 2000) + `"}`, false},
		{"V-108 a type that is no text", "RS256", `{"alg":"RS256","kid":"rsa","typ":1}`, false},
		{"a type that is an object", "RS256", `{"alg":"RS256","kid":"rsa","typ":{"typ":"JWT"}}`, false},
		{"a type that is empty", "RS256", `{"alg":"RS256","kid":"rsa","typ":""}`, false},
		{"V-108 a critical extension", "RS256", `{"alg":"RS256","kid":"rsa","crit":["exp"],"exp":1}`, false},
		{"crit without an extension", "RS256", `{"alg":"RS256","kid":"rsa","crit":[]}`, false},
		{"crit that is null", "RS256", `{"alg":"RS256","kid":"rsa","crit":null}`, false},
		{"an unencoded payload", "RS256", `{"alg":"RS256","kid":"rsa","b64":false,"crit":["b64"]}`, false},
		{"an unencoded payload without crit", "RS256", `{"alg":"RS256","kid":"rsa","b64":false}`, false},
		{"b64 that is true", "RS256", `{"alg":"RS256","kid":"rsa","b64":true}`, false},
		{"a private key in the header", "RS256", `{"alg":"RS256","kid":"rsa","jwk":{"kty":"oct","k":"AAAA"}}`, false},
		{"a certificate that is none", "RS256", `{"alg":"RS256","kid":"rsa","x5c":["AAAA"]}`, false},

		{"a header that is null", "RS256", `null`, false},
		{"a header that is a list", "RS256", `["alg","RS256"]`, false},
		{"a header that is text", "RS256", `"RS256"`, false},
		{"an empty header", "RS256", ``, false},
		{"a header with text after it", "RS256", `{"alg":"RS256","kid":"rsa"}x`, false},
		{"a header with an object after it", "RS256", `{"alg":"RS256","kid":"rsa"}{}`, false},
		{"a header that is cut", "RS256", `{"alg":"RS256","kid":"rsa"`, false},
		{"a header with a comma too many", "RS256", `{"alg":"RS256","kid":"rsa",}`, false},
		{"a header in quotes of Python", "RS256", `{'alg':'RS256','kid':'rsa'}`, false},
		{"a header with a byte order mark", "RS256", "\ufeff" + `{"alg":"RS256","kid":"rsa"}`, false},
		{"a header with a zero byte", "RS256", `{"alg":"RS256","kid":"rsa"}` + "\x00", false},
		{"a deep header that does not end", "RS256", `{"alg":"RS256","kid":"rsa","x":` + strings.Repeat("[", 11000) + `}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := jose.ErrMalformed
			if c.wrongKey {
				want = jose.ErrSignature
			}
			_, err := verify(t, set, signText(c.alg, c.header, payload))
			assert.ErrorIs(t, err, want)
			assert.Less(t, len(err.Error()), 200, "it does not fill the log")
		})
	}
}

func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestAFormWithAnyFaultIsRefused(t *testing.T) {
	t.Parallel()
	set := keySetOf(t, jwks()...)
	header := change{"alg": "RS256", "kid": "rsa"}
	good := sign(header, change{"sub": "alice"})
	_, err := verify(t, set, good)
	require.NoError(t, err)
	parts := strings.Split(good, ".")
	h, p, s := parts[0], parts[1], parts[2]
	other := strings.Split(sign(header, change{"sub": "bob"}), ".")
	flattened := jsonOf(change{"protected": h, "payload": p, "signature": s})
	general := jsonOf(change{"payload": p, "signatures": []any{change{"protected": h, "signature": s}}})
	plain := func(text string) string {
		signed := h + "." + b64([]byte(text))
		return signed + "." + b64(signature("RS256", signed))
	}
	for name, token := range map[string]string{
		"nothing":                            "",
		"dots":                               "..",
		"V-108 text":                         "a.b.c",
		"V-108 two parts":                    h + "." + p,
		"V-108 four parts":                   good + ".x",
		"an empty fourth part":               good + ".",
		"V-108 five parts, an encryption":    good + ".x.y",
		"five empty parts":                   "....",
		"a dot before it":                    "." + good,
		"V-108 no header":                    "." + p + "." + s,
		"a detached payload":                 h + ".." + s,
		"V-108 padded base64":                good + "==",
		"a padded header":                    h + "=." + p + "." + s,
		"V-108 base64 that is not canonical": otherBits(t, s, func(s string) string { return h + "." + p + "." + s }),
		"a payload that is not canonical":    signed(h + "." + otherBits(t, b64([]byte(`{"a":1}`)), func(s string) string { return s })),
		"a header that is not canonical": signed(otherBits(t, b64([]byte(`{"alg":"RS256","kid":"rsa"} `)),
			func(s string) string { return s }) + "." + p),
		"standard base64":             signed(h + "." + "eyJhIjoi+/8ifQ"),
		"V-108 a newline":             good[:len(good)-9] + "\n" + good[len(good)-9:],
		"a newline at the end":        good + "\n",
		"a carriage return":           h + "\r." + p + "." + s,
		"a signed newline":            signed(h + "." + p[:4] + "\n" + p[4:]),
		"a space before it":           " " + good,
		"a space after it":            good + " ",
		"a tab within":                h + ".\t" + p + "." + s,
		"a zero byte":                 good + "\x00",
		"a letter beyond ASCII":       h + "." + p + "é." + s,
		"a full-width dot":            h + "\uff0e" + p + "\uff0e" + s,
		"a percent sign":              h + "%2e" + p + "%2e" + s,
		"Bearer before it":            "Bearer " + good,
		"the flattened JSON form":     flattened,
		"the general JSON form":       general,
		"JSON with space before":      " " + general,
		"V-108 claims that are null":  plain("null"),
		"claims that are a list":      plain(`[{"sub":"alice"}]`),
		"claims that are text":        plain(`"alice"`),
		"claims that are a number":    plain("1"),
		"claims that are nothing":     plain(""),
		"two claims objects":          plain("{}{}"),
		"claims that are a JWS":       plain(good),
		"claims with an open end":     plain(`{"sub":"alice"`),
		"claims without quotes":       plain(`{sub:"alice"}`),
		"deep claims that do not end": plain(strings.Repeat("[", 11000)),
		"V-108 an endless token":      strings.Repeat("a", jose.MaxToken) + good,
		"a long right token":          plain(`{"x":"` + strings.Repeat("x", jose.MaxToken) + `"}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := jose.Parse(token)
			assert.ErrorIs(t, err, jose.ErrMalformed)
			assert.Less(t, len(err.Error()), 200)
		})
	}
	for name, token := range map[string]string{
		"V-108 no signature":              h + "." + p + ".",
		"V-108 another token's claims":    h + "." + other[1] + "." + s,
		"V-108 another token's signature": h + "." + p + "." + other[2],
		"V-108 a changed header":          b64([]byte(`{"kid":"rsa","alg":"RS256"}`)) + "." + p + "." + s,
		"a short signature":               h + "." + p + "." + b64(signature("RS256", h+"."+p)[:255]),
		"a long signature":                h + "." + p + "." + s[:len(s)-2] + "AAAA" + s[len(s)-2:],
		"a signature of nothing":          h + "." + p + "." + b64(make([]byte, 256)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := verify(t, set, token)
			assert.ErrorIs(t, err, jose.ErrSignature)
		})
	}
}

// signed adds the signature over exactly this text.
func signed(text string) string { return text + "." + b64(signature("RS256", text)) }

// otherBits changes the bits after the last byte, which a lenient decoder drops.
func otherBits(t *testing.T, part string, join func(string) string) string {
	t.Helper()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	require.NotZero(t, len(part)%4, "it has such bits")
	return join(part[:len(part)-1] + string(alphabet[strings.IndexByte(alphabet, part[len(part)-1])^1]))
}

func TestASignatureOfAnotherMakeIsRefused(t *testing.T) {
	t.Parallel()
	set := keySetOf(t, append(jwks(), change{"kty": "RSA", "kid": "RS256 only", "alg": "RS256", "n": rsaJWK("")["n"], "e": "AQAB"},
		change{"kty": "OKP", "kid": "EdDSA only", "alg": "EdDSA", "crv": "Ed25519", "x": edJWK("")["x"]})...)
	token := func(alg, kid string, sig func(signed string) []byte) string {
		text := b64([]byte(jsonOf(change{"alg": alg, "kid": kid}))) + "." + b64([]byte("{}"))
		return text + "." + b64(sig(text))
	}
	sum := func(text string) []byte { h := sha256.Sum256([]byte(text)); return h[:] }
	pss := func(salt int) func(string) []byte {
		return func(text string) []byte {
			sig, err := rsa.SignPSS(rand.Reader, rsaKey(), crypto.SHA256, sum(text), &rsa.PSSOptions{SaltLength: salt})
			require.NoError(t, err)
			return sig
		}
	}
	usual := func(alg string) func(string) []byte {
		return func(text string) []byte { return signature(alg, text) }
	}
	for _, c := range []struct {
		name, alg, kid string
		sig            func(signed string) []byte
		ok             bool
	}{
		{"ECDSA in DER", "ES256", "ES256", func(text string) []byte {
			sig, err := ecdsa.SignASN1(rand.Reader, ecKeys()["ES256"], sum(text))
			require.NoError(t, err)
			return sig
		}, false},
		{"ECDSA with a byte more", "ES256", "ES256", func(text string) []byte { return append(usual("ES256")(text), 0) }, false},
		{"ECDSA with a byte less", "ES256", "ES256", func(text string) []byte { return usual("ES256")(text)[:63] }, false},
		{"ECDSA with zeros", "ES256", "ES256", func(string) []byte { return make([]byte, 64) }, false},
		{"ECDSA without signature", "ES256", "ES256", func(string) []byte { return nil }, false},
		{"ECDSA with a curve of another algorithm", "ES512", "ES256", func(text string) []byte {
			h := crypto.SHA512.New()
			h.Write([]byte(text))
			return signEC(ecKeys()["ES256"], h.Sum(nil))
		}, false},
		{"ECDSA with the length of another curve", "ES512", "ES512", usual("ES256"), false},
		{"PSS with the salt of the standard", "PS256", "rsa", pss(rsa.PSSSaltLengthEqualsHash), true},
		{"PSS without salt", "PS256", "rsa", pss(1), false},
		{"PSS with the longest salt", "PS256", "rsa", pss(rsa.PSSSaltLengthAuto), false},
		{"Ed25519 with a byte more", "EdDSA", "ed", func(text string) []byte { return append(usual("EdDSA")(text), 0) }, false},
		{"Ed25519 with zeros", "Ed25519", "ed", func(string) []byte { return make([]byte, 64) }, false},
		{"Ed25519ph", "EdDSA", "ed", func(text string) []byte {
			h := crypto.SHA512.New()
			h.Write([]byte(text))
			sig, err := edKey().Sign(rand.Reader, h.Sum(nil), &ed25519.Options{Hash: crypto.SHA512})
			require.NoError(t, err)
			return sig
		}, false},
		{"the algorithm of the key", "RS256", "RS256 only", usual("RS256"), true},
		{"an algorithm that is not the key's", "PS256", "RS256 only", usual("PS256"), false},
		{"a longer hash than the key's", "RS512", "RS256 only", usual("RS512"), false},
		{"EdDSA as the key says", "EdDSA", "EdDSA only", usual("EdDSA"), true},
		{"Ed25519 where the key says EdDSA", "Ed25519", "EdDSA only", usual("Ed25519"), false},
		{"ES256 with the key of RS256", "ES256", "RS256 only", usual("ES256"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := verify(t, set, token(c.alg, c.kid, c.sig))
			if c.ok {
				assert.NoError(t, err)
				return
			}
			assert.ErrorIs(t, err, jose.ErrSignature)
		})
	}
}

// A stranger's key and signature that fit each other: n = s^e - EM, so that s^e mod n = EM.
func TestASignatureByAnRSAKeyOfAnySizeCountsOnlyWithinTheBounds(t *testing.T) {
	t.Parallel()
	text := b64([]byte(`{"alg":"RS256"}`)) + "." + b64([]byte("{}"))
	sum := sha256.Sum256([]byte(text))
	info, err := hex.DecodeString("3031300d060960864801650304020105000420") // RFC 8017 section 9.2, note 1
	require.NoError(t, err)
	for _, c := range []struct {
		bits, e int
		ok      bool
	}{
		{1024, 3, false}, {2040, 3, false}, {2048, 3, true}, {4096, 3, true}, {8192, 3, true}, {8200, 3, false}, {16384, 3, false},
		{2048, 2, false}, {2048, 4, false}, {2048, 5, true},
	} {
		t.Run(fmt.Sprintf("%d bits, exponent %d", c.bits, c.e), func(t *testing.T) {
			t.Parallel()
			em := append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, c.bits/8-3-len(info)-len(sum))...)
			em = append(append(append(em, 0), info...), sum[:]...)
			encoded, e := new(big.Int).SetBytes(em), big.NewInt(int64(c.e))
			// s is the largest number whose power is below 2^bits, and its parity makes n odd.
			s := new(big.Int)
			for i := c.bits/c.e + 1; i >= 0; i-- {
				s.SetBit(s, i, 1)
				if new(big.Int).Exp(s, e, nil).BitLen() > c.bits {
					s.SetBit(s, i, 0)
				}
			}
			s.SetBit(s, 0, 1-encoded.Bit(0))
			n := new(big.Int).Exp(s, e, nil)
			n.Sub(n, encoded)
			require.Equal(t, c.bits, n.BitLen())
			key := change{"kty": "RSA", "n": b64(n.Bytes()), "e": b64(e.Bytes())}
			_, err := verify(t, keySetOf(t, key), text+"."+b64(s.FillBytes(make([]byte, c.bits/8))))
			if c.ok {
				assert.NoError(t, err)
				return
			}
			assert.ErrorIs(t, err, jose.ErrSignature)
		})
	}
}

func TestAnUnencodedPayloadIsRefusedHoweverItIsSigned(t *testing.T) {
	t.Parallel()
	h, p := b64([]byte(`{"alg":"RS256","kid":"rsa","b64":false}`)), []byte("{}")
	_, err := verify(t, keySetOf(t, jwks()...), h+"."+b64(p)+"."+b64(signature("RS256", h+"."+string(p))))
	assert.ErrorIs(t, err, jose.ErrMalformed)
}

func FuzzParse(f *testing.F) {
	set := keySetOf(f, rsaJWK(""), ecJWK("", "ES256"), ecJWK("", "ES384"), ecJWK("", "ES512"), edJWK(""))
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"} {
		f.Add(sign(change{"alg": alg}, change{"sub": "alice", "aud": []string{"c"}, "iat": 1}))
	}
	f.Add(sign(change{"alg": "none", "typ": "JWT"}, change{"iat": "x"}))
	f.Add(sign(change{"alg": "RS256", "jwk": ecJWK("", "ES256"), "crit": []string{"b64"}}, change{}))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		claims, err := verify(t, set, token)
		if err != nil {
			return
		}
		_, _ = claims.Texts("aud", &err), claims.Text("sub", &err)
		if at := claims.Seconds("iat", &err); err == nil && at.Year() > 9999 {
			t.Fatalf("%q is of %s", token, at)
		}
	})
}
