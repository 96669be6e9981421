package diagnose

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/api"
)

// slowWorkers finds workers on which the tasks of a stage take much longer than elsewhere, with about as many rows.
func (d *diagnosis) slowWorkers() {
	for i := range d.Stages {
		s := &d.Stages[i]
		for _, w := range s.Workers {
			var others api.WorkerSeconds
			for _, o := range s.Workers {
				if o.Worker != w.Worker {
					others.Tasks, others.Seconds, others.Rows = others.Tasks+o.Tasks, others.Seconds+o.Seconds, others.Rows+o.Rows
				}
			}
			if w.Tasks < 2 || others.Tasks < 2 {
				continue // one task may be slow for itself
			}
			mean, usual := w.Seconds/float64(w.Tasks), others.Seconds/float64(others.Tasks)
			share, fair := float64(w.Rows)/float64(w.Tasks), float64(others.Rows)/float64(others.Tasks)
			if mean < uneven*usual || share > 1.5*fair {
				continue
			}
			d.tell(api.Finding{
				Kind: api.FindingSlowWorker, Stage: s.ID, Seconds: min(s.Wall(d.Seconds), w.Seconds-usual*float64(w.Tasks)),
				Title: fmt.Sprintf("slow worker: %s took %s as long as the others for tasks of stage %d", w.Worker, times(mean, usual), s.ID),
				Why: []string{
					fmt.Sprintf("a task took %s there on average (%s), and %s elsewhere (%s)", took(mean), count(w.Tasks, "task"), took(usual), count(others.Tasks, "task")),
					fmt.Sprintf("with about as much to do: %s a task there, %s elsewhere", rows(share), rows(fair)),
				},
				Do: "Look at what else runs on that machine, and at its disk and network; 'quern drain' takes it out.",
			})
		}
	}
}

// stragglers finds stages whose slowest task takes much longer than most, and says why.
func (d *diagnosis) stragglers() {
	for i := range d.Stages {
		s := &d.Stages[i]
		if t, runs := straggler(s); t != nil {
			d.straggler(s, t, runs)
		}
	}
}

// straggler is a stage's task that stands out, if one does, and whether it still runs.
func straggler(s *api.StageProfile) (t *api.TaskProfile, runs bool) {
	if s.Tasks < 2 || s.Done == 0 {
		return nil, false
	}
	if len(s.Slowest) > 0 {
		t = &s.Slowest[0]
	}
	if len(s.Running) > 0 && (t == nil || s.Running[0].Seconds > t.Seconds) {
		t, runs = &s.Running[0], true
	}
	if t == nil || t.Seconds < uneven*s.Took.Median {
		return nil, false
	}
	return t, runs
}

func (d *diagnosis) straggler(s *api.StageProfile, t *api.TaskProfile, runs bool) {
	f := api.Finding{Kind: api.FindingStraggler, Stage: s.ID, Seconds: t.Seconds - s.Took.Median}
	verb := "took"
	if runs {
		verb = "has run for"
	}
	f.Why = append(f.Why, fmt.Sprintf("task %d of %d %s %s on %s, the median of its stage is %s", t.Task, s.Tasks, verb, took(t.Seconds), t.Worker, took(s.Took.Median)))
	if t.Twin {
		f.Why = append(f.Why, "a second attempt was begun on another worker")
	}
	switch {
	case d.moreRows(s, t, runs, &f):
	case d.explained(s.ID, api.FindingSlowWorker):
		return
	default:
		d.causes(s, t, runs, &f)
	}
	d.tell(f)
}

