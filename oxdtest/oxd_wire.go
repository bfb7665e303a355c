package oxdtest

// The socket dialect: frames counted in UTF-16 units, read and written as oxd 3.1.1 does, with its defects.

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"strings"
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
		units = utf16.AppendRune(units, c)
		b = b[size:]
	}
	r.rest = append([]byte(nil), b...)
	return units, err
}

type frameState int

const (
	frameIncomplete frameState = iota
	frameWhole
	frameBroken // the connection is closed without an answer
)

// cutFrame takes the body of the frame at the beginning of units.
func cutFrame(units []uint16) (body string, state frameState) {
	if len(units) < 4 {
		return "", frameIncomplete
	}
	length, ok := parseLength(units[:4])
	switch {
	case !ok || length <= 0:
		return "", frameBroken
	case len(units) < 4+length:
		return "", frameIncomplete
	}
	body = string(utf16.Decode(units[4 : 4+length]))
	if strings.TrimSpace(body) == "" {
		return "", frameBroken
	}
	return body, frameWhole
}

// parseLength reads what Java's Long.parseLong reads: a sign and ASCII digits. (Java takes other scripts' digits too.)
func parseLength(units []uint16) (int, bool) {
	n, err := strconv.Atoi(string(utf16.Decode(units)))
	return n, err == nil
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
func (s *Server) serveSocket(conn net.Conn, ended <-chan struct{}) {
	defer conn.Close()
	reader := &charReader{conn: conn}
	var units []uint16
	for {
		var err error
		units, err = reader.read(units)
		body, state := cutFrame(units)
		if state == frameBroken || state == frameIncomplete && err != nil {
			return
		}
		if state == frameIncomplete {
			continue
		}
		units = units[:0] // whatever has been read beyond the frame is lost: the real server throws it away
		answer := s.dispatch(overTCP, "", body, ended)
		if answer.cut {
			return
		}
		out, ok := answer.frame()
		if !ok {
			return
		}
		if _, err := conn.Write(out); err != nil || answer.close {
			return
		}
	}
}

// marshal writes JSON as Jackson does: nothing escaped that need not be.
func marshal(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return internalError
	}
	return strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029", "\n", "").Replace(b.String())
}
