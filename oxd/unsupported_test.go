package oxd_test

// What oxd 3.1 does not have is refused, never left out.

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ofOxd4 are the calls that 3.1.1 cannot serve.
var ofOxd4 = []struct {
	name string
	// Over the socket and the extension: "" if nothing is sent, otherwise the
	// command that later 3.1.x versions know.
	socket, extension string
	// works over the socket of 3.1.1
	works bool
	call  func(context.Context, *oxd.Client) error
}{
	{name: "state", call: func(ctx context.Context, c *oxd.Client) error {
		_, err := c.AuthorizationURL(ctx, oxd.AuthorizationURLParams{State: "s"})
		return err
	}},
	{name: "nonce", call: func(ctx context.Context, c *oxd.Client) error {
		_, err := c.AuthorizationURL(ctx, oxd.AuthorizationURLParams{Nonce: "n"})
		return err
	}},
	{name: "state for claims gathering", call: func(ctx context.Context, c *oxd.Client) error {
		_, err := c.ClaimsGatheringURL(ctx, oxd.ClaimsGatheringParams{
			Ticket: secret("t"), ClaimsRedirectURI: "https://app.example.org/", State: "s",
		})
		return err
	}},
	{name: "overwrite", call: func(ctx context.Context, c *oxd.Client) error {
		return c.ReplaceResources(ctx, []oxd.Resource{{Path: "/", Conditions: []oxd.Condition{{HTTPMethods: []string{"GET"}, Scopes: []string{"s"}}}}})
	}},
	{name: "discovery", call: func(ctx context.Context, c *oxd.Client) error { _, err := c.Discovery(ctx); return err }},
	{name: "keys", call: func(ctx context.Context, c *oxd.Client) error { _, err := c.JWKS(ctx); return err }},
	{name: "issuer", call: func(ctx context.Context, c *oxd.Client) error { _, err := c.Issuer(ctx, "a@example.org"); return err }},
	{name: "ID token with a code", call: func(ctx context.Context, c *oxd.Client) error {
		_, err := c.CheckIDToken(ctx, oxd.CheckIDTokenParams{IDToken: secret("i"), Code: secret("c")})
		return err
	}},
	{name: "ID token", socket: "id_token_status", works: true, call: func(ctx context.Context, c *oxd.Client) error {
		_, err := c.CheckIDToken(ctx, oxd.CheckIDTokenParams{IDToken: secret("i")})
		return err
	}},
	{name: "access token", socket: "access_token_status", works: true, call: func(ctx context.Context, c *oxd.Client) error {
		_, err := c.CheckAccessToken(ctx, secret("i"), secret("a"))
		return err
	}},
	{name: "RPT", socket: "introspect_rpt", extension: "/introspect-rpt", call: func(ctx context.Context, c *oxd.Client) error {
		_, err := c.IntrospectRPT(ctx, secret("r"))
		return err
	}},
	{
		name: "introspection", socket: "introspect_access_token", extension: "/introspect-access-token",
		call: func(ctx context.Context, c *oxd.Client) error {
			_, err := c.IntrospectAccessToken(ctx, secret("a"))
			return err
		},
	},
	{name: "removal", socket: "remove_site", extension: "/remove-site", call: func(ctx context.Context, c *oxd.Client) error {
		return c.RemoveSite(ctx, "other")
	}},
}

func TestOverTheSocketOf311(t *testing.T) {
	t.Parallel()
	for _, tc := range ofOxd4 {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.reply("id_token_status", answer{data: params{"active": true}})
			f.reply("access_token_status", answer{data: params{"active": true}})
			err := tc.call(t.Context(), newClient(t, f.transport(), oxd.Site{OxdID: "x", Params: siteParams()}))
			if tc.works {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, oxd.ErrUnsupported)
				assert.NotErrorIs(t, err, oxd.ErrUnavailable)
			}
			if tc.socket == "" {
				assert.Zero(t, f.connections(), "nothing was sent")
			} else {
				assert.Equal(t, 1, f.count(tc.socket))
			}
		})
	}
}

func TestOverTheExtensionOf311(t *testing.T) {
	t.Parallel()
	for _, tc := range ofOxd4 {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Value
			_, tr := newHTTPS(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/get-client-token" && tc.extension != "" {
					respond(200, `{"status":"ok","data":{"access_token":"tok","expires_in":299}}`)(w, r)
					return
				}
				asked.Store(r.URL.Path)
				respond(404, `{"code":404,"message":"HTTP 404 Not Found"}`)(w, r)
			})
			site := oxd.Site{OxdID: "x", Params: siteParams(), Protected: true, Credentials: credentials()}
			err := tc.call(t.Context(), newClient(t, tr, site))
			require.ErrorIs(t, err, oxd.ErrUnsupported)
			assert.NotErrorIs(t, err, oxd.ErrUnavailable)
			if tc.extension == "" {
				assert.Nil(t, asked.Load(), "nothing was sent, not even for a token")
			} else {
				assert.Equal(t, tc.extension, asked.Load())
			}
		})
	}
}

