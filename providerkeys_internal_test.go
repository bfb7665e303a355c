package oxdauth

// How the provider's keys are found, kept and chosen. Time is simulated where it counts.

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestKeysComeFromTheIssuerOnly(t *testing.T) {
	t.Parallel()
	for name, discovery := range map[string]func(map[string]any){
		"another issuer":       func(d map[string]any) { d["issuer"] = "https://evil.example" },
		"no issuer":            func(d map[string]any) { delete(d, "issuer") },
		"keys over plain http": func(d map[string]any) { d["jwks_uri"] = strings.Replace(d["jwks_uri"].(string), "https", "http", 1) },
		"no keys":              func(d map[string]any) { delete(d, "jwks_uri") },
		"keys behind a redirect": func(d map[string]any) {
			d["jwks_uri"] = strings.Replace(d["jwks_uri"].(string), "jwks", "elsewhere", 1)
		},
		"endless keys": func(d map[string]any) { d["jwks_uri"] = strings.Replace(d["jwks_uri"].(string), "jwks", "endless", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newTestProvider(t)
			p.discovery = discovery
			m := p.middleware(t)
			assert.Equal(t, http.StatusServiceUnavailable, postToken(m, p.token(nil, nil)))
			assert.Equal(t, http.StatusServiceUnavailable, postToken(m, p.token(nil, nil)))
			assert.EqualValues(t, 1, p.fetches.Load(), "not asked again at once")
		})
	}
	t.Run("a certificate nobody vouches for", func(t *testing.T) {
		t.Parallel()
		p := newTestProvider(t)
		m := newTestMiddleware(t, &fakeOxd{}, WithBackChannelLogout(p.URL, nil))
		assert.Equal(t, http.StatusServiceUnavailable, postToken(m, p.token(nil, nil)))
		client := p.Client()
		transport := client.Transport.(*http.Transport).Clone()
		transport.TLSClientConfig.InsecureSkipVerify = true
		_, err := newProviderKeys(p.URL, &http.Client{Transport: transport})
		assert.ErrorContains(t, err, "InsecureSkipVerify")
	})
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

func TestKeysAreFetchedOnceAMinuteForUnknownOnesAndHourlyForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fetches, down, kids := 0, false, []string{"a"}
		leave := func() {}
		k, err := newProviderKeys(testIssuer, &http.Client{Transport: roundTripper(func(r *http.Request) (string, error) {
			leave()
			if down {
				return "", io.ErrUnexpectedEOF
			}
			if err := r.Context().Err(); err != nil {
				return "", err
			}
			if r.URL.Path != "/jwks" {
				fetches++
				return `{"issuer":"` + testIssuer + `","jwks_uri":"` + testIssuer + `/jwks"}`, nil
			}
			var keys []any
			for _, kid := range kids {
				keys = append(keys, ecJWK(kid, &testEC()["ES256"].PublicKey))
			}
			b, err := json.Marshal(map[string]any{"keys": keys})
			return string(b), err
		})})
		require.NoError(t, err)
		find := func(kid string) int {
			keys, err := k.find(t.Context(), kid)
			if err != nil {
				assert.ErrorIs(t, err, errNoKeys)
				return -1
			}
			return len(keys)
		}
		down = true
		assert.Equal(t, -1, find("a"))
		down = false
		assert.Equal(t, -1, find("a"), "within the minute")
		time.Sleep(time.Minute)
		assert.Equal(t, 1, find("a"))
		kids = []string{"b"}
		for range 100 {
			assert.Equal(t, 0, find("b"))
		}
		assert.Equal(t, 1, fetches)
		time.Sleep(time.Minute)
		assert.Equal(t, 1, find("b"), "a new key")
		assert.Equal(t, 0, find("a"), "is gone with the change")
		time.Sleep(time.Minute)
		down = true
		assert.Equal(t, -1, find("c"), "the provider may have it")
		time.Sleep(time.Hour)
		assert.Equal(t, 1, find("b"), "while the provider is away the old keys do")
		down, kids = false, nil
		time.Sleep(time.Hour)
		assert.Equal(t, 0, find("b"), "withdrawn keys are noticed")
		assert.Equal(t, 3, fetches)

		time.Sleep(time.Minute)
		kids = []string{"d"}
		ctx, cancel := context.WithCancel(t.Context())
		leave = cancel
		keys, err := k.find(ctx, "d")
		require.NoError(t, err, "who asked has gone, the others have not")
		assert.Len(t, keys, 1)
	})
}

