package step

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/jobfile"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
)

// planning is a step on its way to a plan. It keeps the first mistake.
type planning struct {
	file *jobfile.File
	step *jobfile.Step
	env  *logical.Environment
	err  error

	first   int // number of the first tally; 0: nothing is counted
	tallies []plan.TallyInfo
	reads   []string // names of relations, each once
	// looksAhead is that of the step's rows: of what it reads, and its own.
	looksAhead int64
	watermark  string
}

func (p *planning) fail(at jobfile.Value, format string, args ...any) *source.Error {
	err := failAt(p.file, at, format, args...)
	if p.err == nil {
		p.err = err
	}
	return err
}

// relation is something that the step reads.
type relation struct {
	name string        // as the job file has it
	at   jobfile.Value // where
	node logical.Node
	cols []logical.Column // those of the relation, without what define has added
	// hidden counts the columns that define has added.
	hidden int
}

// input is a source or an earlier step.
func (p *planning) input(from jobfile.Value) *relation {
	nothing := &relation{name: from.Text, at: from, node: &logical.Values{}}
	if p.err != nil {
		return nothing
	}
	found, ok := p.env.Relation(from.Text)
	if !ok {
		var names []string
		for _, r := range p.env.Relations {
			names = append(names, r.Name)
		}
		p.err = NoRelation(p.file, from, names)
		return nothing
	}
	if !slices.Contains(p.reads, found.Name) {
		p.reads = append(p.reads, found.Name)
	}
	p.looksAhead = max(p.looksAhead, found.LooksAhead)
	return p.read(found, from)
}

// read is what is behind a name.
func (p *planning) read(found logical.Relation, from jobfile.Value) *relation {
	r := &relation{name: from.Text, at: from}
	if found.Plan != nil {
		r.node = logical.Refresh(found.Plan, p.env.IDs)
	} else {
		r.node = logical.ScanTable(found.Source(), found.Table, p.env.IDs)
	}
	r.cols = slices.Clone(r.node.Columns())
	seen := map[string]bool{}
	for _, c := range r.cols {
		name := strings.ToLower(c.Name)
		if seen[name] {
			p.fail(from, "%s has two columns %q", from.Text, c.Name).WithHint("rename one with AS in the step that makes it")
		}
		seen[name] = true
	}
	return r
}

// names are the names of the relation's columns.
func (r *relation) names() []string {
	names := make([]string, len(r.cols))
	for i, c := range r.cols {
		names[i] = c.Name
	}
	return names
}

// column finds a column by name, letters' case aside.
func (p *planning) column(r *relation, v jobfile.Value) logical.Column {
	for _, c := range r.cols {
		if strings.EqualFold(c.Name, v.Text) {
			return c
		}
	}
	if p.err == nil {
		hint(p.fail(v, "%s has no column %q", r.name, v.Text), v.Text, r.names(), "there are: "+strings.Join(r.names(), ", "))
	}
	return logical.Column{}
}

func (p *planning) columns(r *relation, names []jobfile.Value) []logical.Column {
	var out []logical.Column
	for _, v := range names {
		out = append(out, p.column(r, v))
	}
	return out
}

// exprs are expressions that read columns.
func exprs(cols []logical.Column) []*plan.Expr {
	var out []*plan.Expr
	for _, c := range cols {
		out = append(out, c.Ref())
	}
	return out
}

// key finds a column that rows can be told apart by.
func (p *planning) key(r *relation, v jobfile.Value) logical.Column {
	c := p.column(r, v)
	if p.err == nil && !c.Type.HasOrder() {
		p.fail(v, "the column %q is of type %s, which cannot be compared", c.Name, c.Type)
	}
	return c
}

// pairs finds the keys by which two relations meet. Those of the same place must be of the same type.
func (p *planning) pairs(left, right *relation, by []pair) (l, r []logical.Column) {
	for _, k := range by {
		a, b := p.key(left, k.left), p.key(right, k.right)
		if p.err == nil && !a.Type.Equal(b.Type) {
			p.fail(k.right, "the key %q is of type %s in %s, and %q of type %s in %s", a.Name, a.Type, left.name, b.Name, b.Type, right.name).
				WithHint("CAST one of them in a step before")
		}
		l, r = append(l, a), append(r, b)
	}
	return l, r
}

