package main

// The data behind the pages, all in memory: the people directory, the organisation's settings and
// the audit log. A real application has a database here; what matters for the example is who may
// change what.

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// role says what a person may do in this application. It is the application's own knowledge and not
// a claim of the provider, so taking it away works at once and not at the next login.
type role string

const (
	roleAdministrator role = "Administrator"
	roleEditor        role = "Editor"
	roleAuditor       role = "Auditor"
	roleViewer        role = "Viewer"
)

var roles = []role{roleAdministrator, roleEditor, roleAuditor, roleViewer}

var (
	errUnknownPerson     = errors.New("there is no such person")
	errUnknownRole       = errors.New("there is no such role")
	errNotAdministrator  = errors.New("only an administrator may do this")
	errLastAdministrator = errors.New("the last administrator stays one")
	errBadSettings       = errors.New("the name needs 1 to 60 characters, the notice at most 200")
)

// person is one row of the directory. The account is empty for a person who has never signed in.
type person struct {
	ID, Name, Email, Team, Office string
	Role                          role
	LastSeen                      time.Time
	account                       account
}

// Initials returns the one or two letters of the avatar: the first letter of the first and of the
// last word that has one.
func (p person) Initials() string {
	var letters []rune
	for _, word := range strings.Fields(p.Name) {
		if r, _ := utf8.DecodeRuneInString(word); unicode.IsLetter(r) {
			letters = append(letters, unicode.ToUpper(r))
		}
	}
	switch len(letters) {
	case 0:
		return "?"
	case 1:
		return string(letters)
	}
	return string([]rune{letters[0], letters[len(letters)-1]})
}

// Hue picks one of the six avatar colours; the same person always gets the same one.
func (p person) Hue() int {
	hash := fnv.New32a()
	_, _ = io.WriteString(hash, p.ID) // never fails
	return int(hash.Sum32() % 6)
}

// settings are what the settings page changes.
type settings struct {
	Organisation, Notice string
}

// event is one line of the audit log.
type event struct {
	At                  time.Time
	Actor, Kind, Detail string
}

// The kinds of events, as shown.
const (
	kindSignIn   = "Signed in"
	kindSignOut  = "Signed out"
	kindFailed   = "Sign-in failed"
	kindStepUp   = "Stepped up"
	kindRefresh  = "Tokens refreshed"
	kindRole     = "Role changed"
	kindSettings = "Settings changed"
)

var eventKinds = []string{kindSignIn, kindSignOut, kindFailed, kindStepUp, kindRefresh, kindRole, kindSettings}

// maxEvents, maxSeen and maxPeople bound the memory that visitors can make this process use.
const (
	maxEvents = 500
	maxSeen   = 10_000
	maxPeople = 5_000
)

// store holds everything; all methods may be called at the same time.
type store struct {
	mu       sync.Mutex
	people   []person
	settings settings
	events   []event // oldest first
	seen     map[string]seenSession
	started  time.Time

	// linkByEmail lets somebody who signs in for the first time take the row with their e-mail
	// address. Only for the embedded provider, whose addresses are ours: with another one, whoever
	// can choose an address would become anybody.
	linkByEmail bool
	// ownerFirst makes the first person who is not in the directory an administrator: with a real
	// provider nobody in the sample directory can sign in, and without this nobody could ever
	// change a role.
	ownerFirst bool
}

func newStore(people []person) *store {
	return &store{
		people:   people,
		settings: settings{Organisation: "Nordlys Shipping"},
		seen:     map[string]seenSession{},
		started:  time.Now(),
	}
}

func (s *store) nextID() string { return fmt.Sprintf("p%03d", 101+len(s.people)) }

