package oxd_test

// What is made of ok answers.

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnswersWithoutWhatMattersAreErrors(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	calls := map[string]func(c *oxd.Client) (any, error){
		"RegisterSite": func(c *oxd.Client) (any, error) { r, err := c.RegisterSite(ctx, siteParams()); return r == nil, err },
		"SetupClient":  func(c *oxd.Client) (any, error) { r, err := c.SetupClient(ctx, siteParams()); return r == nil, err },
		"AuthorizationURL": func(c *oxd.Client) (any, error) {
			u, err := c.AuthorizationURL(ctx, oxd.AuthorizationURLParams{})
			return u == "", err
		},
		"TokensByCode":  func(c *oxd.Client) (any, error) { r, err := c.TokensByCode(ctx, "c", "s"); return r == nil, err },
		"RefreshTokens": func(c *oxd.Client) (any, error) { r, err := c.RefreshTokens(ctx, secret("r")); return r == nil, err },
		"LogoutURL": func(c *oxd.Client) (any, error) {
			u, err := c.LogoutURL(ctx, oxd.LogoutURLParams{IDTokenHint: secret("i")})
			return u == "", err
		},
		"RPT": func(c *oxd.Client) (any, error) {
			r, err := c.RPT(ctx, oxd.RPTParams{Ticket: secret("t")})
			return r == nil, err
		},
		"ClaimsGatheringURL": func(c *oxd.Client) (any, error) {
			r, err := c.ClaimsGatheringURL(ctx, oxd.ClaimsGatheringParams{Ticket: secret("t"), ClaimsRedirectURI: "https://a.example/"})
			return r == nil, err
		},
		"ClientToken": func(c *oxd.Client) (any, error) {
			r, err := c.ClientToken(ctx, oxd.ClientTokenParams{OPHost: "h", ClientID: "c", ClientSecret: secret("s")})
			return r == nil, err
		},
		"Do": func(c *oxd.Client) (any, error) {
			var into struct{ A int }
			return true, c.Do(ctx, "x", nil, &into)
		},
	}
	for _, data := range []string{
		`[]`, `"x"`, `{"oxd_id":"","access_token":[],"authorization_url":"javascript:alert(1)","uri":"/relative","url":"https://","a":"b"}`,
		`{"OXD_ID":"o","ACCESS_TOKEN":"a","Authorization_Url":"https://x.example/","URI":"https://x.example","URL":"https://x.example/","a":[]}`,
		`{"access_token":null,"authorization_url":"https://x.example/\n","uri":["https://x.example/"],"url":"https://x.example/","state":null,"a":""}`,
	} {
		for name, call := range calls {
			c := newClient(t, answering(data), oxd.Site{OxdID: "x"})
			empty, err := call(c)
			require.ErrorIs(t, err, oxd.ErrUnavailable, "%s: %s", name, data)
			assert.Equal(t, true, empty, "%s: %s", name, data)
		}
	}
}

func TestClaimsOfWrongKindAreErrors(t *testing.T) {
	t.Parallel()
	c := newClient(t, answering(`{"claims":["sub"],"id_token_claims":"x","access_token":"a"}`), oxd.Site{OxdID: "x"})
	claims, err := c.UserInfo(t.Context(), secret("a"))
	require.ErrorIs(t, err, oxd.ErrUnavailable)
	assert.Nil(t, claims)
	tokens, err := c.TokensByCode(t.Context(), "c", "s")
	require.ErrorIs(t, err, oxd.ErrUnavailable)
	assert.Nil(t, tokens)
}

func TestTokensAreRead(t *testing.T) {
	t.Parallel()
	c, _ := record(t, `{"access_token":"a","expires_in":299,"id_token":"i","refresh_token":null,"id_token_claims":{"sub":["u"],"nonce":["n"]}}`)
	got, err := c.TokensByCode(t.Context(), "c", "s")
	require.NoError(t, err)
	assert.Equal(t, "a", got.AccessToken.Reveal())
	assert.Equal(t, "i", got.IDToken.Reveal())
	assert.True(t, got.RefreshToken.IsZero())
	assert.Equal(t, 299*time.Second, got.ExpiresIn)
	assert.Equal(t, "n", got.Claims.Get("nonce"))
	assert.Empty(t, got.Scope)
}

