package oxdauth

// What a session keeps for UMA: a few RPTs and the persisted claims token of its user. It travels inside the sealed tokens
// cookie, so that it ends with the session and never passes to the next user. The lists in here are never changed, only
// replaced: a tokens payload may be shared by several requests.

import (
	"encoding/binary"
	"slices"
)

const maxSessionRPTs = 5 // the oldest goes first; each takes about 80 bytes of cookie

// umaTokens is the part of the tokens payload that belongs to a [Guard].
type umaTokens struct {
	pct  string
	rpts []sessionRPT // the newest in front
}

type sessionRPT struct {
	resource [8]byte // see route.tag
	gathered int64   // when a claims gathering led to it, in seconds since the epoch; zero: none did
	token    string
}

// tag names a resource and method in cookies.
func (rt *route) tag() [8]byte { return hash8("uma resource", rt.key()) }

func (u umaTokens) find(resource [8]byte) (sessionRPT, bool) {
	i := slices.IndexFunc(u.rpts, func(e sessionRPT) bool { return e.resource == resource })
	if i < 0 {
		return sessionRPT{}, false
	}
	return u.rpts[i], true
}

// with gives a copy with one more RPT, in place of the one for the same resource.
func (u umaTokens) with(e sessionRPT) umaTokens {
	rpts := []sessionRPT{e}
	for _, old := range u.rpts {
		if old.resource != e.resource && len(rpts) < maxSessionRPTs {
			rpts = append(rpts, old)
		}
	}
	return umaTokens{pct: u.pct, rpts: rpts}
}

// append writes nothing when there is nothing, so that sessions without UMA keep the payload they always had.
func (u umaTokens) append(b []byte) []byte {
	if u.pct == "" && len(u.rpts) == 0 {
		return b
	}
	b = binary.AppendUvarint(appendToken(b, u.pct), uint64(len(u.rpts)))
	for _, e := range u.rpts {
		b = binary.AppendUvarint(append(b, e.resource[:]...), uint64(e.gathered))
		b = appendToken(b, e.token)
	}
	return b
}

func (u *umaTokens) read(r *reader) {
	if r.bad || r.b == "" {
		return
	}
	u.pct = r.token()
	n := r.count()
	if n > maxSessionRPTs {
		r.bad = true
		return
	}
	for range n {
		var e sessionRPT
		r.bytes(e.resource[:])
		e.gathered, e.token = r.time(), r.token()
		u.rpts = append(u.rpts, e)
	}
}

// gathering is the payload of the cookie that binds a claims gathering to a session of this browser.
type gathering struct {
	created       int64
	session       sessionID
	state, ticket [16]byte // hashes
	resource      [8]byte
	returnTo      string
}

func (v *gathering) marshal() []byte {
	b := make([]byte, 0, 96+len(v.returnTo))
	b = append(b, payloadVersion)
	b = binary.AppendUvarint(b, uint64(v.created))
	b = append(append(append(append(b, v.session[:]...), v.state[:]...), v.ticket[:]...), v.resource[:]...)
	return appendString(b, v.returnTo)
}

func (v *gathering) unmarshal(b []byte) error {
	r := newReader(b)
	v.created = r.time()
	r.bytes(v.session[:])
	r.bytes(v.state[:])
	r.bytes(v.ticket[:])
	r.bytes(v.resource[:])
	v.returnTo = r.string()
	return r.finish()
}
