// Foreign ID tokens.

package idp_test

import (
	"errors"
	"testing"

	"example.com/oxdauth/oxdtest/internal/idp"
)

// FuzzIDToken reads foreign tokens.
func FuzzIDToken(f *testing.F) {
	f.Add("e30.e30.AAAA")
	f.Add("eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOlsieCJdLCJleHAiOjF9.AA")
	access := idp.New(nil)
	f.Fuzz(func(t *testing.T, token string) {
		j, err := idp.ParseIDToken(token)
		if err != nil {
			if !errors.Is(err, idp.ErrInternal) {
				t.Fatal(err)
			}
			return
		}
		_, _ = j.HashMatches("x"), idp.ClaimStrings(j.Claims)
		if j.Verify(t.Context(), access, &idp.Metadata{Issuer: j.Text("iss")}, j.Text("aud")) == nil {
			t.Fatal("verified without a key")
		}
	})
}
