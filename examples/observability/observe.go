package main

// What an application counts and traces: events of logins and sessions, decisions of the guard, and
// commands to oxd.

import (
	"context"
	"errors"
	"io"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"example.com/oxdauth"
	"example.com/oxdauth/oxd"
)

// metrics are labelled with values of which there are few: kinds and reasons, never subjects or
// paths.
type metrics struct {
	events    *prometheus.CounterVec
	decisions *prometheus.CounterVec
	latency   *prometheus.HistogramVec
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		events:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oxdauth_events_total", Help: "Logins, refreshes, ended sessions and refusals."}, []string{"kind", "reason"}),
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oxdauth_decisions_total", Help: "Decisions about guarded resources."}, []string{"resource", "outcome"}),
		latency:   prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "oxdauth_decision_seconds", Help: "Time to a decision."}, []string{"outcome"}),
	}
	registry.MustRegister(m.events, m.decisions, m.latency)
	return m
}

func (m *metrics) event(_ context.Context, e oxdauth.Event) {
	m.events.WithLabelValues(string(e.Kind), string(e.Reason)).Inc()
}

func (m *metrics) decision(_ context.Context, d oxdauth.Decision) {
	m.decisions.WithLabelValues(d.Resource, d.Outcome.String()).Inc()
	m.latency.WithLabelValues(d.Outcome.String()).Observe(d.Latency.Seconds())
}

// traced makes a span of each command to oxd. Parameters and answers hold tokens, so none of them
// is recorded.
type traced struct {
	oxd.Transport
	tracer trace.Tracer
}

// Close and OxdVersion would be hidden by the embedded interface.
func (t traced) Close() error {
	if closer, ok := t.Transport.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

func (t traced) OxdVersion() int {
	if versioned, ok := t.Transport.(interface{ OxdVersion() int }); ok {
		return versioned.OxdVersion()
	}
	return 3
}

func (t traced) RoundTrip(ctx context.Context, req *oxd.Request) (*oxd.Response, error) {
	ctx, span := t.tracer.Start(ctx, "oxd "+req.Command, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	resp, err := t.Transport.RoundTrip(ctx, req)
	switch {
	case err != nil:
		span.SetStatus(codes.Error, "no answer")
		span.SetAttributes(attribute.Bool("oxd.unavailable", errors.Is(err, oxd.ErrUnavailable)))
	default:
		span.SetAttributes(attribute.String("oxd.status", string(resp.Status)))
	}
	return resp, err
}
