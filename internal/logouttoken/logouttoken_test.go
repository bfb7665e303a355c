package logouttoken_test

// Logout tokens against the checks of OpenID Connect Back-Channel Logout 1.0 section 2.6.

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/logouttoken"
)

const (
	issuer      = "https://idp.example"
	logoutEvent = "http://schemas.openid.net/event/backchannel-logout"
	life        = 10 * time.Minute
	skew        = time.Minute
)

var (
	now = time.Unix(1_800_000_000, 0)
	key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
)

type change = map[string]any

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// sign takes a payload that need not be JSON.
func sign(header change, payload []byte) string {
	h, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	signed := b64(h) + "." + b64(payload)
	return signed + "." + b64(ed25519.Sign(key, []byte(signed)))
}

func usual() change { return change{"alg": "EdDSA", "kid": "a", "typ": "logout+jwt"} }

// token is a good one but for what is changed. A value of nil removes a member.
func token(header, claims change) string {
	h, c := usual(), change{
		"iss": issuer, "aud": "client", "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(), "jti": "j",
		"sub": "alice", "sid": "s1", "events": change{logoutEvent: change{}},
	}
	for _, m := range []struct{ base, change change }{{h, header}, {c, claims}} {
		maps.Copy(m.base, m.change)
		maps.DeleteFunc(m.base, func(_ string, v any) bool { return v == nil })
	}
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return sign(h, payload)
}

type roundTripper func(*http.Request) (string, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := f(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// verifier has the key of this test. answer is asked before each document.
func verifier(t testing.TB, answer func() error) *logouttoken.Verifier {
	t.Helper()
	v, err := logouttoken.New(issuer, &http.Client{Transport: roundTripper(func(r *http.Request) (string, error) {
		if err := answer(); err != nil {
			return "", err
		}
		if r.URL.Path == "/jwks" {
			x := b64(key.Public().(ed25519.PublicKey))
			return `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"a","x":"` + x + `"}]}`, nil
		}
		return `{"issuer":"` + issuer + `","jwks_uri":"` + issuer + `/jwks"}`, nil
	})})
	require.NoError(t, err)
	return v
}

func there() error { return nil }

func TestALogoutTokenWithAnyFaultIsRefused(t *testing.T) {
	t.Parallel()
	v := verifier(t, there)
	unix := func(d time.Duration) int64 { return now.Add(d).Unix() }
	event := func(name string, value any) change { return change{"events": change{name: value}} }
	null := json.RawMessage("null")
	for _, c := range []struct {
		name           string
		header, claims change
	}{
		{"V-108 alg none", change{"alg": "none"}, nil},
		{"V-108 an unknown key", change{"kid": "x"}, nil},
		{"V-108 the type of an access token", change{"typ": "at+jwt"}, nil},
		{"the type of a security event", change{"typ": "secevent+jwt"}, nil},
		{"the type of a DPoP proof", change{"typ": "dpop+jwt"}, nil},
		{"a type in full twice", change{"typ": "application/application/jwt"}, nil},
		{"a type with a space", change{"typ": "JWT "}, nil},
		{"a type with a parameter", change{"typ": "jwt;x=1"}, nil},
		{"V-108 a type that is no text", change{"typ": 1}, nil},
		{"V-108 a critical extension", change{"crit": []string{"exp"}}, nil},
		{"V-108 no issuer", nil, change{"iss": nil}},
		{"V-108 another issuer", nil, change{"iss": "https://evil.example"}},
		{"an issuer with a slash", nil, change{"iss": issuer + "/"}},
		{"an issuer that is a list", nil, change{"iss": []string{issuer}}},
		{"V-108 the name iss in capitals", nil, change{"iss": nil, "ISS": issuer}},
		{"V-108 no audience", nil, change{"aud": nil}},
		{"V-108 an empty audience", nil, change{"aud": []string{}}},
		{"an audience that is null", nil, change{"aud": null}},
		{"an audience that is an empty text", nil, change{"aud": ""}},
		{"an audience with an empty text", nil, change{"aud": []string{"client", ""}}},
		{"an audience with null", nil, change{"aud": []any{"client", nil}}},
		{"an audience that is a number", nil, change{"aud": 1}},
		{"an audience that is an object", nil, change{"aud": change{"client": true}}},
		{"an audience with a number", nil, change{"aud": []any{"client", 1}}},
		{"an audience in a list of lists", nil, change{"aud": [][]string{{"client"}}}},
		{"V-108 no iat", nil, change{"iat": nil}},
		{"V-108 iat as text", nil, change{"iat": "1800000000"}},
		{"an iat of zero", nil, change{"iat": 0}},
		{"a negative iat", nil, change{"iat": -1}},
		{"an iat that is null", nil, change{"iat": null}},
		{"an iat that is true", nil, change{"iat": true}},
		{"an iat in milliseconds", nil, change{"iat": now.UnixMilli()}},
		{"an absurd iat", nil, change{"iat": 1e300}},
		{"an iat beyond a float", nil, change{"iat": json.RawMessage("1e999")}},
		{"an iat in hexadecimal", nil, change{"iat": "0x6B49D200"}},
		{"V-108 an iat in the future", nil, change{"iat": unix(5 * time.Minute)}},
		{"V-108 an old iat", nil, change{"iat": unix(-time.Hour), "exp": unix(time.Hour)}},
		{"the name iat in capitals", nil, change{"iat": nil, "IAT": unix(0)}},
		{"V-108 no exp", nil, change{"exp": nil}},
		{"exp as text", nil, change{"exp": fmt.Sprint(unix(time.Minute))}},
		{"an exp that is null", nil, change{"exp": null}},
		{"a negative exp", nil, change{"exp": -1}},
		{"V-108 an exp that has passed", nil, change{"exp": unix(-2 * time.Minute)}},
		{"V-108 an absurd exp", nil, change{"exp": 1e300}},
		{"V-108 no events", nil, change{"events": nil}},
		{"events that are null", nil, change{"events": null}},
		{"events that are empty", nil, change{"events": change{}}},
		{"V-108 another event", nil, event("http://schemas.openid.net/event/other", change{})},
		{"V-108 the event in another spelling", nil, event(strings.ToUpper(logoutEvent), change{})},
		{"the event over https", nil, event(strings.Replace(logoutEvent, "http", "https", 1), change{})},
		{"V-108 an event that is no object", nil, event(logoutEvent, "x")},
		{"an event that is a list", nil, event(logoutEvent, []any{})},
		{"an event that is true", nil, event(logoutEvent, true)},
		{"V-108 an event that is null", nil, event(logoutEvent, null)},
		{"V-108 events as a list", nil, change{"events": []string{logoutEvent}}},
		{"events as a text", nil, change{"events": logoutEvent}},
		{"V-108 neither sub nor sid", nil, change{"sub": nil, "sid": nil}},
		{"V-108 an empty sub", nil, change{"sub": ""}},
		{"a sub that is null", nil, change{"sub": null}},
		{"a sub that is a list", nil, change{"sub": []string{"alice"}}},
		{"an endless sub", nil, change{"sub": strings.Repeat("x", 1025)}},
		{"V-108 a sid that is a number", nil, change{"sid": 1}},
		{"an empty sid", nil, change{"sid": ""}},
		{"V-108 a nonce", nil, change{"nonce": "x"}},
		{"V-108 a nonce that is null", nil, change{"nonce": null}},
		{"V-108 no jti", nil, change{"jti": nil}},
		{"an empty jti", nil, change{"jti": ""}},
		{"a jti that is a number", nil, change{"jti": 1}},
		{"V-108 an endless jti", nil, change{"jti": strings.Repeat("x", 2000)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := token(c.header, c.claims)
			_, err := v.Verify(t.Context(), text, now)
			assert.ErrorIs(t, err, logouttoken.ErrInvalid)
			assert.NotErrorIs(t, err, logouttoken.ErrUnavailable)
			assert.NotContains(t, err.Error(), text)
		})
	}
	for name, text := range map[string]string{
		"nothing": "", "text": "a.b.c", "claims that are a token": sign(usual(), []byte(token(nil, nil))),
		"claims that are null": sign(usual(), []byte("null")),
		"a nonce before the other claims": sign(usual(), []byte(strings.Replace(string(claimsOf(token(nil, nil))), `{`,
			`{"nonce":"x",`, 1))),
		"an endless token": strings.Repeat("a", logouttoken.MaxToken) + token(nil, nil),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := v.Verify(t.Context(), text, now)
			assert.ErrorIs(t, err, logouttoken.ErrInvalid)
		})
	}
}

