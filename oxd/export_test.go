package oxd

// What tests in package oxd_test need from inside.

import (
	"bufio"

	"example.com/oxdauth/internal/oxdwire"
)

var (
	ReadFrame         = func(r *bufio.Reader) ([]byte, bool, error) { return readFrame(r) }
	Encode            = encode
	DecodeEnvelope    = decodeEnvelope
	UsableLifetime    = usable
	ReadREST          = readREST
	RepeatableCommand = func(command string) bool { return traitsOf(command).repeatable }
)

// AppendFrame puts the length in front of any text.
func AppendFrame(text []byte) []byte {
	frame := append(make([]byte, oxdwire.PrefixLen), text...)
	oxdwire.PutLength(frame, oxdwire.Units(text))
	return frame
}
