// Command observability is a service whose logins, decisions and commands to oxd are counted by
// Prometheus and traced by OpenTelemetry: go run ./examples/observability, then look at /metrics;
// spans go to the standard error.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
	"example.com/oxdauth/oxdtest"
)

const address = "localhost:8080"

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal("observability: ", err)
	}
}

func run(ctx context.Context) error {
	exporter, err := stdouttrace.New(stdouttrace.WithWriter(os.Stderr))
	if err != nil {
		return err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	defer func() { _ = provider.Shutdown(ctx) }()
	server := oxdtest.NewUnstartedServer(oxdtest.Config{InsecureProvider: true})
	server.Start()
	defer server.Close()
	handler, err := newHandler(ctx, server, "http://"+address, provider, prometheus.NewRegistry(), oxdauth.WithInsecureCookies())
	if err != nil {
		return err
	}
	fmt.Printf("http://%s, sign in as alice with alice-secret\n", address)
	srv := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	return srv.ListenAndServe()
}

// newHandler returns the whole service at base, with the embedded oxd.
func newHandler(ctx context.Context, server *oxdtest.Server, base string, provider *sdktrace.TracerProvider, registry *prometheus.Registry, opts ...oxdauth.Option) (http.Handler, error) {
	m := newMetrics(registry)
	client, err := oxd.NewClient(traced{server.Transport(), provider.Tracer("oxdauth")}, server.Site(base+"/auth/callback"))
	if err != nil {
		return nil, err
	}
	auth, err := oxdauth.New(client, append(opts, oxdauth.WithEventHook(m.event))...)
	if err != nil {
		return nil, err
	}
	guard, err := oxdauth.NewGuard(client, "reports", oxdauth.WithDecisionHook(m.decision))
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{})) // reachable for the collector alone, in earnest
	mux.Handle("/", auth.Handler(http.HandlerFunc(hello)))
	guard.Handle(mux, "GET /reports", http.HandlerFunc(hello), oxdauth.Resource{Scopes: []string{"view"}})
	return mux, guard.Protect(ctx)
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "Hello. See /metrics.") }
