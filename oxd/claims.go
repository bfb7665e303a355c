package oxd

// Claims of an ID token or of userinfo, and how they are read from JSON.

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// Claims maps the name of each claim to its values as text, the shape in which
// oxd 3.1.1 sends all of them: exp as ["1501860330"], a boolean as ["true"], an
// object as its JSON text. What other versions send as plain JSON is brought to
// the same shape. A nil Claims is empty.
type Claims map[string][]string

// Get returns the first value of the claim, "" if there is none.
func (c Claims) Get(name string) string {
	if v := c[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// lastSecond is the end of the year 9999, after which neither RFC 3339 nor JSON
// can express a time.
const lastSecond = 253402300799

// Time reads a claim that counts seconds since 1970 (RFC 7519 section 2,
// NumericDate); fractions are cut off. It reports false for anything else, also
// for negative and non-finite numbers and times after the year 9999.
func (c Claims) Time(name string) (time.Time, bool) {
	f, err := strconv.ParseFloat(c.Get(name), 64)
	if err != nil || math.IsNaN(f) || f < 0 || f > lastSecond {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}

// UnmarshalJSON reads a JSON object whose values are of any kind. A null value
// leaves the claim out; null for the whole is an empty Claims.
func (c *Claims) UnmarshalJSON(data []byte) error {
	var fields map[string]json.RawMessage // of a name that is there twice the last one counts, as in the server
	if err := json.Unmarshal(data, &fields); err != nil {
		return fmt.Errorf("oxd: claims: %w", err)
	}
	raw := object(fields)
	*c = make(Claims, len(raw))
	for name := range raw {
		if values := raw.list(name); values != nil {
			(*c)[name] = values
		}
	}
	return nil
}
