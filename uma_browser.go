package oxdauth

// A guard for people in a browser: the RPT comes from their session, and the guard itself is the
// UMA client that gets it (UMA 2.0 Grant section 3.3.1). The authorization server may ask the
// person for claims, in the browser (sections 3.3.2 and 3.3.3). A request's Authorization header
// and the session are never mixed in one decision.

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"example.com/oxdauth/internal/pending"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
	"example.com/oxdauth/internal/uma"
	"example.com/oxdauth/internal/web"
	"example.com/oxdauth/oxd"
)

const gatheringPause = 60 // seconds after a claims gathering in which the same page does not start another

// browser is the component that serves people. It is immutable and safe for concurrent use.
type browser struct {
	decider    *decider
	refuser    *refuser
	auth       *Middleware
	claimsPath string // where the browser comes back to from gathering claims
}

// visit is a request that is decided with the session of a browser.
type visit struct {
	browser  *browser
	w        http.ResponseWriter
	r        *http.Request
	resource *uma.Resource
	page     bool // refusals are shown to a person
	session  *Session
	kept     session.RPTs // what the session keeps
	rpt      uma.RPT
}

// serve serves a request without Authorization header. pass calls the handler.
func (b *browser) serve(w http.ResponseWriter, r *http.Request, res *uma.Resource, started time.Time, pass func(http.ResponseWriter, *http.Request, uma.RPT, Decision)) {
	x := &visit{browser: b, w: w, r: r, resource: res, page: res.Kind == uma.Page || res.Kind == uma.ByRequest && web.WantsPage(r)}
	v, redirectTo := b.decider.screen(r, res), ""
	if v.outcome == OutcomeGranted {
		v, redirectTo = x.decide()
	}
	d := b.decider.newDecision(r, res, v, x.rpt, started)
	if x.session != nil {
		d.Subject = x.session.Subject
	}
	enforced := !b.decider.log.reportOnly && v.outcome != OutcomeGranted
	if enforced {
		d.Status = x.status(v, redirectTo)
	}
	b.decider.log.record(r.Context(), d)
	switch {
	case !enforced && x.session == nil:
		pass(w, r, x.rpt, d)
	case !enforced:
		serve(w, r, x.session, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { pass(w, r, x.rpt, d) }))
	case v.next == nextLogin && web.IsNavigation(r):
		b.auth.logins.begin(w, r, b.auth.site.Target(r))
	case v.next == nextLogin:
		b.auth.answers.fail(w, r, ErrNoSession)
	case redirectTo != "":
		sealed.NoStore(w)
		w.Header().Set("Referrer-Policy", "no-referrer")
		http.Redirect(w, r, redirectTo, http.StatusFound)
	case x.page:
		b.refusePage(w, r, v, d, "")
	default:
		b.refuser.refuse(w, r, d)
	}
}

// status returns the status of the answer to a request that is not let through.
func (x *visit) status(v verdict, redirectTo string) int {
	switch {
	case redirectTo != "", v.next == nextLogin && web.IsNavigation(x.r):
		return http.StatusFound
	case v.next == nextLogin:
		return http.StatusUnauthorized
	case x.page:
		return x.browser.refuser.pageStatus(v.outcome)
	}
	return x.browser.refuser.status(v.outcome)
}

// decide asks with the RPT of the session; for a page it also gets one. redirectTo is where the
// person has to answer questions first.
func (x *visit) decide() (v verdict, redirectTo string) {
	d, auth := x.browser.decider, x.browser.auth
	var err error
	if d.log.reportOnly {
		x.session, err = auth.Authenticate(x.r) // sets no cookies
	} else {
		x.session, err = auth.sessions.load(x.w, x.r)
	}
	if err != nil {
		x.session = nil
	}
	reads := slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, x.r.Method)
	switch {
	case errors.Is(err, ErrStore):
		return verdict{outcome: OutcomeUnavailable, reason: err.Error()}, ""
	case err != nil && x.page:
		return verdict{reason: "login required", next: nextLogin}, ""
	case err == nil && !reads && !auth.site.SameOrigin(x.r):
		return verdict{outcome: OutcomeCrossOrigin, reason: "origin"}, ""
	case err != nil:
		return d.ask(x.r, x.resource, uma.RPT{}, time.Now()), ""
	}
	x.kept = auth.sessions.rpts(x.session)
	kept, _ := x.kept.Find(resourceTag(x.resource))
	x.rpt, _ = uma.ParseRPT(kept.Token) // none, if it is not well-formed
	v = d.ask(x.r, x.resource, x.rpt, time.Now())
	if v.outcome != OutcomeDenied || !x.page || d.log.reportOnly || x.session.state == nil {
		return v, ""
	}
	return x.obtain(v, kept.Gathered)
}

