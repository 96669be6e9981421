package coordinator

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/secure"
	"github.com/quern-engine/quern/coordinator/state"
)

// maxList is how many runs a list shows.
const maxList = 200

func unknownRun(id string) error { return api.Errorf(api.CodeNotFound, "there is no run %q", id) }

func (c *Coordinator) runs(w http.ResponseWriter, r *http.Request, t *term) error {
	if err := c.node.Verify(r.Context()); err != nil {
		return err
	}
	limit, err := numberParameter("limit", r.FormValue("limit"))
	if err != nil {
		return err
	}
	if limit == 0 || limit > maxList {
		limit = maxList
	}
	var states []api.RunState
	for _, s := range r.Form["state"] {
		if !slices.Contains(api.RunStates(), api.RunState(s)) {
			return api.Errorf(api.CodeInvalid, "state=%q: there are %s", s, stateNames())
		}
		states = append(states, api.RunState(s))
	}
	var list api.RunList
	c.node.Read(func(m *state.Machine) {
		list.Runs = m.Statuses(int(limit), states)
		for i := range list.Runs {
			c.explainWaiting(m, &list.Runs[i])
		}
	})
	shown := make([]*api.RunStatus, len(list.Runs))
	for i := range list.Runs {
		shown[i] = &list.Runs[i]
	}
	t.showLive(shown...)
	writeJSON(w, http.StatusOK, list)
	return nil
}

