package oxd_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"example.com/oxdauth/internal/oxdwire"
	"example.com/oxdauth/oxd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFramesCountUTF16Units(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, body, prefix string
	}{
		{"1 unit", "x", "0001"},
		{"9 units", strings.Repeat("x", 9), "0009"},
		{"10 units", strings.Repeat("x", 10), "0010"},
		{"99 units", strings.Repeat("x", 99), "0099"},
		{"100 units", strings.Repeat("x", 100), "0100"},
		{"999 units", strings.Repeat("x", 999), "0999"},
		{"1000 units", strings.Repeat("x", 1000), "1000"},
		{"9999 units", strings.Repeat("x", 9999), "9999"},
		{"two bytes, one unit", "é", "0001"},
		{"three bytes, one unit", "€", "0001"},
		{"four bytes, two units", "😀", "0002"},
		{"mixed", "é€😀", "0004"},
		{"9999 units of three bytes", strings.Repeat("€", 9999), "9999"},
		{"9998 units of two each", strings.Repeat("😀", 4999), "9998"},
		{"replacement character", "\uFFFD", "0001"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			frame := oxd.AppendFrame([]byte(tc.body))
			require.Equal(t, tc.prefix+tc.body, string(frame))
			for name, wrap := range map[string]func(io.Reader) io.Reader{
				"whole":        func(r io.Reader) io.Reader { return r },
				"byte by byte": iotest.OneByteReader,
				"half reads":   iotest.HalfReader,
				"data and EOF": iotest.DataErrReader,
			} {
				r := bufio.NewReader(wrap(strings.NewReader(string(frame) + "rest")))
				got, started, err := oxd.ReadFrame(r)
				require.NoError(t, err, name)
				assert.True(t, started)
				assert.Equal(t, tc.body, string(got), name)
				rest, err := io.ReadAll(r)
				require.NoError(t, err)
				assert.Equal(t, "rest", string(rest), "not a byte more is consumed")
			}
		})
	}
}

func TestReadFrameRefuses(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, input string
		started     bool
		want        error
	}{
		{"nothing", "", false, io.EOF},
		{"half a length", "00", true, io.ErrUnexpectedEOF},
		{"no body", "0005", true, io.ErrUnexpectedEOF},
		{"half a body", "0005abc", true, io.ErrUnexpectedEOF},
		{"letters", "abcd{}", true, nil},
		{"plus sign", "+002{}", true, nil},
		{"minus sign", "-002{}", true, nil},
		{"blank", " 002{}", true, nil},
		{"hexadecimal", "0x02{}", true, nil},
		{"zero", "0000", true, nil},
		{"stray byte", "0002a\xff", true, nil},
		{"Latin-1", "0003Zo\xeb ", true, nil},
		{"surrogate in UTF-8", "0001\xed\xa0\x80", true, nil},
		{"cut character", "0002a\xc3", true, nil},
		{"character over the end", "0001😀", true, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			msg, started, err := oxd.ReadFrame(bufio.NewReader(strings.NewReader(tc.input)))
			require.Error(t, err)
			assert.Nil(t, msg)
			assert.Equal(t, tc.started, started)
			if tc.want != nil {
				assert.ErrorIs(t, err, tc.want)
			}
		})
	}
}

func TestReadFramePassesReadErrorsOn(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	_, _, err := oxd.ReadFrame(bufio.NewReader(io.MultiReader(strings.NewReader("0009abc"), iotest.ErrReader(boom))))
	require.ErrorIs(t, err, boom)
}

func TestLoneSurrogateArrivesAsQuestionMark(t *testing.T) {
	t.Parallel()
	got, _, err := oxd.ReadFrame(bufio.NewReader(strings.NewReader("0003a?b")))
	require.NoError(t, err)
	assert.Equal(t, "a?b", string(got))
}

func TestEncodedParametersAreASCII(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, in, want string }{
		{"plain", "abc", `"abc"`},
		{"accents", "Zoë", `"Zo\u00eb"`},
		{"euro", "€", `"\u20ac"`},
		{"astral", "😀", `"\ud83d\ude00"`},
		{"not expanded", "<a&b>", `"<a&b>"`},
		{"invalid", "a\xff", `"a\ufffd"`},
		{"line separator", "\u2028", `"\u2028"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := oxd.Encode(tc.in)
			require.NoError(t, err)
			assert.Equal(t, tc.want, string(got))
			assert.Equal(t, len(got), oxdwire.Units(got))
			var back string
			require.NoError(t, json.Unmarshal(got, &back))
			assert.Equal(t, strings.ToValidUTF8(tc.in, "\uFFFD"), back)
		})
	}
}

func FuzzReadFrame(f *testing.F) {
	for _, seed := range []string{"", "0001x", "0004é€😀", "0001😀", "0002a\xff", "0000", "9999", "+034{}", "0010{\"a\":\"b\"}x"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		msg, started, err := oxd.ReadFrame(bufio.NewReader(bytes.NewReader(data)))
		if started != (len(data) > 0) {
			t.Fatalf("started = %v with %d bytes", started, len(data))
		}
		if err != nil {
			if msg != nil {
				t.Fatal("a message beside an error")
			}
			return
		}
		if frame := oxd.AppendFrame(msg); !bytes.HasPrefix(data, frame) {
			t.Fatalf("read %q, which frames to %q", data, frame)
		}
	})
}