// obtain gets an RPT for a ticket and has it checked, once. gathered is when claims were last
// gathered for this resource.
func (x *visit) obtain(denied verdict, gathered int64) (v verdict, redirectTo string) {
	d, ctx := x.browser.decider, x.r.Context()
	got, err := d.asker.Exchange(ctx, x.exchange(denied.ticket))
	if err != nil && x.kept.PCT != "" && errors.Is(err, oxd.CodeInternalError) {
		// oxd 3.1.1 does not distinguish a persisted claims token that has expired from a refusal.
		again := d.ask(x.r, x.resource, x.rpt, time.Now())
		if again.outcome != OutcomeDenied {
			return again, ""
		}
		x.kept.PCT = ""
		got, err = d.asker.Exchange(ctx, x.exchange(again.ticket))
	}
	switch {
	case err != nil:
		return exchangeVerdict(err), ""
	case !got.Gather.IsZero():
		return x.gather(got.Gather, gathered)
	}
	x.rpt = got.RPT
	// Without room for the RPT the next request gets another one.
	if err := x.browser.auth.sessions.keepRPTs(x.w, x.r, x.session, withRPT(x.kept, got, resourceTag(x.resource), gathered)); err != nil {
		d.log.logger.WarnContext(ctx, "oxdauth: the session cannot keep an RPT", "error", err)
	}
	if v = d.ask(x.r, x.resource, x.rpt, time.Now()); v.outcome == OutcomeDenied {
		v = verdict{reason: "the RPT is not enough"} // its ticket is not for the browser
	}
	return v, ""
}

// exchange returns what an RPT for a ticket is asked for with.
func (x *visit) exchange(ticket oxd.Secret) uma.Exchange {
	return uma.Exchange{Ticket: ticket, PCT: x.kept.PCT, IDToken: x.session.IDToken}
}

// gather returns the URL at which the person answers questions, and sets the cookie that binds
// their return to this session. oxd makes the state and never looks at it again; that it comes back
// in the browser and the session it was made for, and once, is checked by the claims callback.
func (x *visit) gather(ticket oxd.Secret, gathered int64) (v verdict, redirectTo string) {
	b, auth := x.browser, x.browser.auth
	if x.r.Method != http.MethodGet || gathered != 0 && time.Now().Unix()-gathered < gatheringPause {
		return verdict{reason: "more claims needed"}, ""
	}
	answer, err := b.decider.asker.GatheringURL(x.r.Context(), ticket, auth.site.URL(b.claimsPath))
	if err == nil {
		book := auth.logins.trips.gatherings
		err = book.Remember(x.w, auth.sessions.jar(x.r), &pending.Gathering{
			Created: time.Now().Unix(), Session: x.session.state.identity.ID, Resource: resourceTag(x.resource),
			State: book.Digest(answer.State), Ticket: ticketDigest(ticket.Reveal()), ReturnTo: auth.site.ReturnTo(auth.site.Target(x.r)),
		})
	}
	if err != nil {
		return exchangeVerdict(err), ""
	}
	return verdict{reason: "claims gathering"}, answer.URL
}

// withRPT returns what a session keeps after an exchange.
func withRPT(kept session.RPTs, got uma.Exchanged, resource [8]byte, gathered int64) session.RPTs {
	kept.PCT = got.PCT
	return kept.With(session.RPT{Resource: resource, Gathered: gathered, Token: got.RPT.Reveal()})
}

// resourceTag names a resource and method in cookies.
func resourceTag(res *uma.Resource) [8]byte { return session.Digest8("uma resource", res.Key()) }

func ticketDigest(ticket string) [16]byte { return session.Digest("uma ticket", ticket) }

// serveClaims is [Guard.ClaimsCallback].
func (b *browser) serveClaims(w http.ResponseWriter, r *http.Request) {
	auth := b.auth
	if !auth.answers.allow(w, r, http.MethodGet) {
		return
	}
	q, err := callbackQuery(r.URL.RawQuery)
	if err != nil || len(q["ticket"]) > 1 {
		auth.answers.failFor(w, r, web.ErrQuery, auth.site.Outside("/"))
		return
	}
	trip := new(pending.Gathering)
	book := auth.logins.trips.gatherings
	name := book.Find(auth.sessions.jar(r), q.Get("state"), trip)
	if name == "" {
		b.stray(w, r, "unknown state")
		return
	}
	book.Forget(w, name) // it is over, whatever comes of it
	_, first := auth.logins.trips.used.Take(trip.State, trip.ReturnTo)
	s, err := auth.Authenticate(r)
	switch {
	case trip.Expired(time.Now()):
		b.stray(w, r, "too late")
	case !first:
		b.stray(w, r, "used before")
	case err != nil || s.state == nil || !sealed.Equal(s.state.identity.ID[:], trip.Session[:]):
		b.stray(w, r, "another session")
	default:
		b.finish(w, r, trip, q)
	}
}

