package oxdauth_test

// The cases of golden_test.go: how each is recorded, and what shows that it is opened.

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

type goldenCase struct {
	setup  goldenSetup
	record func(*goldenApp, *goldenBrowser, *goldenRecord, *plainStore)
	open   func(*goldenRun)
}

var withStore = goldenSetup{store: &plainStore{}}

var goldenCases = map[string]goldenCase{
	"a session":                              {goldenSetup{}, recordSession("golden-access"), openSession},
	"a session of a registered site":         {goldenSetup{registered: true}, recordSession("golden-access"), openSession},
	"a session of tokens in chunks":          {goldenSetup{}, recordSession("e30." + randomText(8000) + ".Z29sZGVu"), openSession},
	"a session of deflated tokens":           {goldenSetup{}, recordSession(strings.Repeat("deflates.", 700)), openSession},
	"a session of deflated tokens in chunks": {goldenSetup{}, recordSession(randomText(8000)), openSession},
	"a login":                                {goldenSetup{}, recordLogin("/notes?page=2"), openLogin},
	"a login with an ACR":                    {goldenSetup{}, recordLogin("/otp"), openLoginWithACR},
	"a login with a maximum age":             {goldenSetup{}, recordLogin("/recent"), openLoginWithMaxAge},
	"a login that has started again twice":   {goldenSetup{}, recordRestarts, openRestarts},
	"a form":                                 {goldenSetup{}, recordForm(goldenForm), openForm(goldenForm)},
	"a long form":                            {goldenSetup{}, recordForm(longForm), openForm(longForm)},
	"a claims gathering":                     {goldenSetup{}, recordGathering, openGathering},
	"RPTs":                                   {goldenSetup{}, recordRPT, openRPT},

	"a session, with a store":                 {withStore, recordSession("golden-access"), openSession},
	"a session of large tokens, with a store": {withStore, recordSession(randomText(8000)), openSession},
	"RPTs, with a store":                      {withStore, recordRPT, openRPT},
	"a claims gathering, with a store":        {withStore, recordGathering, openGathering},
	"a session that has ended":                {withStore, recordEnd, openEnd},
	"sessions of a user that have ended":      {withStore, recordGroupEnd, openGroupEnd},
	"a logout token that was taken":           {withStore, recordLogoutToken, openLogoutToken},
	"a session known by its sid":              {withStore, recordSession("golden-access"), openSID},
	"a refresh under way":                     {withStore, recordLock, openLock},
	"the successor of a session":              {withStore, recordSuccessor, openSuccessor},
}

