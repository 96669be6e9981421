package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// higherOrderFunctions take lambdas. The body of a lambda is evaluated once for the elements of all rows of the batch,
// in a frame whose rows are the elements.
func higherOrderFunctions() []Function {
	higher := func(f Function, lambda lambdaTyper, from int) Function {
		f.lambda, f.lambdaFrom = lambda, from
		return f
	}
	list := collection(isArray, `"ARRAY"`)
	dict := collection(isMap, `"MAP"`)
	body := func(args []plan.Type) plan.Type { return arrayOf(args[1]) }
	boolean := strictly(plan.Boolean)
	return []Function{
		higher(Function{
			Name: "transform", Usage: "transform(array, x -> …), transform(array, (x, i) -> …)",
			Summary: "The lambda of each element, and its place from 0.", Example: "transform(array(1, 2, 3), x -> x + 1)",
			ExampleResult: "[2,3,4]", resolve: takes(body, list, anything()), build: overElements(transform),
		}, elementAndIndex, 1),
		higher(Function{
			Name: "filter", Usage: "filter(array, x -> …), filter(array, (x, i) -> …)",
			Summary: "The elements for which the lambda is true.", Example: "filter(array(1, 2, 3), x -> x % 2 = 1)",
			ExampleResult: "[1,3]", resolve: takes(sameAs(0), list, boolean), build: overElements(filterElements),
		}, elementAndIndex, 1),
		higher(Function{
			Name: "exists", Usage: "exists(array, x -> …)", Summary: "Whether the lambda is true for some element; NULL if only a NULL stands in the way.",
			Example: "exists(array(1, 2, 3), x -> x > 2)", ExampleResult: "true",
			resolve: nullable(takes(returns(plan.Boolean), list, boolean)), build: overElements(quantify(true)),
		}, elementOnly, 1),
		higher(Function{
			Name: "forall", Usage: "forall(array, x -> …)", Summary: "Whether the lambda is true for every element; NULL if only a NULL stands in the way.",
			Example: "forall(array(1, 2, 3), x -> x > 2)", ExampleResult: "false",
			resolve: nullable(takes(returns(plan.Boolean), list, boolean)), build: overElements(quantify(false)),
		}, elementOnly, 1),
		higher(Function{
			Name: "aggregate", Aliases: []string{"reduce"}, Usage: "aggregate(array, start, (acc, x) -> …[, acc -> …])",
			Summary: "The elements folded into a value from the left, then finished.",
			Example: "aggregate(array(1, 2, 3), 0, (acc, x) -> acc + x, acc -> acc * 10)", ExampleResult: "60",
			resolve: nullable(resolveAggregate), build: buildFold,
		}, accumulation, 2),
		higher(Function{
			Name: "zip_with", Usage: "zip_with(a, b, (x, y) -> …)", Summary: "The lambda of each pair of elements; the shorter array is filled with NULLs.",
			Example: "zip_with(array(1, 2), array(10, 20), (x, y) -> x + y)", ExampleResult: "[11,22]",
			resolve: takes(func(args []plan.Type) plan.Type { return arrayOf(args[2]) }, list, list, anything()), build: buildZipWith,
		}, zippedElements, 2),
		higher(Function{
			Name: "array_sort", Usage: "array_sort(array[, (a, b) -> …])",
			Summary: "The elements in order, NULLs last; or in the order that the lambda says: negative if a comes before b.",
			Example: "array_sort(array('bc', 'ab', 'dc'), (a, b) -> if(a < b, 1, if(a > b, -1, 0)))", ExampleResult: `["dc","bc","ab"]`,
			resolve: resolveArraySort, build: buildArraySort,
		}, twoElements, 1),
		higher(Function{
			Name: "map_filter", Usage: "map_filter(map, (k, v) -> …)", Summary: "The entries for which the lambda is true.",
			Example: "map_filter(map(1, 0, 2, 2), (k, v) -> k > v)", ExampleResult: "{1:0}",
			resolve: takes(sameAs(0), dict, boolean), build: overElements(filterEntries),
		}, keyAndValue, 1),
		higher(Function{
			Name: "transform_keys", Usage: "transform_keys(map, (k, v) -> …)", Summary: "The map with the lambda of each entry as its key.",
			Example: "transform_keys(map(1, 2), (k, v) -> k + 1)", ExampleResult: "{2:2}", resolve: resolveTransformKeys,
			build: overElements(transformKeys),
		}, keyAndValue, 1),
		higher(Function{
			Name: "transform_values", Usage: "transform_values(map, (k, v) -> …)", Summary: "The map with the lambda of each entry as its value.",
			Example: "transform_values(map(1, 2), (k, v) -> k + v)", ExampleResult: "{1:3}",
			resolve: takes(func(args []plan.Type) plan.Type { return mapOf(args[0].MapKey().Type, args[1]) }, dict, anything()),
			build:   overElements(transformValues),
		}, keyAndValue, 1),
		higher(Function{
			Name: "map_zip_with", Usage: "map_zip_with(a, b, (k, v1, v2) -> …)",
			Summary: "A map of all keys of both with the lambda of the key and its values, NULL where it has none.",
			Example: "map_zip_with(map(1, 'a'), map(1, 'b'), (k, v, w) -> concat(v, w))", ExampleResult: `{1:"ab"}`,
			resolve: resolveMapZip, build: buildMapZip,
		}, zippedEntries, 2),
	}
}

