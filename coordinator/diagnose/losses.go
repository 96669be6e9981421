package diagnose

import (
	"fmt"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// lostWorkers tells of workers that vanished, however little that cost: it should not happen.
func (d *diagnosis) lostWorkers() {
	if len(d.Lost) == 0 {
		return
	}
	f := api.Finding{
		Kind: api.FindingLostWorkers, Stage: -1,
		Title: fmt.Sprintf("lost workers: %s vanished while it worked for the run", count(len(d.Lost), "worker")),
		Do:    "Look at why the processes ended: memory, the machine, whoever stops them. SIGTERM and time to drain cost nothing.",
	}
	for _, l := range d.Lost {
		f.Why = append(f.Why, fmt.Sprintf("%s after %s", l.Worker, took(l.At)))
	}
	attempts := 0
	for i := range d.Stages {
		for _, l := range d.Stages[i].Lost {
			if l.Kind == plan.FailureLostWorker || l.Kind == plan.FailureFetch || l.Kind == "" {
				attempts += l.Attempts
				f.Seconds += l.Seconds
			}
		}
	}
	f.Why = append(f.Why, fmt.Sprintf("%s were done in vain or again: %s", count(attempts, "attempt"), took(f.Seconds)))
	d.found = append(d.found, f)
}

// retries tells of attempts that failed.
func (d *diagnosis) retries() {
	for i := range d.Stages {
		s := &d.Stages[i]
		for _, l := range s.Lost {
			if len(d.Lost) > 0 && (l.Kind == plan.FailureLostWorker || l.Kind == plan.FailureFetch || l.Kind == "") {
				continue // told with the workers
			}
			f := api.Finding{
				Kind: api.FindingRetries, Stage: s.ID, Seconds: l.Seconds,
				Title: fmt.Sprintf("retries: %s of stage %d failed (%s)", count(l.Attempts, "attempt"), s.ID, strings.ReplaceAll(string(l.Kind), "_", " ")),
				Why:   []string{fmt.Sprintf("they took %s in vain", took(l.Seconds))},
				Do:    "'quern logs' has what they said.",
			}
			if l.Kind == "" {
				f.Title = fmt.Sprintf("retries: %s of stage %d were done again, since outputs were lost", count(l.Attempts, "task"), s.ID)
			}
			if l.Message != "" {
				f.Why = append(f.Why, "the last one, on "+l.Worker+": "+clipped(l.Message, 120))
			}
			d.tell(f)
		}
	}
}
