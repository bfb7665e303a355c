package uma_test

// The declarations, and the problems that are found with them.

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/uma"
)

func TestTheFirstDeclarationIsFound(t *testing.T) {
	t.Parallel()
	first, second := resource("GET /x", "view"), resource("GET /x", "view")
	d := declare(first, second, resource("PUT /x", "edit"))
	assert.Same(t, first, d.Find("/x", "GET"))
	assert.NotNil(t, d.Find("/x", "PUT"))
	assert.Nil(t, d.Find("/x", "HEAD"))
	assert.Nil(t, d.Find("/X", "GET"))
	assert.Nil(t, new(uma.Declared).Find("/x", "GET"))
}

func TestTheMethodsOfAPathAreSortedAndHaveHEADBesideGET(t *testing.T) {
	t.Parallel()
	d := declare(resource("PUT /x", "a"), resource("GET /x", "a"), resource("GET /x", "a"), resource("DELETE /y", "a"))
	assert.Equal(t, []string{"GET", "HEAD", "PUT"}, d.Methods("/x"))
	assert.Equal(t, []string{"DELETE"}, d.Methods("/y"))
	assert.Empty(t, d.Methods("/z"))
}

func TestResourcesAreReadyWhileOxdProtectsThem(t *testing.T) {
	t.Parallel()
	assert.NoError(t, new(uma.Declared).Ready())
	r, other := resource("GET /x", "view"), resource("GET /y", "view")
	d := declare(r, other)
	assert.False(t, r.Protected())
	err := d.Ready()
	require.ErrorContains(t, err, `"GET /x": Protect has not succeeded`)
	require.ErrorContains(t, err, `"GET /y"`)
	g, _ := registrar(t, newFake(), "")
	_, err = g.Protect(t.Context(), d)
	require.NoError(t, err)
	assert.True(t, r.Protected())
	require.NoError(t, d.Ready())
	r.SetMissing(true)
	err = d.Ready()
	require.ErrorContains(t, err, `"GET /x": oxd does not protect it any more`)
	assert.NotContains(t, err.Error(), "/y")
	assert.True(t, r.Protected(), "it is still served, by refusing")
	r.SetMissing(false)
	require.NoError(t, d.Ready())
}

func TestProblemsWithDeclarationsAreReportedAtOnce(t *testing.T) {
	t.Parallel()
	with := func(r *uma.Resource, change func(*uma.Resource)) *uma.Resource {
		change(r)
		return r
	}
	shared := func(r *uma.Resource) { r.Shared = true }
	cases := []struct {
		name    string
		list    []*uma.Resource
		problem string // "": none
	}{
		{"one resource", []*uma.Resource{resource("GET /x", "view")}, ""},
		{"no method", []*uma.Resource{{Path: "/no-method", Scopes: []string{"view"}}}, `" /no-method": want a method out of GET, HEAD`},
		{"a method in lower case", []*uma.Resource{resource("get /lower", "view")}, `"get /lower": want a method`},
		{"an unknown method", []*uma.Resource{resource("FOO /foo", "view")}, `"FOO /foo": want a method`},
		{"no scopes", []*uma.Resource{resource("GET /no-scopes")}, `"GET /no-scopes": no scopes`},
		{"no slash", []*uma.Resource{resource("GET no-slash", "view")}, `"GET no-slash": want a path`},
		{"a query", []*uma.Resource{resource("GET /query?x", "view")}, `"GET /query?x": want a path`},
		{"a fragment", []*uma.Resource{resource("GET /fragment#x", "view")}, `"GET /fragment#x": want a path`},
		{"a control character", []*uma.Resource{{Method: "GET", Path: "/a\x00", Scopes: []string{"view"}}}, "want a path"},
		{"a backslash", []*uma.Resource{resource(`GET /a\b`, "view")}, "want a path"},
		{"no UTF-8", []*uma.Resource{{Method: "GET", Path: "/\xff", Scopes: []string{"view"}}}, "want a path"},
		{"a path of 1000 bytes", []*uma.Resource{resource("GET /"+strings.Repeat("p", 999), "view")}, ""},
		{"a path of 1001 bytes", []*uma.Resource{resource("GET /"+strings.Repeat("q", 1000), "view")}, "want a path of at most 1000 bytes"},
		{"a blank in a scope", []*uma.Resource{resource("GET /blank", "a b")}, `"GET /blank": oxdauth: "a b" is not a scope`},
		{"ticket scopes that are scopes", []*uma.Resource{with(resource("GET /t", "view", "all"), func(r *uma.Resource) { r.TicketScopes = []string{"all"} })}, ""},
		{"another ticket scope", []*uma.Resource{with(resource("GET /tickets", "view"), func(r *uma.Resource) { r.TicketScopes = []string{"edit"} })}, `ticket scope "edit" is not one of its scopes`},
		{"Recheck of a second", []*uma.Resource{with(resource("GET /r", "view"), func(r *uma.Resource) { r.Recheck = time.Second })}, ""},
		{"Recheck is less than a second", []*uma.Resource{with(resource("GET /recheck", "view"), func(r *uma.Resource) { r.Recheck = time.Second - 1 })}, `"GET /recheck": Recheck is less`},
		{"a negative Recheck", []*uma.Resource{with(resource("GET /negative", "view"), func(r *uma.Resource) { r.Recheck = -1 })}, `"GET /negative": Recheck is less`},
		{"HEAD without GET", []*uma.Resource{resource("HEAD /head", "view")}, `"HEAD /head" is declared, but not GET`},
		{"B-12 HEAD beside GET", []*uma.Resource{resource("HEAD /h", "view"), resource("GET /h", "view")}, ""},
		{"B-25 one resource twice", []*uma.Resource{resource("GET /twice", "view"), resource("GET /twice", "view")}, `"GET /twice" is declared twice`},
		{"one of two marked as shared", []*uma.Resource{with(resource("GET /half", "view"), shared), resource("GET /half", "view")}, `"GET /half" is declared twice`},
		{"shared with equal scopes", []*uma.Resource{with(resource("GET /s", "a", "b"), shared), with(resource("GET /s", "b", "a"), shared)}, ""},
		{"shared with different scopes", []*uma.Resource{with(resource("GET /shared", "view"), shared), with(resource("GET /shared", "edit"), shared)}, `"GET /shared" has different scopes`},
		{"B-06 two spellings of a path", []*uma.Resource{resource("GET /Photos", "view"), resource("PUT /photos", "view")}, `"/Photos" and "/photos" are one to oxd, which ignores case`},
	}
	var all uma.Declared
	for _, tc := range cases {
		for _, r := range tc.list {
			all.Add(r)
		}
		t.Run(tc.name, func(t *testing.T) {
			f := newFake()
			g, _ := registrar(t, f, "")
			_, err := g.Protect(t.Context(), declare(tc.list...))
			if tc.problem == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, tc.problem)
			assert.Empty(t, f.calls, "oxd was not asked")
			assert.False(t, tc.list[0].Protected())
		})
	}
	f := newFake()
	g, _ := registrar(t, f, "")
	_, err := g.Protect(t.Context(), &all)
	for _, tc := range cases {
		if tc.problem != "" {
			assert.ErrorContains(t, err, tc.problem)
		}
	}
	assert.Empty(t, f.calls, "oxd was not asked")
}