// collection takes arrays or maps, and no bare NULL: the lambda's parameters would have no type.
func collection(is func(plan.Type) bool, label string) param {
	return param{label, func(a plan.Type) (plan.Type, bool) { return a, is(a) }}
}

// elements is what a lambda runs over: the elements of arrays or the entries of maps, all rows' end to end.
type elements struct {
	f       *frame // the batch's
	over    *frame // a row for each element
	t       plan.Type
	offsets []int32
	items   arrow.Array
	columns []arrow.Array // of arrays the items, of maps the keys and values
	valid   validity
}

func (e *elements) context() *context {
	return &context{mem: e.f.mem, n: e.f.n, t: e.t, scratch: &scratch{}}
}

// elementKernel makes a function's result of the elements and the lambda. It takes the validity over.
type elementKernel func(e *elements, l *lambdaNode) (arrow.Array, error)

// overElements is the builder of a function of one collection and one lambda.
func overElements(run elementKernel) builder {
	return func(b *binding) (node, error) {
		return &elementsNode{of: b.args[0], lambda: asLambda(b.args[1]), t: b.t, run: run, mayFail: b.name == "transform_keys"}, nil
	}
}

// elementsNode evaluates a lambda over the elements of one collection.
type elementsNode struct {
	of      node
	lambda  *lambdaNode
	t       plan.Type
	run     elementKernel
	mayFail bool // whatever the lambda does
}

func (n *elementsNode) fails() bool    { return n.mayFail || n.of.fails() || n.lambda.fails() }
func (n *elementsNode) typ() plan.Type { return n.t }

func (n *elementsNode) eval(f *frame) (value, error) {
	v, err := n.of.eval(f)
	if err != nil {
		return value{}, err
	}
	if v.isNull() {
		v.release()
		return value{vector.FromLiteral(f.mem, n.t, plan.Literal{Null: true}, 1), true}, nil
	}
	arr := v.spread(f.mem, f.n)
	defer arr.Release()
	e := &elements{f: f, t: n.t, valid: both(f.mem, f.n, value{arr: arr})}
	e.offsets, e.items = vector.ListsOf(arr).Flatten(f.mem)
	defer e.items.Release()
	e.columns = []arrow.Array{e.items}
	if arr.DataType().ID() == arrow.MAP {
		e.columns = vector.FieldsOf(e.items)
	}
	e.over = f.narrow(owners(e.offsets))
	defer e.over.close()
	out, err := n.run(e, n.lambda)
	return value{arr: out}, err
}

