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

// Routine is a function that is defined in SQL: a call stands for its body, in which the parameters are the arguments.
type Routine struct {
	Name     string
	Schema   string // "" of a temporary function
	Params   []plan.Field
	Defaults []sql.Expr   // by parameter; nil where an argument is required
	Returns  *plan.Schema // one field, or the columns of a table; nil for whatever the body gives
	Text     *source.Text // of the body
	Body     sql.Expr     // of a function that gives a value
	Query    *sql.Query   // of a function that gives a table
}

// routineCall is a call while its body is analysed.
type routineCall struct {
	routine Routine
	args    []*plan.Expr
}

// routine finds a function by name. Those with the names of built-in functions are never called: the built-in ones are.
func (e *Environment) routine(name string) (Routine, bool) {
	for _, r := range e.Routines {
		if strings.EqualFold(r.Name, name) {
			_, builtIn := compute.Lookup(name)
			return r, !builtIn
		}
	}
	return Routine{}, false
}

// routineParameter finds the argument that a name in the body of a function stands for.
func (a *analyser) routineParameter(n *sql.Name, ctx *exprContext) (*plan.Expr, bool, error) {
	if ctx.routine == nil {
		return nil, false, nil
	}
	parts := n.Parts
	r := ctx.routine.routine
	if len(parts) > 1 && strings.EqualFold(parts[0].Name, r.Name) {
		parts = parts[1:]
	}
	i := slices.IndexFunc(r.Params, func(f plan.Field) bool { return strings.EqualFold(f.Name, parts[0].Name) })
	if i < 0 {
		return nil, false, nil
	}
	e, err := a.path(ctx.routine.args[i], parts[1:], n.Span)
	return e, true, err
}

// variable finds the variable of the session that a name stands for.
func (a *analyser) variable(n *sql.Name) (*plan.Expr, bool, error) {
	parts := n.Parts
	if len(parts) > 2 && strings.EqualFold(parts[0].Name, "system") {
		parts = parts[1:]
	}
	if len(parts) > 1 && strings.EqualFold(parts[0].Name, "session") {
		parts = parts[1:]
	}
	for _, v := range a.env.Variables {
		if !strings.EqualFold(v.Name, parts[0].Name) {
			continue
		}
		x := &plan.Expr{Op: plan.OpLiteral, Type: v.Type, Nullable: v.Value.Null, Value: v.Value}
		text := plan.FormatLiteral(v.Type, v.Value)
		if v.Value.Null {
			text = "CAST(NULL AS " + strings.ToUpper(v.Type.String()) + ")"
		}
		a.texts[n] = "variablereference(system.session." + v.Name + "=" + text + ")"
		for _, f := range parts[1:] {
			a.texts[n] += "." + f.Name
		}
		e, err := a.path(x, parts[1:], n.Span)
		return e, true, err
	}
	return nil, false, nil
}

// routineArgs are the arguments of a call in the order of the parameters, cast to their types.
func (a *analyser) routineArgs(e *sql.Call, r Routine, ctx *exprContext) ([]*plan.Expr, error) {
	if err := a.plainCall(e, r.Name); err != nil {
		return nil, err
	}
	given, err := a.matchArgs(e, r)
	if err != nil {
		return nil, err
	}
	args := make([]*plan.Expr, len(given))
	for i, x := range given {
		if args[i], err = a.expr(x, ctx); err != nil {
			return nil, err
		}
		if !compute.CanCast(args[i].Type, r.Params[i].Type) {
			return nil, a.cannotCast(x.Pos(), args[i].Type, r.Params[i].Type, false)
		}
		args[i] = compute.Cast(args[i], r.Params[i].Type)
	}
	return args, nil
}

// matchArgs brings arguments, by place and by name, and defaults into the order of the parameters.
func (a *analyser) matchArgs(e *sql.Call, r Routine) ([]sql.Expr, error) {
	out := make([]sql.Expr, len(r.Params))
	wrong := func() error {
		return a.errorf(e.Span, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "%s takes %d arguments, not %d", r.Name, len(r.Params), len(e.Args))
	}
	for i, x := range e.Args {
		at := i
		if i < len(e.Names) && e.Names[i] != nil {
			n := e.Names[i]
			at = slices.IndexFunc(r.Params, func(f plan.Field) bool { return strings.EqualFold(f.Name, n.Name) })
			if at < 0 {
				return nil, a.errorf(n.Span, "UNRECOGNIZED_PARAMETER_NAME", "%s has no parameter %q", r.Name, n.Name)
			}
		}
		if at >= len(out) {
			return nil, wrong()
		}
		if out[at] != nil {
			return nil, a.errorf(x.Pos(), "DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.BOTH_POSITIONAL_AND_NAMED", "the parameter %q of %s is given twice", r.Params[at].Name, r.Name)
		}
		out[at] = x
	}
	for i, x := range out {
		if x == nil && r.Defaults[i] == nil {
			return nil, wrong()
		}
		if x == nil {
			out[i] = r.Defaults[i]
		}
	}
	return out, nil
}

