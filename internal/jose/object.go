package jose

// JSON objects whose members are found by their exact names.

import (
	"encoding/json"
	"fmt"
	"time"
)

const (
	maxText = 1024         // bytes
	maxTime = 253402300799 // 9999-12-31T23:59:59Z
)

// Object is a JSON object. Its member names are compared exactly, while encoding/json would read
// "ISS" into a field for "iss". Of members with the same name the last one counts (RFC 7519
// section 4).
//
// Text, Texts and Seconds set *err for a member that is malformed and leave it alone otherwise, so
// that several members can be read before it is looked at.
type Object map[string]json.RawMessage

// Text returns a member that is a string of 1 to 1024 bytes, or "" if there is no such member.
func (o Object) Text(name string, err *error) (s string) {
	if raw, ok := o[name]; ok && (json.Unmarshal(raw, &s) != nil || s == "" || len(s) > maxText) {
		*err = fmt.Errorf("%s is no usable text", name)
	}
	return s
}

// Texts returns a member that is such a string or a list of them, as aud is (RFC 7519 section
// 4.1.3), or nil if there is no such member.
func (o Object) Texts(name string, err *error) (list []string) {
	if json.Unmarshal(o[name], &list) != nil {
		list = nil
		if s := o.Text(name, err); s != "" {
			list = []string{s}
		}
	}
	for _, s := range list {
		if s == "" || len(s) > maxText {
			*err = fmt.Errorf("%s has no usable text", name)
		}
	}
	return list
}

// Seconds returns a NumericDate (RFC 7519 section 2), which has to be there and after 1970. It
// drops fractions.
func (o Object) Seconds(name string, err *error) time.Time {
	var s float64
	if json.Unmarshal(o[name], &s) != nil || s <= 0 || s > maxTime {
		*err = fmt.Errorf("%s is no time", name)
	}
	return time.Unix(int64(s), 0)
}

// Object returns a member that is an object, or nil.
func (o Object) Object(name string) (member Object) {
	if json.Unmarshal(o[name], &member) != nil {
		return nil
	}
	return member
}
