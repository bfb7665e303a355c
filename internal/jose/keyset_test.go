package jose_test

// How the issuer's keys are found, kept and chosen. Time is simulated where it counts.

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/jose"
)

func TestAnIssuerOrClientThatCannotBeTrustedIsRefused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"", "http://idp.example", "idp.example", "https://", "https://me@idp.example", "https://idp.example?x",
		"https://idp.example#x", "https://idp.example/%zz",
	} {
		_, err := jose.NewKeySet(address, nil)
		assert.ErrorContains(t, err, "issuer", address)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	_, err := jose.NewKeySet(issuer, &http.Client{Transport: transport})
	require.NoError(t, err)
	transport.TLSClientConfig = httptest.NewTLSServer(nil).Client().Transport.(*http.Transport).TLSClientConfig.Clone()
	transport.TLSClientConfig.InsecureSkipVerify = true
	_, err = jose.NewKeySet(issuer, &http.Client{Transport: transport})
	assert.ErrorContains(t, err, "InsecureSkipVerify")
	set, err := jose.NewKeySet(issuer, nil)
	require.NoError(t, err)
	assert.Equal(t, issuer, set.Issuer())
}

func TestKeysComeFromTheIssuerOnly(t *testing.T) {
	t.Parallel()
	address := func(change func(string) string) func(map[string]string) {
		return func(d map[string]string) { d["jwks_uri"] = change(d["jwks_uri"]) }
	}
	for name, c := range map[string]struct {
		discovery func(map[string]string)
		status    int // of discovery
		stranger  bool
	}{
		"another issuer":              {discovery: func(d map[string]string) { d["issuer"] = "https://evil.example" }},
		"an issuer with a slash":      {discovery: func(d map[string]string) { d["issuer"] += "/" }},
		"no issuer":                   {discovery: func(d map[string]string) { delete(d, "issuer") }},
		"keys over plain http":        {discovery: address(func(a string) string { return strings.Replace(a, "https", "http", 1) })},
		"no keys":                     {discovery: address(func(string) string { return "" })},
		"keys without host":           {discovery: address(func(string) string { return "https:///jwks" })},
		"keys behind a redirect":      {discovery: address(func(a string) string { return strings.Replace(a, "jwks", "elsewhere", 1) })},
		"endless keys":                {discovery: address(func(a string) string { return strings.Replace(a, "jwks", "endless", 1) })},
		"keys that are no JSON":       {discovery: address(func(a string) string { return strings.Replace(a, "jwks", "text", 1) })},
		"a redirect of discovery":     {status: http.StatusFound},
		"an error":                    {status: http.StatusInternalServerError},
		"a certificate of a stranger": {stranger: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var fetches atomic.Int32
			var server *httptest.Server
			server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch r.URL.Path {
				case "/.well-known/openid-configuration":
					fetches.Add(1)
					if c.status != 0 {
						w.Header().Set("Location", "/elsewhere")
						w.WriteHeader(c.status)
					}
					document := map[string]string{"issuer": server.URL, "jwks_uri": server.URL + "/jwks"}
					if c.discovery != nil {
						c.discovery(document)
					}
					_ = json.NewEncoder(w).Encode(document)
				case "/jwks":
					_ = json.NewEncoder(w).Encode(change{"keys": jwks()})
				case "/elsewhere":
					http.Redirect(w, r, "/jwks", http.StatusFound)
				case "/endless":
					_, _ = io.WriteString(w, `{"keys":[]}`+strings.Repeat(" ", 256<<10))
				}
			}))
			t.Cleanup(server.Close)
			client, want := server.Client(), int32(1)
			if c.stranger {
				client, want = nil, 0
			}
			set, err := jose.NewKeySet(server.URL, client)
			require.NoError(t, err)
			token := sign(change{"alg": "RS256", "kid": "rsa"}, change{})
			for range 2 {
				_, err = verify(t, set, token)
				assert.ErrorIs(t, err, jose.ErrUnavailable)
			}
			assert.Equal(t, want, fetches.Load(), "not asked again at once")
		})
	}
}

