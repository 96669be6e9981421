package logical

import (
	"errors"
	"slices"
	"strings"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/sql"
)

// call makes a typed call of a scalar function or operator; arguments are cast as its signature asks.
func (a *analyser) call(span source.Span, name string, args ...*plan.Expr) (*plan.Expr, error) {
	if name == "not" && len(args) == 1 {
		if e := a.notIn(args[0]); e != nil {
			return e, nil
		}
	}
	e, err := compute.Call(name, args...)
	if err != nil {
		return nil, a.typeError(span, err)
	}
	if !a.env.Session.Is(plan.AllowPrecisionLoss) {
		return compute.WithoutPrecisionLoss(e), nil
	}
	return e, nil
}

// typeError gives a place to an error of the function table, whose text begins with its class in brackets.
func (a *analyser) typeError(span source.Span, err error) *source.Error {
	class, message := "DATATYPE_MISMATCH", err.Error()
	var f *plan.Failure
	if errors.As(err, &f) {
		message = f.Message
	}
	if rest, ok := strings.CutPrefix(message, "["); ok {
		if c, m, ok := strings.Cut(rest, "] "); ok {
			class, message = c, m
		}
	}
	return a.errorf(span, class, "%s", message)
}

// callExpr analyses a function call: plugin function, scalar, aggregate or window function of the table.
func (a *analyser) callExpr(e *sql.Call, ctx *exprContext) (*plan.Expr, error) {
	if e.Bare {
		if x, found, err := a.column(ctx.scope, &sql.Name{Parts: []sql.Ident{e.Name}, Span: e.Span}); found || err != nil {
			return x, err
		}
	}
	if c, ok := a.windowOf[e]; ok {
		return c.Ref(), nil
	}
	if f, ok := a.env.function(e.Name.Name); ok {
		return a.pluginCall(e, f, ctx)
	}
	if r, ok := a.env.routine(e.Name.Name); ok {
		return a.routineValue(e, r, ctx)
	}
	switch lower(e.Name.Name) {
	case "struct":
		if err := a.plainCall(e, "struct"); err != nil {
			return nil, err
		}
		return a.structCall(e, ctx)
	case "grouping", "grouping_id":
		return a.groupingFunction(e, ctx)
	case "current_catalog", "current_database", "current_schema":
		return a.place(e)
	}
	e = unitCall(e)
	if bare, ok := e.Name.Name, len(e.Args) > 0; ok && (strings.EqualFold(bare, "timestampadd") || strings.EqualFold(bare, "timestampdiff")) {
		if unit, ok := e.Args[0].(*sql.Name); ok && len(unit.Parts) == 1 {
			return nil, a.errorf(unit.Span, "UNRESOLVED_ROUTINE", "no unit %q", unit.Parts[0].Name).WithHint("HOUR and DAY are units")
		}
	}
	f, ok := compute.Lookup(e.Name.Name)
	if !ok {
		return nil, a.unknownFunction(e)
	}
	if hasNames(e) {
		named, err := a.namedArguments(e, f)
		if err != nil {
			return nil, err
		}
		e = named
	}
	switch {
	case isTopBy(e, f):
		return a.topBy(e, f, ctx)
	case f.Kind == compute.Generator:
		return nil, a.misplacedGenerator(e, ctx)
	case e.Over != nil:
		return a.windowExpr(e, f, ctx)
	case f.Kind == compute.Window:
		return nil, a.errorf(e.Span, "WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE", "%s needs OVER (…)", f.Name)
	case f.Kind == compute.Aggregate:
		return a.aggregateExpr(e, f, ctx)
	}
	return a.scalarExpr(e, f, ctx)
}

// scalarExpr analyses a call of a scalar function.
func (a *analyser) scalarExpr(e *sql.Call, f *compute.Function, ctx *exprContext) (*plan.Expr, error) {
	if err := a.plainCall(e, f.Name); err != nil {
		return nil, err
	}
	if a.env.Session.Now == 0 && slices.Contains(clockFunctions, f.Name) && (f.Name != "unix_timestamp" || len(e.Args) == 0) {
		return nil, a.errorf(e.Span, "UNSUPPORTED_FEATURE", "%s() needs a time that the job is said to run at", f.Name).
			WithHint("a job gives the same rows whenever it runs: pass the date as a parameter")
	}
	var args []*plan.Expr
	var err error
	if slices.ContainsFunc(e.Args, isLambda) {
		args, err = a.higherOrderArgs(e, f, ctx)
	} else {
		args, _, err = a.starArgs(e, ctx)
	}
	if err != nil {
		return nil, err
	}
	if slices.Contains(typedByConstants, f.Name) {
		for i, x := range args {
			if v, ok := a.constant(x); ok {
				args[i] = v
			}
		}
	}
	if err := a.roundingDigits(e, f.Name, args); err != nil {
		return nil, err
	}
	return a.call(e.Span, f.Name, args...)
}

// roundingDigits computes the digits of a rounding, which have to be constant, since they make the type of a decimal.
func (a *analyser) roundingDigits(e *sql.Call, name string, args []*plan.Expr) error {
	if len(args) != 2 || !slices.Contains([]string{"round", "bround", "ceil", "floor"}, name) {
		return nil
	}
	v, ok := a.constant(args[1])
	if name == "ceil" || name == "floor" {
		if !ok || v.Value.Null || v.Type.Kind != plan.KindInt32 {
			return a.errorf(e.Span, "NON_FOLDABLE_ARGUMENT", "the digits of %s must be a constant of type int", name)
		}
	} else if !ok && (readsAny(args[1]) || readsVariable(args[1])) {
		return a.errorf(e.Span, "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT", "the digits of %s must be a constant", name)
	}
	if ok {
		args[1] = v
	}
	return nil
}

