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

func prior(r state.RunView) state.RunView {
	r.Priority = 1
	return r
}

func heavy(r state.RunView, weight int) state.RunView {
	r.Weight = weight
	return r
}

func excluding(r state.RunView, worker string) state.RunView {
	r.Excluded = []string{worker}
	return r
}

func TestNext(t *testing.T) {
	local := ready("r", 0)
	local.Held = []state.Held{{Worker: "b", Bytes: 9}, {Worker: "a", Bytes: 5}}
	burnt := ready("r", 0)
	burnt.Avoid, burnt.Held = "b", local.Held
	alone, large, slow := ready("r", 0), ready("r", 0), ready("r", 5)
	alone.Alone, large.Alone, large.Floor, slow.Avoid = true, true, 8, "a"
	tests := []struct {
		name string
		view state.View
		free []Slot
		want []string
	}{
		{"nothing to do", state.View{Workers: 1}, []Slot{{Worker: "a", Free: 2}}, nil},
		{"no slots", state.View{Workers: 1, Runs: []state.RunView{run("r", 0, 2)}}, []Slot{{Worker: "a", Free: 0}}, nil},
		{"in order, up to the slots", state.View{Workers: 1, Runs: []state.RunView{run("r", 0, 3)}}, []Slot{{Worker: "a", Free: 2}}, []string{"r/0/0@a", "r/0/1@a"}},
		{"spread over workers", state.View{Workers: 2, Runs: []state.RunView{run("r", 0, 3)}}, []Slot{{Worker: "a", Free: 2}, {Worker: "b", Free: 2}}, []string{"r/0/0@a", "r/0/1@b", "r/0/2@a"}},
		{"runs take turns", state.View{Workers: 1, Runs: []state.RunView{run("r", 0, 5), run("s", 0, 5)}}, []Slot{{Worker: "a", Free: 4}}, []string{"r/0/0@a", "s/0/0@a", "r/0/1@a", "s/0/1@a"}},
		{"the one that runs least is next", state.View{Workers: 1, Runs: []state.RunView{run("r", 3, 5), run("s", 1, 5)}}, []Slot{{Worker: "a", Free: 3}}, []string{"s/0/0@a", "s/0/1@a", "r/0/0@a"}},
		{"near the data", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{local}}}}, []Slot{{Worker: "a", Free: 9}, {Worker: "b", Free: 1}}, []string{"r/0/0@b"}},
		{"but not waiting for it", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{local}}}}, []Slot{{Worker: "a", Free: 1}, {Worker: "b", Free: 0}}, []string{"r/0/0@a"}},
		{"not where it failed", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{burnt}}}}, []Slot{{Worker: "a", Free: 1}, {Worker: "b", Free: 1}}, []string{"r/0/0@a"}},
		{"rather waiting", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{burnt, ready("r", 1)}}}}, []Slot{{Worker: "b", Free: 1}}, []string{"r/0/1@b"}},
		{"the higher priority first", state.View{Workers: 1, Runs: []state.RunView{run("r", 0, 2), prior(run("s", 9, 2))}}, []Slot{{Worker: "a", Free: 3}}, []string{"s/0/0@a", "s/0/1@a", "r/0/0@a"}},
		{"by weight", state.View{Workers: 1, Runs: []state.RunView{run("r", 0, 9), heavy(run("s", 0, 9), 2)}}, []Slot{{Worker: "a", Free: 6}}, []string{"r/0/0@a", "s/0/0@a", "s/0/1@a", "r/0/1@a", "s/0/2@a", "s/0/3@a"}},
		{"not where the run excludes", state.View{Workers: 2, Runs: []state.RunView{excluding(run("r", 0, 2), "a")}}, []Slot{{Worker: "a", Free: 3}, {Worker: "b", Free: 1}}, []string{"r/0/0@b"}},
		{"alone on the largest idle one", state.View{Workers: 3, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{alone}}}}, []Slot{{Worker: "a", Free: 2, Memory: 9}, {Worker: "b", Free: 2, Idle: true, Memory: 3}, {Worker: "c", Free: 2, Idle: true, Memory: 5}}, []string{"r/0/0@c"}},
		{"a busy one is kept free for it", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{alone, ready("r", 1)}}}}, []Slot{{Worker: "a", Free: 2, Memory: 9}, {Worker: "b", Free: 1, Memory: 3}}, []string{"r/0/1@b"}},
		{"with enough memory only", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{large}}}}, []Slot{{Worker: "a", Free: 2, Idle: true, Memory: 9}, {Worker: "b", Free: 2, Idle: true, Memory: 7}}, []string{"r/0/0@a"}},
		{"slow tasks get what is left", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{ready("r", 1)}, Slow: []state.ReadyTask{slow}}}}, []Slot{{Worker: "a", Free: 2}, {Worker: "b", Free: 1}}, []string{"r/0/1@a", "r/0/5@b+"}},
		{"but not on the same worker", state.View{Workers: 2, Runs: []state.RunView{{ID: "r", Slow: []state.ReadyTask{slow}}}}, []Slot{{Worker: "a", Free: 2}}, nil},
		{"unless it is the only one", state.View{Workers: 1, Runs: []state.RunView{{ID: "r", Ready: []state.ReadyTask{burnt}}}}, []Slot{{Worker: "b", Free: 1}}, []string{"r/0/0@b"}},
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
		text := a.TaskID.String() + "@" + a.Worker
		if a.Twin {
			text += "+"
		}
		out = append(out, text)
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