func claimsOf(token string) []byte {
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		panic(err)
	}
	return payload
}

func TestOfTwoClaimsWithOneNameTheLastCounts(t *testing.T) {
	t.Parallel()
	v := verifier(t, there)
	payload := string(claimsOf(token(nil, nil)))
	other := `"iss":"https://evil.example"`
	_, err := v.Verify(t.Context(), sign(usual(), []byte(`{`+other+`,`+payload[1:])), now)
	assert.NoError(t, err)
	_, err = v.Verify(t.Context(), sign(usual(), []byte(payload[:len(payload)-1]+`,`+other+`}`)), now)
	assert.ErrorIs(t, err, logouttoken.ErrInvalid)
}

func TestALogoutTokenOfAnyUsualProviderIsAccepted(t *testing.T) {
	t.Parallel()
	v := verifier(t, there)
	all := logouttoken.Token{Audience: []string{"client"}, Subject: "alice", SID: "s1", ID: "j", Until: now.Add(life + time.Second)}
	with := func(f func(*logouttoken.Token)) logouttoken.Token {
		want := all
		f(&want)
		return want
	}
	for _, c := range []struct {
		name           string
		header, claims change
		want           logouttoken.Token
	}{
		{"as the specification says", nil, nil, all},
		{"the algorithm by its new name", change{"alg": "Ed25519"}, nil, all},
		{"no type", change{"typ": nil}, nil, all},
		{"type JWT", change{"typ": "JWT"}, nil, all},
		{"a type in full", change{"typ": "application/logout+jwt"}, nil, all},
		{"a list of one", nil, change{"aud": []string{"client"}}, all},
		{"more audiences", nil, change{"aud": []string{"client", "other"}}, with(func(w *logouttoken.Token) { w.Audience = []string{"client", "other"} })},
		{"sub alone", nil, change{"sid": nil}, with(func(w *logouttoken.Token) { w.SID = "" })},
		{"sid alone", nil, change{"sub": nil}, with(func(w *logouttoken.Token) { w.Subject = "" })},
		{"fractions", nil, change{"iat": float64(now.Unix()) + 0.5}, all},
		{"a number with an exponent", nil, change{"iat": json.RawMessage("1.8e9")}, all},
		{"a clock that is off", nil, change{"iat": now.Unix() + 30, "exp": now.Unix() + 90}, with(func(w *logouttoken.Token) { w.Until = w.Until.Add(30 * time.Second) })},
		{"claims nobody knows", nil, change{"x": change{"y": 1}, "SUB": "bob"}, all},
		{"a time before which it does not count", nil, change{"nbf": now.Add(time.Hour).Unix()}, all}, // section 2.4 has no nbf
		{"a detailed event", nil, change{"events": change{logoutEvent: change{"x": 1}, "urn:x": 1}}, all},
		{"letters of any script", nil, change{"sub": "Zoë\u0000\U0001f600"}, with(func(w *logouttoken.Token) { w.Subject = "Zoë\u0000\U0001f600" })},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := v.Verify(t.Context(), token(c.header, c.claims), now)
			require.NoError(t, err)
			assert.Equal(t, c.want, *got)
		})
	}
}

