package compute

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

func logicFunctions() []Function {
	boolean := of(plan.Boolean)
	return []Function{
		{
			Name: "and", Usage: "a AND b", Summary: "True if both are true, false if one is false, else NULL.",
			Example: "false AND NULL", ExampleResult: "false",
			resolve: resolveConnective, build: buildConnective,
		},
		{
			Name: "or", Usage: "a OR b", Summary: "True if one is true, false if both are false, else NULL.",
			Example: "true OR NULL", ExampleResult: "true",
			resolve: resolveConnective, build: buildConnective,
		},
		{
			Name: "not", Aliases: []string{"!"}, Usage: "NOT a", Summary: "True if false, false if true, NULL if NULL.",
			Example: "NOT true", ExampleResult: "false",
			resolve: takes(returns(plan.Boolean), boolean), build: total(map1(func(v bool) bool { return !v })),
		},
		{
			Name: "isnull", Usage: "a IS NULL", Summary: "Whether the value is NULL.", Example: "1 IS NULL", ExampleResult: "false",
			resolve: neverNull(takes(returns(plan.Boolean), anything())), build: eager(nullTest(true)),
		},
		{
			Name: "isnotnull", Usage: "a IS NOT NULL", Summary: "Whether the value is not NULL.",
			Example: "1 IS NOT NULL", ExampleResult: "true",
			resolve: neverNull(takes(returns(plan.Boolean), anything())), build: eager(nullTest(false)),
		},
	}
}

// nullTest reads the null bitmap; want is the outcome for NULL.
func nullTest(want bool) kernel {
	return func(c *context, args []value) (arrow.Array, error) {
		buf, bits := vector.AllocBits(c.mem, c.n)
		arr := args[0].arr
		switch {
		case arr.DataType().ID() == arrow.NULL || args[0].isNull():
			setAll(bits)
		case args[0].constant || arr.NullN() == 0:
		default:
			bitutil.CopyBitmap(arr.NullBitmapBytes(), arr.Data().Offset(), c.n, bits, 0)
			flip(bits)
		}
		if !want {
			flip(bits)
		}
		return finish(arrow.FixedWidthTypes.Boolean, c.n, validity{}, buf), nil
	}
}

func setAll(bits []byte) {
	for i := range bits {
		bits[i] = 0xff
	}
}

// truth is a boolean column as two bitmaps from bit 0: which rows are true, and which are false.
type truth struct{ yes, no []byte }

func (t truth) isTrue(i int) bool  { return t.yes[i>>3]>>(i&7)&1 != 0 }
func (t truth) isFalse(i int) bool { return t.no[i>>3]>>(i&7)&1 != 0 }

// truthOf lays open a boolean column of n rows on the Go heap.
func truthOf(v value, n int) truth {
	size := (n + 7) / 8
	t := truth{make([]byte, size), make([]byte, size)}
	if v.isNull() || v.arr.DataType().ID() == arrow.NULL || n == 0 {
		return t
	}
	b := vector.Bools(v.arr)
	if v.constant {
		if b.At(0) {
			setAll(t.yes)
		} else {
			setAll(t.no)
		}
		return t
	}
	bitutil.CopyBitmap(b.Bytes, b.Offset, n, t.yes, 0)
	if v.arr.NullN() == 0 {
		for i, y := range t.yes {
			t.no[i] = ^y
		}
		return t
	}
	bitutil.CopyBitmap(v.arr.NullBitmapBytes(), v.arr.Data().Offset(), n, t.no, 0)
	for i, valid := range t.no {
		t.no[i] = valid &^ t.yes[i]
		t.yes[i] &= valid
	}
	return t
}

// array makes a boolean column of the truth.
func (t truth) array(mem memory.Allocator, n int) arrow.Array {
	buf, bits := vector.AllocBits(mem, n)
	copy(bits, t.yes)
	valid, known := vector.AllocBits(mem, n)
	for i := range known {
		known[i] = t.yes[i] | t.no[i]
	}
	return finish(arrow.FixedWidthTypes.Boolean, n, validity{valid}, buf)
}

// connectiveNode is AND, or OR. The second operand is not asked about rows that the first one decides, if it can fail.
type connectiveNode struct {
	left, right node
	or          bool
}

func buildConnective(b *binding) (node, error) {
	return &connectiveNode{b.args[0], b.args[1], b.name == "or"}, nil
}

func (c *connectiveNode) fails() bool    { return c.left.fails() || c.right.fails() }
func (c *connectiveNode) typ() plan.Type { return plan.Boolean }

func (c *connectiveNode) eval(f *frame) (value, error) {
	left, err := evalTruth(c.left, f, nil)
	if err != nil {
		return value{}, err
	}
	var open []int32
	if c.right.fails() {
		open = c.undecided(left, f.n)
		if len(open) == 0 {
			return value{arr: left.array(f.mem, f.n)}, nil
		}
	}
	right, err := evalTruth(c.right, f, open)
	if err != nil {
		return value{}, err
	}
	if c.or {
		left, right = truth{left.no, left.yes}, truth{right.no, right.yes}
	}
	for i := range left.yes {
		left.yes[i] &= right.yes[i]
		left.no[i] |= right.no[i]
	}
	if c.or {
		left = truth{left.no, left.yes}
	}
	return value{arr: left.array(f.mem, f.n)}, nil
}

// undecided lists the rows whose outcome still depends on the second operand.
func (c *connectiveNode) undecided(left truth, n int) []int32 {
	open := make([]int32, 0, n)
	decided := left.no
	if c.or {
		decided = left.yes
	}
	for i := range n {
		if decided[i>>3]>>(i&7)&1 == 0 {
			open = append(open, int32(i))
		}
	}
	return open
}

// evalTruth evaluates a boolean node, only at some rows unless rows is nil; other rows count as unknown.
func evalTruth(n node, f *frame, rows []int32) (truth, error) {
	if rows == nil || len(rows) == f.n {
		v, err := n.eval(f)
		if err != nil {
			return truth{}, err
		}
		defer v.release()
		return truthOf(v, f.n), nil
	}
	part := f.narrow(rows)
	defer part.close()
	some, err := evalTruth(n, part, nil)
	if err != nil {
		return truth{}, err
	}
	size := (f.n + 7) / 8
	t := truth{make([]byte, size), make([]byte, size)}
	for j, i := range rows {
		if some.isTrue(j) {
			t.yes[i>>3] |= 1 << (i & 7)
		}
		if some.isFalse(j) {
			t.no[i>>3] |= 1 << (i & 7)
		}
	}
	return t, nil
}

var _ node = (*connectiveNode)(nil)

// resolveConnective reads a string beside a condition as one.
func resolveConnective(args []plan.Type) (Signature, error) {
	if len(args) != 2 {
		return Signature{}, arityError{"2", len(args)}
	}
	for i, a := range args {
		b := args[1-i]
		if a.Kind != plan.KindBoolean && a.Kind != plan.KindNull && (!isText(a) || b.Kind != plan.KindBoolean) {
			return Signature{}, wrongOperands(sqlType(plan.Boolean), args[0], args[1])
		}
	}
	return Signature{Args: alike(plan.Boolean, 2), Returns: plan.Boolean}, nil
}
