package main

// What the application learns from sessions: who has signed in, and what is new about a session
// since its last request.

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"example.com/oxdauth"
)

// account names a user. Only issuer and subject together do so (OpenID Connect Core section 5.7);
// an e-mail address or a name can be changed and handed on.
type account struct{ issuer, subject string }

func accountOf(s *oxdauth.Session) account { return account{s.Issuer, s.Subject} }

// displayName returns the best name the claims have.
func displayName(s *oxdauth.Session) string {
	return cmp.Or(s.Claims.Get("name"), s.Claims.Get("preferred_username"), s.Claims.Get("email"), s.Subject)
}

// seenSession is what is remembered of a session, to tell what is new about its next request.
type seenSession struct {
	account       account
	sid, acr      string
	accessExpires time.Time
	until         time.Time // the absolute limit of the session: not needed any longer after it
}

// observe writes what is new about a session to the audit log and marks its person as seen. how
// says what made the tokens be refreshed, in case they were.
func (s *store) observe(session *oxdauth.Session, how string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.signedIn(session)
	now := seenSession{accountOf(session), session.SID, session.ACR, session.AccessTokenExpires, session.Expires}
	before, known := s.seen[session.ID()]
	switch {
	case !known && s.isStepUp(now):
		s.record(p.Name, kindStepUp, "with "+acrName(session.ACR))
	case !known:
		s.record(p.Name, kindSignIn, "with "+acrName(session.ACR))
	case now.accessExpires.After(before.accessExpires):
		s.record(p.Name, kindRefresh, how)
	case before.accessExpires.After(now.accessExpires):
		return // a request sent before the refresh that another one did meanwhile
	}
	s.forgetOld()
	s.seen[session.ID()] = now
}

// isStepUp reports whether a new session continues one that the provider let in with less.
func (s *store) isStepUp(session seenSession) bool {
	if session.acr != strongACR {
		return false
	}
	for _, other := range s.seen {
		if other.account == session.account && other.sid == session.sid && other.acr != strongACR && time.Now().Before(other.until) {
			return true
		}
	}
	return false
}

// forgetOld bounds what is remembered of sessions.
func (s *store) forgetOld() {
	if len(s.seen) < maxSeen {
		return
	}
	now := time.Now()
	maps.DeleteFunc(s.seen, func(_ string, v seenSession) bool { return now.After(v.until) })
	if len(s.seen) >= maxSeen {
		clear(s.seen)
	}
}

// signedIn returns the person of a session and adds one who is not in the directory yet, as
// somebody who may only look.
func (s *store) signedIn(session *oxdauth.Session) person {
	who := accountOf(session)
	i := s.indexByAccount(who)
	if i < 0 && s.linkByEmail {
		email := session.Claims.Get("email")
		i = slices.IndexFunc(s.people, func(p person) bool { return email != "" && p.Email == email && p.account == account{} })
	}
	if i < 0 {
		added := s.newPerson(session)
		if len(s.people) >= maxPeople {
			return added
		}
		s.people = append(s.people, added)
		i = len(s.people) - 1
	}
	p := &s.people[i]
	p.account, p.LastSeen = who, time.Now()
	return *p
}

func (s *store) newPerson(session *oxdauth.Session) person {
	p := person{
		ID: s.nextID(), Name: displayName(session), Email: session.Claims.Get("email"),
		Team: "Unassigned", Role: roleViewer,
	}
	if s.ownerFirst {
		p.Role, s.ownerFirst = roleAdministrator, false
	}
	return p
}
