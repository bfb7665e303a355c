// Command nethttp is a service on http.ServeMux with a public page, a page behind a login and a
// route guarded by UMA:
//
//	go run ./examples/nethttp
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"example.com/oxdauth"
	"example.com/oxdauth/examples/internal/demo"
	"example.com/oxdauth/oxd"
)

const callbackURL = "http://localhost:8080/auth/callback"

func main() {
	client := demo.Oxd(callbackURL) // of the oxd in this process; yours comes from oxd.NewClient
	h, err := service(client)
	if err == nil {
		err = demo.Welcome(os.Stdout, client)
	}
	if err != nil {
		log.Fatal(err)
	}
	srv := &http.Server{Addr: "localhost:8080", Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second,
		WriteTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute}
	log.Fatal(srv.ListenAndServe())
}

// service builds the whole application.
func service(client *oxd.Client) (http.Handler, error) {
	auth, err := oxdauth.New(client, oxdauth.WithInsecureCookies()) // for http://localhost only
	if err != nil {
		return nil, err
	}
	guard, err := oxdauth.NewGuard(client, "photos")
	if err != nil {
		return nil, err
	}
	var visits, views atomic.Int64

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		_, signedIn := oxdauth.SessionFromContext(r.Context())
		fmt.Fprintf(w, "A page for everybody. Signed in: %t\n", signedIn)
	})
	// The one line is auth.Handler around what nobody gets at without a session, here one route.
	mux.Handle("GET /account", auth.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, _ := oxdauth.SessionFromContext(r.Context())
		fmt.Fprintf(w, "Hello, %s, visit %d\n", session.Claims.Get("name"), visits.Add(1))
	})))
	guard.Handle(mux, "GET /photos/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Photo %s, view %d\n", r.PathValue("id"), views.Add(1))
	}), oxdauth.Resource{Scopes: []string{"photos:view"}})

	// Optional answers /auth/callback, /auth/login and /auth/logout, and says who is signed in.
	return auth.Optional(mux), guard.Protect(context.Background())
}
