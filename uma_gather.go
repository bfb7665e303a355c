package oxdauth

// Gathering claims: the authorization server asks the person, in the browser, what it has to know (UMA 2.0 Grant sections
// 3.3.2 and 3.3.3). oxd makes the state and never looks at it again; that it comes back in the browser and the session it
// was made for, and once, is checked here.

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"example.com/oxdauth/oxd"
)

const (
	gatheringLifetime = 10 * time.Minute
	gatheringPause    = 60 // seconds after one in which the same page does not start another
	maxGatherings     = 3  // a browser may have under way
)

var errGatheringURL = errors.New("oxdauth: oxd answered an unusable claims gathering URL")

// startGathering gives the URL to send the browser to, and sets the cookie that binds its return to this session.
func (g *Guard) startGathering(x *visit, ticket oxd.Secret) (target string, err error) {
	m := g.settings.sessions
	back := m.site.origin + g.settings.claimsPath
	var answer *oxd.ClaimsGathering
	err = g.call(x.r.Context(), func(ctx context.Context) (err error) {
		answer, err = g.client.ClaimsGatheringURL(ctx, oxd.ClaimsGatheringParams{Ticket: ticket, ClaimsRedirectURI: back})
		return err
	})
	if err != nil {
		return "", err
	}
	if err := checkGatheringURL(answer, back); err != nil {
		return "", err
	}
	v := &gathering{
		created: time.Now().Unix(), session: x.session.state.identity.id, resource: x.route.tag(),
		state: hash16("uma state", answer.State), ticket: hash16("uma ticket", ticket.Reveal()), returnTo: m.returnTarget(requestTarget(x.r)),
	}
	return answer.URL, m.gatheringAttempts().remember(x.w, readJar(x.r, m.prefix), v)
}

// checkGatheringURL makes sure that the browser will bring back the state we have been told, to where we are waiting.
func checkGatheringURL(answer *oxd.ClaimsGathering, back string) error {
	u, err := url.Parse(answer.URL)
	if err != nil || len(answer.URL) > 8000 || u.User != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") ||
		strings.ContainsFunc(answer.URL, turnsInBrowsers) {
		return fmt.Errorf("%w: not an absolute http(s) URL", errGatheringURL)
	}
	q := u.Query()
	switch {
	case len(answer.State) < minStateChars:
		return fmt.Errorf("%w: its state is too short to be unguessable", errGatheringURL)
	case !slices.Equal(q["state"], []string{answer.State}):
		return fmt.Errorf("%w: its state is another", errGatheringURL)
	case !slices.Equal(q["claims_redirect_uri"], []string{back}):
		return fmt.Errorf("%w: it leads back elsewhere", errGatheringURL)
	}
	return nil
}

func (v *gathering) begun() (int64, [16]byte) { return v.created, v.state }

// ClaimsCallback gives the handler for the path of [WithSessions], where the browser comes back to from gathering claims.
// It is a route of its own, not a guarded one. Without WithSessions it answers 404.
func (g *Guard) ClaimsCallback() http.Handler {
	m := g.settings.sessions
	if m == nil {
		return http.NotFoundHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !m.allow(w, r, http.MethodGet) {
			return
		}
		q, err := callbackQuery(r.URL.RawQuery)
		if err != nil || len(q["ticket"]) > 1 {
			m.fail(w, r, errBadCallback)
			return
		}
		jar := readJar(r, m.prefix)
		v := new(gathering)
		name := m.gatheringAttempts().find(jar, q.Get("state"), v)
		if name == "" {
			g.strayGathering(w, r, "unknown state")
			return
		}
		m.gatherings.set(w, name, "", -1) // it is over, whatever comes of it
		_, first := m.finished.take(v.state, v.returnTo)
		who, err := m.Authenticate(r)
		switch {
		case time.Now().Unix()-v.created > int64(gatheringLifetime/time.Second):
			g.strayGathering(w, r, "too late")
		case !first:
			g.strayGathering(w, r, "used before")
		case err != nil || who.state == nil || !equal(who.state.identity.id[:], v.session[:]):
			g.strayGathering(w, r, "another session")
		default:
			g.finishGathering(w, r, v, q)
		}
	})
}

// strayGathering answers a return that belongs to no gathering of this browser and session. oxd is not asked.
func (g *Guard) strayGathering(w http.ResponseWriter, r *http.Request, reason string) {
	g.settings.logger.InfoContext(r.Context(), "oxdauth: claims gathering refused", "reason", reason)
	g.settings.sessions.showPage(w, r, http.StatusBadRequest, PageData{Title: titleGathering, Text: textGathering, Link: "/", Button: buttonStart})
}

// finishGathering exchanges the ticket that came back, once, and goes on to the page it was for.
func (g *Guard) finishGathering(w http.ResponseWriter, r *http.Request, v *gathering, q url.Values) {
	m := g.settings.sessions
	if code := q.Get("error"); code != "" {
		g.endGathering(w, r, verdict{reason: newProviderError(code, "").Code})
		return
	}
	ticket := q.Get("ticket")
	sent := hash16("uma ticket", ticket)
	if !validTicket(ticket) || equal(sent[:], v.ticket[:]) {
		g.settings.logger.WarnContext(r.Context(), "oxdauth: claims gathering brought no new ticket")
		m.fail(w, r, errBadCallback)
		return
	}
	s, err := m.load(w, r)
	if err != nil {
		m.fail(w, r, err)
		return
	}
	u := s.umaTokens()
	got, err := g.exchange(r.Context(), s, u.pct, oxd.NewSecret(ticket), q.Get("state"))
	if err == nil && !got.gather.IsZero() {
		err = errRefused // one round is enough
	}
	if err != nil {
		g.endGathering(w, r, exchangeVerdict(err))
		return
	}
	u = umaTokens{pct: got.pct, rpts: u.rpts}.with(sessionRPT{v.resource, time.Now().Unix(), got.rpt.Reveal()})
	if err := s.keepUMA(w, r, u); err != nil {
		m.fail(w, r, err) // going back to the page would begin another round
		return
	}
	g.settings.logger.InfoContext(r.Context(), "oxdauth: claims gathering finished", "subject", s.Subject, "rpt", g.fingerprint(got.rpt.Reveal()))
	m.redirect(w, r, v.returnTo)
}

// endGathering shows that there is no access.
func (g *Guard) endGathering(w http.ResponseWriter, r *http.Request, v verdict) {
	d := g.newDecision(r, &route{path: g.settings.claimsPath, method: r.Method}, v, time.Now())
	d.Status = pageStatus(g.status(v.outcome))
	g.record(r.Context(), d)
	g.refusePage(w, r, d)
}
