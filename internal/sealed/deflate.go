package sealed

// Compression of payloads, bounded when they are read back.

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

// deflated marks a compressed payload. It stands where the version otherwise does.
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

// inflate stops at maxPlain: a payload sealed with our own key cannot exhaust memory either.
func inflate(b []byte) ([]byte, error) {
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	if err := r.(flate.Resetter).Reset(bytes.NewReader(b), nil); err != nil {
		return nil, ErrPayload
	}
	out, err := io.ReadAll(io.LimitReader(r, maxPlain+1))
	if err != nil || len(out) > maxPlain {
		return nil, ErrPayload
	}
	return out, nil
}
