package oxd_test

// Answers about tokens and about the provider.

import (
	"context"
	"strings"
	"testing"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// at4 is a client of an oxd 4 that answers one command.
func at4(t testing.TB, path, body string) (*oxd4, *oxd.Client) {
	f, tr := newOxd4(t)
	f.answer(path, 200, body)
	return f, newClient(t, tr, oxd.Site{OxdID: "x", Params: siteParams()})
}

func TestIntrospectionOfAnRPT(t *testing.T) {
	t.Parallel()
	f, c := at4(t, "/introspect-rpt", `{"active":true,"exp":1501860330,"iat":1501856730,"nbf":null,"client_id":"c","sub":"","aud":"",
		"permissions":[{"resource_id":"r1","resource_scopes":["view","all"],"exp":1501860000},{"resource_id":"r2","resource_scopes":[]}]}`)
	r, err := c.IntrospectRPT(t.Context(), secret("rpt"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"oxd_id":"x","rpt":"rpt"}`, f.last().body)
	assert.Equal(t, &oxd.RPTIntrospection{
		Active: true, ExpiresAt: time.Unix(1501860330, 0), IssuedAt: time.Unix(1501856730, 0), ClientID: "c",
		Permissions: []oxd.RPTPermission{
			{ResourceID: "r1", Scopes: []string{"view", "all"}, ExpiresAt: time.Unix(1501860000, 0)},
			{ResourceID: "r2"},
		},
	}, r)
}

func TestIntrospectionOfAnAccessToken(t *testing.T) {
	t.Parallel()
	f, c := at4(t, "/introspect-access-token", `{"active":true,"scope":["openid","oxd"],"client_id":"c","username":"u","token_type":"bearer",
		"exp":1501860330,"iat":1501856730,"sub":"s","aud":"a","iss":"https://idp.example.org","jti":null,"acr_values":"otp"}`)
	r, err := c.IntrospectAccessToken(t.Context(), secret("at"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"oxd_id":"x","access_token":"at"}`, f.last().body)
	assert.Equal(t, &oxd.AccessTokenIntrospection{
		Active: true, Scope: []string{"openid", "oxd"}, Audience: []string{"a"}, ClientID: "c", Username: "u", TokenType: "bearer",
		Subject: "s", Issuer: "https://idp.example.org", ACRValues: "otp",
		ExpiresAt: time.Unix(1501860330, 0), IssuedAt: time.Unix(1501856730, 0),
	}, r)
}

func TestChecksOfTokens(t *testing.T) {
	t.Parallel()
	f, c := at4(t, "/check-id-token", `{"active":true,"claims":{"sub":["u"]},"expires_at":1501860330,"issued_at":1501856730}`)
	id, err := c.CheckIDToken(t.Context(), oxd.CheckIDTokenParams{
		IDToken: secret("i"), State: "s", Code: secret("c"), AccessToken: secret("a"),
	})
	require.NoError(t, err)
	assert.JSONEq(t, `{"oxd_id":"x","id_token":"i","state":"s","code":"c","access_token":"a"}`, f.last().body)
	assert.Equal(t, &oxd.IDTokenStatus{
		Active: true, Claims: oxd.Claims{"sub": {"u"}}, ExpiresAt: time.Unix(1501860330, 0), IssuedAt: time.Unix(1501856730, 0),
	}, id)

	f.answer("/check-access-token", 200, `{"active":false,"expires_at":1501860330250,"issued_at":null}`)
	at, err := c.CheckAccessToken(t.Context(), secret("i"), secret("a"))
	require.NoError(t, err)
	assert.JSONEq(t, `{"oxd_id":"x","id_token":"i","access_token":"a"}`, f.last().body)
	assert.Equal(t, &oxd.AccessTokenStatus{ExpiresAt: time.UnixMilli(1501860330250)}, at)
}

func TestQuestionsAboutTheProvider(t *testing.T) {
	t.Parallel()
	const discovery = `{"issuer":"https://idp.example.org","authorization_endpoint":"https://idp.example.org/a","token_endpoint":"https://idp.example.org/t",
		"jwks_uri":"https://idp.example.org/j","user_info_endpoint":"https://idp.example.org/u","end_session_endpoint":"javascript:x",
		"scopes_supported":["openid"],"acr_values_supported":[]}`
	f, c := at4(t, "/get-discovery", discovery)
	m, err := c.Discovery(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"/get-discovery"}, f.log(), "neither site nor token")
	assert.JSONEq(t, `{"op_host":"https://idp.example.org"}`, f.last().body)
	assert.Equal(t, &oxd.ProviderMetadata{
		Issuer: "https://idp.example.org", AuthorizationEndpoint: "https://idp.example.org/a", TokenEndpoint: "https://idp.example.org/t",
		JWKSURI: "https://idp.example.org/j", UserInfoEndpoint: "https://idp.example.org/u",
		ScopesSupported: []string{"openid"}, All: []byte(discovery),
	}, m)

	f.answer("/get-jwks", 200, `{"keys":[{"kid":"1"}]}`)
	keys, err := c.JWKS(t.Context())
	require.NoError(t, err)
	assert.JSONEq(t, `{"keys":[{"kid":"1"}]}`, string(keys))

	link := func(rel, href string) string { return `{"rel":"` + rel + `","href":"` + href + `"}` }
	const rel = "http://openid.net/specs/connect/1.0/issuer"
	f.answer("/get-issuer", 200, `{"subject":"a","links":[`+link("x", "https://x.example")+","+link(rel, "https://idp.example.org")+`]}`)
	issuer, err := c.Issuer(t.Context(), "a@example.org")
	require.NoError(t, err)
	assert.Equal(t, "https://idp.example.org", issuer)
	assert.JSONEq(t, `{"resource":"a@example.org","op_host":"https://idp.example.org"}`, f.last().body)
	f.answer("/get-issuer", 200, `{"links":[`+link(rel, "https://a.example")+","+link(rel, "https://b.example")+`]}`)
	_, err = c.Issuer(t.Context(), "a@example.org")
	require.ErrorIs(t, err, oxd.ErrUnavailable)

	_, tr := newOxd4(t)
	_, err = newClient(t, tr, oxd.Site{OxdID: "x"}).Discovery(t.Context())
	require.ErrorContains(t, err, "OP host of the site is empty")
	elsewhere, tr := newOxd4(t)
	c = newClient(t, tr, oxd.Site{OxdID: "x", Protected: true, Credentials: credentials()})
	for path, call := range map[string]func() error{
		"/get-jwks":      func() error { _, err := c.JWKS(t.Context()); return err },
		"/get-discovery": func() error { _, err := c.Discovery(t.Context()); return err },
		"/get-issuer":    func() error { _, err := c.Issuer(t.Context(), "a@example.org"); return err },
	} {
		require.ErrorIs(t, call(), oxd.ErrUnsupported)
		assert.Equal(t, path, elsewhere.last().path)
		assert.Contains(t, elsewhere.last().body, `"op_host":"https://idp.example.org"`)
		assert.Empty(t, elsewhere.last().authorization)
		require.ErrorIs(t, c.Do(t.Context(), strings.ReplaceAll(path[1:], "-", "_"), nil, nil), oxd.ErrUnsupported)
		assert.Equal(t, "{}", elsewhere.last().body)
	}
	assert.Len(t, elsewhere.log(), 6, "no token was fetched")
}

