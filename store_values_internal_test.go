package oxdauth

// What a store holds, and what is made of what it gives back.

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxd"
)

func TestWhatAStoreHoldsNamesNoSessionAndServesNoOther(t *testing.T) {
	t.Parallel()
	store, keys := &mapStore{}, [][]byte{randomKey(), randomKey()}
	m := newTestMiddleware(t, &fakeOxd{}, WithKeys(keys[0]), WithStore(store))
	idToken := jwt(30)
	made := func() *identity {
		v, tok := m.mint(&oxd.Tokens{AccessToken: oxd.NewSecret("access-secret"), RefreshToken: oxd.NewSecret("refresh-secret"),
			IDToken: oxd.NewSecret(idToken), Claims: oxd.Claims{"sub": {"alice"}}}, nil)
		require.NoError(t, m.shared.putTokens(t.Context(), v, tok))
		require.NoError(t, m.shared.putUMA(t.Context(), v, umaTokens{pct: "pct-secret"}))
		return v
	}
	a, b := made(), made()
	_, tok, err := m.shared.getTokens(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, []string{"access-secret", "refresh-secret", idToken}, []string{tok.access, tok.refresh, tok.idToken})
	assert.Equal(t, "pct-secret", m.shared.getUMA(t.Context(), a).pct)
	m.shared.end(t.Context(), b)
	b = made()
	_, err = m.shared.lock(t.Context(), m.shared.key(lockKind, a.id))
	require.NoError(t, err)

	require.Len(t, store.values, 6)
	id := string(a.id[:])
	for key, value := range store.values {
		assert.Regexp(t, `^[A-Za-z0-9_:-]{1,64}$`, key)
		sealed := value[strings.IndexByte(string(value), '.')+1:]
		outer, _ := base64.URLEncoding.DecodeString(string(sealed))
		for _, layer := range []string{key, string(value), string(outer)} {
			for _, secret := range []string{"secret", idToken, "alice", id, hex.EncodeToString(a.id[:]), base64.RawURLEncoding.EncodeToString(a.id[:])} {
				assert.NotContains(t, layer, secret)
			}
		}
	}

	mine, theirs := m.shared.key(storedTokensKind, a.id), m.shared.key(storedTokensKind, b.id)
	good := store.values[mine]
	for name, value := range map[string][]byte{
		"another session's": store.values[theirs], "another kind of value": store.values[m.shared.key(storedUMAKind, a.id)],
		"garbage": []byte("x"), "nothing": nil, "a changed one": append([]byte{}, good[:len(good)-9]...),
		"one without end": []byte(strings.Repeat("A", maxStoredValue+1)),
	} {
		store.values[mine] = value
		_, tok, err := m.shared.getTokens(t.Context(), a)
		assert.NoError(t, err, name)
		assert.Nil(t, tok, name)
	}
	store.values[mine] = good

	rotated := newTestMiddleware(t, &fakeOxd{}, WithKeys(keys[1], keys[0]), WithStore(store))
	_, tok, err = rotated.shared.getTokens(t.Context(), a)
	require.NoError(t, err)
	assert.NotNil(t, tok, "a value sealed with the previous key")
	later := *a
	later.generation++
	_, tok, err = m.shared.getTokens(t.Context(), &later)
	require.NoError(t, err)
	assert.Nil(t, tok, "tokens older than the identity, as from a backup of the store")
	assert.ErrorIs(t, m.shared.putTokens(t.Context(), a, &tokens{access: strings.Repeat("x", maxInflatedTokens)}), ErrSessionTooLarge)
}
