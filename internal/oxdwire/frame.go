// Package oxdwire is the wire of oxd, as clients and servers of it need it: the frames of the
// socket, the paths of the HTTPS extension and of oxd 4, parameters and their names, codes and
// answers. It is lenient and strict where oxd 3.1.1 is; what its commands do is no part of it.
package oxdwire

import (
	"encoding/binary"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A frame is four decimal digits that count UTF-16 code units, because oxd counts Java chars, and
// that much JSON in UTF-8.
const (
	// PrefixLen is the length of the prefix in bytes.
	PrefixLen = 4
	// MaxUnits is the largest number the prefix can hold. The HTTPS extension forwards commands to
	// a socket, so the limit holds there as well.
	MaxUnits = 9999
)

// Units returns the number of UTF-16 code units of text. A malformed byte counts one, as the
// replacement character that oxd reads in its place.
func Units(text []byte) int {
	n := 0
	for {
		ascii := ASCIIPrefix(text) // nearly always all of it
		if n += ascii; ascii == len(text) {
			return n
		}
		r, size := utf8.DecodeRune(text[ascii:])
		text = text[ascii+size:]
		n += RuneUnits(r)
	}
}

// ASCIIPrefix returns how many bytes at the start of text are ASCII. It compares eight of them at a
// time.
func ASCIIPrefix(text []byte) int {
	n := 0
	for n+8 <= len(text) && binary.LittleEndian.Uint64(text[n:])&0x8080808080808080 == 0 {
		n += 8
	}
	for n < len(text) && text[n] < utf8.RuneSelf {
		n++
	}
	return n
}

// RuneUnits returns the number of UTF-16 code units of a character, 1 or 2.
func RuneUnits(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// PutLength writes a number of units, 0 to MaxUnits, into the first four bytes of the frame.
func PutLength(frame []byte, units int) {
	frame[0], frame[1] = byte('0'+units/1000), byte('0'+units/100%10)
	frame[2], frame[3] = byte('0'+units/10%10), byte('0'+units%10)
}

// Frame returns the frame of an answer. It reports false when the answer is too long for one.
func Frame(body string) (frame []byte, ok bool) {
	n := Units([]byte(body))
	if n > MaxUnits {
		return nil, false
	}
	text := strings.ReplaceAll(body, string(loneSurrogate), "?")
	frame = append(make([]byte, PrefixLen, PrefixLen+len(text)), text...)
	PutLength(frame, n)
	return frame, true
}

// ErrFrame is returned for what is no frame: there is no positive length in front, or nothing but
// white space inside.
var ErrFrame = errors.New("not a frame")

// readSize is how many bytes are read at a time, as many as oxd reads.
const readSize = 8192

// Reader reads the frames of commands. It decodes UTF-8 as Java does: a character split over two
// reads is kept for the next one, and anything malformed becomes U+FFFD.
type Reader struct {
	conn  io.Reader
	units []uint16 // read and not yet returned
	rest  []byte   // the beginning of a character
	err   error    // of the connection
	buf   [readSize]byte
}

// NewReader returns a Reader of the connection.
func NewReader(conn io.Reader) *Reader { return &Reader{conn: conn} }

// Next returns the body of the next frame, which has at most MaxUnits units. The error is ErrFrame,
// or that of the connection.
func (r *Reader) Next() (body string, err error) {
	for {
		body, size, err := cut(r.units)
		switch {
		case err != nil:
			return "", err
		case size > 0:
			r.units = r.units[:copy(r.units, r.units[size:])]
			return body, nil
		case r.err != nil:
			return "", r.err
		}
		r.read()
	}
}

// Discard drops and returns what has been read behind the last frame.
func (r *Reader) Discard() string {
	surplus := string(utf16.Decode(r.units))
	r.units = r.units[:0]
	return surplus
}

func (r *Reader) read() {
	n, err := r.conn.Read(r.buf[:])
	b := append(r.rest, r.buf[:n]...)
	for len(b) > 0 && (utf8.FullRune(b) || err != nil) {
		c, size := utf8.DecodeRune(b)
		if c == utf8.RuneError && size == 1 {
			size = truncated(b)
		}
		r.units = utf16.AppendRune(r.units, c)
		b = b[size:]
	}
	r.rest, r.err = append([]byte(nil), b...), err
}

// truncated returns how many bytes at the beginning of b, which is malformed, are a character cut
// short: they become one U+FFFD together. Any other byte becomes one by itself.
func truncated(b []byte) int {
	n := 1
	for n < len(b) && !utf8.FullRune(b[:n+1]) {
		n++
	}
	if utf8.FullRune(b[:1]) {
		return 1
	}
	return n
}

// cut returns the body of the frame at the beginning of units, and the size of the frame in units.
// The size is 0 while the frame is incomplete.
func cut(units []uint16) (body string, size int, err error) {
	if len(units) < PrefixLen {
		return "", 0, nil
	}
	length, ok := parseLength(units[:PrefixLen])
	size = PrefixLen + length
	switch {
	case !ok || length <= 0:
		return "", 0, ErrFrame
	case len(units) < size:
		return "", 0, nil
	}
	body = string(utf16.Decode(units[PrefixLen:size]))
	if strings.TrimSpace(body) == "" {
		return "", 0, ErrFrame
	}
	return body, size, nil
}

// parseLength reads what Long.parseLong of Java reads: a sign and digits, of whatever script.
func parseLength(units []uint16) (int, bool) {
	text := []byte(nil)
	for _, u := range units {
		if d, ok := digit(u); ok {
			text = append(text, '0'+d)
			continue
		}
		if u > unicode.MaxASCII {
			return 0, false
		}
		text = append(text, byte(u))
	}
	n, err := strconv.Atoi(string(text))
	return n, err == nil
}

// digit returns the value of a decimal digit. The digits of a script stand next to each other, from
// zero to nine.
func digit(u uint16) (byte, bool) {
	for _, r := range unicode.Nd.R16 {
		if r.Lo <= u && u <= r.Hi {
			return byte((u - r.Lo) % 10), true
		}
	}
	return 0, false
}
