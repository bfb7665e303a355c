// Package sealed keeps payloads in a compact binary form, seals them with keys that hold for one
// purpose, and carries them in cookies.
package sealed

// The binary form of payloads: a version byte, fixed fields, then length-prefixed strings.

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

const (
	// Version is the first byte of every payload.
	Version = 1
	// MaxTime is the latest time a payload can hold, in seconds since the epoch:
	// 9999-12-31T23:59:59Z.
	MaxTime = 253402300799

	maxPlain = 128 << 10 // of a stored payload, and of a compressed one when it is inflated
)

var (
	// ErrPayload is the error of a value that holds no payload: it is forged, too old, malformed,
	// or sealed with a key that is gone.
	ErrPayload = errors.New("oxdauth: malformed cookie payload")
	// ErrVersion is the error of a payload whose version this release does not know. The value is
	// authentic: a later release has written it.
	ErrVersion = errors.New("oxdauth: payload of an unknown version")
	// ErrTooLarge is the error of a payload that is too large for its cookies or for a store.
	ErrTooLarge = errors.New("oxdauth: the session does not fit in cookies")
)

// Payload is a value that can be sealed. Marshal starts with the byte Version; Unmarshal returns
// ErrPayload or ErrVersion for bytes that it cannot read.
type Payload interface {
	Marshal() []byte
	Unmarshal([]byte) error
}

// Compressible is a payload that is compressed where that saves a cookie. Its Unmarshal reads
// through [NewInflatedReader]. The method itself does nothing.
type Compressible interface {
	Payload
	Compressible()
}

// AppendText appends s with its length before it.
func AppendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendToken appends a token. A compact JWS (RFC 7515 section 7.1) is written as the bytes that
// its three parts encode: that is a quarter shorter and can be compressed. Any other token, or one
// whose base64 is not canonical, is written as text.
func AppendToken(b []byte, token string) []byte {
	text := len(b)
	// The decoder skips line ends, even the strict one.
	lineEnds := strings.IndexByte(token, '\n') >= 0 || strings.IndexByte(token, '\r') >= 0
	if strings.Count(token, ".") == 2 && !lineEnds {
		b = append(b, 1)
		var err error
		var scratch [1024]byte // for most parts
		for part := range strings.SplitSeq(token, ".") {
			b = binary.AppendUvarint(b, uint64(base64.RawURLEncoding.DecodedLen(len(part))))
			if b, err = strictRaw.AppendDecode(b, append(scratch[:0], part...)); err != nil {
				return AppendText(append(b[:text], 0), token)
			}
		}
		return b
	}
	return AppendText(append(b, 0), token)
}

var strictRaw = base64.RawURLEncoding.Strict()

// Reader reads a payload front to back. Every read is checked against what is left, because a key
// may be shared with an older release. After the first fault every read returns a zero value, and
// Finish returns the fault.
type Reader struct {
	b       string // one string for the whole payload: its parts are not allocated one by one
	bad     bool
	unknown bool // the fault is the version
}

// NewReader returns a reader of b, behind the version.
func NewReader(b []byte) Reader {
	if len(b) == 0 || b[0] != Version {
		return Reader{bad: true, unknown: len(b) > 0}
	}
	return Reader{b: string(b[1:])}
}

// NewInflatedReader is like NewReader for a payload that may be compressed. It returns ErrPayload
// when b does not inflate, or inflates to more than 128 KB.
func NewInflatedReader(b []byte) (Reader, error) {
	if len(b) > 0 && b[0] == deflated {
		inflated, err := inflate(b[1:])
		if err != nil {
			return Reader{}, err
		}
		b = inflated
	}
	return NewReader(b), nil
}

func (r *Reader) take(n uint64) string {
	if r.bad || n > uint64(len(r.b)) {
		r.Fail()
		return ""
	}
	s := r.b[:n]
	r.b = r.b[n:]
	return s
}

// Bytes fills dst.
func (r *Reader) Bytes(dst []byte) { copy(dst, r.take(uint64(len(dst)))) }

// Text reads what AppendText has written.
func (r *Reader) Text() string { return r.take(r.Uvarint()) }

// Uvarint reads what [binary.AppendUvarint] has written.
func (r *Reader) Uvarint() uint64 {
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
	r.Fail()
	return 0
}

// Time reads seconds since the epoch, written as a varint. At most MaxTime is accepted, so that no
// later arithmetic can overflow.
func (r *Reader) Time() int64 {
	v := r.Uvarint()
	if v > MaxTime {
		r.Fail()
		return 0
	}
	return int64(v)
}

// Count reads a number of items. Each item takes at least a byte, so that more than the bytes left
// are refused.
func (r *Reader) Count() int {
	n := r.Uvarint()
	if n > uint64(len(r.b)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Token reads what AppendToken has written.
func (r *Reader) Token() string {
	switch r.take(1) {
	case "\x00":
		return r.Text()
	case "\x01":
		var token []byte
		for i := range 3 {
			if i > 0 {
				token = append(token, '.')
			}
			token = base64.RawURLEncoding.AppendEncode(token, []byte(r.Text()))
		}
		return string(token)
	}
	r.Fail()
	return ""
}

// More reports whether there is anything left to read.
func (r *Reader) More() bool { return r.b != "" }

// Rest reads everything that is left.
func (r *Reader) Rest() string { return r.take(uint64(len(r.b))) }

// Fail records a fault that the caller has found.
func (r *Reader) Fail() { r.bad, r.b = true, "" }

// Finish returns ErrVersion for a version that is not known, and ErrPayload after any other fault
// or when something is left.
func (r *Reader) Finish() error {
	switch {
	case r.unknown:
		return ErrVersion
	case r.bad || r.b != "":
		return ErrPayload
	}
	return nil
}

// Expiry returns now plus lifetime in seconds since the epoch, within what a payload can hold.
func Expiry(now time.Time, lifetime time.Duration) int64 {
	return min(max(now.Add(lifetime).Unix(), 0), MaxTime)
}
