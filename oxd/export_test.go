package oxd

// What tests in package oxd_test need from inside.

import "bufio"

var (
	ReadFrame         = func(r *bufio.Reader) ([]byte, bool, error) { return readFrame(r) }
	AppendFrame       = appendFrame
	Units             = units
	Encode            = encode
	DecodeEnvelope    = decodeEnvelope
	UsableLifetime    = usable
	ReadREST          = readREST
	RepeatableCommand = func(command string) bool { return traitsOf(command).repeatable }
)
