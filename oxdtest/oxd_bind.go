package oxdtest

// Reading a command: the envelope and its parameters, with the coercions of the JSON library oxd 3.1.1 uses.

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// envelope is a command read from the socket.
type envelope struct {
	command string // lower case; empty when missing or no text
	params  params
}

// parseEnvelope accepts command and params at the top level and nothing else. What follows the object is ignored.
func parseEnvelope(body string) (envelope, bool) {
	var top map[string]json.RawMessage
	if json.NewDecoder(strings.NewReader(markSurrogates(body))).Decode(&top) != nil || top == nil {
		return envelope{}, false
	}
	var e envelope
	for key, value := range top {
		switch key {
		case "command":
			_ = json.Unmarshal(value, &e.command) // anything but text is an unknown command
		case "params":
			e.params.raw = value
		default:
			return envelope{}, false
		}
	}
	e.command = strings.ToLower(e.command)
	return e, true
}

// markSurrogates replaces escaped surrogates that have no partner, which encoding/json would turn into U+FFFD.
func markSurrogates(body string) string {
	var b strings.Builder
	for {
		i := strings.Index(body, `\`)
		if i < 0 || i+1 >= len(body) {
			return b.String() + body
		}
		b.WriteString(body[:i])
		body = body[i:]
		switch high, low := surrogate(body), ""; {
		case high == 0:
			b.WriteString(body[:2])
			body = body[2:]
		case high < 0xdc00 && len(body) > 6 && surrogate(body[6:]) >= 0xdc00:
			low = body[:12]
			b.WriteString(low)
			body = body[12:]
		default:
			b.WriteRune(loneSurrogate)
			body = body[6:]
		}
	}
}

// surrogate gives the value of an escaped surrogate at the beginning of s, else 0.
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

// params are the parameters of a command. Reading one of the wrong type makes them malformed as a whole; unknown ones are
// ignored.
type params struct {
	raw       json.RawMessage
	fields    map[string]json.RawMessage
	malformed bool
}

// object reports whether there is an object at all.
func (p *params) object() bool {
	return json.Unmarshal(p.raw, &p.fields) == nil && p.fields != nil
}

// text turns a scalar into text; null is absent. Objects and arrays are malformed.
func (p *params) text(raw json.RawMessage) string {
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

func (p *params) str(name string) string { return p.text(p.fields[name]) }

// list wants an array; nil when absent.
func (p *params) list(name string) []string { return p.texts(p.fields[name]) }

func (p *params) texts(raw json.RawMessage) []string {
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

// dict wants an object of scalars; nil when absent.
func (p *params) dict(name string) map[string]string {
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

// flag accepts true and false, as such and as text.
func (p *params) flag(name string) bool {
	switch p.str(name) {
	case "true":
		return true
	case "", "false":
		return false
	}
	p.malformed = true
	return false
}

// date reads milliseconds since the epoch, or seconds when there are fewer than eleven digits, or ISO 8601, and gives
// seconds; zero when absent.
func (p *params) date(name string) int64 {
	text := p.str(name)
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

// umaResourceParam is one element of resources; unlike everywhere else, unknown keys in it are malformed.
type umaResourceParam struct {
	path       string
	conditions []umaCondition
	complete   bool // conditions are there
}

type umaCondition struct {
	httpMethods, scopes, ticketScopes []string
	complete                          bool // httpMethods are there
}

func (p *params) resources() []umaResourceParam {
	var out []umaResourceParam
	for _, raw := range p.objects(p.fields["resources"]) {
		r := umaResourceParam{complete: raw["conditions"] != nil && string(raw["conditions"]) != "null"}
		p.known(raw, "path", "conditions")
		r.path = p.text(raw["path"])
		for _, raw := range p.objects(raw["conditions"]) {
			p.known(raw, "httpMethods", "scopes", "ticketScopes")
			c := umaCondition{httpMethods: p.texts(raw["httpMethods"]), scopes: p.texts(raw["scopes"]), ticketScopes: p.texts(raw["ticketScopes"])}
			c.complete = c.httpMethods != nil
			r.conditions = append(r.conditions, c)
		}
		out = append(out, r)
	}
	return out
}

func (p *params) objects(raw json.RawMessage) []map[string]json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var out []map[string]json.RawMessage
	if json.Unmarshal(raw, &out) != nil {
		p.malformed = true
	}
	return out
}

func (p *params) known(fields map[string]json.RawMessage, names ...string) {
	for key := range fields {
		found := false
		for _, name := range names {
			found = found || key == name
		}
		p.malformed = p.malformed || !found
	}
}
