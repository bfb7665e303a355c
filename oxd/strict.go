package oxd

// Answers are objects in which a name stands once: which of two values counts
// would depend on who reads them, and one of them could be a permission.

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// UnmarshalJSON reads a JSON object or null, and refuses one with a name twice. It checks data itself, so that a caller
// who has no more than an object to read can do without json.Unmarshal, which would check it once more.
func (o *object) UnmarshalJSON(data []byte) error {
	*o = nil
	data = bytes.Trim(data, " \t\r\n")
	if isNull(data) {
		return nil
	}
	if !json.Valid(data) || data[0] != '{' {
		return fmt.Errorf("%w: not an object", errMalformed)
	}
	fields := make(object, 4)
	rest := data[1:] // of valid JSON, which is why what follows may be so brief
	for {
		rest = bytes.TrimLeft(rest, ", \t\r\n")
		if rest[0] == '}' {
			*o = fields
			return nil
		}
		n := valueLen(rest)
		name, colon := unquote(rest[:n]), bytes.IndexByte(rest[n:], ':')
		rest = bytes.TrimLeft(rest[n+colon+1:], " \t\r\n")
		if _, twice := fields[name]; twice {
			return fmt.Errorf("%w: a name is there twice", errMalformed)
		}
		n = valueLen(rest)
		fields[name] = bytes.Clone(bytes.TrimRight(rest[:n], " \t\r\n"))
		rest = rest[n:]
	}
}

// valueLen gives where the value at the start of valid JSON ends: a string at its quote, anything else at the comma or
// bracket that is not its own.
func valueLen(text []byte) int {
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			if inString = !inString; !inString && depth == 0 {
				return i + 1
			}
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth < 0 {
				return i
			}
			if depth == 0 {
				return i + 1
			}
		case c == ',' && depth == 0:
			return i
		}
	}
	return len(text)
}

// unquote reads a JSON string, "" for anything else.
func unquote(raw []byte) string {
	if n := len(raw) - 2; n >= 0 && raw[0] == '"' && raw[n+1] == '"' {
		if inner := raw[1 : n+1]; !bytes.ContainsFunc(inner, func(r rune) bool { return r < ' ' || r == '"' || r == '\\' || r > '~' }) {
			return string(inner)
		}
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