func TestKeysAreFetchedOnceAMinuteForUnknownOnesAndHourlyForAll(t *testing.T) {
	t.Parallel()
	ecKeys() // outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		fetches, down, kids := 0, false, []string{"a"}
		leave := func() {}
		set, err := jose.NewKeySet(issuer, &http.Client{Transport: roundTripper(func(r *http.Request) (string, error) {
			leave()
			if down {
				return "", io.ErrUnexpectedEOF
			}
			if err := r.Context().Err(); err != nil {
				return "", err
			}
			if r.URL.Path != "/jwks" {
				fetches++
				return discovery, nil
			}
			var keys []any
			for _, kid := range kids {
				keys = append(keys, ecJWK(kid, "ES256"))
			}
			return jsonOf(change{"keys": keys}), nil
		})})
		require.NoError(t, err)
		const found, unknown, unavailable = "found", "unknown", "unavailable"
		find := func(ctx context.Context, kid string) string {
			parsed, err := jose.Parse(sign(change{"alg": "ES256", "kid": kid}, change{}))
			require.NoError(t, err)
			_, err = set.Verify(ctx, parsed)
			switch {
			case err == nil:
				return found
			case errors.Is(err, jose.ErrSignature):
				return unknown
			}
			assert.ErrorIs(t, err, jose.ErrUnavailable)
			return unavailable
		}
		ctx := t.Context()
		down = true
		assert.Equal(t, unavailable, find(ctx, "a"))
		down = false
		assert.Equal(t, unavailable, find(ctx, "a"), "within the minute")
		time.Sleep(time.Minute)
		assert.Equal(t, found, find(ctx, "a"))
		kids = []string{"b"}
		for range 100 {
			assert.Equal(t, unknown, find(ctx, "b"))
		}
		assert.Equal(t, 1, fetches)
		time.Sleep(time.Minute)
		assert.Equal(t, found, find(ctx, "b"), "a new key")
		assert.Equal(t, unknown, find(ctx, "a"), "is gone with the change")
		time.Sleep(time.Minute)
		down = true
		assert.Equal(t, unavailable, find(ctx, "c"), "the issuer may have it")
		time.Sleep(time.Hour)
		assert.Equal(t, found, find(ctx, "b"), "while the issuer is away the old keys do")
		down, kids = false, nil
		time.Sleep(time.Hour)
		assert.Equal(t, unknown, find(ctx, "b"), "withdrawn keys are noticed")
		assert.Equal(t, 3, fetches)

		time.Sleep(time.Minute)
		kids = []string{"d"}
		ctx, cancel := context.WithCancel(t.Context())
		leave = cancel
		assert.Equal(t, found, find(ctx, "d"), "the caller has gone, the others have not")
	})
}

func TestOneFetchServesAllWhoWaitAndNobodyWaitsLongerThanTheirContext(t *testing.T) {
	t.Parallel()
	rsaKey() // outside of the bubble
	synctest.Test(t, func(t *testing.T) {
		var fetches atomic.Int32
		set, err := jose.NewKeySet(issuer, &http.Client{Transport: roundTripper(func(r *http.Request) (string, error) {
			time.Sleep(3 * time.Second)
			if r.URL.Path != "/jwks" {
				fetches.Add(1)
				return discovery, nil
			}
			return jsonOf(change{"keys": []any{rsaJWK("rsa")}}), nil
		})})
		require.NoError(t, err)
		parsed, err := jose.Parse(sign(change{"alg": "RS256", "kid": "rsa"}, change{}))
		require.NoError(t, err)
		errs := make(chan error, 10)
		for range cap(errs) {
			go func() {
				_, err := set.Verify(t.Context(), parsed)
				errs <- err
			}()
		}
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = set.Verify(ctx, parsed)
		assert.ErrorIs(t, err, jose.ErrUnavailable)
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		for range cap(errs) {
			assert.NoError(t, <-errs)
		}
		assert.EqualValues(t, 1, fetches.Load())
	})
}

func TestAFetchEndsAfterTenSeconds(t *testing.T) {
	t.Parallel()
	rsaKey()
	synctest.Test(t, func(t *testing.T) {
		set, err := jose.NewKeySet(issuer, &http.Client{Transport: roundTripper(func(r *http.Request) (string, error) {
			<-r.Context().Done()
			return "", r.Context().Err()
		})})
		require.NoError(t, err)
		begun := time.Now()
		_, err = verify(t, set, sign(change{"alg": "RS256", "kid": "rsa"}, change{}))
		assert.ErrorIs(t, err, jose.ErrUnavailable)
		assert.Equal(t, 10*time.Second, time.Since(begun))
	})
}

