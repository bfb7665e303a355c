package ended_test

// What has ended on one replica, and how long and how much of it is remembered. Time is simulated.

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/ended"
	"example.com/oxdauth/internal/session"
)

const (
	issuer   = "https://idp.example"
	lifetime = 12 * time.Hour
)

func newRegistry(notBefore time.Time) *ended.Registry {
	return ended.New(ended.Config{Lifetime: lifetime, NotBefore: notBefore, Logger: slog.New(slog.DiscardHandler)})
}

// newSession returns a session of alice that has begun now.
func newSession(sid string) *session.Identity {
	return created(sid, time.Now().Unix())
}

func created(sid string, at int64) *session.Identity {
	return &session.Identity{
		ID: session.NewID(), Subject: "alice", Issuer: issuer, SID: sid,
		Created: at, Expires: at + int64(lifetime/time.Second),
	}
}

func group(kind byte, i int) session.Group {
	return session.Group{kind, byte(i), byte(i >> 8), byte(i >> 16)}
}

func TestASessionEndsOnceAndForGood(t *testing.T) {
	t.Parallel()
	r := newRegistry(time.Time{})
	v, other := newSession(""), newSession("")
	assert.False(t, r.Has(v))
	assert.True(t, r.End(t.Context(), v))
	assert.False(t, r.End(t.Context(), v), "it is no second event")
	assert.True(t, r.Has(v))
	assert.False(t, r.Has(other), "of the same user")
	for v, want := range map[*session.Identity]bool{v: true, other: false} {
		ended, err := r.Check(t.Context(), v)
		require.NoError(t, err)
		assert.Equal(t, want, ended)
	}
}

func TestTheEndOfAUserEndsTheSessionsOfBeforeAndNoOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(time.Time{})
		one, two := newSession(""), newSession("s")
		time.Sleep(time.Minute)
		r.EndGroup(t.Context(), session.GroupOfSubject(issuer, "bob"))
		r.EndGroup(t.Context(), session.GroupOfSubject("https://other.example", "alice"))
		assert.False(t, r.Has(one), "another user, and a namesake at another provider")

		time.Sleep(300 * time.Millisecond)
		sameSecond := newSession("")
		r.EndGroup(t.Context(), session.GroupOfSubject(issuer, "alice"))
		lateInTheSecond := newSession("")
		for name, v := range map[string]*session.Identity{
			"a session": one, "another of the same user": two, "one of the same second": sameSecond,
			"one of later in that second, which cannot be told from it": lateInTheSecond,
		} {
			assert.True(t, r.Has(v), name)
		}
		time.Sleep(time.Second)
		later := newSession("")
		time.Sleep(lifetime - 2*time.Second)
		assert.False(t, r.Has(later), "signed in again")
		assert.True(t, r.Has(lateInTheSecond), "to the end of the absolute lifetime")
	})
}

func TestSessionsOfBeforeAMomentAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		before := newSession("")
		for _, c := range []struct {
			name     string
			wait     time.Duration
			sameGone bool
		}{
			{"a moment that begins a second", 10 * time.Second, false},
			{"a moment within a second, whose sessions cannot be told apart", 500 * time.Millisecond, true},
		} {
			time.Sleep(c.wait)
			r := newRegistry(time.Now())
			same := newSession("")
			time.Sleep(time.Second)
			later := newSession("")
			assert.True(t, r.Has(before), "%s: before", c.name)
			assert.Equal(t, c.sameGone, r.Has(same), "%s: the same second", c.name)
			assert.False(t, r.Has(later), "%s: later", c.name)
		}
	})
}

func TestTheEndOfAGroupEndsWhatCanBeOfIt(t *testing.T) {
	t.Parallel()
	r := newRegistry(time.Time{})
	now := time.Now().Unix()
	r.EndGroup(t.Context(), session.GroupOfSID(issuer, "s1"))
	assert.True(t, r.Has(created("s1", now-1)))
	assert.False(t, r.Has(created("s2", now-1)))
	assert.False(t, r.Has(created("", now-1)))
	r.EndGroup(t.Context(), session.GroupWithoutSID(issuer, "alice"))
	r.EndGroup(t.Context(), session.GroupOfSID(issuer, "s3"))
	assert.True(t, r.Has(created("", now-1)), "nobody can tell that it is not of s3")
	assert.False(t, r.Has(created("s2", now-1)))
	r.EndGroup(t.Context(), session.GroupOfSubject(issuer, "alice"))
	assert.True(t, r.Has(created("s2", now-1)))
	assert.False(t, r.Has(created("s1", now+5)), "a new login")
}

func TestTooManyEndedUsersEndAllRatherThanForgettingOne(t *testing.T) {
	t.Parallel()
	r := newRegistry(time.Time{})
	first := session.GroupOfSubject(issuer, "alice")
	r.EndGroup(t.Context(), first)
	old := newSession("s")
	old.Created--
	for i := range ended.MaxEnded {
		r.EndGroup(t.Context(), group(9, i))
	}
	assert.True(t, r.Has(old))
	assert.True(t, r.Has(&session.Identity{Subject: "bob", Created: old.Created}), "together with everything of its time")
	assert.False(t, r.Has(&session.Identity{Subject: "bob", Created: time.Now().Unix() + 1}))
	all, _ := r.Count()
	assert.LessOrEqual(t, all, ended.MaxEnded)
	assert.Equal(t, all, r.CountedGroups())
}

