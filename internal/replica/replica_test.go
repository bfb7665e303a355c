package replica_test

// What a store holds, and what is made of what it returns.

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/replica/replicatest"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

const audience = "https://app.example/auth/callback site"

// idToken is a compact JWS, which is stored in another form than other tokens.
var idToken = strings.Join([]string{
	base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256"}`)),
	base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"the person","n":"0123456789"}`)),
	base64.RawURLEncoding.EncodeToString([]byte("a signature of some length")),
}, ".")

func newSealer(t testing.TB, secrets ...[]byte) *sealed.Sealer {
	t.Helper()
	sealer, err := sealed.NewSealer("oxdauth", "store", audience, secrets, 12*time.Hour)
	require.NoError(t, err)
	return sealer
}

func newValues(t testing.TB, store replica.Store, secrets ...[]byte) *replica.Values {
	t.Helper()
	return replica.New(store, newSealer(t, secrets...), audience, slog.New(slog.DiscardHandler))
}

func newSession() (*session.Identity, *session.Tokens) {
	now := time.Now()
	v := &session.Identity{
		ID: session.NewID(), Subject: "alice", Issuer: "https://idp.example", Created: now.Unix(),
		IdleExpires: now.Add(time.Hour).Unix(), Expires: now.Add(12 * time.Hour).Unix(),
	}
	return v, &session.Tokens{ID: v.ID, Access: "access-secret", Refresh: "refresh-secret", IDToken: idToken}
}

func TestAStoreHoldsNothingThatNamesASession(t *testing.T) {
	t.Parallel()
	store, key := new(replicatest.Store), sealed.RandomKey()
	values := newValues(t, store, key)
	made := func() *session.Identity {
		v, tokens := newSession()
		require.NoError(t, values.PutTokens(t.Context(), v, tokens))
		require.NoError(t, values.PutRPTs(t.Context(), v, session.RPTs{PCT: "pct-secret"}))
		return v
	}
	a, b := made(), made()
	require.NoError(t, values.Note(t.Context(), replica.Ended, b.ID, b.Expires))
	require.NoError(t, values.DeleteSession(t.Context(), b.ID))
	made()
	_, err := values.Lock(t.Context(), a.ID, time.Minute)
	require.NoError(t, err)

	held := store.Values()
	require.Len(t, held, 6)
	id := string(a.ID[:])
	for key, value := range held {
		assert.Regexp(t, `^[A-Za-z0-9_:-]{1,64}$`, key)
		inner := value[strings.IndexByte(string(value), '.')+1:]
		outer, _ := base64.URLEncoding.DecodeString(string(inner))
		for _, layer := range []string{key, string(value), string(outer)} {
			for _, secret := range []string{
				"secret", idToken, "alice", id, hex.EncodeToString(a.ID[:]), base64.RawURLEncoding.EncodeToString(a.ID[:]),
			} {
				assert.NotContains(t, layer, secret)
			}
		}
	}
}

func TestTokensAreReadAsTheyWereStored(t *testing.T) {
	t.Parallel()
	store, keys := new(replicatest.Store), [][]byte{sealed.RandomKey(), sealed.RandomKey()}
	values := newValues(t, store, keys[0])
	v, tokens := newSession()
	require.NoError(t, values.PutTokens(t.Context(), v, tokens))
	require.NoError(t, values.PutRPTs(t.Context(), v, session.RPTs{PCT: "pct-secret"}))

	read, got, err := values.Tokens(t.Context(), v)
	require.NoError(t, err)
	assert.Equal(t, v, read)
	require.NotNil(t, got)
	assert.Equal(t, []string{"access-secret", "refresh-secret", idToken}, []string{got.Access, got.Refresh, got.IDToken})
	assert.Equal(t, "pct-secret", values.RPTs(t.Context(), v).PCT)

	_, got, err = newValues(t, store, keys[1], keys[0]).Tokens(t.Context(), v)
	require.NoError(t, err)
	assert.NotNil(t, got, "a value sealed with the previous key")
	_, got, err = newValues(t, store, keys[1]).Tokens(t.Context(), v)
	require.NoError(t, err)
	assert.Nil(t, got, "a value sealed with a key that is gone")

	later := *v
	later.Generation++
	_, got, err = values.Tokens(t.Context(), &later)
	require.NoError(t, err)
	assert.Nil(t, got, "tokens older than the identity, as from a backup of the store")

	tokens.Access = strings.Repeat("x", 128<<10)
	assert.ErrorIs(t, values.PutTokens(t.Context(), v, tokens), sealed.ErrTooLarge)
}

func TestTokensOfAnotherSessionUnderTheKeyOfThisOneAreAbsent(t *testing.T) {
	t.Parallel()
	values := newValues(t, new(replicatest.Store), sealed.RandomKey())
	v, _ := newSession()
	_, theirs := newSession()
	require.NoError(t, values.PutTokens(t.Context(), v, theirs))
	read, got, err := values.Tokens(t.Context(), v)
	require.NoError(t, err)
	assert.Nil(t, got)
	assert.Same(t, v, read)
}

func TestTokensOfALaterGenerationComeWithTheirIdentity(t *testing.T) {
	t.Parallel()
	values := newValues(t, new(replicatest.Store), sealed.RandomKey())
	v, tokens := newSession()
	renewed := *v
	renewed.Generation, renewed.ACR, renewed.IdleExpires = 3, "renewed", v.IdleExpires-60
	tokens.Generation = 3
	require.NoError(t, values.PutTokens(t.Context(), &renewed, tokens))
	read, got, err := values.Tokens(t.Context(), v)
	require.NoError(t, err)
	require.NotNil(t, got)
	assert.Equal(t, "renewed", read.ACR)
	assert.EqualValues(t, 3, read.Generation)
	assert.Equal(t, v.IdleExpires, read.IdleExpires, "the later one of both")
}

func TestAValueThatDoesNotBelongThereIsAbsent(t *testing.T) {
	t.Parallel()
	store := new(replicatest.Store)
	values := newValues(t, store, sealed.RandomKey())
	a, tokens := newSession()
	require.NoError(t, values.PutTokens(t.Context(), a, tokens))
	require.NoError(t, values.PutRPTs(t.Context(), a, session.RPTs{PCT: "pct-secret"}))
	b, theirTokens := newSession()
	require.NoError(t, values.PutTokens(t.Context(), b, theirTokens))
	require.NoError(t, values.PutRPTs(t.Context(), b, session.RPTs{PCT: "pct-secret"}))

	held := store.Values()
	for kind, other := range map[replica.Kind]replica.Kind{
		replica.TokensKind: replica.RPTsKind,
		replica.RPTsKind:   replica.TokensKind,
	} {
		good := held[values.Key(kind, a.ID)]
		for name, value := range map[string][]byte{
			"another session's":     held[values.Key(kind, b.ID)],
			"another kind of value": held[values.Key(other, a.ID)],
			"garbage":               []byte("x"),
			"nothing":               nil,
			"a changed one":         good[:len(good)-9],
			"one without end":       []byte(strings.Repeat("A", 256<<10+1)),
		} {
			store.Set(values.Key(kind, a.ID), value)
			if kind == replica.RPTsKind {
				assert.Zero(t, values.RPTs(t.Context(), a), name)
				continue
			}
			read, got, err := values.Tokens(t.Context(), a)
			assert.NoError(t, err, name)
			assert.Nil(t, got, name)
			assert.Equal(t, a, read, name)
		}
		store.Set(values.Key(kind, a.ID), good)
	}
}

// later is a payload of a later release.
type later struct{}

func (later) Marshal() []byte        { return []byte{sealed.Version + 1, 'x'} }
func (later) Unmarshal([]byte) error { return sealed.ErrVersion }

func TestAValueOfALaterReleaseIsNotUsedAndStays(t *testing.T) {
	t.Parallel()
	store := new(replicatest.Store)
	values := newValues(t, store, sealed.RandomKey())
	v, _ := newSession()
	for _, kind := range []replica.Kind{replica.TokensKind, replica.RPTsKind, replica.Group} {
		require.NoError(t, values.Put(t.Context(), kind, v.ID, later{}, v.Expires))
	}
	held := store.Values()
	_, got, err := values.Tokens(t.Context(), v)
	require.NoError(t, err)
	assert.Nil(t, got)
	assert.Zero(t, values.RPTs(t.Context(), v))
	ok, err := values.Get(t.Context(), replica.Group, v.ID, &session.Tokens{})
	assert.False(t, ok)
	require.ErrorIs(t, err, sealed.ErrVersion)
	require.ErrorIs(t, err, replica.ErrStore, "nobody can tell what it says")
	assert.Equal(t, held, store.Values())
}

func TestANoteIsFoundUntilItExpires(t *testing.T) {
	t.Parallel()
	store := new(replicatest.Store)
	values := newValues(t, store, sealed.RandomKey())
	id := [16]byte{1}
	expires := time.Now().Add(time.Hour).Unix()
	require.NoError(t, values.Note(t.Context(), replica.SID, id, expires))
	for kind, want := range map[replica.Kind]bool{replica.SID: true, replica.Ended: false} {
		noted, err := values.Noted(t.Context(), kind, id)
		require.NoError(t, err)
		assert.Equal(t, want, noted)
	}
	noted, err := values.Noted(t.Context(), replica.SID, [16]byte{2})
	require.NoError(t, err)
	assert.False(t, noted)
	store.Set(values.Key(replica.SID, id), []byte{sealed.Version + 1})
	noted, err = values.Noted(t.Context(), replica.SID, id)
	require.NoError(t, err)
	assert.True(t, noted, "whatever another release has written")
}

func TestAStoreThatFailsIsAnErrorOfItsOwn(t *testing.T) {
	t.Parallel()
	store := new(replicatest.Store)
	values := newValues(t, store, sealed.RandomKey())
	v, tokens := newSession()
	store.Failing.Store(true)
	for name, call := range map[string]func() error{
		"Tokens":        func() error { _, _, err := values.Tokens(t.Context(), v); return err },
		"PutTokens":     func() error { return values.PutTokens(t.Context(), v, tokens) },
		"PutRPTs":       func() error { return values.PutRPTs(t.Context(), v, session.RPTs{}) },
		"DeleteSession": func() error { return values.DeleteSession(t.Context(), v.ID) },
		"Note":          func() error { return values.Note(t.Context(), replica.SID, v.ID, v.Expires) },
		"Noted":         func() error { _, err := values.Noted(t.Context(), replica.SID, v.ID); return err },
		"Lock":          func() error { _, err := values.Lock(t.Context(), v.ID, time.Minute); return err },
	} {
		err := call()
		require.ErrorIs(t, err, replica.ErrStore, name)
		assert.ErrorIs(t, err, replicatest.ErrDown, name)
	}
	assert.Zero(t, values.RPTs(t.Context(), v), "they can be obtained again")
}

func TestWithoutAStoreNothingIsFoundAndNothingFails(t *testing.T) {
	t.Parallel()
	values := replica.New(nil, newSealer(t, sealed.RandomKey()), audience, slog.New(slog.DiscardHandler))
	require.Nil(t, values)
	v, tokens := newSession()
	require.NoError(t, values.PutTokens(t.Context(), v, tokens))
	read, got, err := values.Tokens(t.Context(), v)
	require.NoError(t, err)
	assert.Same(t, v, read)
	assert.Nil(t, got)
	require.NoError(t, values.PutRPTs(t.Context(), v, session.RPTs{PCT: "x"}))
	assert.Zero(t, values.RPTs(t.Context(), v))
	require.NoError(t, values.DeleteSession(t.Context(), v.ID))
	require.NoError(t, values.Note(t.Context(), replica.SID, v.ID, v.Expires))
	noted, err := values.Noted(t.Context(), replica.SID, v.ID)
	require.NoError(t, err)
	assert.False(t, noted)
	unlock, err := values.Lock(t.Context(), v.ID, time.Minute)
	require.NoError(t, err)
	unlock()
}

// contextStore works with a context alone, and refuses one without a deadline.
type contextStore struct{ replicatest.Store }

func (*contextStore) Find(string) ([]byte, bool, error)      { panic("missing context") }
func (*contextStore) Commit(string, []byte, time.Time) error { panic("missing context") }
func (*contextStore) Delete(string) error                    { panic("missing context") }

func (s *contextStore) FindCtx(ctx context.Context, key string) ([]byte, bool, error) {
	b, found, err := s.Store.Find(key)
	return b, found, errors.Join(bounded(ctx), err)
}

func (s *contextStore) CommitCtx(ctx context.Context, key string, b []byte, expiry time.Time) error {
	return errors.Join(bounded(ctx), s.Store.Commit(key, b, expiry))
}

func (s *contextStore) DeleteCtx(ctx context.Context, key string) error {
	return errors.Join(bounded(ctx), s.Store.Delete(key))
}

func bounded(ctx context.Context) error {
	if at, ok := ctx.Deadline(); !ok || time.Until(at) > replica.Timeout {
		return errors.New("a call without a limit")
	}
	return ctx.Err()
}

func TestAStoreWithContextsIsCalledWithThemForThreeSeconds(t *testing.T) {
	t.Parallel()
	store := new(contextStore)
	values := newValues(t, store, sealed.RandomKey())
	v, tokens := newSession()
	require.NoError(t, values.PutTokens(context.Background(), v, tokens))
	_, got, err := values.Tokens(context.Background(), v)
	require.NoError(t, err)
	require.NotNil(t, got)
	require.NoError(t, values.DeleteSession(context.Background(), v.ID))
	assert.Empty(t, store.Values())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, values.PutTokens(ctx, v, tokens), context.Canceled)
}
