package oxdauth_test

// Sessions: attacks on their cookies, where a token must not appear, their limits to the second,
// and what happens when keys change.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

func TestTwentyThousandParametersAreRefusedUnparsed(t *testing.T) {
	t.Parallel()
	t.Run("V-53", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		res, _ := a.once(nil, a.navigation("/auth/callback?state=x"+strings.Repeat("&a=b", 20_000)))
		assert.Equal(t, http.StatusBadRequest, res.StatusCode)
		res, _ = a.once(nil, a.navigation("/auth/login?return_to=/x"+strings.Repeat("&a=b", 20_000)))
		assert.Less(t, res.StatusCode, 500)
	})
}

func TestTheCallbackTakesNoPost(t *testing.T) {
	t.Parallel()
	t.Run("V-114", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.srv.Browser()
		callback := a.callback(b, a.base+"/")
		res, _ := a.once(b, a.request("POST", callback.RequestURI(), "Content-Type", "application/x-www-form-urlencoded"))
		assert.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
		assert.Equal(t, "GET", res.Header.Get("Allow"))
	})
}

func TestTheNewerOfTwoSessionsWins(t *testing.T) {
	t.Parallel()
	t.Run("V-77", func(t *testing.T) {
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
	})
}

func TestOddRequestsNeverPanic(t *testing.T) {
	t.Parallel()
	t.Run("V-80, V-103", func(t *testing.T) {
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
	})
}

func TestSecretsAreComparedInConstantTime(t *testing.T) {
	t.Parallel()
	t.Run("V-82", func(t *testing.T) {
		t.Parallel()
		// Nothing in the package compares a state, nonce, MAC or client hash with == or
		// bytes.Equal.
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
	})
}

func TestWeakKeysAreRefused(t *testing.T) {
	t.Parallel()
	t.Run("V-83", func(t *testing.T) {
		t.Parallel()
		srv := oxdtest.NewServer()
		t.Cleanup(srv.Close)
		client := srv.Client("https://app.example/cb")
		for name, key := range map[string][]byte{
			"nil": nil, "empty": {}, "short": testKey[:31], "all equal": make([]byte, 64), "a repeated word": []byte(strings.Repeat("secret!", 10)),
			"32 hexadecimal digits are 128 bits": []byte("0123456789abcdef0123456789abcdeF"), "a sentence in base64 letters": []byte("abcdefghijklmnopqrstuvwxyzABCDEFGH"),
		} {
			_, err := oxdauth.New(client, oxdauth.WithKeys(key))
			assert.Error(t, err, name)
			_, err = oxdauth.New(client, oxdauth.WithKeys(testKey, key))
			assert.Error(t, err, "%s, as a previous key", name)
		}
		log := &logBuffer{}
		_, err := oxdauth.New(client, oxdauth.WithLogger(log.logger()))
		require.NoError(t, err)
		assert.Contains(t, log.String(), "no WithKeys", "random keys are said to be so")
		_, err = oxdauth.New(nil, oxdauth.WithKeys(nil), oxdauth.WithCookieName("a b"), oxdauth.WithSessionLifetime(0, 0), oxdauth.WithACR(""), oxdauth.WithScopes("a b"), oxdauth.WithPathPrefix(""), oxdauth.WithErrorHandler(nil), oxdauth.WithLogger(nil))
		require.Error(t, err)
		for _, part := range []string{"nil client", "WithKeys", "WithCookieName", "WithSessionLifetime", "ACR", "scope", "WithPathPrefix", "WithErrorHandler", "WithLogger"} {
			assert.Contains(t, err.Error(), part, "every problem at once")
		}
	})
}

func TestOddLifetimesAreDefined(t *testing.T) {
	t.Parallel()
	t.Run("V-86", func(t *testing.T) {
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
	})
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

func TestATokenForAnotherAudienceOrIssuerIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("V-91", func(t *testing.T) {
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
	})
}

func TestAnEndlessAnswerEndsInAnError(t *testing.T) {
	t.Parallel()
	t.Run("V-87", func(t *testing.T) {
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
	})
}

