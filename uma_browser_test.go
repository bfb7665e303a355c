package oxdauth_test

// The guard for people in a browser.

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
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

var countryWanted = oxdtest.Policy{Gather: []string{"country"}, Allow: map[string][]string{"country": {"NZ"}}}

// toGathering returns a signed-in browser in front of the questions of the authorization server.
func (a *guardApp) toGathering(b *oxdtest.Browser) *http.Response {
	a.t.Helper()
	page, err := b.Get(a.base + "/photos/1")
	require.NoError(a.t, err)
	require.True(a.t, strings.HasPrefix(page.Request.URL.String(), a.srv.Provider.URL), page.Request.URL.String())
	return page
}

// claimsReturn answers the questions and returns the URL the browser would come back to.
func (a *guardApp) claimsReturn(b *oxdtest.Browser, page *http.Response, country string) *url.URL {
	a.t.Helper()
	var back *url.URL
	old := b.CheckRedirect
	b.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
		if req.URL.Path == "/auth/claims" {
			back = req.URL
			return http.ErrUseLastResponse
		}
		return nil
	}
	defer func() { b.CheckRedirect = old }()
	res, err := b.Submit(page, url.Values{"claim_country": {country}})
	require.NoError(a.t, err)
	readBody(a.t, res)
	require.NotNil(a.t, back)
	return back
}

func (a *guardApp) personSignedIn() *oxdtest.Browser {
	a.t.Helper()
	b := a.srv.Browser()
	a.login(b, a.base+"/open", user, password)
	a.runs.Store(0)
	return b
}

func TestAPersonIsSignedInAskedAndLetThrough(t *testing.T) {
	t.Run("4.11-13", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, sessions: true})
			a.srv.Provider.SetPolicy("view", countryWanted)
			b := a.srv.Browser()
			page, err := b.LogIn(a.base+"/photos/1?size=big", user, password)
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(page.Request.URL.String(), a.srv.Provider.URL))
			done, err := b.Submit(page, url.Values{"claim_country": {"NZ"}})
			require.NoError(t, err)
			body := readBody(t, done)
			require.Equal(t, http.StatusOK, done.StatusCode, body)
			assert.Equal(t, a.base+"/photos/1?size=big", done.Request.URL.String())
			assert.Contains(t, body, "Alice")
			assert.EqualValues(t, 1, a.runs.Load())

			exchanges := a.srv.CallCount("uma_rp_get_rpt")
			res, _ := a.get(b, "/photos/2")
			assert.Equal(t, http.StatusOK, res.StatusCode)
			assert.Equal(t, exchanges, a.srv.CallCount("uma_rp_get_rpt"), "the session keeps the RPT")
			assert.Equal(t, "no-store", res.Header.Get("Cache-Control"))

			res, _ = a.get(b, "/any/1")
			assert.Equal(t, http.StatusOK, res.StatusCode, "the persisted claims token spares the questions")
			for _, rpt := range []string{"uma", "rpt", "ticket"} {
				assert.NotContains(t, res.Request.URL.RawQuery, rpt)
			}
			for _, d := range a.decisions {
				if d.Outcome == oxdauth.OutcomeGranted {
					assert.NotEmpty(t, d.Subject)
				}
			}
		})
	})
}

func TestAPageSaysThatApprovalIsAwaited(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport, sessions: true})
		b := a.personSignedIn()
		a.srv.Handle("uma_rp_get_rpt", func(json.RawMessage) (any, error) {
			return nil, oxdtest.Errorf("request_submitted", "The authorization server has asked the resource owner.")
		})
		res, body := a.get(b, "/photos/1?size=big")
		assert.Equal(t, http.StatusForbidden, res.StatusCode)
		assert.Contains(t, body, "Waiting for approval")
		assert.Contains(t, body, `href="/photos/1?size=big"`, "it can be tried again")
		assert.Zero(t, a.runs.Load())
	})
}

