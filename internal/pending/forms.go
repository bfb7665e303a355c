package pending

// A form that was submitted after the session had ended: it is kept, sealed, in the browser during
// the login, so that nothing typed is lost.

import (
	"net/http"
	"net/url"
	"strings"

	"example.com/oxdauth/internal/sealed"
)

const (
	// MaxFormBytes is the most that is read of the body of a form. What can be kept is less.
	MaxFormBytes = 16 << 10

	maxFormFields = 500
)

// Form is the payload of the one form that a browser keeps.
type Form struct {
	State      [16]byte // of the login for which it waits
	Action     string   // the local path and query to which it was sent
	URLEncoded string   // its body
}

// Compressible marks a payload that may be compressed.
func (f *Form) Compressible() {}

// Marshal returns f in binary form.
func (f *Form) Marshal() []byte {
	b := append([]byte{sealed.Version}, f.State[:]...)
	return sealed.AppendText(sealed.AppendText(b, f.Action), f.URLEncoded)
}

// Unmarshal reads what Marshal has returned, compressed or not.
func (f *Form) Unmarshal(b []byte) error {
	r, err := sealed.NewInflatedReader(b)
	if err != nil {
		return err
	}
	r.Bytes(f.State[:])
	f.Action, f.URLEncoded = r.Text(), r.Text()
	return r.Finish()
}

// Field is one name and value of a form.
type Field struct{ Name, Value string }

// ParseForm returns the fields of an application/x-www-form-urlencoded text (WHATWG URL section
// 5.1) in their order, with repetitions. ok is false for a text that is malformed, has no field, or
// has more than 500.
func ParseForm(urlEncoded string) (fields []Field, ok bool) {
	for part := range strings.SplitSeq(urlEncoded, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(name)
		if err != nil || len(fields) == maxFormFields {
			return nil, false
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return nil, false
		}
		fields = append(fields, Field{name, value})
	}
	return fields, len(fields) > 0
}

// Forms keeps one form in each browser. It is immutable and safe for concurrent use.
type Forms struct{ cookie *sealed.Cookie }

// NewForms returns a keeper of forms in this cookie.
func NewForms(cookie *sealed.Cookie) *Forms { return &Forms{cookie} }

// Owns reports whether name is that of the cookie of the form.
func (k *Forms) Owns(name string) bool { return name == k.cookie.Name() }

// Remember keeps f until the login with its state, for LoginMemory at most, in place of the form
// that the browser had. It reports whether f fits in one cookie; if not, nothing is kept.
func (k *Forms) Remember(w http.ResponseWriter, f *Form) bool {
	value, err := k.cookie.SealOne(f)
	if err != nil {
		return false
	}
	k.cookie.Set(w, k.cookie.Name(), value, LoginMemory)
	return true
}

// Take removes and returns the form that waits for the login with this state, nil when there is
// none.
func (k *Forms) Take(w http.ResponseWriter, jar sealed.Jar, state [16]byte) *Form {
	for value := range k.cookie.Values(jar) {
		f := new(Form)
		if _, err := k.cookie.Open(jar, value, f); err == nil && sealed.Equal(f.State[:], state[:]) {
			k.cookie.Remove(w, k.cookie.Name())
			return f
		}
	}
	return nil
}

// Clear removes the form in jar.
func (k *Forms) Clear(w http.ResponseWriter, jar sealed.Jar) { k.cookie.Clear(w, jar) }
