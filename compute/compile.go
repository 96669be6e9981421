package compute

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Program is a compiled expression. It keeps buffers and per-dictionary results between batches, so one goroutine may
// use it at a time; compile once per task. It needs no Close.
type Program struct {
	root      node
	conjuncts []node // of a boolean program, in order
}

// Compile readies an expression over columns of a schema. Columns are ordinals. Arguments whose types differ from what
// their function asks for are cast. A defective expression (a column out of range, a type that is not the function's)
// is a plan.FailureInternal failure. The session says in which time zone and mode the expression is evaluated.
func Compile(e *plan.Expr, in plan.Schema, s plan.Session) (*Program, error) {
	comp, err := newCompiler(in, s)
	if err != nil {
		return nil, err
	}
	root, err := comp.compile(e)
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", e, err)
	}
	p := &Program{root: root}
	if root.typ().Kind == plan.KindBoolean {
		for _, c := range plan.Conjuncts(e) {
			n, err := comp.compile(c)
			if err != nil {
				return nil, fmt.Errorf("compile %s: %w", c, err)
			}
			p.conjuncts = append(p.conjuncts, n)
		}
	}
	return p, nil
}

// Type is the type of the program's result.
func (p *Program) Type() plan.Type { return p.root.typ() }

// Eval computes the expression for every row of a batch. The result is the caller's to release, as long as the batch,
// and dictionary-encoded where that came free. Errors are the ANSI errors that rows raise.
func (p *Program) Eval(mem memory.Allocator, rec arrow.Record) (arrow.Array, error) {
	f := &frame{mem: mem, rec: rec, n: int(rec.NumRows())}
	v, err := p.root.eval(f)
	if err != nil {
		return nil, err
	}
	return v.spread(mem, f.n), nil
}

func defect(format string, args ...any) error {
	return plan.Failf(plan.FailureInternal, format, args...)
}

// compiler makes nodes of expressions over a schema.
type compiler struct {
	in        plan.Schema
	session   session
	variables map[int]*slotNode // the parameters of the lambdas around the expression
}

func newCompiler(in plan.Schema, s plan.Session) (*compiler, error) {
	se, err := newSession(s)
	return &compiler{in, se, map[int]*slotNode{}}, err
}

// compile makes the node of an expression, bottom up; constant nodes are computed at once.
func (c *compiler) compile(e *plan.Expr) (node, error) {
	in := c.in
	switch e.Op {
	case plan.OpColumn:
		if e.Column < 0 || e.Column >= len(in.Fields) {
			return nil, defect("column %d of %d", e.Column, len(in.Fields))
		}
		if t := in.Fields[e.Column].Type; !t.Equal(e.Type) {
			return nil, defect("column %s is %s, not %s", e, t, e.Type)
		}
		return &columnNode{e.Column, e.Type}, nil
	case plan.OpLiteral:
		if e.Type.Arrow() == nil {
			return nil, defect("literal of type %s", e.Type)
		}
		return newConst(e.Type, e.Value), nil
	case plan.OpCall:
		return c.call(e)
	case plan.OpLambda:
		return c.lambda(e)
	case plan.OpVariable:
		return c.variable(e)
	}
	return nil, defect("expression %s cannot be evaluated here", e.Op)
}

func (c *compiler) call(e *plan.Expr) (node, error) {
	args := make([]node, len(e.Args))
	for i, a := range e.Args {
		n, err := c.compile(a)
		if err != nil {
			return nil, err
		}
		args[i] = n
	}
	if e.Name == "cast" || e.Name == "try_cast" {
		if len(args) != 1 {
			return nil, defect("%s of %d arguments", e.Name, len(args))
		}
		return castNode(c.session, args[0], e.Type, e.Name == "try_cast")
	}
	f, ok := Lookup(e.Name)
	if !ok || f.build == nil {
		return nil, defect("no scalar function %q", e.Name)
	}
	sig, err := signatureOf(f, e)
	if err != nil {
		return nil, err
	}
	return c.bind(f, args, sig)
}

