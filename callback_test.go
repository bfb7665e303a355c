package oxdauth_test

// Logins and their callbacks: what an attacker or a bad moment can make of them ends in a page that
// can be read, never in a session of another person and never in a loop.

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

var offSite = []string{
	"//evil.com", "///evil.com", `/\evil.com`, `\\evil.com`, "/%09/evil.com", "/\t/evil.com", "/%0d/evil.com", "/\n/evil.com", " //evil.com",
	"http:evil.com", "https:evil.com", "HTTPS:evil.com", "https://evil.com/", "javascript:alert(1)", "data:text/html,x", "/%", "/\xff",
	"/a%0d%0aSet-Cookie:x=1", "https://example.com@evil", "https://evilexample.com", "https://example.com.evil", "https://example.com:8443",
}

func TestAReturnTargetNeverLeavesTheOrigin(t *testing.T) {
	t.Parallel()
	t.Run("V-01, V-02, V-06, V-07, V-11, V-13", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.signedIn(user, password)
		for _, target := range append(offSite, "/"+strings.Repeat("a", 1<<12)) {
			res, _ := a.once(b, a.navigation("/auth/login?return_to="+url.QueryEscape(target)))
			assert.Equal(t, http.StatusSeeOther, res.StatusCode, "%q", target)
			assert.Equal(t, "/", res.Header.Get("Location"), "%q", target)
			assert.Empty(t, res.Header.Values("Set-Cookie"), "%q", target)
		}
		res, _ := a.once(b, a.navigation("/auth/login?return_to="+url.QueryEscape("/search?u=http://x.com/")))
		assert.Equal(t, "/search?u=http://x.com/", res.Header.Get("Location"), "V-10")
	})
}

func TestAnUntrustedTargetIsDroppedAlsoWhenALoginLiesBetween(t *testing.T) {
	t.Parallel()
	t.Run("V-01", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		for _, target := range []string{"//evil.com", `/\evil.com`, "https://evil.com/"} {
			res, err := a.srv.Browser().LogIn(a.base+"/auth/login?return_to="+url.QueryEscape(target), user, password)
			require.NoError(t, err)
			assert.Equal(t, a.base+"/", res.Request.URL.String(), target)
			assert.Contains(t, readBody(t, res), "at /")
		}
	})
}

func TestLogoutTakesNoTargetFromTheRequest(t *testing.T) {
	t.Parallel()
	t.Run("V-03", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		for _, target := range []string{`/\evil.com`, "/\t/evil.com", "https://evil.com"} {
			b := a.signedIn(user, password)
			q := url.Values{"return_to": {target}, "post_logout_redirect_uri": {target}, "redirect": {target}}
			res, _ := a.once(b, a.request("POST", "/auth/logout?"+q.Encode(), "Origin", a.base))
			require.Equal(t, http.StatusSeeOther, res.StatusCode)
			to, err := url.Parse(res.Header.Get("Location"))
			require.NoError(t, err)
			assert.Equal(t, a.base+"/", to.Query().Get("post_logout_redirect_uri"))
		}
	})
}

func TestForwardedHeadersDecideNothing(t *testing.T) {
	t.Parallel()
	t.Run("V-04, V-08, V-64", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		spoofed := []string{
			"X-Forwarded-Host", "evil.com", "X-Forwarded-Proto", "http", "X-Forwarded-Prefix", "//evil.com", "Forwarded", "host=evil.com;proto=http",
			"X-Forwarded-Uri", "/public", "X-Original-URL", "/public", "X-Rewrite-URL", "/public",
		}
		res, _ := a.once(nil, a.navigation("/secret", spoofed...))
		require.Equal(t, http.StatusFound, res.StatusCode, "V-43 too: still asked to log in")
		to, err := url.Parse(res.Header.Get("Location"))
		require.NoError(t, err)
		assert.Equal(t, a.base+"/auth/callback", to.Query().Get("redirect_uri"))
		for _, c := range res.Cookies() {
			assert.True(t, c.Secure)
		}
		b := a.signedIn(user, password)
		res, _ = a.once(b, a.navigation("/auth/login?return_to="+url.QueryEscape("https://evil.com/"), spoofed...))
		assert.Equal(t, "/", res.Header.Get("Location"))
	})
}

