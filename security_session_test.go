package oxdauth_test

// Attacks on cookies, resources, pages and logout (V-43 to V-53 as far as they concern login, V-77 to V-87, V-98, V-100 to
// V-112). Each test is named by the case it shows.

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxdtest"
)

func TestV53TwentyThousandParametersAreRefusedUnparsed(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	res, _ := a.once(nil, a.navigation("/auth/callback?state=x"+strings.Repeat("&a=b", 20_000)))
	assert.Equal(t, http.StatusBadRequest, res.StatusCode)
	res, _ = a.once(nil, a.navigation("/auth/login?return_to=/x"+strings.Repeat("&a=b", 20_000)))
	assert.Less(t, res.StatusCode, 500)
}

func TestV114TheCallbackTakesNoPost(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	b := a.srv.Browser()
	callback := a.callback(b, a.base+"/")
	res, _ := a.once(b, a.request("POST", callback.RequestURI(), "Content-Type", "application/x-www-form-urlencoded"))
	assert.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
	assert.Equal(t, "GET", res.Header.Get("Allow"))
}

func TestV77TheNewerOfTwoSessionsWins(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", a.whoami())
		mux.HandleFunc("/refresh", func(w http.ResponseWriter, r *http.Request) {
			_, err := m.Refresh(w, r)
			assert.NoError(t, err)
		})
		mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
			s, _ := oxdauth.SessionFromContext(r.Context())
			_, _ = w.Write([]byte(s.AccessToken().Reveal()))
		})
		return m.Handler(mux)
	}})
	b := a.signedIn(user, password)
	older := a.sessionCookie(b)
	a.get(b, "/refresh")
	newer := a.sessionCookie(b)
	_, want := a.get(b, "/token")
	for _, header := range []string{older + "; " + newer, newer + "; " + older} {
		_, got := a.once(nil, a.navigation("/token", "Cookie", header))
		assert.Equal(t, want, got)
	}
}

func TestV80V103OddRequestsNeverPanic(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	for _, cookie := range []string{";", "=", "a", ";;=;", "__Host-oxdauth=" + strings.Repeat(".", 50_000), "__Host-oxdauth=x.1." + strings.Repeat("A", 8000)} {
		res, _ := a.once(nil, a.navigation("/", "Cookie", cookie))
		assert.Equal(t, http.StatusFound, res.StatusCode, "%.30q", cookie)
	}
	for _, target := range []string{"/auth/callback?&", "/auth/callback?=", "/auth/login?&", "/auth/login?return_to", "/auth/callback?%"} {
		res, _ := a.once(nil, a.navigation(target))
		assert.Less(t, res.StatusCode, 500, target)
	}
	for _, path := range []string{"/", "/auth/logout", "/auth/callback", "/auth/login"} {
		res, _ := a.once(nil, a.request("POST", path))
		assert.Less(t, res.StatusCode, 500, "a POST without body and Content-Type to %s", path)
	}
}

func TestV82SecretsAreComparedInConstantTime(t *testing.T) {
	t.Parallel()
	// Nothing in the package compares a state, nonce, MAC or client hash with == or bytes.Equal.
	pkgs, err := os.ReadDir(".")
	require.NoError(t, err)
	fset, checked := token.NewFileSet(), 0
	for _, entry := range pkgs {
		if !strings.HasSuffix(entry.Name(), ".go") || strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, entry.Name(), nil, 0)
		require.NoError(t, err)
		checked++
		ast.Inspect(file, func(n ast.Node) bool {
			binary, ok := n.(*ast.BinaryExpr)
			if !ok || binary.Op != token.EQL && binary.Op != token.NEQ {
				return true
			}
			if right, ok := binary.Y.(*ast.Ident); ok && right.Name == "nil" {
				return true
			}
			for _, side := range []ast.Expr{binary.X, binary.Y} {
				if selector, ok := side.(*ast.SelectorExpr); ok {
					assert.NotContains(t, []string{"state", "nonce", "client"}, selector.Sel.Name, "%s", fset.Position(n.Pos()))
				}
			}
			return true
		})
	}
	assert.Greater(t, checked, 10)
}