func TestALogoutTokenHoldsToTheSecond(t *testing.T) {
	t.Parallel()
	v := verifier(t, there)
	for _, c := range []struct {
		name     string
		iat, exp time.Duration
		ok       bool
	}{
		{"issued as far ahead as clocks may differ", skew, time.Hour, true},
		{"a second more", skew + time.Second, time.Hour, false},
		{"as old as it may be", -life, time.Hour, true},
		{"a second older", -life - time.Second, time.Hour, false},
		{"expired within the difference", -time.Minute, time.Second - skew, true},
		{"expired", -time.Minute, -skew, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			text := token(nil, change{"iat": now.Add(c.iat).Unix(), "exp": now.Add(c.exp).Unix()})
			got, err := v.Verify(t.Context(), text, now)
			if !c.ok {
				assert.ErrorIs(t, err, logouttoken.ErrInvalid)
				return
			}
			require.NoError(t, err)
			_, err = v.Verify(t.Context(), text, got.Until)
			assert.ErrorIs(t, err, logouttoken.ErrInvalid, "it need not be remembered any longer")
		})
	}
}

func TestALogoutTokenThatCannotBeCheckedIsNotCalledInvalid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := true
		v := verifier(t, func() error {
			if down {
				return io.ErrUnexpectedEOF
			}
			return nil
		})
		assert.Equal(t, issuer, v.Issuer())
		_, err := v.Verify(t.Context(), token(nil, nil), now)
		assert.ErrorIs(t, err, logouttoken.ErrUnavailable)
		assert.NotErrorIs(t, err, logouttoken.ErrInvalid)
		_, err = v.Verify(t.Context(), "a.b.c", now)
		assert.ErrorIs(t, err, logouttoken.ErrInvalid, "its form needs no key")
		down = false
		time.Sleep(time.Minute)
		_, err = v.Verify(t.Context(), token(nil, nil), now)
		assert.NoError(t, err)
	})
}

func TestAnIssuerWithoutHTTPSIsRefused(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://idp.example", "idp.example", "https://", "https://me@idp.example", "https://idp.example?x", ""} {
		_, err := logouttoken.New(address, nil)
		assert.Error(t, err, address)
	}
}

// check fails for a token that is accepted without being one.
func check(t *testing.T, text string, got *logouttoken.Token, err error) {
	t.Helper()
	switch {
	case err != nil && !errors.Is(err, logouttoken.ErrInvalid):
		t.Fatalf("%q: %v", text, err)
	case err == nil && (got.ID == "" || got.Subject+got.SID == "" || len(got.Audience) == 0):
		t.Fatalf("%q is accepted as %+v", text, got)
	case err == nil && (got.Until.Before(now) || got.Until.After(now.Add(skew+life+time.Second))):
		t.Fatalf("%q is good until %s", text, got.Until)
	}
}

func FuzzLogoutToken(f *testing.F) {
	v := verifier(f, there)
	f.Add(token(nil, nil))
	f.Add(token(change{"alg": "none", "typ": "JWT"}, change{"iat": "x"}))
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := v.Verify(t.Context(), text, now)
		check(t, text, got, err)
	})
}

func FuzzClaims(f *testing.F) {
	v := verifier(f, there)
	f.Add(claimsOf(token(nil, nil)))
	f.Add(claimsOf(token(nil, change{"aud": []any{"client", nil}, "iat": 1e300, "events": []string{logoutEvent}})))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := v.Verify(t.Context(), sign(usual(), payload), now)
		check(t, string(payload), got, err)
	})
}