func TestThirdPartyLoginParametersAreIgnored(t *testing.T) {
	t.Parallel()
	t.Run("V-05", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.signedIn(user, password)
		res, _ := a.once(b, a.navigation("/auth/login?iss="+url.QueryEscape(a.srv.Provider.URL)+"&target_link_uri=https%3A%2F%2Fevil.com"))
		assert.Equal(t, "/", res.Header.Get("Location"))
	})
}

func TestLoginParametersComeFromCodeOnly(t *testing.T) {
	t.Parallel()
	t.Run("V-113", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithScopes("openid", "profile")}})
		res, _ := a.once(nil, a.navigation("/auth/login?scope=admin&prompt=none&acr_values=0"))
		to, err := url.Parse(res.Header.Get("Location"))
		require.NoError(t, err)
		assert.Equal(t, "openid profile", to.Query().Get("scope"))
		assert.Empty(t, to.Query().Get("prompt"))
		assert.Empty(t, to.Query().Get("acr_values"))
	})
}

func TestTheOwnRequestTargetIsCleanedToo(t *testing.T) {
	t.Parallel()
	t.Run("V-09", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		for target, want := range map[string]string{"//evil.com/": "/", "/%5cevil.com": "/", "///evil.com": "/", "http://evil.com/x": "/x"} {
			answer := a.raw("GET " + target + " HTTP/1.1")
			if strings.HasPrefix(answer, "HTTP/1.1 400") {
				continue
			}
			require.True(t, strings.HasPrefix(answer, "HTTP/1.1 302"), "%s: %s", target, answer)
			_, cookie, found := strings.Cut(answer, "Set-Cookie: ")
			require.True(t, found)
			cookie, _, _ = strings.Cut(cookie, ";")
			_, location, _ := strings.Cut(answer, "Location: ")
			location, _, _ = strings.Cut(location, "\r\n")
			assert.Equal(t, want, a.finish(location, cookie), target)
		}
	})
}

// finish completes the login of an authorization URL and a login cookie. It returns where the
// callback leads.
func (a *app) finish(authorizationURL, cookie string) string {
	a.t.Helper()
	b := a.srv.Browser()
	var callback string
	b.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if strings.HasPrefix(req.URL.String(), a.base) {
			callback = strings.TrimPrefix(req.URL.String(), a.base)
			return http.ErrUseLastResponse
		}
		return nil
	}
	res, err := b.LogIn(authorizationURL, user, password)
	require.NoError(a.t, err)
	readBody(a.t, res)
	require.NotEmpty(a.t, callback)
	res, _ = a.once(nil, a.navigation(callback, "Cookie", cookie))
	return res.Header.Get("Location")
}

func TestConfiguredURLsAreValidated(t *testing.T) {
	t.Parallel()
	t.Run("V-12", func(t *testing.T) {
		t.Parallel()
		at := func(raw string, opts ...oxdauth.Option) error {
			client, err := oxd.NewClient(&oxd.TCPTransport{}, siteOf("site", raw))
			require.NoError(t, err)
			_, err = oxdauth.New(client, append(opts, oxdauth.WithKeys(testKey), oxdauth.WithLogger((&logBuffer{}).logger()))...)
			return err
		}
		for name, raw := range map[string]string{
			"a host in brackets": "https://[evil.com]/cb", "no host": "https:///cb", "relative": "/cb", "a fragment": "https://app.example/cb#x",
			"an empty fragment": "https://app.example/cb#", "a query": "https://app.example/cb?x=1", "an empty query": "https://app.example/cb?",
			"a user": "https://u:p@app.example/cb", "no path": "https://app.example", "the root": "https://app.example/", "dots": "https://app.example/a/../cb",
			"another scheme": "ftp://app.example/cb", "plain http": "http://app.example/cb", "opaque": "https:app.example/cb", "garbage": "https://%zz/cb",
			"an escaped path": "https://app.example/c%62",
		} {
			assert.ErrorContains(t, at(raw), "Site.Params.AuthorizationRedirectURI", "%s: %s", name, raw)
		}
		assert.ErrorContains(t, at("http://app.example/cb", oxdauth.WithInsecureCookies()), "loopback", "plain http is for loopback hosts")
		assert.ErrorContains(t, at("https://app.example/cb", oxdauth.WithInsecureCookies()), "loopback", "https needs no insecure cookies")
		assert.ErrorContains(t, at(""), "Site.Params.AuthorizationRedirectURI is missing")
		for _, raw := range []string{"http://localhost:8080/cb", "http://127.0.0.1/cb", "http://[::1]:80/cb"} {
			assert.NoError(t, at(raw, oxdauth.WithInsecureCookies()), raw)
		}
	})
}

