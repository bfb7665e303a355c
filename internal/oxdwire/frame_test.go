// Frames: counting, reading, and what is no frame.

package oxdwire_test

import (
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/oxdauth/internal/oxdwire"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFrameCountsUTF16Units(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, body, want string }{
		{"ASCII", "{}", "0002{}"},
		{"nothing", "", "0000"},
		{"two bytes, one unit", "é", "0001é"},
		{"four bytes, two units", "😀", "0002😀"},
		{"a surrogate alone", "\uFDD0", "0001?"},
		{"all digits", strings.Repeat("x", 1234), "1234" + strings.Repeat("x", 1234)},
		{"the longest", strings.Repeat("€", oxdwire.MaxUnits), "9999" + strings.Repeat("€", oxdwire.MaxUnits)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			frame, ok := oxdwire.Frame(c.body)
			assert.True(t, ok)
			assert.Equal(t, c.want, string(frame))
		})
	}
	_, ok := oxdwire.Frame(strings.Repeat("😀", 5000))
	assert.False(t, ok, "one unit too many")
	assert.Equal(t, 3, oxdwire.Units([]byte("a\xffb")), "a malformed byte counts one")
}

func TestReaderReturnsFrames(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole":        func(r io.Reader) io.Reader { return r },
		"byte by byte": iotest.OneByteReader,
		"half reads":   iotest.HalfReader,
		"data and EOF": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := oxdwire.NewReader(wrap(strings.NewReader("0002{}0003a😀+003b€c٠٠٠١d0009short")))
			for _, want := range []string{"{}", "a😀", "b€c", "d"} {
				body, err := r.Next()
				require.NoError(t, err)
				assert.Equal(t, want, body)
			}
			_, err := r.Next()
			assert.ErrorIs(t, err, io.EOF)
		})
	}
}

func TestReaderRefusesWhatIsNoFrame(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0000", "-001x", "abcd", "0x10", "    ", "0003   ", "𝟎001x"} {
		_, err := oxdwire.NewReader(strings.NewReader(text)).Next()
		assert.ErrorIs(t, err, oxdwire.ErrFrame, text)
	}
}

func TestReaderReadsMalformedBytesAsJavaDoes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, sent, body string }{
		{"a byte that begins nothing", "0003a\xffb", "a\uFFFDb"},
		{"a character cut short is one", "0003a\xe2\x82b", "a\uFFFDb"},
		{"a character cut short by the end", "0002a\xf0\x9f\x98", "a\uFFFD"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			body, err := oxdwire.NewReader(iotest.OneByteReader(strings.NewReader(c.sent))).Next()
			require.NoError(t, err)
			assert.Equal(t, c.body, body)
		})
	}
}

func TestDiscardDropsWhatIsBehindAFrame(t *testing.T) {
	t.Parallel()
	r := oxdwire.NewReader(strings.NewReader("0001x0001y"))
	_, err := r.Next()
	require.NoError(t, err)
	assert.Equal(t, "0001y", r.Discard())
	_, err = r.Next()
	assert.ErrorIs(t, err, io.EOF)
}
