package oxdauth_test

// Identity headers: what clients forge (V-60 to V-66), and how claims are written.

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

// identity is what the headers of most tests say.
var identity = map[string]string{"X-Auth-User": "sub", "X-Auth-Name": "name", "X-Auth-Groups": "groups"}

// identityConfig has these headers, and perhaps one for the access token.
func identityConfig(accessToken ...string) oxdauth.IdentityHeadersConfig {
	return oxdauth.IdentityHeadersConfig{Claims: identity, AccessToken: strings.Join(accessToken, "")}
}

// newHeadersApp answers with the headers its handler gets, open below /public/ and behind a login
// elsewhere.
func newHeadersApp(t *testing.T, accessToken ...string) *app {
	t.Helper()
	return newApp(t, setup{options: []oxdauth.Option{oxdauth.WithClaims("name", "groups")}, mount: func(m *oxdauth.Middleware, a *app) http.Handler {
		headers, err := oxdauth.NewIdentityHeaders(m, identityConfig(accessToken...))
		require.NoError(t, err)
		rules, err := oxdauth.NewRules(m, needs{"/": m.Handler, "/public/": open, "/optional/": m.Optional})
		require.NoError(t, err)
		return rules.Handler(headers.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			assert.NoError(t, json.NewEncoder(w).Encode(r.Header))
		})))
	}})
}

// seen returns the headers the handler gets; lines go into the request as they are.
func (a *app) seen(request string, lines ...string) http.Header {
	a.t.Helper()
	answer := a.raw(request + " HTTP/1.1\r\n" + strings.Join(append(lines, "X-Other: kept"), "\r\n"))
	require.Contains(a.t, answer, " 200 ", request)
	if strings.HasPrefix(request, "HEAD ") {
		return http.Header{}
	}
	_, body, _ := strings.Cut(answer, "\r\n\r\n")
	got := http.Header{}
	require.NoError(a.t, json.Unmarshal([]byte(body[strings.IndexByte(body, '{'):strings.LastIndexByte(body, '}')+1]), &got), body)
	assert.Equal(a.t, []string{"kept"}, got["X-Other"])
	return got
}

var forged = []string{
	"X-Auth-User: root", "x-auth-user: root", "X_Auth_User: root", "x-AUTH_user: root", "X_AUTH_USER: root", "X.Auth.User: root", "X-Auth_Name: root",
	"X-Auth-User: root\r\nX-Auth-User: root", "X-Auth-Groups: root\r\nX_Auth-Groups: root", "X-Auth-User:  \troot\t ", "X~Auth!User: root",
}

func TestForgedHeadersAreRemovedOnEveryRoute(t *testing.T) {
	t.Parallel()
	t.Run("V-60, V-63", func(t *testing.T) {
		t.Parallel()
		a := newHeadersApp(t)
		b := a.signedIn(user, password)
		cookie := "Cookie: " + a.sessionCookie(b)
		subject := a.seen("GET /x", cookie).Get("X-Auth-User")
		require.NotEmpty(t, subject)
		for _, method := range allMethods {
			for _, line := range forged {
				for path, lines := range map[string][]string{
					"/public/x": {line}, "/optional/x": {line}, "/x": {line, cookie}, "/optional/y": {line, cookie}, "/public/y": {line, cookie},
				} {
					got := a.seen(method+" "+path, append(lines, "Upgrade: websocket")...)
					for name, values := range got {
						assert.NotContains(t, strings.Join(values, " "), "root", "%s %s: %s: %q", method, path, line, name)
					}
					if method != "HEAD" {
						signedIn := len(lines) == 2 && path != "/public/y"
						assert.Equal(t, signedIn, got.Get("X-Auth-User") == subject, "%s %s", method, path)
					}
				}
			}
		}
		for _, line := range []string{"X-Auth-User : root", "X-Auth-User\t: root"} {
			assert.Contains(t, a.raw("GET /public/x HTTP/1.1\r\n"+line), "HTTP/1.1 400", "by net/http")
		}
		assert.NotContains(t, a.raw("GET /public/x HTTP/1.1\r\nX-Other: y\r\n X-Auth-User: root"), `"X-Auth-User"`, "a part of the line before")
	})
}

