package oxdtest_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"example.com/oxdauth/oxdtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// gatherURL builds the URL as oxd does: nothing is encoded.
func (w *world) gatherURL(ticket string) string {
	return w.provider.URL + "/oxauth/restv1/uma/gather_claims?client_id=" + w.client.ID +
		"&ticket=" + ticket + "&claims_redirect_uri=" + w.app + "/claims&state=state-2"
}

// countryWanted sets a policy that lets people from two countries in, and
// returns the ticket of the need_info answer.
func (w *world) countryWanted(resource string) string {
	w.t.Helper()
	w.provider.SetPolicy(umaView, oxdtest.Policy{
		Gather: []string{"country"}, Allow: map[string][]string{"country": {"NZ", "NO"}},
	})
	status, answer := w.rpt(w.ticket(resource, umaView), nil)
	require.Equal(w.t, http.StatusForbidden, status)
	require.Equal(w.t, "need_info", answer["error"])
	require.NotContains(w.t, answer, "required_claims", "the person is asked, not the client")
	ticket, _ := answer["ticket"].(string)
	require.Equal(w.t, w.provider.URL+"/oxauth/restv1/uma/gather_claims?client_id="+url.QueryEscape(w.client.ID)+"&ticket="+ticket,
		answer["redirect_user"])
	return ticket
}

func (w *world) claimsReturned(page *http.Response) url.Values {
	w.t.Helper()
	require.Equal(w.t, w.app+"/claims", w.app+page.Request.URL.Path, w.text(page))
	return page.Request.URL.Query()
}

func TestClaimsAreGathered(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.resource()
	for _, c := range []struct {
		country string
		status  int
		code    any
	}{{" NZ ", http.StatusOK, nil}, {"XX", http.StatusForbidden, "forbidden_by_policy"}} {
		t.Run(c.country, func(t *testing.T) {
			w := w.with(t)
			ticket := w.countryWanted(id)
			b := w.browser()
			form, err := b.Get(w.gatherURL(ticket))
			require.NoError(t, err)
			page, err := b.Submit(form, url.Values{"claim_country": {c.country}})
			require.NoError(t, err)
			got := w.claimsReturned(page)
			assert.Equal(t, "state-2", got.Get("state"))
			require.NotEmpty(t, got.Get("ticket"))
			assert.NotEqual(t, ticket, got.Get("ticket"))

			_, refusal := w.rpt(ticket, nil)
			assert.Equal(t, "invalid_ticket", refusal["error"], "the old ticket is dead")
			status, answer := w.rpt(got.Get("ticket"), nil)
			assert.Equal(t, c.status, status)
			assert.Equal(t, c.code, answer["error"])

			page, err = b.Submit(form, url.Values{"claim_country": {"NZ"}})
			require.NoError(t, err)
			assert.Equal(t, http.StatusBadRequest, page.StatusCode, "the form works once")
		})
	}
}

func TestClaimsGatheringAsksAgainForBlanks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	page, err := b.Get(w.gatherURL(w.countryWanted(w.resource())))
	require.NoError(t, err)
	page, err = b.Submit(page, url.Values{"claim_country": {"  "}})
	require.NoError(t, err)
	assert.Contains(t, w.text(page), "Please fill in every field.")
}

func TestClaimsGatheringCanBeCancelled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.browser()
	page, err := b.Get(w.gatherURL(w.countryWanted(w.resource())))
	require.NoError(t, err)
	page, err = b.Submit(page, url.Values{"decision": {"cancel"}})
	require.NoError(t, err)
	got := w.claimsReturned(page)
	assert.Equal(t, "access_denied", got.Get("error"))
	assert.Equal(t, "state-2", got.Get("state"))
	assert.NotContains(t, got, "ticket")
}

func TestClaimsGatheringNeedsNoPageForKnownClaims(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ticket := w.ticket(w.resource(), umaView)
	page, err := w.browser().Get(w.gatherURL(ticket))
	require.NoError(t, err)
	got := w.claimsReturned(page)
	assert.NotEqual(t, ticket, got.Get("ticket"))
	status, _ := w.rpt(got.Get("ticket"), nil)
	assert.Equal(t, http.StatusOK, status)
}

func TestClaimsGatheringFollowsRedirectUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ticket := w.countryWanted(w.resource())
	b := w.browser()
	page, err := b.Get(w.provider.URL + "/oxauth/restv1/uma/gather_claims?client_id=" + url.QueryEscape(w.client.ID) + "&ticket=" + ticket)
	require.NoError(t, err)
	page, err = b.Submit(page, url.Values{"claim_country": {"NO"}})
	require.NoError(t, err)
	assert.NotEmpty(t, w.claimsReturned(page).Get("ticket"), "the only registered address is the default")
}

func TestClaimsGatheringRefusesBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.resource()
	base := w.provider.URL + "/oxauth/restv1/uma/gather_claims?ticket=" + w.countryWanted(id)
	for _, c := range []struct{ name, url string }{
		{"an unknown client", base + "&client_id=nobody&claims_redirect_uri=" + w.app + "/claims"},
		{"an address that is not registered", base + "&client_id=" + w.client.ID + "&claims_redirect_uri=https://evil.example.org/"},
		{"a login address", base + "&client_id=" + w.client.ID + "&claims_redirect_uri=" + w.callback()},
		{"two addresses", w.gatherURL("x") + "&claims_redirect_uri=https://evil.example.org/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, err := w.http.Get(c.url)
			require.NoError(t, err)
			_ = w.with(t).text(resp)
			assert.Equal(t, http.StatusBadRequest, resp.StatusCode)
			assert.Empty(t, resp.Header.Get("Location"))
		})
	}
	page, err := w.browser().Get(w.gatherURL("unknown"))
	require.NoError(t, err)
	assert.Equal(t, "invalid_ticket", w.claimsReturned(page).Get("error"))

	w.provider.SetTicketLifetime(-time.Second)
	page, err = w.browser().Get(w.gatherURL(w.ticket(id, umaView)))
	require.NoError(t, err)
	assert.Equal(t, "expired_ticket", w.claimsReturned(page).Get("error"))
}