// randomText is always the same, and as far as deflating goes, random base64.
func randomText(n int) string {
	b, random := make([]byte, n), mathrand.New(mathrand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return base64.RawURLEncoding.EncodeToString(b)[:n]
}

func recordSession(access string) func(*goldenApp, *goldenBrowser, *goldenRecord, *plainStore) {
	return func(a *goldenApp, b *goldenBrowser, r *goldenRecord, _ *plainStore) {
		a.oxd.access = access
		b.signIn(a)
		s := b.session(a)
		r.Session = &s
	}
}

func openSession(o *goldenRun) {
	a, b := o.app(), o.browser()
	require.Equal(o, *o.Session, b.session(a))
	if o.setup.store == nil {
		after := newGoldenApp(o.T, goldenSetup{registered: o.setup.registered, keys: o.setup.keys[:1]})
		require.Equal(o, *o.Session, b.session(after), "what a previous key has sealed is sealed anew")
	}

	time.Sleep(301 * time.Second)
	refreshed := b.session(a)
	assert.Equal(o, "golden-access-2", refreshed.AccessToken)
	assert.Equal(o, []string{"golden-refresh"}, a.oxd.saw("get_access_token_by_refresh_token"))
	assert.Equal(o, o.Session.Claims, refreshed.Claims)

	res, _ := b.send(a, http.MethodPost, "/auth/logout", "")
	assert.Equal(o, goldenIssuer+"/logout?id_token_hint="+url.QueryEscape(o.Session.IDToken), res.Header.Get("Location"))
	assert.Empty(o, b.jar)
	o.ended(a)
}

func recordLogin(target string) func(*goldenApp, *goldenBrowser, *goldenRecord, *plainStore) {
	return func(a *goldenApp, b *goldenBrowser, r *goldenRecord, _ *plainStore) {
		r.State = b.leave(a, http.MethodGet, target, "")
	}
}

// returnsTo requires that the login ends on a page.
func (o *goldenRun) returnsTo(a *goldenApp, target string) {
	o.Helper()
	b := o.browser()
	res, body := b.callback(a, o.State)
	require.Equal(o, http.StatusSeeOther, res.StatusCode, body)
	assert.Equal(o, target, res.Header.Get("Location"))
	assert.Equal(o, []string{o.State}, a.oxd.saw("get_tokens_by_code"))
	assert.Equal(o, "golden-user", b.session(a).Subject)
}

func openLogin(o *goldenRun) {
	a := o.app()
	o.returnsTo(a, "/notes?page=2")
	res, _ := o.browser().callback(a, o.State)
	assert.Equal(o, http.StatusBadRequest, res.StatusCode, "a state is taken up once")
	assert.Len(o, a.oxd.saw("get_tokens_by_code"), 1)

	forgetful := o.app()
	forgetful.oxd.forgetsStates = true
	res, _ = o.browser().callback(forgetful, o.State)
	assert.Equal(o, http.StatusFound, res.StatusCode, "it starts again")
	time.Sleep(10*time.Minute + time.Second)
	late := o.app()
	res, _ = o.browser().callback(late, o.State)
	assert.Equal(o, http.StatusFound, res.StatusCode, "after ten minutes, too")
	assert.Empty(o, late.oxd.saw("get_tokens_by_code"))
}

func openLoginWithACR(o *goldenRun) {
	o.returnsTo(o.app(), "/otp")
	weak := o.app()
	weak.oxd.acr = "pwd"
	res, _ := o.browser().callback(weak, o.State)
	assert.Equal(o, http.StatusForbidden, res.StatusCode)
}

func openLoginWithMaxAge(o *goldenRun) {
	o.returnsTo(o.app(), "/recent")
	time.Sleep(2 * time.Minute)
	res, _ := o.browser().callback(o.app(), o.State)
	assert.Equal(o, http.StatusForbidden, res.StatusCode)
}

func recordRestarts(a *goldenApp, b *goldenBrowser, r *goldenRecord, _ *plainStore) {
	a.oxd.forgetsStates = true
	r.State = b.leave(a, http.MethodGet, "/notes?page=2", "")
	for range 2 {
		r.State = b.leave(a, http.MethodGet, "/auth/callback?code=golden-code&state="+r.State, "")
	}
}

func openRestarts(o *goldenRun) {
	o.returnsTo(o.app(), "/notes?page=2")
	a := o.app()
	a.oxd.forgetsStates = true
	res, _ := o.browser().callback(a, o.State)
	assert.GreaterOrEqual(o, res.StatusCode, 400, "two restarts are enough")
}

var (
	goldenForm = url.Values{"note": {"first\r\nsecond", "again"}, "name": {"Zoë 李 😀"}, "empty": {""}}
	longForm   = url.Values{"text": {strings.Repeat("words that compress ", 500)}}
)

func recordForm(f url.Values) func(*goldenApp, *goldenBrowser, *goldenRecord, *plainStore) {
	return func(a *goldenApp, b *goldenBrowser, r *goldenRecord, _ *plainStore) {
		r.State = b.leave(a, http.MethodPost, "/notes?x=1", f.Encode())
	}
}

func openForm(f url.Values) func(*goldenRun) {
	return func(o *goldenRun) {
		a, b := o.app(), o.browser()
		res, body := b.callback(a, o.State)
		require.Equal(o, http.StatusOK, res.StatusCode)
		require.Contains(o, body, `action="/notes?x=1"`)
		for name, values := range f {
			for _, value := range values {
				assert.Contains(o, body, fmt.Sprintf(`name="%s" value="%s"`, name, value))
			}
		}
		assert.NotContains(o, b.jar, "__Host-oxdauth-form")
	}
}

func recordGathering(a *goldenApp, b *goldenBrowser, r *goldenRecord, _ *plainStore) {
	b.signIn(a)
	a.oxd.gathers = true
	r.State = b.leave(a, http.MethodGet, "/photos/1?size=big", "")
}

func openGathering(o *goldenRun) {
	back := "/auth/claims?state=" + o.State + "&ticket="
	a, b := o.app(), o.browser()
	res, body := b.get(a, back+"golden-next-ticket")
	require.Equal(o, http.StatusSeeOther, res.StatusCode, body)
	assert.Equal(o, "/photos/1?size=big", res.Header.Get("Location"))
	res, _ = b.get(a, "/photos/1?size=big")
	assert.Equal(o, http.StatusOK, res.StatusCode)
	assert.Len(o, a.oxd.saw("uma_rp_get_rpt"), 1, "it brought the RPT of this resource")

	other := o.app()
	res, _ = o.browser().get(other, back+"golden-gathering-ticket")
	assert.Equal(o, http.StatusBadRequest, res.StatusCode, "the ticket is the one it began with")
	someone := &goldenBrowser{o.T, map[string]string{}}
	someone.signIn(other)
	maps.Copy(someone.jar, o.Cookies)
	for _, name := range []string{"__Host-oxdauth", "__Host-oxdauth-tokens"} {
		delete(someone.jar, name)
	}
	someone.signIn(other)
	res, _ = someone.get(o.app(), back+"golden-next-ticket")
	assert.Equal(o, http.StatusBadRequest, res.StatusCode, "the session is another")
	assert.Empty(o, other.oxd.saw("uma_rp_get_rpt"))
}

func recordRPT(a *goldenApp, b *goldenBrowser, r *goldenRecord, store *plainStore) {
	recordGathering(a, b, r, store)
	res, body := b.get(a, "/auth/claims?state="+r.State+"&ticket=golden-next-ticket")
	require.Equal(b.t, http.StatusSeeOther, res.StatusCode, body)
}

func openRPT(o *goldenRun) {
	a, b := o.app(), o.browser()
	res, body := b.get(a, "/photos/1")
	require.Equal(o, http.StatusOK, res.StatusCode, body)
	assert.Equal(o, []string{"golden-rpt"}, a.oxd.saw("uma_rs_check_access"))
	assert.Empty(o, a.oxd.saw("uma_rp_get_rpt"))

	withdrawn := o.app()
	withdrawn.oxd.grants, withdrawn.oxd.gathers = nil, true
	res, _ = o.browser().get(withdrawn, "/photos/1")
	assert.Equal(o, http.StatusForbidden, res.StatusCode, "there was a gathering a moment ago")
	assert.Equal(o, []string{"golden-pct"}, withdrawn.oxd.saw("uma_rp_get_rpt"))
	time.Sleep(time.Minute)
	o.browser().leave(withdrawn, http.MethodGet, "/photos/1", "")
}

func recordEnd(a *goldenApp, b *goldenBrowser, r *goldenRecord, store *plainStore) {
	b.signIn(a)
	before := maps.Clone(b.jar)
	res, _ := b.send(a, http.MethodPost, "/auth/logout", "")
	require.Equal(b.t, http.StatusSeeOther, res.StatusCode)
	b.jar = before
}

func openEnd(o *goldenRun) {
	o.ended(o.app())
	assert.Equal(o, "golden-user", o.browser().session(o.replicas(1, ":ended:")[0]).Subject, "it is the mark that ends it")
}

func recordGroupEnd(a *goldenApp, b *goldenBrowser, _ *goldenRecord, _ *plainStore) {
	b.signIn(a)
	require.NoError(b.t, a.auth.RevokeSubject(b.t.Context(), goldenIssuer, "golden-user"))
}

func openGroupEnd(o *goldenRun) {
	a := o.app()
	o.ended(a)
	assert.Equal(o, "golden-user", o.browser().session(o.replicas(1, ":group:")[0]).Subject, "it is the mark that ends it")
	time.Sleep(time.Second)
	b := o.browser()
	b.signIn(a)
	assert.Equal(o, "golden-user", b.session(a).Subject, "a session of later goes on")
}

func newGoldenToken(t *testing.T) (token, jwks string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	b64 := base64.RawURLEncoding.EncodeToString
	point, err := key.PublicKey.Bytes()
	require.NoError(t, err)
	jwks = fmt.Sprintf(`{"keys":[{"kty":"EC","crv":"P-256","kid":"golden","alg":"ES256","use":"sig","x":%q,"y":%q}]}`, b64(point[1:33]), b64(point[33:]))
	claims, err := json.Marshal(map[string]any{
		"iss": goldenIssuer, "aud": "golden-client", "sub": "golden-user", "sid": "golden-sid", "jti": "golden-jti",
		"iat": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}},
	})
	require.NoError(t, err)
	token = b64([]byte(`{"alg":"ES256","kid":"golden","typ":"logout+jwt"}`)) + "." + b64(claims)
	sum := sha256.Sum256([]byte(token))
	x, y, err := ecdsa.Sign(rand.Reader, key, sum[:])
	require.NoError(t, err)
	signature := make([]byte, 64)
	x.FillBytes(signature[:32])
	y.FillBytes(signature[32:])
	return token + "." + b64(signature), jwks
}