func TestNothingFromTheProviderReachesThePage(t *testing.T) {
	t.Parallel()
	t.Run("V-100", func(t *testing.T) {
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
	})
}

func TestASignedOutPostDeliversNothingOfTheHandler(t *testing.T) {
	t.Parallel()
	t.Run("V-101, V-102", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		req := a.request("POST", "/secret", "Accept", "text/html", "Content-Type", "application/x-www-form-urlencoded")
		req.Body = http.NoBody
		res, body := a.once(nil, req)
		assert.Equal(t, http.StatusUnauthorized, res.StatusCode)
		assert.Contains(t, body, "Your session has ended")
		assert.NotContains(t, body, "at /secret")
		assert.Zero(t, a.runs.Load())
	})
}

func TestAnAnswerThatSetsACookieIsNeverStored(t *testing.T) {
	t.Parallel()
	t.Run("V-104", func(t *testing.T) {
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
	})
}

func TestLogoutFromElsewhereIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("V-105, V-106", func(t *testing.T) {
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
	})
}

func TestLogoutWorksWhileOxdIsDown(t *testing.T) {
	t.Parallel()
	t.Run("V-112", func(t *testing.T) {
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
	})
}

func TestLogoutWithoutASessionAsksOxdForNothing(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	a.signedIn("zoe", "Zoë") // oxd now holds an ID token it would use for a hint of its own
	res, _ := a.once(nil, a.request("POST", "/auth/logout"))
	assert.Equal(t, http.StatusOK, res.StatusCode)
	assert.Zero(t, a.srv.CallCount("get_logout_uri"))
}

func TestNoSecretIsLogged(t *testing.T) {
	t.Parallel()
	t.Run("V-98", func(t *testing.T) {
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
	})
}

func TestAnErrorHandlerGetsNoCredentials(t *testing.T) {
	t.Parallel()
	t.Run("V-67", func(t *testing.T) {
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
	})
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

func TestAnAlteredSealedValueIsRefused(t *testing.T) {
	t.Parallel()
	t.Run("V-93", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{})
		b := a.signedIn(user, password)
		for _, c := range a.cookies(b) {
			for _, i := range []int{0, len(c.Value) / 2, len(c.Value) - 1} {
				altered := []byte(c.Value)
				altered[i] ^= 1
				res, _ := a.once(nil, a.request("GET", "/", "Cookie", c.Name+"="+string(altered)))
				assert.Equal(t, http.StatusUnauthorized, res.StatusCode, "%s, byte %d", c.Name, i)
			}
		}
		b = a.srv.Browser()
		callback := a.callback(b, a.base+"/x")
		before := a.srv.CallCount("get_tokens_by_code")
		altered := *callback
		q := altered.Query()
		q.Set("state", "x"+q.Get("state"))
		altered.RawQuery = q.Encode()
		res, _ := a.once(b, a.navigation(altered.RequestURI()))
		assert.NotEqual(t, http.StatusOK, res.StatusCode)
		assert.Equal(t, before, a.srv.CallCount("get_tokens_by_code"))
	})
}

func TestNoTokenIsShownOrSentInAURL(t *testing.T) {
	t.Parallel()
	t.Run("V-94", func(t *testing.T) {
		t.Parallel()
		var secrets []string
		a := newApp(t, setup{handler: func(a *app) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s, _ := oxdauth.SessionFromContext(r.Context())
				secrets = append(secrets, s.AccessToken().Reveal(), s.IDToken().Reveal())
				for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
					fmt.Fprintf(w, format+"\n", s)
					fmt.Fprintf(w, format+"\n", *s)
				}
				data, err := json.Marshal(s)
				assert.NoError(a.t, err)
				_, _ = w.Write(data)
			})
		}})
		b := a.srv.Browser()
		var urls []string
		b.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
			urls = append(urls, req.URL.String())
			return nil
		}
		page := a.login(b, a.base+"/", user, password)
		res, body := a.get(b, "/auth/logout")
		seen := page + body + res.Request.URL.String() + strings.Join(urls, "\n")
		require.Len(t, secrets, 2)
		for _, secret := range secrets {
			require.Greater(t, len(secret), 20)
			assert.NotContains(t, seen, secret)
			assert.NotContains(t, seen, fmt.Sprintf("%x", secret))
		}
	})
}

