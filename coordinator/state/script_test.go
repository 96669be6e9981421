package state

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
)

// TestScripts replays histories: blocks of commands, a line of ----, and what came of them.
//
//	submit RUN TASKS[<INPUT,…]:SINK …   sinks: shuffle/PARTITIONS, result, file; shuffle/PARTITIONS~ of a stage that adapts
//	request RUN DIGEST STAGES…          submit with another request digest
//	again RUN STAGES…                   submit that would rather attach to the run that does the same
//	register WORKER SLOTS [ADDRESS] [MEMORY]
//	drain WORKER · drained WORKER
//	lost WORKER
//	grant RUN/STAGE/TASK.ATTEMPT@WORKER[+|!] …   + a second attempt, ! with the worker to itself
//	adapt RUN STAGE [PARTS …]           parts of a task: STAGE:FROM-TO[,STAGE:FROM-TO]
//	done RUN/STAGE/TASK.ATTEMPT@WORKER [rows=N] [sum=TEXT] [parts=N] [name=FILE] [line=TEXT …] [counted=N]
//	fail RUN/STAGE/TASK.ATTEMPT@WORKER KIND [lost=STAGE/TASK.ATTEMPT]
//	missing WORKER RUN/STAGE/TASK.ATTEMPT …
//	gated RUN STAGES…                   submit with checks
//	measure RUN STAGES…                 submit the run that measures for the checks of RUN
//	checked RUN OUTCOME[/SEVERITY] … · override RUN · measured RUN · committed RUN · finished WORKER · expired SECONDS
//	cancel RUN · commit RUN [PARENT …] · published RUN · cleaned RUN · release RUN · giveup RUN · purge RUN …
//	keep RUN DIGEST BYTES LINES [OUT]   log lines of attempts in a file, or none for "-", and how many there was no room for
//	journal RUN [AFTER] · logs RUN
//	profile RUN                         where its time went · profiled RUN   that is written down
//	later SECONDS                       lets time pass
//	entries VERSION                     has later entries written in a version
//	runs · ready N · slow · adaptable · due · where RUN STAGE · assignment RUN/STAGE/TASK.ATTEMPT@WORKER
func TestScripts(t *testing.T) { golden.Files(t, "testdata/*.txt", runScript) }

func runScript(t *testing.T, text string) string {
	s := &script{t: t, machine: New(), version: EntryVersion}
	var out strings.Builder
	for i, block := range strings.Split(strings.TrimRight(text, "\n"), "\n\n") {
		if i > 0 {
			out.WriteString("\n")
		}
		input, _, _ := strings.Cut(block, "----\n")
		input = strings.TrimSuffix(input, "----") // nothing is expected
		got := strings.TrimRight(s.block(input), "\n")
		out.WriteString(strings.TrimRight(input, "\n") + "\n----\n")
		if got != "" {
			out.WriteString(got + "\n")
		}
	}
	return out.String()
}

type script struct {
	t       *testing.T
	machine *Machine
	index   uint64
	version int // of entries
	passed  time.Duration
}

// at is the time of a command: a second after the one before it.
func (s *script) at() time.Time {
	return time.Date(2001, 1, 10, 0, 0, int(s.index), 0, time.UTC).Add(s.passed)
}

func (s *script) block(input string) string {
	var out strings.Builder
	for _, line := range strings.Split(input, "\n") {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			out.WriteString(s.line(strings.Fields(line)))
		}
	}
	s.checkRestored()
	return out.String()
}

// checkRestored goes on with a copy made from a snapshot, so that every script also tests snapshots.
func (s *script) checkRestored() {
	s.t.Helper()
	data, err := s.machine.Snapshot()
	if err != nil {
		s.t.Fatal(err)
	}
	copied, err := Restore(data)
	if err != nil {
		s.t.Fatal(err)
	}
	before, err1 := s.machine.Hash()
	after, err2 := copied.Hash()
	if before != after || err1 != nil || err2 != nil {
		s.t.Fatalf("the restored state differs: %v, %v", err1, err2)
	}
	s.machine = copied
}

