// Command chi is a service on chi with a public page, a page behind a login and a route guarded by
// UMA:
//
//	go run ./examples/chi
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/go-chi/chi/v5"

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
	photo := guard.Require(oxdauth.Resource{Path: "/photos/{id}", Method: "GET", Scopes: []string{"photos:view"}})
	var visits, views atomic.Int64

	r := chi.NewRouter()
	r.Use(auth.Optional) // answers /auth/callback, /auth/login and /auth/logout, and says who is signed in
	r.Get("/", func(w http.ResponseWriter, r *http.Request) {
		_, signedIn := oxdauth.SessionFromContext(r.Context())
		fmt.Fprintf(w, "A page for everybody. Signed in: %t\n", signedIn)
	})
	r.Group(func(r chi.Router) {
		r.Use(auth.Handler) // the one line: nobody gets past it without a session
		r.Get("/account", func(w http.ResponseWriter, r *http.Request) {
			session, _ := oxdauth.SessionFromContext(r.Context())
			fmt.Fprintf(w, "Hello, %s, visit %d\n", session.Claims.Get("name"), visits.Add(1))
		})
	})
	// With, not Use: the guard belongs to one route. All methods: it answers HEAD like GET, and
	// others with 405.
	r.With(photo).Handle("/photos/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Photo %s, view %d\n", chi.URLParam(r, "id"), views.Add(1))
	}))
	return r, guard.Protect(context.Background())
}
