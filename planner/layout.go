package planner

import (
	"slices"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/stage"
)

// outputColumn finds a column that an output names; what says for what.
func (l *jobLoader) outputColumn(o *jobfile.Output, v jobfile.Value, cols []logical.Column, what string) (int, error) {
	var names []string
	for i, c := range cols {
		if names = append(names, c.Name); strings.EqualFold(c.Name, v.Text) {
			return i, nil
		}
	}
	err := l.file.Errorf(v.Span, "output %s has no column %q %s", o.Name.Text, v.Text, what)
	if near := source.Nearest(v.Text, names); near != "" {
		return 0, err.WithHint("did you mean %q?", near)
	}
	return 0, err.WithHint("there are: %s", strings.Join(names, ", "))
}

// layOut says how the rows of an output's shards lie in files.
func (l *jobLoader) layOut(o *jobfile.Output, out *plan.Output, placement *stage.Output, cols []logical.Column) (err error) {
	out.RowsPerFile = o.RowsPerFile
	if out.PartitionBy, err = l.partitionColumns(o, cols); err != nil {
		return err
	}
	placement.PartitionBy = out.PartitionBy
	if out.SortBy, err = l.sortColumns(o, cols); err != nil {
		return err
	}
	if len(out.SortBy) > 0 {
		placement.Order = totalOrder(out.SortBy, out.PartitionBy, cols)
	}
	if o.Time.Text == "" {
		return nil
	}
	i, err := l.outputColumn(o, o.Time, cols, "with the time")
	if err != nil {
		return err
	}
	if !isTime(cols[i].Type) {
		return l.file.Errorf(o.Time.Span, "output %s: the column %s has type %s, which is no time", o.Name.Text, cols[i].Name, cols[i].Type).
			WithHint("the types are timestamp, timestamp_ntz and date")
	}
	out.Time = i + 1
	return nil
}

func (l *jobLoader) partitionColumns(o *jobfile.Output, cols []logical.Column) ([]int, error) {
	var list []int
	for _, v := range o.PartitionBy {
		i, err := l.outputColumn(o, v, cols, "to partition by")
		if err != nil {
			return nil, err
		}
		switch c := cols[i]; {
		case !partitions(c.Type):
			return nil, l.file.Errorf(v.Span, "output %s: rows cannot be partitioned by the column %s of type %s", o.Name.Text, c.Name, c.Type).
				WithHint("CAST it to a type whose values are equal or not: string, date, timestamp, boolean, a whole number or a decimal")
		case strings.HasPrefix(c.Name, "."):
			return nil, l.file.Errorf(v.Span, "output %s: the folders of the column %s would be hidden", o.Name.Text, c.Name).WithHint("rename it with AS")
		}
		list = append(list, i)
	}
	if len(list) > 0 && len(list) == len(cols) {
		return nil, l.file.Errorf(o.PartitionBy[0].Span, "output %s: partition_by has all columns, so that none is left for the files", o.Name.Text)
	}
	return list, nil
}

// partitions reports a type whose values can name folders.
func partitions(t plan.Type) bool {
	switch t.Kind {
	case plan.KindBoolean, plan.KindInt8, plan.KindInt16, plan.KindInt32, plan.KindInt64, plan.KindDecimal, plan.KindString, plan.KindDate,
		plan.KindTimestamp, plan.KindTimestampNTZ:
		return true
	}
	return false
}

func (l *jobLoader) sortColumns(o *jobfile.Output, cols []logical.Column) ([]plan.SortKey, error) {
	var keys []plan.SortKey
	for _, v := range o.SortBy {
		i, err := l.outputColumn(o, v.Column, cols, "to sort by")
		if err != nil {
			return nil, err
		}
		if !ordered(cols[i].Type) {
			return nil, l.file.Errorf(v.Column.Span, "output %s: values of type %s have no order", o.Name.Text, cols[i].Type)
		}
		keys = append(keys, plan.SortKey{Column: i, Descending: v.Descending, NullsLast: v.NullsLast})
	}
	return keys, nil
}

// ordered reports a type whose values SQL can sort.
func ordered(t plan.Type) bool {
	return t.Kind != plan.KindMap && t.Kind != plan.KindInterval && !slices.ContainsFunc(t.Children, func(f plan.Field) bool { return !ordered(f.Type) })
}

// totalOrder has rows that are equal in the keys sorted by their other columns, as far as those have an order. Rows are
// compared only where the same columns are equal.
func totalOrder(keys []plan.SortKey, same []int, cols []logical.Column) []plan.SortKey {
	all := slices.Clone(keys)
	for i, c := range cols {
		if ordered(c.Type) && !slices.Contains(same, i) && !slices.ContainsFunc(keys, func(k plan.SortKey) bool { return k.Column == i }) {
			all = append(all, plan.SortKey{Column: i})
		}
	}
	return all
}