func TestAStateIsValidOnlyInItsBrowser(t *testing.T) {
	t.Parallel()
	t.Run("V-20", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		attacker, victim := a.srv.Browser(), a.srv.Browser()
		callback := a.callback(attacker, a.base+"/")
		res, err := victim.Get(callback.String())
		require.NoError(t, err)
		readBody(t, res)
		assert.Equal(t, http.StatusBadRequest, res.StatusCode)
		assert.Empty(t, a.cookies(victim), "no session")
		assert.Zero(t, a.srv.CallCount("get_tokens_by_code"))

		a.get(victim, "/") // the victim has a login of its own under way
		res, err = victim.Get(callback.String())
		require.NoError(t, err)
		readBody(t, res)
		assert.Equal(t, http.StatusBadRequest, res.StatusCode)
		assert.Zero(t, a.srv.CallCount("get_tokens_by_code"))
	})
}

func TestForgedCallbacksNeverReachOxd(t *testing.T) {
	t.Parallel()
	t.Run("V-21, V-22", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.srv.Browser()
		good := a.callback(b, a.base+"/").Query()
		for name, query := range map[string]string{
			"no cookie for the state":  "code=x&state=473ot4nuqb4ubeokc139raur13",
			"no state":                 "code=" + good.Get("code"),
			"an empty state":           "code=x&state=",
			"a prefix of the state":    "code=x&state=" + good.Get("state")[:20],
			"nothing":                  "",
			"a state in another case":  "code=x&state=" + strings.ToUpper(good.Get("state")),
			"an error of no login":     "error=access_denied&state=473ot4nuqb4ubeokc139raur13",
			"a malformed query":        "code=%zz&state=" + good.Get("state"),
			"semicolons as separators": "code=x;state=" + good.Get("state"),
		} {
			res, _ := a.once(b, a.navigation("/auth/callback?"+query))
			assert.Equal(t, http.StatusBadRequest, res.StatusCode, name)
		}
		assert.Zero(t, a.srv.CallCount("get_tokens_by_code"))
		assert.True(t, a.hasCookie(b, "__Host-oxdauth-login-"), "the real login can still be finished")
	})
}

func TestAPlantedLoginCookieIsIgnored(t *testing.T) {
	t.Parallel()
	t.Run("V-23", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.srv.Browser()
		callback := a.callback(b, a.base+"/page")
		var name, value string
		for _, c := range a.cookies(b) {
			name, value = c.Name, c.Value
		}
		for _, planted := range []string{"x", value[:len(value)-4] + "AAAA", ""} {
			header := name + "=" + planted + "; " + name + "=" + value
			res, _ := a.once(nil, a.navigation(callback.RequestURI(), "Cookie", header))
			if assert.Equal(t, http.StatusSeeOther, res.StatusCode) {
				assert.Equal(t, "/page", res.Header.Get("Location"))
			}
			callback = a.callback(b, a.base+"/page")
			for _, c := range a.cookies(b) {
				if strings.HasSuffix(c.Name, "") && strings.Contains(c.Name, "login") {
					name, value = c.Name, c.Value
				}
			}
		}
		insecure := newInsecureLog(t, a)
		assert.Contains(t, insecure, "no __Host- prefix", "a middleware without the prefix warns")
	})
}