// sameTime wants times of one type on both sides.
func (p *planning) sameTime(left, right logical.Column, at jobfile.Value) {
	if p.err == nil && !left.Type.Equal(right.Type) {
		p.fail(at, "the time %q is of type %s, and %q of type %s", right.Name, right.Type, left.Name, left.Type).
			WithHint("CAST one of them in a step before")
	}
}

func (p *planning) keys(r *relation, names []jobfile.Value) []logical.Column {
	var out []logical.Column
	for _, v := range names {
		out = append(out, p.key(r, v))
	}
	return out
}

// time finds a column of times.
func (p *planning) time(r *relation, v jobfile.Value) logical.Column {
	c := p.column(r, v)
	switch {
	case p.err != nil, c.Type.Kind == plan.KindTimestamp, c.Type.Kind == plan.KindTimestampNTZ:
	case c.Type.IsInteger():
		p.fail(v, "the column %q must be a timestamp, and is %s", c.Name, c.Type).
			WithHint("make it one in a step before: timestamp_seconds(%s), timestamp_millis(%s) or timestamp_micros(%s)", c.Name, c.Name, c.Name)
	default:
		p.fail(v, "the column %q must be a timestamp, and is %s", c.Name, c.Type).
			WithHint("make it one in a step before: CAST(%s AS TIMESTAMP)", c.Name)
	}
	return c
}

// free makes sure that a column which the step adds has a name of its own.
func (p *planning) free(r *relation, names ...jobfile.Value) {
	for _, v := range names {
		for _, c := range r.cols {
			if p.err == nil && strings.EqualFold(c.Name, v.Text) {
				p.fail(v, "%s has a column %q already, and this step adds one of that name", r.name, v.Text).
					WithHint("leave that column out in a step before, or rename it")
			}
		}
	}
}

// unique makes sure that the columns which the step adds have names of their own, among each other, too.
func (p *planning) unique(r *relation, names []jobfile.Value) {
	p.free(r, names...)
	for i, v := range names {
		if p.err == nil && slices.ContainsFunc(names[:i], func(other jobfile.Value) bool { return strings.EqualFold(other.Text, v.Text) }) {
			p.fail(v, "this step would add two columns %q", v.Text)
		}
	}
}

// define adds a column that is an expression of the user's over the relation, and returns its name.
func (p *planning) define(r *relation, e *jobfile.Tree, want string, ok func(plan.Type) bool) string {
	c := p.defined(r, e.SQL, p.parsed(e))
	if p.err == nil && !ok(c.Type) {
		p.fail(e.Value, "this must be %s, and is of type %s", want, c.Type)
	}
	return c.Name
}

// parsed is the expression that is written somewhere.
func (p *planning) parsed(e *jobfile.Tree) sql.Expr {
	if p.err != nil {
		return nil
	}
	tree, err := sql.ParseExpr(e.SQL)
	if err != nil {
		p.err = err
	}
	return tree
}

// defined adds a column that is an expression over the relation, unless that is one of its columns; the text is where it
// was written. All columns of the relation get new ids: what was found before is found again by its name.
func (p *planning) defined(r *relation, text *source.Text, e sql.Expr) logical.Definition {
	if p.err != nil {
		return logical.Definition{}
	}
	name := fmt.Sprintf("__%d", r.hidden)
	q := &sql.Query{Body: &sql.Select{
		Items: []sql.SelectItem{{Expr: &sql.Star{}}, {Expr: e, Alias: &sql.Ident{Name: name}}},
		From:  []sql.TableRef{&sql.TableName{Parts: []sql.Ident{{Name: "input"}}}},
		Span:  source.Span{End: len(text.Body)},
	}}
	node, err := logical.Analyse(text, q, p.environment(logical.Relation{Name: "input", Plan: r.node}))
	if err != nil {
		p.err = err
		return logical.Definition{}
	}
	cols := node.Columns()
	d := logical.Definition{Column: cols[len(cols)-1]}
	if top, ok := node.(*logical.Project); ok {
		d.Expr = top.Defs[len(cols)-1].Expr
		for i, c := range r.node.Columns() {
			if old := top.Defs[i].Expr; d.Expr.Op == plan.OpColumn && old.Op == plan.OpColumn && old.Column == d.Expr.Column {
				return logical.Definition{Column: c, Expr: d.Expr} // it is there already
			}
		}
	}
	copy(r.cols, cols) // they have new ids
	r.hidden++
	r.node = node
	return d
}

