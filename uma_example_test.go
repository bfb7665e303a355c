package oxdauth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

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