func newInsecureLog(t *testing.T, a *app) string {
	t.Helper()
	log := &logBuffer{}
	_, err := oxdauth.New(a.srv.Client("http://localhost:1/cb"), oxdauth.WithInsecureCookies(), oxdauth.WithLogger(log.logger()))
	require.NoError(t, err)
	return log.String()
}

func TestAnotherValidNonceIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("V-24", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		first, second := a.srv.Browser(), a.srv.Browser()
		one, two := a.callback(first, a.base+"/"), a.callback(second, a.base+"/")
		// Code injection: the code of one login with the state of another. oxd accepts it, both
		// nonces being alive.
		q := url.Values{"state": {one.Query().Get("state")}, "code": {two.Query().Get("code")}}
		res, _ := a.once(first, a.navigation("/auth/callback?"+q.Encode()))
		assert.Equal(t, http.StatusBadGateway, res.StatusCode)
		assert.Equal(t, 1, a.srv.CallCount("get_tokens_by_code"))
		assert.False(t, a.hasCookie(first, "__Host-oxdauth-tokens"))
		assert.Contains(t, a.log.String(), "nonce is another")
	})
}

func TestRepeatedParametersAreRefused(t *testing.T) {
	t.Parallel()
	t.Run("V-25", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.srv.Browser()
		q := a.callback(b, a.base+"/").RawQuery
		for _, more := range []string{"&state=t", "&code=a", "&error=x&error=y", "&iss=a&iss=b"} {
			res, _ := a.once(b, a.navigation("/auth/callback?"+q+more))
			assert.Equal(t, http.StatusBadRequest, res.StatusCode, more)
		}
		assert.Zero(t, a.srv.CallCount("get_tokens_by_code"))
	})
}

func TestASessionIDNeverSurvivesALogin(t *testing.T) {
	t.Parallel()
	t.Run("V-26", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.signedIn(user, password)
		planted := a.sessionCookie(b)
		victim := a.srv.Browser()
		u, err := url.Parse(a.base)
		require.NoError(t, err)
		victim.Jar.SetCookies(u, a.cookies(b))
		callback := a.callbackOf(victim)
		res, err := victim.Get(callback)
		require.NoError(t, err)
		readBody(t, res)
		assert.NotEqual(t, planted, a.sessionCookie(victim))
		res, _ = a.once(nil, a.navigation("/", "Cookie", planted))
		assert.Equal(t, http.StatusFound, res.StatusCode, "the planted session is revoked by the login")
	})
}

// callbackOf makes a login for a browser that is signed in already, by taking its session away for
// the start.
func (a *app) callbackOf(b *oxdtest.Browser) string {
	a.t.Helper()
	fresh := a.srv.Browser()
	callback := a.callback(fresh, a.base+"/")
	u, err := url.Parse(a.base)
	require.NoError(a.t, err)
	for _, c := range a.cookies(fresh) {
		c.Secure, c.Path = true, "/"
		b.Jar.SetCookies(u, []*http.Cookie{c})
	}
	return callback.String()
}

func TestOutstandingLoginsAreCapped(t *testing.T) { // not parallel: it looks at the heap
	t.Run("V-27", func(t *testing.T) {
		a := newApp(t, setup{})
		b := a.srv.Browser()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		const rounds = 1000
		for i := range rounds {
			res, _ := a.once(b, a.navigation(fmt.Sprintf("/page/%d", i)))
			require.Equal(t, http.StatusFound, res.StatusCode)
			size := 0
			for _, c := range a.cookies(b) {
				size += len(c.Name) + len(c.Value) + 3
				require.Less(t, len(c.Name)+len(c.Value), 350)
			}
			require.LessOrEqual(t, len(a.cookies(b)), 5)
			require.Less(t, size, 2048)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(16<<20), "no server memory per anonymous request, beyond what the embedded oxd keeps")
		res, _ := a.once(b, a.navigation("/"+strings.Repeat("long/", 150)))
		require.Equal(t, http.StatusFound, res.StatusCode)
		assert.Less(t, len(a.cookies(b)), 5, "a long page pushes several short ones out")
	})
}

