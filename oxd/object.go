package oxd

// Reading answers: strict about names, lenient about kinds. encoding/json
// matches the names of struct fields whatever their case, which would let an
// "ACCESS" speak for an "access"; therefore answers are read by exact key.

import (
	"bytes"
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

type object map[string]json.RawMessage

// exact returns a JSON string, and "" for every other kind.
func (o object) exact(name string) string {
	return unquote(o[name])
}

// text returns a scalar as text, "" for null, arrays and objects.
func (o object) text(name string) string { return scalar(o[name]) }

func scalar(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] == '[' || raw[0] == '{' || isNull(raw) {
		return ""
	}
	return asText(raw)
}

// secret returns text as a Secret.
func (o object) secret(name string) Secret { return NewSecret(o.text(name)) }

// boolean is true for true and "true" alone.
func (o object) boolean(name string) bool { return o.text(name) == "true" }

// list returns an array of values as texts, and one value as a list of one. It
// returns nil for null and what is not there.
func (o object) list(name string) []string {
	raw := bytes.TrimSpace(o[name])
	if len(raw) == 0 || isNull(raw) {
		return nil
	}
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		return []string{asText(raw)}
	}
	values := make([]string, len(elements))
	for i, e := range elements {
		values[i] = asText(e)
	}
	return values
}

// values returns a list without what is empty, nil if nothing is left: oxd 4
// sends nothing, null, "" or [] for the same.
func (o object) values(name string) []string {
	values := slices.DeleteFunc(o.list(name), func(s string) bool { return s == "" })
	if len(values) == 0 {
		return nil
	}
	return values
}

// scope returns scopes sent as an array or separated by spaces. Nothing sent is
// nothing granted: what was asked for is never assumed.
func (o object) scope(name string) []string {
	return strings.Fields(strings.Join(o.list(name), " "))
}

// unknownLifetime stands for a lifetime that was not sent or makes no sense.
const unknownLifetime time.Duration = -1

// seconds returns a lifetime. It saturates instead of wrapping round, and is
// negative if unknown.
func (o object) seconds(name string) time.Duration {
	f, err := strconv.ParseFloat(o.text(name), 64)
	switch {
	case err != nil || math.IsNaN(f) || math.IsInf(f, 0) || f < 0:
		return unknownLifetime
	case f >= math.MaxInt64/float64(time.Second):
		return math.MaxInt64
	}
	return time.Duration(f) * time.Second
}

// moment returns seconds since 1970; the zero Time for 0 and what is not a time.
func (o object) moment(name string) time.Time {
	t, ok := Claims{name: {o.text(name)}}.Time(name)
	if !ok || t.Unix() == 0 {
		return time.Time{}
	}
	return t
}

// milliseconds returns a time counted in them since 1970; the zero Time for 0
// and what is not a time.
func (o object) milliseconds(name string) time.Time {
	f, err := strconv.ParseFloat(o.text(name), 64)
	if err != nil || !(f > 0 && f/1000 <= lastSecond) {
		return time.Time{}
	}
	return time.UnixMilli(int64(f))
}

// link returns an absolute http or https URL, "" for anything else: the text
// ends up in a Location header.
func (o object) link(name string) string {
	s := o.exact(name)
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return ""
	}
	return s
}

func isNull(raw []byte) bool { return string(raw) == "null" }

// asText returns the content of a string, and the JSON text of everything else.
func asText(raw []byte) string {
	if len(raw) > 0 && raw[0] == '"' {
		return unquote(raw)
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return ""
	}
	return b.String()
}
