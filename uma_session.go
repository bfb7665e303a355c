package oxdauth

// People in a browser: the RPT comes from their session, and the guard itself is the UMA client that gets it (UMA 2.0
// Grant section 3.3.1). A request's Authorization header and the session are never mixed in one decision.

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"example.com/oxdauth/oxd"
)

// visit is a request that is decided with the session of a browser.
type visit struct {
	guard   *Guard
	w       http.ResponseWriter
	r       *http.Request
	route   *route
	session *Session
	uma     umaTokens
	page    bool // refusals are shown to a person
	rpt     string
}

// serveSession serves a request without Authorization header.
func (g *Guard) serveSession(w http.ResponseWriter, r *http.Request, rt *route, next http.Handler, started time.Time) {
	m := g.settings.sessions
	x := &visit{guard: g, w: w, r: r, route: rt, page: rt.kind == kindPage || rt.kind == kindByRequest && wantsPage(r)}
	v := g.screen(r, rt)
	redirect := ""
	if v.outcome == Granted {
		v, redirect = x.decide()
	}
	d := g.newDecision(r, rt, v, started)
	d.RPT = g.fingerprint(x.rpt)
	if x.session != nil {
		d.Subject = x.session.Subject
	}
	login := x.session == nil && v.outcome == Denied && v.reason == reasonLogin
	switch {
	case v.outcome == Granted || g.settings.reportOnly:
		g.record(r.Context(), d)
		if x.session == nil {
			g.pass(w, r, rt, x.rpt, d, next)
			return
		}
		m.pass(w, r, x.session, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.pass(w, r, rt, x.rpt, d, next) }))
	case login && isNavigation(r):
		d.Status = http.StatusFound
		g.record(r.Context(), d)
		m.startLogin(w, r, loginRequest{returnTo: requestTarget(x.r), requirement: requirement{acrs: m.acrs}})
	case login:
		d.Status = http.StatusUnauthorized
		g.record(r.Context(), d)
		m.fail(w, r, ErrNoSession)
	case redirect != "":
		d.Status = http.StatusFound
		g.record(r.Context(), d)
		neverStore(w)
		w.Header().Set("Referrer-Policy", "no-referrer")
		http.Redirect(w, r, redirect, http.StatusFound)
	case x.page:
		d.Status = pageStatus(g.status(v.outcome))
		g.record(r.Context(), d)
		g.refusePage(w, r, d)
	default:
		d.Status = g.status(v.outcome)
		g.record(r.Context(), d)
		g.Refuse(w, r, d)
	}
}

const (
	reasonLogin   = "login required"
	reasonWaiting = "the authorization server has asked somebody for approval" // UMA 2.0 Grant section 3.3.6
)

// decide asks with the RPT of the session; for a page it also gets one. redirect is where the person has to answer
// questions first.
func (x *visit) decide() (v verdict, redirect string) {
	g, m := x.guard, x.guard.settings.sessions
	var err error
	if g.settings.reportOnly {
		x.session, err = m.Authenticate(x.r) // sets no cookies
	} else {
		x.session, err = m.load(x.w, x.r)
	}
	switch {
	case errors.Is(err, ErrStore):
		x.session = nil
		return verdict{outcome: Unavailable, reason: err.Error()}, ""
	case err != nil && x.page:
		x.session = nil
		return verdict{reason: reasonLogin}, ""
	case err != nil:
		x.session = nil
		return g.ask(x.r, x.route, "", time.Now()), ""
	case !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, x.r.Method) && !m.sameOrigin(x.r):
		return verdict{outcome: CrossOrigin, reason: "origin"}, ""
	}
	x.uma = x.session.umaTokens()
	kept, _ := x.uma.find(x.route.tag())
	x.rpt = kept.token
	v = g.ask(x.r, x.route, x.rpt, time.Now())
	if v.outcome != Denied || !x.page || g.settings.reportOnly || x.session.state == nil {
		return v, ""
	}
	return x.obtain(v, kept)
}

// obtain gets an RPT for a ticket and has it checked, once.
func (x *visit) obtain(denied verdict, kept sessionRPT) (v verdict, redirect string) {
	g, ctx := x.guard, x.r.Context()
	got, err := g.exchange(ctx, x.session, x.uma.pct, denied.ticket, "")
	if err != nil && x.uma.pct != "" && errors.Is(err, oxd.CodeInternalError) {
		// oxd 3.1.1 does not tell a persisted claims token that has expired from a refusal.
		again := g.ask(x.r, x.route, x.rpt, time.Now())
		if again.outcome != Denied {
			return again, ""
		}
		x.uma.pct = ""
		got, err = g.exchange(ctx, x.session, "", again.ticket, "")
	}
	switch {
	case err != nil:
		return exchangeVerdict(err), ""
	case !got.gather.IsZero():
		lately := kept.gathered != 0 && time.Now().Unix()-kept.gathered < gatheringPause
		if x.r.Method != http.MethodGet || lately {
			return verdict{reason: "more claims needed"}, ""
		}
		target, err := g.startGathering(x, got.gather)
		if err != nil {
			return exchangeVerdict(err), ""
		}
		return verdict{reason: "claims gathering"}, target
	}
	x.rpt = got.rpt.Reveal()
	x.keep(got, kept.gathered)
	if v = g.ask(x.r, x.route, x.rpt, time.Now()); v.outcome == Denied {
		v = verdict{reason: "the RPT is not enough"} // its ticket is not for the browser
	}
	return v, ""
}

