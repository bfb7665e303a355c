package oxdtest

import (
	"html"
	"net/http"
	"net/url"
	"strings"
)

// This file reads forms out of HTML pages, as far as a scripted browser needs:
// form, input and button. It takes any text.

// browserForm is a form of a page.
type browserForm struct {
	action string
	method string // GET or POST
	fields []browserField
	button *browserField // the first that submits and has a name
	sealed bool          // the first button that submits was seen
}

type browserField struct{ name, value string }

// browserMaxFields bounds what is read of one form.
const browserMaxFields = 1000

func (f *browserForm) has(name string) bool {
	for _, field := range f.fields {
		if field.name == name {
			return true
		}
	}
	return false
}

func (f *browserForm) value(name string) string {
	for _, field := range f.fields {
		if field.name == name {
			return field.value
		}
	}
	return ""
}

// submission returns what the form sends with the given fields filled in.
func (f *browserForm) submission(filled url.Values) url.Values {
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

// browserFirstForm returns the first form of the page, or nil.
func browserFirstForm(page string) *browserForm {
	var form *browserForm
	rest := page
	for {
		tag, after, ok := browserNextTag(rest)
		if !ok {
			return form // an unclosed form ends with the page
		}
		rest = after
		switch {
		case tag.name == "form" && form == nil:
			form = &browserForm{action: strings.TrimSpace(tag.attr("action")), method: http.MethodGet}
			if strings.EqualFold(tag.attr("method"), "post") {
				form.method = http.MethodPost
			}
		case tag.name == "/form" && form != nil:
			return form
		case form != nil && len(form.fields) < browserMaxFields:
			form.add(tag)
		}
	}
}

func (f *browserForm) add(tag browserTag) {
	if tag.has("disabled") {
		return
	}
	field := browserField{tag.attr("name"), tag.attr("value")}
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

// browserTag is a start tag, or an end tag, whose name begins with "/".
type browserTag struct {
	name  string
	attrs []browserField
}

func (t browserTag) has(name string) bool {
	for _, a := range t.attrs {
		if a.name == name {
			return true
		}
	}
	return false
}

func (t browserTag) attr(name string) string {
	for _, a := range t.attrs {
		if a.name == name {
			return a.value
		}
	}
	return ""
}

// browserNextTag finds the next tag and returns what comes after it. It passes
// over comments and over elements whose text is no markup.
func browserNextTag(s string) (tag browserTag, rest string, ok bool) {
	for {
		start := strings.IndexByte(s, '<')
		if start < 0 {
			return browserTag{}, "", false
		}
		s = s[start+1:]
		if comment, isComment := strings.CutPrefix(s, "!--"); isComment {
			_, s, _ = strings.Cut(comment, "-->")
			continue
		}
		// Looking no further than a name can be long keeps "<<<<" linear.
		end := strings.IndexAny(s[:min(len(s), browserMaxName)], browserSpace+">")
		if end < 0 {
			continue
		}
		tag.name = strings.TrimSuffix(strings.ToLower(s[:end]), "/")
		first := strings.TrimPrefix(tag.name, "/")
		if first == "" || first[0] < 'a' || first[0] > 'z' {
			continue // "a < b", a doctype
		}
		tag.attrs, rest = browserAttributes(s[end:])
		switch tag.name {
		case "script", "style", "textarea", "title":
			rest = browserAfterText(rest, tag.name)
		}
		return tag, rest, true
	}
}

// browserAfterText returns what follows the end tag of the element.
func browserAfterText(s, name string) string {
	end := "</" + name
	for i := 0; i+len(end) <= len(s); i++ {
		if s[i] == '<' && strings.EqualFold(s[i:i+len(end)], end) {
			return s[i:]
		}
	}
	return ""
}

const (
	browserSpace   = " \t\r\n\f"
	browserMaxName = 64 // bytes of the name of an element
)

// browserAttributes reads the attributes up to the end of the tag.
func browserAttributes(s string) (attrs []browserField, rest string) {
	for {
		s = strings.TrimLeft(s, browserSpace+"/")
		if s == "" {
			return attrs, ""
		}
		if s[0] == '>' {
			return attrs, s[1:]
		}
		// A "=" in front belongs to the name, says the HTML standard, so every
		// round takes at least one byte.
		end := strings.IndexAny(s[1:], browserSpace+"/>=") + 1
		if end == 0 {
			return attrs, ""
		}
		a := browserField{name: strings.ToLower(s[:end])}
		s = strings.TrimLeft(s[end:], browserSpace)
		if value, has := strings.CutPrefix(s, "="); has {
			a.value, s = browserValue(strings.TrimLeft(value, browserSpace))
		}
		if len(attrs) < browserMaxFields {
			attrs = append(attrs, a)
		}
	}
}

// browserValue reads the value of an attribute, quoted or not.
func browserValue(s string) (value, rest string) {
	if s == "" {
		return "", ""
	}
	if s[0] == '"' || s[0] == '\'' {
		value, rest, _ = strings.Cut(s[1:], s[:1])
		return html.UnescapeString(value), rest
	}
	end := strings.IndexAny(s, browserSpace+">")
	if end < 0 {
		return html.UnescapeString(s), ""
	}
	return html.UnescapeString(s[:end]), s[end:]
}