// stray answers a return that belongs to no gathering of this browser and session. oxd is not
// asked.
func (b *browser) stray(w http.ResponseWriter, r *http.Request, reason string) {
	b.auth.answers.failFor(w, r, fmt.Errorf("%w: %s", ErrClaims, reason), b.auth.site.Outside("/"))
}

// finish exchanges the ticket that came back, once, and goes on to the page it was for.
func (b *browser) finish(w http.ResponseWriter, r *http.Request, trip *pending.Gathering, q url.Values) {
	auth, log := b.auth, b.decider.log.logger
	if code := q.Get("error"); code != "" {
		b.refuseClaims(w, r, verdict{reason: newProviderError(code, "").Code}, trip.ReturnTo)
		return
	}
	ticket := q.Get("ticket")
	sent := ticketDigest(ticket)
	if !uma.ValidTicket(ticket) || sealed.Equal(sent[:], trip.Ticket[:]) {
		log.WarnContext(r.Context(), "oxdauth: claims gathering brought no new ticket")
		auth.answers.failFor(w, r, web.ErrQuery, trip.ReturnTo)
		return
	}
	s, err := auth.sessions.load(w, r)
	if err != nil {
		auth.answers.failFor(w, r, err, trip.ReturnTo)
		return
	}
	kept := auth.sessions.rpts(s)
	got, err := b.decider.asker.Exchange(r.Context(), uma.Exchange{
		Ticket: oxd.NewSecret(ticket), PCT: kept.PCT, State: q.Get("state"), IDToken: s.IDToken,
	})
	if err == nil && !got.Gather.IsZero() {
		err = uma.ErrRefused // one round is enough
	}
	if err != nil {
		b.refuseClaims(w, r, exchangeVerdict(err), trip.ReturnTo)
		return
	}
	if err := auth.sessions.keepRPTs(w, r, s, withRPT(kept, got, trip.Resource, time.Now().Unix())); err != nil {
		auth.answers.failFor(w, r, err, trip.ReturnTo) // going back to the page would begin another round
		return
	}
	log.InfoContext(r.Context(), "oxdauth: claims gathering finished", "subject", s.Subject, "rpt", got.RPT.Fingerprint(&b.decider.log.key))
	redirect(w, trip.ReturnTo)
}

// refuseClaims shows that there is no access after a claims gathering.
func (b *browser) refuseClaims(w http.ResponseWriter, r *http.Request, v verdict, returnTo string) {
	d := b.decider.newDecision(r, &uma.Resource{Path: b.claimsPath, Method: r.Method}, v, uma.RPT{}, time.Now())
	d.Status = b.refuser.pageStatus(v.outcome)
	b.decider.log.record(r.Context(), d)
	b.refusePage(w, r, v, d, returnTo)
}

// exchangeVerdict reads a failed exchange. A refusal by policy and most faults look alike in oxd
// 3.1.1; both are refusals.
func exchangeVerdict(err error) verdict {
	var answered *oxd.Error
	switch {
	case errors.As(err, &answered) && answered.Code == "request_submitted":
		return verdict{reason: "the authorization server has asked somebody for approval", next: nextWait}
	case errors.Is(err, uma.ErrRefused) || answered != nil:
		return verdict{reason: err.Error()}
	}
	return verdict{outcome: OutcomeUnavailable, reason: err.Error()}
}

// refusePage shows a refusal to a person, in the way of all errors. returnTo is the page that it is
// about, "" for the page of the request. No ticket is shown.
func (b *browser) refusePage(w http.ResponseWriter, r *http.Request, v verdict, d Decision, returnTo string) {
	if d.Outcome != OutcomeDenied {
		b.refuser.setHeaders(w.Header(), d)
	}
	refused := &DecisionError{Decision: d.public(), Waiting: v.next == nextWait}
	b.auth.answers.refuse(w, r, b.auth.answers.newError(r, refused, d.ID, returnTo))
}
