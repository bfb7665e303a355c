package web_test

// Queries, header values and ids.

import (
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/web"
)

var callbackParams = []string{"code", "state", "error", "error_description", "iss"}

func TestAQueryIsReadWithinBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		raw  string
		once []string
		fine bool
	}{
		"a callback":                      {"code=a&state=b&iss=https://idp.example", callbackParams, true},
		"nothing":                         {"", callbackParams, true},
		"V-25 two states":                 {"state=a&state=b", callbackParams, false},
		"V-25 two codes":                  {"code=a&state=b&code=a", callbackParams, false},
		"V-25 two issuers, one encoded":   {"iss=a&%69ss=b", callbackParams, false},
		"another parameter that repeats":  {"x=1&x=2&state=a", callbackParams, true},
		"two tickets":                     {"state=a&ticket=a&ticket=b", append([]string{"ticket"}, callbackParams...), false},
		"an escape that is none":          {"state=%zz&state=", callbackParams, false},
		"a semicolon":                     {"state=a;code=b", callbackParams, false},
		"8 KiB":                           {"x=" + strings.Repeat("y", 8<<10-2), callbackParams, true},
		"more than 8 KiB":                 {"x=" + strings.Repeat("y", 8<<10-1), callbackParams, false},
		"32 parameters":                   {strings.Repeat("x&", 31) + "x", nil, true},
		"33 parameters":                   {strings.Repeat("x&", 32) + "x", nil, false},
		"repeated where nothing is named": {"state=a&state=b", nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q, err := web.Query(c.raw, c.once...)
			if !c.fine {
				assert.ErrorIs(t, err, web.ErrQuery)
				assert.Nil(t, q)
				return
			}
			require.NoError(t, err)
			assert.NotNil(t, q)
		})
	}
	q, err := web.Query("code=a%26b&state=c", callbackParams...)
	require.NoError(t, err)
	assert.Equal(t, "a&b", q.Get("code"))
	assert.EqualError(t, web.ErrQuery, "oxdauth: malformed callback")
}

func FuzzCallbackQuery(f *testing.F) {
	f.Add("code=a&state=b")
	f.Add("state=%zz&state=")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := web.Query(raw, callbackParams...)
		if err == nil && (len(q["state"]) > 1 || len(q["code"]) > 1 || len(raw) > 8<<10) {
			t.Fatalf("%q is read as %v", raw, q)
		}
	})
}

func FuzzFrontChannelQuery(f *testing.F) {
	f.Add("iss=https://idp.example&sid=s")
	f.Add("iss=a&iss=b&sid=%zz")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := web.Query(raw, "iss", "sid")
		if err == nil && q.Get("iss") != "" && q.Get("sid") != "" && (len(q["iss"]) != 1 || len(q["sid"]) != 1) {
			t.Fatalf("%q passes", raw)
		}
		if err != nil && q != nil {
			t.Fatalf("%q is read as %v in spite of %v", raw, q, err)
		}
	})
}

func TestAValueIsTakenFromABoundedQuery(t *testing.T) {
	t.Parallel()
	for query, want := range map[string]string{
		"return_to=/a%3Fb":                 "/a?b",
		"return_to=/a&return_to=/b":        "/a",
		"x=%zz&return_to=/a":               "/a",
		"x=/a":                             "",
		"":                                 "",
		"return_to=" + longValue(8<<10-10): longValue(8<<10 - 10),
		"return_to=" + longValue(8<<10-9):  "",
	} {
		r := httptest.NewRequest("GET", "/auth/login?"+query, nil)
		assert.Equal(t, want, web.QueryValue(r, "return_to"), query[:min(len(query), 80)])
	}
}

func longValue(n int) string { return strings.Repeat("y", n) }

func TestWordsCanStandInAList(t *testing.T) {
	t.Parallel()
	require.NoError(t, web.CheckWords("a scope", nil))
	require.NoError(t, web.CheckWords("a scope", []string{"openid", "urn:x:y#z", "a!b", longValue(256)}))
	for _, bad := range []string{"", "a b", `a"b`, `a\b`, "a\tb", "é", "a\x7f", longValue(257)} {
		err := web.CheckWords("a scope", []string{"openid", bad})
		assert.ErrorContains(t, err, "is not a scope", "%q", bad)
		assert.ErrorContains(t, err, "oxdauth: ")
	}
}

func TestTokensOfHeaderFields(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]struct {
		token      bool
		head, rest string
	}{
		"Bearer":         {true, "Bearer", ""},
		"oxd_auth-1.2":   {true, "oxd_auth-1.2", ""},
		"!#$%&'*+-.^_`|": {true, "!#$%&'*+-.^_`|", ""},
		"Bearer abc":     {false, "Bearer", " abc"},
		"Bearer\tabc":    {false, "Bearer", "\tabc"},
		" Bearer":        {false, "", " Bearer"},
		"a=b":            {false, "a", "=b"},
		"a{}":            {false, "a", "{}"},
		"é":              {false, "", "é"},
		"a\x00":          {false, "a", "\x00"},
		"":               {false, "", ""},
	} {
		assert.Equal(t, want.token, web.IsToken(s), "%q", s)
		head, rest := web.CutToken(s)
		assert.Equal(t, want.head, head, "%q", s)
		assert.Equal(t, want.rest, rest, "%q", s)
	}
	for c := range rune(0x100) {
		separator := strings.ContainsRune("\"(),/:;<=>?@[\\]{}", c)
		assert.Equal(t, c > ' ' && c < 0x7f && !separator, web.IsToken(string(c)), "%q", c)
	}
}

func TestToken68(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"abc": true, "aZ09-._~+/": true, "a=": true, "a===": true,
		"": false, "=": false, "==": false, "a=b": false, "*": false, "a*": false, "a b": false, "a,b": false,
		"a\x00": false, "é": false, "a\n": false, `a"`: false, "a%20": false,
	} {
		assert.Equal(t, want, web.IsToken68(s), "%q", s)
	}
	for c := range 0x100 {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		want := c < 0x80 && (letter || strings.IndexByte("-._~+/", byte(c)) >= 0)
		assert.Equal(t, want, web.IsToken68(string([]byte{byte(c)})), "%q", c)
	}
}

func TestAQuotedStringIsEscaped(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"": `""`, "photos": `"photos"`, `a"b`: `"a\"b"`, `a\b`: `"a\\b"`, `\"`: `"\\\""`,
	} {
		assert.Equal(t, want, web.Quote(s))
	}
}

func TestRequestIDsDiffer(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen := map[string]bool{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				id := web.RequestID()
				mu.Lock()
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	assert.Len(t, seen, 2000)
	for id := range seen {
		assert.Len(t, id, 12)
		assert.Empty(t, strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
	}
}