// signatureOf finds the signature that gives the call its type: planners may or may not have known constants.
func signatureOf(f *Function, e *plan.Expr) (Signature, error) {
	sig, err := f.ResolveCall(e.Args)
	if err == nil && sig.Returns.Equal(e.Type) {
		return sig, nil
	}
	plain, plainErr := f.Resolve(exprTypes(e.Args))
	if plainErr == nil && plain.Returns.Equal(e.Type) {
		return plain, nil
	}
	if err != nil {
		return Signature{}, err
	}
	exact := *e
	exact.Type = sig.Returns
	if WithoutPrecisionLoss(&exact).Type.Equal(e.Type) {
		sig.Returns = e.Type
		return sig, nil
	}
	return Signature{}, defect("%s has type %s, not %s", f.Name, sig.Returns, e.Type)
}

// bind casts the arguments and builds the call's node.
func (c *compiler) bind(f *Function, args []node, sig Signature) (node, error) {
	for i := range args {
		n, err := castArg(c.session, args[i], sig.Args[i])
		if err != nil {
			return nil, err
		}
		args[i] = n
	}
	if sig.Returns.Kind == plan.KindNull && !f.evaluated {
		return newConst(plan.Null, plan.Literal{Null: true}), nil
	}
	n, err := f.build(&binding{f.Name, args, sig.Returns, c.session})
	if err != nil {
		return nil, err
	}
	return precompute(n, args), nil
}

// castArg casts an argument; of a lambda, the body.
func castArg(s session, n node, to plan.Type) (node, error) {
	l, ok := n.(*lambdaNode)
	if !ok {
		return castNode(s, n, to, false)
	}
	body, err := castNode(s, l.body, to, false)
	return &lambdaNode{body, l.params, l.closed}, err
}

// castNode casts a node, unless it has the type already.
func castNode(s session, n node, to plan.Type, try bool) (node, error) {
	from := n.typ()
	if from.Equal(to) {
		return n, nil
	}
	if !CanCast(from, to) {
		return nil, CastRefusal(from, to)
	}
	if from.Kind == plan.KindNull {
		if !n.fails() {
			return newConst(to, plan.Literal{Null: true}), nil
		}
		return &voidNode{n, to}, nil
	}
	k, mayFail := caster{s, try || s.legacy, s.legacy && !try}.kernel(from, to)
	return precompute(&strictNode{args: []node{n}, t: to, run: k, mayFail: mayFail}, []node{n}), nil
}

// precompute replaces a node of constants by its value, or by the error that the value is.
func precompute(n node, args []node) node {
	for _, a := range args {
		if l, ok := a.(*lambdaNode); ok && l.closed {
			continue
		}
		if _, ok := a.(*constNode); !ok {
			return n
		}
	}
	arr, err := evalConstant(n)
	if err != nil {
		return &errorNode{err, n.typ()}
	}
	return &constNode{arr, n.typ()}
}

// evalConstant computes a node that reads no column, as an array of one row.
func evalConstant(n node) (arrow.Array, error) {
	rec := array.NewRecord(arrow.NewSchema(nil, nil), nil, 1)
	v, err := n.eval(&frame{mem: heap(), rec: rec, n: 1})
	if err != nil {
		return nil, err
	}
	return vector.Decode(heap(), v.arr), nil
}

// Fold computes the constant parts of an expression. Its error is the one that the expression raises for every row;
// a part that would raise one stays as it is, since it may lie in a branch that no row takes.
func Fold(e *plan.Expr, s plan.Session) (*plan.Expr, error) {
	c, err := newCompiler(plan.Schema{}, s)
	if err != nil {
		return nil, err
	}
	folded := e.Transform(func(x *plan.Expr) *plan.Expr {
		out, err := c.foldOne(x)
		if err != nil {
			return x
		}
		return out
	})
	return c.foldOne(folded)
}

// foldOne computes an expression whose arguments are literals.
func (c *compiler) foldOne(e *plan.Expr) (*plan.Expr, error) {
	if e.Op != plan.OpCall {
		return e, nil
	}
	if !isConstant(e) {
		return e, nil
	}
	n, err := c.compile(e)
	if err != nil {
		return nil, err
	}
	arr, err := evalConstant(n)
	if err != nil {
		return nil, err
	}
	v := vector.LiteralAt(arr, 0)
	return &plan.Expr{Op: plan.OpLiteral, Type: e.Type, Nullable: v.Null, Value: v}, nil
}
