// Package session says what a session consists of, what limits it, and when it has to be renewed.
package session

// The identity of a session, which is read on every request, and its tokens.

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/oxd"
)

// ClockSkew is how far the clock of a provider may be off ours.
const ClockSkew = 5 * time.Second

// ID names a session. It is random and never derived from anything.
type ID [16]byte

// NewID returns a new ID.
func NewID() (id ID) {
	rand.Read(id[:]) // never fails since Go 1.24: a broken source ends the process
	return id
}

// Identity is the payload that is read on every request. Times are in seconds since the epoch, zero
// meaning none.
type Identity struct {
	ID ID
	// Generation counts the renewals. Tokens of an earlier generation do not belong to it.
	Generation uint64

	Created, AuthTime    int64
	IdleExpires, Expires int64
	// RefreshAt is from when a refresh is due; zero without a refresh token or a known expiry.
	RefreshAt     int64
	AccessExpires int64
	ClaimsAt      int64 // when the claims were read

	Subject, Issuer, SID, ACR string
	Claims                    oxd.Claims

	buffer []string // see UseBuffer
}

// UseBuffer has Unmarshal append the values of the claims to buffer, which is empty, before it
// allocates.
func (v *Identity) UseBuffer(buffer []string) { v.buffer = buffer }

// Marshal returns v in binary form.
func (v *Identity) Marshal() []byte {
	b := make([]byte, 0, 256)
	b = append(b, sealed.Version)
	b = append(b, v.ID[:]...)
	b = binary.AppendUvarint(b, v.Generation)
	for _, t := range []int64{
		v.Created, v.AuthTime, v.IdleExpires, v.Expires, v.RefreshAt, v.AccessExpires, v.ClaimsAt,
	} {
		b = binary.AppendUvarint(b, uint64(t))
	}
	for _, s := range []string{v.Subject, v.Issuer, v.SID, v.ACR} {
		b = sealed.AppendText(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(v.Claims)))
	for name, values := range v.Claims {
		b = binary.AppendUvarint(sealed.AppendText(b, name), uint64(len(values)))
		for _, value := range values {
			b = sealed.AppendText(b, value)
		}
	}
	return b
}

// Unmarshal reads what Marshal has returned.
func (v *Identity) Unmarshal(b []byte) error {
	r := sealed.NewReader(b)
	r.Bytes(v.ID[:])
	v.Generation = r.Uvarint()
	for _, t := range []*int64{
		&v.Created, &v.AuthTime, &v.IdleExpires, &v.Expires, &v.RefreshAt, &v.AccessExpires, &v.ClaimsAt,
	} {
		*t = r.Time()
	}
	for _, s := range []*string{&v.Subject, &v.Issuer, &v.SID, &v.ACR} {
		*s = r.Text()
	}
	if n := r.Count(); n > 0 {
		v.Claims = make(oxd.Claims, n)
		all := v.buffer
		if all == nil {
			all = []string{}
		}
		for range n {
			name, start := r.Text(), len(all)
			for range r.Count() {
				all = append(all, r.Text())
			}
			v.Claims[name] = all[start:len(all):len(all)]
		}
	}
	return r.Finish()
}

// Alive reports whether v is within its idle and absolute limits. Whether it has been ended before
// them is not known here.
func (v *Identity) Alive(now time.Time) bool {
	at := now.Unix()
	return at < v.IdleExpires && at < v.Expires
}

// Need is what a session needs.
type Need struct {
	Tokens, Claims bool
	Wait           bool // the request cannot go on without it
}

// Any reports whether a renewal is due.
func (n Need) Any() bool { return n.Tokens || n.Claims }

// Due returns what v needs. Claims are to be at most interval old, zero meaning any age. They are
// due a fifth of it ahead, as long as there is an access token to read them with.
func (v *Identity) Due(now time.Time, interval time.Duration) Need {
	at := now.Unix()
	need := Need{Tokens: v.RefreshAt != 0 && at >= v.RefreshAt}
	expired := v.AccessExpires != 0 && at >= v.AccessExpires
	need.Wait = need.Tokens && expired
	if interval > 0 && (need.Tokens || !expired) {
		age := now.Sub(Unix(v.ClaimsAt))
		need.Claims = age >= interval*4/5
		need.Wait = need.Wait || age >= interval
	}
	return need
}

// Schedule returns when an access token of this lifetime expires, and when it is to be refreshed: a
// fifth of its life ahead, at most a minute. Both are in seconds since the epoch. Zero means never:
// the lifetime is not known, or there is nothing to refresh it with.
func Schedule(now time.Time, lifetime time.Duration, refreshable bool) (expires, refreshAt int64) {
	if lifetime <= 0 {
		return 0, 0
	}
	expires = sealed.Expiry(now, lifetime)
	if refreshable {
		refreshAt = sealed.Expiry(now, lifetime-min(time.Minute, lifetime/5))
	}
	return expires, refreshAt
}

// Tokens is the payload that is opened only for a renewal, or when the application asks for a
// token.
type Tokens struct {
	ID                       ID
	Generation               uint64
	Access, Refresh, IDToken string
	RPTs                     RPTs
}

// Compressible marks a payload that may be compressed.
func (v *Tokens) Compressible() {}

// Marshal returns v in binary form.
func (v *Tokens) Marshal() []byte {
	b := make([]byte, 0, 64+len(v.Access)+len(v.Refresh)+len(v.IDToken))
	b = append(b, sealed.Version)
	b = append(b, v.ID[:]...)
	b = binary.AppendUvarint(b, v.Generation)
	for _, token := range []string{v.Access, v.Refresh, v.IDToken} {
		b = sealed.AppendToken(b, token)
	}
	return v.RPTs.append(b)
}

// Unmarshal reads what Marshal has returned, compressed or not.
func (v *Tokens) Unmarshal(b []byte) error {
	r, err := sealed.NewInflatedReader(b)
	if err != nil {
		return err
	}
	r.Bytes(v.ID[:])
	v.Generation = r.Uvarint()
	for _, token := range []*string{&v.Access, &v.Refresh, &v.IDToken} {
		*token = r.Token()
	}
	v.RPTs.read(&r)
	return r.Finish()
}

// Unix returns the time of a payload, the zero time for none.
func Unix(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// Digest returns the form in which a value is kept where it only has to be recognised. The label
// keeps a value of one kind from passing as one of another.
func Digest(label, value string) [16]byte {
	sum := sha256.Sum256([]byte(label + "\x00" + value))
	return [16]byte(sum[:16])
}

// Digest8 returns the first half of Digest.
func Digest8(label, value string) [8]byte {
	long := Digest(label, value)
	return [8]byte(long[:8])
}