func (s *script) line(f []string) string {
	if c, ok := s.command(f); ok {
		return s.apply(c)
	}
	switch f[0] {
	case "runs":
		return s.runs()
	case "profile":
		return s.profile(f[1])
	case "ready":
		limit, _ := strconv.Atoi(f[1])
		return describeView(s.machine.View(Look{Ready: limit}))
	case "slow":
		return describeView(s.machine.View(Look{Now: s.at()}))
	case "adaptable":
		return s.adaptable()
	case "measured":
		got, ok := s.machine.Measured(f[1])
		return fmt.Sprintf("%s %v %q %v\n", got.State, got.Failure != nil, got.Lines, ok)
	case "committed":
		made, ok := s.machine.Committed(f[1])
		out := fmt.Sprintf("%s checks=%d override=%v %v\n", made.State, len(made.Checks), made.Override != nil, ok)
		for _, o := range made.Outputs {
			out += fmt.Sprintf("  %s after %q: %d files\n", o.Name, o.Parent, len(o.Files))
		}
		return out
	case "journal":
		after := 0
		if len(f) > 2 {
			after, _ = strconv.Atoi(f[2])
		}
		return s.journal(f[1], after)
	case "logs":
		l, known := s.machine.Logs(f[1])
		return fmt.Sprintf("%s rests=%v last=%d files=%v left=%d room=%d/%d %v\n", l.State, l.Rests, l.Last, l.Files, l.LeftOut,
			s.machine.LogRoom(f[1], false), s.machine.LogRoom(f[1], true), known)
	case "finished":
		return fmt.Sprintln(s.machine.FinishedFor(f[1], func(string) bool { return false }))
	case "expired":
		seconds, _ := strconv.Atoi(f[1])
		return fmt.Sprintln(s.machine.Expired(s.at().Add(-time.Duration(seconds) * time.Second)))
	case "drained":
		return fmt.Sprintln(s.machine.Drained(f[1]))
	case "entries":
		s.version, _ = strconv.Atoi(f[1])
		return ""
	case "later":
		seconds, _ := strconv.Atoi(f[1])
		s.passed += time.Duration(seconds) * time.Second
		return ""
	case "due":
		return fmt.Sprintf("%v\n", s.machine.Due())
	case "where":
		stage, _ := strconv.Atoi(f[2])
		out, ok := s.machine.Locations(f[1], stage)
		return fmt.Sprintf("version %d workers %v tasks %v %v\n", out.Version, out.Workers, out.Tasks, ok)
	case "assignment":
		id, worker := s.attempt(f[1])
		a, ok := s.machine.Assignment(id, worker)
		data, err := json.Marshal(a)
		if err != nil {
			s.t.Fatal(err)
		}
		return fmt.Sprintf("%v %s\n", ok, data)
	}
	s.t.Fatalf("unknown line %v", f)
	return ""
}

// apply sends the command through the log's encoding.
func (s *script) apply(c Command) string {
	data, err := Entry{Version: s.version, Commands: []Command{c}}.Encode()
	if err != nil {
		s.t.Fatal(err)
	}
	entry, err := DecodeEntry(data)
	if err != nil {
		s.t.Fatal(err)
	}
	s.index++
	r := s.machine.Apply(s.index, entry)[0]
	var out strings.Builder
	if r.Outcome != Applied {
		fmt.Fprintf(&out, "%s\n", strings.TrimSpace(string(r.Outcome)+" "+r.Run))
	}
	if r.Discard {
		out.WriteString("discard the file\n")
	}
	for _, e := range r.Events {
		fmt.Fprintf(&out, "%s\n", e)
	}
	return out.String()
}

