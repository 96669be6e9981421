package state

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// TestRandomHistories throws everything at a machine that a cluster can: grants, reports in any order, twice, late and
// from the wrong worker, failures, lost workers. It holds what the package comment promises, and checks that every run
// ends once the cluster is healed.
func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, machine: New(), committed: map[plan.TaskID]bool{}, terminal: map[string]api.RunState{}}
		steps := rapid.IntRange(5, 120).Draw(t, "steps")
		for range steps {
			w.step()
		}
		w.heal()
	})
}

type world struct {
	t         *rapid.T
	machine   *Machine
	index     uint64
	runs      int
	workers   int
	known     []string
	granted   []Granted // all that ever were
	committed map[plan.TaskID]bool
	terminal  map[string]api.RunState
}

func (w *world) step() {
	switch rapid.IntRange(0, 11).Draw(w.t, "kind") {
	case 0:
		w.submit()
	case 1:
		w.workers++
		id := fmt.Sprintf("w%d", w.workers)
		w.known = append(w.known, id)
		address := fmt.Sprintf("host%d:1", rapid.IntRange(0, 5).Draw(w.t, "host"))
		w.apply(Command{Register: &RegisterWorker{ID: id, Address: address, Slots: rapid.IntRange(1, 3).Draw(w.t, "slots")}})
	case 2:
		if len(w.known) > 0 {
			w.apply(Command{WorkerLost: &WorkerLost{ID: rapid.SampledFrom(w.known).Draw(w.t, "lost")}})
		}
	case 3, 4, 5:
		w.grant()
	case 6, 7, 8:
		if len(w.granted) > 0 {
			w.report(rapid.SampledFrom(w.granted).Draw(w.t, "reports"), rapid.Bool().Draw(w.t, "fails"))
		}
	case 9:
		if len(w.granted) > 0 {
			g := rapid.SampledFrom(w.granted).Draw(w.t, "missing")
			w.apply(Command{Missing: &Missing{Worker: g.Worker, Attempts: []plan.AttemptID{g.AttemptID}}})
		}
	case 10:
		w.leader()
	case 11:
		if w.runs > 0 && rapid.IntRange(0, 4).Draw(w.t, "cancel") == 0 {
			w.apply(Command{Cancel: &CancelRun{RunID: fmt.Sprintf("r%d", rapid.IntRange(1, w.runs).Draw(w.t, "run"))}})
		}
	}
}

// submit makes a run of up to four stages that read earlier ones.
func (w *world) submit() {
	w.runs++
	c := &SubmitRun{RunID: fmt.Sprintf("r%d", w.runs), Request: "x", Plan: "p"}
	stages := rapid.IntRange(1, 4).Draw(w.t, "stages")
	for i := range stages {
		s := Shape{Tasks: rapid.IntRange(1, 3).Draw(w.t, "tasks"), Sink: plan.SinkShuffle, Partitions: 2}
		for in := range i {
			if in == i-1 || rapid.Bool().Draw(w.t, "reads") {
				s.Inputs = append(s.Inputs, in)
			}
		}
		if i == stages-1 {
			s.Sink, s.Partitions = plan.SinkResult, 0
			if rapid.Bool().Draw(w.t, "file") {
				s.Sink, s.Output = plan.SinkFile, "out"
				c.Outputs = []Output{{Name: "out", Stage: i}}
			}
		}
		c.Stages = append(c.Stages, s)
	}
	w.apply(Command{Submit: c})
}

// grant offers ready tasks to any workers, known or not, so that some grants are wrong.
func (w *world) grant() {
	var c Grant
	for _, r := range w.machine.View(Look{Ready: 3}).Runs {
		for _, t := range r.Ready {
			if len(w.known) > 0 {
				c.Attempts = append(c.Attempts, Granted{AttemptID: t.AttemptID, Worker: rapid.SampledFrom(w.known).Draw(w.t, "worker")})
			}
		}
	}
	for i, ok := range w.apply(Command{Grant: &c}).Granted {
		if ok {
			w.granted = append(w.granted, c.Attempts[i])
		}
	}
}

