package stage

import (
	"fmt"
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// fragment is the operators that will be the top of a stage. The branches of a union that cannot run in one stage are
// parts of one fragment: operators that work row by row go on top of each part, and a shuffle brings the parts together.
type fragment struct {
	parts []part // one, or the branches of a union in order; all with the same schema
	// ids are the column ids of the output, by ordinal; hidden for columns that only the operators above use.
	ids []int
	// hashed says by the hash of which columns the rows lie in tasks: for each key the ids of the columns that hold it
	// (both sides' after an inner join). Empty when they lie in no such order, as in several parts.
	hashed [][]int
	// sorted says in which order the rows of each task come, as far as that is known.
	sorted []order
}

// part is a tree of operators and the tasks that run it.
type part struct {
	root   *plan.Node
	tasks  int
	splits [][]plan.Split // of the stage's scan; nil without one
}

// order is a column, by id, that rows are sorted by.
type order struct {
	id         int
	descending bool
	nullsLast  bool
}

// hidden stands for a column without an id.
const hidden = -1

// single reports whether all rows are in one task.
func (f fragment) single() bool { return len(f.parts) == 1 && f.parts[0].tasks == 1 }

// schema is that of every part.
func (f fragment) schema() plan.Schema { return f.parts[0].root.Schema }

// scans reports whether a stage made of the fragment would have a scan.
func (f fragment) scans() bool {
	return slices.ContainsFunc(f.parts, func(p part) bool { return p.splits != nil })
}

// each rebuilds the root of every part.
func (f fragment) each(rebuild func(*plan.Node) *plan.Node) fragment {
	parts := slices.Clone(f.parts)
	for i := range parts {
		parts[i].root = rebuild(parts[i].root)
	}
	f.parts = parts
	return f
}

// over puts a node with a schema above every part.
func (f fragment) over(n plan.Node, schema plan.Schema) fragment {
	return f.each(func(root *plan.Node) *plan.Node {
		c := n
		c.Inputs, c.Schema = []*plan.Node{root}, schema
		return &c
	})
}

// keeping puts a node with the same columns above every part.
func (f fragment) keeping(n plan.Node) fragment { return f.over(n, f.schema()) }

// ordinal is the place of a column.
func (f fragment) ordinal(id int) (int, error) {
	if i := slices.Index(f.ids, id); i >= 0 {
		return i, nil
	}
	return 0, fmt.Errorf("column id %d is not among %v", id, f.ids)
}

// together reports whether rows that are equal in all the columns are in one task.
func (f fragment) together(keys []int) bool {
	if f.single() {
		return true
	}
	for _, h := range f.hashed {
		if !slices.ContainsFunc(keys, func(k int) bool { return f.ids[k] != hidden && slices.Contains(h, f.ids[k]) }) {
			return false
		}
	}
	return len(f.hashed) > 0
}

// sortedBy reports whether each task's rows come in the order of the keys. In the first free keys, direction and the
// place of NULLs do not matter: any order will do that brings equal rows together.
func (f fragment) sortedBy(keys []plan.SortKey, free int) bool {
	if len(keys) > len(f.sorted) {
		return false
	}
	for i, k := range keys {
		s := f.sorted[i]
		if s.id == hidden || s.id != f.ids[k.Column] {
			return false
		}
		if i >= free && (s.descending != k.Descending || s.nullsLast != k.NullsLast) {
			return false
		}
	}
	return true
}

// orderOf is the order of rows that come sorted by keys, as far as the columns have ids.
func (f fragment) orderOf(keys []plan.SortKey) []order {
	var out []order
	for _, k := range keys {
		if f.ids[k.Column] == hidden {
			break
		}
		out = append(out, order{f.ids[k.Column], k.Descending, k.NullsLast})
	}
	return out
}

// sort puts a sort of each task's rows above the fragment, unless they come so.
func (f fragment) sort(keys []plan.SortKey, free int) fragment {
	if len(keys) == 0 || f.sortedBy(keys, free) {
		return f
	}
	f = f.keeping(plan.Node{Op: plan.NodeSort, Sort: &plan.Sort{Limit: -1, Keys: keys}})
	f.sorted = f.orderOf(keys)
	return f
}

func idsOf(cols []logical.Column) []int {
	ids := make([]int, len(cols))
	for i, c := range cols {
		ids[i] = c.ID
	}
	return ids
}

func schemaOf(cols []logical.Column) plan.Schema {
	s := plan.Schema{Fields: make([]plan.Field, len(cols))}
	for i, c := range cols {
		s.Fields[i] = c.Field
	}
	return s
}
