package oxd_test

// The life of a registration: first use, restart, changes.

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// numberSites makes register_site answer site-1, site-2 and so on.
func (f *fake) numberSites() {
	var n atomic.Int64
	f.on("register_site", func(params) answer {
		return answer{data: params{"oxd_id": fmt.Sprintf("site-%d", n.Add(1))}}
	})
}

func authorize(t testing.TB, c *oxd.Client) (string, error) {
	t.Helper()
	return c.AuthorizationURL(t.Context(), oxd.AuthorizationURLParams{})
}

func TestSiteIsRegisteredOnFirstUseAndKept(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.numberSites()
	site := siteWithFile(t)
	c := newClient(t, f.transport(), site)
	assert.Zero(t, f.count("register_site"))
	for range 3 {
		_, err := authorize(t, c)
		require.NoError(t, err)
	}
	assert.Equal(t, "site-1", f.sent("get_authorization_url")[0]["oxd_id"])
	reg, err := c.Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "site-1", reg.OxdID)
	assert.Equal(t, "https://idp.example.org", reg.OPHost)
	assert.WithinDuration(t, time.Now(), reg.RegisteredAt, time.Minute)
	assert.Empty(t, reg.Replaced)

	info, err := os.Stat(site.File)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	again := newClient(t, f.transport(), site)
	kept, err := again.Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, reg, kept)
	assert.Equal(t, 1, f.count("register_site"))
	assert.Equal(t, 4, f.count("get_authorization_url"), "Register asks once whether oxd still knows the site")
	_, err = again.Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 4, f.count("get_authorization_url"))
	assertNoLeftovers(t, site.File)
}

func TestKnownSiteIsNeverRegistered(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.reply("get_authorization_url", answer{code: oxd.CodeInvalidOxdID})
	c := f.knownClient(t)
	reg, err := c.Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, &oxd.Registration{OxdID: "known"}, reg)
	_, err = authorize(t, c)
	require.ErrorIs(t, err, oxd.CodeInvalidOxdID)
	assert.Zero(t, f.count("register_site"))
}

func TestChangedConfigurationIsUpdatedOrRegisteredAnew(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name               string
		change             func(*oxd.Site)
		registered, update int
		replaced           string
	}{
		{"nothing", func(*oxd.Site) {}, 1, 0, ""},
		{"the default spelled out", func(s *oxd.Site) { s.Params.Scope = []string{"openid", "profile", "email", "uma_protection"} }, 1, 0, ""},
		{"scope", func(s *oxd.Site) { s.Params.Scope = []string{"openid"} }, 1, 1, ""},
		{"redirect URI", func(s *oxd.Site) { s.Params.AuthorizationRedirectURI += "2" }, 1, 1, ""},
		{"provider", func(s *oxd.Site) { s.Params.OPHost = "https://other.example.org" }, 2, 0, "site-1"},
		{"client", func(s *oxd.Site) { s.Params.ClientID, s.Params.ClientSecret = "i", secret("s") }, 2, 0, "site-1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			f.numberSites()
			f.reply("update_site_registration", unsupported)
			f.reply("update_site", answer{data: params{}})
			site := siteWithFile(t)
			_, err := newClient(t, f.transport(), site).Register(t.Context())
			require.NoError(t, err)
			tc.change(&site)
			for range 2 { // a restart after the restart changes nothing more
				reg, err := newClient(t, f.transport(), site).Register(t.Context())
				require.NoError(t, err)
				assert.Equal(t, tc.replaced, reg.Replaced)
				assert.Equal(t, tc.registered, f.count("register_site"))
				assert.Equal(t, tc.update, f.count("update_site"))
			}
		})
	}
}

func TestChangesForAGivenClientAreRegisteredAnew(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.numberSites()
	site := siteWithFile(t)
	site.Params.ClientID, site.Params.ClientSecret = "i", secret("s")
	_, err := newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)
	site.Params.ACRValues = []string{"otp"}
	reg, err := newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "site-1", reg.Replaced)
	assert.Zero(t, f.count("update_site_registration"), "oxd cannot update what it has not registered at the provider")
}

