package oxdauth

// Logout tokens against every check of OpenID Connect Back-Channel Logout 1.0 section 2.6.

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func postToken(m *Middleware, token string) int {
	r := httptest.NewRequest(http.MethodPost, m.BackChannelLogoutPath(), strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	m.BackChannelLogout().ServeHTTP(rec, r)
	return rec.Code
}

type change = map[string]any

func TestV108ALogoutTokenWithAnyFaultIsRefused(t *testing.T) {
	t.Parallel()
	p := newTestProvider(t)
	m := p.middleware(t)
	session := revoked("s1", time.Now().Unix())
	session.issuer = p.URL
	unix := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	event := func(name string, value any) change { return change{"events": map[string]any{name: value}} }
	for _, c := range []struct {
		name           string
		header, claims change
	}{
		{"alg none", change{"alg": "none"}, nil},
		{"alg None", change{"alg": "None"}, nil},
		{"an HMAC with the public key", change{"alg": "HS256"}, nil},
		{"no alg", change{"alg": ""}, nil},
		{"an unknown hash", change{"alg": "RS999"}, nil},
		{"an unknown key", change{"kid": "x"}, nil},
		{"no key id, when keys have one", change{"kid": nil}, nil},
		{"the key of another algorithm", change{"kid": "ES256"}, nil},
		{"the curve of another algorithm", change{"alg": "ES384", "kid": "ES256"}, nil},
		{"the type of an access token", change{"typ": "at+jwt"}, nil},
		{"a type that is no text", change{"typ": 1}, nil},
		{"a critical extension", change{"crit": []string{"exp"}}, nil},
		{"no issuer", nil, change{"iss": nil}},
		{"another issuer", nil, change{"iss": "https://evil.example"}},
		{"an issuer in capitals", nil, change{"iss": nil, "ISS": p.URL}},
		{"no audience", nil, change{"aud": nil}},
		{"another audience", nil, change{"aud": "other"}},
		{"one more audience", nil, change{"aud": []string{"client", "other"}}},
		{"an empty audience", nil, change{"aud": []string{}}},
		{"no iat", nil, change{"iat": nil}},
		{"iat as text", nil, change{"iat": "1"}},
		{"an iat in the future", nil, change{"iat": unix(5 * time.Minute)}},
		{"an old iat", nil, change{"iat": unix(-time.Hour), "exp": unix(time.Hour)}},
		{"no exp", nil, change{"exp": nil}},
		{"an exp that has passed", nil, change{"exp": unix(-2 * time.Minute)}},
		{"an absurd exp", nil, change{"exp": 1e300}},
		{"no events", nil, change{"events": nil}},
		{"another event", nil, event("http://schemas.openid.net/event/other", change{})},
		{"the event in another spelling", nil, event(strings.ToUpper(logoutEvent), change{})},
		{"an event that is no object", nil, event(logoutEvent, "x")},
		{"an event that is null", nil, event(logoutEvent, json.RawMessage("null"))},
		{"events as a list", nil, change{"events": []string{logoutEvent}}},
		{"neither sub nor sid", nil, change{"sub": nil, "sid": nil}},
		{"an empty sub", nil, change{"sub": ""}},
		{"a sid that is a number", nil, change{"sid": 1}},
		{"a nonce", nil, change{"nonce": "x"}},
		{"a nonce that is null", nil, change{"nonce": json.RawMessage("null")}},
		{"no jti", nil, change{"jti": nil}},
		{"an endless jti", nil, change{"jti": strings.Repeat("x", 2000)}},
	} {
		assert.Equal(t, http.StatusBadRequest, postToken(m, p.token(c.header, c.claims)), c.name)
	}

	good := p.token(nil, nil)
	parts := strings.Split(good, ".")
	other := strings.Split(p.token(nil, change{"sub": "bob"}), ".")
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	sameBytes := good[:len(good)-1] + string(alphabet[strings.IndexByte(alphabet, good[len(good)-1])^1])
	for name, token := range map[string]string{
		"nothing":                       "",
		"text":                          "a.b.c",
		"two parts":                     parts[0] + "." + parts[1],
		"four parts":                    good + ".x",
		"five parts, as when encrypted": good + ".x.y",
		"no signature":                  parts[0] + "." + parts[1] + ".",
		"another token's claims":        parts[0] + "." + other[1] + "." + parts[2],
		"another token's signature":     parts[0] + "." + parts[1] + "." + other[2],
		"a changed header":              b64([]byte(`{"alg":"RS256","kid":"rsa"}`)) + "." + parts[1] + "." + parts[2],
		"padded base64":                 good + "==",
		"base64 that is not canonical":  sameBytes,
		"a newline":                     good[:len(good)-9] + "\n" + good[len(good)-9:],
		"claims that are null":          parts[0] + "." + b64([]byte("null")) + "." + parts[2],
		"an endless token":              strings.Repeat("a", maxLogoutToken) + good,
	} {
		assert.Equal(t, http.StatusBadRequest, postToken(m, token), name)
	}
	assert.False(t, m.revoked.has(session), "none of them did anything")
	assert.Equal(t, http.StatusOK, postToken(m, good))
	assert.True(t, m.revoked.has(session))
	assert.Equal(t, http.StatusBadRequest, postToken(m, good), "a second time")
}

func TestALogoutTokenOfAnyUsualProviderIsTaken(t *testing.T) {
	t.Parallel()
	p := newTestProvider(t)
	m := p.middleware(t)
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		assert.Equal(t, http.StatusOK, postToken(m, p.token(change{"alg": alg}, nil)), alg)
	}
	for alg := range testEC() {
		assert.Equal(t, http.StatusOK, postToken(m, p.token(change{"alg": alg, "kid": alg}, nil)), alg)
	}
	now := time.Now()
	for name, token := range map[string]string{
		"no type":             p.token(change{"typ": nil}, nil),
		"type JWT":            p.token(change{"typ": "JWT"}, nil),
		"a type in full":      p.token(change{"typ": "application/logout+jwt"}, nil),
		"a list of one":       p.token(nil, change{"aud": []string{"client"}}),
		"sub alone":           p.token(nil, change{"sid": nil}),
		"sid alone":           p.token(nil, change{"sub": nil}),
		"fractions":           p.token(nil, change{"iat": float64(now.UnixMilli()) / 1000}),
		"a clock that is off": p.token(nil, change{"iat": now.Unix() + 30, "exp": now.Unix() + 90}),
		"claims nobody knows": p.token(nil, change{"x": change{"y": 1}}),
		"a detailed event":    p.token(nil, change{"events": change{logoutEvent: change{"x": 1}, "urn:x": 1}}),
	} {
		assert.Equal(t, http.StatusOK, postToken(m, token), name)
	}
	assert.EqualValues(t, 1, p.fetches.Load(), "the keys are fetched once")
}

