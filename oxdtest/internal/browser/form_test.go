// Forms in pages of every kind.

package browser_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"example.com/oxdauth/oxdtest/internal/browser"
	"github.com/stretchr/testify/assert"
)

// form is the first form of a page as plain values.
type form struct {
	Action, Method string
	Values         url.Values
}

func firstForm(page string, filled url.Values) *form {
	f := browser.FirstForm(page)
	if f == nil {
		return nil
	}
	return &form{f.Action, f.Method, f.Submission(filled)}
}

func TestFirstForm(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, page string
		want       *form
	}{
		{"no form", "<p>1 < 2</p><input name=a>", nil},
		{"an empty page", "", nil},
		{"hidden fields and entities", `<form method=POST action="/x?a=1&amp;b=2"><input type=hidden name="t" value="&quot;&#39;"></form>`,
			&form{Action: "/x?a=1&b=2", Method: http.MethodPost, Values: url.Values{"t": {`"'`}}}},
		{"fields outside do not count", `<input name=before><form><input name=in></form><input name=after>`,
			&form{Method: http.MethodGet, Values: url.Values{"in": {""}}}},
		{"the first of two", `<form action=1><input name=a></form><form action=2><input name=b></form>`,
			&form{Action: "1", Method: http.MethodGet, Values: url.Values{"a": {""}}}},
		{"the first button only", `<form><button type=button name=x value=0></button><button name=y value=1></button><button name=z value=2></button></form>`,
			&form{Method: http.MethodGet, Values: url.Values{"y": {"1"}}}},
		{"a first button without name", `<form><button>Go</button><input type=submit name=z value=2></form>`,
			&form{Method: http.MethodGet, Values: url.Values{}}},
		{"checkboxes", `<form><input type=checkbox name=a><input type=checkbox name=b checked><input type=radio name=c value=1 checked><input type=radio name=c value=2></form>`,
			&form{Method: http.MethodGet, Values: url.Values{"b": {"on"}, "c": {"1"}}}},
		{"disabled and nameless fields", `<form><input name=a disabled><input value=1><input name=b value=2></form>`,
			&form{Method: http.MethodGet, Values: url.Values{"b": {"2"}}}},
		{"repeated names", `<form><input name=a value=1><input name=a value=2></form>`,
			&form{Method: http.MethodGet, Values: url.Values{"a": {"1", "2"}}}},
		{"markup in comments, scripts and text areas", `<!-- <form action=no> --><script>"<form action=no>"</script><form action=yes><textarea><input name=no></textarea><INPUT NAME='a' VALUE='>'/></form>`,
			&form{Action: "yes", Method: http.MethodGet, Values: url.Values{"a": {">"}}}},
		{"an end tag is missing", `<form action=a><input name=b value=c`,
			&form{Action: "a", Method: http.MethodGet, Values: url.Values{"b": {"c"}}}},
		{"a quote is missing", `<form action="a><input name=b>`,
			&form{Action: "a><input name=b>", Method: http.MethodGet, Values: url.Values{}}},
		{"an attribute twice: the first counts", `<form action=a action=b></form>`,
			&form{Action: "a", Method: http.MethodGet, Values: url.Values{}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.want, firstForm(c.page, nil))
		})
	}
}

func TestFirstFormBoundsFields(t *testing.T) {
	t.Parallel()
	got := firstForm("<form>"+strings.Repeat("<input name=a>", 5000), nil)
	assert.Len(t, got.Values["a"], 1000)
}

func FuzzFirstForm(f *testing.F) {
	for _, seed := range []string{
		"", "<", "<form", "<form>", "<form/>", `<form action="x" method=post><input name=a value='b'><button name=c></form>`,
		"<!--<form>-->", "<!--", "<title><form></title>", "<title></title", "<textarea", "< form>", "</form>",
		"<form =a = b==c>", `<form a="`, "<input\x00name=\xff>", "<fo\u0131rm>", strings.Repeat("<", 1000),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, page string) {
		got := firstForm(page, url.Values{"filled": {"in"}})
		if got == nil {
			return
		}
		assert.True(t, strings.Contains(strings.ToLower(page), "<form"), "a form out of nothing")
		assert.Contains(t, []string{http.MethodGet, http.MethodPost}, got.Method)
		assert.Equal(t, []string{"in"}, got.Values["filled"])
		for name, values := range got.Values {
			assert.NotEmpty(t, name)
			assert.LessOrEqual(t, len(values), 1001)
		}
	})
}
