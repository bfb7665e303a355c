// Command admin is an internal admin UI of an invented company, protected by oxdauth. Started
// without flags it needs nothing else on the machine: oxd and the OpenID Provider are embedded.
// With -oxd it uses a real oxd.
//
// This file has the program's life: start, serve, stop. flags.go reads the command line, oxd.go
// connects to oxd, app.go has the routes.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.com/oxdauth"
)

// shutdownTime is how long requests in progress may take after Ctrl-C.
const shutdownTime = 5 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without the process: it returns the exit status, 2 for a wrong command line
// and 1 for every other failure, and writes one line to stderr for either.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parseFlags(args, stdout)
	if err == nil {
		err = serve(ctx, cfg, stdout, slog.New(slog.NewTextHandler(stderr, nil)))
	}
	var wrong *usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintln(stderr, "admin:", oneLine(err))
		return 2
	}
	fmt.Fprintln(stderr, "admin:", oneLine(err))
	return 1
}

func oneLine(err error) string { return strings.Join(strings.Split(err.Error(), "\n"), "; ") }

// serve runs the application until ctx ends.
func serve(ctx context.Context, cfg config, stdout io.Writer, log *slog.Logger) (err error) {
	listener, err := net.Listen("tcp", cfg.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use by another program; choose another address with -listen", cfg.listen)
	}
	if err != nil {
		return err
	}
	defer listener.Close() // the server closes it too; this is for the returns before there is one
	redirectURL := cfg.callback(listener.Addr())

	server, err := connect(cfg, redirectURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.close()) }()
	var opts []oxdauth.Option
	if cfg.keysFile != "" {
		keys, err := loadKeys(cfg.keysFile)
		if err != nil {
			return err
		}
		opts = append(opts, oxdauth.WithKeys(keys[0], keys[1:]...))
	}
	data := newStore(samplePeople())
	data.linkByEmail, data.ownerFirst = server.embedded(), !server.embedded()
	if server.embedded() {
		data.addAccounts(server.users)
	}
	a, err := newApp(setup{
		client: server.client, self: newSelf(listener.Addr()), protectionFile: cfg.protectionFile(),
		data: data, log: log,
	}, opts...)
	if err != nil {
		return &usageError{err}
	}
	defer func() { err = errors.Join(a.close(), err) }()
	handler := a.handler()
	if server.embedded() {
		if err := a.guard.Protect(ctx); err != nil {
			return err
		}
	} else {
		defer inBackground(ctx, func(ctx context.Context) { keepProtected(ctx, a.guard, log) })()
	}

	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	fmt.Fprint(stdout, banner(redirectURL, server))
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	fmt.Fprintln(stdout, "Stopping.")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	return srv.Shutdown(stopping)
}

// inBackground runs f beside the server. It returns a function that ends f and waits for that.
func inBackground(ctx context.Context, f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	return func() {
		cancel()
		running.Wait()
	}
}

// banner says where the application is and who can sign in.
func banner(redirectURL string, server *oxdServer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n  Admin UI      %s\n", originOf(redirectURL))
	fmt.Fprintf(&b, "  Photo API     %s/api/photos\n", originOf(redirectURL))
	fmt.Fprintf(&b, "  oxd           %s\n", server.where)
	for i, u := range server.users {
		label := ""
		if i == 0 {
			label = "Sign in as"
		}
		factor := "no second factor, so the settings stay closed"
		if hasACR(u, strongACR) {
			factor = "second factor: code " + secondFactor
		}
		fmt.Fprintf(&b, "  %-13s %s / %s   (%s)\n", label, u.Name, u.Password, factor)
	}
	b.WriteString("\n  Press Ctrl-C to stop.\n\n")
	return b.String()
}