func TestSiteThatBecomesProtectedIsSetUp(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.reply("setup_client", answer{data: params{"oxd_id": "site-2", "client_id": "c", "client_secret": "s"}})
	f.reply("get_client_token", answer{data: params{"access_token": "t", "expires_in": 299}})
	site := siteWithFile(t)
	_, err := newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)
	site.Protected = true
	for range 2 {
		reg, err := newClient(t, f.transport(), site).Register(t.Context())
		require.NoError(t, err)
		assert.Equal(t, "site-2", reg.OxdID)
		assert.Equal(t, "site-1", reg.Replaced)
		assert.Equal(t, "s", reg.ClientSecret.Reveal())
	}
	assert.Equal(t, 1, f.count("setup_client"))
}

func TestFailedUpdateIsAnErrorAndTriedAgain(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.numberSites()
	f.replies("update_site_registration", answer{code: "invalid_registration_client_url"}, answer{data: params{}})
	site := siteWithFile(t)
	_, err := newClient(t, f.transport(), site).Register(t.Context())
	require.NoError(t, err)
	site.Params.Scope = []string{"openid"}
	c := newClient(t, f.transport(), site)
	_, err = authorize(t, c)
	require.ErrorIs(t, err, oxd.CodeInvalidRegistrationClientURL)
	_, err = authorize(t, c)
	require.NoError(t, err)
	assert.Equal(t, 1, f.count("register_site"))
}

func TestRegistrationGoesOnWithoutTheCallerWhoStartedIt(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	asked, finish := make(chan struct{}), make(chan struct{})
	f.on("register_site", func(params) answer {
		close(asked)
		<-finish
		return answer{data: params{"oxd_id": "site-1"}}
	})
	c := newClient(t, f.transport(), siteWithFile(t))
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-asked
		cancel()
	}()
	_, err := c.Register(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, err, oxd.ErrUnavailable)
	close(finish)
	_, err = authorize(t, c)
	require.NoError(t, err)
	assert.Equal(t, 1, f.count("register_site"))

	_, err = newClient(t, f.transport(), siteWithFile(t)).Register(ctx)
	require.ErrorIs(t, err, context.Canceled, "cancelled before it began")
	assert.Equal(t, 1, f.count("register_site"))
}

func TestAnAddressAddedIsRegisteredOnce(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	f.numberSites()
	f.reply("update_site_registration", answer{data: params{"oxd_id": "site-1"}})
	c := newClient(t, f.transport(), oxd.Site{Params: siteParams()})
	require.NoError(t, c.AddClaimsRedirectURI("https://app.example.org/claims"))
	require.NoError(t, c.AddFrontchannelLogoutURI("https://app.example.org/fc"))
	require.NoError(t, c.AddFrontchannelLogoutURI("https://app.example.org/fc"))
	for _, bad := range []string{"", "/claims", "javascript:x", "https://"} {
		assert.Error(t, c.AddClaimsRedirectURI(bad), bad)
	}
	_, err := authorize(t, c)
	require.NoError(t, err)
	sent := f.sent("register_site")
	require.Len(t, sent, 1)
	assert.Equal(t, []any{"https://app.example.org/claims"}, sent[0]["claims_redirect_uri"])
	assert.Equal(t, []any{"https://app.example.org/fc"}, sent[0]["client_frontchannel_logout_uris"])
	assert.Equal(t, "https://app.example.org/cb", c.AuthorizationRedirectURI())

	// One that comes after the registration updates it, however many commands there are.
	audience := c.Audience()
	require.NoError(t, c.AddClaimsRedirectURI("https://app.example.org/more"))
	for range 3 {
		_, err = authorize(t, c)
		require.NoError(t, err)
	}
	assert.Equal(t, audience, c.Audience())
	require.Len(t, f.sent("register_site"), 1)
	updated := f.sent("update_site_registration")
	require.Len(t, updated, 1)
	assert.Equal(t, []any{"https://app.example.org/claims", "https://app.example.org/more"}, updated[0]["claims_redirect_uri"])
}

func TestAnAddressAddedToASiteRegisteredElsewhereIsNotSent(t *testing.T) {
	t.Parallel()
	f := newFake(t)
	c := newClient(t, f.transport(), oxd.Site{OxdID: "elsewhere", Params: siteParams()})
	require.NoError(t, c.AddClaimsRedirectURI("https://app.example.org/claims"))
	_, err := authorize(t, c)
	require.NoError(t, err)
	assert.Zero(t, f.count("register_site")+f.count("update_site_registration"))
	assert.Equal(t, "https://app.example.org/cb", c.AuthorizationRedirectURI())
}