// moreRows explains a task by its rows, and these by a key if one has most of them.
func (d *diagnosis) moreRows(s *api.StageProfile, t *api.TaskProfile, runs bool, f *api.Finding) bool {
	from, key := d.frequent(s)
	if runs { // its rows are not known yet
		if from == nil || float64(key.Rows) < float64(s.Counts.RowsIn+key.Rows)/float64(s.Tasks) {
			return false
		}
	} else {
		if float64(t.RowsIn) < uneven*s.RowsIn.Median || t.RowsIn == 0 {
			return false
		}
		f.Why = append(f.Why, fmt.Sprintf("it had %s to do, the median task %s", rows(float64(t.RowsIn)), rows(s.RowsIn.Median)))
	}
	if from == nil || !runs && float64(key.Rows) < float64(t.RowsIn)/3 {
		f.Kind = api.FindingSkew
		f.Title = fmt.Sprintf("skew: a task of stage %d has %s as many rows as most", s.ID, times(float64(t.RowsIn), s.RowsIn.Median))
		f.Do = "Divide the work more evenly: other keys to group or join by, or inputs whose files have about the same size."
		return true
	}
	share := float64(key.Rows) / float64(max(from.Counts.RowsOut, 1))
	f.Kind = api.FindingHotKey
	f.Title = fmt.Sprintf("hot key: %s has %s of the rows that stage %d gives to stage %d", keyText(from.Keys, key), percent(share), from.ID, s.ID)
	f.Why = append(f.Why, fmt.Sprintf("about %s of the %s that stage %d wrote by %s have it%s",
		rows(float64(key.Rows)), rows(float64(from.Counts.RowsOut)), from.ID, from.Keys, nextKeys(from)))
	if s.Adapted != "" {
		f.Why = append(f.Why, "the stage was divided anew: "+s.Adapted)
	}
	f.Do = "All rows of a key go to one task here. If it stands for no value, filter it out before; otherwise aggregate before the " +
		"shuffle, or group or join by more columns."
	if v := strings.ToLower(key.Value); v == "null" || v == "" || v == "0" || v == "-1" || v == "unknown" {
		f.Do = "That looks like a value that stands for none: filter it out before, or handle these rows in a query of their own."
	}
	return true
}

// frequent is the most frequent key of a stage's inputs, and which input has it.
func (d *diagnosis) frequent(s *api.StageProfile) (from *api.StageProfile, key api.KeyRows) {
	for _, in := range s.Inputs {
		if in < len(d.Stages) && len(d.Stages[in].Frequent) > 0 && d.Stages[in].Frequent[0].Rows > key.Rows {
			from, key = &d.Stages[in], d.Stages[in].Frequent[0]
		}
	}
	return from, key
}

// nextKeys names the key after the first, if it is frequent, too.
func nextKeys(s *api.StageProfile) string {
	if len(s.Frequent) < 2 || s.Frequent[1].Rows*4 < s.Frequent[0].Rows {
		return ""
	}
	return fmt.Sprintf("; %s has %s", keyText(s.Keys, s.Frequent[1]), rows(float64(s.Frequent[1].Rows)))
}

// causes explains a task that has no more rows than others.
func (d *diagnosis) causes(s *api.StageProfile, t *api.TaskProfile, runs bool, f *api.Finding) {
	f.Title = fmt.Sprintf("straggler: task %d of stage %d took %s as long as most", t.Task, s.ID, times(t.Seconds, s.Took.Median))
	f.Do = "Look at the worker: what else runs on it, its disk, its network."
	if runs || t.Facts == nil {
		return
	}
	f.Why = append(f.Why, fmt.Sprintf("it had %s to do, which is what others have", rows(float64(t.RowsIn))))
	half := t.Seconds / 2
	switch {
	case nanos(t.Facts.Fetch) > half:
		f.Why = append(f.Why, fmt.Sprintf("it waited %s of that for data of other workers", took(nanos(t.Facts.Fetch))))
		f.Do = "Look at the network, and at the workers that hold the data: one may be gone or busy."
	case nanos(t.Facts.Plugin) > half:
		f.Why = append(f.Why, fmt.Sprintf("it waited %s of that for plugin functions", took(nanos(t.Facts.Plugin))))
		f.Do = "Some rows take the plugin much longer than others: 'quern udf bench' measures it."
	case nanos(t.Facts.Slot) > half:
		f.Why = append(f.Why, fmt.Sprintf("it waited %s of that on the worker for its slot", took(nanos(t.Facts.Slot))))
		f.Do = "Tasks that ran out of memory want a worker to themselves: raise --memory."
	case t.Spilled > 0:
		f.Why = append(f.Why, fmt.Sprintf("it wrote %s to scratch files", bytes(t.Spilled)))
		f.Do = "More memory would help: see what is said of spilling."
	case t.Failures > 0:
		f.Why = append(f.Why, fmt.Sprintf("%s of it failed before", count(t.Failures, "attempt")))
		f.Do = "'quern logs' says why they failed."
	}
}
