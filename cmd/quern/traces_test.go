package main

import (
	"net/http/httptest"
	"os"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/quern-engine/quern/internal/testutil/otlp"
)

// collectors are those of all scripts, by their URL.
var collectors sync.Map

// startCollector begins to take traces, at the URL that it puts in a variable: collector C
func startCollector(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: collector NAME")
	}
	c := &otlp.Collector{}
	server := httptest.NewServer(c)
	ts.Defer(server.Close)
	collectors.Store(server.URL, c)
	ts.Setenv(args[0], server.URL)
}

// showSpans writes what a collector has taken as a tree to a file: spans URL FILE
func showSpans(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: spans URL FILE")
	}
	c, ok := collectors.Load(args[0])
	if !ok {
		ts.Fatalf("no collector at %s", args[0])
	}
	spans := c.(*otlp.Collector).Spans()
	for _, s := range spans {
		checkTimes(ts, s, spans)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(otlp.Tree(spans)), 0o600))
}

// checkTimes wants children within their parents; the state machine counts in milliseconds.
func checkTimes(ts *testscript.TestScript, s otlp.Span, all []otlp.Span) {
	const slack = 5e6
	for _, p := range all {
		if p.Trace == s.Trace && p.ID == s.Parent && (s.Start+slack < p.Start || s.Start > p.End+slack || s.End < s.Start) {
			ts.Fatalf("%s is from %d to %d, and its parent %s from %d to %d", s.Name, s.Start, s.End, p.Name, p.Start, p.End)
		}
	}
}
