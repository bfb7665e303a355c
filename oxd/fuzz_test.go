package oxd_test

import (
	"context"
	"encoding/json"
	"testing"

	"example.com/oxdauth/oxd"
)

// FuzzDecodeAnswer gives the same foreign bytes to every command. Nothing may
// panic, nothing usable may come with an error, and access is granted by one
// answer alone.
func FuzzDecodeAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"status":"ok","data":{"access":"granted","ticket":null,"www-authenticate_header":null}}`,
		`{"status":"ok","data":{"access":"denied","ticket":"t","www-authenticate_header":"UMA ticket=\"t\""}}`,
		`{"status":"ok","data":{"authorization_url":"https://x.example/?state=s","uri":"https://x.example/","url":"http://x.example/","state":"s"}}`,
		`{"status":"ok","data":{"access_token":"a","expires_in":1e300,"scope":["a b"],"id_token_claims":{"sub":["u"]},"claims":{"a":[null]}}}`,
		`{"status":"error","data":{"error":"need_info","details":{"error":"need_info","ticket":"t","required_claims":[{"issuer":["i"]}],"redirect_user":"https://x.example/"}}}`,
		`{"status":"error","data":{"error":"internal_error","details":null,"error_description":"Unknown internal server error occurs."}}`,
		`{"status":"ok","STATUS":"error","data":[]}`, `{"status":"ok","status":"error"}`, `null`, `[[[[`, "{\"status\":\"\xff\"}", ``,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		resp, err := oxd.DecodeEnvelope(msg)
		if err != nil {
			if resp != nil {
				t.Fatal("a response beside an error")
			}
			return
		}
		c, err := oxd.NewClient(scripted(func(context.Context, *oxd.Request) (*oxd.Response, error) { return resp, nil }), oxd.Site{OxdID: "x"})
		if err != nil {
			t.Fatal(err)
		}
		checkAccess(t, c, resp)
		ctx := t.Context()
		tokens, err := c.TokensByCode(ctx, "c", "s")
		neither(t, "tokens", tokens != nil, err)
		if tokens != nil && (tokens.AccessToken.IsZero() || tokens.ExpiresIn < -1) {
			t.Fatalf("tokens %+v", tokens)
		}
		rpt, err := c.RPT(ctx, oxd.RPTParams{Ticket: secret("t")})
		neither(t, "RPT", rpt != nil, err)
		u, err := c.AuthorizationURL(ctx, oxd.AuthorizationURLParams{})
		neither(t, "URL", u != "", err)
		g, err := c.ClaimsGatheringURL(ctx, oxd.ClaimsGatheringParams{Ticket: secret("t"), ClaimsRedirectURI: "https://x.example/"})
		neither(t, "claims gathering", g != nil, err)
		s, err := c.SetupClient(ctx, siteParams())
		neither(t, "setup", s != nil, err)
		if claims, err := c.UserInfo(ctx, secret("a")); err != nil && claims != nil {
			t.Fatal("claims beside an error")
		}
	})
}

func neither(t *testing.T, what string, usable bool, err error) {
	t.Helper()
	if usable == (err != nil) {
		t.Fatalf("%s: usable %v, error %v", what, usable, err)
	}
	if err != nil && err.Error() == "" {
		t.Fatalf("%s: error without a text", what)
	}
}

func checkAccess(t *testing.T, c *oxd.Client, resp *oxd.Response) {
	t.Helper()
	access, err := c.CheckAccess(t.Context(), oxd.CheckAccessParams{Path: "/", HTTPMethod: "GET"})
	neither(t, "access", access != nil, err)
	if access == nil || !access.Granted {
		return
	}
	var data map[string]any
	if resp.Status != "ok" || json.Unmarshal(resp.Data, &data) != nil || data["access"] != "granted" {
		t.Fatalf("granted by %s %s", resp.Status, resp.Data)
	}
}
