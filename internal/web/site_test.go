package web_test

// What a redirect URL has to be, what follows from it, and who belongs to the site.

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/web"
)

func TestARedirectURLThatCannotWorkIsRefused(t *testing.T) {
	t.Parallel()
	const absolute, clean = "want an absolute https URL", "want a clean path of its own, such as /auth/callback"
	const bare = "want no user, query or fragment: oxd does not encode the redirect URI"
	const named = "is the path of the callback or of another endpoint; choose another one"
	for name, c := range map[string]struct {
		url      string
		insecure bool
		want     string
	}{
		"V-12 a host in brackets":    {"https://[evil.com]/cb", false, ""},
		"V-12 a host with a zone":    {"https://[evil.com%25x]/cb", false, ""},
		"no host":                    {"https:///cb", false, absolute},
		"a port alone":               {"https://:443/cb", false, absolute},
		"relative":                   {"/cb", false, absolute},
		"opaque":                     {"https:app.example/cb", false, absolute},
		"another scheme":             {"ftp://app.example/cb", false, absolute},
		"empty":                      {"", false, absolute},
		"a fragment":                 {"https://app.example/cb#x", false, bare},
		"an empty fragment":          {"https://app.example/cb#", false, bare},
		"a query":                    {"https://app.example/cb?x=1", false, bare},
		"an empty query":             {"https://app.example/cb?", false, bare},
		"a user":                     {"https://u:p@app.example/cb", false, bare},
		"no path":                    {"https://app.example", false, clean},
		"the root":                   {"https://app.example/", false, clean},
		"dots":                       {"https://app.example/a/../cb", false, clean},
		"a slash at the end":         {"https://app.example/cb/", false, clean},
		"an escaped path":            {"https://app.example/c%62", false, clean},
		"garbage":                    {"https://%zz/cb", false, "not a URL"},
		"a control character":        {"https://app.example/cb\n", false, "not a URL"},
		"named login":                {"https://app.example/auth/login", false, named},
		"named logout":               {"https://app.example/logout", false, named},
		"named front-channel logout": {"https://app.example/auth/frontchannel-logout", false, named},
		"named back-channel logout":  {"https://app.example/auth/backchannel-logout", false, named},
		"plain http":                 {"http://app.example/cb", false, "plain http needs WithInsecureCookies"},
		"plain http on loopback":     {"http://localhost/cb", false, "plain http needs WithInsecureCookies"},
		"plain http elsewhere":       {"http://app.example/cb", true, "plain http is accepted for loopback hosts only"},
		"plain http on a suffix":     {"http://localhost.evil.com/cb", true, "plain http is accepted for loopback hosts only"},
		"https that is insecure":     {"https://app.example/cb", true, "WithInsecureCookies is for plain http on a loopback host"},
		"an IPv6 zone":               {"https://[fe80::1%25eth0]/cb", false, "is not an IPv6 address"},
		"a host beyond ASCII":        {"https://bücher.example/cb", false, "want the host in ASCII"},
		"an odd IPv4 address":        {"https://127.1/cb", false, "four decimal numbers"},
		"a hexadecimal host":         {"https://0x7f000001/cb", false, "four decimal numbers"},
		"a port out of range":        {"https://app.example:65536/cb", false, "want a port of at most 65535"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := web.ParseSite(web.SiteConfig{RedirectURL: c.url, Insecure: c.insecure})
			assert.ErrorContains(t, err, c.want)
			assert.Regexp(t, "^oxdauth: (Site.Params.AuthorizationRedirectURI|Endpoints)", err.Error())
		})
	}
}

