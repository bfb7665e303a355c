package uma_test

// Exchanges of tickets, and the URLs for the questions of the authorization server.

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/uma"
	"example.com/oxdauth/oxd"
)

const idTokens = "http://openid.net/specs/openid-connect-core-1_0.html#IDToken"

// needInfo is an answer that wants claims.
func needInfo(ticket, redirect, format string) *oxd.Response {
	return &oxd.Response{Status: "error", Data: []byte(`{"error":"need_info","details":{"error":"need_info","ticket":"` + ticket +
		`","redirect_user":"` + redirect + `","required_claims":[{"name":"sub","claim_token_format":["` + format + `"]}]}}`)}
}

func TestATicketIsExchanged(t *testing.T) {
	t.Parallel()
	const gather = "https://op.example/gather"
	for _, tc := range []struct {
		name    string
		with    uma.Exchange
		answers []*oxd.Response
		want    uma.Exchanged
		err     error
		sent    []params
	}{
		{
			name: "an RPT at once", answers: []*oxd.Response{ok(`{"access_token":"rpt","token_type":"Bearer","pct":"new"}`)},
			with: uma.Exchange{PCT: "old", State: "s"},
			want: uma.Exchanged{RPT: parse(t, "rpt"), PCT: "new"}, sent: []params{{Ticket: "t-1", PCT: "old", State: "s"}},
		},
		{
			name: "without a new PCT", answers: []*oxd.Response{ok(`{"access_token":"rpt"}`)}, with: uma.Exchange{PCT: "old"},
			want: uma.Exchanged{RPT: parse(t, "rpt"), PCT: "old"}, sent: []params{{Ticket: "t-1", PCT: "old"}},
		},
		{
			name: "a PCT that is none", answers: []*oxd.Response{ok(`{"access_token":"rpt","pct":"a*"}`)}, with: uma.Exchange{PCT: "old"},
			want: uma.Exchanged{RPT: parse(t, "rpt"), PCT: "old"}, sent: []params{{Ticket: "t-1", PCT: "old"}},
		},
		{
			name: "an RPT that is none", answers: []*oxd.Response{ok(`{"access_token":"a*"}`)}, err: uma.ErrRefused, sent: []params{{Ticket: "t-1"}},
		},
		{
			name: "a GAT", answers: []*oxd.Response{ok(`{"access_token":"gat_x"}`)}, err: uma.ErrRefused, sent: []params{{Ticket: "t-1"}},
		},
		{
			name: "no RPT", answers: []*oxd.Response{ok(`{}`)}, err: oxd.ErrUnavailable, sent: []params{{Ticket: "t-1"}},
		},
		{
			name: "a refusal", answers: []*oxd.Response{fault("internal_error", "")}, err: oxd.CodeInternalError, sent: []params{{Ticket: "t-1"}},
		},
		{
			name:    "the ID token is pushed",
			answers: []*oxd.Response{needInfo("t-2", gather, idTokens), ok(`{"access_token":"rpt"}`)}, want: uma.Exchanged{RPT: parse(t, "rpt")},
			sent: []params{{Ticket: "t-1"}, {Ticket: "t-2", ClaimToken: "id-token", ClaimTokenFormat: idTokens}},
		},
		{
			name:    "once",
			answers: []*oxd.Response{needInfo("t-2", gather, idTokens), needInfo("t-3", gather, idTokens)}, want: uma.Exchanged{Gather: oxd.NewSecret("t-3")},
			sent: []params{{Ticket: "t-1"}, {Ticket: "t-2", ClaimToken: "id-token", ClaimTokenFormat: idTokens}},
		},
		{
			name: "no ID token", with: uma.Exchange{IDToken: func() oxd.Secret { return oxd.Secret{} }},
			answers: []*oxd.Response{needInfo("t-2", gather, idTokens)}, want: uma.Exchanged{Gather: oxd.NewSecret("t-2")}, sent: []params{{Ticket: "t-1"}},
		},
		{
			name: "a server that takes no ID tokens", answers: []*oxd.Response{needInfo("t-2", gather, "saml")},
			want: uma.Exchanged{Gather: oxd.NewSecret("t-2")}, sent: []params{{Ticket: "t-1"}},
		},
		{
			name: "nowhere to go", answers: []*oxd.Response{needInfo("t-2", "", "saml")}, err: uma.ErrRefused, sent: []params{{Ticket: "t-1"}},
		},
		{
			name: "the same ticket again", answers: []*oxd.Response{needInfo("t-1", gather, "saml")}, err: uma.ErrRefused, sent: []params{{Ticket: "t-1"}},
		},
		{
			name: "the same ticket after a push", answers: []*oxd.Response{needInfo("t-2", gather, idTokens), needInfo("t-2", gather, idTokens)},
			err: uma.ErrRefused, sent: []params{{Ticket: "t-1"}, {Ticket: "t-2", ClaimToken: "id-token", ClaimTokenFormat: idTokens}},
		},
		{
			name: "a ticket that is none", answers: []*oxd.Response{needInfo("*", gather, "saml")}, err: uma.ErrRefused, sent: []params{{Ticket: "t-1"}},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			asked := 0
			f.answer("uma_rp_get_rpt", func(context.Context, params) (*oxd.Response, error) {
				asked++
				return tc.answers[asked-1], nil
			})
			tc.with.Ticket = oxd.NewSecret("t-1")
			if tc.with.IDToken == nil {
				tc.with.IDToken = func() oxd.Secret { return oxd.NewSecret("id-token") }
			}
			got, err := newAsker(t, f).Exchange(t.Context(), tc.with)
			require.ErrorIs(t, err, tc.err)
			assert.Equal(t, tc.want, got)
			assert.Equal(t, tc.sent, f.sent("uma_rp_get_rpt"))
		})
	}
}

