package oxd

// Answers are objects in which a name stands once: which of two values counts
// would depend on who reads them, and one of them could be a permission.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// UnmarshalJSON reads a JSON object or null, and refuses one with a name twice.
func (o *object) UnmarshalJSON(data []byte) error { return o.parse(bytes.Clone(data)) }

// parse is UnmarshalJSON for data that stays as it is: the fields are parts of it.
func (o *object) parse(data []byte) error {
	*o = nil
	if isNull(trim(data)) {
		return nil
	}
	fields := make(object, 4)
	err := eachField(data, func(name, value []byte) error {
		if _, twice := fields[string(name)]; twice {
			return fmt.Errorf("%w: a name is there twice", errMalformed)
		}
		fields[string(name)] = value
		return nil
	})
	if err == nil {
		*o = fields
	}
	return err
}

// fewFields walks over an object of at most 16 fields, without the cost of a map.
func fewFields(data []byte, visit func(name, value []byte)) error {
	seen := make([][]byte, 0, 16)
	return eachField(data, func(name, value []byte) error {
		if len(seen) == cap(seen) || slices.ContainsFunc(seen, func(other []byte) bool { return bytes.Equal(name, other) }) {
			return fmt.Errorf("%w: a name is there twice, or there are too many", errMalformed)
		}
		seen = append(seen, name)
		visit(name, value)
		return nil
	})
}

// eachField walks over a JSON object. It yields parts of data.
func eachField(data []byte, visit func(name, value []byte) error) error {
	data = trim(data)
	if !json.Valid(data) || data[0] != '{' {
		return fmt.Errorf("%w: not an object", errMalformed)
	}
	rest := data[1:] // of valid JSON, which is why what follows may be so brief
	for {
		rest = trimLeft(rest)
		if rest[0] == ',' {
			rest = trimLeft(rest[1:])
		}
		if rest[0] == '}' {
			return nil
		}
		n := valueLen(rest)
		name, colon := unquoted(rest[:n]), bytes.IndexByte(rest[n:], ':')
		rest = trimLeft(rest[n+colon+1:])
		n = valueLen(rest)
		if err := visit(name, trim(rest[:n:n])); err != nil {
			return err
		}
		rest = rest[n:]
	}
}

// trim removes the white space of JSON (RFC 8259 section 2), which is less than bytes.TrimSpace
// does.
func trim(b []byte) []byte {
	b = trimLeft(b)
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func trimLeft(b []byte) []byte {
	for len(b) > 0 && isSpace(b[0]) {
		b = b[1:]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// valueLen returns where the value at the start of valid JSON ends: a string at its quote, anything
// else at the comma or bracket that is not its own.
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
func unquote(raw []byte) string { return string(unquoted(raw)) }

func unquoted(raw []byte) []byte {
	if n := len(raw) - 2; n >= 0 && raw[0] == '"' && raw[n+1] == '"' {
		if inner := raw[1 : n+1]; !slices.ContainsFunc(inner, func(c byte) bool { return c < ' ' || c == '"' || c == '\\' || c > '~' }) {
			return inner
		}
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return nil
	}
	return []byte(s)
}
