package web_test

// The same-origin rule, against every vector known to have worked somewhere.

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/web"
)

const maxTarget = 1000 // bytes

var goodTargets = map[string]string{ // as given -> as sent
	"/": "/", "/a/b?x=1": "/a/b?x=1", "/search?u=http://x.com/": "/search?u=http://x.com/",
	"/?next=//x": "/?next=//x", "/a//b": "/a//b", "/proxy/https://x.com/": "/proxy/https://x.com/",
	"/a%20b": "/a%20b", "/caf%C3%A9": "/caf%C3%A9", "/a;b=c": "/a;b=c", "/a%2Fb": "/a%2Fb",
	"/.well-known/x": "/.well-known/x", "/x?y=%2F%2Fevil.com": "/x?y=%2F%2Fevil.com",
	"/x?t=a%0Ab": "/x?t=a%0Ab", "/~user": "/~user", "/@me": "/@me", "/a:b": "/a:b",
	"/..foo": "/..foo", "/a...b": "/a...b", "/café": "/caf%C3%A9", "/x#//evil": "/x%23//evil",
	"/x?": "/x?", "/x?a=\"<b>\"": "/x?a=%22%3Cb%3E%22", "/x?q=é": "/x?q=%C3%A9",
	"/" + strings.Repeat("a", maxTarget-1): "/" + strings.Repeat("a", maxTarget-1),
}

var badTargets = map[string][]string{
	"V-01 another host": {
		"//evil.com", "///evil.com", "/\\evil.com", "\\\\evil.com", "//evil.com@app", "/%5cevil.com",
		"/%2fevil.com", "/%2f/evil.com", "/.//evil.com", "/..//evil.com", "/%2e%2e//evil.com", "/a/../..//evil.com",
	},
	"V-02 characters that browsers drop": {
		"/\t/evil.com", "/\n/evil.com", "\t//evil.com", " //evil.com", "/%09/evil.com", "/%0d/evil.com",
		"/a%00b", "/a\u0085b", "/a\x7fb", "/a%C2%85b",
	},
	"V-06 a host that looks like the own one": {
		"https://example.com@evil", "https://example.com:8443", "https://evilexample.com", "https://example.com.evil",
	},
	"V-07 a scheme": {
		"https://evil.com", "http:www.evil.com", "http:/evil.com", "http:evil.com", "https:evil.com",
		"HTTPS:evil.com", "javascript:alert(1)", "data:text/html,x",
	},
	"V-11 what is malformed or too long": {
		"/%", "/\xff", "?x", "#x", "", "a",
		"/" + strings.Repeat("a", maxTarget), "/" + strings.Repeat(">", maxTarget/2), "/" + strings.Repeat("a", 1<<20),
	},
	"V-13 a line break": {"/a%0d%0aSet-Cookie:x=1", "/a\r\nSet-Cookie:x=1"},
}

func newSite(t *testing.T) *web.Site {
	t.Helper()
	site, err := web.ParseSite(web.SiteConfig{RedirectURL: "https://app.example/auth/callback"})
	require.NoError(t, err)
	return site
}

func TestALegitimateTargetIsKept(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	t.Run("V-10", func(t *testing.T) {
		t.Parallel()
		for given, want := range goodTargets {
			got, ok := web.LocalTarget(given)
			assert.True(t, ok, given)
			assert.Equal(t, want, got)
			again, ok := web.LocalTarget(got)
			assert.True(t, ok && again == got, "%q is a fixed point", got)
			assert.Equal(t, want, site.ReturnTo(given))
		}
	})
}

func TestNothingElseIsATarget(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for name, targets := range badTargets {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, given := range targets {
				_, ok := web.LocalTarget(given)
				assert.False(t, ok, "%q", given)
				assert.Equal(t, "/", site.ReturnTo(given), "%q", given)
			}
		})
	}
}

func TestThePathsOfTheSiteAreNoPlacesToReturnTo(t *testing.T) {
	t.Parallel()
	site := newSite(t)
	for _, own := range []string{
		"/auth/callback?code=x", "/auth/login?return_to=/auth/login", "/auth/logout",
		"/auth/frontchannel-logout?iss=x", "/auth/backchannel-logout",
	} {
		assert.Equal(t, "/", site.ReturnTo(own), "returning there would loop")
	}
	assert.Equal(t, "/auth/login/x", site.ReturnTo("/auth/login/x"))
	assert.Equal(t, "/?x=/auth/login", site.ReturnTo("/?x=/auth/login"))
}

func TestTheTargetIsWhatTheBrowserAskedFor(t *testing.T) {
	t.Parallel()
	var seen string
	stripped := http.StripPrefix("/app", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = newSite(t).Target(r) }))
	stripped.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/app/x?y=1", nil))
	assert.Equal(t, "/app/x?y=1", seen)
	for _, requestURI := range []string{"", "*", "http://other.example/x"} {
		r := &http.Request{RequestURI: requestURI, URL: &url.URL{Path: "/x", RawQuery: "y=1"}}
		assert.Equal(t, "/x?y=1", newSite(t).Target(r), requestURI)
	}
}

// FuzzReturnTo resolves what the rule accepts as a browser would and requires the own origin.
func FuzzReturnTo(f *testing.F) {
	for given := range goodTargets {
		f.Add(given)
	}
	for _, targets := range badTargets {
		for _, given := range targets {
			f.Add(given)
		}
	}
	base, _ := url.Parse("https://app.example/cb")
	f.Fuzz(func(t *testing.T, raw string) {
		target, ok := web.LocalTarget(raw)
		if !ok {
			return
		}
		if len(target) > maxTarget {
			t.Fatalf("%q is too long", target)
		}
		for i := range len(target) {
			if c := target[i]; c <= ' ' || c >= 0x7f || c == '\\' || c == '#' {
				t.Fatalf("%q: byte %q in %q", raw, c, target)
			}
		}
		u, err := base.Parse(target)
		if err != nil || u.Scheme != "https" || u.Host != "app.example" || !strings.HasPrefix(target, "/") || strings.HasPrefix(target, "//") {
			t.Fatalf("%q leaves the origin as %q", raw, target)
		}
		if again, ok := web.LocalTarget(target); !ok || again != target {
			t.Fatalf("%q is sent as %q, which is read as %q", raw, target, again)
		}
	})
}
