// Command echo is a service on echo 5 with a public page, a page behind a login and a route guarded
// by UMA:
//
//	go run ./examples/echo
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v5"

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

	e := echo.New()
	e.Use(echo.WrapMiddleware(auth.Optional)) // answers /auth/callback, /auth/login and /auth/logout, and says who is signed in
	e.GET("/", func(c *echo.Context) error {
		_, signedIn := oxdauth.SessionFromContext(c.Request().Context())
		return c.String(http.StatusOK, fmt.Sprintf("A page for everybody. Signed in: %t\n", signedIn))
	})
	account := e.Group("/account", echo.WrapMiddleware(auth.Handler)) // the one line: nobody gets past it without a session
	account.GET("", func(c *echo.Context) error {
		session, _ := oxdauth.SessionFromContext(c.Request().Context())
		return c.String(http.StatusOK, fmt.Sprintf("Hello, %s, visit %d\n", session.Claims.Get("name"), visits.Add(1)))
	})
	// The guard belongs to one route. All methods: it answers HEAD like GET, and others with 405.
	e.Any("/photos/:id", func(c *echo.Context) error {
		return c.String(http.StatusOK, fmt.Sprintf("Photo %s, view %d\n", c.Param("id"), views.Add(1)))
	}, echo.WrapMiddleware(photo))
	return e, guard.Protect(context.Background())
}
