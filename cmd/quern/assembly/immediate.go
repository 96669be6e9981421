package assembly

import (
	"context"
	"fmt"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// immediate executes EXECUTE IMMEDIATE: a statement that is a string, with values for its markers.
func (e execution) immediate(ctx context.Context, st *sql.ExecuteImmediate) (Result, error) {
	body, err := e.statementText(ctx, st.Text)
	if err != nil {
		return Result{}, err
	}
	text := &source.Text{File: e.text.File, Line: e.text.Line, Body: body}
	positional, named, err := e.markerValues(ctx, st.Using)
	if err != nil {
		return Result{}, err
	}
	if text.Body, err = sql.BindMarkers(text, positional, named); err != nil {
		return Result{}, err
	}
	targets := make([]int, len(st.Into))
	for i, parts := range st.Into {
		if targets[i], err = e.variable(parts); err != nil {
			return Result{}, err
		}
	}
	result, err := e.Execute(ctx, text, source.Span{End: len(text.Body)})
	if err != nil || len(targets) == 0 {
		return result, err
	}
	if result.Status == nil {
		return Result{}, e.errorf("INVALID_STATEMENT_FOR_EXECUTE_INTO", "INTO takes the row of a query")
	}
	v, err := e.fetch(ctx, result.Status)
	if err != nil {
		return Result{}, err
	}
	return Result{}, e.assign(ctx, targets, v)
}

// statementText is the string behind EXECUTE IMMEDIATE.
func (e execution) statementText(ctx context.Context, x sql.Expr) (string, error) {
	if l, ok := x.(*sql.Literal); ok && l.Kind == "string" {
		return l.Text, nil
	}
	c, err := e.expression(ctx, x.Pos())
	switch {
	case err != nil:
		return "", err
	case c.Value.Null && isNullWord(x), c.Type.Kind != plan.KindString:
		return "", e.text.Errorf(x.Pos(), "INVALID_EXPR_TYPE_FOR_QUERY_EXECUTE_IMMEDIATE", "the statement must be a string, not %s", c.Type)
	case c.Value.Null:
		return "", e.text.Errorf(x.Pos(), "NULL_QUERY_STRING_EXECUTE_IMMEDIATE", "the statement is NULL")
	}
	return string(c.Value.Bytes), nil
}

func isNullWord(x sql.Expr) bool {
	l, ok := x.(*sql.Literal)
	return ok && l.Kind == "null"
}

// markerValues are the values of USING as SQL. A variable gives its name to its value.
func (e execution) markerValues(ctx context.Context, using []sql.SelectItem) (positional []string, named map[string]string, err error) {
	named = map[string]string{}
	for _, item := range using {
		span := item.Expr.Pos()
		value := e.text.Body[span.Start:span.End]
		name, isName := item.Expr.(*sql.Name)
		if _, ok := item.Expr.(*sql.Literal); !ok {
			c, err := e.expression(ctx, span)
			if err != nil {
				return nil, nil, err
			}
			value = literalSQL(c.Type, c.Value)
		}
		switch {
		case item.Alias != nil:
			named[strings.ToUpper(item.Alias.Name)] = value
			continue
		case isName:
			named[strings.ToUpper(name.Parts[len(name.Parts)-1].Name)] = value
		}
		positional = append(positional, value)
	}
	return positional, named, nil
}

// literalSQL is a value as SQL of the same type.
func literalSQL(t plan.Type, v plan.Literal) string {
	text := plan.FormatLiteral(t, v)
	switch {
	case v.Null:
		return fmt.Sprintf("CAST(NULL AS %s)", t)
	case t.Kind == plan.KindString:
		return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(string(v.Bytes)) + "'"
	case t.Kind == plan.KindInt32 || t.Kind == plan.KindBoolean || t.Kind == plan.KindDate:
		return text
	case t.Kind == plan.KindFloat32 || t.Kind == plan.KindFloat64:
		return fmt.Sprintf("CAST('%s' AS %s)", text, t)
	case t.IsNested():
		return nestedSQL(t, v)
	}
	return fmt.Sprintf("CAST(%s AS %s)", text, t)
}

// nestedSQL is an array, map or struct as SQL.
func nestedSQL(t plan.Type, v plan.Literal) string {
	function, parts := "array", []string{}
	switch t.Kind {
	case plan.KindMap:
		function = "map"
	case plan.KindStruct:
		function = "named_struct"
	}
	for i, item := range v.Items {
		field := t.Children[0]
		if t.Kind != plan.KindArray {
			field = t.Children[i%len(t.Children)]
		}
		if t.Kind == plan.KindStruct {
			parts = append(parts, literalSQL(plan.String, plan.Literal{Bytes: []byte(field.Name)}))
		}
		parts = append(parts, literalSQL(field.Type, item))
	}
	return fmt.Sprintf("CAST(%s(%s) AS %s)", function, strings.Join(parts, ", "), t)
}

// withIdentifiers is the text with a string in place of what stands in each IDENTIFIER(…), and where the statement is
// then. The string takes up the same room where it can, so that positions stay right.
func (e execution) withIdentifiers(ctx context.Context) (*source.Text, source.Span, error) {
	found := sql.ComputedIdentifiers(e.text, e.span)
	body, span := e.text.Body, e.span
	for i := len(found) - 1; i >= 0; i-- {
		at := found[i]
		c, err := e.expression(ctx, at)
		switch {
		case err != nil && strings.HasPrefix(classOf(err), "UNRESOLVED_COLUMN"):
			return nil, span, e.text.Errorf(at, "NOT_A_CONSTANT_STRING.NOT_CONSTANT", "IDENTIFIER needs a constant")
		case err != nil:
			return nil, span, err
		case c.Type.Kind != plan.KindString || strings.EqualFold(body[at.Start:at.End], "null"):
			return nil, span, e.text.Errorf(at, "NOT_A_CONSTANT_STRING.WRONG_TYPE", "IDENTIFIER needs a string, not %s", c.Type)
		case c.Value.Null:
			return nil, span, e.text.Errorf(at, "NOT_A_CONSTANT_STRING.NULL", "IDENTIFIER needs a string, not NULL")
		}
		value := fmt.Sprintf("%-*s", at.End-at.Start, literalSQL(c.Type, c.Value))
		span.End += len(value) - (at.End - at.Start)
		body = body[:at.Start] + value + body[at.End:]
	}
	return &source.Text{File: e.text.File, Line: e.text.Line, Body: body}, span, nil
}
