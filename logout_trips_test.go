package oxdauth_test

// What a logout leaves of the logins, gatherings and forms that a browser has under way.

import (
	"maps"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/internal/pending"
	"example.com/oxdauth/internal/sealed"
)

func TestALogoutLeavesNothingUnderWay(t *testing.T) {
	t.Parallel()
	key := sealed.RandomKey()
	logins := pending.NewLogins(newCookie(t, "-login-", "login", key))
	gatherings := pending.NewGatherings(newCookie(t, "-claims-", "claims", key))
	forms := pending.NewForms(newCookie(t, "-form", "form", key))
	for name, remember := range map[string]func(*httptest.ResponseRecorder) error{
		"a login": func(rec *httptest.ResponseRecorder) error {
			return logins.Remember(rec, nil, &pending.Login{Created: time.Now().Unix(), State: logins.Digest("state"), ReturnTo: "/"})
		},
		"a claims gathering": func(rec *httptest.ResponseRecorder) error {
			return gatherings.Remember(rec, nil, &pending.Gathering{Created: time.Now().Unix(), State: gatherings.Digest("state"), ReturnTo: "/"})
		},
		"a form": func(rec *httptest.ResponseRecorder) error {
			assert.True(t, forms.Remember(rec, &pending.Form{State: logins.Digest("state"), Action: "/", URLEncoded: "a=b"}))
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeOxd{}
			v := newVisitor(t, newAuth(t, f, oxdauth.WithKeys(key)), f, 0)
			v.jar["session"] = "of the application"
			before, rec := maps.Clone(v.jar), httptest.NewRecorder()
			require.NoError(t, remember(rec))
			v.keep(rec)
			require.Len(t, v.jar, len(before)+1)
			v.signOut()
			assert.Equal(t, map[string]string{"session": "of the application"}, v.jar)
		})
	}
}
