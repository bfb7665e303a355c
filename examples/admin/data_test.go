package main

// The rules of the data: who may change what, what is found, and that everything is bounded.

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

func sampleStore() *store {
	s := newStore(samplePeople())
	s.linkByEmail = true
	s.addAccounts(oxdtest.DefaultUsers())
	return s
}

func sessionOf(subject, email string) *oxdauth.Session {
	now := time.Now()
	session := &oxdauth.Session{
		Issuer: "https://idp.example.com", Subject: subject, ACR: "basic", Created: now, Expires: now.Add(time.Hour),
		AccessTokenExpires: now.Add(time.Minute), Claims: oxd.Claims{"name": {"Somebody " + subject}, "email": {email}},
	}
	return withID(session, "of "+subject)
}

// withID returns the session under another id, as after another login.
func withID(session *oxdauth.Session, id string) *oxdauth.Session {
	return session.ForTest(oxdauth.TestSession{ID: id})
}

// signIn lets somebody sign in and returns their person.
func signIn(t *testing.T, s *store, subject, email string) person {
	t.Helper()
	session := sessionOf(subject, email)
	s.observe(session, "")
	p, ok := s.byAccount(accountOf(session))
	require.True(t, ok)
	return p
}

func TestSearchFindsPeopleByEveryWordInAnyCase(t *testing.T) {
	t.Parallel()
	s := sampleStore()
	tests := []struct {
		name, q string
		role    role
		want    []string
	}{
		{"a part of a name", "zoë", "", []string{"Zoë 李 😀"}},
		{"capitals beyond ASCII", "ÅNGSTRÖM", "", []string{"Alice Ångström"}},
		{"one ideograph", "李", "", []string{"Zoë 李 😀"}},
		{"an emoji", "😀", "", []string{"Zoë 李 😀"}},
		{"a right-to-left name", "العلي", "", []string{"محمد العلي"}},
		{"Cyrillic in another case", "СОКОЛОВА", "", []string{"Дарья Соколова"}},
		{"two words in any order", "hamburg jürgen", "", []string{"Jürgen Groß"}},
		{"a team and a role", "customs", roleEditor, []string{"Anaïs Lefèvre-Dubois", "María José Núñez", "Zoë 李 😀"}},
		{"a role alone", "", roleAuditor, []string{"Дарья Соколова", "佐藤 陽子"}},
		{"nobody", "nobody at all", "", nil},
		{"what would match in another language", "%' OR 1=1", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var names []string
			for _, p := range s.search(tt.q, tt.role) {
				names = append(names, p.Name)
			}
			assert.ElementsMatch(t, tt.want, names)
		})
	}
	assert.Len(t, s.search("", ""), 19)
}

func TestOnlyAnAdministratorChangesRolesAndSettings(t *testing.T) {
	t.Parallel()
	s := sampleStore()
	alice, bob := signIn(t, s, "1", "alice@example.com"), signIn(t, s, "2", "bob@example.com")
	require.Equal(t, roleAdministrator, alice.Role)

	_, err := s.setRole(bob, bob.ID, roleAdministrator)
	require.ErrorIs(t, err, errNotAdministrator)
	_, err = s.setRole(person{Role: roleAdministrator}, bob.ID, roleAdministrator)
	require.ErrorIs(t, err, errNotAdministrator, "somebody without account")
	require.ErrorIs(t, s.setSettings(bob, settings{Organisation: "Bob's"}), errNotAdministrator)

	changed, err := s.setRole(alice, bob.ID, roleEditor)
	require.NoError(t, err)
	assert.Equal(t, roleEditor, changed.Role)
	assert.Equal(t, "Bob Brown: Viewer → Editor", s.log(kindRole, 1)[0].Detail)
	_, err = s.setRole(alice, bob.ID, roleEditor)
	require.NoError(t, err)
	assert.Len(t, s.log(kindRole, 10), 1, "what changes nothing is not logged")

	_, err = s.setRole(alice, bob.ID, "Emperor")
	require.ErrorIs(t, err, errUnknownRole)
	_, err = s.setRole(alice, "p999", roleEditor)
	require.ErrorIs(t, err, errUnknownPerson)
}

func TestARoleTakenAwayIsGoneAtOnce(t *testing.T) {
	t.Parallel()
	s := sampleStore()
	alice, bob := signIn(t, s, "1", "alice@example.com"), signIn(t, s, "2", "bob@example.com")
	bob, err := s.setRole(alice, bob.ID, roleAdministrator)
	require.NoError(t, err)
	_, err = s.setRole(bob, alice.ID, roleViewer)
	require.NoError(t, err)
	_, err = s.setRole(alice, bob.ID, roleViewer) // alice's page is still open and says Administrator
	require.ErrorIs(t, err, errNotAdministrator)
}

