package schedule

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

func ready(run string, task int) state.ReadyTask {
	return state.ReadyTask{AttemptID: plan.AttemptID{TaskID: plan.TaskID{Run: run, Task: task}}}
}

func run(id string, running, tasks int) state.RunView {
	r := state.RunView{ID: id, Running: running}
	for i := range tasks {
		r.Ready = append(r.Ready, ready(id, i))
	}
	return r
}

func TestNext(t *testing.T) {
	local := ready("r", 0)
	local.Held = []state.Held{{Worker: "a", Bytes: 5}, {Worker: "b", Bytes: 9}}
	burnt := ready("r", 0)
	burnt.Avoid, burnt.Held = "b", local.Held
	tests := []struct {
		name string
		view state.View
		free []Slot
		want []string
	}{
		{"nothing to do", state.View{Workers: 1}, []Slot{{"a", 2}}, nil},
		{"no slots", state.View{Workers: 1, Runs: []state.RunView{run("r", 0, 2)}}, []Slot{{"a", 0}}, nil},
		{"in order, up to the slots", state.View{Workers: 1, Runs: []state.RunView{run("r", 0, 3)}}, []Slot{{"a", 2}}, []string{"r/0/0@a", "r/0/1@a"}},
		{"spread over workers", state.View{Workers: 2, Runs: []state.RunView{run("r", 0, 3)}}, []Slot{{"a", 2}, {"b", 2}}, []string{"r/0/0@a", "r/0/1@b", "r/0/2@a"}},
		{"runs take turns", state.View{Workers: 1, Runs: []state.RunView{run("r", 0, 5), run("s", 0, 5)}}, []Slot{{"a", 4}}, []string{"r/0/0@a", "s/0/0@a", "r/0/1@a", "s/0/1@a"}},
		{"the one that runs least is next", state.View{Workers: 1, Runs: []state.RunView{run("r", 3, 5), run("s", 1, 5)}}, []Slot{{"a", 3}}, []string{"s/0/0@a", "s/0/1@a", "r/0/0@a"}},
		{"near the data", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{local}}}}, []Slot{{"a", 9}, {"b", 1}}, []string{"r/0/0@b"}},
		{"but not waiting for it", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{local}}}}, []Slot{{"a", 1}, {"b", 0}}, []string{"r/0/0@a"}},
		{"not where it failed", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{burnt}}}}, []Slot{{"a", 1}, {"b", 1}}, []string{"r/0/0@a"}},
		{"rather waiting", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{burnt, ready("r", 1)}}}}, []Slot{{"b", 1}}, []string{"r/0/1@b"}},
		{"unless it is the only one", state.View{Workers: 1, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{burnt}}}}, []Slot{{"b", 1}}, []string{"r/0/0@b"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := texts(Next(tt.view, tt.free)); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func texts(list []Assignment) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.TaskID.String()+"@"+a.Worker)
	}
	return out
}

// Never more than the slots, no task twice, and no slot left free while there is a task for it.
func TestNextProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		view := state.View{Workers: rapid.IntRange(1, 4).Draw(t, "workers")}
		tasks := 0
		for i := range rapid.IntRange(0, 4).Draw(t, "runs") {
			n := rapid.IntRange(1, 6).Draw(t, "tasks")
			tasks += n
			view.Runs = append(view.Runs, run(fmt.Sprint("r", i), rapid.IntRange(0, 5).Draw(t, "running"), n))
		}
		var free []Slot
		left, total := map[string]int{}, 0
		for i := range view.Workers {
			s := Slot{Worker: fmt.Sprint("w", i), Free: rapid.IntRange(0, 4).Draw(t, "free")}
			free = append(free, s)
			left[s.Worker] = s.Free
			total += s.Free
		}
		before := slices.Clone(free)
		got := Next(view, free)
		if !slices.Equal(free, before) {
			t.Fatal("the caller's slots were changed")
		}
		seen := map[plan.AttemptID]bool{}
		for _, a := range got {
			if left[a.Worker]--; left[a.Worker] < 0 || seen[a.AttemptID] {
				t.Fatalf("%v", texts(got))
			}
			seen[a.AttemptID] = true
		}
		if len(got) != min(total, tasks) {
			t.Fatalf("%d tasks, %d slots, %d assigned", tasks, total, len(got))
		}
	})
}
