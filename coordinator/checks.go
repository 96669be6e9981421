package coordinator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/check"
	"github.com/quern-engine/quern/coordinator/consensus"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/internal/failpoint"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/internal/traces"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// checkable refuses a job with checks that this coordinator could not look at.
func (c *Coordinator) checkable(run string) error {
	if c.options.PlanChecks == nil {
		return fmt.Errorf("run %s: this coordinator cannot plan checks", run)
	}
	return plan.ValidateID("the id of the run that measures for the checks", state.ChecksRun(run))
}

// parents are the runs that the pointers of a run's outputs name. Only checks ask.
func (c *Coordinator) parents(ctx context.Context, run string) (parents []string, err error) {
	var outputs []state.Output
	checks := 0
	c.node.Read(func(m *state.Machine) { outputs, _ = m.Outputs(run); checks = m.Checks(run) })
	if checks == 0 {
		return nil, nil
	}
	parents = make([]string, len(outputs))
	for i, o := range outputs {
		data, err := c.get(ctx, storage.Join(o.URL, latestName))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if id := strings.TrimSpace(string(data)); plan.ValidateID("run id", id) == nil {
			parents[i] = id
		}
	}
	return parents, nil
}

// get reads a small file, with patience.
func (c *Coordinator) get(ctx context.Context, url string) ([]byte, error) {
	for try := 0; ; try++ {
		data, err := c.options.Store.Get(ctx, url)
		if err == nil || errors.Is(err, fs.ErrNotExist) || try+1 == publishTries {
			return data, err
		}
		if !c.sleep(ctx, try) {
			return nil, ctx.Err()
		}
	}
}

// measure begins the run that measures what a run's checks are about. Its id follows from that of the run, so whoever
// leads next finds it. What cannot be planned blocks the run.
func (c *Coordinator) measure(ctx context.Context, run string) error {
	made, ok := c.checking(run)
	if !ok {
		return nil
	}
	for try := 0; ; try++ {
		command, err := c.planMeasuring(ctx, run, made)
		switch {
		case err == nil:
			return c.beginMeasuring(ctx, run, made, command)
		case ctx.Err() != nil || errors.Is(err, consensus.ErrNotLeader) || errors.Is(err, consensus.ErrClosed):
			return err
		case !passing(err) || try+1 == publishTries:
			return c.failChecks(ctx, run, made, err)
		}
		if !c.sleep(ctx, try) {
			return ctx.Err()
		}
	}
}

func (c *Coordinator) beginMeasuring(ctx context.Context, run string, made state.Committed, command *state.SubmitRun) error {
	results, err := c.propose(ctx, state.Command{Submit: command})
	if err != nil {
		return err
	}
	switch _, still := c.checking(run); {
	case results[0].Outcome == state.Conflict:
		return c.failChecks(ctx, run, made, conflict(command.RunID))
	case results[0].Outcome == state.Rejected && still:
		return c.failChecks(ctx, run, made, errors.New("the plan of the run that measures is not consistent"))
	}
	return failpoint.Hit("coordinator/measuring")
}

// passing reports an error that may not come again.
func passing(err error) bool {
	var mistake *source.Error
	var failure *plan.Failure
	return !errors.As(err, &mistake) && (!errors.As(err, &failure) || failure.Kind.Retryable())
}

// checking is what a run has made whose checks are looked at.
func (c *Coordinator) checking(run string) (made state.Committed, ok bool) {
	c.node.Read(func(m *state.Machine) { made, ok = m.Committed(run) })
	return made, ok && made.State == api.RunChecking
}

// failChecks records that a run's checks cannot be evaluated.
func (c *Coordinator) failChecks(ctx context.Context, run string, made state.Committed, reason error) error {
	job, err := c.loadJob(ctx, made.Plan)
	if err != nil {
		return err
	}
	return c.recordChecks(ctx, run, check.Failed(job.Checks, reason.Error()))
}

func (c *Coordinator) recordChecks(ctx context.Context, run string, results []api.CheckResult) error {
	if _, err := c.propose(ctx, state.Command{Checked: &state.RunChecked{RunID: run, Results: results, At: c.now()}}); err != nil {
		return err
	}
	return failpoint.Hit("coordinator/checks-recorded")
}