func TestACallbackIsTakenUpOnce(t *testing.T) {
	t.Parallel()
	t.Run("V-28", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.srv.Browser()
		callback := a.callback(b, a.base+"/deep?x=1")
		loginCookies := a.cookies(b)
		res, err := b.Get(callback.String())
		require.NoError(t, err)
		assert.Contains(t, readBody(t, res), "at /deep?x=1")

		res, err = b.Get(callback.String())
		require.NoError(t, err)
		assert.Contains(t, readBody(t, res), "at /deep?x=1", "who is signed in gets the page again")

		var header []string
		for _, c := range loginCookies {
			header = append(header, c.Name+"="+c.Value)
		}
		res, body := a.once(nil, a.navigation(callback.RequestURI(), "Cookie", strings.Join(header, "; ")))
		assert.Equal(t, http.StatusBadRequest, res.StatusCode, "a copy of the login cookie does not make it usable again")
		assert.Contains(t, body, "This login cannot be continued")
		assert.Equal(t, 1, a.srv.CallCount("get_tokens_by_code"))
	})
}

func TestParallelCopiesOfACallbackMakeOneExchange(t *testing.T) {
	t.Parallel()
	t.Run("V-28", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.srv.Browser()
		callback := a.callback(b, a.base+"/")
		header := a.cookies(b)[0].Name + "=" + a.cookies(b)[0].Value
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { a.once(nil, a.navigation(callback.RequestURI(), "Cookie", header)) })
		}
		wg.Wait()
		assert.Equal(t, 1, a.srv.CallCount("get_tokens_by_code"))
	})
}

func TestAScopeTheAnswerLeavesOutIsNotAssumed(t *testing.T) {
	t.Parallel()
	t.Run("V-29", func(t *testing.T) {
		t.Parallel()
		srv := oxdtest.NewServer()
		t.Cleanup(srv.Close)
		srv.Handle("get_access_token_by_refresh_token", func(json.RawMessage) (any, error) {
			return map[string]any{"access_token": "a", "expires_in": 60, "refresh_token": "r", "scope": nil}, nil
		})
		got, err := srv.Client("https://app.example/cb").RefreshTokens(t.Context(), oxd.NewSecret("r"), "openid", "admin")
		require.NoError(t, err)
		assert.Empty(t, got.Scope)
	})
}

func TestAnAbandonedLoginLeavesNobodySignedIn(t *testing.T) {
	t.Parallel()
	t.Run("V-32", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.signedIn(user, password)
		cookie := a.sessionCookie(b)
		page, err := b.Get(a.base + "/auth/logout")
		require.NoError(t, err)
		res, err := b.Submit(page, nil)
		require.NoError(t, err)
		readBody(t, res)
		a.get(b, "/guarded") // the login page of the provider, left alone
		res, _ = a.once(b, a.navigation("/guarded"))
		assert.Equal(t, http.StatusFound, res.StatusCode)
		res, _ = a.once(nil, a.request("GET", "/guarded", "Cookie", cookie))
		assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	})
}

func TestParallelRefreshesNeverCrossUsers(t *testing.T) {
	t.Parallel()
	t.Run("V-33", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		a.srv.Provider.SetAccessTokenLifetime(time.Second)
		type person struct{ name, cookie, sub string }
		var people []person
		for i := range 40 {
			name, secret := user, password
			if i%2 == 1 {
				name, secret = "zoe", "Zoë"
			}
			b := a.srv.Browser()
			body := a.login(b, a.base+"/", name, secret)
			_, sub, _ := strings.Cut(body, "<")
			sub, _, _ = strings.Cut(sub, ">")
			people = append(people, person{name, a.sessionCookie(b), sub})
		}
		a.srv.Provider.SetAccessTokenLifetime(time.Hour)
		due := time.Now().Add(time.Second)
		require.Eventually(t, func() bool { return time.Now().After(due) }, 5*time.Second, 20*time.Millisecond)
		var wg sync.WaitGroup
		for _, p := range people {
			for range 3 {
				wg.Go(func() {
					_, body := a.once(nil, a.navigation("/", "Cookie", p.cookie))
					assert.Contains(t, body, "<"+p.sub+">")
				})
			}
		}
		wg.Wait()
		assert.LessOrEqual(t, a.srv.Provider.Refreshes(), len(people)*2)
		assert.Zero(t, a.srv.Provider.ReuseDetected())
	})
}

