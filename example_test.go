package oxdauth_test

import (
	"context"
	"errors"
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
		auth, err := oxdauth.New(srv.Client(base+"/auth/callback"), oxdauth.WithKeys(testKey))
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
		},
		File: "oxd-site.json",
	})
	if err != nil {
		log.Fatal(err)
	}
	auth, err := oxdauth.New(client,
		oxdauth.WithKeys(testKey), oxdauth.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(auth.CallbackPath(), auth.LoginPath(), auth.LogoutPath())
	// Output: /auth/callback /auth/login /auth/logout
}

// A problem with the arguments is reported at start, all of them at once.
func ExampleNew_problems() {
	client, err := oxd.NewClient(&oxd.TCPTransport{}, oxd.Site{Params: oxd.RegisterSiteParams{
		OPHost: "https://idp.example.org", AuthorizationRedirectURI: "http://admin.example.org/cb",
	}})
	if err != nil {
		log.Fatal(err)
	}
	_, err = oxdauth.New(client, oxdauth.WithKeys([]byte("too short")))
	fmt.Println(err)
	// Output:
	// oxdauth: WithKeys: key 0: 9 bytes; want 32 random bytes, 64 hexadecimal digits or 43 base64 characters
	// oxdauth: Site.Params.AuthorizationRedirectURI "http://admin.example.org/cb": plain http needs WithInsecureCookies
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
	guard.Handle(mux, "GET /photos/{id}", show, oxdauth.Resource{Scopes: []string{"photos:view", "photos:all"}, TicketScopes: []string{"photos:view"}})
	mux.Handle("GET /health", oxdauth.Public("for the load balancer")(http.NotFoundHandler()))
	if err := guard.Protect(context.Background()); err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe("localhost:8080", mux))
}

// A handler that calls an API for the user, tested without a login.
func ExampleSession_ForTest() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oxdauth.SessionFromContext(r.Context())
		fmt.Println("session", session.ID(), "calls with", session.AccessToken().Reveal())
	})
	r, _ := http.NewRequest(http.MethodGet, "/", nil)
	session := (&oxdauth.Session{Subject: "u1"}).ForTest(oxdauth.TestSession{ID: "S1", AccessToken: oxd.NewSecret("at-1")})
	handler.ServeHTTP(nil, r.WithContext(oxdauth.ContextWithSession(r.Context(), session)))
	// Output: session S1 calls with at-1
}

// An application's own pages for errors. What it does not word itself it leaves to the default.
func ExampleWithErrorHandler() {
	var auth *oxdauth.Middleware // from New
	option := oxdauth.WithErrorHandler(func(w http.ResponseWriter, r *http.Request, err error) {
		var failed *oxdauth.RequestError
		if !errors.As(err, &failed) || !errors.Is(err, oxdauth.ErrForbidden) {
			auth.WriteError(w, r, err)
			return
		}
		w.WriteHeader(oxdauth.StatusCode(err))
		fmt.Fprintf(w, "Not for you. Tell the help desk: %s.", failed.RequestID)
	})
	_ = option // of New
}
