package planner

import (
	"context"
	"fmt"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// fillStatistics asks the catalog about each table's files that any plan still reads, once a table.
func (p *planning) fillStatistics(ctx context.Context) error {
	known := map[string]map[string]plan.File{} // source → URL → file
	for _, r := range p.relations {
		if r.Table == nil || r.Table.Source.Format == plan.FormatFunction { // which says all that it knows at once
			continue
		}
		wanted := p.wantedFiles(r)
		if len(wanted) == 0 {
			continue
		}
		files, err := p.cat.Statistics(ctx, r.Table, wanted)
		if err != nil {
			return fmt.Errorf("read statistics of table %s: %w", r.Name, err)
		}
		known[r.Source()] = map[string]plan.File{}
		for _, f := range files {
			known[r.Source()][f.URL] = f
		}
	}
	for i := range p.targets {
		p.targets[i].optimised = withStatistics(p.targets[i].optimised, known)
	}
	return nil
}

// wantedFiles lists a table's files that some plan reads, in the table's order.
func (p *planning) wantedFiles(r logical.Relation) []plan.File {
	read := map[string]bool{}
	for _, t := range p.targets {
		for _, s := range scansOf(t.optimised) {
			if s.Source != r.Source() {
				continue
			}
			for _, f := range s.Files {
				read[f.File.URL] = true
			}
		}
	}
	var wanted []plan.File
	for _, f := range r.Table.Files {
		if read[f.URL] {
			wanted = append(wanted, f)
		}
	}
	return wanted
}

func withStatistics(n logical.Node, known map[string]map[string]plan.File) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		s, ok := n.(*logical.Scan)
		if !ok {
			return n
		}
		out := *s
		out.Files = make([]logical.FileScan, len(s.Files))
		for i, f := range s.Files {
			file := f.File
			if s.Table.Source.Format != plan.FormatFunction {
				file = known[s.Source][f.File.URL]
			}
			groups := make([]int, len(file.RowGroups))
			for g := range groups {
				groups[g] = g
			}
			out.Files[i] = logical.FileScan{File: file, Groups: groups}
		}
		return &out
	})
}
