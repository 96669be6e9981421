package assembly

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
	"github.com/quern-engine/quern/planner/sql"
)

// values are the first rows of a query.
type values struct {
	schema plan.Schema
	rows   [][]plan.Literal
}

// valueRows is how many rows are looked at where one is wanted.
const valueRows = 2

// evaluate runs a query for its values.
func (e execution) evaluate(ctx context.Context, q *api.Query) (values, error) {
	status, err := e.opts.Run(ctx, q)
	if err != nil {
		return values{}, err
	}
	return e.fetch(ctx, status)
}

func (e execution) fetch(ctx context.Context, status *api.RunStatus) (values, error) {
	v := values{schema: status.ResultSchema}
	stream := e.opts.Rows(status)
	defer stream.Close()
	for len(v.rows) < valueRows {
		rec, err := stream.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return v, err
		}
		for i := range int(rec.NumRows()) {
			row := make([]plan.Literal, rec.NumCols())
			for c, col := range rec.Columns() {
				row[c] = vector.LiteralAt(col, i)
			}
			v.rows = append(v.rows, row)
		}
		rec.Release()
	}
	return v, nil
}

// expression is the value of an expression of the statement.
func (e execution) expression(ctx context.Context, span source.Span) (plan.Constant, error) {
	const before = "SELECT "
	q := e.query(span)
	if blanks, rest, ok := strings.Cut(q.SQL, e.text.Body[span.Start:span.End]); ok && rest == "" {
		// What comes before takes the place of blanks, so that positions stay right.
		q.SQL = blanks[:max(len(blanks)-len(before), 0)] + before + e.text.Body[span.Start:span.End]
	}
	v, err := e.evaluate(ctx, q)
	if err != nil {
		return plan.Constant{}, err
	}
	if len(v.rows) != 1 || len(v.schema.Fields) != 1 {
		return plan.Constant{}, e.text.Errorf(span, "DATATYPE_MISMATCH", "one value is needed here")
	}
	return plan.Constant{Type: v.schema.Fields[0].Type, Value: v.rows[0][0]}, nil
}

// castConstant casts a value as an assignment does.
func (e execution) castConstant(ctx context.Context, c plan.Constant, to plan.Type) (plan.Constant, error) {
	if c.Type.Equal(to) {
		return c, nil
	}
	if c.Value.Null {
		return plan.Constant{Type: to, Value: c.Value}, nil
	}
	q := e.base
	c.Name = "value"
	q.Variables = append(slices.Clip(q.Variables), c)
	q.SQL = fmt.Sprintf("SELECT CAST(%s AS %s)", c.Name, to)
	v, err := e.evaluate(ctx, &q)
	if err != nil {
		return c, err
	}
	return plan.Constant{Type: to, Value: v.rows[0][0]}, nil
}

// variable finds a variable by name: x, session.x or system.session.x.
func (e execution) variable(parts []sql.Ident) (int, error) {
	name, err := e.variableName(parts)
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(e.base.Variables, func(v plan.Constant) bool { return strings.EqualFold(v.Name, name) })
	if i < 0 {
		return 0, e.text.Errorf(parts[0].Span, "UNRESOLVED_VARIABLE", "no variable %q", name).WithHint("DECLARE makes one")
	}
	return i, nil
}

func (e execution) variableName(parts []sql.Ident) (string, error) {
	n := len(parts)
	if n > 3 || n > 1 && !strings.EqualFold(parts[n-2].Name, "session") || n > 2 && !strings.EqualFold(parts[0].Name, "system") {
		return "", e.text.Errorf(parts[0].Span, "UNRESOLVED_VARIABLE", "variables lie in the schema system.session")
	}
	return parts[n-1].Name, nil
}

