// JSON as oxd reads and writes it.

package oxdwire

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// loneSurrogate stands for a UTF-16 surrogate without its partner, which a Go string cannot hold
// and oxd writes as "?".
const loneSurrogate = '\uFDD0'

// DecodeObject reads a JSON object and ignores what follows it. It reports false when there is
// none.
func DecodeObject(text string) (fields map[string]json.RawMessage, ok bool) {
	err := json.NewDecoder(strings.NewReader(markSurrogates(text))).Decode(&fields)
	return fields, err == nil && fields != nil
}

// Marshal writes JSON as Jackson does: nothing is escaped that need not be, also where a
// [json.RawMessage] has it escaped. What cannot be encoded becomes InternalError.
func Marshal(v any) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return InternalError
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

// unescape returns the escape sequence at the beginning of s, part of valid JSON, as Jackson writes
// it, and its length in s.
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

// markSurrogates replaces escaped surrogates that have no partner, which encoding/json would turn
// into U+FFFD.
func markSurrogates(text string) string {
	var b strings.Builder
	for {
		i := strings.Index(text, `\`)
		if i < 0 || i+1 >= len(text) {
			return b.String() + text
		}
		b.WriteString(text[:i])
		text = text[i:]
		switch high := surrogate(text); {
		case high == 0:
			b.WriteString(text[:2])
			text = text[2:]
		case high < 0xdc00 && len(text) > 6 && surrogate(text[6:]) >= 0xdc00:
			b.WriteString(text[:12])
			text = text[12:]
		default:
			b.WriteRune(loneSurrogate)
			text = text[6:]
		}
	}
}

// surrogate returns the value of an escaped surrogate at the beginning of s, else 0.
func surrogate(s string) int {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' || s[2]|0x20 != 'd' {
		return 0
	}
	v := 0
	for _, c := range []byte(s[2:6]) {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if c >= '0' && c <= '9' {
			d = int(c - '0')
		}
		if d < 0 {
			return 0
		}
		v = v<<4 | d
	}
	if v < 0xd800 || v > 0xdfff {
		return 0
	}
	return v
}
