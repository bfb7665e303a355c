package oxd_test

// Every command: what is sent, and what is refused before.

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// record is a client that notes the last request and answers with data.
func record(t testing.TB, data string) (*oxd.Client, *oxd.Request) {
	var last oxd.Request
	c := newClient(t, scripted(func(_ context.Context, req *oxd.Request) (*oxd.Response, error) {
		last = *req
		return &oxd.Response{Status: "ok", Data: json.RawMessage(data)}, nil
	}), oxd.Site{OxdID: "x"})
	return c, &last
}

func fullParams() oxd.RegisterSiteParams {
	return oxd.RegisterSiteParams{
		AuthorizationRedirectURI: "https://app.example.org/cb",
		OPHost:                   "idp.example.org/",
		OPDiscoveryPath:          "oxauth",
		PostLogoutRedirectURI:    "https://app.example.org/bye",
		RedirectURIs:             []string{"https://app.example.org/cb2"},
		ApplicationType:          "web",
		ResponseTypes:            []string{"code"},
		GrantTypes:               []string{"authorization_code"},
		Scope:                    []string{"openid"},
		ACRValues:                []string{"basic"},
		ClientName:               "Zoë",
		ClientJWKSURI:            "https://app.example.org/jwks",
		TokenEndpointAuthMethod:  "client_secret_basic",
		RequestURIs:              []string{"https://app.example.org/req"},
		FrontchannelLogoutURIs:   []string{"https://app.example.org/fc"},
		SectorIdentifierURI:      "https://app.example.org/sector",
		Contacts:                 []string{"a@example.org"},
		UILocales:                []string{"de"},
		ClaimsLocales:            []string{"fr"},
		ClaimsRedirectURI:        []string{"https://app.example.org/claims"},
		ClientID:                 "cid",
		ClientSecret:             secret("csec"),
		TrustedClient:            true,
	}
}

const fullWire = `{
	"authorization_redirect_uri":"https://app.example.org/cb","op_host":"https://idp.example.org",
	"post_logout_redirect_uri":"https://app.example.org/",
	"op_discovery_path":"/oxauth","post_logout_redirect_uri":"https://app.example.org/bye",
	"redirect_uris":["https://app.example.org/cb2"],"application_type":"web","response_types":["code"],
	"grant_types":["authorization_code"],"scope":["openid"],"acr_values":["basic"],"client_name":"Zoë",
	"client_jwks_uri":"https://app.example.org/jwks","client_token_endpoint_auth_method":"client_secret_basic",
	"client_request_uris":["https://app.example.org/req"],"client_frontchannel_logout_uris":["https://app.example.org/fc"],
	"client_sector_identifier_uri":"https://app.example.org/sector","contacts":["a@example.org"],
	"ui_locales":["de"],"claims_locales":["fr"],"claims_redirect_uri":["https://app.example.org/claims"],
	"client_id":"cid","client_secret":"csec","trusted_client":true}`

const minimalWire = `{
	"authorization_redirect_uri":"https://app.example.org/cb","op_host":"https://idp.example.org",
	"post_logout_redirect_uri":"https://app.example.org/",
	"grant_types":["authorization_code","refresh_token","client_credentials"],
	"scope":["openid","profile","email","uma_protection"]}`