func TestASiteFollowsFromItsRedirectURL(t *testing.T) {
	t.Parallel()
	for redirectURL, want := range map[string]struct {
		insecure    bool
		origin, dir string
	}{
		"https://app.example/auth/callback":      {false, "https://app.example", "/auth"},
		"https://APP.example:8443/a/b/c/cb":      {false, "https://app.example:8443", "/a/b/c"},
		"https://app.example:443/auth/cb":        {false, "https://app.example", "/auth"},
		"https://app.example:80/auth/cb":         {false, "https://app.example:80", "/auth"},
		"https://app.example./auth/cb":           {false, "https://app.example.", "/auth"},
		"https://xn--bcher-kva.example/auth/cb":  {false, "https://xn--bcher-kva.example", "/auth"},
		"https://192.0.2.1/auth/cb":              {false, "https://192.0.2.1", "/auth"},
		"https://app.example/cb":                 {false, "https://app.example", ""},
		"https://[2001:DB8:0::1]:8443/auth/sign": {false, "https://[2001:db8::1]:8443", "/auth"},
		"https://[::FFFF:192.0.2.1]/auth/cb":     {false, "https://[::ffff:c000:201]", "/auth"},
		"https://app.example:08443/auth/cb":      {false, "https://app.example:8443", "/auth"},
		"https://app.example:0443/auth/cb":       {false, "https://app.example", "/auth"},
		"http://localhost:8080/cb":               {true, "http://localhost:8080", ""},
		"http://LOCALHOST/cb":                    {true, "http://localhost", ""},
		"http://127.0.0.1/cb":                    {true, "http://127.0.0.1", ""},
		"http://127.8.9.10/cb":                   {true, "http://127.8.9.10", ""},
		"http://[::1]:80/cb":                     {true, "http://[::1]", ""},
	} {
		t.Run(redirectURL, func(t *testing.T) {
			t.Parallel()
			site, err := web.ParseSite(web.SiteConfig{RedirectURL: redirectURL, Insecure: want.insecure})
			require.NoError(t, err)
			assert.Equal(t, want.origin, site.Origin)
			assert.Equal(t, !want.insecure, site.Secure)
			assert.Equal(t, web.Endpoints{
				Login: want.dir + "/login", Logout: want.dir + "/logout",
				FrontChannel: want.dir + "/frontchannel-logout", BackChannel: want.dir + "/backchannel-logout",
			}, site.Endpoints)
			assert.Equal(t, redirectURL, site.RedirectURL(), "as it was given")
			assert.Equal(t, want.origin+want.dir+"/login", site.URL(site.Endpoints.Login))
			for _, path := range []string{site.CallbackPath, want.dir + "/login", want.dir + "/logout", want.dir + "/frontchannel-logout", want.dir + "/backchannel-logout"} {
				assert.True(t, site.Owns(path), path)
			}
			for _, path := range []string{"", "/", want.dir, want.dir + "/login/", want.dir + "/loginx", "/x" + want.dir + "/login"} {
				assert.False(t, site.Owns(path), path)
			}
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.Header.Set("Origin", want.origin)
			assert.True(t, site.SameOrigin(r), "the origin as a browser writes it")
		})
	}
}

// The name that keys are derived for is part of what cookies are sealed with: another form of it
// would sign everybody out.
func TestTheAudienceOfASiteNeverChangesItsForm(t *testing.T) {
	t.Parallel()
	for redirectURL, want := range map[string]string{
		"https://APP.example:443/Auth/callback": "https://app.example:443/Auth/callback",
		"https://[2001:DB8::1]/auth/callback":   "https://[2001:db8::1]/auth/callback",
	} {
		site, err := web.ParseSite(web.SiteConfig{RedirectURL: redirectURL})
		require.NoError(t, err)
		assert.Equal(t, want, site.Audience())
	}
}

