package compute

import (
	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// strictNode runs a kernel that gives NULL where an argument is NULL. With one dictionary-encoded argument beside
// constants it runs the kernel once per dictionary value and maps the codes; the last dictionary's results are kept,
// since many batches share one.
type strictNode struct {
	args    []node
	t       plan.Type
	run     kernel
	mayFail bool
	scratch scratch

	dict   arrow.ArrayData // identity of the dictionary that mapped belongs to; its memory is not read
	mapped mapping
}

// mapping is a kernel's result per dictionary value.
type mapping struct {
	bad    bool           // the kernel failed for some value, perhaps one that no row has
	values arrow.Array    // result per code; for strings, the distinct results
	codes  []int32        // for strings: dictionary code -> code in values, or -1 for NULL
	like   arrow.DataType // for strings: the dictionary type of results
}

func (s *strictNode) fails() bool    { return s.mayFail || anyFails(s.args) }
func (s *strictNode) typ() plan.Type { return s.t }

func (s *strictNode) eval(f *frame) (value, error) {
	vals, err := evalAll(f, s.args)
	if err != nil {
		return value{}, err
	}
	defer releaseValues(vals)
	for _, v := range vals {
		if v.isNull() {
			return value{vector.FromLiteral(f.mem, s.t, plan.Literal{Null: true}, 1), true}, nil
		}
	}
	if i := soleDictionary(vals); i >= 0 {
		if arr := s.throughDictionary(f, vals, i); arr != nil {
			return value{arr: arr}, nil
		}
	}
	arr, err := s.run(&context{f.mem, f.n, s.t, &s.scratch}, vals)
	return value{arr: arr}, err
}

// soleDictionary is the one argument that is not a constant, if it is dictionary-encoded; else -1.
func soleDictionary(vals []value) int {
	at := -1
	for i, v := range vals {
		if v.constant {
			continue
		}
		if at >= 0 || v.arr.DataType().ID() != arrow.DICTIONARY {
			return -1
		}
		at = i
	}
	return at
}

// throughDictionary is nil where the kernel is to run row by row: the dictionary is much longer than the batch and
// new, or some of its values make the kernel fail.
func (s *strictNode) throughDictionary(f *frame, vals []value, at int) arrow.Array {
	column := vals[at].arr
	id := column.Data().Dictionary()
	if s.dict != id {
		if id.Len() > 2*f.n {
			return nil
		}
		s.remember(vals, at, id)
	}
	switch {
	case s.mapped.bad:
		return nil
	case s.mapped.codes == nil:
		return gather(f.mem, column, s.mapped.values)
	}
	return s.recode(f.mem, column)
}

// remember runs the kernel over a dictionary.
func (s *strictNode) remember(vals []value, at int, id arrow.ArrayData) {
	s.dict, s.mapped = id, mapping{bad: true}
	entries := array.MakeFromData(id)
	defer entries.Release()
	args := append([]value(nil), vals...)
	args[at] = value{arr: entries}
	out, err := s.run(&context{heap(), id.Len(), s.t, &s.scratch}, args)
	if err != nil {
		return
	}
	s.mapped = mapping{values: out}
	if s.t.Kind == plan.KindString || s.t.Kind == plan.KindBinary {
		s.mapped = distinct(out, s.t)
	}
}

// distinct makes a dictionary of a kernel's results.
func distinct(out arrow.Array, t plan.Type) mapping {
	defer out.Release()
	values := make([]string, out.Len())
	loadStrings(out, values)
	m := mapping{codes: make([]int32, len(values))}
	seen := make(map[string]int32, len(values))
	var first []int32
	for i, v := range values {
		if out.IsNull(i) {
			m.codes[i] = -1
			continue
		}
		code, ok := seen[v]
		if !ok {
			code = int32(len(first))
			seen[v] = code
			first = append(first, int32(i))
		}
		m.codes[i] = code
	}
	taken := vector.Take(heap(), out, first)
	m.values = vector.Decode(heap(), taken)
	m.like = &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: t.Arrow()}
	return m
}

// recode maps a column's codes to those of the results' dictionary.
func (s *strictNode) recode(mem memory.Allocator, column arrow.Array) arrow.Array {
	n := column.Len()
	valid := both(mem, n, value{arr: column})
	buf, out := vector.Alloc[int32](mem, n)
	codes := raw[int32](column)
	for i := range out {
		out[i] = 0
		if !valid.has(i) {
			continue
		}
		c := s.mapped.codes[codes[i]]
		if c < 0 {
			valid.clear(mem, i, n)
			continue
		}
		out[i] = c
	}
	return s.mapped.column(n, valid, buf)
}

// column is a dictionary-encoded column over the mapping's values; it takes over the validity and the codes.
func (m mapping) column(n int, valid validity, codes *memory.Buffer) arrow.Array {
	nulls := 0
	if !valid.allValid() {
		nulls = n - bitutil.CountSetBits(valid.buf.Bytes(), 0, n)
	}
	data := array.NewDataWithDictionary(m.like, n, []*memory.Buffer{valid.buf, codes}, nulls, 0, m.values.Data().(*array.Data))
	valid.release()
	codes.Release()
	arr := array.MakeFromData(data)
	data.Release()
	return arr
}

// gather looks up a result per row by the row's code.
func gather(mem memory.Allocator, column, perCode arrow.Array) arrow.Array {
	codes := raw[int32](column)
	if column.NullN() > 0 {
		idx := make([]int32, len(codes))
		for i, c := range codes {
			if column.IsNull(i) {
				c = -1
			}
			idx[i] = c
		}
		codes = idx
	}
	return vector.Take(mem, perCode, codes)
}
