package oxdauth

// The payloads that are sealed into cookies, and their compact binary form: a version byte, fixed fields, then
// length-prefixed strings. Every read is checked against what is left, because a key may be shared with an older release.

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"example.com/oxdauth/oxd"
)

const (
	payloadVersion    = 1
	maxInflatedTokens = 128 << 10 // what a tokens cookie may grow to; the sealed form is bounded by maxChunks anyway
)

var errPayload = errors.New("oxdauth: malformed cookie payload")

type sessionID [16]byte

// identity is the payload read on every request. Times are seconds since the epoch, zero meaning none.
type identity struct {
	id         sessionID
	generation uint64 // counts the refreshes; a tokens cookie of another generation does not belong to this identity

	created, authTime    int64
	idleExpires, expires int64
	refreshAt            int64 // from when a refresh is due; zero: there is no refresh token or no known expiry
	accessExpires        int64
	claimsAt             int64 // when the claims were read

	subject, issuer, sid, acr string
	claims                    oxd.Claims
	room                      []string // empty; where a read puts the values of the claims, as far as they fit
}

// tokens is the payload opened only for a refresh or when the application asks for a token.
type tokens struct {
	id                       sessionID
	generation               uint64
	access, refresh, idToken string
	uma                      umaTokens
}

// login is the payload of one login attempt. Fixed-size hashes keep the cookie small whatever the provider's values are.
type login struct {
	created        int64
	attempt        byte // restarts before this one
	state, nonce   [16]byte
	client         [8]byte
	maxAge         int64  // in seconds, zero: any
	acrs, returnTo string // acrs: space-separated, one of them has to be delivered
}

// payload is what the sealing code needs of them.
type payload interface {
	marshal() []byte
	unmarshal([]byte) error
}

// anyVersion is a payload of which only the version is read. It is never sealed.
type anyVersion struct{ known bool }

func (*anyVersion) marshal() []byte { return nil }

func (v *anyVersion) unmarshal(b []byte) error {
	r, err := newInflatedReader(b)
	v.known = err == nil && !r.bad
	return nil
}

func (v *identity) marshal() []byte {
	b := make([]byte, 0, 256)
	b = append(b, payloadVersion)
	b = append(b, v.id[:]...)
	b = binary.AppendUvarint(b, v.generation)
	for _, t := range []int64{v.created, v.authTime, v.idleExpires, v.expires, v.refreshAt, v.accessExpires, v.claimsAt} {
		b = binary.AppendUvarint(b, uint64(t))
	}
	for _, s := range []string{v.subject, v.issuer, v.sid, v.acr} {
		b = appendString(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(v.claims)))
	for name, values := range v.claims {
		b = binary.AppendUvarint(appendString(b, name), uint64(len(values)))
		for _, value := range values {
			b = appendString(b, value)
		}
	}
	return b
}

func (v *identity) unmarshal(b []byte) error {
	r := newReader(b)
	r.bytes(v.id[:])
	v.generation = r.uvarint()
	for _, t := range []*int64{&v.created, &v.authTime, &v.idleExpires, &v.expires, &v.refreshAt, &v.accessExpires, &v.claimsAt} {
		*t = r.time()
	}
	for _, s := range []*string{&v.subject, &v.issuer, &v.sid, &v.acr} {
		*s = r.string()
	}
	if n := r.count(); n > 0 {
		v.claims = make(oxd.Claims, n)
		all := v.room
		if all == nil {
			all = []string{}
		}
		for range n {
			name, start := r.string(), len(all)
			for range r.count() {
				all = append(all, r.string())
			}
			v.claims[name] = all[start:len(all):len(all)]
		}
	}
	return r.finish()
}

func (v *tokens) marshal() []byte {
	b := make([]byte, 0, 64+len(v.access)+len(v.refresh)+len(v.idToken))
	b = append(b, payloadVersion)
	b = append(b, v.id[:]...)
	b = binary.AppendUvarint(b, v.generation)
	for _, token := range []string{v.access, v.refresh, v.idToken} {
		b = appendToken(b, token)
	}
	return v.uma.append(b)
}

func (v *tokens) unmarshal(b []byte) error {
	r, err := newInflatedReader(b)
	if err != nil {
		return err
	}
	r.bytes(v.id[:])
	v.generation = r.uvarint()
	for _, token := range []*string{&v.access, &v.refresh, &v.idToken} {
		*token = r.token()
	}
	v.uma.read(&r)
	return r.finish()
}

func (v *login) marshal() []byte {
	b := make([]byte, 0, 64+len(v.acrs)+len(v.returnTo))
	b = append(b, payloadVersion)
	b = binary.AppendUvarint(b, uint64(v.created))
	b = append(b, v.attempt)
	b = append(append(append(b, v.state[:]...), v.nonce[:]...), v.client[:]...)
	b = binary.AppendUvarint(b, uint64(v.maxAge))
	return appendString(appendString(b, v.acrs), v.returnTo)
}