func TestTheLastAdministratorStays(t *testing.T) {
	t.Parallel()
	s := newStore(nil)
	s.ownerFirst = true
	owner := signIn(t, s, "1", "")
	_, err := s.setRole(owner, owner.ID, roleViewer)
	require.ErrorIs(t, err, errLastAdministrator)
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	s := sampleStore()
	alice := signIn(t, s, "1", "alice@example.com")
	for name, bad := range map[string]settings{
		"no name":         {Organisation: "  "},
		"a long name":     {Organisation: strings.Repeat("å", 61)},
		"a long notice":   {Organisation: "x", Notice: strings.Repeat("李", 201)},
		"text that is no": {Organisation: "x\xff"},
	} {
		assert.ErrorIs(t, s.setSettings(alice, bad), errBadSettings, name)
	}
	good := settings{Organisation: strings.Repeat("å", 60), Notice: strings.Repeat("李", 200)}
	require.NoError(t, s.setSettings(alice, good))
	assert.Equal(t, good, s.currentSettings())
}

func TestAnEmailAddressLinksOnlyAtTheEmbeddedProvider(t *testing.T) {
	t.Parallel()
	s := sampleStore()
	s.linkByEmail, s.ownerFirst = false, true
	first := signIn(t, s, "1", "alice@example.com")
	assert.NotEqual(t, "Alice Ångström", first.Name)
	assert.Equal(t, roleAdministrator, first.Role, "the first stranger owns the place")
	assert.Equal(t, roleViewer, signIn(t, s, "2", "edith.mbeki@nordlys.example").Role, "the second does not, whatever the address")
	assert.Equal(t, first.ID, signIn(t, s, "1", "changed@example.com").ID, "an account stays the same person")

	linked := sampleStore()
	alice := signIn(t, linked, "1", "alice@example.com")
	assert.NotEqual(t, alice.ID, signIn(t, linked, "2", "alice@example.com").ID, "a row is taken once")
}

func TestTheAuditLogTellsWhatIsNewAboutASession(t *testing.T) {
	t.Parallel()
	s := sampleStore()
	session := sessionOf("1", "alice@example.com")
	see := func() {
		copied := *session
		s.observe(&copied, "by itself")
	}
	see()
	see()
	before := session.AccessTokenExpires
	session.AccessTokenExpires = before.Add(time.Minute)
	see()
	session.AccessTokenExpires = before // an old request, late
	see()
	session.AccessTokenExpires = before.Add(time.Minute)
	see()
	session = withID(session, "stronger")
	session.ACR = strongACR
	see()
	session = withID(session, "another")
	session.Created = session.Created.Add(time.Second)
	session.SID = "another browser"
	see()
	var kinds []string
	for _, e := range s.log("", 10) {
		kinds = append([]string{e.Kind}, kinds...)
	}
	assert.Equal(t, []string{kindSignIn, kindRefresh, kindStepUp, kindSignIn}, kinds)
}

func TestWhatVisitorsCanGrowIsBounded(t *testing.T) {
	t.Parallel()
	s := sampleStore()
	for range 3 * maxEvents {
		s.addEvent("x", kindSignIn, "")
		assert.LessOrEqual(t, len(s.events), maxEvents)
	}
	s.addFailure("refused")
	n := len(s.events)
	for range 100 {
		s.addFailure("refused")
	}
	assert.Len(t, s.events, n, "failures in a row are one line")

	session := sessionOf("1", "alice@example.com")
	for i := range maxSeen + 10 {
		session = withID(session, strconv.Itoa(i))
		session.AccessTokenExpires = session.AccessTokenExpires.Add(time.Duration(i))
		s.observe(session, "")
	}
	assert.LessOrEqual(t, len(s.seen), maxSeen)

	s.people = make([]person, maxPeople)
	s.observe(sessionOf("one too many", ""), "")
	assert.Len(t, s.people, maxPeople)
}

func TestInitialsAreLettersOfEveryScript(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Zoë 李 😀": "Z李", "Alice Ångström": "AÅ", "María José Núñez": "MN", "김민준": "김", "😀": "?", "": "?", "élan": "É",
	} {
		assert.Equal(t, want, person{Name: name}.Initials(), name)
	}
}

func TestMomentsAreWordedForPeople(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		away time.Duration
		want string
	}{
		{-10 * time.Second, "just now"}, {4*time.Minute + 55*time.Second, "in 5 minutes"}, {59*time.Minute + 58*time.Second, "in 1 hour"}, {-90 * time.Second, "1 minute ago"}, {-3 * time.Hour, "3 hours ago"},
		{-50 * time.Hour, "2 days ago"}, {20 * time.Second, "in less than a minute"}, {5 * time.Minute, "in 5 minutes"},
		{time.Hour, "in 1 hour"}, {25 * time.Hour, "in 1 day"},
	} {
		assert.Equal(t, tt.want, ago(time.Now().Add(tt.away)))
	}
}
