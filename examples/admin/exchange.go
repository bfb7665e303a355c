package main

// The UMA exchange, carried out step by step for a person to look at: a client without rights asks
// the API, takes the ticket to the authorization server, and asks again with what it got there (UMA
// 2.0 Grant section 3). The client is this program itself, over HTTP, so every line shown has been
// sent or received. Lines that play no part are left out, and tickets and tokens shortened, before
// anybody sees them.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"example.com/oxdauth/oxd"
)

// self reaches the API of this program as a client from outside would.
type self struct {
	base string // scheme://host:port
	http *http.Client
}

// newSelf returns a client for the address this program listens on; an unspecified one means this
// machine.
func newSelf(addr net.Addr) self {
	return self{"http://" + addr.String(), &http.Client{Transport: &http.Transport{}}} // no proxy
}

const (
	exchangeTimeout = 20 * time.Second
	maxAnswer       = 4 << 10 // bytes of the API's answer that are shown
	idTokenFormat   = "http://openid.net/specs/openid-connect-core-1_0.html#IDToken"
)

// attempt is what the exchange is tried for.
type attempt struct{ Value, Label, method, path, body string }

// attempts are the buttons of the page.
var attempts = []attempt{
	{"view", "Look at a photo", http.MethodGet, "/api/photos/1", ""},
	{"edit", "Change its title", http.MethodPut, "/api/photos/1", `{"title":"Container ship at dusk, retouched"}`},
}

// step is one request and its answer, as they are shown.
type step struct {
	Title, Note       string
	Request, Response string
	Badge             string
	Good              bool
}

// exchange is one run. Steps are shown after [exchange.redact] only.
type exchange struct {
	Title, Outcome string
	Good           bool
	Steps          []step

	app     *app
	idToken oxd.Secret
	secrets []string // what must not be shown, with its short form after it
}

// exchange carries out an attempt, up to the first answer that leads no further.
func (a *app) exchange(ctx context.Context, try attempt, idToken oxd.Secret) *exchange {
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	x := &exchange{Title: try.Label, app: a, idToken: idToken}
	x.Outcome = x.run(ctx, try)
	x.redact()
	return x
}

func (x *exchange) run(ctx context.Context, try attempt) (outcome string) {
	status, ticket := x.ask(ctx, try, "Ask without a token", oxd.Secret{})
	if status != http.StatusUnauthorized || ticket.IsZero() {
		return "The API gave no ticket, so this ends here. Is oxd there?"
	}
	rpt := x.obtain(ctx, ticket)
	if rpt.IsZero() {
		return "There is no token for you, and so no access."
	}
	if status, _ = x.ask(ctx, try, "Ask again, with the token", rpt); status != http.StatusOK {
		return "The API refused the token."
	}
	x.Good = true
	return "Access granted."
}

// challengeTicket finds the ticket of a UMA challenge.
var challengeTicket = regexp.MustCompile(`^UMA .*\bticket="([^"\\]+)"`)

// ask sends one request to the API.
func (x *exchange) ask(ctx context.Context, try attempt, title string, rpt oxd.Secret) (status int, ticket oxd.Secret) {
	x.Steps = append(x.Steps, step{Title: title})
	s := &x.Steps[len(x.Steps)-1]
	req, err := http.NewRequestWithContext(ctx, try.method, x.app.self.base+try.path, strings.NewReader(try.body))
	if err != nil {
		s.Badge = "Not sent"
		return 0, ticket
	}
	req.Header.Set("Accept", "application/json")
	if try.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if !rpt.IsZero() {
		req.Header.Set("Authorization", "Bearer "+rpt.Reveal())
	}
	s.Request = lines(fmt.Sprintf("%s %s HTTP/1.1", req.Method, req.URL.RequestURI()), "Host: "+req.URL.Host) +
		fields(req.Header, "Accept", "Content-Type", "Authorization") + body(try.body)
	res, err := x.app.self.http.Do(req)
	if err != nil {
		x.app.log.WarnContext(ctx, "the application's own API does not answer", "error", err)
		s.Badge = "No answer"
		return 0, ticket
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		s.Badge = "No answer"
		return 0, ticket
	}
	shown := []string{"Content-Type", "Cache-Control", "Warning"}
	if match := challengeTicket.FindStringSubmatch(res.Header.Get("WWW-Authenticate")); match != nil {
		ticket = x.secret(match[1])
		s.Note = "The API does not know the client. It had oxd make a ticket that stands for this request, and names the authorization server to take it to."
		shown = append(shown, "WWW-Authenticate")
	}
	s.Response = lines(res.Proto+" "+res.Status) + fields(res.Header, shown...) + body(string(text))
	s.Badge, s.Good = res.Status, res.StatusCode == http.StatusOK
	if s.Good {
		s.Note = "The API had oxd look at the token: it is for this resource and has a scope that opens it."
	}
	return res.StatusCode, ticket
}