func (w *world) report(g Granted, fails bool) {
	r := api.Report{AttemptID: g.AttemptID}
	if fails {
		kinds := []plan.FailureKind{plan.FailureFetch, plan.FailureFetch, plan.FailureInternal, plan.FailureStorage, plan.FailureCancelled}
		f := plan.Failf(rapid.SampledFrom(kinds).Draw(w.t, "failure"), "failed")
		f.LostStage = rapid.IntRange(-1, 3).Draw(w.t, "lost stage")
		f.LostTask = rapid.IntRange(-1, 3).Draw(w.t, "lost task")
		f.LostAttempt = rapid.IntRange(0, 2).Draw(w.t, "lost attempt")
		r.Failure = f
	} else if run := w.machine.runs[g.Run]; run != nil {
		made(&r, run.Stages[g.Stage].Shape)
	}
	w.apply(Command{Report: &Report{Worker: g.Worker, Report: r}})
}

func made(r *api.Report, s Shape) {
	if s.Sink == plan.SinkFile {
		r.File = &api.FileInfo{Name: plan.ShardName(r.Task, s.Tasks, r.Attempt, "parquet")}
		return
	}
	r.Partitions = make([]api.PartitionInfo, max(1, s.Partitions))
	for i := range r.Partitions {
		r.Partitions[i] = api.PartitionInfo{Rows: int64(r.Task), Bytes: 1, Checksum: fmt.Sprint(r.Task, i)}
	}
}

// leader does what runs ask for.
func (w *world) leader() {
	for _, d := range w.machine.Due() {
		switch d.Phase {
		case PhaseCommit:
			w.apply(Command{Commit: &JobCommit{RunID: d.Run}})
		case PhasePublish:
			if c, ok := w.machine.Committed(d.Run); !ok || len(c.Outputs) == 0 {
				w.t.Fatalf("run %s is to be published without outputs", d.Run)
			}
			w.apply(Command{Published: &RunPublished{RunID: d.Run}})
		case PhaseClean:
			w.apply(Command{Cleaned: &RunCleaned{RunID: d.Run}})
		case PhaseProfile:
			w.apply(Command{Profiled: &RunProfiled{RunID: d.Run, Profile: "digest"}})
		}
	}
}

// heal gives the cluster a good worker and lets everything that runs succeed: then every run must end, within as many
// rounds as there is work.
func (w *world) heal() {
	w.apply(Command{Register: &RegisterWorker{ID: "good", Address: "good:1", Slots: 100}})
	for round := 0; round < 200 && len(w.terminal) < w.runs; round++ {
		for _, k := range w.machine.Workers() {
			for _, id := range k.Attempts {
				w.report(Granted{AttemptID: id, Worker: k.ID}, false)
			}
		}
		w.leader()
		var c Grant
		for _, r := range w.machine.View(Look{Ready: 100}).Runs {
			for _, t := range r.Ready {
				c.Attempts = append(c.Attempts, Granted{AttemptID: t.AttemptID, Worker: "good"})
			}
		}
		w.apply(Command{Grant: &c})
	}
	for _, s := range w.machine.Statuses(1000, nil) {
		if !s.State.Terminal() {
			w.t.Fatalf("run %s is %s (%s) after healing: %+v", s.RunID, s.State, s.Reason, s.Stages)
		}
	}
}

// apply applies a command, now and then also to a copy restored from a snapshot, which must agree.
func (w *world) apply(c Command) Result {
	w.index++
	entry := Entry{Version: EntryVersion, Commands: []Command{c}}
	var copied *Machine
	if w.index%8 == 0 {
		copied = w.restored()
	}
	result := w.machine.Apply(w.index, entry)[0]
	if copied != nil {
		copied.Apply(w.index, entry)
		if a, b := w.hash(w.machine), w.hash(copied); a != b {
			w.t.Fatalf("a restored machine goes another way after %+v", c)
		}
	}
	w.check(result.Events)
	return result
}