func TestACallbackHealsItself(t *testing.T) {
	t.Parallel()
	type visit struct {
		app      *app
		browser  *oxdtest.Browser
		callback *url.URL
	}
	for name, tc := range map[string]struct {
		before func(visit) *oxdtest.Browser // returns the browser that visits the callback
		want   string                       // on the page at the end
		status int
	}{
		"replayed by a reload": {func(v visit) *oxdtest.Browser {
			v.app.open(v.browser, v.callback.String())
			return v.browser
		}, "at /deep?x=1", 200},
		"reached by the back button, with a new code for the used state": {func(v visit) *oxdtest.Browser {
			v.app.open(v.browser, v.callback.String())
			v.callback.RawQuery = strings.Replace(v.callback.RawQuery, "code=", "code=other", 1)
			return v.browser
		}, "at /deep?x=1", 200},
		"bookmarked, by who is signed in since": {func(v visit) *oxdtest.Browser {
			return v.app.signedIn(user, password)
		}, "at /", 200},
		"bookmarked, by who is not signed in": {func(v visit) *oxdtest.Browser {
			v.app.open(v.browser, v.callback.String())
			return v.app.srv.Browser()
		}, "This login cannot be continued", 400},
		"without the login cookie": {func(v visit) *oxdtest.Browser {
			return v.app.srv.Browser()
		}, "This login cannot be continued", 400},
		"after oxd was restarted": {func(v visit) *oxdtest.Browser {
			v.app.srv.Restart()
			return v.browser
		}, "at /deep?x=1", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, setup{})
			b := a.srv.Browser()
			v := visit{a, b, a.callback(b, a.base+"/deep?x=1")}
			b = tc.before(v)
			redirects := 0
			b.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
				if strings.HasPrefix(req.URL.String(), a.base) {
					redirects++
				}
				return nil
			}
			res, err := b.Get(v.callback.String())
			require.NoError(t, err)
			body := readBody(t, res)
			assert.Equal(t, tc.status, res.StatusCode)
			assert.Contains(t, body, tc.want)
			assert.LessOrEqual(t, redirects, 2)
			if tc.status == 200 {
				return
			}
			require.Contains(t, body, `href="/auth/login"`, "the page leads on")
			res, err = b.LogIn(a.base+"/auth/login", user, password)
			require.NoError(t, err)
			assert.Contains(t, readBody(t, res), "at /")
		})
	}
}

// open visits a page that has to be there.
func (a *app) open(b *oxdtest.Browser, page string) {
	a.t.Helper()
	res, err := b.Get(page)
	require.NoError(a.t, err)
	require.Equal(a.t, http.StatusOK, res.StatusCode, readBody(a.t, res))
}

