package oxd_test

import (
	"context"
	"encoding/json"
	"testing"

	"example.com/oxdauth/oxd"
)

// FuzzDecodeAnswer answers every command with the same foreign bytes. Nothing may
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
		tryAll(t, resp, err)
	})
}

// FuzzDecodeRESTAnswer does the same with the answers of oxd 4.
func FuzzDecodeRESTAnswer(f *testing.F) {
	for _, seed := range []string{
		`{"access":"granted"}`, `{"access":"denied","ticket":"t","www-authenticate_header":"UMA ticket=\"t\""}`,
		`{"authorization_url":"https://x.example/?state=s","uri":"https://x.example/","url":"http://x.example/","state":"s"}`,
		`{"access_token":"a","expires_in":-1,"scope":["a b"],"id_token_claims":{"sub":"u","aud":["a"],"exp":1}}`,
		`{"error":"need_info","ticket":"t","required_claims":[{"issuer":["i"]}],"redirect_user":"https://x.example/"}`,
		`{"active":true,"exp":1501860330,"permissions":[{"resource_id":"r","resource_scopes":["s"],"exp":1}]}`,
		`{"sub":"u","error":"e"}`, `{"error":"invalid_token"}`, `{"code":400,"message":"{\"error\":\"invalid_grant\"}"}`,
		`{"status":"ok","data":{"access":"granted"}}`, "Invalid parameters. Message: x", `{"a":1,"a":2}`, "\xff", ``,
	} {
		for _, status := range []int{200, 400, 403, 500} {
			f.Add(status, []byte(seed))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		for _, command := range []string{"uma_rs_check_access", "get_user_info"} {
			resp, err := oxd.ReadREST(command, status, body)
			if err == nil && (resp.Status == "ok") != (status == 200) {
				t.Fatalf("status %d read as %s", status, resp.Status)
			}
			if err == nil && !json.Valid(resp.Data) {
				t.Fatalf("data is not JSON: %q", resp.Data)
			}
			tryAll(t, resp, err)
		}
	})
}

// tryAll has all commands read resp.
func tryAll(t *testing.T, resp *oxd.Response, err error) {
	t.Helper()
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
	introspected, err := c.IntrospectRPT(ctx, secret("r"))
	neither(t, "introspection", introspected != nil, err)
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