// typedByConstants are functions whose results have a type that takes the value of a constant to know.
var typedByConstants = []string{"named_struct", "from_json", "from_csv", "schema_of_json", "schema_of_csv", "date_part", "extract"}

// clockFunctions tell the time.
var clockFunctions = []string{
	"current_date", "curdate", "current_timestamp", "now", "localtimestamp", "unix_timestamp", "current_time",
}

func isLambda(e sql.Expr) bool {
	_, ok := e.(*sql.Lambda)
	return ok
}

// plainCall refuses what only aggregate and window functions take.
func (a *analyser) plainCall(e *sql.Call, name string) error {
	what := ""
	switch {
	case e.Over != nil:
		return a.errorf(e.Span, "UNSUPPORTED_EXPR_FOR_WINDOW", "%s is neither a window nor an aggregate function: OVER does not apply", name)
	case e.Distinct:
		what = "DISTINCT"
	case e.Filter != nil:
		what = "FILTER CLAUSE"
	case e.WithinGroup != nil:
		what = "WITHIN GROUP (ORDER BY ...)"
	case e.IgnoreNulls != nil:
		what = ignoreText(e)
	default:
		return nil
	}
	return a.unsupportedSyntax(e, name, what)
}

func ignoreText(e *sql.Call) string {
	if *e.IgnoreNulls {
		return "IGNORE NULLS"
	}
	return "RESPECT NULLS"
}

func (a *analyser) unsupportedSyntax(e *sql.Call, name, what string) error {
	return a.errorf(e.Span, "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", "the function %s does not support %s", name, what)
}

// unitCall completes calls with a unit: timestampadd(HOUR, …), which dateadd and date_add mean with three arguments, and
// timestampdiff likewise. The bare word that names the unit becomes a string.
func unitCall(e *sql.Call) *sql.Call {
	name := lower(e.Name.Name)
	if len(e.Args) == 3 {
		switch name {
		case "dateadd", "date_add":
			name = "timestampadd"
		case "datediff", "date_diff", "timediff":
			name = "timestampdiff"
		}
	}
	if name != "timestampadd" && name != "timestampdiff" || len(e.Args) == 0 {
		return e
	}
	c := *e
	c.Name.Name = name
	if unit, ok := e.Args[0].(*sql.Name); ok && len(unit.Parts) == 1 && sql.IsUnit(unit.Parts[0].Name) {
		text := &sql.Literal{Kind: "string", Text: unit.Parts[0].Name, Span: unit.Span}
		c.Args = append([]sql.Expr{text}, e.Args[1:]...)
	}
	return &c
}

// nondeterministic are functions that Spark has and whose results differ from run to run.
var nondeterministic = map[string]string{
	"rand": "hash what identifies the row: pmod(xxhash64(id), 1000) / 1000D", "random": "hash what identifies the row: pmod(xxhash64(id), 1000) / 1000D",
	"randn": "hash what identifies the row", "uniform": "hash what identifies the row", "randstr": "hash what identifies the row",
	"uuid": "make an id of what identifies the row: sha2(concat_ws('/', a, b), 256)", "shuffle": "sort_array(a) gives an order that lasts",
	"monotonically_increasing_id": "row_number() OVER (ORDER BY …) numbers rows in an order that lasts",
	"spark_partition_id":          "pmod(xxhash64(id), n) divides rows in a way that lasts",
}

func (a *analyser) unknownFunction(e *sql.Call) error {
	if hint, ok := nondeterministic[lower(e.Name.Name)]; ok {
		return a.errorf(e.Name.Span, "UNSUPPORTED_FEATURE", "%s gives other values each time it runs, which jobs must not", e.Name.Name).WithHint("%s", hint)
	}
	err := a.errorf(e.Name.Span, "UNRESOLVED_ROUTINE", "no function %q", e.Name.Name)
	var names []string
	for _, f := range a.env.Functions {
		names = append(names, f.Name)
	}
	for _, f := range compute.Functions() {
		names = append(append(names, f.Name), f.Aliases...)
	}
	if near := source.Nearest(e.Name.Name, names); near != "" {
		return err.WithHint("did you mean %q?", near)
	}
	return err
}

// HasUDF reports a plugin call in an expression.
func HasUDF(e *plan.Expr) bool {
	found := false
	e.Walk(func(x *plan.Expr) bool {
		found = found || x.Op == plan.OpUDF
		return !found
	})
	return found
}

func hasUDF(e *plan.Expr) bool { return HasUDF(e) }

// constant evaluates an expression that reads no column. ok is false when it reads one, or raises an error.
func (a *analyser) constant(e *plan.Expr) (*plan.Expr, bool) {
	if readsAny(e) || readsVariable(e) {
		return nil, false
	}
	v, err := compute.Fold(e, a.env.Session)
	return v, err == nil && v.IsLiteral()
}

// readsAny reports a column or a plugin call in an expression.
func readsAny(e *plan.Expr) bool {
	open := false
	e.Walk(func(x *plan.Expr) bool {
		open = open || x.Op == plan.OpColumn || x.Op == plan.OpUDF
		return !open
	})
	return open
}
