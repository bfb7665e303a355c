package pending

// Logins that follow each other at once.

import (
	"net/http"
	"strconv"
	"time"

	"example.com/oxdauth/internal/sealed"
)

const (
	maxRounds  = 4 // logins in a row
	roundsKept = 15 * time.Second
)

// Rounds finds a browser that goes round between the application and the provider: it signs in and
// has no session all the same, because its cookies get lost or another replica has other keys. It
// is immutable and safe for concurrent use.
//
// Its cookie is the only one that is not sealed, so that replicas with different keys can read each
// other's. It holds one digit, and the worst that a planted one does is to stop a login.
type Rounds struct{ cookie *sealed.Cookie }

// NewRounds returns the counter that is in this cookie.
func NewRounds(cookie *sealed.Cookie) *Rounds { return &Rounds{cookie} }

// Owns reports whether name is that of the cookie.
func (k *Rounds) Owns(name string) bool { return name == k.cookie.Name() }

// TooMany reports whether a login must not begin: four have succeeded in a row, a quarter of a
// minute at most between each two of them.
func (k *Rounds) TooMany(jar sealed.Jar) bool { return k.count(jar) >= maxRounds }

// Count counts a login that has succeeded.
func (k *Rounds) Count(w http.ResponseWriter, jar sealed.Jar) {
	next := min(k.count(jar)+1, maxRounds)
	k.cookie.Set(w, k.cookie.Name(), strconv.Itoa(next), roundsKept)
}

func (k *Rounds) count(jar sealed.Jar) int {
	for value := range k.cookie.Values(jar) {
		if n, err := strconv.Atoi(value); err == nil && n > 0 && n <= maxRounds {
			return n
		}
	}
	return 0
}

// Clear removes the cookie, because there is a session.
func (k *Rounds) Clear(w http.ResponseWriter, jar sealed.Jar) {
	for i := range jar { // nearly always it is not there
		if jar[i].Name == k.cookie.Name() {
			k.cookie.Remove(w, k.cookie.Name())
			return
		}
	}
}