func TestAReturnThatDoesNotBelongIs400WithoutAQuestion(t *testing.T) {
	t.Run("4.11-13", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, sessions: true})
			a.srv.Provider.SetPolicy("view", countryWanted)
			b := a.personSignedIn()
			sent := a.toGathering(b).Request.URL.Query().Get("ticket")
			back := a.claimsReturn(b, a.toGathering(b), "NZ")

			with := func(change func(url.Values)) string {
				q := back.Query()
				change(q)
				return "/auth/claims?" + q.Encode()
			}
			stranger := a.srv.Browser()
			a.login(stranger, a.base+"/open", "bob", "bob-secret")
			planted := a.srv.Browser()
			a.login(planted, a.base+"/open", "bob", "bob-secret")
			u, _ := url.Parse(a.base)
			for _, c := range a.cookies(b) {
				if strings.Contains(c.Name, "-claims-") {
					planted.Jar.SetCookies(u, []*http.Cookie{{Name: c.Name, Value: c.Value, Path: "/", Secure: true}})
				}
			}
			before := len(a.srv.Calls())
			for name, try := range map[string]struct {
				browser *oxdtest.Browser
				path    string
			}{
				"no state":        {b, with(func(q url.Values) { q.Del("state") })},
				"wrong state":     {b, with(func(q url.Values) { q.Set("state", strings.Repeat("a", 26)) })},
				"state twice":     {b, with(func(q url.Values) { q.Add("state", "b") })},
				"ticket twice":    {b, with(func(q url.Values) { q.Add("ticket", "b") })},
				"another browser": {stranger, with(func(url.Values) {})},
				"another session": {planted, with(func(url.Values) {})},
				"nobody":          {nil, with(func(url.Values) {})},
			} {
				res, _ := a.once(try.browser, a.navigation(try.path))
				assert.Equal(t, http.StatusBadRequest, res.StatusCode, name)
			}
			assert.Len(t, a.srv.Calls(), before, "oxd was not asked")
			assert.NotEmpty(t, sent)
			assert.Zero(t, a.runs.Load()-2, "only the two logins ran a handler")
		})
	})
}

func TestAStateWorksOnce(t *testing.T) {
	t.Run("4.11-13", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, sessions: true})
			a.srv.Provider.SetPolicy("view", countryWanted)
			b := a.personSignedIn()
			back := a.claimsReturn(b, a.toGathering(b), "NZ")
			cookies := a.cookies(b)
			res, _ := a.once(b, a.navigation(back.RequestURI()))
			require.Equal(t, http.StatusSeeOther, res.StatusCode)
			before := len(a.srv.Calls())
			res, _ = a.once(b, a.navigation(back.RequestURI()))
			assert.Equal(t, http.StatusBadRequest, res.StatusCode)
			replay := a.navigation(back.RequestURI())
			for _, c := range cookies { // with the cookies of before
				replay.AddCookie(c)
			}
			res, _ = a.once(nil, replay)
			assert.Equal(t, http.StatusBadRequest, res.StatusCode)
			assert.Len(t, a.srv.Calls(), before)
		})
	})
}

func TestTheSameOrNoTicketIsRefused(t *testing.T) {
	t.Run("4.11-13", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, sessions: true})
			a.srv.Provider.SetPolicy("view", countryWanted)
			for _, bad := range []string{"", "*", "the one that was sent"} {
				b := a.personSignedIn()
				page := a.toGathering(b)
				q := url.Values{"state": {page.Request.URL.Query().Get("state")}, "ticket": {bad}}
				if strings.Contains(bad, " ") {
					q.Set("ticket", page.Request.URL.Query().Get("ticket"))
				}
				before := len(a.srv.Calls())
				res, _ := a.once(b, a.navigation("/auth/claims?"+q.Encode()))
				assert.Equal(t, http.StatusBadRequest, res.StatusCode, bad)
				assert.Len(t, a.srv.Calls(), before, bad)
			}
		})
	})
}

func TestAnErrorOrARefusalEndsOnAPage(t *testing.T) {
	t.Run("4.11-13", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, sessions: true})
			a.srv.Provider.SetPolicy("view", countryWanted)
			b := a.personSignedIn()
			page := a.toGathering(b)
			q := url.Values{"state": {page.Request.URL.Query().Get("state")}, "error": {"access_denied"}, "error_description": {"<script>"}}
			res, body := a.once(b, a.navigation("/auth/claims?"+q.Encode()))
			assert.Equal(t, http.StatusForbidden, res.StatusCode)
			assert.Contains(t, body, "You do not have access")
			assert.NotContains(t, body, "script>")

			done, err := b.Submit(a.toGathering(b), url.Values{"claim_country": {"XX"}})
			require.NoError(t, err)
			assert.Contains(t, readBody(t, done), "You do not have access")
			assert.Equal(t, http.StatusForbidden, done.StatusCode)
			assert.Zero(t, a.runs.Load())
		})
	})
}