func TestTwoSessionsOfOneUserAreIndependent(t *testing.T) {
	t.Parallel()
	t.Run("V-97", func(t *testing.T) {
		t.Parallel()
		a := newApp(t, setup{mount: func(m *oxdauth.Middleware, a *app) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/", a.whoami())
			mux.HandleFunc("/refresh", func(w http.ResponseWriter, r *http.Request) {
				_, err := m.Refresh(w, r)
				assert.NoError(a.t, err)
			})
			return m.Handler(mux)
		}})
		one, two := a.signedIn(user, password), a.signedIn(user, password)
		for range 2 {
			a.get(one, "/refresh")
			a.get(two, "/refresh")
		}
		assert.Equal(t, 4, a.srv.Provider.Refreshes())
		assert.Zero(t, a.srv.Provider.ReuseDetected())
		page, err := one.Get(a.base + "/auth/logout")
		require.NoError(t, err)
		res, err := one.Submit(page, nil)
		require.NoError(t, err)
		readBody(t, res)
		res, _ = a.once(one, a.navigation("/"))
		assert.Equal(t, http.StatusFound, res.StatusCode)
		_, body := a.get(two, "/here")
		assert.Contains(t, body, "at /here")
	})
}

func TestKeysAreRotatedUnderLoadWithoutASignOut(t *testing.T) {
	t.Parallel()
	older, newer := bytes.Repeat([]byte("old key 0123456789abcdef"), 2), bytes.Repeat([]byte("new key 0123456789abcdef"), 2)
	var current atomic.Pointer[oxdauth.Middleware]
	a := newApp(t, setup{options: []oxdauth.Option{oxdauth.WithKeys(older)}, mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		current.Store(m)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			current.Load().Handler(a.whoami()).ServeHTTP(w, r)
		})
	}})
	replace := func(keys ...[]byte) {
		m := a.middleware(a.base, setup{options: []oxdauth.Option{oxdauth.WithKeys(keys[0], keys[1:]...)}})
		t.Cleanup(func() { require.NoError(t, m.Close()) })
		current.Store(m)
	}
	var browsers []*oxdtest.Browser
	for range 4 {
		browsers = append(browsers, a.signedIn(user, password))
	}
	away := a.signedIn(user, password)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for _, b := range browsers {
		wg.Go(func() {
			for {
				res, body := a.once(b, a.navigation("/"))
				if !assert.Equal(t, http.StatusOK, res.StatusCode, body) {
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	replace(newer, older)
	for _, b := range browsers {
		a.get(b, "/seen") // its cookies are rewritten, by this request or one before
	}
	close(stop)
	wg.Wait()
	replace(newer)
	for _, b := range browsers {
		_, body := a.get(b, "/after")
		assert.Contains(t, body, "at /after")
	}
	res, _ := a.once(away, a.navigation("/"))
	assert.Equal(t, http.StatusFound, res.StatusCode, "who was away signs in once more")
	a.login(away, a.base+"/back", user, password)
}

func TestTheIdleLimitEndsASessionToTheSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{}
		m := newAuth(t, f, oxdauth.WithSessionLifetime(time.Hour, 12*time.Hour))
		for range 2 {
			v := newVisitor(t, m, f, 0)
			time.Sleep(time.Hour - time.Second)
			assert.Equal(t, http.StatusOK, v.status(), "a second before")
			time.Sleep(time.Second)
			assert.Equal(t, http.StatusUnauthorized, v.status())
		}
	})
}

func TestTheAbsoluteLimitIsNeverExtended(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{}
		v := newVisitor(t, newAuth(t, f, oxdauth.WithSessionLifetime(time.Hour, 3*time.Hour)), f, 0)
		for range 5 {
			time.Sleep(30 * time.Minute)
			status, _, _ := v.visit()
			require.Equal(t, http.StatusOK, status, "activity keeps it alive")
		}
		time.Sleep(30*time.Minute - time.Second)
		status, _, _ := v.visit()
		assert.Equal(t, http.StatusOK, status, "a second before")
		time.Sleep(time.Second)
		assert.Equal(t, http.StatusUnauthorized, v.status())
	})
}

