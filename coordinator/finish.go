package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/consensus"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/internal/failpoint"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// publishTries is how often a step of publishing is tried before the run fails for it; pauses between them add up to
// about two and a half seconds. The store itself tries again on errors that are known to pass.
const publishTries = 8

// finishLoop does what runs ask of the leader after their last task: commit, publish, or clean up. Each step can be
// done again by the next leader if this one does not get to the end.
func (c *Coordinator) finishLoop(ctx context.Context) {
	var (
		steps  sync.WaitGroup
		mu     sync.Mutex
		active = map[string]bool{} // runs with a step under way; guarded by mu
		again  = make(chan struct{}, 1)
	)
	defer steps.Wait()
	for {
		changed := c.node.Changed()
		var due []state.Due
		c.node.Read(func(m *state.Machine) { due = m.Due() })
		for _, d := range due {
			if d.Phase == state.PhaseProfile && c.options.Volatile {
				continue // the state is as lasting
			}
			mu.Lock()
			busy := active[d.Run]
			active[d.Run] = true
			mu.Unlock()
			if busy {
				continue
			}
			steps.Go(func() {
				c.finishStep(ctx, d)
				mu.Lock()
				delete(active, d.Run)
				mu.Unlock()
				select {
				case again <- struct{}{}:
				default:
				}
			})
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

// finishStep tries a step until it is done, or somebody else leads.
func (c *Coordinator) finishStep(ctx context.Context, d state.Due) {
	for try := 0; ; try++ {
		var err error
		switch d.Phase {
		case state.PhaseCommit:
			err = c.commit(ctx, d.Run)
		case state.PhaseMeasure:
			err = c.measure(ctx, d.Run)
		case state.PhaseJudge:
			err = c.judge(ctx, d.Run)
		case state.PhasePublish:
			err = c.publish(ctx, d.Run)
		case state.PhaseClean:
			err = c.clean(ctx, d.Run)
		case state.PhaseSweep:
			err = c.sweepLate(ctx, d.Run)
		case state.PhaseProfile:
			err = c.writeProfile(ctx, d.Run)
		}
		if err == nil || ctx.Err() != nil || errors.Is(err, consensus.ErrNotLeader) || errors.Is(err, consensus.ErrClosed) {
			return
		}
		c.log.Warn("could not finish a run; trying again", "run", d.Run, "error", err)
		if !c.sleep(ctx, try) {
			return
		}
	}
}

// commit has the files of a run decided, and for its checks the versions that come before.
func (c *Coordinator) commit(ctx context.Context, run string) error {
	parents, err := c.parents(ctx, run)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failure := plan.Failf(plan.FailureStorage, "look for earlier versions of what run %s has written: %w", run, err)
		_, err = c.propose(ctx, state.Command{Fail: &state.FailRun{RunID: run, Failure: failure, At: c.now()}})
		return err
	}
	if _, err := c.propose(ctx, state.Command{Commit: &state.JobCommit{RunID: run, Parents: parents, At: c.now()}}); err != nil {
		return err
	}
	return failpoint.Hit("coordinator/job-committed")
}

// publish makes a run's outputs visible: for each what made it, the manifest, then the marker, and when all have those, the
// pointers. Each file's bytes follow from what was committed, so doing it twice is harmless. If the store refuses, the
// run fails, unless a pointer already names it: then readers may have followed it, and there is no way but on.
func (c *Coordinator) publish(ctx context.Context, run string) error {
	var made state.Committed
	var ok bool
	c.node.Read(func(m *state.Machine) { made, ok = m.Committed(run) })
	if !ok || made.State != api.RunPublishing {
		return nil
	}
	job, err := c.loadJob(ctx, made.Plan)
	if err != nil {
		return err
	}
	origin, err := c.madeBy(ctx, made)
	if err != nil {
		return err
	}
	err = c.writeVersion(ctx, run, job, made, origin)
	if err == nil {
		// A leader that stood still up to here (a stopped process, a frozen machine) may have a successor that has published
		// this run and later ones: their pointers must not be turned back.
		if err := c.node.Verify(ctx); err != nil {
			return err
		}
		err = c.point(ctx, run, made)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if c.visible(ctx, run, made) {
			return err
		}
		failure := plan.Failf(plan.FailureStorage, "publish the outputs of run %s: %w", run, err)
		_, err = c.propose(ctx, state.Command{Fail: &state.FailRun{RunID: run, Failure: failure, At: c.now()}})
		return err
	}
	if err := failpoint.Hit("coordinator/before-published"); err != nil {
		return err
	}
	if _, err = c.propose(ctx, state.Command{Published: &state.RunPublished{RunID: run, At: c.now()}}); err != nil {
		return err
	}
	return failpoint.Hit("coordinator/published")
}

func (c *Coordinator) loadJob(ctx context.Context, digest string) (*plan.Job, error) {
	data, err := c.blobs.read(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("load plan: %w", err)
	}
	return plan.DecodeJob(data)
}

// loadRequest reads what a run was submitted as.
func (c *Coordinator) loadRequest(ctx context.Context, digest string) (request api.SubmitRequest, err error) {
	data, err := c.blobs.read(ctx, digest)
	if err != nil {
		return request, fmt.Errorf("load request: %w", err)
	}
	if err := json.Unmarshal(data, &request); err != nil {
		return request, fmt.Errorf("decode request: %w", err)
	}
	return request, nil
}

func (c *Coordinator) writeVersion(ctx context.Context, run string, job *plan.Job, made state.Committed, origin []byte) error {
	for _, o := range made.Outputs {
		if origin != nil {
			if err := c.put(ctx, storage.Join(o.VersionURL, madeByName), origin); err != nil {
				return err
			}
		}
		files, err := c.writeManifest(ctx, job, made, o)
		if err != nil {
			return err
		}
		if err := failpoint.Hit("coordinator/manifest-written"); err != nil {
			return err
		}
		c.sweep(ctx, run, o.Output, files)
		if err := failpoint.Hit("coordinator/before-success"); err != nil {
			return err
		}
		if err := c.put(ctx, storage.Join(o.VersionURL, successName), nil); err != nil {
			return err
		}
	}
	return nil
}

// writeManifest writes an output's manifest and says which files it names. The lists that it is made from are swept once it
// is there: where they are gone, an earlier leader has come so far, and its manifest is what this one would write.
func (c *Coordinator) writeManifest(ctx context.Context, job *plan.Job, made state.Committed, o state.CommittedOutput) ([]string, error) {
	written, err := c.written(ctx, o)
	if errors.Is(err, fs.ErrNotExist) {
		if files, err := c.namedFiles(ctx, o.Output); err == nil {
			return files, nil
		}
	}
	if err != nil {
		return nil, err
	}
	m, err := newManifest(job, made, o, written)
	if err != nil {
		return nil, err
	}
	data, err := m.encode()
	if err != nil {
		return nil, err
	}
	return m.keys(), c.put(ctx, storage.Join(o.VersionURL, manifestName), data)
}

// point has the pointers of a run's outputs name it.
func (c *Coordinator) point(ctx context.Context, run string, made state.Committed) error {
	for _, o := range made.Outputs {
		if err := failpoint.Hit("coordinator/before-latest"); err != nil {
			return err
		}
		if err := c.put(ctx, storage.Join(o.URL, latestName), []byte(run+"\n")); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes the lists of shards, and what workers that were killed have left in a version, before its marker says that it
// is whole. What cannot be removed is named by no manifest, so it is no reason to fail.
func (c *Coordinator) sweep(ctx context.Context, run string, o state.Output, named []string) {
	keep := map[string]bool{manifestName: true, madeByName: true, successName: true}
	for _, name := range named {
		keep[name] = true
	}
	lists := 0
	deleted, err := c.options.Store.Sweep(ctx, o.VersionURL, func(name string) bool {
		if !keep[name] && api.IsList(name) {
			lists++
		}
		return keep[name]
	})
	if err != nil {
		c.log.Warn("could not remove files that lost attempts have left", "run", run, "folder", o.VersionPath, "error", err)
	}
	if deleted > lists {
		c.log.Info("removed files that lost attempts have left", "run", run, "folder", o.VersionPath, "files", deleted-lists)
	}
}

// sweepLate removes what attempts have left that lost to others and ended after the run: what the manifest does not name.
func (c *Coordinator) sweepLate(ctx context.Context, run string) error {
	var outputs []state.Output
	c.node.Read(func(m *state.Machine) { outputs, _ = m.Outputs(run) })
	for _, o := range outputs {
		named, err := c.namedFiles(ctx, o)
		if err != nil {
			c.log.Warn("could not look for files that late attempts have left", "run", run, "folder", o.VersionPath, "error", err)
			continue
		}
		c.sweep(ctx, run, o, named)
	}
	_, err := c.propose(ctx, state.Command{Cleaned: &state.RunCleaned{RunID: run, At: c.now()}})
	return err
}

func (c *Coordinator) put(ctx context.Context, url string, data []byte) error {
	for try := 0; ; try++ {
		err := c.options.Store.Put(ctx, url, data)
		if err == nil || try+1 == publishTries {
			return err
		}
		if !c.sleep(ctx, try) {
			return ctx.Err()
		}
	}
}

// visible reports whether a pointer names the run, or may do so.
func (c *Coordinator) visible(ctx context.Context, run string, made state.Committed) bool {
	for _, o := range made.Outputs {
		data, err := c.options.Store.Get(ctx, storage.Join(o.URL, latestName))
		if err == nil && strings.TrimSpace(string(data)) == run {
			return true
		}
	}
	return false
}

// clean deletes what a failed or cancelled run has written. A store that refuses for good must not keep the run from
// ending: what is left then is named by no manifest.
func (c *Coordinator) clean(ctx context.Context, run string) error {
	var outputs []state.Output
	c.node.Read(func(m *state.Machine) { outputs, _ = m.Outputs(run) })
	for _, o := range outputs {
		for try := 0; ; try++ {
			err := c.options.Store.DeleteTree(ctx, o.VersionURL)
			if err == nil {
				break
			}
			if try+1 == publishTries {
				c.log.Error("could not delete what a run has written", "run", run, "folder", o.VersionPath, "error", err)
				break
			}
			if !c.sleep(ctx, try) {
				return ctx.Err()
			}
		}
	}
	_, err := c.propose(ctx, state.Command{Cleaned: &state.RunCleaned{RunID: run, At: c.now()}})
	return err
}