func TestKeysThatAreWeakOrForOtherUsesArePassedOver(t *testing.T) {
	t.Parallel()
	bits := func(n uint) string { return b64(new(big.Int).Lsh(big.NewInt(1), n-1).Bytes()) }
	with := func(key change, name string, value any) change {
		key = maps.Clone(key)
		key[name] = value
		return key
	}
	good, point, ed := rsaJWK(""), ecJWK("", "ES256"), edJWK("")
	delete(point, "use")
	short := func(s any) string { return s.(string)[:40] }
	for _, c := range []struct {
		name string
		key  any
		ok   bool
	}{
		{"a good RSA key", good, true},
		{"for signatures", with(good, "use", "sig"), true},
		{"without use", with(good, "use", ""), true},
		{"for encryption", with(good, "use", "enc"), false},
		{"for a use in capitals", with(good, "use", "SIG"), false},
		{"a use that is no text", with(good, "use", 1), false},
		{"an algorithm that is no text", with(good, "alg", 1), false},
		{"an algorithm that is unknown", with(good, "alg", "RSA-OAEP"), false},
		{"1024 bits", with(good, "n", bits(1024)), false},
		{"2047 bits", with(good, "n", bits(2047)), false},
		{"16384 bits", with(good, "n", bits(16384)), false},
		{"exponent 0", with(good, "e", ""), false},
		{"exponent 1", with(good, "e", b64([]byte{1})), false},
		{"an even exponent", with(good, "e", b64([]byte{4})), false},
		{"an exponent of 32 bits", with(good, "e", b64([]byte{0x80, 0, 0, 1})), false},
		{"an endless exponent", with(good, "e", bits(2048)), false},
		{"no modulus", with(good, "n", nil), false},
		{"no base64", with(good, "n", "!"), false},
		{"standard base64", with(good, "n", "+/=="), false},
		{"a private key", with(good, "d", "AQAB"), false},
		{"a kind in small letters", with(good, "kty", "rsa"), false},
		{"a symmetric key", change{"kty": "oct", "k": "AAAA"}, false},
		{"an RSA key with a secret", with(good, "k", "AAAA"), false},
		{"a certificate that is none", with(good, "x5c", []string{"AAAA"}), true},
		{"a thumbprint that is none", with(good, "x5t", "="), true},
		{"members that are not known", with(good, "x", change{"y": 1}), false},
		{"more members that are not known", with(good, "issuer", change{"y": 1}), true},

		{"a good point", point, true},
		{"a point off the curve", with(point, "x", point["y"]), false},
		{"the point at infinity", with(with(point, "x", b64(make([]byte, 32))), "y", b64(make([]byte, 32))), false},
		{"half a point", with(point, "y", nil), false},
		{"a short coordinate", with(point, "x", short(point["x"])), false},
		{"an unknown curve", with(point, "crv", "secp256k1"), false},
		{"the point of another curve", with(point, "crv", "P-384"), false},
		{"a curve that is missing", with(point, "crv", nil), false},
		{"a private point", with(point, "d", b64(make([]byte, 32))), false},
		{"a point as OKP", with(point, "kty", "OKP"), false},

		{"a good Ed25519 key", ed, true},
		{"Ed25519 for EdDSA", with(ed, "alg", "EdDSA"), true},
		{"Ed25519 for Ed25519", with(ed, "alg", "Ed25519"), false}, // the token says EdDSA
		{"a key agreement", with(ed, "crv", "X25519"), false},
		{"Ed448", with(ed, "crv", "Ed448"), false},
		{"a short Ed25519 key", with(ed, "x", short(ed["x"])), false},
		{"a long Ed25519 key", with(ed, "x", ed["x"].(string)+"AAAA"), false},
		{"an Ed25519 key without x", with(ed, "x", nil), false},
		{"a private Ed25519 key", with(ed, "d", ed["x"]), false},
		{"Ed25519 as EC", with(ed, "kty", "EC"), false},

		{"no kind", with(good, "kty", nil), false},
		{"a list", []int{1}, false},
		{"null", nil, false},
		{"an empty object", change{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			object, _ := c.key.(change)
			alg := map[any]string{"P-256": "ES256", "Ed25519": "EdDSA"}[object["crv"]]
			if alg == "" {
				alg = "RS256"
			}
			_, err := verify(t, keySetOf(t, c.key), sign(change{"alg": alg}, change{}))
			if c.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, jose.ErrSignature)
			}
			_, err = verify(t, keySetOf(t, c.key, with(ecJWK("", "ES512"), "kid", "last")), sign(change{"alg": "ES512", "kid": "last"}, change{}))
			assert.NoError(t, err, "it does not spoil the set")
		})
	}
}

