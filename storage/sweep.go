package storage

import (
	"context"
	"errors"
	"strings"

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
	err = s.retry(ctx, func() error {
		stray = nil
		return d.list(ctx, u, func([]string) bool { return true }, func(elems []string, info Info) error {
			if !keep(strings.Join(elems, "/")) {
				stray = append(stray, info.URL)
			}
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, file := range stray {
		if err := s.Delete(ctx, file); err != nil {
			errs = append(errs, err)
		} else {
			deleted++
		}
	}
	return deleted, errors.Join(errs...)
}