func (s *script) command(f []string) (Command, bool) {
	at := s.at()
	switch f[0] {
	case "submit":
		return Command{Submit: s.submission(f[1], "request", f[2:], at)}, true
	case "request":
		return Command{Submit: s.submission(f[1], f[2], f[3:], at)}, true
	case "register":
		slots, _ := strconv.Atoi(f[2])
		address, memory := f[1]+":1", int64(0)
		if len(f) > 3 {
			address = f[3]
		}
		if len(f) > 4 {
			memory, _ = strconv.ParseInt(f[4], 10, 64)
		}
		return Command{Register: &RegisterWorker{ID: f[1], Address: address, Slots: slots, Memory: memory, At: at}}, true
	case "profiled":
		return Command{Profiled: &RunProfiled{RunID: f[1], Profile: "digest", At: at}}, true
	case "gated":
		c := s.submission(f[1], "request", f[2:], at)
		c.Checks = 3
		return Command{Submit: c}, true
	case "measure":
		c := s.submission(ChecksRun(f[1]), "request", f[2:], at)
		c.ChecksOf = f[1]
		return Command{Submit: c}, true
	case "checked":
		c := &RunChecked{RunID: f[1], At: at}
		for _, text := range f[2:] {
			outcome, severity, warn := strings.Cut(text, "/")
			r := api.CheckResult{Name: "it", Outcome: api.CheckOutcome(outcome), Severity: api.SeverityBlock}
			if warn {
				r.Severity = api.Severity(severity)
			}
			c.Results = append(c.Results, r)
		}
		return Command{Checked: c}, true
	case "override":
		return Command{Override: &OverrideChecks{RunID: f[1], Because: "it is right", By: "ada", At: at}}, true
	case "again":
		c := s.submission(f[1], "request", f[2:], at)
		c.Attach = true
		return Command{Submit: c}, true
	case "drain":
		return Command{Drain: &DrainWorker{ID: f[1], At: at}}, true
	case "purge":
		return Command{Purge: &PurgeRuns{RunIDs: f[1:], At: at}}, true
	case "adapt":
		return Command{Adapt: s.adaptation(f[1:], at)}, true
	case "lost":
		return Command{WorkerLost: &WorkerLost{ID: f[1], At: at}}, true
	case "grant":
		g := &Grant{Epoch: 1, At: at}
		for _, text := range f[1:] {
			name := strings.TrimRight(text, "+!")
			id, worker := s.attempt(name)
			mark := text[len(name):]
			g.Attempts = append(g.Attempts, Granted{AttemptID: id, Worker: worker, Twin: mark == "+", Exclusive: mark == "!"})
		}
		return Command{Grant: g}, true
	case "done", "fail":
		return Command{Report: s.reported(f, at)}, true
	case "missing":
		m := &Missing{Worker: f[1], At: at}
		for _, text := range f[2:] {
			id, _ := s.attempt(text + "@")
			m.Attempts = append(m.Attempts, id)
		}
		return Command{Missing: m}, true
	case "cancel":
		return Command{Cancel: &CancelRun{RunID: f[1], At: at}}, true
	case "commit":
		return Command{Commit: &JobCommit{RunID: f[1], Parents: f[2:], At: at}}, true
	case "published":
		return Command{Published: &RunPublished{RunID: f[1], At: at}}, true
	case "cleaned":
		return Command{Cleaned: &RunCleaned{RunID: f[1], At: at}}, true
	case "keep":
		c := &KeepLogs{RunID: f[1]}
		bytes, _ := strconv.ParseInt(f[3], 10, 64)
		lines, _ := strconv.ParseInt(f[4], 10, 64)
		if c.File = (&LogFile{Digest: f[2], Bytes: bytes, Lines: lines}); f[2] == "-" {
			c.File = nil
		}
		if len(f) > 5 {
			c.LeftOut, _ = strconv.ParseInt(f[5], 10, 64)
		}
		return Command{Logs: c}, true
	case "release":
		return Command{Release: &ReleaseRun{RunID: f[1]}}, true
	case "giveup":
		return Command{Fail: &FailRun{RunID: f[1], Failure: plan.Failf(plan.FailureStorage, "disk full"), At: at}}, true
	}
	return Command{}, false
}

