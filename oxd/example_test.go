package oxd_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"

	"example.com/oxdauth/oxd"
)

// demoTransport leads to a scripted oxd instead of 127.0.0.1:8099.
func demoTransport() *oxd.TCPTransport {
	f := bareFake()
	f.reply("get_tokens_by_code", answer{data: params{
		"access_token": "at", "id_token": "it", "expires_in": 299,
		"id_token_claims": params{"sub": []string{"u1"}, "name": []string{"Zoë"}, "nonce": []string{"n"}},
	}})
	f.reply("get_access_token_by_refresh_token", unexplained)
	f.reply("uma_rs_check_access", answer{data: params{
		"access": "denied", "ticket": "e986", "www-authenticate_header": `UMA realm="rs",ticket="e986"`,
	}})
	return &oxd.TCPTransport{DialContext: f.dialPipe}
}

// A login: the URL for the browser, and what its callback is exchanged for.
func Example() {
	client, err := oxd.NewClient(demoTransport(), oxd.Site{Params: oxd.RegisterSiteParams{
		OPHost:                   "https://idp.example.org",
		AuthorizationRedirectURI: "https://app.example.org/auth/callback",
	}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	ctx := context.Background()

	location, err := client.AuthorizationURL(ctx, oxd.AuthorizationURLParams{ACRValues: []string{"otp"}})
	if err != nil {
		log.Fatal(err)
	}
	u, err := url.Parse(location)
	if err != nil {
		log.Fatal(err)
	}
	state, nonce := u.Query().Get("state"), u.Query().Get("nonce") // to be kept for this browser

	tokens, err := client.TokensByCode(ctx, "code of the callback", state) // the callback's state was the same
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tokens.Claims.Get("nonce") == nonce, tokens.Claims.Get("name"), tokens.ExpiresIn)
	fmt.Println(tokens.AccessToken)
	// Output:
	// true Zoë 4m59s
	// [redacted]
}

// A registration that survives restarts.
func ExampleNewClient() {
	site := oxd.Site{
		Params: oxd.RegisterSiteParams{
			OPHost:                   "idp.example.org",
			AuthorizationRedirectURI: "https://app.example.org/auth/callback#fragment",
		},
		File: "/var/lib/app/oxd-site.json",
	}
	_, err := oxd.NewClient(&oxd.TCPTransport{Addr: "localhost:8099"}, site)
	fmt.Println(err)

	site.Params.AuthorizationRedirectURI = "https://app.example.org/auth/callback"
	client, err := oxd.NewClient(&oxd.TCPTransport{Addr: "localhost:8099"}, site)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	fmt.Println(client.Audience())
	// Output:
	// oxd: AuthorizationRedirectURI "https://app.example.org/auth/callback#fragment": has a query, a fragment or a character that oxd would not encode
	// site:https://idp.example.org https://app.example.org/auth/callback
}

// The decision of a resource server.
func ExampleClient_CheckAccess() {
	client, err := oxd.NewClient(demoTransport(), oxd.Site{OxdID: "3c3f3a1e"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	access, err := client.CheckAccess(context.Background(), oxd.CheckAccessParams{
		RPT: oxd.NewSecret("token of the request"), Path: "/photo", HTTPMethod: http.MethodGet,
	})
	switch {
	case err != nil: // no answer is no permission
		fmt.Println(http.StatusServiceUnavailable)
	case access.Granted:
		fmt.Println(http.StatusOK)
	default:
		fmt.Println(http.StatusUnauthorized, access.WWWAuthenticate)
	}
	// Output:
	// 401 UMA realm="rs",ticket="e986"
}

// Telling refusals from outages.
func ExampleError() {
	client, err := oxd.NewClient(demoTransport(), oxd.Site{OxdID: "3c3f3a1e"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	_, err = client.RefreshTokens(context.Background(), oxd.NewSecret("refresh token"))
	var refused *oxd.Error
	if errors.As(err, &refused) {
		fmt.Println(refused.Command, refused.Code)
	}
	fmt.Println(errors.Is(err, oxd.CodeInternalError), errors.Is(err, oxd.ErrUnavailable))
	fmt.Println(err)
	// Output:
	// get_access_token_by_refresh_token internal_error
	// true false
	// oxd: get_access_token_by_refresh_token: internal_error
}

// A command without a method of its own.
func ExampleClient_Do() {
	client, err := oxd.NewClient(demoTransport(), oxd.Site{OxdID: "3c3f3a1e"})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	var license struct{ Valid bool }
	if err := client.Do(context.Background(), "license_status", nil, &license); err != nil {
		log.Fatal(err)
	}
	fmt.Println(license.Valid)
	// Output:
	// true
}

// The extension, with a CA of one's own.
func ExampleHTTPSTransport() {
	extension := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/get-client-token":
			fmt.Fprint(w, `{"status":"ok","data":{"access_token":"b754","expires_in":299}}`)
		case "/get-user-info":
			fmt.Fprint(w, `{"status":"ok","data":{"claims":{"sub":["u1"]}}}`)
		}
	}))
	defer extension.Close()

	transport := &oxd.HTTPSTransport{
		BaseURL: extension.URL,
		Client:  extension.Client(), // trusts that CA
	}
	client, err := oxd.NewClient(transport, oxd.Site{
		OxdID:     "3c3f3a1e",
		Protected: true,
		Credentials: &oxd.Credentials{
			OPHost: "https://idp.example.org", ClientID: "setup client", ClientSecret: oxd.NewSecret("its secret"),
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	claims, err := client.UserInfo(context.Background(), oxd.NewSecret("access token"))
	fmt.Println(claims.Get("sub"), err)
	// Output:
	// u1 <nil>
}

func ExampleSecret() {
	s := oxd.NewSecret("hunter2")
	fmt.Printf("%v %#v %q %x\n", s, s, s, s)
	fmt.Println(s.Reveal())
	// Output:
	// [redacted] [redacted] [redacted] [redacted]
	// hunter2
}