func TestTheCookieIsRewrittenAtMostOncePerTenthOfTheIdleLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{}
		v := newVisitor(t, newAuth(t, f, oxdauth.WithSessionLifetime(time.Hour, 12*time.Hour)), f, 0)
		rewritten := 0
		for range 1000 { // over 60 minutes
			time.Sleep(3600 * time.Millisecond)
			_, _, cookies := v.visit()
			rewritten += cookies
		}
		assert.LessOrEqual(t, rewritten, 10)
		assert.GreaterOrEqual(t, rewritten, 9)
	})
}

func TestAKeyIsRotatedWithoutASignOut(t *testing.T) {
	t.Parallel()
	f, older, newer := &fakeOxd{}, sealed.RandomKey(), sealed.RandomKey()
	v := newVisitor(t, newAuth(t, f, oxdauth.WithKeys(older)), f, time.Hour)
	kept := v.copy()

	v.m = newAuth(t, f, oxdauth.WithKeys(newer, older))
	status, token, cookies := v.visit()
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "old", token)
	assert.Equal(t, 2, cookies, "both are rewritten by the first request")
	_, _, cookies = v.visit()
	assert.Zero(t, cookies, "once")

	after := newAuth(t, f, oxdauth.WithKeys(newer))
	v.m, kept.m = after, after
	status, token, _ = v.visit()
	assert.Equal(t, http.StatusOK, status)
	assert.Equal(t, "old", token)
	assert.Equal(t, http.StatusUnauthorized, kept.status(), "who did not come by while both keys were known signs in once more")
}

func TestAPairOfCookiesThatDoesNotMatchIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{answer: always(refreshed)}
		m := newAuth(t, f)
		one := newVisitor(t, m, f, time.Second)
		time.Sleep(time.Second)
		two := newVisitor(t, m, f, time.Hour)
		one.jar["__Host-oxdauth-tokens"] = two.jar["__Host-oxdauth-tokens"]
		status, _, _ := one.visit()
		assert.Equal(t, http.StatusUnauthorized, status, "a refresh would use the other one's token")
		two.jar["__Host-oxdauth-tokens"] = "x"
		status, token, _ := two.visit()
		assert.Equal(t, http.StatusOK, status, "nothing needs the tokens")
		assert.Empty(t, token)
		assert.Zero(t, f.refreshes.Load())
	})
}

func TestALoginTakesARandomSessionID(t *testing.T) {
	t.Parallel()
	t.Run("V-81", func(t *testing.T) {
		t.Parallel()
		const logins = 1000
		f, key := &fakeOxd{}, sealed.RandomKey()
		m, cookie := newAuth(t, f, oxdauth.WithKeys(key)), newCookie(t, "", "identity", key)
		seen := map[session.ID]bool{}
		var ones [128]int
		for range logins { // of the same user
			var identity session.Identity
			_, err := cookie.Open(nil, newVisitor(t, m, f, 0).jar[cookie.Name()], &identity)
			require.NoError(t, err)
			require.False(t, seen[identity.ID])
			seen[identity.ID] = true
			for i := range ones {
				ones[i] += int(identity.ID[i/8] >> (i % 8) & 1)
			}
		}
		for i, n := range ones {
			assert.InDelta(t, logins/2, n, 126, "bit %d", i) // eight standard deviations
		}
	})
}

