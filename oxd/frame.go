package oxd

// The frames of the socket: four decimal digits that count UTF-16 code units,
// because the server counts Java chars, and that much JSON in UTF-8.

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"example.com/oxdauth/internal/oxdwire"
)

var errMalformed = errors.New("malformed answer")

// newFrame returns a command with its length in front, and refuses what no frame
// can hold.
func newFrame(req *Request) ([]byte, error) {
	params := []byte(req.Params)
	if !req.Token.IsZero() {
		var err error
		if params, err = withField(params, oxdwire.ParamToken, req.Token.Reveal()); err != nil {
			return nil, err
		}
	}
	frame := append(make([]byte, oxdwire.PrefixLen, len(params)+64), `{"command":`...)
	frame = appendText(frame, req.Command)
	frame = append(append(frame, `,"params":`...), params...)
	frame = append(frame, '}')
	n := oxdwire.Units(frame[oxdwire.PrefixLen:])
	if n > oxdwire.MaxUnits {
		return nil, fmt.Errorf("%w: %s", ErrTooLarge, req.Command)
	}
	oxdwire.PutLength(frame, n)
	return frame, nil
}

// readFrame reads one message of 1 to 9,999 units. started tells whether
// anything came at all. An error that is io.EOF or io.ErrUnexpectedEOF is a
// connection that ended; nothing is returned with an error.
func readFrame(r *bufio.Reader) (msg []byte, started bool, err error) {
	prefix, err := r.Peek(oxdwire.PrefixLen)
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
	_, _ = r.Discard(oxdwire.PrefixLen) // it is there
	msg, err = readUnits(r, left)
	return msg, true, err
}

func readUnits(r *bufio.Reader, left int) ([]byte, error) {
	msg := make([]byte, 0, left)
	for left > 0 {
		ahead, _ := r.Peek(min(left, r.Buffered()))
		if n := oxdwire.ASCIIPrefix(ahead); n > 0 {
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
		if left -= oxdwire.RuneUnits(char); left < 0 {
			return nil, fmt.Errorf("%w: a character crosses its end", errMalformed)
		}
		msg = utf8.AppendRune(msg, char)
	}
	return msg, nil
}
