package logical

import (
	"math"

	"github.com/quern-engine/quern/plan"
)

// Size is a guess at how much a node puts out. Guesses decide the order and the sides of joins, partition counts and
// which side of a join is sent whole, never results, and are functions of the plan and the files' statistics alone.
type Size struct {
	Rows  int64
	Bytes int64 // in memory
}

// Estimate guesses the size of a node's output.
func Estimate(n Node) Size { return NewEstimator().Size(n) }

// Estimator guesses what nodes put out, and remembers its guesses: nodes are immutable.
type Estimator struct{ known map[Node]Profile }

// NewEstimator is an estimator that has seen nothing.
func NewEstimator() *Estimator { return &Estimator{known: map[Node]Profile{}} }

// Size guesses the size of a node's output.
func (e *Estimator) Size(n Node) Size {
	rows := e.Profile(n).Rows
	return Size{Rows: whole(rows), Bytes: whole(rows * rowWidth(n.Columns()))}
}

// mostRows keeps guesses in the range of whole numbers.
const mostRows = 1 << 50

func whole(x float64) int64 { return int64(math.Ceil(min(max(x, 0), mostRows))) }

// Profile is what is guessed about a node's rows.
type Profile struct {
	Rows float64
	// Source is how many rows there were where they come from, before conditions took some away.
	Source float64
	// Columns has guesses by column id; what is not there is not known.
	Columns map[int]ColumnProfile
}

// ColumnProfile is what is guessed about a column's values.
type ColumnProfile struct {
	Distinct float64 // how many there are
	// Domain is how many there were where the column comes from, less those that conditions on the column itself rule
	// out. Key says that each was there once: an equality with such a column finds one row in so many.
	Domain float64
	Key    bool
	Nulls  float64 // share of NULL
	// Computed columns are results of aggregates; who compares them with constants looks for the few that stand out.
	Computed bool
	// Low and High bound the values, as numbers; only where Bounded.
	Low, High float64
	Bounded   bool
}

// Profile guesses what a node puts out.
func (e *Estimator) Profile(n Node) Profile {
	if p, ok := e.known[n]; ok {
		return p
	}
	p := e.profile(n)
	p.settle()
	e.known[n] = p
	return p
}

// settle keeps guesses consistent: a column has no more values than there are rows.
func (p *Profile) settle() {
	p.Rows = min(p.Rows, mostRows)
	p.Source = max(p.Source, p.Rows)
	for id, c := range p.Columns {
		c.Distinct = max(min(c.Distinct, p.Rows), 1)
		p.Columns[id] = c
	}
}

func (e *Estimator) profile(n Node) Profile {
	switch n := n.(type) {
	case *Scan:
		return profileScan(n)
	case *Values:
		return profileValues(n)
	case *Filter:
		return e.Profile(n.Input).filtered(plan.Conjuncts(n.Predicate))
	case *Project:
		return e.Profile(n.Input).defined(n.Defs)
	case *Aggregate:
		return e.Profile(n.Input).grouped(n)
	case *Join:
		return joinProfile(n, e.Profile(n.Left), e.Profile(n.Right))
	case *Limit:
		return e.Profile(n.Input).limited(n.Count)
	case *Sort:
		return e.Profile(n.Input).limited(n.Limit)
	case *Tally:
		return e.Profile(n.Input)
	}
	return e.profileRows(n)
}

// profileRows is profile for the operators that make rows of rows.
func (e *Estimator) profileRows(n Node) Profile {
	switch n := n.(type) {
	case *Union:
		var out Profile
		for _, in := range n.Ins {
			out.Rows += e.Profile(in).Rows
		}
		return out
	case *Expand:
		in := e.Profile(n.Input)
		return Profile{Rows: in.Rows * float64(len(n.Projections)), Columns: in.expanded(n)}
	case *Generate:
		in := e.Profile(n.Input)
		return Profile{Rows: in.Rows * generatedRows, Columns: in.copied()}
	case *PluginTable:
		return Profile{Rows: e.Profile(n.Input).Rows} // nobody knows
	case *Window:
		in := e.Profile(n.Input)
		return Profile{Rows: in.Rows, Source: in.Source, Columns: in.copied()}
	}
	// What is left are joins in time and windows of events, which put out at most one row for each of the left.
	in := e.Profile(n.Inputs()[0])
	return Profile{Rows: in.Rows, Columns: in.copied()}
}

// generatedRows is how many rows a generator is taken to make of each.
const generatedRows = 4

func (p Profile) copied() map[int]ColumnProfile {
	m := make(map[int]ColumnProfile, len(p.Columns))
	for id, c := range p.Columns {
		m[id] = c
	}
	return m
}

// expanded is the columns that some projection passes on: the others of its values are NULL.
func (p Profile) expanded(n *Expand) map[int]ColumnProfile {
	m := map[int]ColumnProfile{}
	for i, c := range n.Cols {
		for _, row := range n.Projections {
			if x := row[i]; x.Op == plan.OpColumn {
				if from, ok := p.Columns[x.Column]; ok {
					from.Distinct, from.Key = from.Distinct+1, false
					m[c.ID] = from
				}
			}
		}
	}
	return m
}

