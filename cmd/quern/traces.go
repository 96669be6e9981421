package main

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/internal/traces"
)

// traceFlags say where a process sends its spans.
type traceFlags struct{ endpoint string }

func (f *traceFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.endpoint, "otlp-endpoint", "", "OpenTelemetry collector that traces are sent to, by OTLP over HTTP: http://host:4318 (default: as OTEL_EXPORTER_OTLP_ENDPOINT says, or none)")
	annotate(cmd, "otlp-endpoint", noteInstead, "OTEL_EXPORTER_OTLP_ENDPOINT")
}

// open makes what takes spans; nil where nobody wants them.
func (f *traceFlags) open(service, instance string, log *slog.Logger) (*traces.Tracer, error) {
	if f.endpoint == "" && !collectorInEnvironment() {
		return nil, nil
	}
	t, err := traces.Open(traces.Options{Endpoint: f.endpoint, Service: service, Instance: instance, Build: build(), Log: log})
	if err != nil {
		return nil, usageError{fmt.Errorf("--otlp-endpoint: %w", err)}
	}
	return t, nil
}

// collectorInEnvironment reports that the variables of OpenTelemetry name a collector, and do not turn it off.
func collectorInEnvironment() bool {
	named := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	return named && !strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") && os.Getenv("OTEL_TRACES_EXPORTER") != "none"
}

// traceparent is the span that this command is a part of, if whoever started it says so and it can be read.
func traceparent() string {
	p := os.Getenv("TRACEPARENT")
	if traces.Check(p) != nil {
		return ""
	}
	return p
}
