package storage

import (
	"context"
	"errors"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/quern-engine/quern/plan"
)

// Sweep deletes the files in a folder and below that keep does not name, by their paths in it with slashes; those that List
// skips included: what writers have left there that were killed. It leaves folders alone. A file that is still being
// written goes as well, and its writer's Commit fails.
func (s *Store) Sweep(ctx context.Context, folderURL string, keep func(name string) bool) (deleted int, err error) {
	d, u, err := s.open(ctx, folderURL)
	if err != nil {
		return 0, err
	}
	if len(elements(u.Path)) == 0 {
		return 0, plan.Failf(plan.FailureUser, "refused to sweep all of %s", Display(folderURL))
	}
	var stray []string
	err = d.list(ctx, u, search{enter: everything, visit: func(elems []string, info Info) error {
		if !keep(strings.Join(elems, "/")) {
			stray = append(stray, info.URL)
		}
		return nil
	}})
	if err != nil {
		return 0, err
	}
	errs := make([]error, len(stray))
	var group errgroup.Group
	group.SetLimit(requestsAtOnce)
	for i, file := range stray {
		group.Go(func() error {
			errs[i] = s.Delete(ctx, file)
			return nil // the others are deleted all the same
		})
	}
	_ = group.Wait()
	for _, err := range errs {
		if err == nil {
			deleted++
		}
	}
	return deleted, errors.Join(errs...)
}
