package oxdtest

// The socket dialect: frames counted in UTF-16 units, read and written as oxd 3.1.1 does, with its defects.

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

const (
	maxUnits  = 9999
	readChars = 8192 // what oxd reads at a time, and therefore how much behind a frame is lost with it
)

// loneSurrogate stands for a UTF-16 surrogate without its partner, which a Go string cannot hold and oxd writes as "?".
const loneSurrogate = '\uFDD0'

// charReader decodes UTF-8 into UTF-16 units as Java's reader does: a character split over two reads is kept for the next
// one, anything malformed becomes U+FFFD.
type charReader struct {
	conn io.Reader
	rest []byte // the beginning of a character
	buf  [readChars]byte
}

func (r *charReader) read(units []uint16) ([]uint16, error) {
	n, err := r.conn.Read(r.buf[:])
	b := append(r.rest, r.buf[:n]...)
	for len(b) > 0 && (utf8.FullRune(b) || err != nil) {
		c, size := utf8.DecodeRune(b)
		if c == utf8.RuneError && size == 1 {
			size = truncated(b)
		}
		units = utf16.AppendRune(units, c)
		b = b[size:]
	}
	r.rest = append([]byte(nil), b...)
	return units, err
}

// truncated gives how many bytes at the beginning of b, which is malformed, are a character cut short: they become one U+FFFD
// together. Any other byte becomes one by itself.
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

type frameState int

const (
	frameIncomplete frameState = iota
	frameWhole
	frameBroken // the connection is closed without an answer
)

// cutFrame takes the body of the frame at the beginning of units; surplus is what lies behind it.
func cutFrame(units []uint16) (body, surplus string, state frameState) {
	if len(units) < 4 {
		return "", "", frameIncomplete
	}
	length, ok := parseLength(units[:4])
	switch {
	case !ok || length <= 0:
		return "", "", frameBroken
	case len(units) < 4+length:
		return "", "", frameIncomplete
	}
	body = string(utf16.Decode(units[4 : 4+length]))
	if strings.TrimSpace(body) == "" {
		return "", "", frameBroken
	}
	return body, string(utf16.Decode(units[4+length:])), frameWhole
}

// parseLength reads what Java's Long.parseLong reads: a sign and digits, of whatever script.
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

// digit gives the value of a decimal digit. The digits of a script stand next to each other, from zero to nine.
func digit(u uint16) (byte, bool) {
	for _, r := range unicode.Nd.R16 {
		if r.Lo <= u && u <= r.Hi {
			return byte((u - r.Lo) % 10), true
		}
	}
	return 0, false
}

// frame gives the bytes of an answer; false when it is too long, which oxd notices only after the command has run.
func frame(body string) ([]byte, bool) {
	units := 0
	for _, c := range body {
		units += utf16.RuneLen(c)
	}
	if units > maxUnits {
		return nil, false
	}
	prefix := strconv.Itoa(units)
	text := strings.Repeat("0", 4-len(prefix)) + prefix + body
	return []byte(strings.ReplaceAll(text, string(loneSurrogate), "?")), true
}

// serveSocket is one connection's life: read, run, write, strictly in this order.
func (s *Server) serveSocket(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	reader := &charReader{conn: conn}
	var units []uint16
	for {
		var err error
		units, err = reader.read(units)
		body, surplus, state := cutFrame(units)
		if state == frameBroken || state == frameIncomplete && err != nil {
			return
		}
		if state == frameIncomplete {
			continue
		}
		units = units[:0] // whatever has been read beyond the frame is lost: the real server throws it away
		answer := s.dispatch(ctx, overTCP, "", body)
		if strings.TrimSpace(surplus) != "" || pending(conn) {
			s.overlaps.Add(1)
		}
		if answer.cut {
			return
		}
		out, ok := answer.frame()
		if !ok {
			return
		}
		if _, err := conn.Write(out); err != nil || answer.body == internalError {
			return
		}
	}
}

// marshal writes JSON as Jackson does: nothing escaped that need not be, also where a [json.RawMessage] has it escaped.
func marshal(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return internalError
	}
	rest := strings.TrimSuffix(b.String(), "\n")
	var out strings.Builder
	for {
		i := strings.IndexByte(rest, '\\')
		if i < 0 {
			return out.String() + rest
		}
		out.WriteString(rest[:i])
		text, size := unescape(rest[i:])
		out.WriteString(text)
		rest = rest[i+size:]
	}
}

// unescape gives the escape sequence at the beginning of s, part of valid JSON, as Jackson writes it, and how long it was.
func unescape(s string) (text string, size int) {
	switch s[1] {
	case '/':
		return "/", 2
	case 'u':
	default: // as a whole, so that a backslash that is itself escaped begins no other
		return s[:2], 2
	}
	n, _ := strconv.ParseUint(s[2:6], 16, 16) // valid JSON
	switch c := rune(n); {
	case c < ' ' || c == '"' || c == '\\':
		return `\u` + strings.ToUpper(s[2:6]), 6
	case !utf16.IsSurrogate(c):
		return string(c), 6
	default:
		if low := surrogate(s[6:]); low != 0 {
			if pair := utf16.DecodeRune(c, rune(low)); pair != utf8.RuneError {
				return string(pair), 12
			}
		}
		return string(loneSurrogate), 6
	}
}
