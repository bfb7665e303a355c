package pending_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/pending"
	"example.com/oxdauth/internal/sealed"
)

func TestLoginsInARowAreCountedWhateverTheKeys(t *testing.T) {
	t.Parallel()
	newRounds := func() *pending.Rounds {
		cookie, err := sealed.NewCookie("c-round", "round", "a", [][]byte{sealed.RandomKey()}, time.Minute, true)
		require.NoError(t, err)
		return pending.NewRounds(cookie)
	}
	var jar sealed.Jar
	for n := range 6 {
		replica := newRounds()
		assert.Equal(t, n >= 4, replica.TooMany(jar), n)
		w := httptest.NewRecorder()
		replica.Count(w, jar)
		set := w.Result().Cookies()
		require.Len(t, set, 1)
		assert.Equal(t, 15, set[0].MaxAge)
		assert.True(t, replica.Owns(set[0].Name))
		jar = sealed.Jar{{Name: set[0].Name, Value: set[0].Value}}
	}
	w := httptest.NewRecorder()
	newRounds().Clear(w, jar)
	require.Len(t, w.Result().Cookies(), 1)
	assert.Negative(t, w.Result().Cookies()[0].MaxAge)
	w = httptest.NewRecorder()
	newRounds().Clear(w, nil)
	assert.Empty(t, w.Result().Cookies())
	for _, planted := range []string{"", "5", "99", "-1", "x", "4x", "0"} {
		assert.False(t, newRounds().TooMany(sealed.Jar{{Name: "c-round", Value: planted}}), planted)
	}
}
