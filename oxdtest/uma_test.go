package oxdtest_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"example.com/oxdauth/oxdtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	umaResources   = "/oxauth/restv1/host/rsrc/resource_set"
	umaPermissions = "/oxauth/restv1/host/rsrc_pr"
	umaView        = "https://rs.example.org/view"
	umaAdd         = "https://rs.example.org/add"
	umaIDToken     = "http://openid.net/specs/openid-connect-core-1_0.html#IDToken"
)

// resource registers a resource with the scopes view and add.
func (w *world) resource() string {
	w.t.Helper()
	status, body := w.send(http.MethodPost, umaResources, w.pat(),
		map[string]any{"name": "[GET] /photo", "resource_scopes": []string{umaView, umaAdd}})
	require.Equal(w.t, http.StatusCreated, status, string(body))
	id, _ := objectOf(w.t, body)["_id"].(string)
	require.NotEmpty(w.t, id)
	return id
}

func (w *world) ticket(resource string, scopes ...string) string {
	w.t.Helper()
	status, body := w.send(http.MethodPost, umaPermissions, w.pat(),
		[]any{map[string]any{"resource_id": resource, "resource_scopes": scopes}})
	require.Equal(w.t, http.StatusCreated, status, string(body))
	ticket, _ := objectOf(w.t, body)["ticket"].(string)
	require.NotEmpty(w.t, ticket)
	return ticket
}

// rpt asks for a requesting party token.
func (w *world) rpt(ticket string, more url.Values) (int, map[string]any) {
	w.t.Helper()
	form := url.Values{"grant_type": {"urn:ietf:params:oauth:grant-type:uma-ticket"}, "ticket": {ticket}}
	for name, values := range more {
		form[name] = values
	}
	return w.token(form)
}

// pushed is the ID token of a user as claim token.
func (w *world) pushed(user, password string) url.Values {
	w.t.Helper()
	_, answer := w.redeem(w.logIn(w.browser(), user, password, nil).Get("code"))
	return url.Values{"claim_token": {answer["id_token"].(string)}, "claim_token_format": {umaIDToken}}
}

func TestUMADiscoveryNamesTheEndpoints(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, body := w.send(http.MethodGet, "/.well-known/uma2-configuration", "", nil)
	metadata := objectOf(t, body)
	assert.Equal(t, w.provider.URL, metadata["issuer"])
	for _, name := range []string{
		"token_endpoint", "introspection_endpoint", "resource_registration_endpoint",
		"permission_endpoint", "claims_interaction_endpoint", "jwks_uri",
	} {
		endpoint, _ := metadata[name].(string)
		assert.True(t, strings.HasPrefix(endpoint, w.provider.URL+"/"), name)
	}
}

func TestResourcesAreRegisteredAndDeleted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, pat := w.resource(), w.pat()
	status, body := w.send(http.MethodGet, umaResources+"/"+id, pat, nil)
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, "[GET] /photo", objectOf(t, body)["name"])

	status, _ = w.send(http.MethodPut, umaResources+"/"+id, pat, map[string]any{"resource_scopes": []string{umaView}})
	require.Equal(t, http.StatusOK, status)
	_, body = w.send(http.MethodGet, umaResources+"/"+id, pat, nil)
	assert.Equal(t, []any{umaView}, objectOf(t, body)["resource_scopes"])

	_, body = w.send(http.MethodGet, umaResources, pat, nil)
	assert.JSONEq(t, `["`+id+`"]`, string(body))

	stranger := w.with(t)
	stranger.client = w.register(nil)
	_, body = w.send(http.MethodGet, umaResources, stranger.pat(), nil)
	assert.JSONEq(t, `[]`, string(body))
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete} {
		status, body = w.send(method, umaResources+"/"+id, stranger.pat(), map[string]any{"resource_scopes": []string{umaView}})
		assert.Equal(t, http.StatusNotFound, status, method)
		assert.Equal(t, "not_found", objectOf(t, body)["error"])
	}

	status, _ = w.send(http.MethodDelete, umaResources+"/"+id, pat, nil)
	assert.Equal(t, http.StatusNoContent, status)
	status, _ = w.send(http.MethodGet, umaResources+"/"+id, pat, nil)
	assert.Equal(t, http.StatusNotFound, status)
}

func TestProtectionAPIRefusesBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, pat := w.resource(), w.pat()
	stranger := w.with(t)
	stranger.client = w.register(nil)
	user, _ := w.tokens()["access_token"].(string)
	permission := func(resource string, scopes ...string) any {
		return map[string]any{"resource_id": resource, "resource_scopes": scopes}
	}
	cases := []struct {
		name, path, token string
		body              any
		status            int
		code              string
	}{
		{"a resource without token", umaResources, "", map[string]any{"resource_scopes": []string{umaView}}, 401, "invalid_token"},
		{"a resource with the token of a user", umaResources, user, map[string]any{"resource_scopes": []string{umaView}}, 401, "invalid_token"},
		{"a resource without scopes", umaResources, pat, map[string]any{"name": "x"}, 400, "invalid_request"},
		{"a resource that is a list", umaResources, pat, []string{}, 400, "invalid_request"},
		{"a ticket without token", umaPermissions, "", permission(id, umaView), 401, "invalid_token"},
		{"a ticket for an unknown resource", umaPermissions, pat, permission("x", umaView), 400, "invalid_resource_id"},
		{"a ticket for the resource of another", umaPermissions, stranger.pat(), permission(id, umaView), 400, "invalid_resource_id"},
		{"a ticket for a scope that is not registered", umaPermissions, pat, permission(id, "https://rs.example.org/all"), 400, "invalid_scope"},
		{"a ticket for nothing", umaPermissions, pat, []any{}, 400, "invalid_request"},
		{"a ticket for a number", umaPermissions, pat, 1, 400, "invalid_request"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, body := w.with(t).send(http.MethodPost, c.path, c.token, c.body)
			assert.Equal(t, c.status, status)
			assert.Equal(t, c.code, objectOf(t, body)["error"])
		})
	}
	status, _ := w.send(http.MethodPost, umaPermissions, pat, permission(id, umaView))
	assert.Equal(t, http.StatusCreated, status, "a single permission is as good as a list")
}