func TestALogoutTokenHoldsToTheSecond(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	for _, c := range []struct {
		name     string
		iat, exp time.Duration
		ok       bool
	}{
		{"issued as far ahead as clocks may differ", logoutTokenSkew, time.Hour, true},
		{"a second more", logoutTokenSkew + time.Second, time.Hour, false},
		{"as old as it may be", -logoutTokenLife, time.Hour, true},
		{"a second older", -logoutTokenLife - time.Second, time.Hour, false},
		{"expired within the difference", -time.Minute, time.Second - logoutTokenSkew, true},
		{"expired", -time.Minute, -logoutTokenSkew, false},
	} {
		var claims jsonObject
		require.NoError(t, json.Unmarshal(fmt.Appendf(nil, `{"iss":%q,"aud":"c","jti":"j","sub":"s","iat":%d,"exp":%d,"events":{%q:{}}}`,
			testIssuer, now.Add(c.iat).Unix(), now.Add(c.exp).Unix(), logoutEvent), &claims))
		_, err := readLogoutToken(claims, testIssuer, now)
		assert.Equal(t, c.ok, err == nil, "%s: %v", c.name, err)
	}
}

func TestV95TooManyLogoutTokensAreWantedAgain(t *testing.T) {
	t.Parallel()
	p := newTestProvider(t)
	m := p.middleware(t)
	until := time.Now().Add(time.Hour).Unix()
	for i := range maxMemory {
		m.logoutTokens.add([16]byte{byte(i), byte(i >> 8), byte(i >> 16)}, until)
	}
	assert.Equal(t, http.StatusServiceUnavailable, postToken(m, p.token(nil, nil)), "it could be replayed")
	assert.Zero(t, m.revoked.count)
}

func FuzzLogoutToken(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	claims := map[string]any{
		"iss": testIssuer, "aud": []string{"c"}, "jti": "j", "sub": "s", "iat": now.Unix(), "exp": now.Unix() + 60,
		"events": map[string]any{logoutEvent: map[string]any{}},
	}
	keys := []publicKey{{key: &testRSA().PublicKey}}
	for alg, key := range testEC() {
		keys = append(keys, publicKey{key: &key.PublicKey})
		f.Add(sign(map[string]any{"alg": alg}, claims))
	}
	f.Add(sign(map[string]any{"alg": "none", "typ": "JWT"}, map[string]any{"iat": "x"}))
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		signed, err := parseJWS(token)
		if err != nil {
			return
		}
		for _, key := range keys {
			_ = signed.verified(key)
		}
		read, err := readLogoutToken(signed.claims, testIssuer, now)
		if err == nil && (read.id == "" || read.subject+read.sid == "" || read.issued.After(now.Add(logoutTokenSkew))) {
			t.Fatalf("%q gives %+v", token, read)
		}
	})
}
