package pending

// The payloads of the trips: a login, and a claims gathering.

import (
	"encoding/binary"
	"time"

	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

const (
	// LoginMemory is how long a login is remembered: a slow person still comes to the right page.
	LoginMemory = time.Hour
	// GatheringLifetime is how long a claims gathering may take.
	GatheringLifetime = 10 * time.Minute

	loginLifetime = 10 * time.Minute // after that it begins again; checked inside the sealed cookie
)

// Login is the payload of one login. Digests of a fixed size keep the cookie small, whatever the
// values of the provider are.
type Login struct {
	Created      int64 // in seconds since the epoch
	Restarts     byte  // before this one
	State, Nonce [16]byte
	Client       [8]byte
	MaxAge       int64  // in seconds; zero: any
	ACRs         string // separated by spaces, one of them has to be delivered; empty: any
	ReturnTo     string // a local path and query
}

// Expired reports whether the login has taken too long.
func (v *Login) Expired(now time.Time) bool { return expired(v.Created, now, loginLifetime) }

func (v *Login) begun() (int64, [16]byte) { return v.Created, v.State }

// Marshal returns v in binary form.
func (v *Login) Marshal() []byte {
	b := make([]byte, 0, 64+len(v.ACRs)+len(v.ReturnTo))
	b = append(b, sealed.Version)
	b = binary.AppendUvarint(b, uint64(v.Created))
	b = append(b, v.Restarts)
	b = append(append(append(b, v.State[:]...), v.Nonce[:]...), v.Client[:]...)
	b = binary.AppendUvarint(b, uint64(v.MaxAge))
	return sealed.AppendText(sealed.AppendText(b, v.ACRs), v.ReturnTo)
}

// Unmarshal reads what Marshal has returned.
func (v *Login) Unmarshal(b []byte) error {
	r := sealed.NewReader(b)
	v.Created = r.Time()
	var restarts [1]byte
	r.Bytes(restarts[:])
	v.Restarts = restarts[0]
	r.Bytes(v.State[:])
	r.Bytes(v.Nonce[:])
	r.Bytes(v.Client[:])
	v.MaxAge = r.Time()
	v.ACRs, v.ReturnTo = r.Text(), r.Text()
	return r.Finish()
}

// Gathering is the payload of one claims gathering, which it binds to a session of this browser.
type Gathering struct {
	Created       int64 // in seconds since the epoch
	Session       session.ID
	State, Ticket [16]byte // digests
	Resource      [8]byte  // see [session.RPT]
	ReturnTo      string   // a local path and query
}

// Expired reports whether the gathering has taken too long.
func (v *Gathering) Expired(now time.Time) bool { return expired(v.Created, now, GatheringLifetime) }

func (v *Gathering) begun() (int64, [16]byte) { return v.Created, v.State }

// Marshal returns v in binary form.
func (v *Gathering) Marshal() []byte {
	b := make([]byte, 0, 96+len(v.ReturnTo))
	b = append(b, sealed.Version)
	b = binary.AppendUvarint(b, uint64(v.Created))
	b = append(append(b, v.Session[:]...), v.State[:]...)
	b = append(append(b, v.Ticket[:]...), v.Resource[:]...)
	return sealed.AppendText(b, v.ReturnTo)
}

// Unmarshal reads what Marshal has returned.
func (v *Gathering) Unmarshal(b []byte) error {
	r := sealed.NewReader(b)
	v.Created = r.Time()
	r.Bytes(v.Session[:])
	r.Bytes(v.State[:])
	r.Bytes(v.Ticket[:])
	r.Bytes(v.Resource[:])
	v.ReturnTo = r.Text()
	return r.Finish()
}

func expired(created int64, now time.Time, lifetime time.Duration) bool {
	return now.Unix()-created > int64(lifetime/time.Second)
}
