package state

import (
	"cmp"
	"slices"
	"time"

	"github.com/quern-engine/quern/api"
)

// RunProfiled says that the profile of a run that has ended is written down, and where: facts need not be kept any longer.
type RunProfiled struct {
	RunID   string    `json:"run_id"`
	Profile string    `json:"profile"` // digest
	At      time.Time `json:"at"`
}

func (a *applier) profiled(c *RunProfiled) {
	r := a.runs[c.RunID]
	switch {
	case r == nil || !r.State.Terminal() || c.Profile == "":
		a.reject()
	case r.Profile != "":
		a.repeat()
	default:
		r.Profile, r.Facts = c.Profile, nil
		for _, s := range r.Stages {
			s.Facts = nil
		}
	}
}

// Profiled is what there is of a run's profile: what the machine knows, and the plan that it leaves out; or only the digest of
// the whole, once that is written down.
type Profiled struct {
	Profile api.Profile
	Plan    string // digest
	Written string // digest; "" if the profile is not written down

	Traceparent string
}

// Profile is what is known of where a run's time went.
func (m *Machine) Profile(id string, now time.Time) (Profiled, bool) {
	r := m.runs[id]
	if r == nil {
		return Profiled{}, false
	}
	if r.Profile != "" {
		return Profiled{Written: r.Profile}, true
	}
	p := api.Profile{
		RunID: r.ID, Name: r.Name, State: r.State, Failure: r.Failure, Submitted: r.Submitted, Finished: r.Finished,
		Partial: r.Facts == nil, Findings: []api.Finding{},
	}
	end := r.Finished
	if !r.State.Terminal() {
		end = now
	}
	p.Seconds = max(0, end.Sub(r.Submitted).Seconds())
	if r.Facts != nil {
		p.Phases = m.phaseTimes(r, end)
		for _, l := range r.Facts.Lost {
			p.Lost = append(p.Lost, api.LostWorker{Worker: l.ID, At: r.since(l.At)})
		}
	}
	for _, w := range r.Workers[:min(len(r.Workers), mostFactWorker)] {
		p.Workers = append(p.Workers, api.WorkerProfile{Worker: w.ID, Slots: w.Slots, Memory: w.Memory})
	}
	for i := range r.Stages {
		p.Stages = append(p.Stages, r.stageProfile(i, now))
	}
	return Profiled{Profile: p, Plan: r.Plan, Traceparent: r.Traceparent}, true
}

func (m *Machine) phaseTimes(r *run, now time.Time) api.PhaseTimes {
	spent := r.Facts.Spent
	if r.Facts.Since > 0 {
		spent[r.Facts.Phase] += max(0, now.UnixMilli()-r.Facts.Since)
	}
	return api.PhaseTimes{
		NoWorker: seconds(spent[phaseNoWorker]), Waiting: seconds(spent[phaseWaiting]), Tasks: seconds(spent[phaseTasks]),
		Checks: seconds(spent[phaseChecks]), Blocked: seconds(spent[phaseBlocked]), Publish: seconds(spent[phasePublish]),
		Ending: seconds(spent[phaseEnding]),
	}
}

func seconds(ms int64) float64 { return float64(ms) / 1000 }

// since is a point in time as seconds from the run's submission.
func (r *run) since(ms int64) float64 { return seconds(max(0, ms-r.Submitted.UnixMilli())) }

func (r *run) stageProfile(i int, now time.Time) api.StageProfile {
	s := r.Stages[i]
	p := api.StageProfile{
		ID: i, Label: s.Label, Adapted: s.Note, Inputs: s.Inputs, Tasks: s.Tasks, Done: s.Done, Twins: s.Twins, Counts: s.Counts,
	}
	p.Took.Median, p.Took.Most = seconds(min(s.Took.median(), s.Slowest)), seconds(s.Slowest)
	f := s.Facts
	if f == nil {
		return p
	}
	p.Ready, p.Began = r.since(f.Ready), r.since(f.Began)
	if s.complete() {
		p.Ended = r.since(f.Ended)
	}
	p.AtOnce, p.Busy, p.Worked, p.Waited = f.AtOnce, seconds(f.Busy), seconds(f.Worked), seconds(f.Waited)
	p.Took.Least = seconds(f.Least)
	if len(f.Slow) > 0 { // a second attempt that was done first is in none of the others
		p.Took.Most = max(p.Took.Most, seconds(f.Slow[0].Took))
	}
	p.RowsIn = api.Spread{Least: float64(f.RowsMin), Median: float64(min(f.Rows.median(), f.RowsMax)), Most: float64(f.RowsMax)}
	p.Facts, p.Spilled = f.copied().Sum, f.Spilled
	for _, t := range f.Slow {
		t.Seconds, t.TaskProfile.Waited = seconds(t.Took), seconds(t.Waited)
		p.Slowest = append(p.Slowest, t.TaskProfile)
	}
	p.Running = r.longest(s, now)
	p.Frequent = slices.Clone(f.Keys)
	slices.SortStableFunc(p.Frequent, func(a, b api.KeyRows) int { return cmp.Compare(b.Rows, a.Rows) })
	for _, l := range f.Lost {
		p.Lost = append(p.Lost, api.LostAttempts{Kind: l.Kind, Attempts: l.Attempts, Seconds: seconds(l.Took), Worker: l.Worker, Message: l.Message})
	}
	for _, w := range f.Workers {
		p.Workers = append(p.Workers, api.WorkerSeconds{Worker: r.worker(w.Place), Tasks: w.Tasks, Seconds: seconds(w.Took), Rows: w.Rows})
	}
	return p
}

// longest are the tasks that run now and have done so for longest.
func (r *run) longest(s *stage, now time.Time) []api.TaskProfile {
	var list []api.TaskProfile
	for _, i := range s.running() {
		t := &s.List[i]
		list = append(list, api.TaskProfile{
			Task: i, Attempt: int(t.Attempt), Worker: r.worker(t.Worker), Seconds: seconds(max(0, now.UnixMilli()-t.Since)),
			Failures: int(t.Failures) + int(t.Fetches) + int(t.Losses), Twin: t.TwinWorker != 0,
		})
	}
	slices.SortStableFunc(list, func(a, b api.TaskProfile) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return list[:min(len(list), mostSlow)]
}
