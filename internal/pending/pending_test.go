package pending_test

// Trips, forms and used states, with cookies as a browser sends them back.

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/pending"
	"example.com/oxdauth/internal/sealed"
	"example.com/oxdauth/internal/session"
)

func testCookie(t testing.TB, name string) *sealed.Cookie {
	t.Helper()
	c, err := sealed.NewCookie(name, "p", "a", [][]byte{sealed.RandomKey()}, time.Hour, true)
	require.NoError(t, err)
	return c
}

// browser keeps cookies.
type browser struct{ jar sealed.Jar }

func (b *browser) keep(rec *httptest.ResponseRecorder) {
	for _, c := range rec.Result().Cookies() {
		var left sealed.Jar
		for _, old := range b.jar {
			if old.Name != c.Name {
				left = append(left, old)
			}
		}
		if b.jar = left; c.MaxAge >= 0 {
			b.jar = append(b.jar, sealed.Pair{Name: c.Name, Value: c.Value})
		}
	}
}

func login(book *pending.Book, state string, created int64, returnTo string) *pending.Login {
	return &pending.Login{Created: created, State: book.Digest(state), ReturnTo: returnTo}
}

func TestATripIsFoundByItsState(t *testing.T) {
	t.Parallel()
	cookie := testCookie(t, "__Host-test-login-")
	book := pending.NewLogins(cookie)
	var b browser
	for i, state := range []string{"one", "two"} {
		rec := httptest.NewRecorder()
		require.NoError(t, book.Remember(rec, b.jar, login(book, state, 1_800_000_000+int64(i), "/"+state)))
		b.keep(rec)
		assert.Equal(t, 3600, rec.Result().Cookies()[0].MaxAge)
	}
	require.Len(t, b.jar, 2)
	found := new(pending.Login)
	name := book.Find(b.jar, "one", found)
	assert.Equal(t, b.jar[0].Name, name)
	assert.Equal(t, login(book, "one", 1_800_000_000, "/one"), found)
	assert.True(t, book.Owns(name))
	assert.False(t, book.Owns("__Host-test"))

	assert.Empty(t, book.Find(b.jar, "three", found))
	assert.Empty(t, book.Find(b.jar, "", found))
	assert.Empty(t, pending.NewGatherings(cookie).Find(b.jar, "one", found), "a state of another kind")
	assert.NotEqual(t, book.Digest("one"), pending.NewGatherings(cookie).Digest("one"))

	rec := httptest.NewRecorder()
	book.Forget(rec, name)
	b.keep(rec)
	assert.Empty(t, book.Find(b.jar, "one", found))
	assert.NotEmpty(t, book.Find(b.jar, "two", found))

	rec = httptest.NewRecorder()
	b.jar = append(b.jar, sealed.Pair{Name: "__Host-test", Value: "another"})
	book.Clear(rec, b.jar)
	b.keep(rec)
	assert.Equal(t, sealed.Jar{{Name: "__Host-test", Value: "another"}}, b.jar)
}

func TestAPlantedCookieIsNoTrip(t *testing.T) {
	t.Parallel()
	book := pending.NewLogins(testCookie(t, "__Host-test-login-"))
	rec := httptest.NewRecorder()
	require.NoError(t, book.Remember(rec, nil, login(book, "one", 1_800_000_000, "/")))
	var b browser
	b.keep(rec)
	real, suffix := b.jar[0], b.jar[0].Name[len("__Host-test-login-")+9:]
	planted := func(n int) (j sealed.Jar) {
		for i := range n {
			j = append(j, sealed.Pair{Name: fmt.Sprintf("__Host-test-login-%09x%s", i, suffix), Value: "x"})
		}
		return j
	}
	found := new(pending.Login)
	assert.Equal(t, real.Name, book.Find(append(planted(2), real), "one", found), "another program has planted some")
	assert.Empty(t, book.Find(append(planted(3), real), "one", found), "three are tried")
	renamed := sealed.Pair{Name: strings.Replace(real.Name, suffix, "AAAAAAAA", 1), Value: real.Value}
	assert.Empty(t, book.Find(sealed.Jar{renamed}, "one", found), "a name that is not of this state")
	same := sealed.Pair{Name: "__Host-test-login-000000000" + suffix, Value: real.Value}
	assert.Equal(t, same.Name, book.Find(sealed.Jar{same}, "one", found), "the sealed state counts")
}