func TestExpiredEndsMakeRoom(t *testing.T) {
	t.Parallel()
	r := newRegistry(time.Time{})
	r.EndGroup(t.Context(), session.GroupOfSubject(issuer, "alice"))
	old := newSession("s")
	for i := range ended.MaxEnded {
		r.End(t.Context(), &session.Identity{ID: session.ID(group(7, i)), Expires: time.Now().Unix() - 1})
	}
	all, _ := r.Count()
	assert.Equal(t, 1, all)
	assert.True(t, r.Has(old))
	assert.False(t, r.Has(&session.Identity{Subject: "bob", Created: 1}), "nothing else has ended")
}

func TestASessionOfBeforeARestartBecomesKnownWhenItIsUsed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newSession("s1")
		r := newRegistry(time.Time{})
		g := session.GroupOfSID(issuer, "s1")
		time.Sleep(10 * time.Minute)
		assert.False(t, r.EndIfKnown(t.Context(), g))
		r.Know(v)
		assert.True(t, r.EndIfKnown(t.Context(), g))
		later := newSession("s1")
		r.Know(later)
		r.Know(v)
		time.Sleep(lifetime - time.Second)
		assert.True(t, r.EndIfKnown(t.Context(), g), "as long as the last of its sessions can last")
		time.Sleep(time.Second)
		assert.False(t, r.EndIfKnown(t.Context(), g))
	})
}

func TestAFloodOfUnauthenticatedLogoutsEndsNoSessionAndDisplacesNoKnownOne(t *testing.T) {
	t.Parallel()
	r := newRegistry(time.Time{})
	logout := func(sid string) bool { return r.EndIfKnown(t.Context(), session.GroupOfSID(issuer, sid)) }
	now := time.Now().Unix()
	known, other, stranger := created("ended", now), created("other", now), created("stranger", now)
	require.NoError(t, r.Register(t.Context(), known))
	require.NoError(t, r.Register(t.Context(), other))
	assert.True(t, logout("ended"))
	assert.False(t, logout("stranger"))
	assert.True(t, r.Has(known))
	assert.True(t, r.Has(stranger), "a session this process has not seen, as after a restart")
	for i := range 3 * ended.MaxHints {
		r.EndIfKnown(t.Context(), group(9, i))
	}
	assert.True(t, r.Has(known))
	assert.False(t, r.Has(other))
	assert.False(t, r.Has(stranger), "the price")
	_, hints := r.Count()
	assert.LessOrEqual(t, hints, ended.MaxHints)
	assert.False(t, r.Has(&session.Identity{Subject: "bob", Created: 1}), "nothing else has ended")

	assert.False(t, logout("again"))
	r.EndGroup(t.Context(), session.GroupOfSID(issuer, "again"))
	assert.False(t, logout("again"))
	for i := range 2 * ended.MaxHints {
		r.EndIfKnown(t.Context(), group(8, i))
	}
	assert.True(t, r.Has(created("again", now)), "what is proved does not become a hint again")
}

func TestAnUnauthenticatedLogoutDoesNotOverflowAFullList(t *testing.T) {
	t.Parallel()
	r := newRegistry(time.Time{})
	until := time.Now().Add(lifetime).Unix()
	for i := range ended.MaxEnded {
		r.End(t.Context(), &session.Identity{ID: session.ID(group(7, i)), Expires: until})
	}
	assert.False(t, r.EndIfKnown(t.Context(), session.Group{}))
	assert.False(t, r.Has(&session.Identity{Subject: "bob", Created: 1}))
	all, hints := r.Count()
	assert.Equal(t, []int{ended.MaxEnded + 1, 1}, []int{all, hints})
}

func TestALogoutTokenIsUsedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRegistry(time.Time{})
		once := func(i int, d time.Duration) error {
			return r.Once(t.Context(), [16]byte(group(1, i)), time.Now().Add(d))
		}
		require.NoError(t, once(0, time.Minute))
		require.ErrorIs(t, once(0, 2*time.Minute), ended.ErrUsed)
		for i := range ended.MaxTokens - 1 {
			require.NoError(t, once(i+1, time.Hour))
		}
		require.ErrorIs(t, once(-1, time.Minute), ended.ErrFull, "a full memory takes nothing")
		require.ErrorIs(t, once(1, time.Minute), ended.ErrUsed)
		time.Sleep(time.Minute)
		require.ErrorIs(t, once(0, time.Minute), ended.ErrUsed, "as long as one of its kind can be accepted")
		time.Sleep(time.Minute)
		require.NoError(t, once(-1, time.Minute), "what has expired makes room")
		require.ErrorIs(t, once(-1, time.Minute), ended.ErrUsed)
	})
}

func TestTheIssuersOfSessionsAreKnown(t *testing.T) {
	t.Parallel()
	r := newRegistry(time.Time{})
	known, any := r.KnowsIssuer(issuer)
	assert.False(t, known || any)
	r.Know(newSession(""))
	known, any = r.KnowsIssuer(issuer)
	assert.True(t, known && any)
	known, any = r.KnowsIssuer("https://other.example")
	assert.Equal(t, []bool{false, true}, []bool{known, any})
	named := ended.New(ended.Config{Lifetime: lifetime, Issuer: issuer, Logger: slog.New(slog.DiscardHandler)})
	known, any = named.KnowsIssuer(issuer)
	assert.True(t, known && any, "of the configuration")
}

func TestAskingWhetherASessionHasEndedAllocatesNothing(t *testing.T) {
	r := newRegistry(time.Time{})
	v, other := newSession("s"), newSession("")
	r.End(t.Context(), other)
	for _, v := range []*session.Identity{v, other} {
		assert.Zero(t, testing.AllocsPerRun(100, func() { r.Has(v) }))
	}
	assert.Zero(t, testing.AllocsPerRun(100, func() { _, _ = r.Elsewhere(t.Context(), v) }), "without a store")
}
