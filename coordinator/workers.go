package coordinator

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/lines"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/internal/failpoint"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// maxSlots bounds what a worker may claim to have.
const maxSlots = 4096

// unknownWorker is the answer to a worker that must register first. One that has a successor without knowing it may be
// wrong about that, so it asks the others before it says so.
func (c *Coordinator) unknownWorker(ctx context.Context, id string) error {
	if err := c.node.Verify(ctx); err != nil {
		return err
	}
	return api.Errorf(api.CodeUnknownWorker, "worker %q is not known here; register first", id)
}

// check returns an error if a worker is not known.
func (c *Coordinator) check(ctx context.Context, id string) error {
	known := false
	c.node.Read(func(m *state.Machine) { known = m.Known(id) })
	if !known {
		return c.unknownWorker(ctx, id)
	}
	return nil
}

func (c *Coordinator) worker(ctx context.Context, id string) (w state.Worker, err error) {
	known := false
	c.node.Read(func(m *state.Machine) { w, known = m.Worker(id) })
	if !known {
		return w, c.unknownWorker(ctx, id)
	}
	return w, nil
}

func (c *Coordinator) register(w http.ResponseWriter, r *http.Request, t *term) error {
	var request api.RegisterRequest
	if err := readJSON(r, &request); err != nil {
		return err
	}
	if err := plan.ValidateID("worker id", request.WorkerID); err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(request.Address); err != nil {
		return api.Errorf(api.CodeInvalid, "worker %s: address %q is not host:port", request.WorkerID, request.Address)
	}
	if request.Slots < 1 || request.Slots > maxSlots {
		return api.Errorf(api.CodeInvalid, "worker %s: %d slots; 1 to %d make sense", request.WorkerID, request.Slots, maxSlots)
	}
	t.heard(request.WorkerID) // before it is known, so that it is never known without a lease
	callsFor(r, request.WorkerID)
	now := c.now()
	var commands []state.Command
	for _, id := range c.displaced(request) {
		t.forget(id)
		commands = append(commands, state.Command{WorkerLost: &state.WorkerLost{ID: id, At: now}})
	}
	commands = append(commands, state.Command{Register: &state.RegisterWorker{
		ID: request.WorkerID, Address: request.Address, Slots: request.Slots, Memory: request.Memory, At: now,
	}})
	if _, err := c.propose(r.Context(), commands...); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, api.RegisterReply{Lease: c.options.Lease, Heartbeat: c.options.Heartbeat})
	return nil
}

// displaced lists workers that were where a new one is: two cannot listen at one address, so those have died.
func (c *Coordinator) displaced(r api.RegisterRequest) (ids []string) {
	c.node.Read(func(m *state.Machine) { ids = m.WorkersAt(r.Address) })
	return slices.DeleteFunc(ids, func(id string) bool { return id == r.WorkerID })
}

// leave gives up a worker that says it is stopping. Its attempts are taken back first, as if they had not been granted:
// a worker that stops in good order is no sign of a task that brings workers down.
func (c *Coordinator) leave(w http.ResponseWriter, r *http.Request, t *term) error {
	var request api.LeaveRequest
	if err := readJSON(r, &request); err != nil {
		return err
	}
	known, err := c.worker(r.Context(), request.WorkerID)
	if err != nil {
		return err
	}
	now := c.now()
	commands := []state.Command{{WorkerLost: &state.WorkerLost{ID: known.ID, At: now}}}
	if len(known.Attempts) > 0 {
		commands = slices.Insert(commands, 0, state.Command{Missing: &state.Missing{Worker: known.ID, Attempts: known.Attempts, At: now}})
	}
	if _, err := c.propose(r.Context(), commands...); err != nil {
		return err
	}
	t.forget(known.ID)
	writeJSON(w, http.StatusOK, struct{}{})
	return nil
}