func TestATripOfAnotherStateUnderANameOfThisOneIsNotFound(t *testing.T) {
	t.Parallel()
	for name, book := range map[string]*pending.Book{
		"V-23 a login": pending.NewLogins(testCookie(t, "__Host-test-login-")),
		"a gathering":  pending.NewGatherings(testCookie(t, "__Host-test-claims-")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b browser
			for _, state := range []string{"mine", "theirs"} {
				rec := httptest.NewRecorder()
				require.NoError(t, book.Remember(rec, nil, login(book, state, 1_800_000_000, "/"+state)))
				b.keep(rec)
			}
			require.Len(t, b.jar, 2)
			mine, planted := b.jar[0], sealed.Pair{Name: b.jar[0].Name, Value: b.jar[1].Value}
			assert.Empty(t, book.Find(sealed.Jar{planted}, "mine", new(pending.Login)))
			found := new(pending.Login)
			assert.Equal(t, mine.Name, book.Find(sealed.Jar{planted, mine}, "mine", found))
			assert.Equal(t, "/mine", found.ReturnTo)
		})
	}
}

func TestTheOldestTripsGoFirst(t *testing.T) {
	t.Parallel()
	cookie := testCookie(t, "__Host-test-")
	trip := func(book *pending.Book, i int, returnTo string) pending.Trip {
		state, created := book.Digest(fmt.Sprint(i)), 1_800_000_000+int64(i)
		if returnTo == "gathering" {
			return &pending.Gathering{Created: created, State: state}
		}
		return &pending.Login{Created: created, State: state, ReturnTo: returnTo}
	}
	for name, test := range map[string]struct {
		book     *pending.Book
		returnTo string
		most     int
	}{
		"V-27 five logins":    {pending.NewLogins(cookie), "/", 5},
		"V-27 2000 bytes":     {pending.NewLogins(cookie), "/" + strings.Repeat("x", 400), 2},
		"a login of its own":  {pending.NewLogins(cookie), "/" + strings.Repeat("x", 1200), 1},
		"three of gatherings": {pending.NewGatherings(cookie), "gathering", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b browser
			for i := range 10 {
				rec := httptest.NewRecorder()
				require.NoError(t, test.book.Remember(rec, b.jar, trip(test.book, i, test.returnTo)))
				b.keep(rec)
				assert.LessOrEqual(t, len(b.jar), test.most)
				assert.Equal(t, min(i+1, test.most), len(b.jar))
			}
			for i := range 10 {
				found := trip(test.book, 0, test.returnTo)
				assert.Equal(t, i >= 10-test.most, test.book.Find(b.jar, fmt.Sprint(i), found) != "", "number %d", i)
			}
		})
	}
	book, rec := pending.NewLogins(cookie), httptest.NewRecorder()
	err := book.Remember(rec, nil, trip(book, 1, "/"+strings.Repeat("x", 5000)))
	assert.Equal(t, sealed.ErrTooLarge, err)
	assert.Empty(t, rec.Header())
}

func TestATripTakesTenMinutes(t *testing.T) {
	t.Parallel()
	const created = 1_800_000_000
	for after, want := range map[time.Duration]bool{0: false, 10 * time.Minute: false, 10*time.Minute + time.Second: true} {
		now := time.Unix(created, 0).Add(after)
		assert.Equal(t, want, (&pending.Login{Created: created}).Expired(now), after)
		assert.Equal(t, want, (&pending.Gathering{Created: created}).Expired(now), after)
	}
}

func TestTripsAndFormsSurviveSealing(t *testing.T) {
	t.Parallel()
	cookie := testCookie(t, "__Host-test")
	for name, pair := range map[string][2]sealed.Payload{
		"a login": {
			&pending.Login{Created: 5, Restarts: 2, State: [16]byte{1}, MaxAge: 60, ACRs: "a b", ReturnTo: "/x?y=é"},
			new(pending.Login),
		},
		"an empty login": {new(pending.Login), new(pending.Login)},
		"a gathering": {
			&pending.Gathering{
				Created: 5, Session: session.ID{1}, State: [16]byte{2}, Ticket: [16]byte{3}, Resource: [8]byte{4}, ReturnTo: "/x?y",
			},
			new(pending.Gathering),
		},
		"a form": {&pending.Form{State: [16]byte{1}, Action: "/notes", URLEncoded: "a=b"}, new(pending.Form)},
		"a form that compresses": {
			&pending.Form{Action: "/notes", URLEncoded: "a=" + strings.Repeat("b", 8000)}, new(pending.Form),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			value, err := cookie.SealOne(pair[0])
			require.NoError(t, err)
			_, err = cookie.Open(nil, value, pair[1])
			require.NoError(t, err)
			assert.Equal(t, pair[0], pair[1])
		})
	}
}

