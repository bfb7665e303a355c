package uma_test

// Which tokens are let near oxd, and that none of them prints.

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/uma"
)

func TestAnRPTIsReadFromOneBearerHeaderAlone(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		header http.Header
		rpt    string
		err    error
	}{
		{"no header", http.Header{}, "", nil},
		{"no value", http.Header{"Authorization": {}}, "", nil},
		{"an empty value", authorization(""), "", nil},
		{"Basic", authorization("Basic YTpi"), "", nil},
		{"DPoP", authorization("DPoP abc"), "", nil},
		{"Negotiate", authorization("Negotiate"), "", nil},
		{"a scheme that begins like Bearer", authorization("Bearerish abc"), "", nil},
		{"a header that claims to be one", http.Header{"X-Authorization": {"Bearer abc"}}, "", nil},
		{"a bearer token", authorization("Bearer abc"), "abc", nil},
		{"lower case", authorization("bearer abc"), "abc", nil},
		{"upper case", authorization("BEARER abc"), "abc", nil},
		{"several blanks", authorization("Bearer   abc"), "abc", nil},
		{"padding", authorization("Bearer a=="), "a==", nil},
		{"the whole alphabet", authorization("Bearer aZ09-._~+/"), "aZ09-._~+/", nil},
		{"B-21 two equal headers", authorization("Bearer abc", "Bearer abc"), "", uma.ErrRPT},
		{"B-21 two headers, the second with another token", authorization("Bearer abc", "Bearer bad"), "", uma.ErrRPT},
		{"B-21 two headers, the first with another scheme", authorization("Basic YTpi", "Bearer abc"), "", uma.ErrRPT},
		{"B-21 two headers, the first empty", authorization("", "Bearer abc"), "", uma.ErrRPT},
		{"B-20 two tokens", authorization("Bearer a, Bearer b"), "", uma.ErrRPT},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rpt, err := uma.ReadRPT(tc.header)
			require.ErrorIs(t, err, tc.err)
			assert.Equal(t, tc.rpt, rpt.Reveal())
			assert.Equal(t, tc.rpt == "", rpt.IsZero())
		})
	}
	for _, value := range []string{
		"Bearer *", "Bearer a*", "Bearer x)(y=*", "Bearer", "Bearer ", "Bearer =", "bearer a,b", "BEARER a b", "Bearer a\tb", "Bearer\ta",
		"Bearer a=b", "Bearer ä", "Bearer gat_x", "Bearer GAT_x", "Bearer gat_", "Bearer " + strings.Repeat("a", 5000), "Bearer,a", `Bearer "a"`, `Bearer a\2a`,
	} {
		t.Run("B-20 "+value[:min(len(value), 20)], func(t *testing.T) {
			t.Parallel()
			rpt, err := uma.ReadRPT(authorization(value))
			require.ErrorIs(t, err, uma.ErrRPT)
			assert.True(t, rpt.IsZero())
		})
	}
}

func TestATokenIsParsedWithinItsBounds(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, token string
		ok          bool
	}{
		{"empty", "", false},
		{"one character", "a", true},
		{"4096 bytes", strings.Repeat("a", 4096), true},
		{"4097 bytes", strings.Repeat("a", 4097), false},
		{"a prefix of gat_", "gat", true},
		{"gat_ elsewhere", "agat_x", true},
		{"a line break", "a\n", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rpt, err := uma.ParseRPT(tc.token)
			assert.Equal(t, tc.ok, err == nil)
			assert.Equal(t, !tc.ok, rpt.IsZero())
		})
	}
}

func TestATicketIsATokenOfAtMost512Bytes(t *testing.T) {
	t.Parallel()
	for ticket, valid := range map[string]bool{
		"": false, "t-1": true, "t=": true, "*": false, `a"b`: false, "a b": false, "a\r\nb": false,
		strings.Repeat("t", 512): true, strings.Repeat("t", 513): false,
	} {
		assert.Equal(t, valid, uma.ValidTicket(ticket), "%.20q", ticket)
	}
}

func TestAnRPTDoesNotPrint(t *testing.T) {
	t.Parallel()
	rpt := parse(t, "s3cr3t")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		assert.Equal(t, "[redacted]", fmt.Sprintf(verb, rpt), verb)
	}
	assert.NotContains(t, fmt.Sprintf("%+v", struct{ RPT uma.RPT }{rpt}), "s3cr3t")
	assert.Equal(t, "s3cr3t", rpt.Reveal())
}

func TestAFingerprintFindsAnRPTWithoutNamingIt(t *testing.T) {
	t.Parallel()
	key, other := &[32]byte{1}, &[32]byte{2}
	print := parse(t, "abc").Fingerprint(key)
	assert.Regexp(t, "^[0-9a-f]{8}$", print)
	assert.Equal(t, print, parse(t, "abc").Fingerprint(key))
	assert.NotEqual(t, print, parse(t, "abd").Fingerprint(key))
	assert.NotEqual(t, print, parse(t, "abc").Fingerprint(other), "another process")
	assert.Empty(t, uma.RPT{}.Fingerprint(key))
}

func TestReadingAnRPTDoesNotAllocate(t *testing.T) {
	h := authorization("Bearer abc")
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		if rpt, err := uma.ReadRPT(h); err != nil || rpt.IsZero() {
			t.Fatal(err)
		}
	}))
}

func FuzzRPT(f *testing.F) {
	for _, seed := range []string{"Bearer abc", "bearer  a==", "Bearer", "Bearer *", "Basic x", "", "Bearer\tx", "Bearer gat_x", "Bearer a=b", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		read, err := uma.ReadRPT(authorization(value))
		if err != nil || read.IsZero() {
			return
		}
		rpt := read.Reveal()
		assert.Empty(t, strings.Trim(rpt, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/="))
		assert.False(t, strings.HasPrefix(strings.ToLower(rpt), "gat_"))
		assert.True(t, strings.EqualFold(value[:7], "bearer ") && strings.HasSuffix(value, rpt))
		_, err = uma.ReadRPT(authorization(value, value))
		assert.Error(t, err)
		again, err := uma.ParseRPT(rpt)
		require.NoError(t, err)
		assert.Equal(t, read, again)
	})
}