func (c *Coordinator) planMeasuring(ctx context.Context, run string, made state.Committed) (*state.SubmitRun, error) {
	request, err := c.loadRequest(ctx, made.Request)
	if err != nil {
		return nil, err
	}
	job, err := c.loadJob(ctx, made.Plan)
	if err != nil {
		return nil, err
	}
	var written []WrittenOutput
	for _, o := range made.Outputs {
		planned, ok := job.Output(o.Name)
		if !ok {
			return nil, plan.Failf(plan.FailureInternal, "the plan has no output %q", o.Name)
		}
		w := WrittenOutput{Output: *planned, URL: o.VersionURL, Files: []string{}}
		lists, err := c.written(ctx, o)
		if err != nil {
			return nil, err
		}
		for _, l := range lists {
			for _, s := range l.Files {
				w.Files = append(w.Files, s.Key)
			}
		}
		written = append(written, w)
	}
	measuring, err := c.options.PlanChecks(ctx, request, written)
	if err != nil {
		return nil, fmt.Errorf("plan the checks of run %s: %w", run, err)
	}
	encoded, err := measuring.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	digest := plan.Digest(encoded)
	if err := c.blobs.put(digest, bytes.NewReader(encoded)); err != nil {
		return nil, fmt.Errorf("store plan: %w", err)
	}
	if err := c.blobs.spread(ctx, c.life(), digest); err != nil {
		return nil, err
	}
	command := describeJob(measuring, state.ChecksRun(run))
	command.ChecksOf, command.Plan, command.Blobs, command.At = run, digest, made.Blobs, c.now()
	command.Request = plan.Digest([]byte("checks of " + run)) // the same whoever leads, whatever the plan
	command.Traceparent = c.partOf(traces.Run(run, made.Traceparent).Traceparent())
	command.Priority = made.Priority + 1 // a run that is nearly done comes before one that has to begin
	return command, nil
}

// judge says which of a run's checks hold, now that it is known what there is to know.
func (c *Coordinator) judge(ctx context.Context, run string) error {
	var measured state.Measured
	c.node.Read(func(m *state.Machine) { measured, _ = m.Measured(run) })
	made, ok := c.checking(run)
	if !ok || measured.State == "" {
		return nil
	}
	if measured.State != api.RunSucceeded {
		reason := fmt.Errorf("run %s, which measures for the checks, was %s", state.ChecksRun(run), measured.State)
		if measured.Failure != nil {
			reason = fmt.Errorf("%w: %s", reason, measured.Failure.Message)
		}
		return c.failChecks(ctx, run, made, reason)
	}
	job, err := c.loadJob(ctx, made.Plan)
	if err != nil {
		return err
	}
	history, err := c.history(ctx, check.Depth(job.Checks), made)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return c.failChecks(ctx, run, made, fmt.Errorf("read earlier versions: %w", err))
	}
	ledgers, err := ledgerLines(job, made.Stages)
	if err != nil {
		return c.failChecks(ctx, run, made, err)
	}
	return c.recordChecks(ctx, run, check.Judge(job.Checks, append(ledgers, measured.Lines...), history))
}

// ledgerLines is what the run itself has counted of the samples that checks are about.
func ledgerLines(job *plan.Job, stages []api.Counts) (lines []string, err error) {
	var steps []manifestStep
	for i, c := range job.Checks {
		if c.Kind != plan.CheckSampling {
			continue
		}
		if steps == nil {
			steps = countSteps(job, stages)
		}
		at := slices.IndexFunc(steps, func(s manifestStep) bool { return s.Name == c.Step })
		if at < 0 || steps[at].Ledger == nil {
			continue // the judge says so
		}
		var strata []check.Stratum
		for _, l := range steps[at].Ledger {
			strata = append(strata, check.Stratum{Name: l.name(), Rate: l.Rate, Seen: l.Seen, Kept: l.Kept})
		}
		line, err := check.LedgerLine(i, strata)
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, nil
}

// history follows the manifests of outputs back from the version that came before. Where one is gone, that is all there is.
func (c *Coordinator) history(ctx context.Context, depth int, made state.Committed) (check.History, error) {
	history := check.History{}
	for _, o := range made.Outputs {
		for run := o.Parent; run != "" && len(history[o.Name]) < depth; {
			m, err := c.readManifest(ctx, storage.Join(o.URL, run, manifestName))
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err != nil {
				return nil, err
			}
			v := check.Version{Run: run, Rows: m.Rows}
			for _, r := range m.Checks {
				v.Distributions = append(v.Distributions, r.Distributions...)
			}
			history[o.Name] = append(history[o.Name], v)
			if run = m.Parent; plan.ValidateID("run id", run) != nil {
				break
			}
		}
	}
	return history, nil
}

func (c *Coordinator) readManifest(ctx context.Context, url string) (manifest, error) {
	var m manifest
	data, err := c.get(ctx, url)
	if err == nil {
		err = json.Unmarshal(data, &m)
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w", storage.Display(url), err)
	}
	return m, nil
}
