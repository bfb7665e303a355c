package oxd

// The frames of the socket: four decimal digits that count UTF-16 code units,
// because the server counts Java chars, and that much JSON in UTF-8.

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

const prefixLen = 4

var errMalformed = errors.New("malformed answer")

// units counts the UTF-16 code units of text. A malformed byte counts one, as
// the replacement character that the server reads in its place.
func units(text []byte) int {
	n := 0
	for {
		ascii := asciiPrefix(text) // nearly always all of it
		if n += ascii; ascii == len(text) {
			return n
		}
		r, size := utf8.DecodeRune(text[ascii:])
		text = text[ascii+size:]
		n += runeUnits(r)
	}
}

// asciiPrefix returns how many bytes at the start of text are ASCII, looking at
// eight of them at a time.
func asciiPrefix(text []byte) int {
	n := 0
	for n+8 <= len(text) && binary.LittleEndian.Uint64(text[n:])&0x8080808080808080 == 0 {
		n += 8
	}
	for n < len(text) && text[n] < utf8.RuneSelf {
		n++
	}
	return n
}

func runeUnits(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// newFrame returns a command with its length in front, and refuses what no frame
// can hold.
func newFrame(req *Request) ([]byte, error) {
	params := []byte(req.Params)
	if !req.Token.IsZero() {
		var err error
		if params, err = withField(params, "protection_access_token", req.Token.Reveal()); err != nil {
			return nil, err
		}
	}
	frame := append(make([]byte, prefixLen, len(params)+64), `{"command":`...)
	frame = appendText(frame, req.Command)
	frame = append(append(frame, `,"params":`...), params...)
	frame = append(frame, '}')
	n := units(frame[prefixLen:])
	if n > maxUnits {
		return nil, fmt.Errorf("%w: %s", ErrTooLarge, req.Command)
	}
	putLength(frame, n)
	return frame, nil
}

func putLength(frame []byte, n int) {
	frame[0], frame[1], frame[2], frame[3] = byte('0'+n/1000), byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10)
}

// readFrame reads one message of 1 to 9,999 units. started tells whether
// anything came at all. An error that is io.EOF or io.ErrUnexpectedEOF is a
// connection that ended; nothing is returned with an error.
func readFrame(r *bufio.Reader) (msg []byte, started bool, err error) {
	prefix, err := r.Peek(prefixLen)
	if err != nil {
		if errors.Is(err, io.EOF) && len(prefix) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return nil, len(prefix) > 0, err
	}
	left := 0
	for _, digit := range prefix {
		if digit < '0' || digit > '9' {
			return nil, true, fmt.Errorf("%w: no length", errMalformed)
		}
		left = left*10 + int(digit-'0')
	}
	if left == 0 {
		return nil, true, fmt.Errorf("%w: length 0", errMalformed)
	}
	_, _ = r.Discard(prefixLen) // it is there
	msg, err = readUnits(r, left)
	return msg, true, err
}

func readUnits(r *bufio.Reader, left int) ([]byte, error) {
	msg := make([]byte, 0, left)
	for left > 0 {
		ahead, _ := r.Peek(min(left, r.Buffered()))
		if n := asciiPrefix(ahead); n > 0 {
			msg, left = append(msg, ahead[:n]...), left-n
			_, _ = r.Discard(n) // it is there
			continue
		}
		char, size, err := r.ReadRune()
		switch {
		case errors.Is(err, io.EOF):
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		case char == utf8.RuneError && size == 1:
			return nil, fmt.Errorf("%w: not UTF-8", errMalformed)
		}
		if left -= runeUnits(char); left < 0 {
			return nil, fmt.Errorf("%w: a character crosses its end", errMalformed)
		}
		msg = utf8.AppendRune(msg, char)
	}
	return msg, nil
}
