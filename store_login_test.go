package oxdauth_test

// A login whose session the store does not take.

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth"
	"example.com/oxdauth/internal/replica/replicatest"
)

// pickyStore refuses values of one kind.
type pickyStore struct {
	replicatest.Store
	refused string
}

func (s *pickyStore) Commit(key string, b []byte, expiry time.Time) error {
	if s.refused != "" && strings.HasPrefix(key, s.refused) {
		return replicatest.ErrDown
	}
	return s.Store.Commit(key, b, expiry)
}

func TestNoSessionBeginsThatTheStoreDoesNotHold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		refused string
		status  int
	}{
		"nothing is refused": {"", http.StatusSeeOther},
		"the tokens":         {"oxdauth:tokens:", http.StatusServiceUnavailable},
		"the note about the provider's session id": {"oxdauth:sid:", http.StatusServiceUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := &fakeOxd{logins: map[string]visitLogin{"code": {claims: map[string][]string{"sid": {"sid"}}}}}
			m := newAuth(t, f, oxdauth.WithStore(&pickyStore{refused: c.refused}))
			v := (&visitor{t: t, m: m, jar: map[string]string{}}).leave("/")
			res, body := v.send(m.Callback(), v.page("/auth/callback?code=code&state="+v.state))
			require.Equal(t, c.status, res.StatusCode, body)
			assert.EqualValues(t, 1, f.exchanges.Load())
			began := c.refused == ""
			_, err := m.Authenticate(v.request())
			assert.Equal(t, began, err == nil)
			assert.Equal(t, began, len(v.jar) > 0, "cookies")
		})
	}
}