// obtain gets a token for a ticket. When the authorization server wants to know who asks, it is
// told so once, with the ID token of the person's session.
func (x *exchange) obtain(ctx context.Context, ticket oxd.Secret) (rpt oxd.Secret) {
	p := oxd.RPTParams{Ticket: ticket}
	for _, title := range []string{"Take the ticket to the authorization server", "Say who is asking"} {
		x.Steps = append(x.Steps, step{Title: title, Request: rptRequest(p)})
		s := &x.Steps[len(x.Steps)-1]
		got, err := x.app.client.RPT(ctx, p)
		var refused *oxd.Error
		switch {
		case err == nil:
			x.secret(got.PCT.Reveal())
			s.Badge, s.Good, s.Response = "ok", true, lines("access_token: "+got.AccessToken.Reveal(), "token_type: "+got.TokenType, "pct: "+got.PCT.Reveal())
			s.Note = "oxd exchanges the ticket, which is used up now. The access token is the requesting party token, RPT."
			return x.secret(got.AccessToken.Reveal())
		case !errors.As(err, &refused):
			s.Badge = "No answer"
			return rpt
		case refused.NeedInfo == nil || !p.ClaimToken.IsZero() || x.idToken.IsZero() || len(refused.NeedInfo.RequiredClaims) == 0:
			s.Badge, s.Response = string(refused.Code), lines("error: "+string(refused.Code))
			s.Note = "oxd does not say why. This is also how it reports that the policy of the scope refuses."
			return rpt
		}
		var names []string
		for _, claim := range refused.NeedInfo.RequiredClaims {
			names = append(names, claim.Name)
		}
		p.Ticket = x.secret(refused.NeedInfo.Ticket.Reveal())
		p.ClaimToken, p.ClaimTokenFormat = x.secret(x.idToken.Reveal()), idTokenFormat
		s.Badge = string(refused.Code)
		s.Response = lines("error: "+s.Badge, "ticket: "+p.Ticket.Reveal(), "required_claims: "+strings.Join(names, ", "))
		s.Note = "The scope has a policy, and the authorization server has to know more. It gives another ticket."
	}
	return rpt
}

func rptRequest(p oxd.RPTParams) string {
	text := lines("uma_rp_get_rpt", "ticket: "+p.Ticket.Reveal())
	if !p.ClaimToken.IsZero() {
		text += lines("claim_token: "+p.ClaimToken.Reveal(), "claim_token_format: "+p.ClaimTokenFormat)
	}
	return text
}

// secret notes that a text must not be shown.
func (x *exchange) secret(text string) oxd.Secret {
	if text != "" {
		short := "…"
		if len(text) >= 24 {
			short = text[:8] + "…"
		}
		x.secrets = append(x.secrets, text, short)
	}
	return oxd.NewSecret(text)
}

func (x *exchange) redact() {
	shorten := strings.NewReplacer(x.secrets...)
	for i := range x.Steps {
		s := &x.Steps[i]
		s.Request, s.Response = shorten.Replace(s.Request), shorten.Replace(s.Response)
	}
}

func lines(list ...string) string { return strings.Join(list, "\n") + "\n" }

func fields(h http.Header, names ...string) string {
	var b strings.Builder
	for _, name := range names {
		for _, value := range h.Values(name) {
			fmt.Fprintf(&b, "%s: %s\n", name, value)
		}
	}
	return b.String()
}

func body(text string) string {
	if text = strings.TrimSpace(text); text != "" {
		text = "\n" + text
	}
	return text
}
