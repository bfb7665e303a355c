package replica

// What a replica reads out of the store, as far as it passes the seal.

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

func FuzzStoredTokens(f *testing.F) {
	v := &session.Identity{ID: session.ID{1}, Subject: "alice", Issuer: "https://idp.example"}
	f.Add((&storedTokens{v, session.Tokens{ID: v.ID, Access: "a.b.c", Refresh: "r"}}).Marshal())
	f.Add([]byte{sealed.Version})
	f.Add([]byte{sealed.Version + 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var once, again storedTokens
		if once.Unmarshal(b) != nil {
			return
		}
		require.NotNil(t, once.identity)
		require.NoError(t, again.Unmarshal(once.Marshal()))
		assert.Equal(t, once.tokens, again.tokens)
	})
}
