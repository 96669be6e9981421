package compute

import (
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// checkFunctions look at values and raise errors on demand.
func checkFunctions() []Function {
	void := returns(plan.Null)
	return []Function{
		{
			Name: "assert_true", Usage: "assert_true(condition[, message])", Summary: "An error for rows where the condition is not true, else NULL.",
			Example: "assert_true(0 < 1)", ExampleResult: "NULL", evaluated: true,
			resolve: nullable(takesOptional(void, 1, of(plan.Boolean), text())), build: buildAssert,
		},
		{
			Name: "raise_error", Usage: "raise_error(message)", Summary: "An error with a message.", Example: "raise_error('too bad')",
			ExampleResult: "[USER_RAISED_EXCEPTION]", evaluated: true, resolve: nullable(takes(void, text())), build: buildRaise,
		},
		{
			Name: "typeof", Usage: "typeof(a)", Summary: "The name of the value's type.", Example: "typeof(1.50)", ExampleResult: "decimal(3,2)",
			resolve: neverNull(takes(returns(plan.String), anything())),
			build: func(b *binding) (node, error) {
				return newConst(plan.String, plan.Literal{Bytes: []byte(b.arg(0).String())}), nil
			},
		},
		{
			Name: "equal_null", Usage: "equal_null(a, b)", Summary: "Whether two values are equal, with NULL equal to NULL.",
			Example: "equal_null(3, NULL)", ExampleResult: "false", narrow: narrowLiterals,
			resolve: neverNull(comparable2), build: buildNullSafeEqual,
		},
		{
			Name: "zeroifnull", Usage: "zeroifnull(a)", Summary: "The number, or 0 where it is NULL.", Example: "zeroifnull(NULL)", ExampleResult: "0",
			resolve: neverNull(resolveZeroIfNull), build: buildZeroIfNull,
		},
		{
			Name: "nullifzero", Usage: "nullifzero(a)", Summary: "NULL where the number is 0, else the number.", Example: "nullifzero(2)",
			ExampleResult: "2", resolve: nullable(resolveNullIfZero), build: buildNullIfZero,
		},
	}
}

func resolveZeroIfNull(args []plan.Type) (Signature, error) {
	if len(args) != 1 {
		return Signature{}, arityError{"1", len(args)}
	}
	common, err := commonOf([]plan.Type{args[0], plan.Int32})
	return Signature{Args: []plan.Type{common}, Returns: common}, err
}

func buildZeroIfNull(b *binding) (node, error) {
	zero, err := castNode(b.session, newConst(plan.Int32, plan.Literal{}), b.t, false)
	return &coalesceNode{[]node{b.args[0], zero}, b.t}, err
}

func resolveNullIfZero(args []plan.Type) (Signature, error) {
	if len(args) != 1 {
		return Signature{}, arityError{"1", len(args)}
	}
	return resolveNullIfPair(args[0])
}

func resolveNullIfPair(t plan.Type) (Signature, error) {
	sig, err := resolveNullIf([]plan.Type{t, plan.Int32})
	if err != nil {
		return Signature{}, err
	}
	return Signature{Args: sig.Args[:1], Returns: sig.Returns}, nil
}

func buildNullIfZero(b *binding) (node, error) {
	return buildNullIf(&binding{b.name, []node{b.args[0], newConst(plan.Int32, plan.Literal{})}, b.t, b.session})
}

// raiseNode raises an error with a message where a condition, if there is one, is not true; else it is NULL.
type raiseNode struct {
	condition node // nil: for every row
	message   node
	// described: the message is the condition's value, to be put into words
	described bool
}

func buildRaise(b *binding) (node, error) { return &raiseNode{message: b.args[0]}, nil }

func buildAssert(b *binding) (node, error) {
	if len(b.args) == 2 {
		return &raiseNode{condition: b.args[0], message: b.args[1]}, nil
	}
	words, err := castNode(b.session, b.args[0], plan.String, false)
	return &raiseNode{condition: b.args[0], message: words, described: true}, err
}

func (r *raiseNode) fails() bool    { return true }
func (r *raiseNode) typ() plan.Type { return plan.Null }

func (r *raiseNode) eval(f *frame) (value, error) {
	row, found, err := r.firstFailure(f)
	if err != nil {
		return value{}, err
	}
	if !found {
		return value{arr: array.NewNull(f.n)}, nil
	}
	part := f.narrow([]int32{row})
	defer part.close()
	v, err := r.message.eval(part)
	if err != nil {
		return value{}, err
	}
	defer v.release()
	text := "null"
	if lit := vector.LiteralAt(v.arr, 0); !lit.Null {
		text = string(lit.Bytes)
	}
	if r.described {
		if text == "null" {
			text = "NULL"
		}
		text = "'" + text + "' is not true!"
	}
	return value{}, userError("USER_RAISED_EXCEPTION", "%s", text)
}

func (r *raiseNode) firstFailure(f *frame) (row int32, found bool, err error) {
	if r.condition == nil {
		return 0, f.n > 0, nil
	}
	t, err := evalTruth(r.condition, f, nil)
	if err != nil {
		return 0, false, err
	}
	for i := range f.n {
		if !t.isTrue(i) {
			return int32(i), true, nil
		}
	}
	return 0, false, nil
}

// voidNode gives NULL of a type, once it has evaluated a node of type void, which may raise an error.
type voidNode struct {
	inner node
	t     plan.Type
}

func (v *voidNode) fails() bool    { return v.inner.fails() }
func (v *voidNode) typ() plan.Type { return v.t }

func (v *voidNode) eval(f *frame) (value, error) {
	got, err := v.inner.eval(f)
	if err != nil {
		return value{}, err
	}
	got.release()
	return value{vector.FromLiteral(f.mem, v.t, plan.Literal{Null: true}, 1), true}, nil
}

var (
	_ node = (*raiseNode)(nil)
	_ node = (*voidNode)(nil)
)