func TestV83WeakKeysAreRefused(t *testing.T) {
	t.Parallel()
	srv := oxdtest.NewServer()
	t.Cleanup(srv.Close)
	client := srv.Client("https://app.example/cb")
	for name, key := range map[string][]byte{
		"nil": nil, "empty": {}, "short": testKey[:31], "all equal": make([]byte, 64), "a repeated word": []byte(strings.Repeat("secret!", 10)),
		"32 hexadecimal digits are 128 bits": []byte("0123456789abcdef0123456789abcdeF"), "a sentence in base64 letters": []byte("abcdefghijklmnopqrstuvwxyzABCDEFGH"),
	} {
		_, err := oxdauth.New(client, "https://app.example/cb", oxdauth.WithKeys(key))
		assert.Error(t, err, name)
		_, err = oxdauth.New(client, "https://app.example/cb", oxdauth.WithKeys(testKey, key))
		assert.Error(t, err, "%s, as a previous key", name)
	}
	log := &logBuffer{}
	_, err := oxdauth.New(client, "https://app.example/cb", oxdauth.WithLogger(log.logger()))
	require.NoError(t, err)
	assert.Contains(t, log.String(), "no WithKeys", "random keys are said to be so")
	_, err = oxdauth.New(nil, "x", oxdauth.WithKeys(nil), oxdauth.WithCookieName("a b"), oxdauth.WithSessionLifetime(0, 0), oxdauth.WithACR(""), oxdauth.WithScopes("a b"), oxdauth.WithLogoutRedirect("/x"), oxdauth.WithErrorHandler(nil), oxdauth.WithLogger(nil))
	require.Error(t, err)
	for _, part := range []string{"nil client", "WithKeys", "WithCookieName", "WithSessionLifetime", "ACR", "scope", "WithLogoutRedirect", "WithErrorHandler", "WithLogger", "redirect URL"} {
		assert.Contains(t, err.Error(), part, "every problem at once")
	}
}

func TestV86OddLifetimesAreDefined(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		expires string
		known   bool
	}{
		"huge": {`1e300`, true}, "the largest integer": {`9223372036854775807`, true}, "text": {`"3600"`, true}, "negative": {`-1`, false},
		"null": {`null`, false}, "absent": {``, false}, "zero": {`0`, false}, "an object": {`{}`, false}, "text that is no number": {`"soon"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got time.Time
			a := newApp(t, setup{handler: func(a *app) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s, _ := oxdauth.SessionFromContext(r.Context())
					got = s.AccessTokenExpires
				})
			}})
			b := a.srv.Browser()
			callback := a.callback(b, a.base+"/")
			a.answerTokens(callback, func(data map[string]json.RawMessage) {
				delete(data, "expires_in")
				if tc.expires != "" {
					data["expires_in"] = json.RawMessage(tc.expires)
				}
			})
			res, err := b.Get(callback.String())
			require.NoError(t, err)
			body := readBody(t, res)
			if name == "an object" || name == "text that is no number" {
				assert.GreaterOrEqual(t, res.StatusCode, 200)
				return
			}
			require.Equal(t, http.StatusOK, res.StatusCode, body)
			assert.Equal(t, tc.known, !got.IsZero())
			assert.Less(t, got.Year(), 10_000)
			assert.Equal(t, http.StatusOK, func() int { res, _ := a.get(b, "/"); return res.StatusCode }(), "and the session holds")
		})
	}
}

// answerTokens scripts get_tokens_by_code: the real answer of this login, changed.
func (a *app) answerTokens(callback *url.URL, change func(map[string]json.RawMessage)) {
	a.t.Helper()
	real := map[string]json.RawMessage{}
	params := map[string]string{"code": callback.Query().Get("code"), "state": callback.Query().Get("state")}
	require.NoError(a.t, a.oxd.Do(a.t.Context(), "get_tokens_by_code", params, &real))
	change(real)
	a.srv.Handle("get_tokens_by_code", func(json.RawMessage) (any, error) { return real, nil })
}

func TestV91ATokenForAnotherAudienceOrIssuerIsRefused(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		claims map[string][]string
		iss    string
	}{
		"another audience":            {map[string][]string{"aud": {"somebody else"}}, ""},
		"no audience":                 {map[string][]string{"aud": {}}, ""},
		"no issuer":                   {map[string][]string{"iss": {}}, ""},
		"no subject":                  {map[string][]string{"sub": {""}}, ""},
		"no nonce":                    {map[string][]string{"nonce": {}}, ""},
		"a very long subject":         {map[string][]string{"sub": {strings.Repeat("x", 300)}}, ""},
		"another issuer in the query": {nil, "https://evil.example"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, setup{})
			b := a.srv.Browser()
			callback := a.callback(b, a.base+"/")
			a.answerTokens(callback, func(data map[string]json.RawMessage) {
				var claims map[string]any
				require.NoError(t, json.Unmarshal(data["id_token_claims"], &claims))
				for claim, values := range tc.claims {
					claims[claim] = values
				}
				changed, err := json.Marshal(claims)
				require.NoError(t, err)
				data["id_token_claims"] = changed
			})
			target := callback.RequestURI()
			if tc.iss != "" {
				target += "&iss=" + url.QueryEscape(tc.iss)
			}
			res, _ := a.once(b, a.navigation(target))
			assert.Equal(t, http.StatusBadGateway, res.StatusCode)
			assert.Empty(t, a.sessionCookie(b))
		})
	}
}

func TestV87AnEndlessAnswerEndsInAnError(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	b := a.signedIn(user, password)
	_ = b
	for _, kind := range []oxdtest.FaultKind{oxdtest.FaultGarbage, oxdtest.FaultOversize, oxdtest.FaultDropBefore, oxdtest.FaultDropAfter, oxdtest.FaultWrongCharset, oxdtest.FaultInternalError} {
		a.srv.ClearFaults()
		a.srv.Inject("get_authorization_url", oxdtest.Fault{Kind: kind})
		res, body := a.get(nil, "/")
		if kind == oxdtest.FaultWrongCharset && res.StatusCode == http.StatusOK {
			continue // an authorization URL is ASCII, the same in both
		}
		assert.GreaterOrEqual(t, res.StatusCode, 502, "fault %v: %s", kind, body)
		assert.LessOrEqual(t, res.StatusCode, 503)
	}
}

func TestV100NothingFromTheProviderReachesThePage(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	for _, evil := range []string{"<script>alert(1)</script>", "\r\nX-Evil: 1", "<svg onload=alert(1)>", `"><img src=x>`} {
		b := a.srv.Browser()
		state := a.callback(b, a.base+"/").Query().Get("state")
		for _, q := range []url.Values{
			{"state": {state}, "error": {evil}, "error_description": {evil}, "error_uri": {evil}},
			{"state": {evil}, "error": {"access_denied"}},
			{"state": {evil}, "code": {evil}},
		} {
			res, body := a.once(b, a.navigation("/auth/callback?"+q.Encode()))
			assert.GreaterOrEqual(t, res.StatusCode, 400)
			assert.NotContains(t, body, evil)
			assert.NotContains(t, body, html.EscapeString(evil))
			assert.Empty(t, res.Header.Get("X-Evil"))
			assert.Contains(t, res.Header.Get("Content-Security-Policy"), "default-src 'none'")
			assert.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"))
		}
	}
}

