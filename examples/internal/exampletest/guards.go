package exampletest

// What a UMA guard does has to be the same in every router, whatever that makes of methods and
// paths.

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// Guarded is what to mount: [Pages.Photo] behind each of the wrappers.
type Guarded struct {
	View func(http.Handler) http.Handler // for GET and HEAD of /photos/{id}
	Edit func(http.Handler) http.Handler // for PUT of it
	Any  func(http.Handler) http.Handler // for every method of /any/{id}: the guard, which is for GET, tells them apart
	*Pages
}

// Guards tests the UMA guard in one router.
func Guards(t *testing.T, build func(*Guarded) http.Handler) {
	srv := oxdtest.NewServer()
	t.Cleanup(srv.Close)
	a := &site{srv: srv}
	pages := &Pages{}
	var client *oxd.Client
	a.base = srv.ServeApp(func(base string) http.Handler {
		client = srv.Client(base + "/auth/callback")
		guard, err := oxdauth.NewGuard(client, "photos", oxdauth.WithGuardLogger(slog.New(slog.DiscardHandler)))
		require.NoError(t, err)
		h := build(&Guarded{
			View:  guard.Require(oxdauth.Resource{Path: "/photos/{id}", Method: "GET", Scopes: []string{"view"}}),
			Edit:  guard.Require(oxdauth.Resource{Path: "/photos/{id}", Method: "PUT", Scopes: []string{"edit"}}),
			Any:   guard.Require(oxdauth.Resource{Path: "/any/{id}", Method: "GET", Scopes: []string{"view"}}),
			Pages: pages,
		})
		require.NoError(t, guard.Protect(t.Context()))
		return h
	})
	obtain := func(method, path string) []string {
		return rpt(t, client, a.challenge(t, a.do(t, nil, method, path)))
	}
	viewer, editor, anybody := obtain("GET", "/photos/7"), obtain("PUT", "/photos/7"), obtain("GET", "/any/7")
	assert.Zero(t, pages.reached.Load())

	for _, c := range []struct {
		name, method, path string
		rpt                []string
		status             int
		body               string // of a page; a refusal has JSON
	}{
		{"without RPT", "GET", "/photos/7", nil, 401, ""},
		{"with one that is none", "GET", "/photos/7", []string{"Authorization", "Bearer made-up"}, 401, ""},
		{"with an RPT", "GET", "/photos/7", viewer, 200, `photo "7"`},
		{"the parameter is the one of the path", "GET", "/photos/8?id=9", viewer, 200, `photo "8"`},
		{"a parameter beyond ASCII", "GET", "/photos/caf%C3%A9", viewer, 200, `photo "café"`},
		{"HEAD with an RPT", "HEAD", "/photos/7", viewer, 200, ""},
		{"HEAD without", "HEAD", "/photos/7", nil, 401, ""},
		{"an RPT for another method", "PUT", "/photos/7", viewer, 401, ""},
		{"the RPT for that method", "PUT", "/photos/7", editor, 200, `photo "7"`},
		{"an RPT for another resource", "GET", "/any/7", viewer, 401, ""},
		{"any method: GET", "GET", "/any/7", anybody, 200, `photo "7"`},
		{"any method: HEAD", "HEAD", "/any/7", anybody, 200, ""},
		{"any method: HEAD without RPT", "HEAD", "/any/7", nil, 401, ""},
		{"any method: POST", "POST", "/any/7", anybody, 405, ""},
		{"any method: PUT", "PUT", "/any/7", anybody, 405, ""},
		{"any method: DELETE", "DELETE", "/any/7", anybody, 405, ""},
		{"any method: OPTIONS", "OPTIONS", "/any/7", anybody, 405, ""},
		{"any method: POST without RPT", "POST", "/any/7", nil, 405, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := pages.reached.Load()
			res := a.do(t, nil, c.method, c.path, c.rpt...)
			assert.Equal(t, c.status, res.StatusCode, res.body)
			switch {
			case c.status == http.StatusOK:
				assert.Equal(t, before+1, pages.reached.Load())
				assert.Equal(t, c.body, res.body)
				return
			case c.method == http.MethodHead:
				assert.Empty(t, res.body)
			case c.status == http.StatusUnauthorized:
				refusal(t, res, c.status, "denied")
			default:
				refusal(t, res, c.status, "method_not_allowed")
				assert.Equal(t, "GET, HEAD", res.Header.Get("Allow"))
			}
			assert.Equal(t, before, pages.reached.Load(), "the handler ran")
			if c.status == http.StatusUnauthorized {
				a.challenge(t, res)
			}
		})
	}

	// Whether the router or the guard refuses these is the router's choice; that they are refused
	// is not.
	for _, c := range []struct{ name, method, path string }{
		{"a method that has no route", "DELETE", "/photos/7"},
		{"an encoded slash", "GET", "/photos/7%2F8"},
		{"an encoded slash that leads elsewhere", "GET", "/any/..%2Fphotos%2F7"},
		{"encoded dots", "GET", "/photos/%2e%2e"},
		{"a control character", "GET", "/photos/7%0A"},
		{"an encoded backslash", "GET", "/photos/..%5C7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pages.unreached(t, func() {
				res := a.do(t, nil, c.method, c.path, viewer...)
				assert.Contains(t, []int{301, 307, 308, 400, 404, 405}, res.StatusCode)
				assert.NotContains(t, res.body, "photo \"")
			})
		})
	}
}
