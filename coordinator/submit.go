package coordinator

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/internal/failpoint"
	"github.com/quern-engine/quern/internal/traces"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// submit plans a request and records the run. What the run needs (its plan, its plugins) is on a majority of the
// coordinators before the log says that the run exists.
func (c *Coordinator) submit(w http.ResponseWriter, r *http.Request, t *term) error {
	var request api.SubmitRequest
	if err := readJSON(r, &request); err != nil {
		return err
	}
	if request.RetryOf != "" {
		return api.Errorf(api.CodeInvalid, "retry_of: a run is retried by POST /v1/runs/%s/retry", request.RetryOf)
	}
	return c.take(w, r, t, request)
}

// take takes a request in.
func (c *Coordinator) take(w http.ResponseWriter, r *http.Request, t *term, request api.SubmitRequest) error {
	digest, err := checkRequest(request)
	if err != nil {
		return err
	}
	if status, err := c.attach(r.Context(), request.RunID, digest); err != nil || status != nil {
		if err == nil {
			t.showLive(status)
			writeJSON(w, http.StatusOK, status)
		}
		return err
	}
	leave, err := c.admit(r.Context())
	if err != nil {
		return err
	}
	defer leave()
	bound, err := c.bind(r.Context(), &request)
	if err != nil {
		return err
	}
	command, err := c.prepare(r.Context(), request, digest, bound)
	if err != nil {
		return err
	}
	command.Traceparent = c.partOf(r.Header.Get(traces.Header))
	results, err := c.propose(r.Context(), state.Command{Submit: command})
	if err != nil {
		return err
	}
	if err := failpoint.Hit("coordinator/run-recorded"); err != nil {
		return err
	}
	switch results[0].Outcome {
	case state.Conflict:
		return conflict(request.RunID)
	case state.Rejected:
		return fmt.Errorf("run %s: its plan is not consistent", request.RunID)
	}
	if same := results[0].Run; same != "" {
		return c.writeStatus(w, t, http.StatusOK, same)
	}
	return c.writeStatus(w, t, http.StatusCreated, request.RunID)
}

func conflict(run string) error {
	return api.Errorf(api.CodeConflict, "run %s exists and was asked for something else; use another run id", run)
}

// attach finds the run that a repeated request has made.
func (c *Coordinator) attach(ctx context.Context, run, digest string) (*api.RunStatus, error) {
	if err := c.node.Verify(ctx); err != nil {
		return nil, err
	}
	var status *api.RunStatus
	var err error
	c.node.Read(func(m *state.Machine) {
		made, known := m.Request(run)
		switch {
		case !known:
		case made != digest:
			err = conflict(run)
		default:
			s, _ := m.Status(run)
			c.explainWaiting(m, &s)
			status = &s
		}
	})
	return status, err
}

// Bounds of what callers may ask the scheduler for.
const (
	maxPriority = 100
	maxWeight   = 1000
)

func checkRequest(r api.SubmitRequest) (digest string, err error) {
	if err := plan.ValidateID("run id", r.RunID); err != nil {
		return "", err
	}
	if strings.HasSuffix(r.RunID, state.ChecksSuffix) {
		return "", api.Errorf(api.CodeInvalid, "run id %q: ids that end in %q are those of runs that measure for checks", r.RunID, state.ChecksSuffix)
	}
	if r.Priority < -maxPriority || r.Priority > maxPriority {
		return "", api.Errorf(api.CodeInvalid, "priority %d: use %d to %d", r.Priority, -maxPriority, maxPriority)
	}
	if r.Weight < 0 || r.Weight > maxWeight {
		return "", api.Errorf(api.CodeInvalid, "weight %d: use 1 to %d", r.Weight, maxWeight)
	}
	if (r.Job == nil) == (r.Query == nil) {
		return "", api.Errorf(api.CodeInvalid, "a request has either a job or a query")
	}
	for _, f := range r.Functions {
		for _, digest := range f.Blobs() {
			if !digestPattern.MatchString(digest) {
				return "", api.Errorf(api.CodeInvalid, "function %s: %q is not a hex SHA-256", f.Name, digest)
			}
		}
	}
	return requestDigest(r)
}

func requestDigest(r api.SubmitRequest) (string, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("encode request: %w", err)
	}
	return plan.Digest(data), nil
}

