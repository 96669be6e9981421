// Package otlp is a collector of traces for tests: it takes what exporters send by OTLP over HTTP, and shows it as a tree.
package otlp

import (
	"compress/gzip"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span as it came in. Ids are hex.
type Span struct {
	Trace, ID, Parent string
	Name              string
	Service           string
	Failure           string // of a span whose status is an error
	Start, End        uint64 // nanoseconds
	Attributes        map[string]string
	Events            []string
}

// Collector takes spans (POST /v1/traces). It is safe for concurrent use; the zero value is empty.
type Collector struct {
	mu    sync.Mutex
	spans []Span
}

// ServeHTTP implements http.Handler.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
		http.NotFound(w, r)
		return
	}
	request, err := read(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, of := range request.ResourceSpans {
		service := texts(of.Resource.GetAttributes())["service.name"]
		for _, scope := range of.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, span(service, s))
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf") // an empty body is an answer without complaints
}

func read(r *http.Request) (*collector.ExportTraceServiceRequest, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(r.Body); err != nil {
			return nil, err
		}
	}
	data, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	request := &collector.ExportTraceServiceRequest{}
	return request, proto.Unmarshal(data, request)
}

func span(service string, s *trace.Span) Span {
	out := Span{
		Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId), Parent: hex.EncodeToString(s.ParentSpanId),
		Name: s.Name, Service: service, Start: s.StartTimeUnixNano, End: s.EndTimeUnixNano, Attributes: texts(s.Attributes),
	}
	if s.Status.GetCode() == trace.Status_STATUS_CODE_ERROR {
		out.Failure = s.Status.GetMessage()
	}
	for _, e := range s.Events {
		out.Events = append(out.Events, e.Name)
	}
	return out
}

func texts(list []*common.KeyValue) map[string]string {
	out := map[string]string{}
	for _, a := range list {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			out[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			out[a.Key] = fmt.Sprint(v.IntValue)
		case *common.AnyValue_DoubleValue:
			out[a.Key] = fmt.Sprint(v.DoubleValue)
		case *common.AnyValue_BoolValue:
			out[a.Key] = fmt.Sprint(v.BoolValue)
		}
	}
	return out
}

// Spans is what has come in, in order.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Tree shows spans below their parents, each once however often it came, a line each, siblings in order of their text. On top are
// traces, with the parents that have not come.
func Tree(spans []Span) string {
	known := map[string]Span{}
	for _, s := range spans {
		known[s.Trace+s.ID] = s
	}
	below := map[string][]Span{}
	tops := map[string]string{} // a line for each, by trace and parent
	for _, s := range known {
		key := s.Trace + s.Parent
		below[key] = append(below[key], s)
		if _, ok := known[key]; !ok && s.Parent != "" {
			tops[key] = "trace " + s.Trace + " below " + s.Parent
		} else if !ok {
			tops[key] = "trace"
		}
	}
	var trees []string
	for key, line := range tops {
		var b strings.Builder
		fmt.Fprintln(&b, line)
		branch(&b, below, key, 1)
		trees = append(trees, b.String())
	}
	slices.Sort(trees)
	return strings.Join(trees, "")
}

func branch(b *strings.Builder, below map[string][]Span, of string, depth int) {
	list := below[of]
	slices.SortFunc(list, func(x, y Span) int { return strings.Compare(x.line(), y.line()) })
	for _, s := range list {
		fmt.Fprintf(b, "%s%s\n", strings.Repeat("  ", depth), s.line())
		branch(b, below, s.Trace+s.ID, depth+1)
	}
}

// line is what is the same of a span whenever the same job runs.
func (s *Span) line() string {
	line := s.Name
	for _, a := range []struct{ key, name string }{
		{"quern.run.state", ""}, {"quern.stage", "stage="}, {"quern.task", "task="}, {"quern.attempt", "attempt="},
		{"quern.rows.in", "in="}, {"quern.rows.out", "out="}, {"quern.failure.kind", "failure="},
	} {
		if v := s.Attributes[a.key]; v != "" {
			line += " " + a.name + v
		}
	}
	for _, e := range s.Events {
		line += " [" + e + "]"
	}
	if s.Failure != "" {
		line += " ERROR " + s.Failure
	}
	return line
}