func (s *script) submission(run, request string, stages []string, at time.Time) *SubmitRun {
	c := &SubmitRun{RunID: run, Name: "job", Request: request, Plan: "plan", At: at}
	for i, text := range stages {
		text, functions, _ := strings.Cut(text, "@") // that put rows aside
		head, sink, _ := strings.Cut(text, ":")
		tasks, inputs, _ := strings.Cut(head, "<")
		shape := Shape{Label: sink, Sink: plan.SinkKind(sink), Rejects: functions != ""}
		shape.Functions = strings.FieldsFunc(functions, func(r rune) bool { return r == ',' })
		shape.Tasks, _ = strconv.Atoi(tasks)
		for _, in := range strings.FieldsFunc(inputs, func(r rune) bool { return r == ',' }) {
			n, err := strconv.Atoi(in)
			if err != nil {
				s.t.Fatal(err)
			}
			shape.Inputs = append(shape.Inputs, n)
		}
		if kind, partitions, ok := strings.Cut(sink, "/"); ok {
			shape.Sink = plan.SinkKind(kind)
			partitions, adapts := strings.CutSuffix(partitions, "~")
			shape.Partitions, _ = strconv.Atoi(partitions)
			if adapts { // its tasks may be divided anew; the rows of its first input may be cut
				shape.Adapt = &plan.Adapt{Target: 100}
				for i, in := range shape.Inputs {
					shape.Adapt.Inputs = append(shape.Adapt.Inputs, plan.AdaptInput{Stage: in, RowBytes: 1, Splits: i == 0})
				}
			}
		}
		if shape.Sink == plan.SinkFile {
			shape.Output = "out"
			c.Outputs = []Output{{Name: "out", Stage: i, URL: "mem://b/out", VersionURL: "mem://b/out/" + run, Path: "out", VersionPath: "out/" + run, Manifest: "out/" + run + "/manifest.json"}}
		}
		c.Stages = append(c.Stages, shape)
	}
	return c
}

// attempt reads RUN/STAGE/TASK.ATTEMPT@WORKER.
func (s *script) attempt(text string) (plan.AttemptID, string) {
	head, worker, _ := strings.Cut(text, "@")
	dot := max(strings.LastIndexByte(head, '.'), 0)
	parts := append(strings.Split(head[:dot], "/"), strings.TrimPrefix(head[dot:], "."))
	if len(parts) != 4 {
		s.t.Fatalf("attempt %q", text)
	}
	id := plan.AttemptID{TaskID: plan.TaskID{Run: parts[0]}}
	for i, field := range []*int{&id.Stage, &id.Task, &id.Attempt} {
		n, err := strconv.Atoi(parts[i+1])
		if err != nil {
			s.t.Fatalf("attempt %q: %v", text, err)
		}
		*field = n
	}
	return id, worker
}

func (s *script) reported(f []string, at time.Time) *Report {
	id, worker := s.attempt(f[1])
	c := &Report{Worker: worker, At: at, Report: api.Report{AttemptID: id}}
	if f[0] == "fail" {
		failure := plan.Failf(plan.FailureKind(f[2]), "it went wrong")
		if len(f) > 3 {
			lost, _ := s.attempt("x/" + strings.TrimPrefix(f[3], "lost="))
			failure.LostStage, failure.LostTask, failure.LostAttempt = lost.Stage, lost.Task, lost.Attempt
		}
		c.Report.Failure = failure
		return c
	}
	rows, sum, parts, name, keys := int64(10), "same", -1, "", []api.KeyRows(nil)
	for _, option := range f[2:] {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "rows":
			rows, _ = strconv.ParseInt(value, 10, 64)
		case "sum":
			sum = value
		case "calls":
			for _, text := range strings.Split(value, ",") {
				n, _ := strconv.ParseUint(text, 10, 64)
				c.Report.Calls = append(c.Report.Calls, n)
			}
		case "counted":
			n, _ := strconv.ParseInt(value, 10, 64)
			c.Report.Counts.Counters = []api.Counter{{Name: "f.n", Value: n}}
		case "rejects":
			name := api.RejectsName(id.Stage, id.Task, id.Attempt)
			c.Report.Rejects = &api.Rejects{FileInfo: api.FileInfo{Name: name, Rows: 1, SHA256: value}}
		case "parts":
			parts, _ = strconv.Atoi(value)
		case "name":
			name = value
		case "keys": // of the first partition
			for _, text := range strings.Split(value, ",") {
				var k api.KeyRows
				if _, err := fmt.Sscanf(text, "%d:%d", &k.Hash, &k.Rows); err != nil {
					s.t.Fatal(err)
				}
				keys = append(keys, k)
			}
		case "read":
			c.Report.Counts.RowsRead, _ = strconv.ParseInt(value, 10, 64)
		case "spilled":
			n, _ := strconv.ParseInt(value, 10, 64)
			c.Report.Counts.Operators = []api.OperatorCounts{{Spilled: n, Peak: 2 * n}}
		case "fetch":
			n, _ := strconv.ParseInt(value, 10, 64)
			c.Report.Facts = &api.AttemptFacts{Fetch: n * int64(time.Second), Functions: []api.FunctionFacts{{Name: "f", Calls: 1, Rows: rows}}}
		case "line":
			if value != "" {
				c.Report.Lines = append(c.Report.Lines, value)
			}
		}
	}
	c.Report.Counts.RowsOut = rows
	s.madeBy(&c.Report, rows, sum)
	if parts >= 0 {
		c.Report.Partitions = c.Report.Partitions[:parts]
	}
	if name != "" {
		c.Report.File.Name = name
	}
	if keys != nil {
		c.Report.Partitions[0].Keys = keys
	}
	if r := s.machine.runs[id.Run]; r != nil && r.Facts != nil {
		s.machine.Condense(c) // as the leader does
	}
	return c
}

