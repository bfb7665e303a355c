// Package pending keeps what a browser has under way elsewhere: a login, a claims gathering, a form
// that waits for a login. Each is sealed in a cookie, found again by the state that comes back, and
// taken once.
package pending

// One cookie for each trip of the browser to the provider and back.

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

const (
	maxLogins     = 5    // that a browser keeps; the oldest goes first
	maxGatherings = 3    // likewise
	maxTripBytes  = 2000 // of all trips of a kind together, names included
	maxTried      = 3    // cookies of one state: another program on the host may have planted some
)

// Trip is a payload that waits for a state: a [Login] or a [Gathering].
type Trip interface {
	sealed.Payload
	begun() (created int64, state [16]byte)
}

// Book keeps the trips of one kind. It is immutable and safe for concurrent use.
type Book struct {
	cookie *sealed.Cookie // its name is a prefix
	label  string         // of the digest of a state
	most   int
	kept   time.Duration
}

// NewLogins returns the book of logins: five for each browser, kept for LoginMemory. The name of
// cookie is the prefix of the names of all of them.
func NewLogins(cookie *sealed.Cookie) *Book {
	return &Book{cookie, "state", maxLogins, LoginMemory}
}

// NewGatherings returns the book of claims gatherings: three for each browser, kept for
// GatheringLifetime. The name of cookie is the prefix of the names of all of them.
func NewGatherings(cookie *sealed.Cookie) *Book {
	return &Book{cookie, "uma state", maxGatherings, GatheringLifetime}
}

// Digest returns the form in which this book keeps a state.
func (b *Book) Digest(state string) [16]byte { return session.Digest(b.label, state) }

// Owns reports whether name is that of a cookie of this book.
func (b *Book) Owns(name string) bool { return strings.HasPrefix(name, b.cookie.Name()) }

// Remember sets the cookie of v and removes the oldest ones beyond the limits. It returns
// [sealed.ErrTooLarge] when v does not fit in one cookie.
func (b *Book) Remember(w http.ResponseWriter, jar sealed.Jar, v Trip) error {
	value, err := b.cookie.SealOne(v)
	if err != nil {
		return err
	}
	name := b.name(v.begun())
	kept, bytes := 1, len(name)+len(value)
	older := slices.DeleteFunc(slices.Clone(jar), func(c sealed.Pair) bool { return !b.Owns(c.Name) })
	slices.SortFunc(older, func(a, b sealed.Pair) int { return strings.Compare(b.Name, a.Name) })
	for _, c := range older {
		bytes += len(c.Name) + len(c.Value)
		if kept++; kept > b.most || bytes > maxTripBytes {
			b.Forget(w, c.Name)
		}
	}
	b.cookie.Set(w, name, value, b.kept)
	return nil
}

// name returns the name of the cookie of a trip. It contains the time, so that the oldest is found
// without opening any, and a part of the state.
func (b *Book) name(created int64, state [16]byte) string {
	return fmt.Sprintf("%s%09x%s", b.cookie.Name(), created, nameOf(state))
}

func nameOf(state [16]byte) string { return base64.RawURLEncoding.EncodeToString(state[:6]) }

// Find reads into v the trip that began with this state in this browser. It returns the name of its
// cookie, "" when there is none; v is then undefined.
func (b *Book) Find(jar sealed.Jar, state string, v Trip) (name string) {
	want := b.Digest(state)
	suffix := nameOf(want)
	tried := 0
	for _, c := range jar {
		if !b.Owns(c.Name) || !strings.HasSuffix(c.Name, suffix) || tried == maxTried {
			continue
		}
		tried++
		if _, err := b.cookie.Open(jar, c.Value, v); err != nil {
			continue
		}
		if _, have := v.begun(); sealed.Equal(have[:], want[:]) {
			return c.Name
		}
	}
	return ""
}

// Forget removes the cookie with the name that Find has returned.
func (b *Book) Forget(w http.ResponseWriter, name string) { b.cookie.Remove(w, name) }

// Clear removes every cookie of this book that is in jar.
func (b *Book) Clear(w http.ResponseWriter, jar sealed.Jar) {
	for _, c := range jar {
		if b.Owns(c.Name) {
			b.Forget(w, c.Name)
		}
	}
}
