package traces

import (
	"crypto/sha256"
	"encoding/binary"

	"go.opentelemetry.io/otel/trace"
)

// Place is where a span stands in its trace. It follows from the ids of the run, the stage and the attempt alone: whoever emits
// the span, and however often, it is the same one, and its children need not have seen it.
type Place struct {
	trace  trace.TraceID
	span   trace.SpanID
	parent trace.SpanID
	flags  trace.TraceFlags
}

// Run is the place of a run: below the caller's span, if it was submitted with the W3C traceparent of one, or else on top of a
// trace of its own.
func Run(run, traceparent string) Place {
	p := Place{flags: trace.FlagsSampled, span: spanID(run)}
	if caller, ok := parse(traceparent); ok {
		p.trace, p.parent, p.flags = caller.TraceID(), caller.SpanID(), caller.TraceFlags()&trace.FlagsSampled
		return p
	}
	sum := digest("trace", run)
	p.trace = trace.TraceID(sum[:16])
	return p
}

// Stage is the place of a stage of the run at p.
func (p Place) Stage(run string, stage int) Place {
	p.parent, p.span = p.span, spanID(run, stage)
	return p
}

// Attempt is the place of an attempt of a task of the stage at p.
func (p Place) Attempt(run string, stage, task, attempt int) Place {
	p.parent, p.span = p.span, spanID(run, stage, task, attempt)
	return p
}

// Traceparent is the place as those below it are told.
func (p Place) Traceparent() string {
	flags := "00"
	if p.flags.IsSampled() {
		flags = "01"
	}
	return "00-" + p.trace.String() + "-" + p.span.String() + "-" + flags
}

// context is the place's parent as the library wants it; not valid for the top of a trace.
func (p Place) context() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: p.trace, SpanID: p.parent, TraceFlags: p.flags, Remote: true})
}

func spanID(run string, numbers ...int) trace.SpanID {
	sum := digest("span", run, numbers...)
	return trace.SpanID(sum[:8])
}

// digest is of the parts, each ended so that no two lists of parts are the same text.
func digest(kind, run string, numbers ...int) [sha256.Size]byte {
	data := append([]byte(kind+"\x00"+run), 0)
	for _, n := range numbers {
		data = binary.BigEndian.AppendUint64(data, uint64(n))
	}
	return sha256.Sum256(data)
}