func postGoldenToken(t *testing.T, a *goldenApp, token string) int {
	t.Helper()
	res, _ := (&goldenBrowser{t, map[string]string{}}).send(a, http.MethodPost, "/auth/backchannel-logout", url.Values{"logout_token": {token}}.Encode())
	return res.StatusCode
}

func recordLogoutToken(a *goldenApp, b *goldenBrowser, r *goldenRecord, _ *plainStore) {
	b.signIn(a)
	require.Equal(b.t, http.StatusOK, postGoldenToken(b.t, a, r.Token))
}

func openLogoutToken(o *goldenRun) {
	a := o.app()
	assert.Equal(o, http.StatusBadRequest, postGoldenToken(o.T, a, o.Token), "it was taken before")
	assert.Equal(o, http.StatusOK, postGoldenToken(o.T, o.replicas(1, ":jti:")[0], o.Token), "it is the mark that makes it so")
	o.ended(a)
}

func openSID(o *goldenRun) {
	logout := "/auth/frontchannel-logout?" + url.Values{"iss": {goldenIssuer}, "sid": {"golden-sid"}}.Encode()
	for drop, ended := range map[string]bool{"": true, ":sid:": false} {
		replicas := o.replicas(2, drop)
		res, _ := (&goldenBrowser{o.T, map[string]string{}}).get(replicas[0], logout)
		require.Equal(o, http.StatusOK, res.StatusCode)
		if ended {
			o.ended(replicas[1])
		} else {
			assert.Equal(o, *o.Session, o.browser().session(replicas[1]), "nobody knows of such a session")
		}
	}
}

func recordLock(a *goldenApp, b *goldenBrowser, r *goldenRecord, store *plainStore) {
	b.signIn(a)
	a.oxd.duringRefresh = func() { r.keep(b, store) }
	time.Sleep(301 * time.Second)
	b.session(a)
}

func openLock(o *goldenRun) {
	a, b := o.app(), o.browser()
	assert.Equal(o, "golden-access", b.session(a).AccessToken)
	assert.Empty(o, a.oxd.saw("get_access_token_by_refresh_token"), "another replica may have used the refresh token")
	time.Sleep(30 * time.Second)
	assert.Equal(o, "golden-access-2", b.session(a).AccessToken)
}

func recordSuccessor(a *goldenApp, b *goldenBrowser, r *goldenRecord, store *plainStore) {
	b.signIn(a)
	before := maps.Clone(b.jar)
	time.Sleep(301 * time.Second)
	s := b.session(a)
	r.Session, b.jar = &s, before
}

func openSuccessor(o *goldenRun) {
	a := o.app()
	assert.Equal(o, *o.Session, o.browser().session(a))
	assert.Empty(o, a.oxd.saw("get_access_token_by_refresh_token"), "the refresh was made elsewhere")
}