func stateNames() string {
	var names []string
	for _, s := range api.RunStates() {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

// progressPause is how long a caller who waits for changes waits at least, unless the run ends: a run of many short tasks
// changes faster than anybody reads, and every answer costs the leader time that the tasks could use.
const progressPause = 50 * time.Millisecond

// status answers at once when wait is zero. Otherwise it answers when the run has ended, or when its version is above
// since, though not before progressPause, or when wait is over.
func (c *Coordinator) status(w http.ResponseWriter, r *http.Request, t *term) error {
	since, err := numberParameter("since", r.FormValue("since"))
	if err != nil {
		return err
	}
	wait, err := waitParameter(r.FormValue("wait"))
	if err != nil {
		return err
	}
	if err := c.node.Verify(r.Context()); err != nil {
		return err
	}
	id := r.PathValue("run")
	pause := min(wait, progressPause)
	err = c.await(r.Context(), pause, func(m *state.Machine) bool { return m.RunEnded(id) })
	if err == nil {
		err = c.await(r.Context(), wait-pause, func(m *state.Machine) bool {
			version, known := m.RunVersion(id)
			return !known || version > since
		})
	}
	if err != nil {
		return err
	}
	return c.writeStatus(w, t, http.StatusOK, id)
}

func (c *Coordinator) writeStatus(w http.ResponseWriter, t *term, code int, id string) error {
	var status api.RunStatus
	known := false
	c.node.Read(func(m *state.Machine) {
		status, known = m.Status(id)
		c.explainWaiting(m, &status)
	})
	if !known {
		return unknownRun(id)
	}
	t.showLive(&status)
	writeJSON(w, code, status)
	return nil
}

// explainWaiting says of a run in line how many are before it.
func (c *Coordinator) explainWaiting(m *state.Machine, s *api.RunStatus) {
	if s.State != api.RunQueued || m.Live() <= c.options.MaxActive {
		return
	}
	if n := m.Ahead(s.RunID); n >= c.options.MaxActive {
		s.Reason = fmt.Sprintf("runs before it: %d, of which %d are served at a time", n, c.options.MaxActive)
	}
}

// purge forgets a run that has ended, or that its checks have blocked.
func (c *Coordinator) purge(w http.ResponseWriter, r *http.Request, _ *term) error {
	id := r.PathValue("run")
	results, err := c.propose(r.Context(), state.Command{Purge: &state.PurgeRuns{RunIDs: []string{id}, At: c.now()}})
	if err != nil {
		return err
	}
	if results[0].Outcome == state.Applied {
		writeJSON(w, http.StatusOK, struct{}{})
		return nil
	}
	var status api.RunStatus
	known := false
	c.node.Read(func(m *state.Machine) { status, known = m.Status(id) })
	if !known {
		return unknownRun(id)
	}
	return api.Errorf(api.CodeConflict, "run %s is %s; only a run that has ended or is blocked, all of whose tasks have stopped, can be forgotten", id, status.State)
}

// workers lists the workers that are known.
func (c *Coordinator) workers(w http.ResponseWriter, r *http.Request, t *term) error {
	if err := c.node.Verify(r.Context()); err != nil {
		return err
	}
	list := api.WorkerList{Workers: []api.WorkerStatus{}}
	now := c.now()
	c.node.Read(func(m *state.Machine) {
		for _, k := range m.Workers() {
			s := api.WorkerStatus{WorkerID: k.ID, Address: k.Address, Slots: k.Slots, Memory: k.Memory, Running: k.Attempts, Draining: k.Draining}
			if k.Until.After(now) {
				s.Quarantine = k.Until
			}
			list.Workers = append(list.Workers, s)
		}
	})
	for i := range list.Workers {
		list.Workers[i].Silent = t.silence(list.Workers[i].WorkerID)
		t.showSpoken(&list.Workers[i])
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

// cancel ends a run. Cancelling one that has ended, or whose files are decided, changes nothing: the status says so.
func (c *Coordinator) cancel(w http.ResponseWriter, r *http.Request, t *term) error {
	id := r.PathValue("run")
	command := &state.CancelRun{RunID: id, At: c.now()}
	if _, err := c.propose(r.Context(), state.Command{Cancel: command}); err != nil {
		return err
	}
	return c.writeStatus(w, t, http.StatusOK, id)
}

// publishBlocked publishes a run that its checks have blocked.
func (c *Coordinator) publishBlocked(w http.ResponseWriter, r *http.Request, t *term) error {
	id := r.PathValue("run")
	var request api.PublishRequest
	if err := readJSON(r, &request); err != nil {
		return err
	}
	request.Because = strings.TrimSpace(request.Because)
	if request.Because == "" || len(request.Because) > maxReason || len(request.By) > maxReason {
		return api.Errorf(api.CodeInvalid, "say why run %s is to be published all the same, in at most %d bytes", id, maxReason)
	}
	by := cmp.Or(secure.Caller(r.Context()), request.By, "unknown")
	command := &state.OverrideChecks{RunID: id, Because: request.Because, By: by, At: c.now()}
	results, err := c.propose(r.Context(), state.Command{Override: command})
	if err != nil {
		return err
	}
	if results[0].Outcome == state.Rejected {
		var status api.RunStatus
		known := false
		c.node.Read(func(m *state.Machine) { status, known = m.Status(id) })
		if !known {
			return unknownRun(id)
		}
		return api.Errorf(api.CodeConflict, "run %s is %s; only a run that its checks have blocked can be released", id, status.State)
	}
	return c.writeStatus(w, t, http.StatusOK, id)
}

// maxReason bounds the texts that say who released a run and why.
const maxReason = 1000

func (c *Coordinator) release(w http.ResponseWriter, r *http.Request, t *term) error {
	id := r.PathValue("run")
	if _, err := c.propose(r.Context(), state.Command{Release: &state.ReleaseRun{RunID: id}}); err != nil {
		return err
	}
	return c.writeStatus(w, t, http.StatusOK, id)
}

// outputs tells where a stage's outputs are, in the version asked for or a newer one: what is in a newer one are the
// same rows, computed again elsewhere.
func (c *Coordinator) outputs(w http.ResponseWriter, r *http.Request, _ *term) error {
	run := r.PathValue("run")
	stage, err := strconv.Atoi(r.PathValue("stage"))
	if err != nil {
		return api.Errorf(api.CodeInvalid, "%q is not a stage", r.PathValue("stage"))
	}
	if err := c.node.Verify(r.Context()); err != nil {
		return err
	}
	var locations api.StageOutputs
	known := false
	c.node.Read(func(m *state.Machine) { locations, known = m.Locations(run, stage) })
	if !known {
		return api.Errorf(api.CodeNotFound, "run %q has no outputs of stage %d", run, stage)
	}
	writeJSON(w, http.StatusOK, locations)
	return nil
}