// profile is a run's profile as text, the zeros left out.
func (s *script) profile(run string) string {
	known, ok := s.machine.Profile(run, s.at())
	if !ok || known.Written != "" {
		return fmt.Sprintln(known.Written, ok)
	}
	p := known.Profile
	var out strings.Builder
	fmt.Fprintf(&out, "%s %g s %+v partial=%v workers=%v lost=%v\n", p.State, p.Seconds, p.Phases, p.Partial, p.Workers, p.Lost)
	for _, g := range p.Stages {
		fmt.Fprintf(&out, "stage %d: %d/%d ready %g began %g ended %g at once %d took %v rows %v busy %g waited %g fetch %d spilled %d functions %v\n",
			g.ID, g.Done, g.Tasks, g.Ready, g.Began, g.Ended, g.AtOnce, g.Took, g.RowsIn, g.Busy, g.Waited, g.Facts.Fetch, g.Spilled, g.Facts.Functions)
		for _, t := range g.Slowest {
			fmt.Fprintf(&out, "  task %d.%d on %s took %g waited %g failures %d twin %v rows %d spilled %d\n", t.Task, t.Attempt, t.Worker, t.Seconds, t.Waited, t.Failures, t.Twin, t.RowsIn, t.Spilled)
		}
		for _, t := range g.Running {
			fmt.Fprintf(&out, "  task %d.%d runs on %s for %g\n", t.Task, t.Attempt, t.Worker, t.Seconds)
		}
		for _, k := range g.Frequent {
			fmt.Fprintf(&out, "  key %d rows %d\n", k.Hash, k.Rows)
		}
		for _, l := range g.Lost {
			fmt.Fprintf(&out, "  lost %q attempts %d took %g on %s: %s\n", l.Kind, l.Attempts, l.Seconds, l.Worker, l.Message)
		}
		for _, w := range g.Workers {
			fmt.Fprintf(&out, "  %s: %d tasks, %g s, %d rows\n", w.Worker, w.Tasks, w.Seconds, w.Rows)
		}
	}
	return out.String()
}

// madeBy fills in what the task's sink makes.
func (s *script) madeBy(report *api.Report, rows int64, sum string) {
	r := s.machine.runs[report.Run]
	if r == nil || report.Stage >= len(r.Stages) {
		return
	}
	shape := r.Stages[report.Stage].Shape
	if shape.Sink == plan.SinkFile {
		report.File = &api.FileInfo{Name: plan.ShardName(report.Task, shape.Tasks, report.Attempt, "parquet"), Rows: rows, Bytes: 100, SHA256: sum}
		return
	}
	if shape.Sink == plan.SinkReport {
		return
	}
	for range max(1, shape.Partitions) {
		report.Partitions = append(report.Partitions, api.PartitionInfo{Rows: rows, Bytes: 100, Checksum: sum})
	}
}