// wrapped returns the headers that a handler gets for a request made in memory.
func wrapped(t *testing.T, a *app, given http.Header, s *oxdauth.Session, accessToken ...string) (http.Header, *http.Request) {
	t.Helper()
	headers, err := oxdauth.NewIdentityHeaders(a.auth, identityConfig(accessToken...))
	require.NoError(t, err)
	r := httptest.NewRequest("GET", "/x", nil)
	r.Header, r.Trailer = given, http.Header{"X-Auth-User": {"root"}}
	if s != nil {
		r = r.WithContext(oxdauth.ContextWithSession(t.Context(), s))
	}
	before := given.Clone()
	var got *http.Request
	headers.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r })).ServeHTTP(httptest.NewRecorder(), r)
	assert.Equal(t, before, given, "the request given is not changed")
	return got.Header, got
}

// headerClaims keeps the claims of identity.
func headerClaims(t *testing.T) *app {
	t.Helper()
	return newApp(t, setup{options: []oxdauth.Option{oxdauth.WithClaims("name", "groups")}})
}

func TestRawKeysAndTrailersAreRemovedToo(t *testing.T) {
	t.Parallel()
	t.Run("V-61", func(t *testing.T) {
		t.Parallel()
		a := headerClaims(t)
		got, r := wrapped(t, a, http.Header{
			"x-auth-user": {"root"}, "X-AUTH-USER": {"root", "root"}, " X-Auth-User": {"root"}, "X-Auth-User ": {"root"}, "x_auth_user\t": {"root"}, "X-Auth-Username": {"kept"},
			"X-Auth": {"kept"}, "x-raw": {"kept"},
		}, nil)
		assert.Equal(t, http.Header{"X-Auth-Username": {"kept"}, "X-Auth": {"kept"}, "x-raw": {"kept"}}, got)
		assert.Empty(t, r.Trailer)
	})
}

func TestOurNamesAreTakenOutOfConnection(t *testing.T) {
	t.Parallel()
	t.Run("V-62", func(t *testing.T) {
		t.Parallel()
		a := headerClaims(t)
		for given, want := range map[string][]string{
			"close, X-Auth-User": {"close"}, "X-Auth-User": nil, "X-Auth-User, close": {"close"}, "x_auth_user ,Upgrade,\tX-AUTH-NAME": {"Upgrade"},
			"keep-alive,  Upgrade": {"keep-alive,  Upgrade"}, "X-Auth-Username": {"X-Auth-Username"},
		} {
			for _, name := range []string{"Connection", "connection"} {
				got, _ := wrapped(t, a, http.Header{name: {given}}, &oxdauth.Session{Subject: "u1"})
				assert.Equal(t, want, got[name], given)
				assert.Equal(t, []string{"u1"}, got["X-Auth-User"])
			}
		}
	})
}

func TestForwardingHeadersChangeNoRedirectURL(t *testing.T) {
	t.Parallel()
	t.Run("V-64", func(t *testing.T) {
		t.Parallel()
		a := newHeadersApp(t)
		for _, header := range [][]string{
			{"X-Forwarded-Proto", "http"}, {"Forwarded", "host=evil.example;proto=http"}, {"X-Forwarded-Host", "evil.example"}, {"X-Forwarded-Port", "80"},
		} {
			res, _ := a.once(nil, a.navigation("/x", header...))
			require.Equal(t, http.StatusFound, res.StatusCode)
			target, err := res.Location()
			require.NoError(t, err)
			assert.Equal(t, a.base+"/auth/callback", target.Query().Get("redirect_uri"), header)
			assert.Contains(t, res.Header.Get("Set-Cookie"), "__Host-")
			assert.Contains(t, res.Header.Get("Set-Cookie"), "; Secure")
		}
	})
}

