package compute

import (
	"github.com/quern-engine/quern/plan"
)

// lambdaTyper types the parameters of the lambda that is argument i of a call and has n parameters.
type lambdaTyper func(args []*plan.Expr, i, n int) ([]plan.Field, error)

// LambdaParams gives the types of the parameters of a lambda in a call of a higher-order function: the lambda is
// argument i and has n parameters. args are the call's arguments; those on the left of the lambda must be typed
// already, those not yet typed are nil. So a caller types the arguments from left to right, and binds a lambda's
// parameters to variables of the fields' types before it types the body. The lambda's own type is its body's.
//
// An argument that stands where a lambda is due but is none ([Function.TakesLambda]) is the body of a lambda without
// parameters. Functions that take no lambda there refuse it.
func (f *Function) LambdaParams(args []*plan.Expr, i, n int) ([]plan.Field, error) {
	if f.lambda == nil {
		return nil, userError("INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION", "Invalid lambda function call. "+
			"A lambda function should only be used in a higher order function. However, `%s` is not a higher order function.", f.Name)
	}
	fields, err := f.lambda(args, i, n)
	if err != nil {
		return nil, callError(f.Name, err)
	}
	return fields, nil
}

// TakesLambda reports whether argument i of a call is a lambda.
func (f *Function) TakesLambda(i int) bool { return f.lambda != nil && i >= f.lambdaFrom }

// lambdaArity is what a typer says of a lambda with a wrong number of parameters.
func lambdaArity(want, got int) error {
	return userError("INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH",
		"Invalid lambda function call. A higher order function expects %d arguments, but got %d.", got, want)
}

// passes picks the fields for n parameters: the first least of them, or more up to all.
func passes(n, least int, fields ...plan.Field) ([]plan.Field, error) {
	if n < least || n > len(fields) {
		return nil, lambdaArity(least, n)
	}
	return fields[:n], nil
}

func isArray(t plan.Type) bool { return t.Kind == plan.KindArray }
func isMap(t plan.Type) bool   { return t.Kind == plan.KindMap }

// arrayElement is what a lambda sees of the array that is argument i.
func arrayElement(args []*plan.Expr, i int) (plan.Field, error) {
	if !isArray(args[i].Type) {
		return plan.Field{}, argumentError{i, `"ARRAY"`, args[i].Type}
	}
	e := args[i].Type.Element()
	e.Nullable = true
	return e, nil
}

// mapEntry is what a lambda sees of the map that is argument i.
func mapEntry(args []*plan.Expr, i int) (key, val plan.Field, err error) {
	if !isMap(args[i].Type) {
		return key, val, argumentError{i, `"MAP"`, args[i].Type}
	}
	key, val = args[i].Type.MapKey(), args[i].Type.MapValue()
	val.Nullable = true
	return key, val, nil
}

var indexField = plan.Field{Name: "index", Type: plan.Int32}

// elementAndIndex types x -> … and (x, i) -> … over the array that comes first.
func elementAndIndex(args []*plan.Expr, _, n int) ([]plan.Field, error) {
	e, err := arrayElement(args, 0)
	if err != nil {
		return nil, err
	}
	return passes(n, 1, e, indexField)
}

// elementOnly types x -> … over the array that comes first.
func elementOnly(args []*plan.Expr, _, n int) ([]plan.Field, error) {
	e, err := arrayElement(args, 0)
	if err != nil {
		return nil, err
	}
	return passes(n, 1, e)
}

// twoElements types (a, b) -> … over the array that comes first.
func twoElements(args []*plan.Expr, _, n int) ([]plan.Field, error) {
	e, err := arrayElement(args, 0)
	if err != nil {
		return nil, err
	}
	return passes(n, 2, e, e)
}

// keyAndValue types (k, v) -> … over the map that comes first.
func keyAndValue(args []*plan.Expr, _, n int) ([]plan.Field, error) {
	key, val, err := mapEntry(args, 0)
	if err != nil {
		return nil, err
	}
	return passes(n, 2, key, val)
}

// zippedElements types (x, y) -> … over two arrays.
func zippedElements(args []*plan.Expr, _, n int) ([]plan.Field, error) {
	x, err := arrayElement(args, 0)
	if err != nil {
		return nil, err
	}
	y, err := arrayElement(args, 1)
	if err != nil {
		return nil, err
	}
	return passes(n, 2, x, y)
}

