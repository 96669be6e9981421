package logical

import (
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// pluginCall analyses a call of a plugin function in an expression.
func (a *analyser) pluginCall(e *sql.Call, f plan.Function, ctx *exprContext) (*plan.Expr, error) {
	switch {
	case f.Is(plan.FunctionScalar):
		return a.udfCall(e, f, ctx)
	case f.Is(plan.FunctionAggregate):
		return a.pluginAggregate(e, f, ctx)
	}
	hint := "FROM %s(TABLE(…))"
	if f.Is(plan.FunctionSource) {
		hint = "FROM %s()"
	}
	return nil, a.errorf(e.Span, "NOT_A_SCALAR_FUNCTION", "plugin function %s gives a table, not a value", f.Name).WithHint(hint, f.Name)
}

// udfCall types a call of a scalar plugin function.
func (a *analyser) udfCall(e *sql.Call, f plan.Function, ctx *exprContext) (*plan.Expr, error) {
	if err := a.plainCall(e, f.Name); err != nil {
		return nil, err
	}
	args, err := a.pluginArgs(e, f, ctx)
	if err != nil {
		return nil, err
	}
	out := &plan.Expr{Op: plan.OpUDF, Name: f.Name, Type: f.Returns, Nullable: f.Nullable || f.OnError == plan.NullOnError, Args: args}
	for _, arg := range args {
		out.Nullable = out.Nullable || arg.Nullable
	}
	return out, nil
}

// pluginArgs types the arguments of a plugin function. They are cast where that loses nothing; there is no overloading.
func (a *analyser) pluginArgs(e *sql.Call, f plan.Function, ctx *exprContext) ([]*plan.Expr, error) {
	if hasNames(e) {
		return nil, a.errorf(e.Span, "NAMED_PARAMETERS_NOT_SUPPORTED", "plugin function %s takes its arguments by place", f.Name)
	}
	if ctx.lambda != nil {
		return nil, a.unsupported(e.Span, "a plugin function inside a lambda")
	}
	args, err := a.exprs(e.Args, ctx)
	if err != nil {
		return nil, err
	}
	if len(args) != len(f.Args) {
		return nil, a.errorf(e.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
			"plugin function %s takes %d arguments (%s), not %d", f.Name, len(f.Args), typeList(f.Args), len(args))
	}
	var out []*plan.Expr
	for i, x := range args {
		if !coercible(x, f.Args[i]) {
			return nil, a.errorf(e.Args[i].Pos(), "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
				"argument %d of plugin function %s must be %s, and this is %s", i+1, f.Name, f.Args[i], x.Type).
				WithHint("write CAST(… AS %s)", strings.ToUpper(f.Args[i].String()))
		}
		out = append(out, compute.Cast(x, f.Args[i]))
	}
	return out, nil
}

// pluginAggregate collects a call of an aggregate plugin function and stands for its result.
func (a *analyser) pluginAggregate(e *sql.Call, f plan.Function, ctx *exprContext) (*plan.Expr, error) {
	switch {
	case e.Over != nil:
		return nil, a.unsupported(e.Span, "a plugin function with OVER").WithHint("aggregate in a subquery with GROUP BY, and join it")
	case len(e.WithinGroup) > 0:
		return nil, a.unsupportedSyntax(e, f.Name, "WITHIN GROUP (ORDER BY ...)")
	case e.IgnoreNulls != nil:
		return nil, a.unsupportedSyntax(e, f.Name, ignoreText(e))
	}
	if err := a.aggregateAllowed(e, ctx); err != nil {
		return nil, err
	}
	inner := *ctx
	inner.inAggregate = true
	call := AggCall{Func: f.Name, Distinct: e.Distinct, State: f.State}
	call.Type, call.Nullable = f.Returns, f.Nullable
	var err error
	if call.Args, err = a.pluginArgs(e, f, &inner); err != nil {
		return nil, err
	}
	if e.Filter != nil {
		inner.clause = "FILTER"
		if call.Filter, err = a.expr(e.Filter, &inner); err != nil {
			return nil, err
		}
		if call.Filter.Type.Kind != plan.KindBoolean {
			return nil, a.errorf(e.Filter.Pos(), "INVALID_AGGREGATE_FILTER.NOT_BOOLEAN", "FILTER needs a condition; this is %s", call.Filter.Type)
		}
	}
	return ctx.aggs.add(a.env.IDs, sql.ColumnName(e), call), nil
}

// pluginTable analyses a call of a table or source function of a plugin in FROM.
func (a *analyser) pluginTable(ref *sql.TableFunction, f plan.Function, with *named) (Node, error) {
	call := ref.Call
	switch {
	case f.Is(plan.FunctionScalar) || f.Is(plan.FunctionAggregate):
		return nil, a.errorf(call.Span, "NOT_A_TABLE_FUNCTION", "%q gives a value, not a table", call.Name.Name).WithHint("SELECT it")
	case f.Is(plan.FunctionSource) && (ref.Table != nil || len(call.Args) > 0):
		return nil, a.errorf(call.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "source function %s takes no arguments", f.Name).
			WithHint("what it makes is decided by its options, in the job file")
	case f.Is(plan.FunctionSource):
		return ScanTable(f.Name+"()", SourceTable(f), a.env.IDs), nil
	case ref.Table == nil:
		return nil, a.errorf(call.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "plugin function %s takes a table", f.Name).
			WithHint("FROM %s(TABLE(t)) or FROM %s(TABLE(SELECT …))", f.Name, f.Name)
	case ref.Lateral:
		return nil, a.unsupported(ref.Span, "LATERAL with a plugin's table function")
	}
	in, err := a.tableRef(ref.Table.Ref, with)
	if err != nil {
		return nil, err
	}
	n := &PluginTable{Input: in.node, Function: f.Name, Per: f.Per, Single: ref.Table.Single, Quarantine: f.OnError == plan.QuarantineRow}
	ctx := &exprContext{scope: in.scope, clause: "the table of a function", subs: &subqueries{with: with}}
	if n.PartitionBy, err = a.exprs(ref.Table.PartitionBy, ctx); err != nil {
		return nil, err
	}
	if n.OrderBy, err = a.orderKeys(ref.Table.OrderBy, ctx); err != nil {
		return nil, err
	}
	if err := a.checkPer(ref.Table, f); err != nil {
		return nil, err
	}
	for _, field := range f.Input {
		x, err := a.pluginColumn(ref.Table, f, field, in.scope)
		if err != nil {
			return nil, err
		}
		n.Args = append(n.Args, x)
	}
	exprs := append(append([]*plan.Expr(nil), n.PartitionBy...), n.Args...)
	for _, k := range n.OrderBy {
		exprs = append(exprs, k.Expr)
	}
	if n.Input, err = a.attach(n.Input, exprs...); err != nil {
		return nil, err
	}
	for _, field := range f.Output {
		n.Cols = append(n.Cols, a.env.IDs.Column(field))
	}
	return n, nil
}

// checkPer compares what a function sees together with what the call says.
func (a *analyser) checkPer(t *sql.TableArgument, f plan.Function) error {
	switch {
	case f.Per == plan.PerGroup && len(t.PartitionBy) == 0:
		return a.errorf(t.Span, "INVALID_SQL_SYNTAX", "plugin function %s is called per group, and the call does not say of what", f.Name).
			WithHint("%s(TABLE(…) PARTITION BY … ORDER BY …)", f.Name)
	case f.Per != plan.PerGroup && len(t.PartitionBy) > 0:
		return a.errorf(t.PartitionBy[0].Pos(), "INVALID_SQL_SYNTAX", "plugin function %s is called per %s, not for each group of rows", f.Name, f.Per).
			WithHint("leave PARTITION BY out, or have the plugin declare it per group")
	case f.Per == plan.PerBatch && (t.Single || len(t.OrderBy) > 0):
		return a.errorf(t.Span, "INVALID_SQL_SYNTAX", "plugin function %s looks at one row at a time: neither an order nor WITH SINGLE PARTITION changes what it gives", f.Name)
	case f.Per == plan.PerPartition && len(t.OrderBy) > 0 && !t.Single:
		return a.errorf(t.Span, "INVALID_SQL_SYNTAX", "ORDER BY is that of all rows only WITH SINGLE PARTITION")
	}
	return nil
}

// pluginColumn finds a column that a table function reads.
func (a *analyser) pluginColumn(t *sql.TableArgument, f plan.Function, field plan.Field, s *scope) (*plan.Expr, error) {
	name := &sql.Name{Parts: []sql.Ident{{Name: field.Name, Span: t.Span}}, Span: t.Span}
	x, found, err := a.column(s, name)
	if err != nil {
		return nil, err
	}
	if !found {
		var names []string
		for _, c := range s.visible() {
			names = append(names, c.Name)
		}
		err := a.errorf(t.Span, "UNRESOLVED_COLUMN.WITH_SUGGESTION", "plugin function %s reads a column %q of type %s, which the table does not have", f.Name, field.Name, field.Type)
		if near := source.Nearest(field.Name, names); near != "" {
			return nil, err.WithHint("did you mean %q? TABLE(SELECT … AS %s …) renames it", near, field.Name)
		}
		return nil, err.WithHint("the table has: %s", abbreviate(names, 12))
	}
	if !coercible(x, field.Type) {
		return nil, a.errorf(t.Span, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
			"column %q of plugin function %s must be %s, and the table has %s", field.Name, f.Name, field.Type, x.Type).
			WithHint("TABLE(SELECT CAST(%s AS %s) …)", field.Name, strings.ToUpper(field.Type.String()))
	}
	return compute.Cast(x, field.Type), nil
}

// guessedRows is how many rows a task of a source function is taken to make that does not say.
const guessedRows = 10_000

// SourceTable is a source function as a table: one file that nobody has, whose row groups are the function's tasks. What it says
// of their rows is a guess.
func SourceTable(f plan.Function) *plan.Table {
	t := &plan.Table{
		Source: plan.Source{Name: f.Name, Format: plan.FormatFunction}, Schema: plan.Schema{Fields: f.Output},
	}
	file := plan.File{URL: plan.FormatFunction + ":" + f.Name}
	for _, task := range f.Tasks {
		g := plan.RowGroup{Rows: task.Rows, Bytes: task.Bytes}
		if g.Rows <= 0 {
			g.Rows = guessedRows
		}
		for range f.Output {
			g.Columns = append(g.Columns, plan.ColumnStats{NullCount: -1})
		}
		file.RowGroups = append(file.RowGroups, g)
	}
	t.Files = []plan.File{file}
	return t
}

// coercible allows what loses nothing: NULL, the same type, and a type whose common type with the target is the
// target; integer constants go to any integer.
func coercible(e *plan.Expr, to plan.Type) bool {
	if e.Type.Equal(to) || e.Type.Kind == plan.KindNull || e.IsLiteral() && e.Type.IsInteger() && to.IsInteger() {
		return true
	}
	if e.Type.Kind == plan.KindString || to.Kind == plan.KindString {
		return false
	}
	common, ok := compute.CommonType(e.Type, to)
	return ok && common.Equal(to)
}

func typeList(types []plan.Type) string {
	texts := make([]string, len(types))
	for i, t := range types {
		texts[i] = t.String()
	}
	return strings.Join(texts, ", ")
}
