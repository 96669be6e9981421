package dataset

import (
	"context"
	"errors"
	"io/fs"

	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// MadeBy is the job that made a version; nil if that is not kept beside it.
func (v *Version) MadeBy(ctx context.Context, store *storage.Store) (*coordinator.MadeBy, error) {
	data, err := store.Get(ctx, storage.Join(v.URL, coordinator.MadeByName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := coordinator.DecodeMadeBy(data)
	if err != nil {
		return nil, plan.Failf(plan.FailureUser, "%s: %w", storage.Display(v.URL), err)
	}
	if m.Plan != v.Manifest.Plan {
		return nil, plan.Failf(plan.FailureUser, "%s: %s is of the plan %s, and %s of the plan %s: they are not of one version",
			storage.Display(v.URL), coordinator.MadeByName, m.Plan, coordinator.ManifestName, v.Manifest.Plan)
	}
	return m, nil
}
