package traces

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Header is where callers say of which span what they ask for is a part (W3C Trace Context).
const Header = "traceparent"

// Check says what is wrong with a traceparent; "" is none, and right.
func Check(traceparent string) error {
	if _, ok := parse(traceparent); !ok && traceparent != "" {
		return fmt.Errorf("%s %q: write 00-TRACE-SPAN-FLAGS in hex digits, 32, 16 and 2 of them, as in W3C Trace Context", Header, traceparent)
	}
	return nil
}

func parse(traceparent string) (trace.SpanContext, bool) {
	if traceparent == "" {
		return trace.SpanContext{}, false
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{Header: traceparent})
	c := trace.SpanContextFromContext(ctx)
	return c, c.IsValid()
}
