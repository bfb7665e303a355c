package oxd_test

// What becomes of the answers of oxd 4, and what it alone can be sent.

import (
	"encoding/json"
	"testing"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRESTUserInfoHasTheShapeOf31(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body string
		want       oxd.Claims
	}{
		{"claims", `{"sub":"u","name":"Zoë","email_verified":true,"address":{"x":1}}`, oxd.Claims{
			"sub": {"u"}, "name": {"Zoë"}, "email_verified": {"true"}, "address": {`{"x":1}`},
		}},
		{"a claim called error", `{"sub":"u","error":"e"}`, oxd.Claims{"sub": {"u"}, "error": {"e"}}},
		{"refused token", `{"error":"invalid_oxd_id","error_description":"expired","email":"a@example.org"}`, oxd.Claims{}},
		{"nothing", `{}`, oxd.Claims{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f, tr := newOxd4(t)
			f.answer("/get-user-info", 200, tc.body)
			claims, err := newClient(t, tr, oxd.Site{OxdID: "x"}).UserInfo(t.Context(), secret("a"))
			require.NoError(t, err)
			assert.Equal(t, tc.want, claims)
			assert.JSONEq(t, `{"oxd_id":"x","access_token":"a"}`, f.last().body)
		})
	}
}

func TestRESTNeedInfoIsTheWholeBody(t *testing.T) {
	t.Parallel()
	f, tr := newOxd4(t)
	c := newClient(t, tr, oxd.Site{OxdID: "x"})
	f.answer("/uma-rp-get-rpt", 403, `{"error":"need_info","ticket":"t2","required_claims":[{"claim_token_format":["f"],"name":"country",
		"issuer":["https://idp.example.org"]}],"redirect_user":"https://idp.example.org/gather"}`)
	_, err := c.RPT(t.Context(), oxd.RPTParams{Ticket: secret("t")})
	var e *oxd.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, &oxd.NeedInfo{
		Code: "need_info", Ticket: secret("t2"), RedirectUser: "https://idp.example.org/gather",
		RequiredClaims: []oxd.RequiredClaim{{Name: "country", Issuers: []string{"https://idp.example.org"}, ClaimTokenFormats: []string{"f"}}},
	}, e.NeedInfo)

	for status, body := range map[int]string{
		400: `{"error":"invalid_ticket","ticket":"t3"}`,
		403: `{"error":"request_denied","ticket":"t3","required_claims":null,"redirect_user":""}`,
	} {
		f.answer("/uma-rp-get-rpt", status, body)
		_, err = c.RPT(t.Context(), oxd.RPTParams{Ticket: secret("t")})
		require.ErrorAs(t, err, &e)
		assert.Nil(t, e.NeedInfo)
		assert.NotEqual(t, oxd.CodeNeedInfo, e.Code)
	}
	f.answer("/uma-rp-get-rpt", 200, `{"pct":"p","updated":true,"access_token":"rpt","token_type":"Bearer"}`)
	rpt, err := c.RPT(t.Context(), oxd.RPTParams{Ticket: secret("t")})
	require.NoError(t, err)
	assert.True(t, rpt.Upgraded)
}

func TestRESTAccessIsDecidedAsBefore(t *testing.T) {
	t.Parallel()
	f, tr := newOxd4(t)
	c := newClient(t, tr, oxd.Site{OxdID: "3c3f3a1e-8f1b-4c7e-9a57-0b8a4d1f2e60"})
	check := oxd.CheckAccessParams{Path: "/photo", HTTPMethod: "GET"}
	f.answer("/uma-rs-check-access", 200, `{"access":"denied","ticket":"e986fd2b-de83","www-authenticate_header":"UMA realm=\"rs\",as_uri=\"https://idp.example.org\",error=\"insufficient_scope\",ticket=\"e986fd2b-de83\""}`)
	a, err := c.CheckAccess(t.Context(), check)
	require.NoError(t, err)
	assert.False(t, a.Granted)
	assert.Equal(t, "e986fd2b-de83", a.Ticket.Reveal())
	assert.Equal(t, `UMA realm="rs",as_uri="https://idp.example.org",error="insufficient_scope",ticket="e986fd2b-de83"`, a.WWWAuthenticate)
	assert.JSONEq(t, `{"oxd_id":"3c3f3a1e-8f1b-4c7e-9a57-0b8a4d1f2e60","rpt":"","path":"/photo","http_method":"GET"}`, f.last().body)

	for _, body := range []string{`{"access":"granted"}`, `{"access":"granted","ticket":null,"www-authenticate_header":""}`} {
		f.answer("/uma-rs-check-access", 200, body)
		a, err = c.CheckAccess(t.Context(), check)
		require.NoError(t, err)
		assert.Equal(t, &oxd.Access{Granted: true}, a)
	}
	f.answer("/uma-rs-check-access", 403, `{"access":"granted"}`)
	_, err = c.CheckAccess(t.Context(), check)
	require.Error(t, err, "a refusal by status is one")
}

