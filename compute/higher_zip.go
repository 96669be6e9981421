package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// zipNode evaluates a lambda over what two collections have at the same place, or under the same key.
type zipNode struct {
	of     []node
	lambda *lambdaNode
	t      plan.Type
	pair   pairing
}

// pairing lines two collections up: offsets of the result's rows, and for each of its elements what the lambda gets.
type pairing func(f *frame, vals []value, valid validity) (offsets []int32, params []arrow.Array, err error)

func (n *zipNode) fails() bool    { return anyFails(n.of) || n.lambda.fails() }
func (n *zipNode) typ() plan.Type { return n.t }

func (n *zipNode) eval(f *frame) (value, error) {
	vals, err := evalAll(f, n.of)
	if err != nil {
		return value{}, err
	}
	defer releaseValues(vals)
	for _, v := range vals {
		if v.isNull() {
			return value{vector.FromLiteral(f.mem, n.t, plan.Literal{Null: true}, 1), true}, nil
		}
	}
	valid := both(f.mem, f.n, vals...)
	offsets, params, err := n.pair(f, vals, valid)
	if err != nil {
		valid.release()
		return value{}, err
	}
	defer releaseArrays(params)
	body, err := n.body(f, offsets, params)
	if err != nil {
		valid.release()
		return value{}, err
	}
	children := []arrow.Array{body}
	if isMap(n.t) {
		params[0].Retain()
		children = []arrow.Array{params[0], body}
	}
	return value{arr: finishNested(n.t, f.n, valid, copyOffsets(f.mem, offsets), children...)}, nil
}

func (n *zipNode) body(f *frame, offsets []int32, params []arrow.Array) (arrow.Array, error) {
	g := f.narrow(owners(offsets))
	defer g.close()
	vals := make([]value, len(params))
	for k, p := range params {
		vals[k] = value{arr: p}
	}
	v, err := n.lambda.invoke(g, vals...)
	if err != nil {
		return nil, err
	}
	return plain(f.mem, v.spread(f.mem, g.n)), nil
}

func buildZipWith(b *binding) (node, error) {
	return &zipNode{of: b.args[:2], lambda: asLambda(b.args[2]), t: b.t, pair: pairElements}, nil
}

// pairElements fills the shorter array with NULLs.
func pairElements(f *frame, vals []value, valid validity) ([]int32, []arrow.Array, error) {
	a, b := loadLists(vals[0]), loadLists(vals[1])
	offsets, left, right := make([]int32, f.n+1), []int32(nil), []int32(nil)
	for i := range f.n {
		longest := 0
		if valid.has(i) {
			from, to := a.span(i)
			other, end := b.span(i)
			longest = max(to-from, end-other)
		}
		left, right = padElements(left, a, i, longest), padElements(right, b, i, longest)
		offsets[i+1] = offsets[i] + int32(longest)
	}
	return offsets, []arrow.Array{vector.Take(f.mem, a.Elements, left), vector.Take(f.mem, b.Elements, right)}, nil
}

func resolveMapZip(args []plan.Type) (Signature, error) {
	if len(args) != 3 {
		return Signature{}, arityError{"3", len(args)}
	}
	for i, a := range args[:2] {
		if !isMap(a) {
			return Signature{}, argumentError{i, `"MAP"`, a}
		}
	}
	key := args[0].MapKey().Type
	if !sameShape(key, args[1].MapKey().Type) {
		return Signature{}, zipKeysError(key, args[1].MapKey().Type)
	}
	return Signature{Args: args, Returns: mapOf(key, args[2])}, nil
}

func buildMapZip(b *binding) (node, error) {
	return &zipNode{of: b.args[:2], lambda: asLambda(b.args[2]), t: b.t, pair: pairEntries}, nil
}

// pairEntries has the keys of the first map, then those that only the second has.
func pairEntries(f *frame, vals []value, valid validity) ([]int32, []arrow.Array, error) {
	a, b := vector.MapsOf(vals[0].arr), vector.MapsOf(vals[1].arr)
	keys, err := vector.Concat(f.mem, []arrow.Array{a.Keys, b.Keys})
	if err != nil {
		return nil, nil, err
	}
	defer keys.Release()
	p := entryPairs{a: a, b: b, compare: vector.NewComparer(a.Keys, b.Keys)}
	offsets := make([]int32, f.n+1)
	for i := range f.n {
		if valid.has(i) {
			p.add(rowOf(vals[0], i), rowOf(vals[1], i))
		}
		offsets[i+1] = int32(len(p.keys))
	}
	return offsets, []arrow.Array{
		plain(f.mem, vector.Take(f.mem, keys, p.keys)), vector.Take(f.mem, a.Values, p.left), vector.Take(f.mem, b.Values, p.right),
	}, nil
}

// entryPairs collects the places of keys among those of both maps, and of their values in each.
type entryPairs struct {
	a, b              vector.Maps
	compare           vector.Comparer
	keys, left, right []int32
}

func (p *entryPairs) add(i, j int) {
	from, to := p.a.Range(i)
	other, end := p.b.Range(j)
	start := len(p.keys)
	for k := from; k < to; k++ {
		p.keys, p.left, p.right = append(p.keys, int32(k)), append(p.left, int32(k)), append(p.right, -1)
	}
	for k := other; k < end; k++ {
		if at := p.find(from, to, k); at >= 0 {
			p.right[start+at] = int32(k)
			continue
		}
		p.keys, p.left, p.right = append(p.keys, int32(p.a.Keys.Len()+k)), append(p.left, -1), append(p.right, int32(k))
	}
}

// find is the place of a key of b within a row of a, or -1.
func (p *entryPairs) find(from, to, key int) int {
	for k := from; k < to; k++ {
		if p.compare(k, key) == 0 {
			return k - from
		}
	}
	return -1
}

var _ node = (*zipNode)(nil)
