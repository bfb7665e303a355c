package main

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/oxdauth/oxdtest"
)

func TestLoginsDecisionsAndCommandsAreSeen(t *testing.T) {
	t.Parallel()
	server := oxdtest.NewServer()
	t.Cleanup(server.Close)
	spans := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans))
	base := server.ServeApp(func(base string) http.Handler {
		handler, err := newHandler(t.Context(), server, base, provider, prometheus.NewRegistry())
		require.NoError(t, err)
		return handler
	})
	b := server.Browser()
	res, err := b.LogIn(base+"/", "alice", "alice-secret")
	require.NoError(t, err)
	res.Body.Close()
	get := func(path string) string {
		res, err := b.Get(base + path)
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		return string(body)
	}
	get("/reports")
	scraped := get("/metrics")
	for _, line := range []string{
		`oxdauth_events_total{kind="login_started",reason=""} 1`, `oxdauth_events_total{kind="login_succeeded",reason=""} 1`,
		`oxdauth_decisions_total{outcome="denied",resource="/reports"} 1`, `oxdauth_decision_seconds_count{outcome="denied"} 1`,
	} {
		assert.Contains(t, scraped, line)
	}
	var names []string
	for _, span := range spans.GetSpans() {
		names = append(names, span.Name)
		assert.NotContains(t, fmt.Sprint(span.Attributes), "token")
	}
	assert.Subset(t, names, []string{"oxd get_authorization_url", "oxd get_tokens_by_code", "oxd uma_rs_protect", "oxd uma_rs_check_access"})
}
