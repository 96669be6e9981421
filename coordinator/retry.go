package coordinator

import (
	"errors"
	"net/http"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
	"github.com/quern-engine/quern/plan"
)

// retry submits what a run was asked for once more, under a new id. Asked again under the same id, it finds the same run.
func (c *Coordinator) retry(w http.ResponseWriter, r *http.Request, t *term) error {
	var asked api.RetryRequest
	if err := readJSON(r, &asked); err != nil {
		return err
	}
	if err := plan.ValidateID("run id", asked.RunID); err != nil {
		return err
	}
	if err := c.node.Verify(r.Context()); err != nil {
		return err
	}
	id := r.PathValue("run")
	digest, err := c.repeatable(id)
	if err != nil {
		return err
	}
	request, err := c.loadRequest(r.Context(), digest)
	if answer := (*api.Error)(nil); errors.As(err, &answer) && answer.Code == api.CodeNotFound {
		return api.Errorf(api.CodeConflict, "what run %s was asked for is not kept any more; submit it again", id)
	}
	if err != nil {
		return err
	}
	request.RunID, request.RetryOf, request.Attach = asked.RunID, id, true
	return c.take(w, r, t, request)
}

// repeatable is the digest of what a run was asked for, if it has come to nothing and can be run again.
func (c *Coordinator) repeatable(id string) (digest string, err error) {
	c.node.Read(func(m *state.Machine) {
		status, known := m.Status(id)
		if !known {
			err = unknownRun(id)
			return
		}
		var kept bool
		if digest, kept = m.KeptRequest(id); !kept {
			err = api.Errorf(api.CodeConflict, "of run %s it is not kept what it was asked for: it was a query, or an older build took it in; submit it again", id)
		}
		switch {
		case status.ChecksOf != "":
			err = api.Errorf(api.CodeConflict, "run %s measures for the checks of run %s: retry that one", id, status.ChecksOf)
		case status.State == api.RunSucceeded:
			err = api.Errorf(api.CodeConflict, "run %s has succeeded; to run the job once more, submit it again (quern submit --again)", id)
		case status.State == api.RunBlocked:
			err = api.Errorf(api.CodeConflict, "run %s is blocked by its checks; release it, or cancel it first", id)
		case !status.State.Terminal():
			err = api.Errorf(api.CodeConflict, "run %s is %s; wait for its end, or cancel it first", id, status.State)
		}
	})
	return digest, err
}