func TestAClaimThatCouldBeMisreadGivesNoHeader(t *testing.T) {
	t.Parallel()
	t.Run("V-65", func(t *testing.T) {
		t.Parallel()
		a := headerClaims(t)
		long := strings.Repeat("a", 4096)
		for _, tt := range []struct {
			name   string
			claims oxd.Claims
			want   http.Header // beside the subject
		}{
			{"text", oxd.Claims{"name": {"Alice"}}, http.Header{"X-Auth-Name": {"Alice"}}},
			{"UTF-8 as it is", oxd.Claims{"name": {"Zoë 李 😀 می\u200cخواهم"}}, http.Header{"X-Auth-Name": {"Zoë 李 😀 می\u200cخواهم"}}},
			{"a comma in a claim of one value", oxd.Claims{"name": {"Doe, John"}}, http.Header{"X-Auth-Name": {"Doe, John"}}},
			{"a list", oxd.Claims{"groups": {"staff", "admins"}}, http.Header{"X-Auth-Groups": {"staff,admins"}}},
			{"a list of one", oxd.Claims{"groups": {"staff"}}, http.Header{"X-Auth-Groups": {"staff"}}},
			{"as long as may be", oxd.Claims{"name": {long}}, http.Header{"X-Auth-Name": {long}}},
			{"missing or empty", oxd.Claims{"name": {""}, "groups": {}}, http.Header{}},
			{"another claim", oxd.Claims{"email": {"a@b.example"}}, http.Header{}},
			{"line breaks", oxd.Claims{"name": {"a\r\nX: 1"}, "groups": {"a\nb"}}, nil},
			{"NUL", oxd.Claims{"name": {"a\x00"}}, nil},
			{"tab", oxd.Claims{"name": {"a\tb"}}, nil},
			{"DEL", oxd.Claims{"name": {"a\x7f"}}, nil},
			{"NEL", oxd.Claims{"name": {"a\u0085X: 1"}}, nil},
			{"line separator", oxd.Claims{"name": {"a\u2028X: 1"}}, nil},
			{"paragraph separator", oxd.Claims{"name": {"a\u2029X: 1"}}, nil},
			{"invalid UTF-8", oxd.Claims{"name": {"a\xff"}}, nil},
			{"space before", oxd.Claims{"name": {" admin"}}, nil},
			{"space after", oxd.Claims{"name": {"admin "}}, nil},
			{"wide space after", oxd.Claims{"name": {"admin\u00a0"}}, nil},
			{"too long", oxd.Claims{"name": {long + "a"}}, nil},
			{"a list too long", oxd.Claims{"groups": {long, "a"}}, nil},
			{"a comma in a list", oxd.Claims{"groups": {"staff", "x,admins"}}, nil},
			{"a comma in a list of one", oxd.Claims{"groups": {"x,admins"}}, nil},
			{"nothing in a list", oxd.Claims{"groups": {"staff", ""}}, nil},
			{"a break in a list", oxd.Claims{"groups": {"staff", "a\r\nb"}}, nil},
			{"several values of a claim of one", oxd.Claims{"name": {"a", "b"}}, nil},
		} {
			before := a.log.String()
			got, _ := wrapped(t, a, http.Header{}, &oxdauth.Session{Subject: "u1", Claims: tt.claims})
			logged := strings.TrimPrefix(a.log.String(), before)
			if tt.want == nil {
				assert.Contains(t, logged, "identity header left out", tt.name)
				assert.NotContains(t, logged, "admin", "the value is not logged")
			} else {
				assert.Empty(t, logged, tt.name)
			}
			want := http.Header{"X-Auth-User": {"u1"}}
			maps.Copy(want, tt.want)
			assert.Equal(t, want, got, tt.name)
		}
	})
}