func TestKeysThatAreWeakOrForOtherUsesAreNotUsed(t *testing.T) {
	t.Parallel()
	modulus := func(bits uint) string { return b64(new(big.Int).Lsh(big.NewInt(1), bits-1).Bytes()) }
	point := ecJWK("", &testEC()["ES256"].PublicKey)
	with := func(key map[string]string, name, value string) map[string]string {
		key = maps.Clone(key)
		key[name] = value
		return key
	}
	good := rsaJWK("", &testRSA().PublicKey)
	for _, c := range []struct {
		name string
		key  any
		want int
	}{
		{"a good key", good, 1},
		{"for encryption", with(good, "use", "enc"), 0},
		{"1024 bits", with(good, "n", modulus(1024)), 0},
		{"16384 bits", with(good, "n", modulus(16384)), 0},
		{"exponent 1", with(good, "e", b64([]byte{1})), 0},
		{"an even exponent", with(good, "e", b64([]byte{4})), 0},
		{"an endless exponent", with(good, "e", modulus(2048)), 0},
		{"no base64", with(good, "n", "!"), 0},
		{"a symmetric key", map[string]string{"kty": "oct", "k": "AAAA"}, 0},
		{"a point", point, 1},
		{"a point off the curve", with(point, "x", point["y"]), 0},
		{"an unknown curve", with(point, "crv", "secp256k1"), 0},
		{"the point of another curve", with(point, "crv", "P-384"), 0},
		{"a list", []int{1}, 0},
	} {
		raw, err := json.Marshal(c.key)
		require.NoError(t, err)
		assert.Len(t, jwkSet{Keys: []json.RawMessage{raw}}.publicKeys(), c.want, c.name)
	}
	raw, err := json.Marshal(good)
	require.NoError(t, err)
	many := jwkSet{Keys: make([]json.RawMessage, 10*maxKeys)}
	for i := range many.Keys {
		many.Keys[i] = raw
	}
	assert.Len(t, many.publicKeys(), maxKeys)
	t.Run("an algorithm of its own", func(t *testing.T) {
		signed, err := parseJWS(sign(map[string]any{"alg": "RS256"}, map[string]any{}))
		require.NoError(t, err)
		assert.True(t, signed.verified(publicKey{key: &testRSA().PublicKey}))
		assert.True(t, signed.verified(publicKey{alg: "RS256", key: &testRSA().PublicKey}))
		assert.False(t, signed.verified(publicKey{alg: "PS256", key: &testRSA().PublicKey}))
	})
	t.Run("a curve of its own", func(t *testing.T) {
		key := testEC()["ES256"]
		for alg, hash := range map[string]crypto.Hash{"ES256": crypto.SHA256, "ES512": crypto.SHA512} {
			h := hash.New()
			h.Write([]byte("a.b"))
			r, s, err := ecdsa.Sign(rand.Reader, key, h.Sum(nil))
			require.NoError(t, err)
			signed := jws{alg: alg, signed: "a.b", signature: append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)}
			assert.Equal(t, alg == "ES256", signed.verified(publicKey{key: &key.PublicKey}), alg)
		}
	})
}

func FuzzJWKSet(f *testing.F) {
	seed, _ := json.Marshal(map[string]any{"keys": []any{rsaJWK("a", &testRSA().PublicKey), ecJWK("b", &testEC()["ES256"].PublicKey)}})
	f.Add(seed)
	f.Add([]byte(`{"keys":[null,{"kty":"RSA","n":"","e":"AQAB"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var set jwkSet
		if json.Unmarshal(b, &set) != nil {
			return
		}
		for _, key := range set.publicKeys() {
			if key.key == nil {
				t.Fatalf("%q gives no key", b)
			}
			for _, alg := range []string{"RS256", "PS512", "ES256"} {
				_ = (&jws{alg: alg, signed: "a.b", signature: make([]byte, 64)}).verified(key)
			}
		}
	})
}