func TestRESTParametersOfOxd4(t *testing.T) {
	t.Parallel()
	f, tr := newOxd4(t)
	ctx := t.Context()
	c := newClient(t, tr, oxd.Site{OxdID: "x"})
	f.answer("/get-authorization-url", 200, `{"authorization_url":"https://idp.example.org/authorize?state=st-1&nonce=no_1&max_age=60"}`)
	p := oxd.AuthorizationURLParams{Params: map[string]string{"max_age": "60", "login_hint": "a&b"}, State: "st-1", Nonce: "no_1"}
	u, err := c.AuthorizationURL(ctx, p)
	require.NoError(t, err)
	assert.Equal(t, "https://idp.example.org/authorize?state=st-1&nonce=no_1&max_age=60", u)
	assert.JSONEq(t, `{"oxd_id":"x","params":{"max_age":"60","login_hint":"a&b"},"state":"st-1","nonce":"no_1"}`, f.last().body)
	for _, url := range []string{"https://idp.example.org/authorize?state=other&nonce=no_1", "https://idp.example.org/authorize?state=st-1"} {
		f.answer("/get-authorization-url", 200, `{"authorization_url":"`+url+`"}`)
		_, err = c.AuthorizationURL(ctx, p)
		require.ErrorIs(t, err, oxd.ErrUnavailable, "not what was chosen")
	}

	f.answer("/uma-rp-get-claims-gathering-url", 200, `{"url":"https://idp.example.org/gather","state":"st-2"}`)
	gather := oxd.ClaimsGatheringParams{Ticket: secret("t"), ClaimsRedirectURI: "https://app.example.org/claims", State: "st-2"}
	g, err := c.ClaimsGatheringURL(ctx, gather)
	require.NoError(t, err)
	assert.Equal(t, "st-2", g.State)
	assert.JSONEq(t, `{"oxd_id":"x","ticket":"t","claims_redirect_uri":"https://app.example.org/claims","state":"st-2"}`, f.last().body)
	gather.State = "st-3"
	_, err = c.ClaimsGatheringURL(ctx, gather)
	require.ErrorIs(t, err, oxd.ErrUnavailable)

	f.answer("/uma-rs-protect", 200, `{"oxd_id":"x"}`)
	resources := []oxd.Resource{{Path: "/photo", Conditions: []oxd.Condition{{HTTPMethods: []string{"GET"}, Scopes: []string{"view"}}}}}
	require.NoError(t, c.ReplaceResources(ctx, resources))
	assert.JSONEq(t, `{"oxd_id":"x","overwrite":true,"resources":[{"path":"/photo","conditions":[{"httpMethods":["GET"],"scopes":["view"]}]}]}`, f.last().body)
	require.NoError(t, c.ProtectResources(ctx, resources))
	assert.NotContains(t, f.last().body, "overwrite")
	f.answer("/uma-rs-protect", 400, `{"error":"uma_protection_exists"}`)
	require.ErrorIs(t, c.ProtectResources(ctx, resources), oxd.CodeUMAProtectionExists)

	f.answer("/remove-site", 200, `{"oxd_id":"other"}`)
	require.NoError(t, c.RemoveSite(ctx, "other"))
	assert.JSONEq(t, `{"oxd_id":"other"}`, f.last().body)

	f.answer("/get-logout-uri", 200, `{"uri":"https://idp.example.org/end?id_token_hint=i"}`)
	_, err = c.LogoutURL(ctx, oxd.LogoutURLParams{IDTokenHint: secret("i")})
	require.NoError(t, err)

	f.answer("/get-access-token-by-refresh-token", 200, `{"scope":["openid","profile"],"access_token":"a","expires_in":299,"refresh_token":"r2"}`)
	tokens, err := c.RefreshTokens(ctx, secret("r"))
	require.NoError(t, err)
	assert.Equal(t, []string{"openid", "profile"}, tokens.Scope)
}

func TestRESTCommandsByName(t *testing.T) {
	t.Parallel()
	f, tr := newOxd4(t)
	c := newClient(t, tr, oxd.Site{OxdID: "x", Protected: true, Credentials: credentials()})
	f.answer("/uma-rs-modify", 200, `{"oxd_id":"x"}`)
	require.NoError(t, c.Do(t.Context(), "uma_rs_modify", map[string]any{"path": "/photo", "http_method": "GET", "scopes": []string{"s"}}, nil))
	assert.Equal(t, "Bearer t1", f.last().authorization)
	f.answer("/get-rp", 200, `{"node":{"oxd_id":"x"}}`)
	var rp struct {
		Node struct {
			OxdID string `json:"oxd_id"`
		}
	}
	require.NoError(t, c.Do(t.Context(), "get_rp", nil, &rp))
	assert.Equal(t, "x", rp.Node.OxdID)
	f.answer("/get-request-object-uri", 200, `{"request_uri":"https://oxd.example.org/get-request-object/1"}`)
	var uri map[string]json.RawMessage
	require.NoError(t, c.Do(t.Context(), "get_request_object_uri", map[string]any{"params": map[string]string{"a": "b"}}, &uri))
	assert.Contains(t, uri, "request_uri")
}