// made is a relation of the step's own making.
func made(name string, node logical.Node) *relation {
	return &relation{name: name, node: node, cols: slices.Clone(node.Columns())}
}

// ref reads a column of the relation as it is now, those included that define has added. Without it, an error has been told.
func (r *relation) ref(name string) *plan.Expr {
	for _, c := range r.node.Columns() {
		if c.Name == name {
			return c.Ref()
		}
	}
	return plan.Int64Literal(0)
}

// condition adds a column that says whether a condition holds: false where it is NULL.
func (p *planning) condition(r *relation, e *jobfile.Tree) string {
	return p.define(r, e, "a condition", func(t plan.Type) bool { return t.Kind == plan.KindBoolean })
}

func (p *planning) environment(relations ...logical.Relation) *logical.Environment {
	env := *p.env
	env.Relations = relations
	env.Schema = ""
	return &env
}

// sql plans a statement of the step's own over its relations, which it names by alias. That it does not fail is this
// package's business: what can be wrong has been checked.
func (p *planning) sql(text string, relations map[string]*relation) logical.Node {
	if p.err != nil {
		return &logical.Values{}
	}
	var list []logical.Relation
	for name, r := range relations {
		list = append(list, logical.Relation{Name: name, Plan: r.node})
	}
	slices.SortFunc(list, func(a, b logical.Relation) int { return strings.Compare(a.Name, b.Name) })
	t := &source.Text{File: "step " + p.step.Name.Text, Body: text}
	q, err := sql.Parse(t)
	if err == nil {
		var node logical.Node
		if node, err = logical.Analyse(t, q, p.environment(list...)); err == nil {
			return node
		}
	}
	p.err = fromSQL(p.file, p.step, err)
	return &logical.Values{}
}

// fromSQL shows a mistake in the SQL of an operator at the operator. Only an overflow of what is allowed (columns,
// nesting) can be one of the user's.
func fromSQL(f *jobfile.File, s *jobfile.Step, err error) error {
	var e *source.Error
	if !errors.As(err, &e) {
		return err
	}
	return failAt(f, s.Operator, "%s cannot be planned: %s", s.Operator.Text, e.Message)
}

// ident is a name as SQL has it.
func ident(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// idents are columns with commas between, each behind prefix.
func idents(prefix string, cols []logical.Column) string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = prefix + ident(c.Name)
	}
	return strings.Join(names, ", ")
}

// quote is a string as SQL has it.
func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// sortKeys are some columns and then all others that have an order, as places among the relation's: rows are left to
// chance only if they are equal in all of them.
func (p *planning) sortKeys(r *relation, first []order) []plan.SortKey {
	var keys []plan.SortKey
	used := map[int]bool{}
	for _, o := range first {
		c := p.key(r, o.column)
		place := slices.IndexFunc(r.cols, func(other logical.Column) bool { return other.ID == c.ID })
		if place >= 0 && !used[place] {
			keys = append(keys, plan.SortKey{Column: place, Descending: o.descending, NullsLast: o.nullsLast})
			used[place] = true
		}
	}
	for place, c := range r.cols {
		if !used[place] && c.Type.HasOrder() {
			keys = append(keys, plan.SortKey{Column: place})
		}
	}
	return keys
}

// totalOrder is ORDER BY of sortKeys. reversed turns it around.
func (p *planning) totalOrder(r *relation, first []order, reversed bool) string {
	var keys []string
	for _, k := range p.sortKeys(r, first) {
		key := ident(r.cols[k.Column].Name)
		if k.Descending != reversed {
			key += " DESC"
		}
		if k.NullsLast != reversed {
			key += " NULLS LAST"
		} else {
			key += " NULLS FIRST"
		}
		keys = append(keys, key)
	}
	return strings.Join(keys, ", ")
}

// identity is what tells rows apart: the columns given, or all that have an order.
func (p *planning) identity(r *relation, key []jobfile.Value) []logical.Column {
	if len(key) > 0 {
		return p.keys(r, key)
	}
	return slices.DeleteFunc(slices.Clone(r.cols), func(c logical.Column) bool { return !c.Type.HasOrder() })
}
