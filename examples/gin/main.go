// Command gin is a service on gin with a public page, a page behind a login and a route guarded by
// UMA:
//
//	go run ./examples/gin
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"example.com/oxdauth"
	"example.com/oxdauth/examples/internal/demo"
	"example.com/oxdauth/oxd"
)

const callbackURL = "http://localhost:8080/auth/callback"

func main() {
	gin.SetMode(gin.ReleaseMode)
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

	r := gin.New()             // gin.Default would log the callback's query, in which the code is
	r.Use(wrap(auth.Optional)) // answers /auth/callback, /auth/login and /auth/logout, and says who is signed in
	r.GET("/", func(c *gin.Context) {
		_, signedIn := oxdauth.SessionFromContext(c.Request.Context())
		c.String(http.StatusOK, "A page for everybody. Signed in: %t\n", signedIn)
	})
	r.Group("/account", wrap(auth.Handler)).GET("", func(c *gin.Context) { // the one line: no session, no page
		session, _ := oxdauth.SessionFromContext(c.Request.Context())
		c.String(http.StatusOK, "Hello, %s, visit %d\n", session.Claims.Get("name"), visits.Add(1))
	})
	r.Any("/photos/:id", wrap(guard.Require(oxdauth.Resource{Path: "/photos/{id}", Method: "GET", Scopes: []string{"photos:view"}})), func(c *gin.Context) {
		c.String(http.StatusOK, "Photo %s, view %d\n", c.Param("id"), views.Add(1))
	}) // any method: the guard answers HEAD like GET, and others with 405
	return r, guard.Protect(context.Background())
}

// wrap makes a gin middleware of one for http.Handlers. Without Abort it would protect nothing:
// when a middleware returns, gin runs the rest of the chain, so a refused request would still reach
// the handler, which adds its page to the refusal.
func wrap(mw func(http.Handler) http.Handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		passed := false
		mw(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { // oxdauth does not wrap the ResponseWriter
			passed, c.Request = true, r // which knows the session
			c.Next()
		})).ServeHTTP(c.Writer, c.Request)
		if !passed {
			c.Abort()
		}
	}
}