// prepare plans a request of some digest, with the functions that the coordinator has bound if bound is the digest of that.
func (c *Coordinator) prepare(ctx context.Context, request api.SubmitRequest, digest, bound string) (*state.SubmitRun, error) {
	var needed []string
	for _, f := range request.Functions {
		for _, digest := range f.Blobs() {
			if slices.Contains(needed, digest) {
				continue
			}
			blob, err := c.blobs.open(ctx, digest)
			if err != nil {
				return nil, fmt.Errorf("function %s: its plugin, or a file of it, was not uploaded: %w", f.Name, err)
			}
			blob.Close()
			needed = append(needed, digest)
		}
	}
	job, err := c.options.Plan(ctx, request)
	if err != nil {
		return nil, err
	}
	if err := job.Validate(); err != nil {
		return nil, fmt.Errorf("plan run %s: %w", request.RunID, err)
	}
	encoded, err := job.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	planned := plan.Digest(encoded)
	if err := c.blobs.put(planned, strings.NewReader(string(encoded))); err != nil {
		return nil, fmt.Errorf("store plan: %w", err)
	}
	if request.Job != nil {
		kept := cmp.Or(bound, digest)
		if err := c.keepRequest(request, kept); err != nil {
			return nil, err
		}
		needed = append(needed, kept)
	}
	if err := c.blobs.spread(ctx, c.life(), slices.Concat(needed, []string{planned})...); err != nil {
		return nil, err
	}
	command := describeJob(job, request.RunID)
	if old := c.node.EntryVersion() < state.FunctionsVersion; old && !command.Rejects() {
		for i := range command.Stages {
			command.Stages[i].Functions = nil // only names a culprit
		}
	} else if old {
		return nil, api.Errorf(api.CodeInvalid, "functions with on_error: quarantine need all coordinators to be of a build that knows them: upgrade those that do not")
	}
	if command.Checks > 0 {
		if err := c.checkable(request.RunID); err != nil {
			return nil, err
		}
	}
	command.Request, command.Bound, command.Plan, command.At = digest, bound, planned, c.now()
	command.Attach, command.Priority, command.Weight, command.Blobs = request.Attach, request.Priority, request.Weight, needed
	command.Attach = command.Attach && c.stillThere(ctx, planned)
	if c.node.EntryVersion() >= state.FactsVersion {
		command.RetryOf = request.RetryOf
	}
	return command, c.checkVersions(ctx, command)
}

// stillThere reports that what an earlier run with the same plan has published has not been deleted.
func (c *Coordinator) stillThere(ctx context.Context, planned string) bool {
	var published []state.Output
	c.node.Read(func(m *state.Machine) { published = m.Published(planned) })
	for _, o := range published {
		if _, err := c.options.Store.Get(ctx, storage.Join(o.VersionURL, manifestName)); err != nil {
			return false
		}
	}
	return true
}

// checkVersions refuses a run whose folder holds a published version: of a run with the same id that this cluster has
// forgotten. If the new one failed, that version would be deleted.
func (c *Coordinator) checkVersions(ctx context.Context, s *state.SubmitRun) error {
	for _, o := range s.Outputs {
		if _, err := c.options.Store.Get(ctx, storage.Join(o.VersionURL, manifestName)); err == nil {
			return api.Errorf(api.CodeConflict, "output %s: %s was published before, by an earlier run %s; use another run id", o.Name, o.VersionPath, s.RunID)
		}
	}
	return nil
}

// describeJob is what the state machine needs to know of a job.
func describeJob(job *plan.Job, run string) *state.SubmitRun {
	s := &state.SubmitRun{RunID: run, Name: job.Name, Checks: len(job.Checks)}
	for _, stage := range job.Stages {
		s.Stages = append(s.Stages, state.Shape{
			Label: label(stage), Tasks: stage.Tasks, Inputs: stage.Inputs, Sink: stage.Sink.Kind,
			Partitions: stage.Sink.Partitions, Output: stage.Sink.Output, Adapt: stage.Adapt, Rejects: rejects(job, stage),
		})
		if stage.Sink.Kind.Scratch() {
			s.Stages[len(s.Stages)-1].Functions = stage.ScalarCalls()
		}
		if stage.Sink.Kind == plan.SinkResult {
			s.Result = stage.Root.Schema
		}
	}
	for _, o := range job.Outputs {
		version := storage.Join(o.URL, run)
		s.Outputs = append(s.Outputs, state.Output{
			Name: o.Name, Stage: o.Stage, URL: o.URL, VersionURL: version, Path: storage.Display(o.URL),
			VersionPath: storage.Display(version), Manifest: storage.Display(storage.Join(version, manifestName)),
		})
	}
	return s
}

// rejects reports that plugin functions of a stage may put rows aside.
func rejects(job *plan.Job, s *plan.Stage) bool {
	found := false
	s.Root.Walk(func(n *plan.Node) {
		found = found || n.PluginTable != nil && n.PluginTable.Quarantine
		if n.UDF == nil {
			return
		}
		for _, c := range n.UDF.Calls {
			f, ok := job.Function(c.Function)
			found = found || ok && f.OnError == plan.QuarantineRow
		}
	})
	return found
}

// stepNames are the operators that a label mentions; the others go without saying.
var stepNames = map[plan.NodeOp]string{
	plan.NodeUDF: "plugin", plan.NodeAggregate: "aggregate", plan.NodeJoin: "join", plan.NodeSort: "sort", plan.NodeLimit: "limit",
	plan.NodeAsofJoin: "asof join",
}

// label says in a few words what a stage does: "scan flights → aggregate → shuffle".
func label(s *plan.Stage) string {
	var leaves, steps []string
	s.Root.Walk(func(n *plan.Node) {
		switch {
		case n.Op == plan.NodeScan && n.Scan != nil:
			leaves = append(leaves, "scan "+n.Scan.Source)
		case n.Op == plan.NodeShuffleRead && n.ShuffleRead != nil:
			leaves = append(leaves, fmt.Sprintf("read %d", n.ShuffleRead.Stage))
		case stepNames[n.Op] != "":
			steps = append(steps, stepNames[n.Op])
		}
	})
	slices.Reverse(steps) // parents come first in the walk
	var parts []string
	if len(leaves) > 0 {
		parts = append(parts, strings.Join(leaves, ", "))
	}
	parts = append(parts, slices.Compact(steps)...)
	if s.Sink.Kind == plan.SinkFile {
		parts = append(parts, "write "+s.Sink.Output)
	} else {
		parts = append(parts, string(s.Sink.Kind))
	}
	return strings.Join(parts, " → ")
}