// search returns the people whose name, e-mail address, team or office contains every word of q, in
// any letter case, and who have the role, if one is given; sorted by name.
func (s *store) search(q string, wanted role) []person {
	words := strings.Fields(strings.ToLower(q))
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []person
	for _, p := range s.people {
		text := strings.ToLower(p.Name + " " + p.Email + " " + p.Team + " " + p.Office)
		missing := slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
		if !missing && (wanted == "" || p.Role == wanted) {
			found = append(found, p)
		}
	}
	slices.SortFunc(found, func(a, b person) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return found
}

// byAccount returns the person who has signed in with an account.
func (s *store) byAccount(who account) (person, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.indexByAccount(who)
	if i < 0 {
		return person{}, false
	}
	return s.people[i], true
}

func (s *store) indexByAccount(who account) int {
	return slices.IndexFunc(s.people, func(p person) bool { return who.subject != "" && p.account == who })
}

// setRole changes the role of the person id on behalf of actor, who must be an administrator.
func (s *store) setRole(actor person, id string, to role) (person, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeAdministrator(actor); err != nil {
		return person{}, err
	}
	i := slices.IndexFunc(s.people, func(p person) bool { return p.ID == id })
	switch {
	case i < 0:
		return person{}, errUnknownPerson
	case !slices.Contains(roles, to):
		return person{}, errUnknownRole
	}
	p := &s.people[i]
	if p.Role == roleAdministrator && to != roleAdministrator && s.count(roleAdministrator) == 1 {
		return person{}, errLastAdministrator
	}
	if p.Role != to {
		s.record(actor.Name, kindRole, fmt.Sprintf("%s: %s → %s", p.Name, p.Role, to))
		p.Role = to
	}
	return *p, nil
}

// setSettings changes the settings on behalf of actor, who must be an administrator.
func (s *store) setSettings(actor person, to settings) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.mustBeAdministrator(actor); err != nil {
		return err
	}
	to.Organisation, to.Notice = strings.TrimSpace(to.Organisation), strings.TrimSpace(to.Notice)
	valid := utf8.ValidString(to.Organisation) && utf8.ValidString(to.Notice)
	if n := utf8.RuneCountInString(to.Organisation); !valid || n < 1 || n > 60 || utf8.RuneCountInString(to.Notice) > 200 {
		return errBadSettings
	}
	if to.Organisation != s.settings.Organisation {
		s.record(actor.Name, kindSettings, "Name: “"+to.Organisation+"”")
	}
	if to.Notice != s.settings.Notice {
		s.record(actor.Name, kindSettings, "Notice: “"+to.Notice+"”")
	}
	s.settings = to
	return nil
}

// mustBeAdministrator looks the actor up again: the role may have changed since the page was shown.
func (s *store) mustBeAdministrator(actor person) error {
	i := s.indexByAccount(actor.account)
	if i < 0 || s.people[i].Role != roleAdministrator {
		return errNotAdministrator
	}
	return nil
}

func (s *store) count(r role) int {
	n := 0
	for _, p := range s.people {
		if p.Role == r {
			n++
		}
	}
	return n
}

func (s *store) currentSettings() settings {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.settings
}

// addEvent writes one line to the audit log.
func (s *store) addEvent(actor, kind, detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.record(actor, kind, detail)
}

// addFailure notes a failed sign-in. One that follows another only moves its time on: failures are
// what a stranger can cause, and a stranger must not be able to push everything else out of the
// log.
func (s *store) addFailure(detail string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	const actor = "Somebody"
	if n := len(s.events); n > 0 && s.events[n-1].Kind == kindFailed && s.events[n-1].Detail == detail {
		s.events[n-1].At = time.Now()
		return
	}
	s.record(actor, kindFailed, detail)
}

func (s *store) record(actor, kind, detail string) {
	if len(s.events) == maxEvents {
		s.events = slices.Delete(s.events, 0, maxEvents/10)
	}
	s.events = append(s.events, event{At: time.Now(), Actor: actor, Kind: kind, Detail: detail})
}

// log returns the events of a kind, or all of them for "", newest first and at most limit.
func (s *store) log(kind string, limit int) []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []event
	for _, e := range slices.Backward(s.events) {
		if len(found) == limit {
			break
		}
		if kind == "" || e.Kind == kind {
			found = append(found, e)
		}
	}
	return found
}