func TestCommandsSendTheNamesThatTheServerReads(t *testing.T) {
	t.Parallel()
	const setup = `{"oxd_id":"o","client_id":"c","client_secret":"s"}`
	const tokens = `{"access_token":"a"}`
	const link = `{"authorization_url":"https://x.example/a","uri":"https://x.example/l","url":"https://x.example/g","state":"st"}`
	for _, tc := range []struct {
		name, command, data string
		call                func(context.Context, *oxd.Client) (any, error)
		want                string
	}{
		{"register_site with all", "register_site", `{"oxd_id":"o"}`, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.RegisterSite(ctx, fullParams())
		}, fullWire},
		{"register_site with little", "register_site", `{"oxd_id":"o"}`, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.RegisterSite(ctx, siteParams())
		}, minimalWire},
		{"setup_client with all", "setup_client", setup, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.SetupClient(ctx, fullParams())
		}, fullWire},
		{"setup_client with little", "setup_client", setup, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.SetupClient(ctx, siteParams())
		}, minimalWire},
		{"get_client_token", "get_client_token", tokens, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.ClientToken(ctx, oxd.ClientTokenParams{
				OPHost: "idp.example.org", OPDiscoveryPath: "/oxauth/", ClientID: "c", ClientSecret: secret("s"), Scope: []string{"openid"},
			})
		}, `{"op_host":"https://idp.example.org","op_discovery_path":"/oxauth","client_id":"c","client_secret":"s","scope":["openid"]}`},
		{"update with all", "update_site_registration", `{"oxd_id":"x"}`, func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.UpdateSite(ctx, oxd.UpdateSiteParams{
				AuthorizationRedirectURI: "https://app.example.org/cb", PostLogoutRedirectURI: "https://app.example.org/bye",
				RedirectURIs: []string{"r"}, ResponseTypes: []string{"code"}, GrantTypes: []string{"g"}, Scope: []string{"s"},
				ClientJWKSURI: "j", RequestURIs: []string{"q"}, FrontchannelLogoutURIs: []string{"f"}, SectorIdentifierURI: "i",
				Contacts: []string{"c"}, ClientName: "n", TokenEndpointAuthMethod: "m",
				ACRValues: []string{"a"}, UILocales: []string{"u"}, ClaimsLocales: []string{"l"},
				ClientSecretExpiresAt: time.UnixMilli(1893456000123),
			})
		}, `{"oxd_id":"x","authorization_redirect_uri":"https://app.example.org/cb","post_logout_redirect_uri":"https://app.example.org/bye",
			"redirect_uris":["r"],"response_types":["code"],"grant_types":["g"],"scope":["s"],"client_jwks_uri":"j",
			"client_request_uris":["q"],"client_frontchannel_logout_uris":["f"],"client_logout_uris":["f"],
			"client_sector_identifier_uri":"i","contacts":["c"],"client_name":"n","client_token_endpoint_auth_method":"m",
			"acr_values":["a"],"ui_locales":["u"],"claims_locales":["l"],"client_secret_expires_at":1893456000123}`},
		{"update of the redirect URI alone", "update_site_registration", `{"oxd_id":"x"}`, func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.UpdateSite(ctx, oxd.UpdateSiteParams{AuthorizationRedirectURI: "https://app.example.org/new"})
		}, `{"oxd_id":"x","authorization_redirect_uri":"https://app.example.org/new","redirect_uris":["https://app.example.org/new"],
			"grant_types":["authorization_code","refresh_token","client_credentials"]}`},
		{"get_authorization_url with all", "get_authorization_url", link, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.AuthorizationURL(ctx, oxd.AuthorizationURLParams{
				Scope: []string{"openid"}, ACRValues: []string{"otp"}, Prompt: "login consent", HD: "a&b.example",
				CustomParameters: map[string]string{"p": "v"},
			})
		}, `{"oxd_id":"x","scope":["openid"],"acr_values":["otp"],"prompt":"login+consent","hd":"a%26b.example","custom_parameters":{"p":"v"}}`},
		{"get_authorization_url with nothing", "get_authorization_url", link, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.AuthorizationURL(ctx, oxd.AuthorizationURLParams{})
		}, `{"oxd_id":"x"}`},
		{"get_tokens_by_code", "get_tokens_by_code", tokens, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.TokensByCode(ctx, "c", "s")
		}, `{"oxd_id":"x","code":"c","state":"s"}`},
		{"refresh", "get_access_token_by_refresh_token", tokens, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.RefreshTokens(ctx, secret("r"))
		}, `{"oxd_id":"x","refresh_token":"r"}`},
		{"refresh with scopes", "get_access_token_by_refresh_token", tokens, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.RefreshTokens(ctx, secret("r"), "a", "b")
		}, `{"oxd_id":"x","refresh_token":"r","scope":["a","b"]}`},
		{"get_user_info", "get_user_info", `{"claims":{"sub":["u"]}}`, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.UserInfo(ctx, secret("a"))
		}, `{"oxd_id":"x","access_token":"a"}`},
		{"get_logout_uri", "get_logout_uri", link, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.LogoutURL(ctx, oxd.LogoutURLParams{
				IDTokenHint: secret("id"), PostLogoutRedirectURI: "https://app.example.org/bye?a=b", State: "s&t", SessionState: "u v",
			})
		}, `{"oxd_id":"x","id_token_hint":"id","post_logout_redirect_uri":"https://app.example.org/bye?a=b","state":"s%26t","session_state":"u+v"}`},
		{"uma_rs_protect", "uma_rs_protect", `null`, func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.ProtectResources(ctx, []oxd.Resource{{Path: "/photo", Conditions: []oxd.Condition{
				{HTTPMethods: []string{"GET"}, Scopes: []string{"view"}},
				{HTTPMethods: []string{"PUT"}, Scopes: []string{"all"}, TicketScopes: []string{"add"}},
			}}})
		}, `{"oxd_id":"x","resources":[{"path":"/photo","conditions":[{"httpMethods":["GET"],"scopes":["view"]},
			{"httpMethods":["PUT"],"scopes":["all"],"ticketScopes":["add"]}]}]}`},
		{"uma_rs_check_access", "uma_rs_check_access", `{}`, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.CheckAccess(ctx, oxd.CheckAccessParams{Path: "/photo", HTTPMethod: "GET"})
		}, `{"oxd_id":"x","rpt":"","path":"/photo","http_method":"GET"}`},
		{"uma_rp_get_rpt with all", "uma_rp_get_rpt", tokens, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.RPT(ctx, oxd.RPTParams{
				Ticket: secret("t"), ClaimToken: secret("ct"), ClaimTokenFormat: "f", PCT: secret("p"), RPT: secret("r"),
				Scope: []string{"s"}, State: "st",
			})
		}, `{"oxd_id":"x","ticket":"t","claim_token":"ct","claim_token_format":"f","pct":"p","rpt":"r","scope":["s"],"state":"st"}`},
		{"uma_rp_get_rpt with a ticket", "uma_rp_get_rpt", tokens, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.RPT(ctx, oxd.RPTParams{Ticket: secret("t")})
		}, `{"oxd_id":"x","ticket":"t"}`},
		{"uma_rp_get_claims_gathering_url", "uma_rp_get_claims_gathering_url", link, func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.ClaimsGatheringURL(ctx, oxd.ClaimsGatheringParams{Ticket: secret("t"), ClaimsRedirectURI: "https://app.example.org/claims"})
		}, `{"oxd_id":"x","ticket":"t","claims_redirect_uri":"https://app.example.org/claims"}`},
		{"Do with a site", "id_token_status", `{}`, func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.Do(ctx, "id_token_status", map[string]string{"id_token": "i"}, nil)
		}, `{"oxd_id":"x","id_token":"i"}`},
		{"Do for another site", "id_token_status", `{}`, func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.Do(ctx, "id_token_status", map[string]string{"oxd_id": "y"}, nil)
		}, `{"oxd_id":"y"}`},
		{"Do without a site", "license_status", `{}`, func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.Do(ctx, "license_status", nil, nil)
		}, `{}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c, last := record(t, tc.data)
			_, err := tc.call(t.Context(), c)
			require.NoError(t, err)
			assert.Equal(t, tc.command, last.Command)
			assert.JSONEq(t, tc.want, string(last.Params))
			assert.True(t, last.Token.IsZero(), "no token unless the site is protected")
			if tc.name[:2] != "Do" {
				assert.Equal(t, oxd.RepeatableCommand(tc.command), last.Repeatable)
			} else {
				assert.False(t, last.Repeatable)
			}
			for _, b := range last.Params {
				require.Less(t, b, byte(0x80), "ASCII only")
			}
		})
	}
}

func TestParametersThatCannotBeRightAreNotSent(t *testing.T) {
	t.Parallel()
	resource := func(path string, conditions ...oxd.Condition) []oxd.Resource {
		return []oxd.Resource{{Path: path, Conditions: conditions}}
	}
	get := oxd.Condition{HTTPMethods: []string{"GET"}, Scopes: []string{"s"}}
	hush := secret("hush-hush")
	for name, call := range map[string]func(context.Context, *oxd.Client) (any, error){
		"no code":          func(ctx context.Context, c *oxd.Client) (any, error) { return c.TokensByCode(ctx, "", "hush-hush") },
		"no state":         func(ctx context.Context, c *oxd.Client) (any, error) { return c.TokensByCode(ctx, "hush-hush", "") },
		"no refresh token": func(ctx context.Context, c *oxd.Client) (any, error) { return c.RefreshTokens(ctx, oxd.Secret{}) },
		"no access token":  func(ctx context.Context, c *oxd.Client) (any, error) { return c.UserInfo(ctx, oxd.Secret{}) },
		"no hint": func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.LogoutURL(ctx, oxd.LogoutURLParams{State: "hush-hush"})
		},
		"line break in a custom parameter": func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.AuthorizationURL(ctx, oxd.AuthorizationURLParams{CustomParameters: map[string]string{"a": "hush-hush\r\nb"}})
		},
		"no path": func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.CheckAccess(ctx, oxd.CheckAccessParams{RPT: hush, HTTPMethod: "GET"})
		},
		"no method": func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.CheckAccess(ctx, oxd.CheckAccessParams{RPT: hush, Path: "/"})
		},
		"no ticket for an RPT": func(ctx context.Context, c *oxd.Client) (any, error) { return c.RPT(ctx, oxd.RPTParams{RPT: hush}) },
		"claim token without format": func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.RPT(ctx, oxd.RPTParams{Ticket: hush, ClaimToken: hush})
		},
		"format without claim token": func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.RPT(ctx, oxd.RPTParams{Ticket: hush, ClaimTokenFormat: "f"})
		},
		"no ticket for claims": func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.ClaimsGatheringURL(ctx, oxd.ClaimsGatheringParams{ClaimsRedirectURI: "https://app.example.org/"})
		},
		"no claims redirect": func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.ClaimsGatheringURL(ctx, oxd.ClaimsGatheringParams{Ticket: hush})
		},
		"claims redirect with a query": func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.ClaimsGatheringURL(ctx, oxd.ClaimsGatheringParams{Ticket: hush, ClaimsRedirectURI: "https://app.example.org/?a=hush-hush"})
		},
		"no resources": func(ctx context.Context, c *oxd.Client) (any, error) { return nil, c.ProtectResources(ctx, nil) },
		"resource, no path": func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.ProtectResources(ctx, resource("", get))
		},
		"resource, no condition": func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.ProtectResources(ctx, resource("/"))
		},
		"condition, no methods": func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.ProtectResources(ctx, resource("/", oxd.Condition{Scopes: []string{"s"}}))
		},
		"condition, no scopes": func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.ProtectResources(ctx, resource("/", oxd.Condition{HTTPMethods: []string{"GET"}}))
		},
		"condition, empty method": func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.ProtectResources(ctx, resource("/", oxd.Condition{HTTPMethods: []string{""}, Scopes: []string{"s"}}))
		},
		"method twice": func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.ProtectResources(ctx, append(resource("/a", get), resource("/A", oxd.Condition{HTTPMethods: []string{"get"}, Scopes: []string{"t"}})...))
		},
		"register without redirect URI": func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.RegisterSite(ctx, oxd.RegisterSiteParams{OPHost: "https://idp.example.org"})
		},
		"setup with half the credentials": func(ctx context.Context, c *oxd.Client) (any, error) {
			p := siteParams()
			p.ClientSecret = hush
			return c.SetupClient(ctx, p)
		},
		"client token without credentials": func(ctx context.Context, c *oxd.Client) (any, error) {
			return c.ClientToken(ctx, oxd.ClientTokenParams{OPHost: "https://idp.example.org"})
		},
		"update with a bad redirect URI": func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.UpdateSite(ctx, oxd.UpdateSiteParams{AuthorizationRedirectURI: "app://hush-hush"})
		},
		"Do with a list": func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.Do(ctx, "x", []string{"hush-hush"}, nil)
		},
		"Do with a nil map": func(ctx context.Context, c *oxd.Client) (any, error) {
			return nil, c.Do(ctx, "x", map[string]string(nil), nil)
		},
		"Do with a channel": func(ctx context.Context, c *oxd.Client) (any, error) { return nil, c.Do(ctx, "x", make(chan int), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := false
			c := newClient(t, scripted(func(context.Context, *oxd.Request) (*oxd.Response, error) {
				sent = true
				return nil, oxd.ErrUnavailable
			}), oxd.Site{OxdID: "x"})
			_, err := call(t.Context(), c)
			require.Error(t, err)
			assert.False(t, sent)
			assert.NotContains(t, err.Error(), "hush-hush")
			var e *oxd.Error
			assert.NotErrorAs(t, err, &e)
			assert.NotErrorIs(t, err, oxd.ErrUnavailable)
		})
	}
}

func TestUpdateTriesTheLaterNameAndKeepsTheMetadataOfTheSite(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.reply("update_site_registration", unsupported)
	f.reply("update_site", answer{data: params{"oxd_id": "site-1"}})
	p := siteParams()
	p.GrantTypes, p.FrontchannelLogoutURIs = []string{"authorization_code", "refresh_token"}, []string{"https://app.example.org/fc"}
	c := newClient(t, f.transport(), oxd.Site{Params: p})
	require.NoError(t, c.UpdateSite(t.Context(), oxd.UpdateSiteParams{ClientName: "new"}))
	require.Equal(t, 1, f.count("update_site_registration"))
	sent := f.sent("update_site")
	require.Len(t, sent, 1)
	assert.Equal(t, params{
		"oxd_id": "site-1", "client_name": "new",
		"authorization_redirect_uri": "https://app.example.org/cb", "redirect_uris": []any{"https://app.example.org/cb"},
		"post_logout_redirect_uri":        "https://app.example.org/",
		"grant_types":                     []any{"authorization_code", "refresh_token"},
		"scope":                           []any{"openid", "profile", "email", "uma_protection"},
		"client_frontchannel_logout_uris": []any{"https://app.example.org/fc"},
		"client_logout_uris":              []any{"https://app.example.org/fc"},
	}, sent[0])
}

func TestLogoutFallsBackToTheRedirectOfTheSite(t *testing.T) {
	t.Parallel()
	var last oxd.Request
	p := siteParams()
	p.PostLogoutRedirectURI = "https://app.example.org/bye"
	c := newClient(t, scripted(func(_ context.Context, req *oxd.Request) (*oxd.Response, error) {
		last = *req
		return &oxd.Response{Status: "ok", Data: json.RawMessage(`{"oxd_id":"o","uri":"https://idp.example.org/end"}`)}, nil
	}), oxd.Site{Params: p})
	_, err := c.LogoutURL(t.Context(), oxd.LogoutURLParams{IDTokenHint: secret("i")})
	require.NoError(t, err)
	assert.JSONEq(t, `{"oxd_id":"o","id_token_hint":"i","post_logout_redirect_uri":"https://app.example.org/bye"}`, string(last.Params))
}