func TestOneRoundOfQuestionsForANavigation(t *testing.T) {
	t.Run("4.11-13", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, sessions: true})
			a.srv.Provider.SetPolicy("view", countryWanted)
			b := a.personSignedIn()
			page := a.toGathering(b)
			a.srv.Provider.SetPolicy("view", oxdtest.Policy{Gather: []string{"country", "shoe"}})
			res, err := b.Submit(page, url.Values{"claim_country": {"NZ"}})
			require.NoError(t, err)
			assert.Equal(t, http.StatusForbidden, res.StatusCode)
			assert.Equal(t, "/auth/claims", res.Request.URL.Path)
			readBody(t, res)

			// Granted, and then not any more while the server wants to know yet another thing: no
			// second round so soon.
			a.srv.Provider.SetPolicy("view", countryWanted)
			res, err = b.Submit(a.toGathering(b), url.Values{"claim_country": {"NZ"}})
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, res.StatusCode, readBody(t, res))
			require.True(t, a.srv.Provider.RevokeRPT(a.lastRPT()))
			a.srv.Provider.SetPolicy("view", oxdtest.Policy{Gather: []string{"country", "shoe"}})
			gathered := a.srv.CallCount("uma_rp_get_claims_gathering_url")
			res, body := a.once(b, a.navigation("/photos/1"))
			assert.Equal(t, http.StatusForbidden, res.StatusCode, body)
			assert.Contains(t, a.log.String(), "more claims needed")
			assert.Equal(t, gathered, a.srv.CallCount("uma_rp_get_claims_gathering_url"))
			assert.EqualValues(t, 1, a.runs.Load())
		})
	})
}

// lastRPT is the one oxd was last asked about.
func (a *guardApp) lastRPT() (rpt string) {
	for _, call := range a.srv.Calls() {
		var p struct{ RPT string }
		require.NoError(a.t, json.Unmarshal(call.Params, &p))
		if call.Command == "uma_rs_check_access" && p.RPT != "" {
			rpt = p.RPT
		}
	}
	return rpt
}

func TestGuardDropsAPersistedClaimsTokenThatIsRefused(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{sessions: true})
	b := a.personSignedIn()
	res, _ := a.get(b, "/photos/1")
	require.Equal(t, http.StatusOK, res.StatusCode)
	a.srv.Inject("uma_rp_get_rpt", oxdtest.Fault{Kind: oxdtest.FaultInternalError, Times: 1})
	res, body := a.get(b, "/any/1")
	assert.Equal(t, http.StatusOK, res.StatusCode, body)
	assert.Equal(t, 3, a.srv.CallCount("uma_rp_get_rpt"))
}

func TestGuardRefusesSessionsOfAnotherSite(t *testing.T) {
	t.Parallel()
	a, b := newGuardApp(t, guardSetup{sessions: true}), newGuardApp(t, guardSetup{})
	_, err := oxdauth.NewGuard(b.client, "r", oxdauth.WithSessions(a.auth, "/auth/claims"))
	require.ErrorContains(t, err, "another site")
	for _, path := range []string{"", "/", "claims", "/a/../b", "/a b", "/auth/callback", "/auth/logout", "/a?b"} {
		_, err = oxdauth.NewGuard(a.client, "r", oxdauth.WithSessions(a.auth, path))
		require.Error(t, err, path)
	}
}

func TestGuardRefusesAnUnusableGatheringURL(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{sessions: true})
	a.srv.Provider.SetPolicy("view", countryWanted)
	state, back := strings.Repeat("s", 26), a.base+"/auth/claims"
	for name, answer := range map[string][2]string{
		"another state":    {"https://op.example/g?state=other&claims_redirect_uri=" + back, state},
		"short state":      {"https://op.example/g?state=abc&claims_redirect_uri=" + back, "abc"},
		"state twice":      {"https://op.example/g?state=" + state + "&state=x&claims_redirect_uri=" + back, state},
		"another callback": {"https://op.example/g?claims_redirect_uri=https://evil.example/&state=" + state, state},
		"a user":           {"https://user@op.example/g?claims_redirect_uri=" + back + "&state=" + state, state},
		"a backslash":      {`https://op.example/\evil?claims_redirect_uri=` + back + "&state=" + state, state},
	} {
		a.srv.Handle("uma_rp_get_claims_gathering_url", func(json.RawMessage) (any, error) {
			return map[string]string{"url": answer[0], "state": answer[1]}, nil
		})
		b := a.personSignedIn()
		res, _ := a.once(b, a.navigation("/photos/1"))
		assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode, name)
		assert.Empty(t, res.Header.Get("Location"), name)
	}
}

