package task

import (
	"slices"
	"strings"
	"testing"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/internal/jobtest"
)

// divided is an assignment of a task that the plan does not have: its stage was divided anew.
func (b *bench) divided(task int, part *api.Selection) api.Assignment {
	return api.Assignment{
		AttemptID: plan.AttemptID{TaskID: plan.TaskID{Run: "r", Stage: 1, Task: task}}, OutputURL: b.url("out/r"),
		Inputs: []api.StageInput{{Stage: 0, Version: 1, Part: part}},
	}
}

func TestRunReadsAPartOfItsInput(t *testing.T) {
	b := newBench(t)
	splits := []plan.Split{
		b.input("a.parquet", append(jobtest.Delays("SFO", 5), jobtest.Delays("JFK", 1)...)),
		b.input("b.parquet", append(jobtest.Delays("SFO", 7), jobtest.Delays("BOS", 2)...)),
	}
	job := jobtest.LateByOrigin(splits, 3)
	b.succeed(job, 0, 0)
	b.succeed(job, 0, 1)
	for _, c := range []struct {
		part api.Selection
		want []string
	}{
		{api.Selection{To: 3}, []string{"BOS 1 2", "JFK 1 1", "SFO 2 12"}},
		{api.Selection{To: 3, End: api.Position{Task: 1}}, []string{"JFK 1 1", "SFO 1 5"}},
		{api.Selection{To: 3, Begin: api.Position{Task: 1}}, []string{"BOS 1 2", "SFO 1 7"}},
	} {
		r := Run(t.Context(), b.env, Task{Assignment: b.divided(5, &c.part), Job: job})
		if r.Failure != nil {
			t.Fatal(r.Failure.Message)
		}
		rows := b.shardRows(job, r)
		slices.Sort(rows)
		if !slices.Equal(rows, c.want) {
			t.Errorf("%s: %q, want %q", c.part, rows, c.want)
		}
		if err := b.env.Store.DeleteTree(t.Context(), b.url("out/r")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRunRefusesPartsThatThereAreNot(t *testing.T) {
	b := newBench(t)
	job := jobtest.LateByOrigin([]plan.Split{b.input("a.parquet", jobtest.Delays("SFO", 5))}, 3)
	b.succeed(job, 0, 0)
	for _, part := range []api.Selection{{}, {To: 4}, {From: -1, To: 1}, {To: 2, End: api.Position{Row: 1}}} {
		r := Run(t.Context(), b.env, Task{Assignment: b.divided(0, &part), Job: job})
		if r.Failure == nil || r.Failure.Kind != plan.FailureInternal || !strings.Contains(r.Failure.Message, "stage 0") {
			t.Errorf("%s: %+v", part, r.Failure)
		}
	}
	scan := Task{Assignment: b.divided(7, &api.Selection{To: 1}), Job: job}
	scan.Stage = 0
	if r := Run(t.Context(), b.env, scan); r.Failure == nil || !strings.Contains(r.Failure.Message, "splits for 1 tasks") {
		t.Errorf("a scan of no split: %+v", r.Failure)
	}
}

// Tasks share what they read whole while another input is cut, and broadcasts; nothing else.
func TestSharedInputs(t *testing.T) {
	whole, cut := api.Partition(3), api.Selection{From: 3, To: 4, Begin: api.Position{Task: 1, Row: 9}}
	name := func(inputs []api.StageInput, broadcast bool) string {
		b := builder{task: Task{Assignment: api.Assignment{Inputs: inputs}}}
		text, ok := b.shared(&plan.ShuffleRead{Stage: 0, Broadcast: broadcast})
		if !ok {
			return ""
		}
		return text
	}
	input := func(stage int, version uint64, part *api.Selection) api.StageInput {
		return api.StageInput{Stage: stage, Version: version, Part: part}
	}
	for _, c := range []struct {
		what      string
		inputs    []api.StageInput
		broadcast bool
		shared    bool
	}{
		{"a broadcast", []api.StageInput{input(0, 1, nil), input(1, 1, &cut)}, true, true},
		{"a partition as planned", []api.StageInput{input(0, 1, nil), input(1, 1, nil)}, false, false},
		{"partitions that no other task reads", []api.StageInput{input(0, 1, &whole), input(1, 1, &whole)}, false, false},
		{"a partition beside one that is cut", []api.StageInput{input(0, 1, &whole), input(1, 1, &cut)}, false, true},
		{"an input that there is not", []api.StageInput{input(1, 1, &cut)}, true, false},
	} {
		if got := name(c.inputs, c.broadcast) != ""; got != c.shared {
			t.Errorf("%s: shared %t", c.what, got)
		}
	}
	beside := input(1, 1, &cut)
	one := name([]api.StageInput{input(0, 1, &whole), beside}, false)
	for what, other := range map[string]api.StageInput{"another version": input(0, 2, &whole), "another part": input(0, 1, &cut)} {
		if one == name([]api.StageInput{other, beside}, false) {
			t.Errorf("%s has the same name", what)
		}
	}
}