func TestAnswersOfOxd4WithoutWhatMattersAreErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		path   string
		call   func(context.Context, *oxd.Client) (any, error)
		bodies []string
	}{
		"RPT": {"/introspect-rpt", func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.IntrospectRPT(ctx, secret("r"))
		}, []string{`{}`, `{"active":null}`, `{"active":true,"permissions":[1]}`, `{"active":true,"permissions":{"a":1}}`, `{"Active":true}`}},
		"introspection": {"/introspect-access-token", func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.IntrospectAccessToken(ctx, secret("a"))
		}, []string{`{}`, `{"active":[true]}`}},
		"ID token": {"/check-id-token", func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.CheckIDToken(ctx, oxd.CheckIDTokenParams{IDToken: secret("i")})
		}, []string{`{}`, `{"active":true,"claims":"x"}`}},
		"access token": {"/check-access-token", func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.CheckAccessToken(ctx, secret("i"), secret("a"))
		}, []string{`{}`}},
		"discovery": {"/get-discovery", func(ctx context.Context, c *oxd.Client) (any, error) { return c.Discovery(ctx) }, []string{`{}`}},
		"keys": {"/get-jwks", func(ctx context.Context, c *oxd.Client) (any, error) { return c.JWKS(ctx) },
			[]string{`{}`, `{"keys":[]}`, `{"keys":{}}`, `{"keys":null}`}},
		"issuer": {"/get-issuer", func(ctx context.Context, c *oxd.Client) (any, error) { return c.Issuer(ctx, "a@example.org") },
			[]string{`{}`, `{"links":"x"}`, `{"links":[{"rel":"http://openid.net/specs/connect/1.0/issuer","href":"ftp://x"}]}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, body := range tc.bodies {
				_, c := at4(t, tc.path, body)
				got, err := tc.call(t.Context(), c)
				require.ErrorIs(t, err, oxd.ErrUnavailable, body)
				assert.Empty(t, got)
			}
		})
	}
	_, c := at4(t, "/", "")
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"no RPT":          func() error { _, err := c.IntrospectRPT(ctx, oxd.Secret{}); return err },
		"no token":        func() error { _, err := c.IntrospectAccessToken(ctx, oxd.Secret{}); return err },
		"no ID token":     func() error { _, err := c.CheckIDToken(ctx, oxd.CheckIDTokenParams{State: "s"}); return err },
		"no access token": func() error { _, err := c.CheckAccessToken(ctx, secret("i"), oxd.Secret{}); return err },
		"no resource":     func() error { _, err := c.Issuer(ctx, ""); return err },
		"no oxd_id":       func() error { return c.RemoveSite(ctx, "") },
	} {
		require.ErrorContains(t, call(), "is empty", name)
	}
}