func (s *script) adaptation(f []string, at time.Time) *AdaptStage {
	c := &AdaptStage{RunID: f[0], At: at}
	c.Stage, _ = strconv.Atoi(f[1])
	for _, text := range f[2:] {
		var parts []Part
		for _, one := range strings.Split(text, ",") {
			var p Part
			if _, err := fmt.Sscanf(one, "%d:%d-%d", &p.Stage, &p.From, &p.To); err != nil {
				s.t.Fatal(err)
			}
			parts = append(parts, p)
		}
		c.Tasks = append(c.Tasks, parts)
	}
	c.Note = fmt.Sprintf("%d tasks", len(c.Tasks))
	return c
}

func (s *script) adaptable() string {
	var out strings.Builder
	for _, z := range s.machine.Adaptable() {
		fmt.Fprintf(&out, "%s/%d:", z.Run, z.Stage)
		for _, in := range z.Inputs {
			fmt.Fprintf(&out, " stage %d rows %v made %v heavy %v", in.Stage, in.Rows, in.Made, in.Heavy)
		}
		out.WriteString("\n")
	}
	return out.String()
}

func (s *script) runs() string {
	var out strings.Builder
	for _, st := range s.machine.Statuses(100, nil) {
		fmt.Fprintf(&out, "%s %s version=%d", st.RunID, st.State, st.Version)
		if st.Reason != "" {
			fmt.Fprintf(&out, " (%s)", st.Reason)
		}
		for _, stage := range st.Stages {
			fmt.Fprintf(&out, " | %d/%d done %d running %d failed rows=%d", stage.Done, stage.Tasks, stage.Running, stage.Failures, stage.Counts.RowsOut)
			for _, c := range stage.Counts.Counters {
				fmt.Fprintf(&out, " %s=%d", c.Name, c.Value)
			}
		}
		if st.Failure != nil {
			fmt.Fprintf(&out, "\n  %s: %s", st.Failure.Kind, st.Failure.Message)
		}
		if o, ok := st.Outputs["out"]; ok {
			fmt.Fprintf(&out, "\n  %+v", o)
		}
		if st.Result != nil {
			fmt.Fprintf(&out, "\n  result %+v", *st.Result)
		}
		out.WriteString("\n")
	}
	for _, w := range s.machine.Workers() {
		fmt.Fprintf(&out, "%s at %s: %d of %d slots free %v\n", w.ID, w.Address, w.Free, w.Slots, w.Attempts)
	}
	return out.String()
}

func describeView(v View) string {
	var out strings.Builder
	for _, r := range v.Runs {
		fmt.Fprintf(&out, "%s running=%d:", r.ID, r.Running)
		for _, w := range r.Excluded {
			out.WriteString(" without " + w)
		}
		for _, t := range r.Slow {
			fmt.Fprintf(&out, " slow %d/%d.%d not %s", t.Stage, t.Task, t.Attempt, t.Avoid)
		}
		for _, t := range r.Ready {
			fmt.Fprintf(&out, " %d/%d.%d", t.Stage, t.Task, t.Attempt)
			if t.Avoid != "" {
				out.WriteString(" not " + t.Avoid)
			}
			if t.Alone {
				out.WriteString(" alone")
			}
			if t.Floor > 0 {
				fmt.Fprintf(&out, " above %d", t.Floor)
			}
			for _, h := range t.Held {
				fmt.Fprintf(&out, " %s:%d", h.Worker, h.Bytes)
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

func (s *script) journal(run string, after int) string {
	var out strings.Builder
	for _, e := range s.machine.Journal(run, after) {
		fmt.Fprintf(&out, "  %d %s %s %v %s %q\n", e.Number, e.At.Format(time.TimeOnly), e.Kind, e.Place, e.Worker, e.Text)
	}
	return out.String()
}