// inRoutine analyses the body of a function: it sees the arguments and nothing of the query that calls it.
func (a *analyser) inRoutine(r Routine, f func() error) error {
	text, outer, schema := a.text, a.outer, a.env.Schema
	a.text, a.outer = r.Text, nil
	defer func() { a.text, a.outer, a.env.Schema = text, outer, schema }()
	if a.depth++; a.depth > maxNesting {
		return a.errorf(source.Span{}, "", "functions call functions more than %d deep", maxNesting)
	}
	defer func() { a.depth-- }()
	return f()
}

// routineValue is a call of a function that gives a value.
func (a *analyser) routineValue(e *sql.Call, r Routine, ctx *exprContext) (*plan.Expr, error) {
	if r.Query != nil {
		return nil, a.errorf(e.Span, "NOT_A_SCALAR_FUNCTION", "%q gives a table, not a value", r.Name).WithHint("SELECT … FROM %s(…)", r.Name)
	}
	args, err := a.routineArgs(e, r, ctx)
	if err != nil {
		return nil, err
	}
	body := &exprContext{scope: &scope{}, clause: ctx.clause, subs: ctx.subs, routine: &routineCall{r, args}}
	var out *plan.Expr
	err = a.inRoutine(r, func() error {
		if out, err = a.expr(r.Body, body); err != nil || r.Returns == nil {
			return a.complex(err)
		}
		t := r.Returns.Fields[0].Type
		if !compute.CanCast(out.Type, t) {
			return a.cannotCast(r.Body.Pos(), out.Type, t, false)
		}
		out = compute.Cast(out, t)
		return nil
	})
	return out, err
}

// complex says of aggregates and their like that a function cannot be made of them.
func (a *analyser) complex(err error) error {
	var at *source.Error
	if errors.As(err, &at) && (at.Class == "UNSUPPORTED_EXPR_FOR_OPERATOR" || at.Class == "INVALID_WHERE_CONDITION") {
		at.Class = "USER_DEFINED_FUNCTIONS.CANNOT_CONTAIN_COMPLEX_FUNCTIONS"
	}
	return err
}

// routineRows is a call of a function that gives a table.
func (a *analyser) routineRows(e *sql.Call, r Routine, with *named) (Node, error) {
	if r.Query == nil {
		return nil, a.errorf(e.Span, "NOT_A_TABLE_FUNCTION", "%q gives a value, not a table", r.Name).WithHint("SELECT it")
	}
	args, err := a.routineArgs(e, r, &exprContext{scope: &scope{}, clause: "a table function", subs: &subqueries{with: with}})
	if err != nil {
		return nil, err
	}
	var node Node
	err = a.inRoutine(r, func() error {
		a.outer = &exprContext{scope: &scope{}, clause: "LATERAL", routine: &routineCall{r, args}}
		if node, err = a.query(r.Query, nil); err != nil || r.Returns == nil {
			return err
		}
		cols := node.Columns()
		if len(cols) != len(r.Returns.Fields) {
			return a.errorf(r.Query.Span, "USER_DEFINED_FUNCTIONS.RETURN_COLUMN_COUNT_MISMATCH", "%d columns for %d of the function", len(cols), len(r.Returns.Fields))
		}
		out := &Project{Input: node}
		for i, f := range r.Returns.Fields {
			out.Defs = append(out.Defs, Definition{Column: a.env.IDs.Column(f), Expr: compute.Cast(cols[i].Ref(), f.Type)})
		}
		node = out
		return nil
	})
	return node, err
}

// routine is the name of a call: arguments in the order of the parameters, without those left out.
func (n *naming) routine(e *sql.Call, r Routine) string {
	args, err := n.matchArgs(e, r)
	if err != nil {
		return ""
	}
	var texts []string
	for _, x := range args {
		if slices.Contains(e.Args, x) {
			texts = append(texts, n.namer.Text(x))
		}
	}
	name := r.Name
	if r.Schema != "" {
		name = catalogName + "." + r.Schema + "." + r.Name
	}
	return name + "(" + strings.Join(texts, ", ") + ")"
}