func TestOwnCookiesStayHere(t *testing.T) {
	t.Parallel()
	t.Run("V-66", func(t *testing.T) {
		t.Parallel()
		a := newHeadersApp(t)
		b := a.signedIn(user, password)
		own := a.sessionCookie(b)
		require.Contains(t, own, "__Host-oxdauth-tokens=")
		for given, want := range map[string][]string{
			own:                       nil,
			"a=1; " + own + "; b=2":   {"a=1; b=2"},
			own + "; b=\"x y\";c = 3": {"b=\"x y\";c = 3"},
			"a=1;  b=__Host-oxdauth;" + own + ";flag; =x; ": {"a=1;  b=__Host-oxdauth;flag; =x;"},
			"__Host-oxdauth_2=x;\t__Host-oxdauth =x; z=1; __Host-oxdauth-login-0123=x; __Host-oxdauth-tokens_15=x; __Host-oxdauth-claims-1=x; " + own: {"z=1"},
			"__Host-oxdauth2=x; __Host-oxdauth_b=x; __Host-oxdauth-b=x; oxdauth=x; __Host-oxdauth-tokensx=1; " + own: {
				"__Host-oxdauth2=x; __Host-oxdauth_b=x; __Host-oxdauth-b=x; oxdauth=x; __Host-oxdauth-tokensx=1"},
			" a=1 ;;b=2 ": {"a=1 ;;b=2"},
		} {
			assert.Equal(t, want, a.seen("GET /optional/x", "Cookie: "+given)["Cookie"], given)
			assert.Equal(t, want, a.seen("GET /public/x", "Cookie: "+given)["Cookie"], given)
		}
		assert.Equal(t, []string{"a=1", "b=2"}, a.seen("GET /x", "Cookie: a=1", "Cookie: "+own, "Cookie: b=2")["Cookie"])
		got, _ := wrapped(t, a, http.Header{"cookie": {own + "; a=1"}}, nil)
		assert.Equal(t, http.Header{"cookie": {"a=1"}}, got)
	})
}

func TestTheAccessTokenIsHandedOnWhenAskedFor(t *testing.T) {
	t.Parallel()
	a := newHeadersApp(t)
	got := a.seen("GET /x", "Cookie: "+a.sessionCookie(a.signedIn(user, password)))
	assert.Equal(t, []string{"Alice Ångström"}, got["X-Auth-Name"])
	assert.Equal(t, []string{"staff,admins"}, got["X-Auth-Groups"])
	assert.Empty(t, got["X-Auth-Token"])

	b := newHeadersApp(t, "X-Auth-Token")
	got = b.seen("GET /x", "X-Auth_Token: forged", "Cookie: "+b.sessionCookie(b.signedIn(user, password)))
	require.Len(t, got["X-Auth-Token"], 1)
	assert.Greater(t, len(got.Get("X-Auth-Token")), 20)
	assert.Empty(t, got["X-Auth_token"])
	assert.NotContains(t, b.log.String(), got.Get("X-Auth-Token"))
	assert.Empty(t, b.seen("GET /public/x", "X-Auth-Token: forged")["X-Auth-Token"])
}

func TestASessionOfAnotherMiddlewareGivesNoHeaders(t *testing.T) {
	t.Parallel()
	a := newHeadersApp(t)
	other := a.middleware(a.base, setup{options: []oxdauth.Option{oxdauth.WithClaims("name", "groups"), oxdauth.WithCookieName("other")}})
	t.Cleanup(func() { require.NoError(t, other.Close()) })
	headers, err := oxdauth.NewIdentityHeaders(other, identityConfig())
	require.NoError(t, err)
	ran := false
	h := a.auth.Handler(headers.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ran = true
		assert.Empty(t, r.Header["X-Auth-User"])
	})))
	h.ServeHTTP(httptest.NewRecorder(), a.navigation("/x", "Cookie", a.sessionCookie(a.signedIn(user, password))))
	assert.True(t, ran)
}

func TestAllProblemsOfIdentityHeadersAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	a := newApp(t, setup{})
	_, err := oxdauth.NewIdentityHeaders(a.auth, oxdauth.IdentityHeadersConfig{AccessToken: "X-Mail", Claims: map[string]string{
		"X-User": "sub", "x-user": "sub", "X_Name": "name", "Cookie": "sub", "authorization": "sub", "X-Role": "role", "": "sub", "X Foo": "sub",
		"-X": "sub", "X-É": "sub", "X-Forwarded-For": "sub", "X-ACR": "acr", "X-Issuer": "iss", "X-Mail": "email", "X-Line\r\n": "sub",
	}})
	require.Error(t, err)
	for _, want := range []string{
		`"x-user" is named twice`, `"X_Name": want letters`, `"Cookie" means`, `"authorization" means`, `"X-Role": claim "role" is not`, `"": want`,
		`"X Foo": want`, `"-X": want`, `"X-É": want`, `"X-Forwarded-For" means`, `"X-Mail" is named twice`, `"X-Line\r\n": want`,
	} {
		assert.ErrorContains(t, err, want)
	}
	assert.Equal(t, 12, strings.Count(err.Error(), "\n")+1, err.Error())
	_, err = oxdauth.NewIdentityHeaders(nil, oxdauth.IdentityHeadersConfig{})
	require.Error(t, err)
	_, err = oxdauth.NewIdentityHeaders(a.auth, oxdauth.IdentityHeadersConfig{AccessToken: " "})
	require.Error(t, err)
}

// FuzzIdentityHeaders requires of every header and claim that a server behind, which reads names as
// CGI does and lists at their commas, sees what the session says and nothing else.
func FuzzIdentityHeaders(f *testing.F) {
	for _, line := range forged {
		name, value, _ := strings.Cut(line, ":")
		f.Add(name, value, "close, "+name, "a=1; __Host-oxdauth=x", "Alice", "staff", "admins")
	}
	f.Add("Cookie", "x", ",,", ";;=;", "a\r\nX: 1", "x,admins", " b")
	auth := offline(f, oxdauth.WithClaims("name", "groups"))
	headers, err := oxdauth.NewIdentityHeaders(auth, identityConfig())
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, name, value, connection, cookie, claim, group1, group2 string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{"Connection": {connection}, "Cookie": {cookie}}
		r.Header[name] = append(r.Header[name], value)
		s := &oxdauth.Session{Subject: "u1", Claims: oxd.Claims{"name": {claim}, "groups": {group1, group2}}}
		r = r.WithContext(oxdauth.ContextWithSession(r.Context(), s))
		headers.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			seen := map[string][]string{}
			for name, values := range r.Header {
				cgi := strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(name), "-", "_"))
				seen[cgi] = append(seen[cgi], values...)
			}
			assert.Equal(t, []string{"u1"}, seen["X_AUTH_USER"])
			if got := seen["X_AUTH_NAME"]; got != nil {
				assert.Equal(t, []string{claim}, got)
				assert.Equal(t, claim, strings.Trim(claim, " \t\r\n\x00"))
			}
			if got := seen["X_AUTH_GROUPS"]; got != nil {
				assert.Equal(t, []string{group1, group2}, strings.Split(strings.Join(got, ","), ","))
			}
			for _, token := range strings.Split(strings.Join(seen["CONNECTION"], ","), ",") {
				assert.False(t, strings.EqualFold(strings.TrimSpace(token), "X-Auth-User"), "%q", token)
			}
			for _, cookie := range r.Cookies() {
				assert.NotEqual(t, "__Host-oxdauth", cookie.Name)
			}
			for _, own := range slices.Concat(seen["X_AUTH_USER"], seen["X_AUTH_NAME"], seen["X_AUTH_GROUPS"]) {
				assert.NotContains(t, own, "\n")
				assert.LessOrEqual(t, len(own), 4096, fmt.Sprintf("%q", own))
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	})
}
