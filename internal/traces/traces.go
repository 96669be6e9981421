// Package traces sends what runs, stages and attempts took to an OpenTelemetry collector, by OTLP over HTTP. Spans are made when what
// they tell of has ended. It is the one door to OpenTelemetry's libraries.
package traces

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

const (
	scope = "github.com/quern-engine/quern"
	// closePatience bounds how long a process that ends waits for the collector.
	closePatience = 5 * time.Second
)

// Options say where spans go, and who sends them.
type Options struct {
	// Endpoint is the base URL of a collector. Without one, the OTEL_EXPORTER_OTLP_* variables say which; they also say the rest:
	// headers, certificates, timeout, compression.
	Endpoint string
	Service  string // name, unless OTEL_SERVICE_NAME gives one
	Instance string // of the service; "" for a process that has no name
	Build    string
	Log      *slog.Logger
}

// Tracer emits spans. Nil is off, and costs nothing. It is safe for concurrent use.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	log      *slog.Logger
	emitted  atomic.Int64
	exporter *exporter
}

// Open makes a tracer. It does not speak to the collector yet.
func Open(o Options) (*Tracer, error) {
	options := []otlptracehttp.Option{otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
		Enabled: true, InitialInterval: time.Second, MaxInterval: 5 * time.Second, MaxElapsedTime: 20 * time.Second,
	})}
	if o.Endpoint != "" {
		address, err := tracesURL(o.Endpoint)
		if err != nil {
			return nil, err
		}
		options = append(options, otlptracehttp.WithEndpointURL(address))
	}
	ctx := context.Background() // nothing is asked yet
	otlp, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("open the exporter of traces: %w", err)
	}
	who, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(identity(o)...), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe this process to the collector of traces: %w", err)
	}
	t := &Tracer{log: o.Log, exporter: &exporter{SpanExporter: otlp, log: o.Log}}
	t.provider = sdk.NewTracerProvider(sdk.WithResource(who), sdk.WithIDGenerator(given{}), sdk.WithBatcher(t.exporter),
		sdk.WithSampler(sdk.ParentBased(sdk.AlwaysSample())))
	t.tracer = t.provider.Tracer(scope, trace.WithInstrumentationVersion(o.Build))
	return t, nil
}

func identity(o Options) []attribute.KeyValue {
	list := []attribute.KeyValue{attribute.String("service.name", o.Service), attribute.String("service.version", o.Build)}
	if o.Instance != "" {
		list = append(list, attribute.String("service.instance.id", o.Instance))
	}
	return list
}

// tracesURL is where a collector takes traces, as OTEL_EXPORTER_OTLP_ENDPOINT has it.
func tracesURL(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", fmt.Errorf("%q is not the URL of an OTLP collector: write http://host:4318, or https://", endpoint)
	}
	if strings.HasSuffix(u.Path, "/v1/traces") {
		return endpoint, nil
	}
	return u.JoinPath("v1/traces").String(), nil
}

// Span is something that has ended.
type Span struct {
	Place      Place
	Name       string
	Start, End time.Time
	Attributes []Attribute
	Events     []Event
	Failed     bool
	Failure    string // why, for people
}

// Attribute is a fact about a span. Value is a string, a bool, an int, an int64 or a float64.
type Attribute struct {
	Key   string
	Value any
}

// Event is something that happened meanwhile.
type Event struct {
	Name       string
	At         time.Time
	Attributes []Attribute
}

// Emit hands a span over to be exported. It never waits: where the collector does not keep up, spans are dropped.
func (t *Tracer) Emit(s Span) {
	if t == nil {
		return
	}
	ctx := context.WithValue(context.Background(), placeKey{}, s.Place)
	if parent := s.Place.context(); parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, parent)
	}
	_, span := t.tracer.Start(ctx, s.Name, trace.WithTimestamp(s.Start), trace.WithAttributes(attributes(s.Attributes)...))
	if !span.IsRecording() {
		return // the caller does not want to see this trace
	}
	for _, e := range s.Events {
		span.AddEvent(e.Name, trace.WithTimestamp(e.At), trace.WithAttributes(attributes(e.Attributes)...))
	}
	if s.Failed {
		span.SetStatus(codes.Error, s.Failure)
	}
	t.emitted.Add(1)
	span.End(trace.WithTimestamp(later(s.Start, s.End)))
}

// later is the end of a span, which is not before its start: clocks of machines differ.
func later(start, end time.Time) time.Time {
	if end.Before(start) {
		return start
	}
	return end
}

// Close exports what is left, for as long as is bearable.
func (t *Tracer) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closePatience)
	defer cancel()
	err := t.provider.Shutdown(ctx)
	if lost := t.emitted.Load() - t.exporter.sent.Load(); lost > 0 {
		t.log.Warn("spans were not exported", "spans", lost, "of", t.emitted.Load(), "error", err)
	}
}

func attributes(list []Attribute) []attribute.KeyValue {
	out := make([]attribute.KeyValue, 0, len(list))
	for _, a := range list {
		switch v := a.Value.(type) {
		case string:
			out = append(out, attribute.String(a.Key, v))
		case bool:
			out = append(out, attribute.Bool(a.Key, v))
		case int:
			out = append(out, attribute.Int(a.Key, v))
		case int64:
			out = append(out, attribute.Int64(a.Key, v))
		case float64:
			out = append(out, attribute.Float64(a.Key, v))
		}
	}
	return out
}

// given is the library's source of ids: those of the place that is in the context.
type given struct{}

type placeKey struct{}

var _ sdk.IDGenerator = given{}

// NewIDs implements sdk.IDGenerator.
func (given) NewIDs(ctx context.Context) (trace.TraceID, trace.SpanID) {
	p, _ := ctx.Value(placeKey{}).(Place)
	return p.trace, p.span
}

// NewSpanID implements sdk.IDGenerator.
func (given) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	p, _ := ctx.Value(placeKey{}).(Place)
	return p.span
}

// exporter logs once that the collector does not answer, until it answers again.
type exporter struct {
	sdk.SpanExporter
	log  *slog.Logger
	sent atomic.Int64
	down atomic.Bool
}

// ExportSpans implements sdk.SpanExporter. There is nobody else to tell of an error.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		e.sent.Add(int64(len(spans)))
		if e.down.Swap(false) {
			e.log.Info("traces are exported again")
		}
		return nil
	}
	if !e.down.Swap(true) {
		e.log.Error("could not export traces; what cannot be sent is dropped, and runs go on (logged once)", "error", err)
	}
	return nil
}
