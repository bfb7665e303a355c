package oxdtest_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestACodeIsExchanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	back := w.logIn(w.browser(), "alice", "alice-secret", nil)
	status, answer := w.redeem(back.Get("code"))
	require.Equal(t, http.StatusOK, status, answer)
	assert.NotEmpty(t, answer["access_token"])
	assert.NotEmpty(t, answer["refresh_token"])
	assert.Equal(t, "bearer", answer["token_type"])
	assert.EqualValues(t, 300, answer["expires_in"])

	claims := claimsOf(t, answer["id_token"])
	now := float64(time.Now().Unix())
	assert.Equal(t, w.provider.URL, claims["iss"])
	assert.Equal(t, w.client.ID, claims["aud"], "a list would be refused by oxd")
	assert.Equal(t, "nonce-1", claims["nonce"])
	assert.Equal(t, back.Get("sid"), claims["sid"])
	assert.Equal(t, "basic", claims["acr"])
	assert.InDelta(t, now, claims["iat"], 60)
	assert.InDelta(t, now, claims["auth_time"], 60)
	assert.InDelta(t, now+3600, claims["exp"], 60)
	sum := sha256.Sum256([]byte(answer["access_token"].(string)))
	assert.Equal(t, base64.RawURLEncoding.EncodeToString(sum[:16]), claims["at_hash"])
	assert.Equal(t, "Alice Ångström", claims["name"])
	assert.Equal(t, "alice@example.com", claims["email"])
	assert.Equal(t, true, claims["email_verified"])
	assert.Equal(t, []any{"admin"}, claims["role"])
	assert.Equal(t, "alice", claims["preferred_username"])
	assert.NotContains(t, claims["sub"], "alice", "the subject is opaque")
	assert.Equal(t, claims["sub"], claimsOf(t, w.tokens()["id_token"])["sub"], "and stable")
}

func TestIDTokensVerifyWithThePublishedKey(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	token, _ := w.tokens()["id_token"].(string)
	parts := strings.Split(token, ".")
	require.Len(t, parts, 3)
	var head struct{ Alg, Kid string }
	raw, err := base64.RawURLEncoding.DecodeString(parts[0])
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &head))
	assert.Equal(t, "RS256", head.Alg)

	_, metadata := w.send(http.MethodGet, "/.well-known/openid-configuration", "", nil)
	_, body := w.send(http.MethodGet, objectOf(t, metadata)["jwks_uri"].(string), "", nil)
	var set struct {
		Keys []struct{ Kty, Use, Alg, Kid, N, E string }
	}
	require.NoError(t, json.Unmarshal(body, &set))
	require.Len(t, set.Keys, 1)
	key := set.Keys[0]
	assert.Equal(t, head.Kid, key.Kid)
	n, err := base64.RawURLEncoding.DecodeString(key.N)
	require.NoError(t, err)
	e, err := base64.RawURLEncoding.DecodeString(key.E)
	require.NoError(t, err)
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	assert.Equal(t, 2048, public.N.BitLen())
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	assert.NoError(t, rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], signature))
}

func TestClaimsFollowScopes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	page, err := w.browser().LogIn(strings.Replace(w.authorizeURL(nil), "openid+profile+email", "openid+email", 1), "alice", "alice-secret")
	require.NoError(t, err)
	_, answer := w.redeem(w.returned(page).Get("code"))
	claims := claimsOf(t, answer["id_token"])
	assert.Equal(t, "alice@example.com", claims["email"])
	assert.NotContains(t, claims, "name")
	assert.NotContains(t, claims, "role")
	_, info := w.send(http.MethodGet, "/oxauth/restv1/userinfo", answer["access_token"].(string), nil)
	assert.NotContains(t, objectOf(t, info), "name")
}

func TestCodeReuseRevokesItsTokens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	code := w.logIn(w.browser(), "alice", "alice-secret", nil).Get("code")
	_, answer := w.redeem(code)
	require.True(t, w.active(answer["access_token"]))

	status, refusal := w.redeem(code)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "invalid_grant", refusal["error"])
	assert.Equal(t, 1, w.provider.CodeReuses())
	assert.False(t, w.active(answer["access_token"]))
	status, refusal = w.refresh(answer["refresh_token"])
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "invalid_grant", refusal["error"])
	assert.Zero(t, w.provider.ReuseDetected(), "the refresh token itself was used once")
}

func TestCodeExchangeRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	other := w.register(nil)
	withoutCode := w.register(map[string]any{"grant_types": []string{"client_credentials"}})
	b := w.browser()
	form := func(change url.Values) url.Values {
		f := url.Values{
			"grant_type": {"authorization_code"}, "redirect_uri": {w.callback()},
			"code": {w.logIn(b, "alice", "alice-secret", nil).Get("code")},
		}
		for name, values := range change {
			f[name] = values
		}
		return f
	}
	cases := []struct {
		name   string
		client testClient
		form   url.Values
		code   string
	}{
		{"an unknown code", w.client, form(url.Values{"code": {"x"}}), "invalid_grant"},
		{"another redirect URI", w.client, form(url.Values{"redirect_uri": {w.callback() + "/"}}), "invalid_grant"},
		{"no redirect URI", w.client, form(url.Values{"redirect_uri": nil}), "invalid_grant"},
		{"the code of another client", other, form(nil), "invalid_grant"},
		{"a client without the grant", withoutCode, form(nil), "unauthorized_client"},
		{"no grant type", w.client, form(url.Values{"grant_type": nil}), "invalid_request"},
		{"an unknown grant type", w.client, form(url.Values{"grant_type": {"password"}}), "unsupported_grant_type"},
		{"two codes", w.client, form(url.Values{"code": {"x", "y"}}), "invalid_request"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, answer := w.with(t).post(c.client, "/oxauth/restv1/token", c.form)
			assert.Equal(t, http.StatusBadRequest, status)
			assert.Equal(t, c.code, answer["error"])
			assert.NotContains(t, answer, "access_token")
		})
	}
}

func (w *world) refresh(token any) (int, map[string]any) {
	w.t.Helper()
	text, ok := token.(string)
	require.True(w.t, ok)
	return w.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {text}})
}

func TestRefreshRotates(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.tokens()
	status, second := w.refresh(first["refresh_token"])
	require.Equal(t, http.StatusOK, status)
	assert.NotEqual(t, first["refresh_token"], second["refresh_token"])
	assert.NotEqual(t, first["access_token"], second["access_token"])
	assert.Equal(t, "openid profile email", second["scope"])
	assert.NotContains(t, second, "id_token")
	assert.Equal(t, 1, w.provider.Refreshes())

	status, third := w.refresh(second["refresh_token"])
	require.Equal(t, http.StatusOK, status)

	status, refusal := w.refresh(first["refresh_token"])
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "invalid_grant", refusal["error"])
	assert.Equal(t, 1, w.provider.ReuseDetected())
	for _, token := range []any{first["access_token"], second["access_token"], third["access_token"]} {
		assert.False(t, w.active(token), "reuse ends the whole family")
	}
	status, _ = w.refresh(third["refresh_token"])
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, 2, w.provider.Refreshes())
}

func TestARefreshCanNarrowTheScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cases := []struct{ name, scope, granted, code string }{
		{"a part", "openid email", "openid email", ""},
		{"encoded twice as oxd does", "openid+email", "openid email", ""},
		{"more than granted", "openid uma_protection", "", "invalid_scope"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			refresh, _ := w.tokens()["refresh_token"].(string)
			_, answer := w.token(url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "scope": {c.scope}})
			if c.code != "" {
				assert.Equal(t, c.code, answer["error"])
				return
			}
			assert.Equal(t, c.granted, answer["scope"])
		})
	}
}

func TestRefreshRefusesOtherClients(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := w.tokens()
	w.client = w.register(nil)
	status, answer := w.refresh(tokens["refresh_token"])
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "invalid_grant", answer["error"])
	assert.True(t, w.active(tokens["access_token"]), "a stranger cannot end the login")
}

func TestRefreshesAtOnceCollide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tokens := w.tokens()
	w.provider.SetRefreshDelay(20 * time.Millisecond)
	var wg sync.WaitGroup
	var mu sync.Mutex
	granted := 0
	for range 4 {
		wg.Go(func() {
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {tokens["refresh_token"].(string)}}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.provider.URL+"/oxauth/restv1/token", strings.NewReader(form.Encode()))
			if !assert.NoError(t, err) {
				return
			}
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.SetBasicAuth(w.client.ID, w.client.Secret)
			resp, err := w.http.Do(req)
			if !assert.NoError(t, err) {
				return
			}
			_ = resp.Body.Close()
			mu.Lock()
			defer mu.Unlock()
			if resp.StatusCode == http.StatusOK {
				granted++
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 1, granted)
	assert.Equal(t, 1, w.provider.Refreshes())
	assert.Equal(t, 1, w.provider.ReuseDetected(), "after the first reuse the family is gone")
}

func TestRefreshTokensOnlyWhereRegistered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provider.SetRefreshTokens(false)
	assert.NotContains(t, w.tokens(), "refresh_token")
	w.provider.SetRefreshTokens(true)
	assert.Contains(t, w.tokens(), "refresh_token")
	w.client = w.register(map[string]any{"grant_types": []string{"authorization_code"}})
	assert.NotContains(t, w.tokens(), "refresh_token")
	status, answer := w.refresh("anything")
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "unauthorized_client", answer["error"])
}

func TestAClientGetsATokenForItself(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status, answer := w.token(url.Values{"grant_type": {"client_credentials"}, "scope": {"uma_protection+openid"}})
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, "uma_protection openid", answer["scope"], "the scope came encoded twice")
	assert.NotContains(t, answer, "refresh_token")
	assert.EqualValues(t, 300, answer["expires_in"])

	status, answer = w.token(url.Values{"grant_type": {"client_credentials"}, "scope": {"unheard_of"}})
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "invalid_scope", answer["error"])

	w.client = w.register(map[string]any{"grant_types": nil})
	status, answer = w.token(url.Values{"grant_type": {"client_credentials"}})
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "unauthorized_client", answer["error"])
}
