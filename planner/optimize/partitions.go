package optimize

import (
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// prunePartitions drops the files whose partition values make a filter above the scan false, and then the conditions
// that the partition values of all files left make true. Of folders that are not listed yet it drops those that it can, and leaves
// the conditions for what is in the others.
func prunePartitions(r *rewriter, n logical.Node) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		filter, scan, ok := filteredScan(n)
		if !ok {
			return n
		}
		partition := partitionColumns(scan)
		var onPartition, others []*plan.Expr
		for _, p := range plan.Conjuncts(filter.Predicate) {
			if logical.ReadsOnly(p, func(c int) bool { _, ok := partition[c]; return ok }) && !logical.HasUDF(p) {
				onPartition = append(onPartition, p)
			} else {
				others = append(others, p)
			}
		}
		if len(onPartition) == 0 {
			return n
		}
		folded := scan.Table.Folders != nil
		out := *scan
		out.Files = nil
		certain := make([]bool, len(onPartition))
		for i := range certain {
			certain[i] = true
		}
		for _, f := range scan.Files {
			if r.mayPass(onPartition, partition, f.File, certain) {
				out.Files = append(out.Files, f)
			}
		}
		if folded {
			return &logical.Filter{Input: &out, Predicate: filter.Predicate}
		}
		out.Dropped += len(scan.Files) - len(out.Files)
		for i, p := range onPartition {
			if !certain[i] {
				others = append(others, p)
			}
		}
		return filtered(&out, others)
	})
}

// filteredScan is a filter right above a scan.
func filteredScan(n logical.Node) (*logical.Filter, *logical.Scan, bool) {
	filter, ok := n.(*logical.Filter)
	if !ok {
		return nil, nil, false
	}
	scan, ok := filter.Input.(*logical.Scan)
	return filter, scan, ok
}

// overScans applies f to each scan that has a filter right above it.
func overScans(n logical.Node, f func(*logical.Scan, []*plan.Expr) *logical.Scan) logical.Node {
	return logical.Rewrite(n, func(n logical.Node) logical.Node {
		filter, scan, ok := filteredScan(n)
		if !ok {
			return n
		}
		return logical.MapInputs(n, func(logical.Node) logical.Node { return f(scan, plan.Conjuncts(filter.Predicate)) })
	})
}

// partitionColumns maps the ids of a scan's partition columns to their places in File.Partition.
func partitionColumns(s *logical.Scan) map[int]int {
	first := len(s.Table.Schema.Fields) - len(s.Table.Partitions)
	out := map[int]int{}
	for i, c := range s.Cols {
		if s.Ordinals[i] >= first {
			out[c.ID] = s.Ordinals[i] - first
		}
	}
	return out
}

// mayPass reports whether a file can have rows for which all conditions are true. For a file that can, it clears
// certain[i] where condition i is not known to be true.
func (r *rewriter) mayPass(preds []*plan.Expr, partition map[int]int, f plan.File, certain []bool) bool {
	values := make([]*plan.Expr, len(preds))
	for i, p := range preds {
		values[i] = r.simplify(p.Transform(func(x *plan.Expr) *plan.Expr {
			if x.Op != plan.OpColumn {
				return x
			}
			place := partition[x.Column]
			if place >= len(f.Partition) { // a folder's, which has no value of this column
				return x
			}
			value := f.Partition[place]
			return &plan.Expr{Op: plan.OpLiteral, Type: x.Type, Value: value, Nullable: value.Null}
		}))
		if isNull(values[i]) || isBool(values[i], false) {
			return false
		}
	}
	for i, v := range values {
		certain[i] = certain[i] && v.IsTrue()
	}
	return true
}