func TestV101V102ASignedOutPostDeliversNothingOfTheHandler(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	req := a.request("POST", "/secret", "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded")
	req.Body = http.NoBody
	res, body := a.once(nil, req)
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	assert.Contains(t, body, "Your session has ended")
	assert.NotContains(t, body, "at /secret")
	assert.Zero(t, a.runs.Load())
}

func TestV104AnAnswerThatSetsACookieIsNeverStored(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", a.whoami())
		mux.HandleFunc("/public", func(w http.ResponseWriter, r *http.Request) {
			if r.FormValue("refresh") != "" {
				_, err := m.Refresh(w, r)
				assert.NoError(t, err)
			}
			w.Header().Set("Cache-Control", "public, max-age=86400")
			w.Header().Set("Vary", "Accept-Encoding")
			_, _ = w.Write([]byte("a page for everybody, the handler thinks"))
		})
		return m.Handler(mux)
	}})
	b := a.signedIn(user, password)
	res, _ := a.get(b, "/public?refresh=1")
	require.NotEmpty(t, res.Cookies())
	cacheControl, vary := strings.Join(res.Header.Values("Cache-Control"), ", "), strings.Join(res.Header.Values("Vary"), ", ")
	assert.Contains(t, cacheControl, "no-store", "beside what the handler set: of the two, no-store prevails")
	assert.Contains(t, vary, "Cookie")

	res, _ = a.get(b, "/public")
	assert.Empty(t, res.Cookies())
	assert.Equal(t, "public, max-age=86400", res.Header.Get("Cache-Control"), "without a cookie the handler decides")
	res, _ = a.get(b, "/")
	assert.Equal(t, "no-store", res.Header.Get("Cache-Control"), "a page is private unless its handler says otherwise")
	for _, path := range []string{"/", "/auth/callback?state=x", "/auth/login", "/auth/logout"} {
		for _, accept := range []string{"text/html", "application/json"} {
			res, _ := a.once(nil, a.request("GET", path, "Accept", accept))
			assert.Contains(t, strings.Join(res.Header.Values("Cache-Control"), ","), "no-store", path)
			assert.Contains(t, strings.Join(res.Header.Values("Vary"), ","), "Cookie", path)
		}
	}
}

