package web_test

// Addresses, paths and patterns.

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/web"
)

func TestOnlyAnAbsoluteWebAddressPasses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{ // the host, "" if refused
		"https://idp.example":                    "idp.example",
		"HTTP://idp.example:8080/a?b=c#d":        "idp.example:8080",
		"https://[::1]/":                         "[::1]",
		"https://idp.example/caf\u00e9":          "idp.example",
		"https://a/" + strings.Repeat("x", 7990): "a",
		"https://a/" + strings.Repeat("x", 7991): "",
		"":                                       "",
		"/authorize":                             "",
		"//idp.example/authorize":                "",
		"idp.example":                            "",
		"https:idp.example":                      "",
		"https:///x":                             "",
		"https://:443/x":                         "",
		"ftp://idp.example":                      "",
		"javascript:alert(1)":                    "",
		"javascript://idp.example/%0aalert":      "",
		"https://user@idp.example":               "",
		"https://idp.example@evil.com":           "",
		"https://@idp.example":                   "",
		"https://idp.example/\n":                 "",
		"https://idp.example/\u0085":             "",
		"https://idp.example\\@evil.com":         "",
		"https://%zz":                            "",
	} {
		u, err := web.AbsoluteURL(address)
		if want == "" {
			assert.EqualError(t, err, "not an absolute http(s) URL", "%q", address)
			continue
		}
		require.NoError(t, err, address)
		assert.Equal(t, want, u.Host)
	}
}

func TestOnlyAnOriginGetsIntoAPolicy(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://idp.example/realms/a": "https://idp.example",
		"https://idp.example:8443":     "https://idp.example:8443",
		"http://[::1]:8080/x":          "http://[::1]:8080",
		"https://idp.example;x":        "'none'",
		"https://idp.example,x":        "'none'",
		"https://idp.example'x":        "'none'",
		"https://*":                    "'none'",
		"https://user@idp.example":     "'none'",
		"javascript:alert(1)":          "'none'",
		"idp.example":                  "'none'",
		"":                             "'none'",
	} {
		assert.Equal(t, want, web.Origin(address), address)
	}
}

func TestAPathThatCanBeReadInTwoWaysIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path    string // as sent
		strict  bool   // CheckPath lets it through
		slashes bool   // and does so with encoded slashes allowed
		clear   bool   // CheckClearPath lets it through
	}{
		"a path":                          {"/a/b.c", true, true, true},
		"the root":                        {"/", true, true, true},
		"dots that are no segment":        {"/..a/b../...", true, true, true},
		"an escaped percent sign":         {"/%252e%252e", true, true, true},
		"a space and an umlaut":           {"/a%20b/%C3%A4", true, true, true},
		"V-44 dots":                       {"/a/../b", false, false, false},
		"V-44 a dot":                      {"/a/./b", false, false, false},
		"V-44 dots at the end":            {"/a/..", false, false, false},
		"V-44 encoded dots":               {"/a/%2e%2E/b", false, false, false},
		"V-44 dots with a parameter":      {"/a/..;x/b", false, false, false},
		"V-44 a backslash":                {`/a\b`, false, false, false},
		"V-44 an encoded backslash":       {"/a%5cb", false, false, false},
		"V-44 dots and an encoded slash":  {"/a/..%2fb", false, false, false},
		"V-44 an encoded slash":           {"/a%2Fb", false, true, true},
		"V-44 two slashes":                {"/a//b", true, true, false},
		"V-44 a parameter":                {"/a;b=c", true, true, false},
		"V-44 invalid UTF-8":              {"/%ff", true, true, false},
		"V-46 a line break":               {"/secret%0a", false, false, false},
		"V-46 a zero byte":                {"/a%00", false, false, false},
		"V-46 a C1 control character":     {"/%c2%85", false, false, false},
		"no path":                         {"", true, true, false},
		"an asterisk":                     {"*", true, true, false},
		"an encoded slash and characters": {"/a%2f%e4", false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check := func(passes bool, err error) {
				t.Helper()
				if passes {
					assert.NoError(t, err)
				} else {
					assert.ErrorIs(t, err, web.ErrPath)
				}
			}
			path, err := url.PathUnescape(c.path)
			require.NoError(t, err)
			u := &url.URL{Path: path, RawPath: c.path}
			if u.EscapedPath() == (&url.URL{Path: path}).EscapedPath() {
				u.RawPath = "" // as url.Parse leaves it
			}
			check(c.strict, web.CheckPath(u, false))
			check(c.slashes, web.CheckPath(u, true))
			check(c.clear && c.strict, web.CheckClearPath(u))
		})
	}
	assert.ErrorIs(t, web.CheckClearPath(&url.URL{Path: "/a#b", RawPath: "/a#b"}), web.ErrPath, "V-41 a raw number sign")
	assert.NoError(t, web.CheckClearPath(&url.URL{Path: "/a#b"}), "an encoded one")
	assert.EqualError(t, web.ErrPath, "oxdauth: ambiguous path")
}

func FuzzGuardPath(f *testing.F) {
	for _, seed := range []string{"/a", "/a/../b", "/a/..;x/b", "/a\x00", "/a\\b", "/a/%2e%2e", "//a", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, path string) {
		if web.CheckPath(&url.URL{Path: path}, false) == nil {
			assert.NotContains(t, "/"+path+"/", "/../")
			assert.NotContains(t, path, "\\")
			assert.NotContains(t, path, "\x00")
		}
	})
}

func TestAPatternIsTakenApart(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string][2]string{
		"GET /photos/{id}":      {"GET", "/photos/{id}"},
		"GET  \t/photos":        {"GET", "/photos"},
		"PUT app.example/x/":    {"PUT", "/x/"},
		"/photos":               {"", "/photos"},
		"app.example/photos":    {"", "/photos"},
		"GET /photos/{$}":       {"GET", "/photos/"},
		"DELETE /a/{rest...}":   {"DELETE", "/a/{rest...}"},
		"":                      {"", ""},
		"GET":                   {"", "GET"},
		"POST app.example/{$}":  {"POST", "/"},
		"GET app.example:80/ab": {"GET", "/ab"},
	} {
		method, path := web.SplitPattern(pattern)
		assert.Equal(t, want, [2]string{method, path}, pattern)
	}
}

func TestAPatternNamesWhatItsMuxServes(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"GET /a", "POST app.example/b", "/c/{$}"} {
		mux := http.NewServeMux()
		mux.Handle(pattern, http.NotFoundHandler())
		method, path := web.SplitPattern(pattern)
		if method == "" {
			method = http.MethodGet
		}
		_, served := mux.Handler(&http.Request{Method: method, Host: "app.example", URL: &url.URL{Path: path}})
		assert.Equal(t, pattern, served)
	}
}
