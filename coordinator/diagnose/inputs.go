package diagnose

import (
	"fmt"

	"github.com/quern-engine/quern/api"
)

const (
	// manyFiles and smallFile say when a source is small files: each costs a task, or a request or two, which take about as long
	// as reading so many bytes.
	manyFiles = 64
	smallFile = 4 << 20
	// waits is the part of its tasks' time that a stage waits for something before that is worth telling.
	waits = 0.4
)

func (d *diagnosis) smallFiles() {
	for _, source := range d.Sources {
		if source.Files < manyFiles || source.Bytes/int64(source.Files) >= smallFile || source.Stage >= len(d.Stages) {
			continue
		}
		s := &d.Stages[source.Stage]
		d.tell(api.Finding{
			Kind: api.FindingSmallFiles, Stage: s.ID, Seconds: d.part(s, nanos(s.Facts.Read)+max(0, s.Busy-s.Worked)),
			Title: fmt.Sprintf("small files: %s is %s of %s on average", source.Name, count(source.Files, "file"), bytes(source.Bytes/int64(source.Files))),
			Why: []string{
				fmt.Sprintf("stage %d spent %s of %s reading them, and %s on %s being handed out and reported", s.ID, took(nanos(s.Facts.Read)), took(s.Busy),
					took(max(0, s.Busy-s.Worked)), count(s.Tasks, "task")),
			},
			Do: "Have them written larger, 128 MiB or so: fewer 'shards' where a job of Quern's writes them, or a job that reads and writes them once.",
		})
	}
}

func (d *diagnosis) fetches() {
	for i := range d.Stages {
		s := &d.Stages[i]
		if fetch := nanos(s.Facts.Fetch); fetch > waits*s.Busy {
			d.tell(api.Finding{
				Kind: api.FindingFetch, Stage: s.ID, Seconds: d.part(s, fetch),
				Title: fmt.Sprintf("fetching: tasks of stage %d waited %s of their time for data of other workers", s.ID, percent(fetch/s.Busy)),
				Why:   []string{fmt.Sprintf("%s of %s in all, for %s", took(fetch), took(s.Busy), rows(float64(s.Counts.RowsIn)))},
				Do:    "Look at the network between workers and at their disks; fewer columns and earlier filters give less to send.",
			})
		}
	}
}

func (d *diagnosis) plugins() {
	for i := range d.Stages {
		s := &d.Stages[i]
		waited := nanos(s.Facts.Plugin)
		if waited <= waits*s.Busy || len(s.Facts.Functions) == 0 {
			continue
		}
		most := s.Facts.Functions[0]
		for _, f := range s.Facts.Functions {
			if f.Nanos > most.Nanos {
				most = f
			}
		}
		f := api.Finding{
			Kind: api.FindingPlugin, Stage: s.ID, Seconds: d.part(s, waited),
			Title: fmt.Sprintf("plugin: stage %d works as fast as the function %s answers", s.ID, most.Name),
			Why: []string{fmt.Sprintf("it was given %s in %s, which took it %s; the tasks took %s", rows(float64(most.Rows)), count(int(most.Calls), "call"),
				took(nanos(most.Nanos)), took(s.Busy))},
			Do: "'quern udf bench' measures the function alone. Filter rows before it is called; more slots call it more often at once.",
		}
		if seconds := nanos(most.Nanos); seconds > 0 {
			f.Why = append(f.Why, fmt.Sprintf("that is %s a second for one process", rows(float64(most.Rows)/seconds)))
		}
		d.tell(f)
	}
}