// zippedEntries types (k, v1, v2) -> … over two maps.
func zippedEntries(args []*plan.Expr, _, n int) ([]plan.Field, error) {
	key, v1, err := mapEntry(args, 0)
	if err != nil {
		return nil, err
	}
	other, v2, err := mapEntry(args, 1)
	if err != nil {
		return nil, err
	}
	if !sameShape(key.Type, other.Type) {
		return nil, zipKeysError(key.Type, other.Type)
	}
	v1.Nullable, v2.Nullable = true, true
	return passes(n, 3, key, v1, v2)
}

func zipKeysError(a, b plan.Type) error {
	return userError("DATATYPE_MISMATCH.MAP_ZIP_WITH_DIFF_TYPES", "Cannot resolve \"map_zip_with\" due to data type mismatch: "+
		"Input to the `map_zip_with` should have been two maps with compatible key types, but it's [%s, %s].", sqlType(a), sqlType(b))
}

// accumulation types (acc, x) -> … and acc -> … of aggregate.
func accumulation(args []*plan.Expr, i, n int) ([]plan.Field, error) {
	e, err := arrayElement(args, 0)
	if err != nil {
		return nil, err
	}
	acc := plan.Field{Name: "acc", Type: args[1].Type, Nullable: true}
	if i == 2 {
		return passes(n, 2, acc, e)
	}
	return passes(n, 1, acc)
}

// lambdaNode is a lambda: its body, and the parameters that the body reads. It is not evaluated itself; the function
// it is an argument of evaluates the body in a frame whose rows are elements.
type lambdaNode struct {
	body   node
	params []*slotNode
	closed bool // the body reads nothing but the parameters
}

func (l *lambdaNode) eval(*frame) (value, error) {
	return value{}, defect("a lambda is no value")
}
func (l *lambdaNode) fails() bool    { return l.body.fails() }
func (l *lambdaNode) typ() plan.Type { return l.body.typ() }

// lambda compiles a lambda.
func (c *compiler) lambda(e *plan.Expr) (node, error) {
	if len(e.Args) == 0 {
		return nil, defect("lambda without a body")
	}
	l := &lambdaNode{closed: isConstant(e)}
	for _, p := range e.Args[1:] {
		if _, taken := c.variables[p.Column]; taken || p.Op != plan.OpVariable {
			return nil, defect("lambda parameter %s", p)
		}
		slot := &slotNode{t: p.Type}
		c.variables[p.Column] = slot
		l.params = append(l.params, slot)
		defer delete(c.variables, p.Column)
	}
	var err error
	l.body, err = c.compile(e.Args[0])
	return l, err
}

// variable compiles a reference to a lambda's parameter.
func (c *compiler) variable(e *plan.Expr) (node, error) {
	slot, ok := c.variables[e.Column]
	if !ok {
		return nil, defect("variable %s is of no lambda around it", e)
	}
	if !slot.t.Equal(e.Type) {
		return nil, defect("variable %s is %s, not %s", e, slot.t, e.Type)
	}
	return slot, nil
}

// isConstant reports whether an expression has the same value for every row: it reads no column, and no parameter of a
// lambda around it.
func isConstant(e *plan.Expr) bool { return constantWithin(e, nil) }

func constantWithin(e *plan.Expr, bound []int) bool {
	switch e.Op {
	case plan.OpLiteral:
		return true
	case plan.OpVariable:
		for _, b := range bound {
			if b == e.Column {
				return true
			}
		}
		return false
	case plan.OpCall, plan.OpLambda:
		if e.Op == plan.OpLambda {
			for _, p := range e.Args[1:] {
				bound = append(bound[:len(bound):len(bound)], p.Column)
			}
		}
		for _, a := range e.Args {
			if !constantWithin(a, bound) {
				return false
			}
		}
		return true
	}
	return false
}

// invoke evaluates a lambda's body in a frame of elements, with its parameters set, as a column.
func (l *lambdaNode) invoke(g *frame, params ...value) (value, error) {
	for k, slot := range l.params {
		slot.set(g, params[k])
		defer slot.reset()
	}
	return l.body.eval(g)
}

// asLambda is the lambda that an argument is, or a lambda without parameters around it.
func asLambda(n node) *lambdaNode {
	if l, ok := n.(*lambdaNode); ok {
		return l
	}
	_, closed := n.(*constNode)
	return &lambdaNode{body: n, closed: closed}
}

var _ node = (*lambdaNode)(nil)
