package coordinator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
)

const (
	// madeByName begins like what is no data, so that nothing that reads the folder takes it for such.
	madeByName    = "_job.json"
	madeByVersion = 1
)

// madeBy is the job that made a version, with all that it takes to make it again but for what the manifest has: its bytes are
// a function of what was asked for, as those of the manifest are. Nothing that is in them says which run it was, or when.
type madeBy struct {
	Format int      `json:"format"` // of this file
	Plan   string   `json:"plan"`   // SHA-256, as in the manifest
	Job    *api.Job `json:"job"`
}

// keepRequest puts the request of a job beside its plan: whoever publishes what the run makes says what made it, and whoever
// leads when its files are decided plans what its checks have to measure.
func (c *Coordinator) keepRequest(request api.SubmitRequest, digest string) error {
	data, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	if err := c.blobs.put(digest, bytes.NewReader(data)); err != nil {
		return fmt.Errorf("store request: %w", err)
	}
	return nil
}

// madeBy is what is kept of how a run's outputs were made; nil for a query, and for a run that a coordinator of an older build
// has taken in, which keeps no request.
func (c *Coordinator) madeBy(ctx context.Context, made state.Committed) ([]byte, error) {
	if !slices.Contains(made.Blobs, made.Request) {
		return nil, nil
	}
	request, err := c.loadRequest(ctx, made.Request)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // it is read by people, too
	e.SetIndent("", "  ")
	if err := e.Encode(madeBy{Format: madeByVersion, Plan: made.Plan, Job: request.Job}); err != nil {
		return nil, fmt.Errorf("encode %s: %w", madeByName, err)
	}
	return b.Bytes(), nil
}
