package task

import (
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/internal/jobtest"
)

// reported runs a task whose rows are texts, with a report sink.
func (b *bench) reported(texts ...string) (lines []string, failure *plan.Failure) {
	schema := plan.Schema{Fields: []plan.Field{{Name: "line", Type: plan.String}}}
	root := &plan.Node{Op: plan.NodeValues, Schema: schema, Values: &plan.Values{}}
	for _, text := range texts {
		root.Values.Rows = append(root.Values.Rows, []*plan.Expr{plan.StringLiteral(text)})
	}
	stage := jobtest.FileStage(0, root, 1)
	stage.Sink = plan.Sink{Kind: plan.SinkReport}
	job := &plan.Job{Version: plan.JobVersion, Stages: []*plan.Stage{stage}}
	r := Run(b.t.Context(), b.env, Task{Job: job})
	return r.Lines, r.Failure
}

// The rows of a report sink come with the report, and there may not be many.
func TestReportSink(t *testing.T) {
	b := newBench(t)
	if lines, f := b.reported(`{"a":1}`, "é", ""); f != nil || !slices.Equal(lines, []string{`{"a":1}`, "é", ""}) {
		t.Errorf("reported %q, %v", lines, f)
	}
	half := strings.Repeat("x", maxReported/2)
	if lines, f := b.reported(half, half); f != nil || len(lines) != 2 {
		t.Errorf("reported %d lines, %v", len(lines), f)
	}
	if lines, f := b.reported(half, half, "x"); f == nil || f.Kind != plan.FailureUser || lines != nil {
		t.Errorf("reported %d lines, %v", len(lines), f)
	}
}
