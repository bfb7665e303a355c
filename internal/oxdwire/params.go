// Parameters, with the coercions of the JSON library that oxd 3.1.1 uses.

package oxdwire

import (
	"encoding/json"
	"strconv"
	"time"
)

// Params are the parameters of a command. Reading one of the wrong type makes them malformed as a
// whole; unknown ones are ignored.
type Params struct {
	raw       json.RawMessage
	fields    map[string]json.RawMessage // nil when there is no object
	malformed bool
}

// NewParams returns the parameters in a text.
func NewParams(text string) *Params { return newParams(json.RawMessage(markSurrogates(text))) }

func newParams(raw json.RawMessage) *Params {
	p := &Params{raw: raw}
	if json.Unmarshal(raw, &p.fields) != nil {
		p.fields = nil
	}
	return p
}

// Raw returns the text.
func (p *Params) Raw() json.RawMessage { return p.raw }

// IsObject reports whether there is an object at all.
func (p *Params) IsObject() bool { return p.fields != nil }

// Malformed reports whether a parameter read so far has the wrong type.
func (p *Params) Malformed() bool { return p.malformed }

// Peek is Text without an effect on Malformed.
func (p *Params) Peek(name string) string { return (&Params{fields: p.fields}).Text(name) }

// text returns a scalar as text, "" for null. Objects and arrays are malformed.
func (p *Params) text(raw json.RawMessage) string {
	var s string
	switch {
	case len(raw) == 0 || string(raw) == "null":
		return ""
	case raw[0] == '"':
		_ = json.Unmarshal(raw, &s) // valid JSON, it was decoded before
		return s
	case raw[0] == '{' || raw[0] == '[':
		p.malformed = true
		return ""
	}
	return string(raw)
}

// Text returns a scalar as text, "" when it is absent or null.
func (p *Params) Text(name string) string { return p.text(p.fields[name]) }

// List returns an array of scalars as texts, nil when it is absent or null.
func (p *Params) List(name string) []string { return p.texts(p.fields[name]) }

func (p *Params) texts(raw json.RawMessage) []string {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		p.malformed = true
		return nil
	}
	out := make([]string, len(elements))
	for i, element := range elements {
		out[i] = p.text(element)
	}
	return out
}

// Dict returns an object of scalars as texts, nil when it is absent or null.
func (p *Params) Dict(name string) map[string]string {
	raw := p.fields[name]
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		p.malformed = true
		return nil
	}
	out := make(map[string]string, len(fields))
	for key, value := range fields {
		out[key] = p.text(value)
	}
	return out
}

// Flag returns a boolean, written as such or as text; false when it is absent.
func (p *Params) Flag(name string) bool {
	switch p.Text(name) {
	case "true":
		return true
	case "", "false":
		return false
	}
	p.malformed = true
	return false
}

// Date returns a time in seconds since 1970, 0 when it is absent. It reads milliseconds since 1970,
// or seconds when there are fewer than eleven digits, or ISO 8601.
func (p *Params) Date(name string) int64 {
	text := p.Text(name)
	if text == "" {
		return 0
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if len(text) >= 11 {
			n /= 1000
		}
		return n
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700", time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.Unix()
		}
	}
	p.malformed = true
	return 0
}
