package diagnose

import (
	"fmt"

	"github.com/quern-engine/quern/api"
)

// phases tells of what the run spent its time on beside its tasks.
func (d *diagnosis) phases() {
	p := d.Phases
	whole := func(kind api.FindingKind, seconds float64, title, do string) {
		d.tell(api.Finding{
			Kind: kind, Stage: -1, Seconds: seconds, Title: title + " for " + took(seconds),
			Why: []string{fmt.Sprintf("that is %s of the run's %s", percent(seconds/max(d.Seconds, seconds)), took(d.Seconds))}, Do: do,
		})
	}
	whole(api.FindingNoWorker, p.NoWorker, "no worker: there was none to give tasks to", "Start workers, or look at why they cannot register: 'quern workers'.")
	whole(api.FindingWaiting, p.Waiting, "waiting: no task of the run ran, though it had some",
		"Other runs had the slots, or it was in line: 'quern workers' and 'quern runs' show that. --priority and --weight, or more workers.")
	whole(api.FindingChecks, p.Checks, "checks: what they are about was measured", "Fewer or cheaper checks; 'quern profile RUN.checks' shows what they did.")
	whole(api.FindingBlocked, p.Blocked, "blocked: its checks kept it from being published", "'quern release' or 'quern cancel' decide.")
	whole(api.FindingPublish, p.Publish, "publishing: files were decided and manifests written", "Fewer shards; a store that answers faster.")
}

const (
	// manyTasks, shortTask and overhead say when tasks are too short: a good part of what they take is being handed out and reported.
	manyTasks = 32
	shortTask = 0.1
	overhead  = 0.4
)

func (d *diagnosis) shortTasks() {
	for i := range d.Stages {
		s := &d.Stages[i]
		lost := s.Busy - s.Worked
		if s.Done < manyTasks || s.Took.Median > shortTask || lost < overhead*s.Busy || d.explained(s.ID, api.FindingSmallFiles) {
			continue
		}
		d.tell(api.Finding{
			Kind: api.FindingShortTasks, Stage: s.ID, Seconds: d.part(s, lost),
			Title: fmt.Sprintf("short tasks: handing out the %s of stage %d took %s of their time", count(s.Tasks, "task"), s.ID, percent(lost/s.Busy)),
			Why:   []string{fmt.Sprintf("the median task took %s; of %s in all, the workers worked %s", took(s.Took.Median), took(s.Busy), took(s.Worked))},
			Do:    "Fewer, larger tasks: larger files, or fewer shards.",
		})
	}
}

// waves is how many times as many tasks as ran at once a stage has before slots are what it wants.
const waves = 4

// slots tells of stages that more slots would have made shorter.
func (d *diagnosis) slots() {
	slots := 0 // of all workers that the run was given to: if they were not all busy, more would not have helped
	for _, w := range d.Workers {
		slots += w.Slots
	}
	for i := range d.Stages {
		s := &d.Stages[i]
		wall := s.Wall(d.Seconds)
		if s.AtOnce == 0 || s.Tasks < waves*s.AtOnce || s.Done == 0 || s.AtOnce < slots {
			continue
		}
		each := s.Busy / float64(s.Done)
		twice := max(s.Took.Most, each*float64(s.Tasks)/float64(2*s.AtOnce))
		d.tell(api.Finding{
			Kind: api.FindingSlots, Stage: s.ID, Seconds: wall - twice,
			Title: fmt.Sprintf("slots: stage %d has %s and ran %d at once", s.ID, count(s.Tasks, "task"), s.AtOnce),
			Why:   []string{fmt.Sprintf("it took %s; with twice the slots it would be about %s", took(wall), took(twice))},
			Do:    "More workers, or more slots where there are cores for them.",
		})
	}
}