func TestV105V106LogoutFromElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	b := a.signedIn(user, password)
	for name, header := range map[string][]string{
		"cross-site by Sec-Fetch-Site":   {"Sec-Fetch-Site", "cross-site"},
		"same-site, another subdomain":   {"Sec-Fetch-Site", "same-site"},
		"a foreign Origin":               {"Origin", "https://evil.example"},
		"the Origin with another scheme": {"Origin", strings.Replace(a.base, "https:", "http:", 1)},
		"the Origin with another port":   {"Origin", "https://localhost:1"},
		"a null Origin":                  {"Origin", "null"},
	} {
		res, _ := a.once(nil, a.request("POST", "/auth/logout", append([]string{"Cookie", a.sessionCookie(b), "Accept", "text/html"}, header...)...))
		assert.Equal(t, http.StatusForbidden, res.StatusCode, name)
		assert.Empty(t, res.Cookies(), name)
	}
	res, body := a.get(b, "/auth/logout")
	assert.Equal(t, http.StatusOK, res.StatusCode, "GET only asks")
	assert.Contains(t, body, `method="post"`)
	_, body = a.get(b, "/")
	assert.Contains(t, body, "Alice", "the session is intact")
	assert.Zero(t, a.srv.Provider.EndSessions())
	for name, header := range map[string][]string{
		"same origin by Sec-Fetch-Site": {"Sec-Fetch-Site", "same-origin"},
		"our Origin":                    {"Origin", a.base},
	} {
		b := a.signedIn(user, password)
		res, _ := a.once(nil, a.request("POST", "/auth/logout", append([]string{"Cookie", a.sessionCookie(b)}, header...)...))
		assert.Equal(t, http.StatusSeeOther, res.StatusCode, name)
	}
}

func TestV112LogoutWorksWhileOxdIsDown(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	b := a.signedIn(user, password)
	cookie := a.sessionCookie(b)
	a.srv.Stop()
	res, body := a.once(b, a.request("POST", "/auth/logout", "Origin", a.base))
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Contains(t, body, "You are signed out of this application.")
	assert.Empty(t, a.sessionCookie(b))
	a.srv.Restart()
	res, _ = a.once(nil, a.navigation("/", "Cookie", cookie))
	assert.Equal(t, http.StatusFound, res.StatusCode)
}

func TestLogoutWithoutASessionAsksOxdForNothing(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	a.signedIn("zoe", "Zoë") // oxd now holds an ID token it would use for a hint of its own
	res, _ := a.once(nil, a.request("POST", "/auth/logout"))
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Zero(t, a.srv.CallCount("get_logout_uri"))
}

func TestV98NoSecretIsLogged(t *testing.T) {
	t.Parallel()
	for _, transport := range transports {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			var secrets []string
			a := newApp(t, setup{transport: transport, mount: func(m *oxdauth.Middleware, a *app) http.Handler {
				return m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					s, _ := oxdauth.SessionFromContext(r.Context())
					secrets = append(secrets, s.AccessToken().Reveal(), s.IDToken().Reveal())
					a.log.logger().Info("handler", "session", s)
					_, _ = m.Refresh(w, r)
				}))
			}})
			b := a.signedIn(user, password)
			callback := a.callback(a.srv.Browser(), a.base+"/")
			secrets = append(secrets, callback.Query().Get("code"))
			res, err := a.srv.Browser().Get(callback.String())
			require.NoError(t, err)
			readBody(t, res)
			a.srv.Inject("", oxdtest.Fault{Kind: oxdtest.FaultInternalError})
			a.get(b, "/")
			a.get(nil, "/")
			for _, c := range a.cookies(b) {
				secrets = append(secrets, c.Value)
			}
			logged := a.log.String()
			require.NotEmpty(t, logged)
			for _, secret := range secrets {
				require.NotEmpty(t, secret)
				assert.NotContains(t, logged, secret)
			}
		})
	}
}

func TestV67AnErrorHandlerGetsNoCredentials(t *testing.T) {
	t.Parallel()
	var seen http.Header
	var status int
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) {
		seen, status = r.Header, oxdauth.StatusCode(err)
		w.WriteHeader(status)
	})}})
	res, _ := a.once(nil, a.request("GET", "/", "Cookie", "a=b", "Authorization", "Bearer x", "X-Kept", "1"))
	assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
	assert.Equal(t, http.StatusUnauthorized, status)
	assert.Empty(t, seen.Get("Cookie")+seen.Get("Authorization"))
	assert.Equal(t, "1", seen.Get("X-Kept"))
}

func TestCookiesHaveEveryProtectingAttribute(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	b := a.srv.Browser()
	callback := a.callback(b, a.base+"/")
	res, _ := a.once(b, a.navigation(callback.RequestURI()))
	require.Equal(t, http.StatusSeeOther, res.StatusCode)
	assert.Equal(t, "no-referrer", res.Header.Get("Referrer-Policy"))
	names := map[string]bool{}
	for _, c := range res.Cookies() {
		assert.True(t, strings.HasPrefix(c.Name, "__Host-oxdauth"), c.Name)
		assert.True(t, c.Secure && c.HttpOnly && c.Path == "/" && c.Domain == "" && c.SameSite == http.SameSiteLaxMode, c.Raw)
		names[c.Name] = c.MaxAge >= 0
	}
	assert.True(t, names["__Host-oxdauth"] && names["__Host-oxdauth-tokens"])
}
