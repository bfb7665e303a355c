// Forms in HTML pages, as far as a scripted browser needs them: form, input and button. Any text is
// read.

package browser

import (
	"html"
	"net/http"
	"net/url"
	"strings"
)

// Form is a form of a page.
type Form struct {
	Action string
	Method string // GET or POST
	fields []formField
	button *formField // the first that submits and has a name
	sealed bool       // the first button that submits was seen
}

type formField struct{ name, value string }

// maxFields bounds what is read of one form.
const maxFields = 1000

func (f *Form) has(name string) bool {
	for _, field := range f.fields {
		if field.name == name {
			return true
		}
	}
	return false
}

func (f *Form) value(name string) string {
	for _, field := range f.fields {
		if field.name == name {
			return field.value
		}
	}
	return ""
}

// Submission returns what the form sends with the given fields filled in.
func (f *Form) Submission(filled url.Values) url.Values {
	values := url.Values{}
	for _, field := range f.fields {
		values.Add(field.name, field.value)
	}
	if f.button != nil {
		values.Add(f.button.name, f.button.value)
	}
	for name, v := range filled {
		values[name] = v
	}
	return values
}

// FirstForm returns the first form of the page, or nil.
func FirstForm(page string) *Form {
	var form *Form
	rest := page
	for {
		tag, after, ok := nextTag(rest)
		if !ok {
			return form // an unclosed form ends with the page
		}
		rest = after
		switch {
		case tag.name == "form" && form == nil:
			form = &Form{Action: strings.TrimSpace(tag.attr("action")), Method: http.MethodGet}
			if strings.EqualFold(tag.attr("method"), "post") {
				form.Method = http.MethodPost
			}
		case tag.name == "/form" && form != nil:
			return form
		case form != nil && len(form.fields) < maxFields:
			form.add(tag)
		}
	}
}

func (f *Form) add(tag htmlTag) {
	if tag.has("disabled") {
		return
	}
	field := formField{tag.attr("name"), tag.attr("value")}
	kind := strings.ToLower(tag.attr("type"))
	switch {
	case tag.name == "button" && (kind == "" || kind == "submit"), tag.name == "input" && (kind == "submit" || kind == "image"):
		if !f.sealed && field.name != "" {
			f.button = &field
		}
		f.sealed = true
	case tag.name != "input" || field.name == "", kind == "button", kind == "reset", kind == "file":
	case kind == "checkbox" || kind == "radio":
		if !tag.has("checked") {
			return
		}
		if !tag.has("value") {
			field.value = "on"
		}
		f.fields = append(f.fields, field)
	default:
		f.fields = append(f.fields, field)
	}
}

// htmlTag is a start tag, or an end tag, whose name begins with "/".
type htmlTag struct {
	name  string
	attrs []formField
}

func (t htmlTag) has(name string) bool {
	for _, a := range t.attrs {
		if a.name == name {
			return true
		}
	}
	return false
}

func (t htmlTag) attr(name string) string {
	for _, a := range t.attrs {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// nextTag returns the next tag and the text after it. It passes
// over comments and over elements whose text is no markup.
func nextTag(s string) (tag htmlTag, rest string, ok bool) {
	for {
		start := strings.IndexByte(s, '<')
		if start < 0 {
			return htmlTag{}, "", false
		}
		s = s[start+1:]
		if comment, isComment := strings.CutPrefix(s, "!--"); isComment {
			_, s, _ = strings.Cut(comment, "-->")
			continue
		}
		// Looking no further than a name can be long keeps "<<<<" linear.
		end := strings.IndexAny(s[:min(len(s), maxName)], space+">")
		if end < 0 {
			continue
		}
		tag.name = strings.TrimSuffix(strings.ToLower(s[:end]), "/")
		first := strings.TrimPrefix(tag.name, "/")
		if first == "" || first[0] < 'a' || first[0] > 'z' {
			continue // "a < b", a doctype
		}
		tag.attrs, rest = attributes(s[end:])
		switch tag.name {
		case "script", "style", "textarea", "title":
			rest = afterText(rest, tag.name)
		}
		return tag, rest, true
	}
}

// afterText returns what follows the end tag of the element.
func afterText(s, name string) string {
	end := "</" + name
	for i := 0; i+len(end) <= len(s); i++ {
		if s[i] == '<' && strings.EqualFold(s[i:i+len(end)], end) {
			return s[i:]
		}
	}
	return ""
}

const (
	space   = " \t\r\n\f"
	maxName = 64 // bytes of the name of an element
)

// attributes reads the attributes up to the end of the tag.
func attributes(s string) (attrs []formField, rest string) {
	for {
		s = strings.TrimLeft(s, space+"/")
		if s == "" {
			return attrs, ""
		}
		if s[0] == '>' {
			return attrs, s[1:]
		}
		// A "=" in front belongs to the name, says the HTML standard, so every
		// round takes at least one byte.
		end := strings.IndexAny(s[1:], space+"/>=") + 1
		if end == 0 {
			return attrs, ""
		}
		a := formField{name: strings.ToLower(s[:end])}
		s = strings.TrimLeft(s[end:], space)
		if value, has := strings.CutPrefix(s, "="); has {
			a.value, s = attributeValue(strings.TrimLeft(value, space))
		}
		if len(attrs) < maxFields {
			attrs = append(attrs, a)
		}
	}
}

// attributeValue reads the value of an attribute, quoted or not.
func attributeValue(s string) (value, rest string) {
	if s == "" {
		return "", ""
	}
	if s[0] == '"' || s[0] == '\'' {
		value, rest, _ = strings.Cut(s[1:], s[:1])
		return html.UnescapeString(value), rest
	}
	end := strings.IndexAny(s, space+">")
	if end < 0 {
		return html.UnescapeString(s), ""
	}
	return html.UnescapeString(s[:end]), s[end:]
}
