package main

// The pages that only show something, and what each hands to its template.

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/oxdauth"
)

// page is what every template gets; Data is the page's own part.
type page struct {
	Title      string
	Settings   settings
	Nav        []navItem
	Me         person
	Session    *oxdauth.Session
	LogoutPath string
	Flash      *flash
	Data       any
}

type navItem struct {
	Path, Label, Icon string
	Current, Locked   bool
}

type link struct {
	Path, Label string
	Primary     bool
}

var linkHome = link{Path: "/", Label: "To the dashboard", Primary: true}

// flash is the message about the form just sent.
type flash struct {
	Text string
	Bad  bool
}

// flashes are all messages there are: the URL names one and never carries the text, which anybody
// could put there.
var flashes = map[string]flash{
	"role-saved":         {Text: "The role has been saved."},
	"settings-saved":     {Text: "The settings have been saved."},
	"refreshed":          {Text: "The tokens have been refreshed."},
	"refresh-failed":     {Text: "The provider did not refresh the tokens. Your session goes on.", Bad: true},
	"last-administrator": {Text: "This is the last administrator. Make somebody else one first.", Bad: true},
}

// show renders the page called name for the signed-in person.
func (a *app) show(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) {
	session, ok := a.mustSession(w, r)
	if !ok {
		return
	}
	p := page{
		Title: title, Settings: a.store.currentSettings(), Me: a.me(session), Session: session,
		LogoutPath: a.auth.LogoutPath(), Data: data,
		Nav: []navItem{
			{Path: "/", Label: "Dashboard", Icon: "icon-home"},
			{Path: "/users", Label: "People", Icon: "icon-people"},
			{Path: "/photos", Label: "Photos", Icon: "icon-photo"},
			{Path: "/audit", Label: "Audit log", Icon: "icon-log"},
			{Path: "/session", Label: "Session", Icon: "icon-key"},
			{Path: "/settings", Label: "Settings", Icon: "icon-settings", Locked: session.ACR != strongACR},
		},
	}
	for i := range p.Nav {
		path := p.Nav[i].Path
		p.Nav[i].Current = r.URL.Path == path || strings.HasPrefix(r.URL.Path, path+"/")
	}
	if f, ok := flashes[r.URL.Query().Get("done")]; ok {
		p.Flash = &f
	}
	a.views.render(w, r, a.log, status, name, p)
}

// message shows a page of one sentence, which needs no session.
func (a *app) message(w http.ResponseWriter, r *http.Request, status int, title, text string, links ...link) {
	a.refusal(w, r, status, "", title, text, links...)
}

// refusal is message with the id of a request that the log has as well.
func (a *app) refusal(w http.ResponseWriter, r *http.Request, status int, requestID, title, text string, links ...link) {
	a.views.render(w, r, a.log, status, "message", page{
		Title: title, Settings: a.store.currentSettings(),
		Data: struct {
			Text      string
			Links     []link
			Code      int
			RequestID string
		}{text, links, status, requestID},
	})
}

func (a *app) notFound(w http.ResponseWriter, r *http.Request) {
	a.message(w, r, http.StatusNotFound, "There is no such page", "It may have moved, or the address has a typing error.", linkHome)
}

type figure struct {
	Label string
	Value int
	Note  string
}

type teamSize struct {
	Name           string
	Count, Percent int
}

func (a *app) dashboard(w http.ResponseWriter, r *http.Request) {
	people := a.store.search("", "")
	teams, offices := map[string]int{}, map[string]bool{}
	administrators, never := 0, 0
	for _, p := range people {
		teams[p.Team]++
		if p.Office != "" {
			offices[p.Office] = true
		}
		if p.Role == roleAdministrator {
			administrators++
		}
		if p.LastSeen.IsZero() {
			never++
		}
	}
	signIns := len(a.store.log(kindSignIn, maxEvents))
	a.show(w, r, http.StatusOK, "dashboard", "Dashboard", struct {
		Figures []figure
		Recent  []event
		Teams   []teamSize
	}{
		Figures: []figure{
			{"People", len(people), fmt.Sprintf("in %d offices", len(offices))},
			{"Administrators", administrators, "may change roles"},
			{"Never signed in", never, "invited, not yet seen"},
			{"Sign-ins", signIns, "since this process started"},
		},
		Recent: a.store.log("", 6),
		Teams:  teamSizes(teams),
	})
}

// teamSizes sorts teams by size and adds the length of their bars, in percent of the largest.
func teamSizes(teams map[string]int) []teamSize {
	names := slices.SortedFunc(maps.Keys(teams), func(a, b string) int {
		return cmp.Or(cmp.Compare(teams[b], teams[a]), cmp.Compare(a, b))
	})
	sizes := make([]teamSize, len(names))
	for i, name := range names {
		sizes[i] = teamSize{name, teams[name], teams[name] * 100 / teams[names[0]]}
	}
	return sizes
}

func (a *app) users(w http.ResponseWriter, r *http.Request) {
	session, ok := a.mustSession(w, r)
	if !ok {
		return
	}
	q := strings.TrimSpace(r.URL.Query().Get("q"))
	wanted := role(r.URL.Query().Get("role"))
	if !slices.Contains(roles, wanted) {
		wanted = ""
	}
	a.show(w, r, http.StatusOK, "users", "People", struct {
		People    []person
		Total     int
		Query     string
		Role      role
		Roles     []role
		Filtered  bool
		MayChange bool
	}{
		People: a.store.search(q, wanted), Total: len(a.store.search("", "")), Query: q, Role: wanted, Roles: roles,
		Filtered: q != "" || wanted != "", MayChange: a.me(session).Role == roleAdministrator,
	})
}

func (a *app) audit(w http.ResponseWriter, r *http.Request) {
	kind := r.URL.Query().Get("kind")
	if !slices.Contains(eventKinds, kind) {
		kind = ""
	}
	a.show(w, r, http.StatusOK, "audit", "Audit log", struct {
		Kind    string
		Kinds   []string
		Events  []event
		Started time.Time
	}{kind, eventKinds, a.store.log(kind, 100), a.store.started})
}

type claim struct{ Name, Value string }

func (a *app) session(w http.ResponseWriter, r *http.Request) {
	session, ok := a.mustSession(w, r)
	if !ok {
		return
	}
	var claims []claim
	for _, name := range slices.Sorted(maps.Keys(session.Claims)) {
		claims = append(claims, claim{name, strings.Join(session.Claims[name], ", ")})
	}
	a.show(w, r, http.StatusOK, "session", "My session", struct {
		Claims               []claim
		HasToken, HasIDToken bool
	}{claims, !session.AccessToken().IsZero(), !session.IDToken().IsZero()})
}

func (a *app) settings(w http.ResponseWriter, r *http.Request) {
	session, ok := a.mustSession(w, r)
	if !ok {
		return
	}
	a.show(w, r, http.StatusOK, "settings", "Settings", struct{ MayChange bool }{a.me(session).Role == roleAdministrator})
}
