package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

func conditionalFunctions() []Function {
	alikeArgs := func(least, most int) resolver { return takesAlike(sameAs(0), least, most) }
	return []Function{
		{
			Name: "case", Usage: "CASE WHEN cond THEN value … [ELSE value] END, when(cond, value, …[, value])",
			Summary: "The value of the first true condition.",
			Example: "CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END", ExampleResult: "b", resolve: resolveCase, build: buildCase,
		},
		{
			Name: "if", Usage: "if(cond, a, b)", Summary: "The first value if the condition is true, else the second.",
			Example: "if(1 < 2, 'a', 'b')", ExampleResult: "a", resolve: exactly(3, resolveCase), build: buildCase,
		},
		{
			Name: "coalesce", Usage: "coalesce(a, …)", Summary: "The first value that is not NULL.",
			Example: "coalesce(NULL, 1, NULL)", ExampleResult: "1", resolve: alikeArgs(1, 0), refine: refineFirst, build: buildCoalesce,
		},
		{
			Name: "ifnull", Aliases: []string{"nvl"}, Usage: "ifnull(a, b)", Summary: "The first value, or the second where it is NULL.",
			Example: "ifnull(NULL, 'x')", ExampleResult: "x", resolve: alikeArgs(2, 2), refine: refineFirst, build: buildCoalesce,
		},
		{
			Name: "nvl2", Usage: "nvl2(a, b, c)", Summary: "The second value where the first is not NULL, else the third.",
			Example: "nvl2(NULL, 2, 1)", ExampleResult: "1", resolve: resolveNvl2, build: buildNvl2,
		},
		{
			Name: "nullif", Usage: "nullif(a, b)", Summary: "NULL where both are equal, else the first value.",
			Example: "nullif(2, 2)", ExampleResult: "NULL", resolve: nullable(resolveNullIf), build: buildNullIf,
		},
		{
			Name: "greatest", Usage: "greatest(a, b, …)", Summary: "The greatest value, NULLs left aside.",
			Example: "greatest(10, 9, NULL, 4)", ExampleResult: "10", resolve: unpromoted(alikeArgs(2, 0)), refine: refineFirst, build: buildExtreme,
		},
		{
			Name: "least", Usage: "least(a, b, …)", Summary: "The least value, NULLs left aside.",
			Example: "least(10, 9, NULL, 4)", ExampleResult: "4", resolve: unpromoted(alikeArgs(2, 0)), refine: refineFirst, build: buildExtreme,
		},
		{
			Name: "isnan", Usage: "isnan(x)", Summary: "Whether the number is NaN; false for NULL.",
			Example: "isnan(double('NaN'))", ExampleResult: "true",
			resolve: neverNull(takes(returns(plan.Boolean), floating())), build: buildIsNaN,
		},
		{
			Name: "nanvl", Usage: "nanvl(x, y)", Summary: "The first number, or the second where it is NaN.",
			Example: "nanvl(double('NaN'), 1.5D)", ExampleResult: "1.5",
			resolve: takes(returns(plan.Float64), of(plan.Float64), of(plan.Float64)),
			build:   buildNanvl,
		},
	}
}

// refineFirst knows functions that are NULL only where every argument is.
func refineFirst(sig Signature, args []*plan.Expr) Signature {
	for _, a := range args {
		sig.NeverNull = sig.NeverNull || !a.Nullable
	}
	return sig
}

// floating is a float or double.
func floating() param { return oneOf(`("DOUBLE" or "FLOAT")`, plan.Float64, plan.Float32) }

func exactly(n int, r resolver) resolver {
	return func(args []plan.Type) (Signature, error) {
		if len(args) != n {
			return Signature{}, arityError{arity(n, n), len(args)}
		}
		return r(args)
	}
}

// resolveCase types when1, then1, …, and an optional else.
func resolveCase(args []plan.Type) (Signature, error) {
	if len(args) < 2 {
		return Signature{}, arityError{"> 1", len(args)}
	}
	var values []plan.Type
	for i, t := range args {
		if isCondition(i, len(args)) {
			if !canCoerce(t, plan.Boolean) {
				return Signature{}, argumentError{i, sqlType(plan.Boolean), t}
			}
			continue
		}
		values = append(values, t)
	}
	common, err := commonOf(values)
	if err != nil {
		return Signature{}, err
	}
	cast := alike(common, len(args))
	for i := range cast {
		if isCondition(i, len(args)) {
			cast[i] = plan.Boolean
		}
	}
	return Signature{Args: cast, Returns: common, AlwaysNullable: len(args)%2 == 0}, nil
}

// isCondition tells conditions from values among the arguments of CASE.
func isCondition(i, n int) bool { return i%2 == 0 && i != n-1 }

func buildCase(b *binding) (node, error) {
	n := &caseNode{t: b.t}
	for i, a := range b.args {
		if isCondition(i, len(b.args)) {
			n.conditions = append(n.conditions, a)
		} else {
			n.values = append(n.values, a)
		}
	}
	n.choose = newChooser(n)
	return n, nil
}

