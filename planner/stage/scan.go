package stage

import (
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/optimize"
)

func (c *cutter) scan(n *logical.Scan) (fragment, error) {
	first := len(n.Table.Schema.Fields) - len(n.Table.Partitions)
	s := &plan.Scan{Source: n.Source, Format: n.Table.Source.Format, Options: n.Table.Source.Options, Columns: []plan.ScanColumn{}}
	if s.Format == "" {
		s.Format = "parquet"
	}
	if s.Format == plan.FormatFunction {
		s.Function = n.Table.Source.Name
	} else if s.Format != "parquet" {
		if s.Fields = n.Table.InFiles; s.Fields == nil {
			s.Fields = n.Table.Schema.Fields[:first]
		}
	}
	if n.Table.Skipped+n.Dropped+n.DroppedGroups > 0 {
		s.Dropped = &plan.Dropped{Folders: n.Table.Skipped, Files: n.Dropped, RowGroups: n.DroppedGroups}
	}
	for _, o := range n.Ordinals {
		s.Columns = append(s.Columns, scanColumn(n.Table.Schema, o, first))
	}
	lists, err := splits(n, c.opts)
	if s.Function != "" {
		lists = taskSplits(n)
	}
	root := &plan.Node{Op: plan.NodeScan, Schema: schemaOf(n.Cols), Scan: s}
	return fragment{parts: []part{{root: root, tasks: len(lists), splits: lists}}, ids: idsOf(n.Cols)}, err
}

// scanColumn says where the column at an ordinal comes from; partition columns begin at first.
func scanColumn(schema plan.Schema, ordinal, first int) plan.ScanColumn {
	switch {
	case ordinal == logical.OrdinalFile:
		return plan.ScanColumn{Name: plan.VirtualFile, Virtual: plan.VirtualFile}
	case ordinal == logical.OrdinalRow:
		return plan.ScanColumn{Name: plan.VirtualRow, Virtual: plan.VirtualRow}
	case ordinal >= first:
		return plan.ScanColumn{Name: schema.Fields[ordinal].Name, Partition: ordinal - first + 1}
	}
	return plan.ScanColumn{Name: schema.Fields[ordinal].Name}
}

// The size of a task's share of a scan, in compressed bytes of the columns that are read. A sixteenth of the whole gives
// both a small and a large machine enough tasks to even out; below 1 MiB a task is mostly overhead, above 128 MiB a retry
// costs too much.
const (
	splitShare      = 16
	defaultMinSplit = 1 << 20
	maxSplit        = 128 << 20
)

// splits packs consecutive row groups, in file order, into tasks. There is always a task, if with nothing to read.
func splits(n *logical.Scan, opts Options) ([][]plan.Split, error) {
	var total int64
	for _, f := range n.Files {
		if f.Groups == nil {
			return nil, plan.Failf(plan.FailureInternal, "cut stages: no statistics of %s", f.File.URL)
		}
		for _, g := range f.Groups {
			total += groupBytes(n, f.File.RowGroups[g])
		}
	}
	p := packer{target: min(max(total/splitShare, opts.MinSplit), maxSplit), lists: [][]plan.Split{{}}}
	for _, f := range n.Files {
		for _, g := range f.Groups {
			p.add(f.File, g, groupBytes(n, f.File.RowGroups[g]))
		}
	}
	return p.lists, nil
}

// taskSplits gives each task of a source function to one of the plan.
func taskSplits(n *logical.Scan) [][]plan.Split {
	var lists [][]plan.Split
	for _, f := range n.Files {
		for _, g := range f.Groups {
			lists = append(lists, []plan.Split{{URL: f.File.URL, RowGroupStart: g, RowGroupEnd: g + 1, Rows: f.File.RowGroups[g].Rows}})
		}
	}
	if lists == nil {
		lists = [][]plan.Split{{}}
	}
	return lists
}

// groupBytes is what reading a row group costs: its columns that are read, as stored.
func groupBytes(n *logical.Scan, rg plan.RowGroup) int64 {
	if format := n.Table.Source.Format; format != "" && format != "parquet" {
		return rg.Bytes // text is read whole, whatever is asked for
	}
	var sum int64
	for _, o := range n.Ordinals {
		if o >= 0 && o < len(rg.Columns) {
			sum += rg.Columns[o].Bytes
		}
	}
	return sum
}

// packer fills lists one after the other, each as near to the target as whole row groups allow.
type packer struct {
	target int64
	size   int64 // of the last list
	lists  [][]plan.Split
}

func (p *packer) add(f plan.File, group int, bytes int64) {
	rg := f.RowGroups[group]
	last := len(p.lists) - 1
	if over, short := p.size+bytes-p.target, p.target-p.size; len(p.lists[last]) > 0 && over > short {
		p.lists, p.size = append(p.lists, []plan.Split{}), 0
		last++
	}
	p.size += bytes
	if n := len(p.lists[last]); n > 0 {
		if s := &p.lists[last][n-1]; s.URL == f.URL && s.RowGroupEnd == group {
			s.RowGroupEnd, s.Rows = group+1, s.Rows+rg.Rows
			return
		}
	}
	p.lists[last] = append(p.lists[last], plan.Split{
		URL: f.URL, Size: f.Size, ETag: f.ETag, RowGroupStart: group, RowGroupEnd: group + 1, Rows: rg.Rows, Partition: f.Partition,
	})
}

// filter keeps rows. Right above a scan, conditions that statistics can answer are noted in the scan as well.
func (c *cutter) filter(n *logical.Filter) (fragment, error) {
	f, err := c.build(n.Input)
	if err != nil {
		return f, err
	}
	cols := n.Input.Columns()
	f, exprs, err := compute(f, []*plan.Expr{n.Predicate})
	if err != nil {
		return f, err
	}
	f = f.each(func(root *plan.Node) *plan.Node {
		if root.Op == plan.NodeScan {
			return withPrune(root, exprs[0])
		}
		return root
	})
	f = f.keeping(plan.Node{Op: plan.NodeFilter, Filter: &plan.Filter{Predicate: exprs[0]}})
	return trim(f, cols), nil
}

func withPrune(n *plan.Node, predicate *plan.Expr) *plan.Node {
	s := *n.Scan
	s.Prune = slices.Clone(s.Prune)
	for _, p := range plan.Conjuncts(predicate) {
		for _, p := range append(optimize.PrefixRange(p), p) {
			if prunable(p, s.Columns) {
				s.Prune = append(s.Prune, p)
			}
		}
	}
	out := *n
	out.Scan = &s
	return &out
}

// prunable reports a comparison of one file column with constants, a test for NULL, or an OR of such.
func prunable(p *plan.Expr, cols []plan.ScanColumn) bool {
	if p.Op != plan.OpCall {
		return false
	}
	inFile := func(e *plan.Expr) bool {
		return e.Op == plan.OpColumn && cols[e.Column].Partition == 0 && cols[e.Column].Virtual == ""
	}
	switch p.Name {
	case "or", "and":
		return prunable(p.Args[0], cols) && prunable(p.Args[1], cols)
	case "isnull", "isnotnull":
		return inFile(p.Args[0])
	case "in":
		for _, v := range p.Args[1:] {
			if !v.IsLiteral() {
				return false
			}
		}
		return inFile(p.Args[0])
	case "=", "<", "<=", ">", ">=":
		l, r := p.Args[0], p.Args[1]
		return inFile(l) && r.IsLiteral() || inFile(r) && l.IsLiteral()
	}
	return false
}
