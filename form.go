package oxdauth

// A form that was submitted after the session had ended: kept, sealed, in the browser during the login and shown again
// afterwards, so that nothing typed is lost.

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const (
	maxFormBytes  = 16 << 10 // read of a body; what can be kept is less
	maxFormFields = 500
)

// form is the payload of the one form a browser keeps.
type form struct {
	state      [16]byte // of the login it waits for
	action     string   // local path and query it was sent to
	urlEncoded string
}

func (f *form) marshal() []byte {
	b := append([]byte{payloadVersion}, f.state[:]...)
	return appendString(appendString(b, f.action), f.urlEncoded)
}

func (f *form) unmarshal(b []byte) error {
	r, err := newInflatedReader(b)
	if err != nil {
		return err
	}
	r.bytes(f.state[:])
	f.action, f.urlEncoded = r.string(), r.string()
	return r.finish()
}

// parseForm reads application/x-www-form-urlencoded (WHATWG URL section 5.1), keeping order and repetitions.
func parseForm(urlEncoded string) (fields []FormField, ok bool) {
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
		fields = append(fields, FormField{name, value})
	}
	return fields, len(fields) > 0
}

// readForm gives a form that may be kept: submitted by a person on a page of this very origin, so that no other site gets
// its form confirmed, and readable as text.
func (m *Middleware) readForm(r *http.Request) (urlEncoded string, ok bool) {
	mediaType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	charset := params["charset"]
	switch {
	case !m.keepForms || r.Method != http.MethodPost || !wantsPage(r), !m.sameOrigin(r) || r.Header.Get("Origin") == "",
		err != nil || mediaType != "application/x-www-form-urlencoded" || charset != "" && !strings.EqualFold(charset, "utf-8"):
		return "", false
	}
	if m.returnTarget(requestTarget(r)) == "/" && r.URL.Path != "/" {
		return "", false // it would go elsewhere
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxFormBytes+1))
	if err != nil || len(body) > maxFormBytes || bytes.ContainsFunc(body, turnsInBrowsers) {
		return "", false
	}
	_, ok = parseForm(string(body))
	return string(body), ok
}

// rememberForm keeps a form for the login with this state; false when it does not fit in one cookie.
func (m *Middleware) rememberForm(w http.ResponseWriter, state [16]byte, action, urlEncoded string) bool {
	values, err := m.forms.seal(&form{state, action, urlEncoded})
	if err != nil || len(values) > 1 {
		return false
	}
	m.forms.set(w, m.forms.name, values[0], int(loginMemory/time.Second))
	return true
}

// takeForm gives the form that waits for the login with this state, and removes it.
func (m *Middleware) takeForm(w http.ResponseWriter, jar jar, state [16]byte) *form {
	f := new(form)
	_, ok := m.forms.open(jar, jar.first(m.forms.name), f)
	if !ok || !equal(f.state[:], state[:]) {
		return nil
	}
	m.forms.set(w, m.forms.name, "", -1)
	return f
}

// showForm has the person send the form again. Nothing is sent without a click, which also takes no script.
func (m *Middleware) showForm(w http.ResponseWriter, r *http.Request, f *form) {
	fields, _ := parseForm(f.urlEncoded)
	m.showPage(w, r, http.StatusOK, PageData{
		Title: titleForm, Text: textForm, Post: f.action, Fields: fields, Button: buttonSend, Link: f.action, Other: buttonSkip,
	})
}