func TestSetupClientIsRead(t *testing.T) {
	t.Parallel()
	c, _ := record(t, `{"oxd_id":"o","op_host":"h","client_id":"c","client_secret":"s","client_registration_access_token":"r",
		"client_registration_client_uri":"u","client_id_issued_at":1501854943,"client_secret_expires_at":"1501941343"}`)
	got, err := c.SetupClient(t.Context(), siteParams())
	require.NoError(t, err)
	assert.Equal(t, &oxd.SetupClientResult{
		OxdID: "o", OPHost: "h", ClientID: "c", ClientSecret: got.ClientSecret,
		RegistrationAccessToken: got.RegistrationAccessToken, RegistrationClientURI: "u",
		ClientIDIssuedAt: time.Unix(1501854943, 0), ClientSecretExpiresAt: time.Unix(1501941343, 0),
	}, got)
	assert.Equal(t, "s", got.ClientSecret.Reveal())
	assert.Equal(t, "r", got.RegistrationAccessToken.Reveal())
}

func TestAccessIsGrantedOnlyIfOxdSaysExactlyThat(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]bool{
		`{"access":"granted"}`:                     true,
		`{"access":"denied","ACCESS":"granted"}`:   false,
		`{"Access":"granted"}`:                     false,
		`{"access":"denied"}`:                      false,
		`{"access":"Granted"}`:                     false,
		`{"access":"granted "}`:                    false,
		`{"access":["granted"]}`:                   false,
		`{"access":{"granted":true}}`:              false,
		`{"access":true}`:                          false,
		`{"access":null}`:                          false,
		`{"access":""}`:                            false,
		`{}`:                                       false,
		`null`:                                     false,
		`{"access":"not_protected"}`:               false,
		`{"granted":"granted","ticket":"granted"}`: false,
	} {
		c := newClient(t, answering(data), oxd.Site{OxdID: "x"})
		got, err := c.CheckAccess(t.Context(), oxd.CheckAccessParams{RPT: secret("r"), Path: "/", HTTPMethod: "GET"})
		require.NoError(t, err, data)
		assert.Equal(t, want, got.Granted, data)
	}
	for _, resp := range []*oxd.Response{
		nil, {}, {Status: "OK", Data: json.RawMessage(`{"access":"granted"}`)},
		{Status: "error", Data: json.RawMessage(`{"access":"granted"}`)},
		{Status: "ok", Data: json.RawMessage(`["access","granted"]`)},
		{Status: "ok", Data: json.RawMessage(`{"access":"denied","access":"granted"}`)},
		{Status: "ok", Data: json.RawMessage(`{"access":"granted","access":"denied"}`)},
	} {
		c := newClient(t, scripted(func(context.Context, *oxd.Request) (*oxd.Response, error) { return resp, nil }), oxd.Site{OxdID: "x"})
		got, err := c.CheckAccess(t.Context(), oxd.CheckAccessParams{Path: "/", HTTPMethod: "GET"})
		require.Error(t, err)
		assert.Nil(t, got)
	}
}

func TestDeniedAccessCarriesTicketAndHeader(t *testing.T) {
	t.Parallel()
	const header = `UMA realm="rs",as_uri="https://idp.example.org",error="insufficient_scope",ticket="t"`
	for _, tc := range []struct{ sent, want string }{
		{header, header}, {header + "\r\nSet-Cookie: a=b", ""}, {"a\x00", ""}, {"", ""},
	} {
		data, err := json.Marshal(params{"access": "denied", "ticket": "t", "www-authenticate_header": tc.sent})
		require.NoError(t, err)
		c := newClient(t, answering(string(data)), oxd.Site{OxdID: "x"})
		got, err := c.CheckAccess(t.Context(), oxd.CheckAccessParams{Path: "/", HTTPMethod: "GET"})
		require.NoError(t, err)
		assert.False(t, got.Granted)
		assert.Equal(t, "t", got.Ticket.Reveal())
		assert.Equal(t, tc.want, got.WWWAuthenticate)
	}
}

func TestUpgradedIsReadUnderBothNames(t *testing.T) {
	t.Parallel()
	for data, want := range map[string]bool{
		`{"access_token":"a","updated":true}`: true, `{"access_token":"a","upgraded":true}`: true,
		`{"access_token":"a","updated":"true"}`: true, `{"access_token":"a","updated":false}`: false,
		`{"access_token":"a"}`: false, `{"access_token":"a","updated":1}`: false,
	} {
		c := newClient(t, answering(data), oxd.Site{OxdID: "x"})
		got, err := c.RPT(t.Context(), oxd.RPTParams{Ticket: secret("t")})
		require.NoError(t, err)
		assert.Equal(t, want, got.Upgraded, data)
	}
}

func TestDoDecodesTheAnswer(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	var got struct{ Valid bool }
	require.NoError(t, f.knownClient(t).Do(t.Context(), "license_status", struct{}{}, &got))
	assert.True(t, got.Valid)
}