// caseNode picks for each row the value of the first true condition, or the value after the last condition.
type caseNode struct {
	conditions []node
	values     []node // one more than conditions if there is an ELSE
	t          plan.Type
	choose     chooser // nil: branch by branch
}

func (c *caseNode) fails() bool    { return anyFails(c.conditions) || anyFails(c.values) }
func (c *caseNode) typ() plan.Type { return c.t }

func (c *caseNode) eval(f *frame) (value, error) {
	if c.choose != nil {
		branch, err := c.branchOf(f)
		if err != nil {
			return value{}, err
		}
		return value{arr: c.choose(f, branch)}, nil
	}
	branches := newBranches(f, len(c.values))
	for k, cond := range c.conditions {
		rows := branches.open()
		if len(rows) == 0 {
			break
		}
		at := rows
		if !cond.fails() {
			at = nil
		}
		t, err := evalTruth(cond, f, at)
		if err != nil {
			return value{}, err
		}
		for _, i := range rows {
			if t.isTrue(int(i)) {
				branches.take(i, k)
			}
		}
	}
	if len(c.values) > len(c.conditions) {
		for _, i := range branches.open() {
			branches.take(i, len(c.conditions))
		}
	}
	return branches.assemble(c.values)
}

// coalesceNode takes each row's first value that is not NULL. A value that can fail is asked for open rows only.
type coalesceNode struct {
	args []node
	t    plan.Type
}

func buildCoalesce(b *binding) (node, error) { return &coalesceNode{b.args, b.t}, nil }

func (c *coalesceNode) fails() bool    { return anyFails(c.args) }
func (c *coalesceNode) typ() plan.Type { return c.t }

func (c *coalesceNode) eval(f *frame) (value, error) {
	first, err := c.args[0].eval(f)
	if err != nil || !first.isNull() && first.arr.NullN() == 0 {
		return first, err
	}
	p, rows := newParts(f), make([]int32, f.n)
	defer p.release()
	for i := range rows {
		rows[i] = int32(i)
	}
	p.place(first, rows, false)
	rows = p.stillNull(rows)
	for _, a := range c.args[1:] {
		if len(rows) == 0 {
			break
		}
		if err := p.add(a, rows); err != nil {
			return value{}, err
		}
		rows = p.stillNull(rows)
	}
	return p.join(c.t)
}

func resolveNvl2(args []plan.Type) (Signature, error) {
	if len(args) != 3 {
		return Signature{}, arityError{"3", len(args)}
	}
	common, err := commonOf(args[1:])
	return Signature{Args: []plan.Type{args[0], common, common}, Returns: common}, err
}

func buildNvl2(b *binding) (node, error) {
	test, err := eager(nullTest(false))(&binding{name: "isnotnull", args: b.args[:1], t: plan.Boolean})
	if err != nil {
		return nil, err
	}
	return &caseNode{conditions: []node{test}, values: b.args[1:], t: b.t}, nil
}

// buildExtreme is greatest and least: it compares pair by pair and keeps row numbers, whatever the type.
func buildExtreme(b *binding) (node, error) {
	better := "<"
	if b.name == "greatest" {
		better = ">"
	}
	less := comparisonKernel(better, b.t)
	return eager(func(c *context, args []value) (arrow.Array, error) {
		best := value{args[0].arr, args[0].constant}
		best.arr.Retain()
		for _, a := range args[1:] {
			next, err := betterOf(c, less, a, best)
			best.release()
			if err != nil {
				return nil, err
			}
			best = value{arr: next}
		}
		return best.arr, nil
	})(b)
}

// betterOf takes a where it beats b or b is NULL.
func betterOf(c *context, better kernel, a, b value) (arrow.Array, error) {
	f := &frame{mem: c.mem, n: c.n}
	var wins truth
	if !a.isNull() && !b.isNull() {
		arr, err := better(&context{c.mem, c.n, plan.Boolean, c.scratch}, []value{a, b})
		if err != nil {
			return nil, err
		}
		wins = truthOf(value{arr: arr}, c.n)
		arr.Release()
	} else {
		wins = truth{yes: make([]byte, (c.n+7)/8)}
	}
	var rows [2][]int32
	lost := nullsOf(b)
	for i := range c.n {
		if wins.isTrue(i) || lost(i) {
			rows[0] = append(rows[0], int32(i))
		} else {
			rows[1] = append(rows[1], int32(i))
		}
	}
	p := newParts(f)
	defer p.release()
	for k, v := range []value{a, b} {
		v.arr.Retain()
		p.place(v, rows[k], false)
	}
	v, err := p.join(c.t)
	return v.arr, err
}

func buildIsNaN(b *binding) (node, error) {
	test := total(map1(func(v float64) bool { return v != v }))
	if b.arg(0).Kind == plan.KindFloat32 {
		test = total(map1(func(v float32) bool { return v != v }))
	}
	n, err := test(b)
	if err != nil {
		return nil, err
	}
	return &coalesceNode{[]node{n, newConst(plan.Boolean, plan.Literal{})}, plan.Boolean}, nil
}

var (
	_ node = (*caseNode)(nil)
	_ node = (*coalesceNode)(nil)
)
