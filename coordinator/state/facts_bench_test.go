package state

import (
	"fmt"
	"testing"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// BenchmarkReports takes a run of many tasks through the machine, with and without facts of where its time goes. The snapshot
// is that of the finished stage.
func BenchmarkReports(b *testing.B) {
	for _, version := range []int{LogsVersion, FactsVersion} {
		b.Run(fmt.Sprintf("version %d", version), func(b *testing.B) {
			const tasks = 100_000
			for b.Loop() {
				m := manyTasks(b, version, tasks)
				data, err := m.Snapshot()
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(data)), "snapshot-bytes")
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/tasks, "ns/task")
		})
	}
}

func manyTasks(b *testing.B, version, tasks int) *Machine {
	b.Helper()
	m, index := New(), uint64(0)
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	apply := func(c Command) {
		index++
		if r := m.Apply(index, Entry{Version: version, Commands: []Command{c}})[0]; r.Outcome != Applied {
			b.Fatalf("%+v: %s", c, r.Outcome)
		}
	}
	apply(Command{Submit: &SubmitRun{RunID: "r", Plan: "p", At: at, Stages: []Shape{
		{Tasks: tasks, Sink: plan.SinkShuffle, Partitions: 1}, {Tasks: 1, Inputs: []int{0}, Sink: plan.SinkResult},
	}}})
	const workers = 100
	for i := range workers {
		apply(Command{Register: &RegisterWorker{ID: fmt.Sprint("w", i), Address: fmt.Sprint("w", i, ":1"), Slots: 16, At: at}})
	}
	counts := api.Counts{RowsRead: 1000, RowsOut: 900, Operators: make([]api.OperatorCounts, 5)}
	facts := &api.AttemptFacts{Read: 1e6, Write: 2e6, Memory: 1 << 30}
	for i := range tasks {
		at = at.Add(time.Millisecond)
		id := plan.AttemptID{TaskID: plan.TaskID{Run: "r", Task: i}}
		worker := fmt.Sprint("w", i%workers)
		apply(Command{Grant: &Grant{Epoch: 1, Attempts: []Granted{{AttemptID: id, Worker: worker}}, At: at}})
		at = at.Add(time.Duration(i*7919%1000) * time.Microsecond)
		report := api.Report{AttemptID: id, Counts: counts, Facts: facts, Seconds: 0.001}
		apply(Command{Report: &Report{Worker: worker, Report: report, Made: &Made{Rows: 900, Bytes: 9000}, At: at}})
	}
	return m
}