func TestRevokingAUserEndsTheSessionsOfBeforeAndNoOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeOxd{}
		m := newAuth(t, f, oxdauth.WithSessionLifetime(12*time.Hour, 12*time.Hour))
		one, two := newVisitor(t, m, f, 0), newVisitor(t, m, f, 0)
		time.Sleep(time.Minute)
		require.NoError(t, m.RevokeSubject(t.Context(), visitIssuer, "bob"))
		require.NoError(t, m.RevokeSubject(t.Context(), "https://other.example", "alice"))
		assert.Equal(t, http.StatusOK, one.status(), "another user, and a namesake at another provider")

		time.Sleep(300 * time.Millisecond)
		sameSecond := newVisitor(t, m, f, 0)
		require.NoError(t, m.RevokeSubject(t.Context(), visitIssuer, "alice"))
		lateInTheSecond := newVisitor(t, m, f, 0)
		for name, v := range map[string]*visitor{
			"a session": one, "another of the same user": two, "one of the same second": sameSecond,
			"one of later in that second, which cannot be told from it": lateInTheSecond,
		} {
			assert.Equal(t, http.StatusUnauthorized, v.status(), name)
		}
		time.Sleep(time.Second)
		later := newVisitor(t, m, f, 0)
		time.Sleep(12*time.Hour - 2*time.Second)
		assert.Equal(t, http.StatusOK, later.status(), "signed in again")
		assert.Equal(t, http.StatusUnauthorized, lateInTheSecond.status(), "to the end of the absolute lifetime")
	})
}

func TestTooManyEndedSessionsEndAllRatherThanForgettingOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const remembered = 100_000
		f := &fakeOxd{}
		m := newAuth(t, f)
		first, other := newVisitor(t, m, f, 0), newVisitor(t, m, f, 0)
		copied := first.copy()
		first.signOut()
		assert.Equal(t, http.StatusUnauthorized, copied.status())
		for i := range remembered - 1 {
			require.NoError(t, m.RevokeSubject(t.Context(), visitIssuer, strconv.Itoa(i)))
		}
		assert.Equal(t, http.StatusOK, other.status(), "there is room for all of them")
		require.NoError(t, m.RevokeSubject(t.Context(), visitIssuer, "one more"))
		assert.Equal(t, http.StatusUnauthorized, copied.status(), "what was ended stays ended")
		assert.Equal(t, http.StatusUnauthorized, other.status(), "together with everything of its time")
		time.Sleep(time.Second)
		assert.Equal(t, http.StatusOK, newVisitor(t, m, f, 0).status(), "a new login is not affected")
	})
}

func TestWithNotBeforeRefusesOlderSessions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, key := &fakeOxd{}, sealed.RandomKey()
		before := newVisitor(t, newAuth(t, f, oxdauth.WithKeys(key)), f, 0)
		for _, c := range []struct {
			name      string
			wait      time.Duration
			sameGone  bool
			laterGone bool
		}{
			{"a moment that begins a second", 10 * time.Second, false, false},
			{"a moment within a second, whose sessions cannot be told apart", 500 * time.Millisecond, true, false},
		} {
			time.Sleep(c.wait)
			m := newAuth(t, f, oxdauth.WithKeys(key), oxdauth.WithNotBefore(time.Now()))
			same := newVisitor(t, m, f, 0)
			time.Sleep(time.Second)
			later := newVisitor(t, m, f, 0)
			for _, v := range []struct {
				name string
				*visitor
				gone bool
			}{{"before", before.at(m), true}, {"the same second", same, c.sameGone}, {"later", later, c.laterGone}} {
				want := map[bool]int{true: http.StatusUnauthorized, false: http.StatusOK}[v.gone]
				assert.Equal(t, want, v.status(), "%s: %s", c.name, v.name)
			}
		}
		client, err := oxd.NewClient(f, siteOf("site", "https://app.example/auth/callback"))
		require.NoError(t, err)
		_, err = oxdauth.New(client, oxdauth.WithNotBefore(time.Now().Add(time.Second)))
		assert.ErrorContains(t, err, "WithNotBefore")
	})
}
