package session

// What a session keeps for UMA: a few RPTs, and the persisted claims token (PCT) of its user.

import (
	"encoding/binary"
	"slices"

	"example.com/oxdauth/internal/sealed"
)

const maxRPTs = 5 // the oldest goes first; each takes about 80 bytes of cookie

// RPTs is the part of the tokens that belongs to UMA. It travels inside the sealed tokens, so that
// it ends with the session and never passes to the next user. The list is never changed, only
// replaced: several requests may share one payload.
type RPTs struct {
	PCT  string
	List []RPT // the newest in front, at most five
}

// RPT is a requesting party token for one resource.
type RPT struct {
	Resource [8]byte // a digest of resource and method
	Gathered int64   // when a claims gathering led to it, in seconds; zero: none did
	Token    string
}

// Find returns the RPT for a resource.
func (u RPTs) Find(resource [8]byte) (RPT, bool) {
	i := slices.IndexFunc(u.List, func(e RPT) bool { return e.Resource == resource })
	if i < 0 {
		return RPT{}, false
	}
	return u.List[i], true
}

// With returns a copy with one more RPT, in place of the one for the same resource.
func (u RPTs) With(e RPT) RPTs {
	list := []RPT{e}
	for _, old := range u.List {
		if old.Resource != e.Resource && len(list) < maxRPTs {
			list = append(list, old)
		}
	}
	return RPTs{PCT: u.PCT, List: list}
}

// append writes nothing when there is nothing: sessions without UMA keep the payload they always
// had.
func (u RPTs) append(b []byte) []byte {
	if u.PCT == "" && len(u.List) == 0 {
		return b
	}
	b = binary.AppendUvarint(sealed.AppendToken(b, u.PCT), uint64(len(u.List)))
	for _, e := range u.List {
		b = binary.AppendUvarint(append(b, e.Resource[:]...), uint64(e.Gathered))
		b = sealed.AppendToken(b, e.Token)
	}
	return b
}

func (u *RPTs) read(r *sealed.Reader) {
	if !r.More() {
		return
	}
	u.PCT = r.Token()
	n := r.Count()
	if n > maxRPTs {
		r.Fail()
		return
	}
	for range n {
		var e RPT
		r.Bytes(e.Resource[:])
		e.Gathered, e.Token = r.Time(), r.Token()
		u.List = append(u.List, e)
	}
}