func TestRelayed404IsAnAnswer(t *testing.T) {
	t.Parallel()
	f, tr := newOxd4(t)
	c := newClient(t, tr, oxd.Site{OxdID: "x", Params: siteParams()})
	_, err := c.Issuer(t.Context(), "a@example.org")
	require.ErrorIs(t, err, oxd.ErrUnsupported, "4.0 has no such path")
	f.answer("/get-issuer", 404, `{"code":404,"message":"no such user"}`)
	_, err = c.Issuer(t.Context(), "a@example.org")
	require.ErrorIs(t, err, oxd.Code("http_status_404"))
	require.NotErrorIs(t, err, oxd.ErrUnsupported)

	socket := newFake(t)
	socket.reply("introspect_rpt", answer{code: "http_status_404"})
	_, err = socket.knownClient(t).IntrospectRPT(t.Context(), secret("r"))
	require.ErrorIs(t, err, oxd.Code("http_status_404"))
	require.NotErrorIs(t, err, oxd.ErrUnsupported)
}

func TestExpiryOfTheSecretDoesNotExistInOxd4(t *testing.T) {
	t.Parallel()
	f, tr := newOxd4(t)
	err := newClient(t, tr, oxd.Site{Params: siteParams()}).UpdateSite(t.Context(), oxd.UpdateSiteParams{ClientSecretExpiresAt: time.Unix(1893456000, 0)})
	require.ErrorIs(t, err, oxd.ErrUnsupported)
	assert.Empty(t, f.log())
}

// Before oxd 4 further parameters are added to the URL that oxd made.
func TestFurtherParametersAreAddedToTheURLOf31(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	const made = "https://idp.example.org/authorize?client_id=@!1&redirect_uri=https://app.example.org/cb&state=s&nonce=n"
	f.reply("get_authorization_url", answer{data: params{"authorization_url": made}})
	c := f.knownClient(t)
	u, err := c.AuthorizationURL(t.Context(), oxd.AuthorizationURLParams{Params: map[string]string{"max_age": "60", "login_hint": "a b&c=d"}})
	require.NoError(t, err)
	assert.Equal(t, made+"&login_hint=a+b%26c%3Dd&max_age=60", u, "what oxd made stays as it is")
	assert.Equal(t, params{"oxd_id": "known"}, f.sent("get_authorization_url")[0])
	parsed, err := url.Parse(u)
	require.NoError(t, err)
	assert.Equal(t, "a b&c=d", parsed.Query().Get("login_hint"))

	for _, bad := range []string{"https://idp.example.org/authorize", "https://idp.example.org/authorize?state=s#f"} {
		f.reply("get_authorization_url", answer{data: params{"authorization_url": bad}})
		_, err = c.AuthorizationURL(t.Context(), oxd.AuthorizationURLParams{Params: map[string]string{"max_age": "60"}})
		require.ErrorIs(t, err, oxd.ErrUnavailable, bad)
	}
}

func TestParametersThatOxdSetsCannotBeAdded(t *testing.T) {
	t.Parallel()
	f, tr := newOxd4(t)
	for _, c := range []*oxd.Client{newClient(t, tr, oxd.Site{OxdID: "x"}), newFake(t).knownClient(t)} {
		for _, name := range []string{"", "state", "nonce", "redirect_uri", "client_id", "scope", "response_type", "prompt", "acr_values", "a&b", "a=b", "é", "custom_response_headers"} {
			_, err := c.AuthorizationURL(t.Context(), oxd.AuthorizationURLParams{Params: map[string]string{name: "v"}})
			require.ErrorContains(t, err, "does not belong", name)
		}
	}
	c := newClient(t, tr, oxd.Site{OxdID: "x"})
	for _, p := range []oxd.AuthorizationURLParams{{State: "a&b"}, {Nonce: "a b"}, {State: "a%20"}} {
		_, err := c.AuthorizationURL(t.Context(), p)
		require.ErrorContains(t, err, "would not encode")
	}
	_, err := c.ClaimsGatheringURL(t.Context(), oxd.ClaimsGatheringParams{Ticket: secret("t"), ClaimsRedirectURI: "https://app.example.org/", State: "a#b"})
	require.ErrorContains(t, err, "would not encode")
	assert.Empty(t, f.log())
}