func TestTicketBecomesRPT(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.resource()
	status, answer := w.rpt(w.ticket(id, umaView), nil)
	require.Equal(t, http.StatusOK, status, answer)
	rpt, _ := answer["access_token"].(string)
	assert.Regexp(t, regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}_[A-Z0-9.]+$`), rpt)
	assert.Equal(t, "Bearer", answer["token_type"])
	assert.Equal(t, false, answer["upgraded"])
	assert.NotEmpty(t, answer["pct"])

	_, info := w.introspectBearer(w.pat(), rpt)
	assert.Equal(t, true, info["active"])
	permissions, _ := json.Marshal(info["permissions"])
	var got []struct {
		ResourceID string   `json:"resource_id"`
		Scopes     []string `json:"resource_scopes"`
		Exp        int64
	}
	require.NoError(t, json.Unmarshal(permissions, &got))
	require.Len(t, got, 1)
	assert.Equal(t, id, got[0].ResourceID)
	assert.Equal(t, []string{umaView}, got[0].Scopes)
	assert.InDelta(t, time.Now().Add(time.Hour).Unix(), got[0].Exp, 60)

	assert.True(t, w.provider.RevokeRPT(rpt))
	assert.False(t, w.active(rpt))
	assert.False(t, w.provider.RevokeRPT(rpt))
}

func TestRPTForDeletedResourceLosesPermission(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.resource()
	_, answer := w.rpt(w.ticket(id, umaView), nil)
	w.send(http.MethodDelete, umaResources+"/"+id, w.pat(), nil)
	_, info := w.introspectBearer(w.pat(), answer["access_token"].(string))
	assert.Equal(t, []any{}, info["permissions"])
}

func TestAnRPTIsUpgraded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.resource()
	_, first := w.rpt(w.ticket(id, umaView), nil)
	status, second := w.rpt(w.ticket(id, umaAdd), url.Values{"rpt": {first["access_token"].(string)}})
	require.Equal(t, http.StatusOK, status)
	assert.Equal(t, true, second["upgraded"])
	assert.Equal(t, first["access_token"], second["access_token"])
	_, info := w.introspectBearer(w.pat(), second["access_token"].(string))
	permissions, _ := info["permissions"].([]any)
	require.Len(t, permissions, 1)
	assert.Equal(t, []any{umaView, umaAdd}, permissions[0].(map[string]any)["resource_scopes"])
}

func TestScopesAreAddedToAnRPT(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.resource()
	status, answer := w.rpt(w.ticket(id, umaView), url.Values{"scope": {url.QueryEscape(umaAdd)}})
	require.Equal(t, http.StatusOK, status, answer)
	_, info := w.introspectBearer(w.pat(), answer["access_token"].(string))
	permission := info["permissions"].([]any)[0].(map[string]any)
	assert.Equal(t, []any{umaView, umaAdd}, permission["resource_scopes"])

	status, answer = w.rpt(w.ticket(id, umaView), url.Values{"scope": {"https://rs.example.org/all"}})
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "invalid_scope", answer["error"])
}

func TestTicketGrantRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.resource()
	used := w.ticket(id, umaView)
	_, granted := w.rpt(used, nil)
	pushed := w.pushed("alice", "alice-secret")
	stranger := w.with(t)
	stranger.client = w.register(nil)
	foreign := stranger.pushed("alice", "alice-secret")
	_, theirs := stranger.rpt(stranger.ticket(stranger.resource(), umaView), nil)
	text := func(answer map[string]any, name string) []string { return []string{answer[name].(string)} }
	cases := []struct {
		name   string
		ticket string
		more   url.Values
		code   string
	}{
		{"no ticket", "", nil, "invalid_ticket"},
		{"an unknown ticket", "x", nil, "invalid_ticket"},
		{"a pattern as ticket", "*", nil, "invalid_ticket"},
		{"a used ticket", used, nil, "invalid_ticket"},
		{"an unknown RPT", "", url.Values{"rpt": {"*"}}, "invalid_rpt"},
		{"the RPT of another client", "", url.Values{"rpt": text(theirs, "access_token")}, "invalid_rpt"},
		{"an unknown PCT", "", url.Values{"pct": {"*"}}, "invalid_pct"},
		{"the PCT of another client", "", url.Values{"pct": text(theirs, "pct")}, "invalid_pct"},
		{"a claim token without format", "", url.Values{"claim_token": pushed["claim_token"]}, "invalid_claim_token_format"},
		{"a format without claim token", "", url.Values{"claim_token_format": {umaIDToken}}, "invalid_claim_token"},
		{"an RPT as claim token", "", url.Values{"claim_token": text(granted, "access_token"), "claim_token_format": {umaIDToken}}, "invalid_claim_token"},
		{"an ID token of another client", "", foreign, "invalid_claim_token"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			if c.ticket == "" && c.more != nil {
				c.ticket = w.ticket(id, umaView)
			}
			status, answer := w.rpt(c.ticket, c.more)
			assert.Equal(t, http.StatusBadRequest, status)
			assert.Equal(t, c.code, answer["error"])
			assert.Contains(t, answer, "error_description", "oxd tells need_info from failures by this")
		})
	}
}

func TestAnExpiredTicketIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provider.SetTicketLifetime(-time.Second)
	status, answer := w.rpt(w.ticket(w.resource(), umaView), nil)
	assert.Equal(t, http.StatusBadRequest, status)
	assert.Equal(t, "expired_ticket", answer["error"])
}

func TestTicketsAndRPTsExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		id := b.resource()
		fresh, late := b.ticket(id, umaView), b.ticket(id, umaView)
		time.Sleep(time.Hour - time.Second)
		status, answer := b.rpt(fresh, nil)
		require.Equal(t, http.StatusOK, status)
		time.Sleep(time.Second)
		status, refusal := b.rpt(late, nil)
		assert.Equal(t, http.StatusBadRequest, status)
		assert.Equal(t, "expired_ticket", refusal["error"])
		assert.True(t, b.active(answer["access_token"]))
		time.Sleep(time.Hour)
		assert.False(t, b.active(answer["access_token"]))
		status, _ = b.rpt(b.ticket(id, umaView), url.Values{"pct": {answer["pct"].(string)}})
		assert.Equal(t, http.StatusOK, status, "the PCT lives longer")
	})
}

func TestPoliciesDecide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.resource()
	alice, bob := w.pushed("alice", "alice-secret"), w.pushed("bob", "bob-secret")
	admins := oxdtest.Policy{Allow: map[string][]string{"role": {"admin"}}}
	cases := []struct {
		name   string
		policy oxdtest.Policy
		more   url.Values
		code   string
	}{
		{"no conditions: everybody", oxdtest.Policy{}, nil, ""},
		{"deny: nobody", oxdtest.Policy{Deny: true}, alice, "forbidden_by_policy"},
		{"a role that the party has", admins, alice, ""},
		{"a role that the party has not", admins, bob, "forbidden_by_policy"},
		{"a role that is not known", admins, nil, "need_info"},
		{"a user by name", oxdtest.Policy{Allow: map[string][]string{"preferred_username": {"bob", "zoe"}}}, bob, ""},
		{"two conditions, one of them met", oxdtest.Policy{Allow: map[string][]string{"role": {"admin"}, "email": {"x@example.org"}}}, alice, "forbidden_by_policy"},
		{"deny beats lack of claims", oxdtest.Policy{Deny: true, Gather: []string{"country"}}, nil, "forbidden_by_policy"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := w.with(t)
			w.provider.SetPolicy(umaView, c.policy)
			ticket := w.ticket(id, umaView)
			status, answer := w.rpt(ticket, c.more)
			if c.code == "" {
				assert.Equal(t, http.StatusOK, status, answer)
				return
			}
			assert.Equal(t, http.StatusForbidden, status)
			assert.Equal(t, c.code, answer["error"])
			_, again := w.rpt(ticket, c.more)
			assert.Equal(t, "invalid_ticket", again["error"], "the ticket is used up")
		})
	}
}

func TestPolicyOfEachScopeCounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.resource()
	w.provider.SetPolicy(umaAdd, oxdtest.Policy{Deny: true})
	status, _ := w.rpt(w.ticket(id, umaView), nil)
	assert.Equal(t, http.StatusOK, status)
	status, _ = w.rpt(w.ticket(id, umaView, umaAdd), nil)
	assert.Equal(t, http.StatusForbidden, status)
	status, _ = w.rpt(w.ticket(id, umaView), url.Values{"scope": {umaAdd}})
	assert.Equal(t, http.StatusForbidden, status, "scopes that the client adds are decided over too")
}

func TestNeedInfoAsksForClaimsToPush(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.provider.SetPolicy(umaView, oxdtest.Policy{Allow: map[string][]string{"role": {"admin"}}})
	ticket := w.ticket(w.resource(), umaView)
	status, answer := w.rpt(ticket, nil)
	require.Equal(t, http.StatusForbidden, status)
	assert.Len(t, answer, 3, "oxd knows these keys only")
	assert.Equal(t, "need_info", answer["error"])
	assert.Equal(t, []any{map[string]any{
		"name": "role", "friendly_name": "role", "claim_type": "string",
		"issuer": []any{w.provider.URL}, "claim_token_format": []any{umaIDToken},
	}}, answer["required_claims"])
	next, _ := answer["ticket"].(string)
	assert.NotEqual(t, ticket, next)

	stranger := w.with(t)
	stranger.client = w.register(nil)
	_, refusal := stranger.rpt(next, nil)
	assert.Equal(t, "invalid_ticket", refusal["error"], "the new ticket is for one client")

	pushed := w.pushed("alice", "alice-secret")
	status, granted := w.rpt(next, pushed)
	require.Equal(t, http.StatusOK, status, granted)

	status, again := w.rpt(w.ticket(w.resource(), umaView), url.Values{"pct": {granted["pct"].(string)}})
	assert.Equal(t, http.StatusOK, status, "the PCT stands for the claims")
	assert.Equal(t, granted["pct"], again["pct"])
}

func TestExpiredIDTokenIsNoClaimToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBubble(t)
		_, tokens := b.redeem(b.code(nil))
		pushed := url.Values{"claim_token": {tokens["id_token"].(string)}, "claim_token_format": {umaIDToken}}
		id := b.resource()
		time.Sleep(time.Hour - time.Second)
		status, _ := b.rpt(b.ticket(id, umaView), pushed)
		assert.Equal(t, http.StatusOK, status)
		time.Sleep(time.Second)
		_, answer := b.rpt(b.ticket(id, umaView), pushed)
		assert.Equal(t, "invalid_claim_token", answer["error"])
	})
}