func TestNamesOfMembersOfAKeyAreExact(t *testing.T) {
	t.Parallel()
	good := jsonOf(rsaJWK("rsa"))
	token := sign(change{"alg": "RS256", "kid": "rsa"}, change{})
	for name, c := range map[string]struct {
		key string
		ok  bool
	}{
		"as it should be":    {good, true},
		"KTY":                {strings.Replace(good, `"kty"`, `"KTY"`, 1), false},
		"KID":                {strings.Replace(good, `"kid"`, `"KID"`, 1), false},
		"two kinds":          {`{"kty":"oct",` + good[1:], false},
		"USE is not use":     {`{"USE":"enc",` + good[1:], true},
		"D is not a secret":  {`{"D":"AQAB",` + good[1:], true},
		"a kid that is null": {strings.Replace(good, `"kid":"rsa"`, `"kid":null`, 1), false},
	} {
		_, err := verify(t, keySet(t, `{"keys":[`+c.key+`]}`), token)
		assert.Equal(t, c.ok, err == nil, "%s: %v", name, err)
	}
}

func TestASetIsReadAsFarAsItsBound(t *testing.T) {
	t.Parallel()
	keys := make([]any, 640)
	for i := range keys {
		keys[i] = change{}
	}
	token := sign(change{"alg": "RS256", "kid": "rsa"}, change{})
	keys[63] = rsaJWK("rsa")
	_, err := verify(t, keySetOf(t, keys...), token)
	assert.NoError(t, err)
	keys[63], keys[64] = keys[64], keys[63]
	_, err = verify(t, keySetOf(t, keys...), token)
	assert.ErrorIs(t, err, jose.ErrSignature)
}

func TestOfKeysWithTheSameIDAnyMayHaveSigned(t *testing.T) {
	t.Parallel()
	set := keySetOf(t, rsaJWK("a"), ecJWK("a", "ES256"), edJWK("a"))
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA", "Ed25519"} {
		_, err := verify(t, set, sign(change{"alg": alg, "kid": "a"}, change{}))
		assert.NoError(t, err, alg)
	}
}

func FuzzJWKSet(f *testing.F) {
	tokens := map[string]*jose.JWS{}
	for _, alg := range []string{"RS256", "PS512", "ES256", "EdDSA", "Ed25519"} {
		parsed, err := jose.Parse(sign(change{"alg": alg, "kid": "a"}, change{}))
		require.NoError(f, err)
		tokens[alg] = parsed
	}
	f.Add([]byte(jsonOf(change{"keys": []any{rsaJWK("a"), ecJWK("a", "ES256"), edJWK("a")}})))
	f.Add([]byte(`{"keys":[null,{"kty":"RSA","kid":"a","n":"","e":"AQAB"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","kid":"a","crv":"Ed25519","x":""},{"kty":"EC","kid":"a","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Fuzz(func(t *testing.T, document []byte) {
		set := keySet(t, string(document))
		for alg, token := range tokens {
			claims, err := set.Verify(t.Context(), token)
			if claims == nil && !errors.Is(err, jose.ErrSignature) && !errors.Is(err, jose.ErrUnavailable) {
				t.Fatalf("%s with %q: %v", alg, document, err)
			}
		}
	})
}

func FuzzDiscovery(f *testing.F) {
	f.Add([]byte(discovery))
	f.Add([]byte(`{"issuer":"` + issuer + `","jwks_uri":"http://idp.example/jwks"}`))
	f.Add([]byte(`{"issuer":"` + issuer + `","jwks_uri":"https://%"}`))
	parsed, err := jose.Parse(sign(change{"alg": "EdDSA", "kid": "a"}, change{}))
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, document []byte) {
		set, err := jose.NewKeySet(issuer, &http.Client{Transport: roundTripper(func(r *http.Request) (string, error) {
			if r.URL.Scheme != "https" || r.URL.Host == "" {
				t.Fatalf("%q leads to %s", document, r.URL)
			}
			if r.URL.Path == "/.well-known/openid-configuration" {
				return string(document), nil
			}
			return jsonOf(change{"keys": []any{edJWK("a")}}), nil
		})})
		require.NoError(t, err)
		_, err = set.Verify(t.Context(), parsed)
		if err != nil && !errors.Is(err, jose.ErrUnavailable) && !errors.Is(err, jose.ErrSignature) {
			t.Fatalf("%q: %v", document, err)
		}
	})
}