func (w *world) restored() *Machine {
	data, err := w.machine.Snapshot()
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := Restore(data)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) hash(m *Machine) string {
	h, err := m.Hash()
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

func (w *world) check(events []Event) {
	for _, e := range events {
		switch e.Kind {
		case EventTaskCommitted:
			if w.committed[e.Task.TaskID] {
				w.t.Fatalf("%v was committed while another attempt was", e.Task)
			}
			w.committed[e.Task.TaskID] = true
		case EventOutputLost:
			if w.machine.runs[e.Run] != nil && w.machine.runs[e.Run].Stages[e.Task.Stage].Sink == plan.SinkFile {
				w.t.Fatalf("%v: a file does not go with its worker", e.Task)
			}
			delete(w.committed, e.Task.TaskID)
		}
	}
	for _, s := range w.machine.Statuses(1000, nil) {
		if before, over := w.terminal[s.RunID]; over && before != s.State {
			w.t.Fatalf("run %s was %s and is %s", s.RunID, before, s.State)
		}
		if s.State.Terminal() {
			w.terminal[s.RunID] = s.State
		}
		for _, st := range s.Stages {
			if st.Done < 0 || st.Running < 0 || st.Done+st.Running > st.Tasks {
				w.t.Fatalf("run %s: %+v", s.RunID, st)
			}
		}
	}
	for _, r := range w.machine.View(Look{Ready: 1}).Runs {
		w.checkInputs(r.Ready[0])
	}
	for _, k := range w.machine.Workers() {
		if len(k.Attempts) > k.Slots {
			w.t.Fatalf("worker %s runs %v in %d slots", k.ID, k.Attempts, k.Slots)
		}
	}
}

// checkInputs: what a ready task reads is on workers that live.
func (w *world) checkInputs(t ReadyTask) {
	r := w.machine.runs[t.Run]
	for _, in := range r.Stages[t.Stage].Inputs {
		for i, input := range r.Stages[in].List {
			if input.State != taskDone || w.machine.workers[r.worker(input.Commit.Worker)] == nil {
				w.t.Fatalf("%v is ready, but its input %d/%d is gone", t.AttemptID, in, i)
			}
		}
	}
}

func TestDecodeEntryRefusesWhatItDoesNotKnow(t *testing.T) {
	for name, data := range map[string]string{
		"newer version":   `{"version":99,"commands":[{"cancel":{"run_id":"x"}}]}`,
		"no version":      `{"commands":[]}`,
		"unknown command": `{"version":1,"commands":[{"teleport":{}}]}`,
		"garbage":         `{`,
	} {
		if _, err := DecodeEntry([]byte(data)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	later := `{"version":1,"commands":[{"cancel":{"run_id":"x","colour":"red"}}]}`
	if e, err := DecodeEntry([]byte(later)); err != nil || e.Commands[0].Cancel.RunID != "x" {
		t.Errorf("a field that does not matter: %+v, %v", e, err)
	}
}

func TestFinishedRunsAreForgotten(t *testing.T) {
	m := New()
	at := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range keepFinished + 5 {
		id := fmt.Sprintf("r%d", i)
		m.Apply(uint64(i+1), Entry{Commands: []Command{
			{Submit: &SubmitRun{RunID: id, Stages: []Shape{{Tasks: 1, Sink: plan.SinkResult}}, At: at}},
			{Cancel: &CancelRun{RunID: id, At: at}},
		}})
	}
	if _, known := m.Status("r4"); known {
		t.Error("an old run is still known")
	}
	if _, known := m.Status("r5"); !known {
		t.Error("a recent run is forgotten")
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add([]byte(`{"version":1,"commands":[{"submit":{"run_id":"r","stages":[{"tasks":1,"sink":"result"}]}},{"cancel":{"run_id":"r"}}]}`))
	f.Add([]byte(`{"version":1,"commands":[{"report":{"report":{"run":"r","stage":-1,"task":9}}},{"grant":{}},{"fail":{"run_id":"r"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := DecodeEntry(data)
		if err != nil {
			return
		}
		var same Entry // an older build reads with the standard library, and must come to the same state
		if err := json.Unmarshal(data, &same); err != nil || !reflect.DeepEqual(e, same) {
			t.Fatalf("read as %+v, and by encoding/json as %+v, %v", e, same, err)
		}
		m := New()
		m.Apply(1, e)
		snapshot, err := m.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Restore(snapshot); err != nil {
			t.Fatal(err)
		}
	})
}