func TestAFormIsTakenOnceByItsLogin(t *testing.T) {
	t.Parallel()
	cookie := testCookie(t, "__Host-test-form")
	forms := pending.NewForms(cookie)
	form := &pending.Form{State: [16]byte{1}, Action: "/notes", URLEncoded: "text=x"}
	var b browser
	rec := httptest.NewRecorder()
	require.True(t, forms.Remember(rec, form))
	assert.Equal(t, 3600, rec.Result().Cookies()[0].MaxAge)
	b.keep(rec)
	assert.True(t, forms.Owns(b.jar[0].Name))
	assert.False(t, forms.Owns(b.jar[0].Name+"_1"))

	rec = httptest.NewRecorder()
	assert.Nil(t, forms.Take(rec, b.jar, [16]byte{2}), "another login")
	assert.Nil(t, forms.Take(rec, nil, [16]byte{1}), "another browser")
	assert.Nil(t, forms.Take(rec, sealed.Jar{{Name: cookie.Name(), Value: "x"}}, [16]byte{}), "a forged one")
	assert.Empty(t, rec.Header())
	assert.Equal(t, form, forms.Take(rec, b.jar, [16]byte{1}))
	taken := b
	taken.keep(rec)
	assert.Empty(t, taken.jar)

	rec = httptest.NewRecorder()
	assert.False(t, forms.Remember(rec, &pending.Form{URLEncoded: randomText(8000)}), "it does not fit")
	assert.Empty(t, rec.Header())
	forms.Clear(rec, b.jar)
	b.keep(rec)
	assert.Empty(t, b.jar)
}

func randomText(n int) string {
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%x", sealed.RandomKey())
	}
	return b.String()[:n]
}

func TestAFormIsReadInItsOrder(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]pending.Field{
		"a=1&b=2&a=3":  {{"a", "1"}, {"b", "2"}, {"a", "3"}},
		"a=b=c":        {{"a", "b=c"}},
		"a":            {{"a", ""}},
		"=a":           {{"", "a"}},
		"&&a=1&":       {{"a", "1"}},
		"a+b=%C3%A9%0": nil,
		"%zz=1":        nil,
		"a=%zz":        nil,
		"a+b=%C3%A9":   {{"a b", "é"}},
		"":             nil,
		"&":            nil,
	} {
		fields, ok := pending.ParseForm(text)
		assert.Equal(t, want != nil, ok, text)
		assert.Equal(t, want, fields, text)
	}
	fields, ok := pending.ParseForm(strings.Repeat("a=1&", 500))
	assert.True(t, ok)
	assert.Len(t, fields, 500)
	_, ok = pending.ParseForm(strings.Repeat("a=1&", 501))
	assert.False(t, ok, "too many fields")
}

func TestUsedStatesAreRememberedWhileTheirCookieCouldComeBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		used := pending.NewUsed()
		state := session.Digest("state", "s")
		_, known := used.Find(state)
		assert.False(t, known)
		_, first := used.Take(state, "/page")
		assert.True(t, first)
		returnTo, first := used.Take(state, "/other")
		assert.False(t, first)
		assert.Equal(t, "/page", returnTo)
		time.Sleep(10 * time.Minute)
		returnTo, known = used.Find(state)
		assert.True(t, known)
		assert.Equal(t, "/page", returnTo)
		time.Sleep(2 * time.Second)
		_, known = used.Find(state)
		assert.False(t, known)
		_, first = used.Take(state, "/again")
		assert.True(t, first)
	})
}

func TestAFullListOfUsedStatesIsNoReasonToRefuseALogin(t *testing.T) {
	t.Parallel()
	const most = 50_000
	used := pending.NewUsed()
	key := func(i int) [16]byte { return [16]byte{9, byte(i), byte(i >> 8), byte(i >> 16)} }
	for i := range 3 * most {
		_, first := used.Take(key(i), "/")
		require.True(t, first)
		_, known := used.Find(key(i))
		require.True(t, known)
	}
	kept := 0
	for i := range 3 * most {
		if _, known := used.Find(key(i)); known {
			kept++
		}
	}
	assert.LessOrEqual(t, kept, most)
	assert.GreaterOrEqual(t, kept, most*9/10)
}

func FuzzPayloads(f *testing.F) {
	f.Add((&pending.Login{ReturnTo: "/"}).Marshal())
	f.Add((&pending.Form{Action: "/notes", URLEncoded: "a=b"}).Marshal())
	f.Add((&pending.Gathering{ReturnTo: "/"}).Marshal())
	f.Add([]byte{sealed.Version})
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, pair := range [][2]sealed.Payload{
			{new(pending.Login), new(pending.Login)}, {new(pending.Form), new(pending.Form)},
			{new(pending.Gathering), new(pending.Gathering)},
		} {
			if pair[0].Unmarshal(b) != nil {
				continue
			}
			require.NoError(t, pair[1].Unmarshal(pair[0].Marshal()), "what was read can be written and read")
			assert.Equal(t, pair[0], pair[1])
		}
	})
}

func FuzzParseForm(f *testing.F) {
	for _, seed := range []string{"a=1&b=2", "a=%zz", "&&", "a=b=c", "%C3%A9=+"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fields, ok := pending.ParseForm(text)
		assert.Equal(t, ok, len(fields) > 0)
		assert.LessOrEqual(t, len(fields), 500)
	})
}
