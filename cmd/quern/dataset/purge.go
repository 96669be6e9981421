package dataset

import (
	"context"
	"fmt"
	"time"

	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// Grace is how old a published version must be before it can go. Between its marker and the pointer that names it pass moments,
// in which it looks like any other.
const Grace = time.Hour

// Retention says which versions may go: those that all of its parts allow.
type Retention struct {
	Keep int       // the newest so many published ones stay; 0: no such bound
	Than time.Time // those published since stay; zero: no such bound
}

// Expired lists the published versions that may go, oldest first. Neither the one that the pointer names nor, if there is no
// pointer, the newest is among them; nor is anything that is not published.
func (d *Dataset) Expired(r Retention, now time.Time) []Version {
	var gone []Version
	newer := 0
	for _, v := range d.Versions {
		if v.State != Published {
			continue
		}
		newer++
		switch {
		case v.Latest, d.Latest == "" && newer == 1:
		case newer <= r.Keep, !v.Modified.Before(now.Add(-Grace)), !r.Than.IsZero() && !v.Modified.Before(r.Than):
		default:
			gone = append([]Version{v}, gone...)
		}
	}
	return gone
}

// Remove removes a published version, unless the pointer has come to name it. The marker goes first, then the manifest: from
// then on nobody takes it for a version, however far the removal gets.
func (d *Dataset) Remove(ctx context.Context, store *storage.Store, v Version) error {
	latest, err := Latest(ctx, store, d.URL)
	if err != nil {
		return err
	}
	if latest == v.ID {
		return plan.Failf(plan.FailureUser, "%s has become the latest version; it stays", storage.Display(v.URL))
	}
	for _, name := range []string{coordinator.SuccessName, coordinator.ManifestName} {
		if err := store.Delete(ctx, storage.Join(v.URL, name)); err != nil {
			return fmt.Errorf("remove version %s: %w", v.ID, err)
		}
	}
	if err := store.DeleteTree(ctx, v.URL); err != nil {
		return fmt.Errorf("remove version %s: %w", v.ID, err)
	}
	return nil
}
