package ended

// What the store says of a group, as far as it passes the seal.

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/sealed"
)

func FuzzGroupEnd(f *testing.F) {
	f.Add((&groupEnd{through: 1_700_000_000}).Marshal())
	f.Add([]byte{sealed.Version})
	f.Add([]byte{sealed.Version + 1, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var once, again groupEnd
		if once.Unmarshal(b) != nil {
			return
		}
		require.NoError(t, again.Unmarshal(once.Marshal()))
		assert.Equal(t, once, again)
		assert.LessOrEqual(t, once.through, int64(sealed.MaxTime))
	})
}