func TestAnAuthorizationURLThatCannotBeUsedIsRefused(t *testing.T) {
	t.Parallel()
	const good = "https://idp.example/authorize?response_type=code&client_id=@!17.36!0008&redirect_uri=https://app.example/auth/callback&scope=openid&state=473ot4nuqb4ubeokc139raur13&nonce=lbrdgorr974q66q6q9g454iccm"
	for name, tc := range map[string]struct {
		url    string
		reason string // empty: it can be used
	}{
		"a good one":           {good, ""},
		"relative":             {strings.TrimPrefix(good, "https:"), "malformed answer"},
		"a script":             {"javascript:alert(1)", "malformed answer"},
		"a control character":  {good + "\n", "malformed answer"},
		"no state":             {strings.Replace(good, "&state=", "&x=", 1), "not exactly one state"},
		"two states":           {good + "&state=473ot4nuqb4ubeokc139raur14", "not exactly one state"},
		"no nonce":             {strings.Replace(good, "&nonce=", "&x=", 1), "not exactly one nonce"},
		"a short state":        {strings.Replace(good, "473ot4nuqb4ubeokc139raur13", "473ot4", 1), "too short to be unguessable"},
		"another redirect URI": {strings.Replace(good, "/auth/callback", "/elsewhere", 1), "registered with redirect URI"},
		"a user":               {strings.Replace(good, "idp.example", "me@idp.example", 1), "not an absolute http(s) URL"},
		"endless":              {good + "&x=" + strings.Repeat("y", 8000), "not an absolute http(s) URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failure error
			answer, err := json.Marshal(map[string]string{"authorization_url": tc.url})
			require.NoError(t, err)
			m := newAuth(t, &fakeOxd{authorization: string(answer)}, oxdauth.WithErrorHandler(func(w http.ResponseWriter, _ *http.Request, err error) {
				failure = err
				w.WriteHeader(oxdauth.StatusCode(err))
			}))
			v := &visitor{t: t, m: m, jar: map[string]string{}}
			res, _ := v.send(m.Handler(http.NotFoundHandler()), v.page("/"))
			if tc.reason == "" {
				require.NoError(t, failure)
				assert.Equal(t, http.StatusFound, res.StatusCode)
				assert.Equal(t, tc.url, res.Header.Get("Location"), "to the letter")
				assert.Len(t, v.jar, 1)
				return
			}
			require.ErrorContains(t, failure, tc.reason)
			if errors.Is(failure, oxd.ErrUnavailable) {
				assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode, "package oxd takes it for no answer")
			} else {
				assert.ErrorContains(t, failure, "oxd answered an unusable authorization URL")
				assert.Equal(t, http.StatusBadGateway, res.StatusCode)
			}
			assert.Empty(t, res.Header.Get("Location"))
			assert.Empty(t, v.jar, "no login has begun")
		})
	}
}

func TestALoginThatTookTooLongStartsAgainAndKeepsThePage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const restarts = 2 // of one login, before a page is shown instead
		f := &fakeOxd{}
		m := newAuth(t, f)
		v := &visitor{t: t, m: m, jar: map[string]string{}}
		state := v.leave("/report?week=3").state
		for range restarts {
			time.Sleep(10*time.Minute + time.Second)
			state = v.leave("/auth/callback?code=x&state=" + state).state // once more
			quick := v.copy()
			res, body := quick.send(m.Callback(), quick.page("/auth/callback?code=x&state="+state))
			require.Equal(t, http.StatusSeeOther, res.StatusCode, body)
			assert.Equal(t, "/report?week=3", res.Header.Get("Location"))
		}
		time.Sleep(10*time.Minute + time.Second)
		res, _ := v.send(m.Callback(), v.page("/auth/callback?code=x&state="+state))
		assert.Equal(t, http.StatusBadRequest, res.StatusCode, "then a page")
		assert.EqualValues(t, 1+restarts, f.states.Load())
	})
}

func FuzzCallback(f *testing.F) {
	for _, query := range []string{
		"code=a&state=STATE", "code=a&state=STATE&state=STATE", "code=a&state=", "code=a", "state=%zz&state=", "code=a&code=b&state=STATE",
		"error=x&state=STATE", "state=STATE", "code=a&stat%65=STATE", "code=a;state=STATE",
	} {
		f.Add(query)
	}
	asked := &fakeOxd{}
	m := newAuth(f, asked)
	f.Fuzz(func(t *testing.T, query string) {
		out := (&visitor{t: t, m: m, jar: map[string]string{}}).leave("/")
		before := asked.exchanges.Load()
		r := out.page(m.CallbackPath())
		r.URL.RawQuery = strings.ReplaceAll(query, "STATE", out.state)
		res, _ := out.send(m.Callback(), r)
		q := r.URL.Query()
		if asked.exchanges.Load() != before {
			assert.Equal(t, []string{out.state}, q["state"], "oxd is asked about the one state of this login")
			assert.Len(t, q["code"], 1)
			assert.Equal(t, http.StatusSeeOther, res.StatusCode)
			return
		}
		assert.GreaterOrEqual(t, res.StatusCode, 400)
		for name := range out.jar {
			assert.Contains(t, name, "-login-", "there is no session")
		}
	})
}