// limited is the first rows, all when count is negative.
func (p Profile) limited(count int64) Profile {
	if count < 0 || p.Rows <= float64(count) {
		return p
	}
	return p.thinned(float64(count) / p.Rows)
}

// thinned keeps a share of the rows, whatever their values.
func (p Profile) thinned(share float64) Profile {
	out := Profile{Rows: p.Rows * share, Source: p.Source, Columns: p.copied()}
	for id, c := range out.Columns {
		c.Distinct = remaining(c.Distinct, p.Rows, share)
		out.Columns[id] = c
	}
	return out
}

// remaining guesses how many of distinct values are left when a share of the rows is kept at random: a value is gone
// when all its rows are.
func remaining(distinct, rows, share float64) float64 {
	if distinct < 1 || rows < 1 {
		return distinct
	}
	return distinct * (1 - math.Pow(1-min(share, 1), rows/distinct))
}

// defined is the rows under the columns of a projection.
func (p Profile) defined(defs []Definition) Profile {
	out := Profile{Rows: p.Rows, Source: p.Source, Columns: map[int]ColumnProfile{}}
	for _, d := range defs {
		if c, ok := p.expr(d.Expr); ok {
			out.Columns[d.ID] = c
		}
	}
	return out
}

// expr guesses the values of an expression: a constant has one, a function of one column at most as many as that.
func (p Profile) expr(e *plan.Expr) (ColumnProfile, bool) {
	switch e.Op {
	case plan.OpColumn:
		c, ok := p.Columns[e.Column]
		return c, ok
	case plan.OpLiteral:
		return ColumnProfile{Distinct: 1, Domain: 1}, true
	}
	read := map[int]bool{}
	e.Columns(read)
	if len(read) != 1 {
		return ColumnProfile{}, false
	}
	for id := range read {
		c, ok := p.Columns[id]
		if e.Op == plan.OpCall && e.Name == "cast" {
			return c, ok
		}
		c.Distinct = min(c.Distinct, valuesOf(e, c))
		return ColumnProfile{Distinct: c.Distinct, Domain: c.Distinct}, ok
	}
	return ColumnProfile{}, false
}

// valuesOf bounds how many values functions of dates and the like have.
func valuesOf(e *plan.Expr, of ColumnProfile) float64 {
	if e.Op != plan.OpCall {
		return of.Distinct
	}
	switch e.Name {
	case "year":
		if of.Bounded && e.Args[0].Type.Kind == plan.KindDate {
			return math.Ceil((of.High-of.Low)/365) + 1
		}
		return 20
	case "month":
		return 12
	case "quarter":
		return 4
	case "day", "dayofmonth":
		return 31
	case "dayofweek", "weekday":
		return 7
	case "hour":
		return 24
	}
	if e.Type.Kind == plan.KindBoolean {
		return 2
	}
	return of.Distinct
}

// grouped is one row a group.
func (p Profile) grouped(n *Aggregate) Profile {
	out := Profile{Rows: 1, Columns: map[int]ColumnProfile{}}
	if len(n.Keys) == 0 {
		return out
	}
	known := true
	for _, k := range n.Keys {
		c, ok := p.expr(k.Expr)
		if !ok {
			known = false
			continue
		}
		if c.Nulls > 0 {
			c.Distinct++
		}
		out.Rows = min(out.Rows*max(c.Distinct, 1), mostRows)
	}
	if !known {
		out.Rows = max(out.Rows, p.Rows/2)
	}
	out.Rows = min(out.Rows, p.Rows)
	for _, a := range n.Aggs {
		out.Columns[a.ID] = ColumnProfile{Distinct: out.Rows, Domain: out.Rows, Computed: true}
	}
	for _, k := range n.Keys {
		if c, ok := p.expr(k.Expr); ok {
			c.Key = c.Key || len(n.Keys) == 1
			out.Columns[k.ID] = c
		}
	}
	return out
}

// rowWidth is the bytes of a row in memory; a string counts as 16 and its offset, a nested value as a few of its elements.
func rowWidth(cols []Column) float64 {
	width := 1.0
	for _, c := range cols {
		width += typeWidth(c.Type)
	}
	return width
}

// RowBytes is about how many bytes a row of a schema takes in memory.
func RowBytes(s plan.Schema) int64 {
	width := 1.0
	for _, f := range s.Fields {
		width += typeWidth(f.Type)
	}
	return int64(width)
}

func typeWidth(t plan.Type) float64 {
	switch t.Kind {
	case plan.KindBoolean, plan.KindInt8, plan.KindNull:
		return 1
	case plan.KindInt16:
		return 2
	case plan.KindInt32, plan.KindFloat32, plan.KindDate, plan.KindYearMonthInterval:
		return 4
	case plan.KindString, plan.KindBinary:
		return 20
	case plan.KindDecimal, plan.KindInterval:
		return 16
	case plan.KindArray, plan.KindMap, plan.KindStruct:
		width := 0.0
		for _, c := range t.Children {
			width += typeWidth(c.Type)
		}
		if t.Kind == plan.KindStruct {
			return width
		}
		return 4 + generatedRows*width
	}
	return 8
}