// body evaluates the lambda for every element, as a plain column; nothing of the elements is left on an error.
func (e *elements) body(l *lambdaNode) (arrow.Array, error) {
	params := make([]value, 0, 2)
	for _, c := range e.columns {
		params = append(params, value{arr: c})
	}
	if len(l.params) > len(e.columns) {
		index := positions(e.f.mem, e.offsets)
		defer index.Release()
		params = append(params, value{arr: index})
	}
	v, err := l.invoke(e.over, params...)
	if err != nil {
		e.valid.release()
		return nil, err
	}
	return plain(e.f.mem, v.spread(e.f.mem, e.over.n)), nil
}

func transform(e *elements, l *lambdaNode) (arrow.Array, error) {
	body, err := e.body(l)
	if err != nil {
		return nil, err
	}
	return finishNested(e.t, e.f.n, e.valid, copyOffsets(e.f.mem, e.offsets), body), nil
}

// kept lists the elements for which the lambda is true, and where each row's begin.
func (e *elements) kept(l *lambdaNode) (*picks, error) {
	body, err := e.body(l)
	if err != nil {
		return nil, err
	}
	defer body.Release()
	t, p := truthOf(value{arr: body}, e.over.n), newPicks(e.context())
	for i := range e.f.n {
		for k := e.offsets[i]; k < e.offsets[i+1]; k++ {
			if t.isTrue(int(k)) {
				p.add(int(k))
			}
		}
		p.end()
	}
	return p, nil
}

func filterElements(e *elements, l *lambdaNode) (arrow.Array, error) {
	p, err := e.kept(l)
	if err != nil {
		return nil, err
	}
	return p.list(e.t, e.valid, e.items), nil
}

func filterEntries(e *elements, l *lambdaNode) (arrow.Array, error) {
	p, err := e.kept(l)
	if err != nil {
		return nil, err
	}
	return p.maps(e.t, e.valid, e.columns[0], e.columns[1]), nil
}

// quantify is exists (some is true) or forall.
func quantify(some bool) elementKernel {
	return func(e *elements, l *lambdaNode) (arrow.Array, error) {
		body, err := e.body(l)
		if err != nil {
			return nil, err
		}
		defer body.Release()
		t := truthOf(value{arr: body}, e.over.n)
		out := make([]bool, e.f.n)
		for i := range out {
			decided, known := false, true
			for k := int(e.offsets[i]); k < int(e.offsets[i+1]) && !decided; k++ {
				decided = some && t.isTrue(k) || !some && t.isFalse(k)
				known = known && (t.isTrue(k) || t.isFalse(k))
			}
			out[i] = decided == some
			if !decided && !known && e.valid.has(i) {
				e.valid.clear(e.f.mem, i, e.f.n)
			}
		}
		return finish(arrow.FixedWidthTypes.Boolean, e.f.n, e.valid, packBools(e.f.mem, out)), nil
	}
}

func resolveTransformKeys(args []plan.Type) (Signature, error) {
	sig, err := takes(func(args []plan.Type) plan.Type { return mapOf(args[1], args[0].MapValue().Type) },
		collection(isMap, `"MAP"`), anything())(args)
	if err == nil {
		err = checkMapKey("transform_keys", args[1])
	}
	return sig, err
}

func transformKeys(e *elements, l *lambdaNode) (arrow.Array, error) {
	keys, err := e.body(l)
	if err != nil {
		return nil, err
	}
	e.columns[1].Retain()
	return finishMap(e.context(), e.valid, e.offsets, keys, e.columns[1])
}

func transformValues(e *elements, l *lambdaNode) (arrow.Array, error) {
	body, err := e.body(l)
	if err != nil {
		return nil, err
	}
	e.columns[0].Retain()
	return finishNested(e.t, e.f.n, e.valid, copyOffsets(e.f.mem, e.offsets), e.columns[0], body), nil
}

var _ node = (*elementsNode)(nil)