func (e execution) declare(ctx context.Context, st *sql.Declare) error {
	var c plan.Constant
	if st.Type != nil {
		schema, err := logical.SchemaOf(e.text, []sql.ColumnDef{{Name: sql.Ident{Name: "v"}, Type: *st.Type}})
		if err != nil {
			return err
		}
		c = plan.Constant{Type: schema.Fields[0].Type, Value: plan.Literal{Null: true}}
	}
	byDefault := ""
	if st.Default != nil {
		at := st.Default.Pos()
		byDefault = e.text.Body[at.Start:at.End]
		v, err := e.expression(ctx, at)
		if err == nil && st.Type != nil {
			v, err = e.castConstant(ctx, v, c.Type)
		}
		if err != nil {
			return err
		}
		c = v
	}
	for _, parts := range st.Names {
		name, err := e.variableName(parts)
		if err != nil {
			return err
		}
		if i, err := e.variable(parts); err == nil {
			if !st.Replace {
				return e.errorf("VARIABLE_ALREADY_EXISTS", "the variable %q exists already", name).WithHint("DECLARE OR REPLACE replaces it")
			}
			e.base.Variables = slices.Delete(slices.Clone(e.base.Variables), i, i+1)
		}
		c.Name = name
		e.base.Variables = append(slices.Clip(e.base.Variables), c)
		e.variableDefaults[strings.ToLower(name)] = byDefault
	}
	return nil
}

func (e execution) setVariables(ctx context.Context, st *sql.SetVariable) error {
	targets := make([]int, len(st.Assignments))
	for i, a := range st.Assignments {
		at, err := e.variable(a.Name)
		if err != nil {
			return err
		}
		if slices.Contains(targets[:i], at) {
			return e.text.Errorf(a.Name[0].Span, "DUPLICATE_ASSIGNMENTS", "the variable %q is set twice", e.base.Variables[at].Name)
		}
		targets[i] = at
	}
	if st.Query != nil {
		v, err := e.evaluate(ctx, e.query(st.Query.Span))
		if err != nil {
			return err
		}
		return e.assign(ctx, targets, v)
	}
	v := values{rows: [][]plan.Literal{nil}}
	for i, a := range st.Assignments {
		c, err := e.assigned(ctx, a, e.base.Variables[targets[i]].Name)
		if err != nil {
			return err
		}
		v.schema.Fields = append(v.schema.Fields, plan.Field{Type: c.Type})
		v.rows[0] = append(v.rows[0], c.Value)
	}
	return e.assign(ctx, targets, v)
}

// assigned is the value of SET VAR name = value.
func (e execution) assigned(ctx context.Context, a sql.Assignment, name string) (plan.Constant, error) {
	if a.Value != nil {
		return e.expression(ctx, a.Value.Pos())
	}
	byDefault := e.variableDefaults[strings.ToLower(name)]
	if byDefault == "" {
		byDefault = "NULL"
	}
	e.text = &source.Text{Body: byDefault}
	return e.expression(ctx, source.Span{End: len(byDefault)})
}

// assign gives variables the values of the one row of a query; of no row they are NULL.
func (e execution) assign(ctx context.Context, targets []int, v values) error {
	switch {
	case len(v.schema.Fields) != len(targets):
		return e.errorf("ASSIGNMENT_ARITY_MISMATCH", "%d values for %d variables", len(v.schema.Fields), len(targets))
	case len(v.rows) > 1:
		return e.errorf("ROW_SUBQUERY_TOO_MANY_ROWS", "the query gives more than one row")
	}
	out := slices.Clone(e.base.Variables)
	for i, at := range targets {
		c := plan.Constant{Type: v.schema.Fields[i].Type, Value: plan.Literal{Null: true}}
		if len(v.rows) > 0 {
			c.Value = v.rows[0][i]
		}
		c, err := e.castConstant(ctx, c, out[at].Type)
		if err != nil {
			return err
		}
		c.Name = out[at].Name
		out[at] = c
	}
	e.base.Variables = out
	return nil
}

func (e execution) dropVariable(st *sql.Drop) error {
	i, err := e.variable(st.Name)
	switch {
	case err == nil:
		e.base.Variables = slices.Delete(slices.Clone(e.base.Variables), i, i+1)
	case !st.IfExists:
		return e.errorf("VARIABLE_NOT_FOUND", "no variable %q", st.Name[len(st.Name)-1].Name)
	}
	return nil
}