func TestGuardPushesTheIDTokenWhenClaimsAreWanted(t *testing.T) {
	overAll(t, func(t *testing.T, transport string) {
		a := newGuardApp(t, guardSetup{transport: transport, sessions: true})
		a.srv.Provider.SetPolicy("view", oxdtest.Policy{Allow: map[string][]string{"preferred_username": {"alice"}}})
		a.srv.Provider.SetUserClaim("alice", "preferred_username", "alice")
		b := a.personSignedIn()
		res, body := a.get(b, "/photos/1")
		assert.Equal(t, http.StatusOK, res.StatusCode, body)
		assert.Equal(t, 2, a.srv.CallCount("uma_rp_get_rpt"))
	})
}

func TestGuardShowsPeopleAPageWhenAccessIsRefused(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{sessions: true})
	a.srv.Provider.SetPolicy("view", oxdtest.Policy{Deny: true})
	b := a.personSignedIn()
	res, body := a.get(b, "/photos/1")
	assert.Equal(t, http.StatusForbidden, res.StatusCode)
	assert.Contains(t, body, "You do not have access")
	assert.Empty(t, res.Header.Get("WWW-Authenticate"))
	a.srv.Stop()
	res, _ = a.get(b, "/photos/1")
	assert.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	assert.Equal(t, umaWarning, res.Header.Get("Warning"))
	assert.Zero(t, a.runs.Load())
}

func TestRPTAndClaimsGoWithTheUser(t *testing.T) {
	t.Run("4.11-14", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, sessions: true})
			a.srv.Provider.SetPolicy("view", countryWanted)
			b := a.personSignedIn()
			done, err := b.Submit(a.toGathering(b), url.Values{"claim_country": {"NZ"}})
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, done.StatusCode, readBody(t, done))

			form, err := b.Get(a.base + "/auth/logout")
			require.NoError(t, err)
			res, err := b.Submit(form, nil)
			require.NoError(t, err)
			readBody(t, res)
			a.login(b, a.base+"/open", "bob", "bob-secret")
			before := len(a.srv.Calls())
			a.toGathering(b) // asked like anybody
			for _, call := range a.srv.Calls()[before:] {
				var p struct{ RPT, PCT string }
				require.NoError(t, json.Unmarshal(call.Params, &p))
				assert.Empty(t, p.RPT)
				assert.Empty(t, p.PCT)
			}
		})
	})
}

func TestAHeaderDecidesAloneAndLeavesTheSessionAsItIs(t *testing.T) {
	t.Run("B-22", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, sessions: true})
			b := a.personSignedIn()
			res, _ := a.get(b, "/photos/1")
			require.Equal(t, http.StatusOK, res.StatusCode)
			weak := a.rpt("GET", "/admin")
			a.runs.Store(0)
			res, _ = a.once(b, a.request("GET", "/photos/1", "Authorization", "Bearer "+weak, "Accept", "text/html"))
			assert.Equal(t, http.StatusUnauthorized, res.StatusCode, "the RPT of the session does not help")
			assert.Empty(t, res.Header.Values("Set-Cookie"))
			assert.Zero(t, a.runs.Load())
			res, _ = a.once(b, a.request("GET", "/photos/1"))
			assert.Equal(t, http.StatusOK, res.StatusCode, "a script of the page uses that of the session")
		})
	})
}

func TestGuardRefusesCrossOriginWritesOfASession(t *testing.T) {
	t.Parallel()
	a := newGuardApp(t, guardSetup{sessions: true})
	b := a.personSignedIn()
	before := len(a.checks())
	res, _ := a.once(b, a.request("PUT", "/photos/1", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "cors"))
	assert.Equal(t, http.StatusForbidden, res.StatusCode)
	assert.Len(t, a.checks(), before)
	assert.Zero(t, a.runs.Load())
}

func TestNoSecretOfAPersonIsLogged(t *testing.T) {
	t.Run("4.11-18", func(t *testing.T) {
		overAll(t, func(t *testing.T, transport string) {
			a := newGuardApp(t, guardSetup{transport: transport, sessions: true})
			a.srv.Provider.SetPolicy("view", countryWanted)
			b := a.personSignedIn()
			done, err := b.Submit(a.toGathering(b), url.Values{"claim_country": {"NZ"}})
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, done.StatusCode)
			res, _ := a.get(b, "/any/1")
			require.Equal(t, http.StatusOK, res.StatusCode)
			log, secrets := a.log.String(), 0
			for _, call := range a.srv.Calls() {
				var p map[string]any
				require.NoError(t, json.Unmarshal(call.Params, &p))
				for _, name := range []string{"rpt", "ticket", "pct", "claim_token", "state"} {
					if text, _ := p[name].(string); text != "" {
						secrets++
						assert.NotContains(t, log, text, name)
					}
				}
			}
			assert.Greater(t, secrets, 4)
		})
	})
}

