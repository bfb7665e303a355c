package oxdauth_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

// A whole application behind a login. Here oxd, the provider and the person's browser all come from
// oxdtest.
func Example() {
	srv := oxdtest.NewServer()
	defer srv.Close()

	base := srv.ServeApp(func(base string) http.Handler {
		auth, err := oxdauth.New(srv.Client(base+"/auth/callback"), base+"/auth/callback", oxdauth.WithKeys(testKey))
		if err != nil {
			log.Fatal(err)
		}
		return auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			session, _ := oxdauth.SessionFromContext(r.Context())
			fmt.Fprintf(w, "Hello, %s, this is %s.", session.Claims.Get("name"), r.URL.Path)
		}))
	})

	res, err := srv.Browser().LogIn(base+"/reports", "zoe", "Zoë")
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	fmt.Println(string(body))
	// Output: Hello, Zoë 李 😀, this is /reports.
}

func ExampleNew() {
	client, err := oxd.NewClient(&oxd.TCPTransport{Addr: "127.0.0.1:8099"}, oxd.Site{
		Params: oxd.RegisterSiteParams{
			OPHost:                   "https://idp.example.org",
			AuthorizationRedirectURI: "https://admin.example.org/auth/callback",
			PostLogoutRedirectURI:    "https://admin.example.org/",
		},
		File: "oxd-site.json",
	})
	if err != nil {
		log.Fatal(err)
	}
	auth, err := oxdauth.New(client, "https://admin.example.org/auth/callback",
		oxdauth.WithKeys(testKey), oxdauth.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(auth.CallbackPath(), auth.LoginPath(), auth.LogoutPath())
	// Output: /auth/callback /auth/login /auth/logout
}

// A problem with the arguments is reported at start, all of them at once.
func ExampleNew_problems() {
	_, err := oxdauth.New(nil, "http://admin.example.org/cb", oxdauth.WithKeys([]byte("too short")))
	fmt.Println(err)
	// Output:
	// oxdauth: New: nil client
	// oxdauth: WithKeys: key 0: 9 bytes; want 32 random bytes, 64 hexadecimal digits or 43 base64 characters
	// oxdauth: redirect URL "http://admin.example.org/cb": plain http needs WithInsecureCookies
}

// Routes with different needs: public, signed in, strongly signed in.
func ExampleMiddleware_RequireACR() {
	var auth *oxdauth.Middleware // from New
	page := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})

	mux := http.NewServeMux()
	mux.Handle("GET /{$}", auth.Optional(page))
	mux.Handle("GET /reports", auth.Handler(page))
	mux.Handle("POST /payments", auth.RequireACR("otp")(page))
	mux.Handle(auth.CallbackPath(), auth.Callback())
	mux.Handle("/auth/login", auth.Login())
	mux.Handle("/auth/logout", auth.Logout())
}

// A handler tested without a login.
func ExampleContextWithSession() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oxdauth.SessionFromContext(r.Context())
		fmt.Println("Hello,", session.Claims.Get("name"))
	})
	r, _ := http.NewRequest(http.MethodGet, "/", nil)
	session := &oxdauth.Session{Subject: "u1", Claims: oxd.Claims{"name": {"Alice"}}}
	handler.ServeHTTP(nil, r.WithContext(oxdauth.ContextWithSession(r.Context(), session)))
	// Output: Hello, Alice
}

// An API whose photos are guarded by UMA: declare, protect, serve.
func ExampleGuard() {
	client, err := oxd.NewClient(&oxd.TCPTransport{}, oxd.Site{File: "site.json", Params: oxd.RegisterSiteParams{
		OPHost: "https://op.example", AuthorizationRedirectURI: "https://photos.example/auth/callback",
	}})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := oxdauth.NewGuard(client, "photos", oxdauth.WithProtectionFile("uma.json"))
	if err != nil {
		log.Fatal(err)
	}
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "photo", r.PathValue("id")) })
	mux := http.NewServeMux()
	guard.Handle(mux, "GET /photos/{id}", show, oxdauth.AnyOf("photos:view", "photos:all"), oxdauth.TicketScopes("photos:view"))
	mux.Handle("GET /health", oxdauth.Public("for the load balancer")(http.NotFoundHandler()))
	if err := guard.Protect(context.Background()); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", mux))
}
