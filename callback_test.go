package oxdauth_test

// Callbacks that come at the wrong time: each ends on the page asked for or on one that can be read, never in a loop.

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxdtest"
)

func TestACallbackHealsItself(t *testing.T) {
	t.Parallel()
	type visit struct {
		app      *app
		browser  *oxdtest.Browser
		callback *url.URL
	}
	for name, tc := range map[string]struct {
		before func(visit) *oxdtest.Browser // gives the browser that visits the callback
		want   string                       // on the page at the end
		status int
	}{
		"replayed by a reload": {func(v visit) *oxdtest.Browser {
			v.app.open(v.browser, v.callback.String())
			return v.browser
		}, "at /deep?x=1", 200},
		"reached by the back button, with a new code for the used state": {func(v visit) *oxdtest.Browser {
			v.app.open(v.browser, v.callback.String())
			v.callback.RawQuery = strings.Replace(v.callback.RawQuery, "code=", "code=other", 1)
			return v.browser
		}, "at /deep?x=1", 200},
		"bookmarked, by who is signed in since": {func(v visit) *oxdtest.Browser {
			return v.app.signedIn(user, password)
		}, "at /", 200},
		"bookmarked, by who is not signed in": {func(v visit) *oxdtest.Browser {
			v.app.open(v.browser, v.callback.String())
			return v.app.srv.Browser()
		}, "This login cannot be continued", 400},
		"without the login cookie": {func(v visit) *oxdtest.Browser {
			return v.app.srv.Browser()
		}, "This login cannot be continued", 400},
		"after oxd was restarted": {func(v visit) *oxdtest.Browser {
			v.app.srv.Restart()
			return v.browser
		}, "at /deep?x=1", 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newApp(t, setup{})
			b := a.srv.Browser()
			v := visit{a, b, a.callback(b, a.base+"/deep?x=1")}
			b = tc.before(v)
			redirects := 0
			b.CheckRedirect = func(req *http.Request, _ []*http.Request) error {
				if strings.HasPrefix(req.URL.String(), a.base) {
					redirects++
				}
				return nil
			}
			res, err := b.Get(v.callback.String())
			require.NoError(t, err)
			body := readBody(t, res)
			assert.Equal(t, tc.status, res.StatusCode)
			assert.Contains(t, body, tc.want)
			assert.LessOrEqual(t, redirects, 2)
			if tc.status == 200 {
				return
			}
			require.Contains(t, body, `href="/auth/login"`, "the page leads on")
			res, err = b.LogIn(a.base+"/auth/login", user, password)
			require.NoError(t, err)
			assert.Contains(t, readBody(t, res), "at /")
		})
	}
}

// open visits a page that has to be there.
func (a *app) open(b *oxdtest.Browser, page string) {
	a.t.Helper()
	res, err := b.Get(page)
	require.NoError(a.t, err)
	require.Equal(a.t, http.StatusOK, res.StatusCode, readBody(a.t, res))
}