func (v *login) unmarshal(b []byte) error {
	r := newReader(b)
	v.created = r.time()
	var attempt [1]byte
	r.bytes(attempt[:])
	v.attempt = attempt[0]
	r.bytes(v.state[:])
	r.bytes(v.nonce[:])
	r.bytes(v.client[:])
	v.maxAge = r.time()
	v.acrs, v.returnTo = r.string(), r.string()
	return r.finish()
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendToken writes a compact JWS (RFC 7515 section 7.1) as the bytes its three parts encode, a quarter shorter and
// compressible; any other token, or one whose base64 is not canonical, is kept as text.
func appendToken(b []byte, token string) []byte {
	text := len(b)
	// The decoder overlooks line ends, even a strict one.
	if strings.Count(token, ".") == 2 && strings.IndexByte(token, '\n') < 0 && strings.IndexByte(token, '\r') < 0 {
		b = append(b, 1)
		var err error
		var room [1024]byte // for most parts
		for part := range strings.SplitSeq(token, ".") {
			b = binary.AppendUvarint(b, uint64(base64.RawURLEncoding.DecodedLen(len(part))))
			if b, err = strictBase64.AppendDecode(b, append(room[:0], part...)); err != nil {
				return appendString(append(b[:text], 0), token)
			}
		}
		return b
	}
	return appendString(append(b, 0), token)
}

var strictBase64 = base64.RawURLEncoding.Strict()

// reader walks over a payload. After the first fault every read gives a zero value and finish reports the fault.
type reader struct {
	b   string // one string for the whole payload, so that its parts cost no allocation each
	bad bool
}

func newReader(b []byte) reader {
	if len(b) == 0 || b[0] != payloadVersion {
		return reader{bad: true}
	}
	return reader{b: string(b[1:])}
}

// newInflatedReader reads a payload that may be compressed.
func newInflatedReader(b []byte) (reader, error) {
	if len(b) > 0 && b[0] == deflated {
		inflated, err := inflate(b[1:])
		if err != nil {
			return reader{}, err
		}
		b = inflated
	}
	return newReader(b), nil
}

func (r *reader) take(n uint64) string {
	if r.bad || n > uint64(len(r.b)) {
		r.bad, r.b = true, ""
		return ""
	}
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}

func (r *reader) bytes(dst []byte) { copy(dst, r.take(uint64(len(dst)))) }
func (r *reader) string() string   { return r.take(r.uvarint()) }

func (r *reader) uvarint() uint64 {
	if r.b != "" && r.b[0] < 0x80 { // most are that small
		v := uint64(r.b[0])
		r.b = r.b[1:]
		return v
	}
	var v uint64
	for i := range min(len(r.b), binary.MaxVarintLen64) {
		v |= uint64(r.b[i]&0x7f) << (7 * i)
		if r.b[i] < 0x80 {
			r.b = r.b[i+1:]
			return v
		}
	}
	r.bad, r.b = true, ""
	return 0
}

// time reads seconds since the epoch up to the end of the year 9999, so that no later arithmetic can overflow.
func (r *reader) time() int64 {
	v := r.uvarint()
	if v > maxTime {
		r.bad = true
		return 0
	}
	return int64(v)
}

// count reads a number of items, of which each takes at least a byte.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad = true
		return 0
	}
	return int(n)
}

func (r *reader) token() string {
	switch r.take(1) {
	case "\x00":
		return r.string()
	case "\x01":
		var token []byte
		for i := range 3 {
			if i > 0 {
				token = append(token, '.')
			}
			token = base64.RawURLEncoding.AppendEncode(token, []byte(r.string()))
		}
		return string(token)
	}
	r.bad = true
	return ""
}

func (r *reader) finish() error {
	if r.bad || r.b != "" {
		return errPayload
	}
	return nil
}

const maxTime = 253402300799 // 9999-12-31T23:59:59Z

// expiry adds a lifetime to now without leaving the range a payload can hold.
func expiry(now time.Time, lifetime time.Duration) int64 {
	return min(max(now.Add(lifetime).Unix(), 0), maxTime)
}

// deflated marks a compressed tokens payload; it stands where the version otherwise does.
const deflated = 0x80

var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.DefaultCompression) // the level is valid
	return w
}}

func deflate(b []byte) []byte {
	out := bytes.NewBuffer(append(make([]byte, 0, len(b)), deflated))
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(out)
	if _, err := w.Write(b); err != nil || w.Close() != nil {
		return b // a bytes.Buffer does not fail
	}
	return out.Bytes()
}

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// inflate stops at maxInflatedTokens, so that a payload sealed with our own key can still not exhaust memory.
func inflate(b []byte) ([]byte, error) {
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(b), nil); err != nil {
		return nil, errPayload
	}
	out, err := io.ReadAll(io.LimitReader(r, maxInflatedTokens+1))
	if err != nil || len(out) > maxInflatedTokens {
		return nil, errPayload
	}
	return out, nil
}
