// Command config is a service that is set up by a file and environment variables alone: go run
// ./examples/config -config FILE. docs/configuration.md describes the keys.
package main

import (
	"context"
	"flag"
	"fmt"
	"html"
	"log"
	"net/http"
	"os"
	"time"

	"example.com/oxdauth"
	"example.com/oxdauth/examples/internal/config"
)

func main() {
	file := flag.String("config", "", "`file` of JSON; the environment (OXDAUTH_…) wins")
	flag.Parse()
	if err := serve(context.Background(), *file); err != nil {
		log.Fatal("config: ", err)
	}
}

func serve(ctx context.Context, file string) error {
	cfg, err := config.Load(file, os.LookupEnv)
	if err != nil {
		return err
	}
	handler, stop, err := newHandler(ctx, cfg)
	if err != nil {
		return err
	}
	defer stop()
	log.Printf("listening at %s", cfg.Listen)
	srv := &http.Server{Addr: cfg.Listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return srv.ListenAndServe()
}

// newHandler returns the whole service; stop ends what it holds.
func newHandler(ctx context.Context, cfg *config.Config) (handler http.Handler, stop func(), err error) {
	client, err := cfg.OxdClient()
	if err != nil {
		return nil, nil, err
	}
	opts, err := cfg.Options()
	if err != nil {
		return nil, nil, err
	}
	if err := cfg.Extend(ctx, client); err != nil {
		return nil, nil, err
	}
	auth, err := oxdauth.New(client, opts...)
	if err != nil {
		return nil, nil, err
	}
	stop = func() {
		_ = auth.Close()
		_ = client.Close()
	}
	return auth.Handler(http.HandlerFunc(hello)), stop, nil
}

func hello(w http.ResponseWriter, r *http.Request) {
	s, _ := oxdauth.SessionFromContext(r.Context())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!DOCTYPE html><title>Hello</title><p>Hello %s.</p><p><a href="/auth/logout">Sign out</a></p>`, html.EscapeString(s.Claims.Get("name")))
}