// newExchanges returns a guarded page for visitors. The authorization server issues an RPT when the
// test lets it.
func newExchanges(t *testing.T, f *fakeOxd, log *logBuffer, opts ...oxdauth.Option) (m *oxdauth.Middleware, page http.Handler, exchanges *atomic.Int32, release chan struct{}) {
	t.Helper()
	exchanges, release = new(atomic.Int32), make(chan struct{})
	f.other = func(req *oxd.Request) (string, error) {
		switch req.Command {
		case "uma_rs_protect":
			return `{"oxd_id":"site"}`, nil
		case "uma_rs_check_access":
			if strings.Contains(string(req.Params), `"rpt":"rpt"`) {
				return `{"access":"granted"}`, nil
			}
			return `{"access":"denied","ticket":"ticket"}`, nil
		case "uma_rp_get_rpt":
			exchanges.Add(1)
			<-release
			return `{"access_token":"rpt","token_type":"Bearer","pct":"pct"}`, nil
		}
		return "error unsupported_operation", nil
	}
	m = newAuth(t, f, opts...)
	client, err := oxd.NewClient(f, siteOf("site", "https://app.example/auth/callback"))
	require.NoError(t, err)
	g, err := oxdauth.NewGuard(client, "photos", oxdauth.WithSessions(m, "/auth/claims"), oxdauth.WithGuardLogger(log.logger()),
		oxdauth.WithAuthorizationServer(visitIssuer))
	require.NoError(t, err)
	mux := http.NewServeMux()
	g.Handle(mux, "GET /photos/{id}", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), oxdauth.Resource{Scopes: []string{"view"}})
	require.NoError(t, g.Protect(t.Context()))
	return m, mux, exchanges, release
}

func TestAnRPTThatComesAfterARefreshIsKeptWithTheNewTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, log, key := &fakeOxd{answer: always(refreshed)}, &logBuffer{}, sealed.RandomKey()
		m, page, exchanges, release := newExchanges(t, f, log, oxdauth.WithKeys(key))
		v := newVisitor(t, m, f, time.Hour)
		copied := v.copy()
		status := make(chan int)
		go func() { res, _ := v.send(page, v.page("/photos/1")); status <- res.StatusCode }()
		synctest.Wait()
		require.EqualValues(t, 1, exchanges.Load(), "it is under way")
		_, err := m.Refresh(httptest.NewRecorder(), copied.request())
		require.NoError(t, err)
		close(release)
		assert.Equal(t, http.StatusOK, <-status)
		assert.Equal(t, "new", v.session().AccessToken().Reveal())
		var tokens session.Tokens
		cookie := newCookie(t, "-tokens", "tokens", key)
		_, err = cookie.Open(nil, v.jar[cookie.Name()], &tokens)
		require.NoError(t, err)
		assert.Equal(t, "pct", tokens.RPTs.PCT)
		require.Len(t, tokens.RPTs.List, 1)
		assert.Equal(t, "rpt", tokens.RPTs.List[0].Token)
		res, _ := v.send(page, v.page("/photos/1"))
		assert.Equal(t, http.StatusOK, res.StatusCode)
		assert.EqualValues(t, 1, exchanges.Load(), "the RPT is kept")
		assert.NotContains(t, log.String(), "cannot keep")
		require.NoError(t, m.Close())
	})
}

func TestAnRPTThatComesAfterALogoutIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, log := &fakeOxd{}, &logBuffer{}
		m, page, exchanges, release := newExchanges(t, f, log)
		v := newVisitor(t, m, f, time.Hour)
		copied := v.copy()
		cookies := make(chan []*http.Cookie)
		go func() { res, _ := v.send(page, v.page("/photos/1")); cookies <- res.Cookies() }()
		synctest.Wait()
		require.EqualValues(t, 1, exchanges.Load(), "it is under way")
		copied.copy().signOut()
		close(release)
		assert.Empty(t, <-cookies)
		assert.Contains(t, log.String(), "the session cannot keep an RPT")
		assert.Contains(t, log.String(), oxdauth.ErrNoSession.Error())
		for _, late := range []*visitor{v, copied} {
			assert.Equal(t, http.StatusUnauthorized, late.status())
		}
		require.NoError(t, m.Close())
	})
}