// report records how attempts ended. The answer comes when that is durable.
func (c *Coordinator) report(w http.ResponseWriter, r *http.Request, t *term) error {
	var request api.ReportRequest
	if err := readJSON(r, &request); err != nil {
		return err
	}
	if err := c.check(r.Context(), request.WorkerID); err != nil {
		return err
	}
	t.heard(request.WorkerID)
	commands := make([]state.Command, len(request.Reports))
	for i, report := range request.Reports {
		commands[i].Report = &state.Report{Worker: request.WorkerID, Report: report, At: c.now()}
	}
	c.node.Read(func(m *state.Machine) {
		for i := range commands {
			m.Condense(commands[i].Report)
		}
	})
	reply := api.ReportReply{Accepted: make([]bool, len(commands))}
	if len(commands) > 0 {
		results, err := c.propose(r.Context(), commands...)
		if err != nil {
			return err
		}
		for i, result := range results {
			reply.Accepted[i] = result.Outcome == state.Applied || result.Outcome == state.Repeated
			if result.Outcome == state.Applied {
				c.measures.recorded(&request.Reports[i])
			}
			if result.Discard {
				c.discard(request.Reports[i])
			}
		}
	}
	if err := failpoint.Hit("coordinator/reports-recorded"); err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, reply)
	return nil
}

// discard deletes the files of an attempt that came too late to count. Nothing names them, so a failure to delete does no
// harm beyond the space.
func (c *Coordinator) discard(report api.Report) {
	var outputs []state.Output
	dead := false
	c.node.Read(func(m *state.Machine) { outputs, dead = m.Outputs(report.Run) })
	for _, o := range outputs {
		var files []api.FileInfo
		if o.Stage == report.Stage && report.File != nil && state.ValidFileName(report.File.Name) {
			files = append(files, *report.File)
		}
		if j := report.Rejects; j != nil && api.IsRejects(j.Name) {
			files = append(files, j.FileInfo) // of the outputs one has it; that the others have not is fine
		}
		if len(files) == 0 {
			continue
		}
		c.background(func(ctx context.Context) {
			var err error
			if dead {
				// The run was cleaned before these files came to be: the folder is to go as well.
				err = c.options.Store.DeleteTree(ctx, o.VersionURL)
			} else {
				err = c.deleteWritten(ctx, o.VersionURL, files)
			}
			if err != nil {
				lines.Of(c.log, report.AttemptID).Warn("could not delete the files of a late attempt", "error", err)
			}
		})
	}
}

func (c *Coordinator) deleteWritten(ctx context.Context, versionURL string, files []api.FileInfo) error {
	var errs []error
	for _, f := range files {
		keys, err := c.discardable(ctx, versionURL, f)
		if errors.Is(err, fs.ErrNotExist) {
			continue // publishing has swept it, and the shards with it
		}
		errs = append(errs, err)
		for _, key := range keys {
			errs = append(errs, c.options.Store.Delete(ctx, storage.Join(versionURL, key)))
		}
	}
	return errors.Join(errs...)
}

// heartbeat renews a lease, and tells a worker what to stop and what to forget.
func (c *Coordinator) heartbeat(w http.ResponseWriter, r *http.Request, t *term) error {
	var request api.HeartbeatRequest
	if err := readJSON(r, &request); err != nil {
		return err
	}
	known, err := c.worker(r.Context(), request.WorkerID)
	if err != nil {
		return err
	}
	t.heard(request.WorkerID)
	t.note(request)
	callsFor(r, request.WorkerID)
	if lost := t.missing(request.WorkerID, known.Attempts, request.Running); len(lost) > 0 {
		command := &state.Missing{Worker: request.WorkerID, Attempts: lost, At: c.now()}
		if _, err := c.propose(r.Context(), state.Command{Missing: command}); err != nil {
			return err
		}
	}
	if request.Draining && !known.Draining {
		command := &state.DrainWorker{ID: request.WorkerID, At: c.now()}
		if _, err := c.propose(r.Context(), state.Command{Drain: command}); err != nil {
			return err
		}
	}
	var reply api.HeartbeatReply
	c.node.Read(func(m *state.Machine) {
		for _, id := range request.Running {
			if !m.Current(id, request.WorkerID) {
				reply.Stop = append(reply.Stop, id)
			}
		}
		reply.Forget = t.toForget(request.WorkerID, m.Over(), func(skip func(string) bool) []string {
			return m.FinishedFor(request.WorkerID, skip)
		})
		reply.Drained = request.Draining && m.Drained(request.WorkerID)
	})
	if len(reply.Stop)+len(reply.Forget) > 0 || reply.Drained {
		// A deposed leader would take the grants of its successor for stale.
		if err := c.node.Verify(r.Context()); err != nil {
			return err
		}
	}
	writeJSON(w, http.StatusOK, reply)
	return nil
}
