package oxdauth

// A provider whose keys, documents and logout tokens a test decides.

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var testRSA = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

var testEC = sync.OnceValue(func() map[string]*ecdsa.PrivateKey {
	keys := map[string]*ecdsa.PrivateKey{}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			panic(err)
		}
		keys[ecAlgorithms[curve.Params().Name]] = key
	}
	return keys
})

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func rsaJWK(kid string, key *rsa.PublicKey) map[string]string {
	return map[string]string{"kty": "RSA", "kid": kid, "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
}

func ecJWK(kid string, key *ecdsa.PublicKey) map[string]string {
	point, err := key.Bytes()
	if err != nil {
		panic(err)
	}
	half := len(point) / 2
	return map[string]string{"kty": "EC", "use": "sig", "kid": kid, "crv": key.Curve.Params().Name, "x": b64(point[1 : 1+half]), "y": b64(point[1+half:])}
}

// sign makes a JWS as its header says, with the key of this test for that algorithm.
func sign(header, claims map[string]any) string {
	h, _ := json.Marshal(header)
	c, _ := json.Marshal(claims)
	signed := b64(h) + "." + b64(c)
	alg, _ := header["alg"].(string)
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[min(2, len(alg)):]]
	if hash == 0 {
		hash = crypto.SHA256
	}
	var sig []byte
	var err error
	sum := func() []byte { h := hash.New(); h.Write([]byte(signed)); return h.Sum(nil) }
	switch alg[:min(2, len(alg))] {
	case "RS":
		sig, err = rsa.SignPKCS1v15(nil, testRSA(), hash, sum())
	case "PS":
		sig, err = rsa.SignPSS(rand.Reader, testRSA(), hash, sum(), &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	case "ES":
		key := testEC()[alg]
		var r, s *big.Int
		r, s, err = ecdsa.Sign(rand.Reader, key, sum())
		size := (key.Params().BitSize + 7) / 8
		sig = append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case "HS": // with the public key, which everybody knows
		mac := hmac.New(sha256.New, testRSA().N.Bytes())
		mac.Write([]byte(signed))
		sig = mac.Sum(nil)
	}
	if err != nil {
		panic(err)
	}
	return signed + "." + b64(sig)
}

// testProvider has discovery and keys.
type testProvider struct {
	*httptest.Server
	fetches   atomic.Int32
	discovery func(map[string]any) // changes the document
	keys      func() []any
}

func newTestProvider(t *testing.T) *testProvider {
	p := &testProvider{keys: func() []any {
		keys := []any{rsaJWK("rsa", &testRSA().PublicKey), map[string]string{"kty": "oct", "kid": "rsa", "k": "AAAA"}, "no key at all"}
		for alg, key := range testEC() {
			keys = append(keys, ecJWK(alg, &key.PublicKey))
		}
		return keys
	}}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			p.fetches.Add(1)
			doc := map[string]any{"issuer": p.URL, "jwks_uri": p.URL + "/jwks"}
			if p.discovery != nil {
				p.discovery(doc)
			}
			_ = json.NewEncoder(w).Encode(doc)
		case "/jwks":
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": p.keys()})
		case "/elsewhere":
			http.Redirect(w, r, "/jwks", http.StatusFound)
		case "/endless":
			_, _ = io.WriteString(w, `{"keys":[]}`+strings.Repeat(" ", maxKeysDocument))
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// middleware knows the client id of this provider's tokens.
func (p *testProvider) middleware(t *testing.T) *Middleware {
	m := newTestMiddleware(t, &fakeOxd{}, WithBackChannelLogout(p.URL, p.Client()))
	m.clients.add("client")
	m.clientAsked.Store(time.Now().Unix()) // oxd is not there to be asked
	return m
}

func (p *testProvider) token(header, claims map[string]any) string {
	now := time.Now()
	h := map[string]any{"alg": "RS256", "kid": "rsa", "typ": "logout+jwt"}
	c := map[string]any{
		"iss": p.URL, "aud": "client", "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": rand.Text(),
		"sub": "alice", "sid": "s1", "events": map[string]any{logoutEvent: map[string]any{}},
	}
	for _, m := range []struct{ base, change map[string]any }{{h, header}, {c, claims}} {
		maps.Copy(m.base, m.change)
		maps.DeleteFunc(m.base, func(_ string, v any) bool { return v == nil })
	}
	return sign(h, c)
}
