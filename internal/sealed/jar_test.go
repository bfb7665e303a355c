package sealed_test

// Our cookies in the header of a request, whatever stands there.

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/internal/sealed"
)

func TestThreeCookiesOfOneNameAreTried(t *testing.T) {
	t.Parallel()
	c := testCookie(t, "p", "a")
	j := sealed.ReadJar(withCookies("__Host-test=1; __Host-test_1=x; __Host-test=2; __Host-test=3; __Host-test=4"), c.Name())
	var values []string
	for value := range c.Values(j) {
		values = append(values, value)
	}
	assert.Equal(t, []string{"1", "2", "3"}, values)
	for value := range c.Values(j) {
		assert.Equal(t, "1", value)
		break
	}
}

func TestOddCookieHeadersAreNothing(t *testing.T) {
	t.Parallel()
	for _, header := range []string{
		";", "=", "a", ";;=;", "__Host-oxdauth", "__Host-oxdauth=", " ; __Host-oxdauth ; ", "\x00=\x01;\xff",
	} {
		t.Run("V-80 "+header, func(t *testing.T) {
			t.Parallel()
			for _, c := range sealed.ReadJar(withCookies(header), "__Host-oxdauth") {
				assert.Empty(t, c.Value)
			}
		})
	}
}

func FuzzOpen(f *testing.F) {
	c := testCookie(f, "p", "a")
	value, err := c.SealOne(&note{"ours"})
	require.NoError(f, err)
	f.Add(c.Name() + "=" + value)
	f.Add("__Host-test=AAAAAA.2.x; __Host-test_1=y")
	f.Fuzz(func(t *testing.T, header string) {
		v := new(note)
		if open(c, sealed.ReadJar(withCookies(header), c.Name()), v) == nil && v.text != "ours" {
			t.Fatalf("accepted %q", header)
		}
	})
}
