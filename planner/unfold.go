package planner

import (
	"context"
	"fmt"

	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/optimize"
)

// unfold has the catalog look into the folders that plans still read, level by level. After each, the conditions are held against
// the partition columns that are known then.
func (p *planning) unfold(ctx context.Context, opts optimize.Options) error {
	for _, r := range p.relations {
		for r.Table != nil && r.Table.Folders != nil {
			next, err := p.cat.Unfold(ctx, r.Table, p.wantedFiles(r))
			if err != nil {
				return fmt.Errorf("list table %s: %w", r.Name, err)
			}
			*r.Table = *next // which the scans share
			for i := range p.targets {
				t := &p.targets[i]
				pruned, err := optimize.Run(optimize.Partitions(), withFiles(t.optimised, r), p.ids, opts)
				if err != nil {
					return err
				}
				t.optimised = pruned.Plan
			}
		}
	}
	return nil
}

// withFiles has the scans of a table read all of its files.
func withFiles(n logical.Node, r logical.Relation) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		s, ok := n.(*logical.Scan)
		if !ok || s.Table != r.Table {
			return n
		}
		out := *s
		out.Files, out.Dropped = make([]logical.FileScan, len(r.Table.Files)), 0
		for i, f := range r.Table.Files {
			out.Files[i].File = f
		}
		return &out
	})
}
