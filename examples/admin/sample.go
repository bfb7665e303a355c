package main

// The sample directory: invented people of an invented company, with the names real directories
// have.

import (
	"fmt"
	"time"

	"example.com/oxdauth/oxdtest"
)

// samplePeople returns the directory a new process starts with. Nobody in it has signed in yet.
func samplePeople() []person {
	now := time.Now()
	rows := []struct {
		name, email, team, office string
		role                      role
		seen                      time.Duration // ago; 0: never
	}{
		{"Anaïs Lefèvre-Dubois", "anais.lefevre", "Customs", "Valencia", roleEditor, 26 * time.Hour},
		{"Chukwuemeka Okonkwo", "emeka.okonkwo", "Fleet", "Lagos", roleEditor, 3 * time.Hour},
		{"Дарья Соколова", "darya.sokolova", "Finance", "Hamburg", roleAuditor, 50 * time.Hour},
		{"Edith Mbeki", "edith.mbeki", "People", "Gdańsk", roleAdministrator, 5 * time.Hour},
		{"İpek Yılmaz", "ipek.yilmaz", "Fleet", "Piraeus", roleViewer, 9 * 24 * time.Hour},
		{"Jürgen Groß", "juergen.gross", "Terminals", "Hamburg", roleEditor, 31 * time.Hour},
		{"Łukasz Wójcik", "lukasz.wojcik", "Terminals", "Gdańsk", roleViewer, 4 * 24 * time.Hour},
		{"María José Núñez", "mj.nunez", "Customs", "Valencia", roleEditor, 8 * time.Hour},
		{"Μαρία Παπαδοπούλου", "maria.papadopoulou", "Terminals", "Piraeus", roleViewer, 12 * 24 * time.Hour},
		{"محمد العلي", "mohammed.alali", "Fleet", "Lagos", roleEditor, 20 * time.Hour},
		{"Nguyễn Thị Hạnh", "hanh.nguyen", "Finance", "Chennai", roleViewer, 0},
		{"Priya Raghunathan", "priya.raghunathan", "Engineering", "Chennai", roleEditor, 2 * time.Hour},
		{"佐藤 陽子", "yoko.sato", "Terminals", "Yokohama", roleAuditor, 7 * 24 * time.Hour},
		{"Siobhán O’Brien", "siobhan.obrien", "Engineering", "Aarhus", roleViewer, 0},
		{"Søren Kjærgård", "soren.kjaergard", "Fleet", "Aarhus", roleEditor, 40 * time.Hour},
		{"김민준", "minjun.kim", "Engineering", "Yokohama", roleViewer, 15 * 24 * time.Hour},
	}
	people := make([]person, 0, len(rows))
	for i, r := range rows {
		p := person{
			ID: fmt.Sprintf("p%03d", 101+i), Name: r.name, Email: r.email + "@nordlys.example",
			Team: r.team, Office: r.office, Role: r.role,
		}
		if r.seen > 0 {
			p.LastSeen = now.Add(-r.seen)
		}
		people = append(people, p)
	}
	return people
}

// addAccounts adds the users of the embedded provider to the directory. They are linked to their
// accounts when they sign in, by their e-mail addresses.
func (s *store) addAccounts(users []oxdtest.User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	type place struct {
		team, office string
		role         role
	}
	places := map[string]place{
		"alice": {"Engineering", "Aarhus", roleAdministrator},
		"zoe":   {"Customs", "Hong Kong", roleEditor},
		"bob":   {"Fleet", "Hamburg", roleViewer},
	}
	for _, u := range users {
		name, _ := u.Claims["name"].(string)
		email, _ := u.Claims["email"].(string)
		where, ok := places[u.Name]
		if !ok {
			where = place{"Unassigned", "", roleViewer}
		}
		s.people = append(s.people, person{
			ID: s.nextID(), Name: name, Email: email, Team: where.team, Office: where.office, Role: where.role,
		})
	}
}