func TestTheIDTokenIsLookedUpOnlyWhenItIsWanted(t *testing.T) {
	t.Parallel()
	f := newFake()
	f.reply("uma_rp_get_rpt", ok(`{"access_token":"rpt"}`))
	_, err := newAsker(t, f).Exchange(t.Context(), uma.Exchange{
		Ticket: oxd.NewSecret("t"), IDToken: func() oxd.Secret { t.Error("it was not wanted"); return oxd.Secret{} },
	})
	require.NoError(t, err)
}

func TestAGatheringURLBringsTheStateBack(t *testing.T) {
	t.Parallel()
	state, back := strings.Repeat("s", 26), "https://app.example/auth/claims"
	for name, tc := range map[string]struct {
		url, state string
		problem    string // "": none
	}{
		"a usable one":         {"https://op.example/g?state=" + state + "&claims_redirect_uri=" + back, state, ""},
		"plain http":           {"http://op.example/g?state=" + state + "&claims_redirect_uri=" + back, state, ""},
		"another state":        {"https://op.example/g?state=other&claims_redirect_uri=" + back, state, "its state is another"},
		"no state":             {"https://op.example/g?claims_redirect_uri=" + back, state, "its state is another"},
		"short state":          {"https://op.example/g?state=abc&claims_redirect_uri=" + back, "abc", "too short"},
		"state of 21":          {"https://op.example/g?state=" + state[:21] + "&claims_redirect_uri=" + back, state[:21], "too short"},
		"state of 22":          {"https://op.example/g?state=" + state[:22] + "&claims_redirect_uri=" + back, state[:22], ""},
		"state twice":          {"https://op.example/g?state=" + state + "&state=x&claims_redirect_uri=" + back, state, "its state is another"},
		"another callback":     {"https://op.example/g?claims_redirect_uri=https://evil.example/&state=" + state, state, "leads back elsewhere"},
		"two callbacks":        {"https://op.example/g?claims_redirect_uri=" + back + "&claims_redirect_uri=x&state=" + state, state, "leads back elsewhere"},
		"a user":               {"https://user@op.example/g?claims_redirect_uri=" + back + "&state=" + state, state, "not an absolute http(s) URL"},
		"a backslash":          {`https://op.example/\evil?claims_redirect_uri=` + back + "&state=" + state, state, "not an absolute http(s) URL"},
		"more than 8000 bytes": {"https://op.example/" + strings.Repeat("x", 8000) + "?state=" + state + "&claims_redirect_uri=" + back, state, "not an absolute http(s) URL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake()
			f.reply("uma_rp_get_claims_gathering_url", ok(`{"url":%q,"state":%q}`, tc.url, tc.state))
			answer, err := newAsker(t, f).GatheringURL(t.Context(), oxd.NewSecret("t-1"), back)
			if tc.problem != "" {
				require.ErrorContains(t, err, tc.problem)
				assert.Nil(t, answer)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, &oxd.ClaimsGathering{URL: tc.url, State: tc.state}, answer)
			assert.Equal(t, "t-1", f.sent("uma_rp_get_claims_gathering_url")[0].Ticket)
		})
	}
	f := newFake()
	f.reply("uma_rp_get_claims_gathering_url", fault("internal_error", ""))
	_, err := newAsker(t, f).GatheringURL(t.Context(), oxd.NewSecret("t-1"), back)
	require.ErrorIs(t, err, oxd.CodeInternalError)
}
