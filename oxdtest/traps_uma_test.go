// Traps of the real server at UMA.

package oxdtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxdtest"
)

// photos protects /photo for GET with a scope.
func photos(scope string) []object {
	return []object{{"path": "/photo", "conditions": []object{{"httpMethods": []string{"GET"}, "scopes": []string{scope}}}}}
}

func TestUMAChecksAndTokensAreThoseOfOxd(t *testing.T) {
	t.Parallel()
	t.Run("traps 32 to 39", func(t *testing.T) {
		t.Parallel()
		s := started(t, oxdtest.Config{})
		id := register(t, s)
		_, code, description := send(t, s, "uma_rs_protect", object{"oxd_id": id, "resources": photos("view")})
		require.Empty(t, code, description)
		check := func(rpt, path, method string) (map[string]any, string, string) {
			return send(t, s, "uma_rs_check_access", object{"oxd_id": id, "rpt": rpt, "path": path, "http_method": method})
		}
		rpt := func(ticket any) (map[string]any, string, string) {
			return send(t, s, "uma_rp_get_rpt", object{"oxd_id": id, "ticket": ticket, "state": "ignored"})
		}
		denied, _, _ := check("", "/photo", "GET")
		ticket := denied["ticket"].(string)
		assert.Equal(t, "denied", denied["access"])
		assert.Equal(t, `UMA realm="rs",as_uri="`+s.Provider.URL+`",error="insufficient_scope",ticket="`+ticket+`"`, denied["www-authenticate_header"])

		granted, code, description := rpt(ticket)
		require.Empty(t, code, description)
		assert.Contains(t, granted, "updated", "trap 40")
		assert.NotContains(t, granted, "upgraded")
		token := granted["access_token"].(string)
		for _, path := range []string{"/photo", "/Photo"} {
			for _, method := range []string{"GET", "get"} {
				answer, _, _ := check(token, path, method)
				assert.Equal(t, "granted", answer["access"], "%s %s: compared ignoring case", method, path)
				assert.Nil(t, answer["ticket"])
			}
		}
		for _, path := range []string{"/photo/", "/photo?x=1", "/a/../photo", "/photos", "/%70hoto"} {
			_, code, description := check(token, path, "GET")
			assert.Equal(t, "invalid_request", code)
			assert.Equal(t, "Resource is not protected with path: "+path+" and httpMethod: GET. Please protect your resource first with uma_rs_protect command. Check details on https://www.gluu.org/docs-oxd/", description)
		}
		_, code, _ = check(token, "/photo", "HEAD")
		assert.Equal(t, "invalid_request", code)

		// 34: protecting again adds and the first row goes on deciding.
		_, code, _ = send(t, s, "uma_rs_protect", object{"oxd_id": id, "resources": photos("other")})
		require.Empty(t, code)
		answer, _, _ := check(token, "/photo", "GET")
		assert.Equal(t, "granted", answer["access"])

		// 39: need_info carries a new ticket.
		s.Provider.SetPolicy("view", oxdtest.Policy{Gather: []string{"country"}})
		denied, _, _ = check("", "/photo", "GET")
		data, code, _ := rpt(denied["ticket"])
		assert.Equal(t, "need_info", code)
		details := data["details"].(map[string]any)
		assert.NotEmpty(t, details["ticket"])
		assert.NotEqual(t, denied["ticket"], details["ticket"])
		gathering, code, description := send(t, s, "uma_rp_get_claims_gathering_url", object{"oxd_id": id, "ticket": details["ticket"], "claims_redirect_uri": "https://app.example/claims"})
		require.Empty(t, code, description)
		assert.Contains(t, gathering["url"], "&claims_redirect_uri=https://app.example/claims&state="+gathering["state"].(string))

		// 4 again: a denial by policy cannot be told from a fault.
		s.Provider.SetPolicy("view", oxdtest.Policy{Deny: true})
		denied, _, _ = check("", "/photo", "GET")
		_, code, description = rpt(denied["ticket"])
		assert.Equal(t, "internal_error", code)
		assert.Equal(t, "Unknown internal server error occurs.", description)

		// 37: with the provider away there is no answer to a check at all.
		s.Provider.SetDown(true)
		_, code, _ = check(token, "/photo", "GET")
		assert.Equal(t, "internal_error", code)
	})
}
