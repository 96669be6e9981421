package planner

import (
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
)

// shardBytes is about how much of a table that a query writes goes into one file, in memory.
const shardBytes = 256 << 20

// writeInto makes the target that writes the rows, its columns cast as an assignment.
func (p *planning) writeInto(text *source.Text, node logical.Node, into *Into) error {
	var err error
	if into.Schema != nil {
		if node, err = p.assigned(text, node, into); err != nil {
			return err
		}
	}
	node = typedNulls(node, p.ids)
	if problem, hint := outputProblem(node.Columns()); problem != "" {
		return text.Errorf(source.Span{}, "", "table: %s", problem).WithHint("%s", hint)
	}
	out := &plan.Output{Name: "table", URL: into.URL, Format: "parquet", Compression: "zstd", Options: into.Options}
	if into.Options["compression"] != "" {
		out.Compression = strings.ToLower(into.Options["compression"])
	}
	check := *out
	for _, c := range node.Columns() {
		check.Schema.Fields = append(check.Schema.Fields, c.Field)
	}
	if err := p.cat.CheckOutput(check); err != nil {
		return err
	}
	out.Shards = int(min(logical.Estimate(node).Bytes/shardBytes+1, 64))
	p.targets = []target{{name: "table", analysed: node, output: out}}
	return nil
}

// assigned is the query's rows as rows of the table.
func (p *planning) assigned(text *source.Text, node logical.Node, into *Into) (logical.Node, error) {
	cols := node.Columns()
	names := into.names(cols)
	if len(names) != len(cols) {
		class := "INSERT_COLUMN_ARITY_MISMATCH.TOO_MANY_DATA_COLUMNS"
		if len(cols) < len(names) {
			class = "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS"
		}
		return nil, text.Errorf(source.Span{}, class, "%d columns for %d of the table", len(cols), len(names))
	}
	values := make([]*plan.Expr, len(into.Schema.Fields))
	for i, name := range names {
		at := into.Schema.Index(name)
		switch {
		case at < 0:
			return nil, text.Errorf(source.Span{}, "UNRESOLVED_COLUMN.WITH_SUGGESTION", "the table has no column %q", name)
		case values[at] != nil:
			return nil, text.Errorf(source.Span{}, "COLUMN_ALREADY_EXISTS", "column %q is given twice", name)
		case !assignable(cols[i].Type, into.Schema.Fields[at].Type):
			return nil, text.Errorf(source.Span{}, "INCOMPATIBLE_DATA_FOR_TABLE.CANNOT_SAFELY_CAST",
				"column %q is %s; a value of type %s cannot be stored there", name, into.Schema.Fields[at].Type, cols[i].Type).
				WithHint("CAST it, if that is what you mean")
		}
		values[at] = compute.Cast(cols[i].Ref(), into.Schema.Fields[at].Type)
	}
	out := &logical.Project{Input: node}
	for i, f := range into.Schema.Fields {
		if values[i] == nil {
			var err error
			if values[i], err = p.defaultValue(f, into); err != nil {
				return nil, err
			}
		}
		f.Nullable = f.Nullable || values[i].Nullable
		out.Defs = append(out.Defs, logical.Definition{Column: p.ids.Column(f), Expr: values[i]})
	}
	return out, nil
}

// names are the table's columns that the query's go to, in its order.
func (into *Into) names(cols []logical.Column) []string {
	switch {
	case into.ByName:
		names := make([]string, len(cols))
		for i, c := range cols {
			names[i] = c.Name
		}
		return names
	case len(into.Columns) > 0:
		return into.Columns
	case len(cols) < len(into.Schema.Fields) && len(into.Defaults) > 0: // the last ones have their defaults
		return into.Schema.Names()[:len(cols)]
	}
	return into.Schema.Names()
}

// defaultOf is the default value of a column as SQL; "" where it has none.
func (into *Into) defaultOf(column string) string {
	for name, text := range into.Defaults {
		if strings.EqualFold(name, column) {
			return text
		}
	}
	return ""
}

// defaultValue is what a column gets that the query does not give.
func (p *planning) defaultValue(f plan.Field, into *Into) (*plan.Expr, error) {
	body := into.defaultOf(f.Name)
	if body == "" {
		return plan.NullLiteral(f.Type), nil
	}
	text := &source.Text{Body: "SELECT " + body}
	tree, err := sql.Parse(text)
	if err != nil {
		return nil, err
	}
	node, err := logical.Analyse(text, tree, p.environment())
	if err != nil {
		return nil, err
	}
	project, ok := node.(*logical.Project)
	if !ok || len(project.Defs) != 1 {
		return nil, text.Errorf(source.Span{}, "INVALID_DEFAULT_VALUE.NOT_CONSTANT", "the default of column %q is no constant", f.Name)
	}
	return compute.Cast(project.Defs[0].Expr, f.Type), nil
}

// withDefaults puts the columns' default values in place of the word DEFAULT in VALUES.
func withDefaults(tree *sql.Query, into *Into) error {
	values, ok := tree.Body.(*sql.ValuesClause)
	if !ok {
		return nil
	}
	names := into.Columns
	if len(names) == 0 {
		names = into.Schema.Names()
	}
	for _, row := range values.Rows {
		for i, e := range row {
			word, ok := e.(*sql.Name)
			if !ok || i >= len(names) || len(word.Parts) != 1 || word.Parts[0].Quoted || !strings.EqualFold(word.Parts[0].Name, "default") {
				continue
			}
			row[i] = &sql.Literal{Kind: "null", Span: word.Span}
			if body := into.defaultOf(names[i]); body != "" {
				value, err := sql.ParseExpr(&source.Text{Body: body})
				if err != nil {
					return err
				}
				row[i] = value
			}
		}
	}
	return nil
}

// assignable reports whether a value may be stored in a column without a CAST, by the rules of Spark's ANSI store
// assignment: numbers go to numbers, anything plain to strings, dates and timestamps to each other.
func assignable(from, to plan.Type) bool {
	switch {
	case from.Equal(to) || from.Kind == plan.KindNull:
		return true
	case from.IsNumeric() && to.IsNumeric():
		return true
	case to.Kind == plan.KindString:
		return !from.IsNested() && from.Kind != plan.KindBinary
	case from.Kind == to.Kind:
		return compute.CanCast(from, to)
	}
	return isTime(from) && isTime(to)
}

func isTime(t plan.Type) bool {
	return t.Kind == plan.KindDate || t.Kind == plan.KindTimestamp || t.Kind == plan.KindTimestampNTZ
}