func TestAPrefixIsInWhatTheBrowserSeesAndNotInWhatArrives(t *testing.T) {
	t.Parallel()
	site, err := web.ParseSite(web.SiteConfig{RedirectURL: "https://app.example/admin/auth/callback", Prefix: "/admin"})
	require.NoError(t, err)
	assert.Equal(t, "/auth/callback", site.CallbackPath)
	assert.Equal(t, "/auth/login", site.Endpoints.Login)
	assert.Equal(t, "https://app.example/admin/auth/login", site.URL(site.Endpoints.Login))
	assert.Equal(t, "/admin/", site.Outside("/"))

	behindAProxy := httptest.NewRequest(http.MethodGet, "/reports?x=1", nil)
	assert.Equal(t, "/admin/reports?x=1", site.Target(behindAProxy))
	twice := httptest.NewRequest(http.MethodGet, "/admin/reports", nil)
	assert.Equal(t, "/admin/admin/reports", site.Target(twice), "a path of the application that begins alike")
	var stripped string
	http.StripPrefix("/admin", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		stripped = site.Target(r)
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/admin/reports%2Fall?x=1", nil))
	assert.Equal(t, "/admin/reports%2Fall?x=1", stripped, "in this process")

	for raw, want := range map[string]string{
		"/admin/reports?x=1": "/admin/reports?x=1", "/elsewhere": "/elsewhere", "//evil.example": "/admin/", "": "/admin/",
		"/admin/auth/login": "/admin/", "/admin/auth/callback?code=x": "/admin/",
	} {
		assert.Equal(t, want, site.ReturnTo(raw), raw)
	}
}

func TestAnAddressThatCannotWorkIsRefusedByTheNameOfItsOption(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config web.SiteConfig
		want   string
	}{
		"a prefix without a slash":        {web.SiteConfig{Prefix: "admin"}, "WithPathPrefix"},
		"a prefix with one at the end":    {web.SiteConfig{Prefix: "/auth/"}, "WithPathPrefix"},
		"the root":                        {web.SiteConfig{Prefix: "/"}, "WithPathPrefix"},
		"a prefix that is not the URL's":  {web.SiteConfig{Prefix: "/admin"}, "does not begin with"},
		"a prefix that ends in a segment": {web.SiteConfig{Prefix: "/au"}, "does not begin with"},
		"the whole path":                  {web.SiteConfig{Prefix: "/auth/callback"}, "does not begin with"},
		"an escaped prefix":               {web.SiteConfig{Prefix: "/a b"}, "WithPathPrefix"},
		"a login at the callback":         {web.SiteConfig{Endpoints: web.Endpoints{Login: "/auth/callback"}}, "Endpoints.Login"},
		"a logout at the login":           {web.SiteConfig{Endpoints: web.Endpoints{Logout: "/auth/login"}}, "Endpoints.Logout"},
		"a relative endpoint":             {web.SiteConfig{Endpoints: web.Endpoints{FrontChannel: "fc"}}, "Endpoints.FrontChannelLogout"},
		"an endpoint with dots":           {web.SiteConfig{Endpoints: web.Endpoints{BackChannel: "/a/../b"}}, "Endpoints.BackChannelLogout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.config.RedirectURL = "https://app.example/auth/callback"
			_, err := web.ParseSite(c.config)
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestOnlyPagesOfTheSiteAreOfItsOrigin(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for name, c := range map[string]struct {
		method  string
		origins []string
		fetch   string
		want    bool
	}{
		"a form of the site":                     {"POST", []string{"https://app.example"}, "same-origin", true},
		"a form of an old browser":               {"POST", []string{"https://app.example"}, "", true},
		"no browser":                             {"POST", nil, "", true},
		"the site, typed by a person":            {"POST", nil, "none", true},
		"another site":                           {"POST", []string{"https://evil.com"}, "cross-site", false},
		"another site that hides its origin":     {"POST", nil, "cross-site", false},
		"a sibling":                              {"POST", []string{"https://other.example"}, "same-site", false},
		"another origin and no Sec-Fetch-Site":   {"POST", []string{"https://evil.com"}, "", false},
		"V-106 the other scheme":                 {"POST", []string{"http://app.example"}, "", false},
		"V-106 another port":                     {"POST", []string{"https://app.example:8443"}, "", false},
		"an opaque origin":                       {"POST", []string{"null"}, "", false},
		"an empty origin":                        {"POST", []string{""}, "", false},
		"two origins":                            {"POST", []string{"https://app.example", "https://evil.com"}, "", false},
		"another origin that claims to be ours":  {"POST", []string{"https://evil.com"}, "same-origin", false},
		"our origin behind a proxy that rewrote": {"POST", []string{"https://app.example"}, "cross-site", true},
		"a navigation from elsewhere":            {"GET", nil, "cross-site", true},
		"a script elsewhere that only reads":     {"GET", []string{"https://evil.com"}, "cross-site", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(c.method, "http://internal/x", nil)
			r.Header["Origin"] = c.origins
			if c.fetch != "" {
				r.Header.Set("Sec-Fetch-Site", c.fetch)
			}
			assert.Equal(t, c.want, site.SameOrigin(r))
		})
	}
}

func TestOnlyALoadedPageIsANavigation(t *testing.T) {
	t.Parallel()
	navigate := []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Accept", "text/html,application/xhtml+xml"}
	for name, c := range map[string]struct {
		method           string
		header           []string
		navigation, page bool
	}{
		"a navigation":              {"GET", navigate, true, true},
		"an old browser":            {"GET", []string{"Accept", "TEXT/HTML,*/*;q=0.8"}, true, true},
		"a second Accept":           {"GET", []string{"Accept", "image/png", "Accept", "text/html"}, true, true},
		"a prefetch":                {"GET", append([]string{"Sec-Purpose", "prefetch"}, navigate...), false, false},
		"a prerender":               {"GET", append([]string{"Sec-Purpose", "Prefetch;prerender"}, navigate...), false, false},
		"an old prefetch":           {"GET", append([]string{"Purpose", "prefetch"}, navigate...), false, false},
		"Firefox's old prefetch":    {"GET", append([]string{"X-Moz", "prefetch"}, navigate...), false, false},
		"a frame":                   {"GET", []string{"Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe", "Accept", "text/html"}, false, false},
		"fetch that accepts HTML":   {"GET", []string{"Sec-Fetch-Mode", "cors", "Sec-Fetch-Dest", "empty", "Accept", "text/html"}, false, false},
		"XMLHttpRequest":            {"GET", []string{"X-Requested-With", "XMLHttpRequest", "Accept", "text/html"}, false, false},
		"an upgrade":                {"GET", []string{"Upgrade", "websocket", "Accept", "text/html"}, false, false},
		"a JSON client":             {"GET", []string{"Accept", "application/json"}, false, false},
		"curl":                      {"GET", []string{"Accept", "*/*"}, false, false},
		"a client without Accept":   {"GET", nil, false, false},
		"a form a person submits":   {"POST", navigate, false, true},
		"a form of an old browser":  {"POST", []string{"Accept", "text/html"}, false, true},
		"a script's POST":           {"POST", []string{"Accept", "*/*"}, false, false},
		"HEAD":                      {"HEAD", navigate, false, false},
		"PUT":                       {"PUT", navigate, false, false},
		"an unknown method":         {"FOO", navigate, false, false},
		"a method of another case ": {"get", navigate, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &http.Request{Method: c.method, Header: http.Header{}}
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Add(c.header[i], c.header[i+1])
			}
			assert.Equal(t, c.navigation, web.IsNavigation(r))
			assert.Equal(t, c.page, web.WantsPage(r))
		})
	}
}

func TestReadingAHeaderFieldAllocatesNothing(t *testing.T) { // not parallel: it counts allocations
	r := &http.Request{Method: "GET", Header: http.Header{
		"Sec-Fetch-Mode": {"navigate", "cors"}, "Sec-Fetch-Dest": {"document"}, "Sec-Purpose": {},
	}}
	assert.Equal(t, "navigate", web.Field(r.Header, "Sec-Fetch-Mode"))
	assert.Empty(t, web.Field(r.Header, "Sec-Purpose"))
	assert.Empty(t, web.Field(nil, "Accept"))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = web.IsNavigation(r) && web.WantsPage(r) }))
}
