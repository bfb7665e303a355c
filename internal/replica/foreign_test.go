package replica_test

// What belongs to another session or another application, and the keys that keep it apart.

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/replica"
	"example.com/oxdauth/internal/replica/replicatest"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

// pair is the payload of tokens and of an identity, which need not belong together.
type pair struct {
	identity *session.Identity
	tokens   *session.Tokens
}

func (p pair) Marshal() []byte {
	return append(sealed.AppendText([]byte{sealed.Version}, string(p.identity.Marshal())), p.tokens.Marshal()...)
}

func (pair) Unmarshal([]byte) error { return sealed.ErrPayload }

func TestNothingOfAnotherSessionIsTakenFromTheKeyOfThisOne(t *testing.T) {
	t.Parallel()
	mine, myTokens := newSession()
	theirs, theirTokens := newSession()
	for name, c := range map[string]struct {
		stored pair
		found  bool
	}{
		"both are of this session":   {pair{mine, myTokens}, true},
		"an identity of another one": {pair{theirs, myTokens}, false},
		"tokens of another one":      {pair{mine, theirTokens}, false},
		"both are of another one":    {pair{theirs, theirTokens}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := newValues(t, new(replicatest.Store), sealed.RandomKey())
			require.NoError(t, values.Put(t.Context(), replica.TokensKind, mine.ID, c.stored, mine.Expires))
			v, tokens, err := values.Tokens(t.Context(), mine)
			require.NoError(t, err)
			assert.Equal(t, mine.ID, v.ID)
			assert.Equal(t, c.found, tokens != nil)
		})
	}
	for name, c := range map[string]struct {
		id   session.ID
		want string
	}{
		"RPTs of this session":    {mine.ID, "pct"},
		"RPTs of another session": {theirs.ID, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			values := newValues(t, new(replicatest.Store), sealed.RandomKey())
			stored := &session.Tokens{ID: c.id, RPTs: session.RPTs{PCT: "pct"}}
			require.NoError(t, values.Put(t.Context(), replica.RPTsKind, mine.ID, stored, mine.Expires))
			assert.Equal(t, c.want, values.RPTs(t.Context(), mine).PCT)
		})
	}
}

func TestApplicationsThatShareAStoreDoNotMeet(t *testing.T) {
	t.Parallel()
	store, secret := new(replicatest.Store), sealed.RandomKey()
	ours := newValues(t, store, secret)
	others := replica.New(store, newSealer(t, secret), "https://other.example/auth/callback site", slog.New(slog.DiscardHandler))
	v, tokens := newSession()
	require.NoError(t, ours.Note(t.Context(), replica.Ended, v.ID, v.Expires))
	require.NoError(t, ours.PutTokens(t.Context(), v, tokens))
	for name, c := range map[string]struct {
		values *replica.Values
		want   bool
	}{"this application": {ours, true}, "another one with the same secret": {others, false}} {
		noted, err := c.values.Noted(t.Context(), replica.Ended, v.ID)
		require.NoError(t, err)
		assert.Equal(t, c.want, noted, name)
		_, got, err := c.values.Tokens(t.Context(), v)
		require.NoError(t, err)
		assert.Equal(t, c.want, got != nil, name)
	}
}

// The replicas of an application need not be of one release.
func TestTheKeyOfAValueIsTheSameInEveryRelease(t *testing.T) {
	t.Parallel()
	values := newValues(t, new(replicatest.Store), sealed.RandomKey())
	id := [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
	for kind, want := range map[replica.Kind]string{
		replica.Ended:       "oxdauth:ended:4-8iuvOPvyW42yE45H1ZlqbtH9BTPu3MSfX9PP__PHw",
		replica.Group:       "oxdauth:group:RL9At7-HhDyMeIN2TAXcjG_6zpzXa254fjMM-xPtN7U",
		replica.SID:         "oxdauth:sid:ZF8Uk7SNyqr6L8jTRlwWHaWHpQWt4QtticSvbQ5NSBA",
		replica.LogoutToken: "oxdauth:jti:td_qEvPeWx1xggY18lfsi8J6SHPlbWMJs3VdVcAbIN8",
		replica.TokensKind:  "oxdauth:tokens:DAc6AJgZX9izCCzkkl32jz1Uf3-8-09Vrw9FGZKecKw",
		replica.RPTsKind:    "oxdauth:uma:1Votl9YtwUNoRWbQYbl_0RQit2odvLEx7-WEup29yWU",
		replica.LockKind:    "oxdauth:refresh:9QSNuWp3UHbDR1jcZUgGYmSmOoLTOQLG6UAsiDYYpJM",
	} {
		assert.Equal(t, want, values.Key(kind, id))
	}
}
