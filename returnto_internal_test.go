package oxdauth

// The same-origin rule, against every vector known to have worked somewhere.

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

var goodTargets = map[string]string{ // as given -> as sent
	"/": "/", "/a/b?x=1": "/a/b?x=1", "/search?u=http://x.com/": "/search?u=http://x.com/", "/?next=//x": "/?next=//x", "/a//b": "/a//b",
	"/proxy/https://x.com/": "/proxy/https://x.com/", "/a%20b": "/a%20b", "/caf%C3%A9": "/caf%C3%A9", "/a;b=c": "/a;b=c", "/a%2Fb": "/a%2Fb",
	"/.well-known/x": "/.well-known/x", "/x?y=%2F%2Fevil.com": "/x?y=%2F%2Fevil.com", "/x?t=a%0Ab": "/x?t=a%0Ab", "/~user": "/~user",
	"/@me": "/@me", "/a:b": "/a:b", "/..foo": "/..foo", "/a...b": "/a...b", "/café": "/caf%C3%A9", "/x#//evil": "/x%23//evil",
	"/x?": "/x?", "/x?a=\"<b>\"": "/x?a=%22%3Cb%3E%22", "/x?q=é": "/x?q=%C3%A9",
}

var badTargets = []string{
	"//evil.com", "///evil.com", "/\\evil.com", "\\\\evil.com", "/\t/evil.com", "/\n/evil.com", "\t//evil.com", " //evil.com",
	"https://evil.com", "http:www.evil.com", "http:/evil.com", "http:evil.com", "https:evil.com", "HTTPS:evil.com", "//evil.com@app", "javascript:alert(1)",
	"data:text/html,x", "/%5cevil.com", "/%2fevil.com", "/%2f/evil.com", "/%09/evil.com", "/%0d/evil.com", "/.//evil.com", "/..//evil.com",
	"/%2e%2e//evil.com", "/a/../..//evil.com", "/a%00b", "/%", "?x", "#x", "", "a", "/\xff", "/a%0d%0aSet-Cookie:x=1", "/a\u0085b",
	"/" + strings.Repeat("a", maxReturnTo), "/" + strings.Repeat(">", maxReturnTo/2), "https://example.com@evil", "https://example.com:8443", "https://evilexample.com", "https://example.com.evil",
}

func TestV10LegitimateTargetsAreKept(t *testing.T) {
	t.Parallel()
	for given, want := range goodTargets {
		got, ok := localTarget(given)
		assert.True(t, ok, given)
		assert.Equal(t, want, got)
		again, ok := localTarget(got)
		assert.True(t, ok && again == got, "%q is a fixed point", got)
	}
}

func TestV01V02V06V07V11NothingElseIsATarget(t *testing.T) {
	t.Parallel()
	m := &Middleware{site: site{callbackPath: "/auth/callback", loginPath: "/auth/login", logoutPath: "/auth/logout"}}
	for _, given := range badTargets {
		_, ok := localTarget(given)
		assert.False(t, ok, "%q", given)
		assert.Equal(t, "/", m.returnTarget(given))
	}
	assert.Equal(t, "/", m.returnTarget("/"+strings.Repeat("a", 1<<20)))
	for _, own := range []string{"/auth/callback?code=x", "/auth/login?return_to=/auth/login", "/auth/logout"} {
		assert.Equal(t, "/", m.returnTarget(own), "returning there would loop")
	}
}

// FuzzReturnTo resolves what the rule accepts as a browser would and requires our own origin.
func FuzzReturnTo(f *testing.F) {
	for given := range goodTargets {
		f.Add(given)
	}
	for _, given := range badTargets {
		f.Add(given)
	}
	base, _ := url.Parse("https://app.example/cb")
	f.Fuzz(func(t *testing.T, raw string) {
		target, ok := localTarget(raw)
		if !ok {
			return
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
		if again, ok := localTarget(target); !ok || again != target {
			t.Fatalf("%q is sent as %q, which is read as %q", raw, target, again)
		}
	})
}