// keep stores the RPT in the session. Without room for it the next request gets another one.
func (x *visit) keep(got exchanged, gathered int64) {
	u := umaTokens{pct: got.pct, rpts: x.uma.rpts}.with(sessionRPT{x.route.tag(), gathered, got.rpt.Reveal()})
	if err := x.session.keepUMA(x.w, x.r, u); err != nil {
		x.guard.settings.logger.WarnContext(x.r.Context(), "oxdauth: the session cannot keep an RPT", "error", err)
	}
}

// umaTokens gives what the session keeps for UMA.
func (s *Session) umaTokens() umaTokens {
	if s.state == nil {
		return umaTokens{}
	}
	if store := s.state.owner.shared; store != nil {
		return store.getUMA(s.state.request.Context(), s.state.identity)
	}
	if t := s.state.open(); t != nil {
		return t.uma
	}
	return umaTokens{}
}

// keepUMA stores u with the session, or writes its cookies with u in them. If the session was refreshed meanwhile, the newer
// one gets it.
func (s *Session) keepUMA(w http.ResponseWriter, r *http.Request, u umaTokens) error {
	if s.state == nil {
		return ErrNoSession
	}
	if store := s.state.owner.shared; store != nil {
		return store.putUMA(r.Context(), s.state.identity, u)
	}
	m, v, t := s.state.owner, s.state.identity, s.state.open()
	if newer, newerTokens := m.refresher.successor(v); newer != nil {
		v, t = newer, newerTokens
	}
	if t == nil || !m.alive(v, time.Now()) {
		return ErrNoSession
	}
	kept := *t
	kept.uma = u
	return m.save(w, readJar(r, m.prefix), v, &kept, true, false)
}

// exchanged is what a ticket was worth: an RPT, or the ticket to gather claims with.
type exchanged struct {
	rpt    oxd.Secret
	pct    string
	gather oxd.Secret
}

var errRefused = errors.New("oxdauth: no RPT for this ticket")

// idTokenFormat names ID tokens as claim tokens (UMA 2.0 Grant section 3.3.1).
const idTokenFormat = "http://openid.net/specs/openid-connect-core-1_0.html#IDToken"

// exchange gets an RPT for a ticket. When the authorization server wants claims and takes ID tokens, that of the session is
// pushed, once. Tickets are used once: each answer has to bring another one (UMA 2.0 Grant section 5.5).
func (g *Guard) exchange(ctx context.Context, s *Session, pct string, ticket oxd.Secret, state string) (exchanged, error) {
	p := oxd.RPTParams{Ticket: ticket, PCT: oxd.NewSecret(pct), State: state}
	for {
		var got *oxd.RPT
		err := g.call(ctx, func(ctx context.Context) (err error) {
			got, err = g.client.RPT(ctx, p)
			return err
		})
		if err == nil {
			return newExchanged(got, pct)
		}
		var answered *oxd.Error
		if !errors.As(err, &answered) || answered.NeedInfo == nil {
			return exchanged{}, err
		}
		need := answered.NeedInfo
		if !validTicket(need.Ticket.Reveal()) || need.Ticket.Equal(p.Ticket) {
			return exchanged{}, errRefused
		}
		p.Ticket = need.Ticket
		if p.ClaimToken.IsZero() && !s.IDToken().IsZero() && slices.ContainsFunc(need.RequiredClaims, takesIDToken) {
			p.ClaimToken, p.ClaimTokenFormat = s.IDToken(), idTokenFormat
			continue
		}
		if need.RedirectUser == "" {
			return exchanged{}, errRefused
		}
		return exchanged{gather: need.Ticket}, nil
	}
}

func takesIDToken(c oxd.RequiredClaim) bool {
	return slices.Contains(c.ClaimTokenFormats, idTokenFormat)
}

func newExchanged(got *oxd.RPT, pct string) (exchanged, error) {
	if got == nil || !validRPT(got.AccessToken.Reveal()) {
		return exchanged{}, errRefused
	}
	if newer := got.PCT.Reveal(); validTicket(newer) {
		pct = newer
	}
	return exchanged{rpt: got.AccessToken, pct: pct}, nil
}

// exchangeVerdict reads a failed exchange. A refusal by policy and most faults look alike in oxd 3.1.1; both are refusals.
func exchangeVerdict(err error) verdict {
	var answered *oxd.Error
	switch {
	case errors.As(err, &answered) && answered.Code == "request_submitted":
		return verdict{reason: reasonWaiting}
	case errors.Is(err, errRefused) || answered != nil:
		return verdict{reason: err.Error()}
	}
	return verdict{outcome: Unavailable, reason: err.Error()}
}

// pageStatus turns the status of a challenge into one for people, who cannot answer it.
func pageStatus(status int) int {
	if status == http.StatusUnauthorized {
		return http.StatusForbidden
	}
	return status
}

// refusePage shows a refusal to a person. No ticket is shown.
func (g *Guard) refusePage(w http.ResponseWriter, r *http.Request, d Decision) {
	p := PageData{Title: titleDenied, Text: textDenied, Link: "/", Button: buttonStart, RequestID: d.ID}
	if d.Outcome != Denied {
		g.refusalHeaders(w.Header(), d)
	}
	switch {
	case d.Outcome == MalformedRequest || d.Outcome == MethodNotAllowed:
		p.Title, p.Text = http.StatusText(d.Status), textMalformed
	case d.Outcome == CrossOrigin:
		p.Text = textCrossOrigin
	case d.Reason == reasonWaiting:
		p.Title, p.Text, p.Link, p.Button = titleWaiting, textWaiting, g.settings.sessions.returnTarget(requestTarget(r)), buttonRetry
	case d.Outcome != Denied:
		p.Title, p.Text = titleUnchecked, textUnchecked
	}
	g.settings.sessions.showPage(w, r, d.Status, p)
}
