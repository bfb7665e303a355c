package session_test

// The RPTs of a session.

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

func TestASessionKeepsTheLatestRPTs(t *testing.T) {
	t.Parallel()
	u := session.RPTs{PCT: "pct"}
	for i := range byte(8) {
		u = u.With(session.RPT{Resource: [8]byte{i}, Gathered: int64(i), Token: "rpt." + string('a'+rune(i))})
	}
	require.Len(t, u.List, 5)
	_, old := u.Find([8]byte{0})
	assert.False(t, old, "the oldest have gone")
	again := u.With(session.RPT{Resource: [8]byte{7}, Token: "newer"})
	assert.Len(t, again.List, 5)
	kept, ok := again.Find([8]byte{7})
	assert.True(t, ok)
	assert.Equal(t, "newer", kept.Token)
	assert.Equal(t, "rpt.h", u.List[0].Token, "the shared list is not changed")
	assert.Equal(t, "pct", again.PCT)

	in := &session.Tokens{Access: "a", Refresh: "r", IDToken: "i", RPTs: u}
	out := new(session.Tokens)
	require.NoError(t, out.Unmarshal(in.Marshal()))
	assert.Equal(t, in, out)
}

func TestASessionWithoutUMAKeepsThePayloadItAlwaysHad(t *testing.T) {
	t.Parallel()
	plain := &session.Tokens{Access: "a"}
	b := plain.Marshal()
	assert.Equal(t, append(make([]byte, 0, 25), append(append([]byte{sealed.Version}, make([]byte, 17)...),
		0, 1, 'a', 0, 0, 0, 0)...), b)
	out := new(session.Tokens)
	require.NoError(t, out.Unmarshal(b))
	assert.Equal(t, plain, out)
}

func TestMoreRPTsThanASessionKeepsAreMalformed(t *testing.T) {
	t.Parallel()
	v := &session.Tokens{}
	for range 6 {
		v.RPTs.List = append(v.RPTs.List, session.RPT{Token: "r"})
	}
	assert.Equal(t, sealed.ErrPayload, new(session.Tokens).Unmarshal(v.Marshal()))
}
