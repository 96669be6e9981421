package parquetio

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/parquet-go/parquet-go/encoding"

	"github.com/quern-engine/quern/compute/vector"
)

// loader converts len(dst) stored values, from index from on.
type loader[T any] func(dst []T, v *encoding.Values, from int) error

// fixed fills a column of fixed width.
type fixed[T arrow.FixedWidthType] struct {
	typ  arrow.DataType
	load loader[T]

	dict  []T // converted once per column chunk
	buf   *memory.Buffer
	out   []T
	nulls *vector.Nulls
	row   int
}

func (f *fixed[T]) begin(mem memory.Allocator, rows int) {
	f.buf, f.out = vector.Alloc[T](mem, rows)
	f.nulls, f.row = &vector.Nulls{Mem: mem, Rows: rows}, 0
}

func (f *fixed[T]) dictionary(_ memory.Allocator, values encoding.Values, n int) error {
	if cap(f.dict) < n {
		f.dict = make([]T, n)
	}
	f.dict = f.dict[:n]
	return f.load(f.dict, &values, 0)
}

func (f *fixed[T]) add(p *page, at, dense, n int) (int, error) {
	k, levels := n, p.levels
	if levels != nil {
		levels = levels[at : at+n]
		k = bytes.Count(levels, []byte{1})
	}
	dst := f.out[f.row : f.row+n]
	var err error
	if p.coded {
		err = gather(dst[:k], f.dict, p.codes[dense:dense+k])
	} else {
		err = f.load(dst[:k], &p.values, dense)
	}
	if err != nil {
		return 0, err
	}
	if k < n {
		spread(dst, k, levels, f.nulls, f.row)
	}
	f.row += n
	return k, nil
}

func (f *fixed[T]) finish() arrow.Array {
	arr := vector.Make(f.typ, len(f.out), f.nulls, f.buf)
	f.buf, f.out, f.nulls = nil, nil, nil
	return arr
}

func (f *fixed[T]) drop() {
	if f.buf != nil {
		f.finish().Release()
	}
	f.dict = f.dict[:0]
}

// gather looks codes up.
func gather[T any](dst, dict []T, codes []int32) error {
	dst = dst[:len(codes)]
	for i, c := range codes {
		if uint(c) >= uint(len(dict)) {
			return badCode(c, len(dict))
		}
		dst[i] = dict[c]
	}
	return nil
}

// checkCodes refuses codes beyond a dictionary of n values. It looks at all of them first, without a branch for each.
func checkCodes(codes []int32, n int) error {
	last := int32(min(n, math.MaxInt32)) - 1
	var sign int32 // negative once a code is, or is beyond the last
	for _, c := range codes {
		sign |= c | (last - c)
	}
	if sign >= 0 {
		return nil
	}
	return badCode(slices.MaxFunc(codes, func(a, b int32) int { return cmp.Compare(uint32(a), uint32(b)) }), n)
}

func badCode(code int32, n int) error {
	return fmt.Errorf("code %d in a dictionary of %d values", code, n)
}

// spread moves the first k values of dst, which stand together, to the rows that have a level of 1. It goes from the
// end, so nothing is overwritten before it has moved.
func spread[T any](dst []T, k int, levels []byte, nulls *vector.Nulls, row int) {
	var zero T
	for i := len(dst) - 1; i >= 0; i-- {
		if levels[i] == 1 {
			k--
			dst[i] = dst[k]
		} else {
			dst[i] = zero
			nulls.Set(row + i)
		}
	}
}

// booleans fills a boolean column: by the byte, packed at the end.
type booleans struct {
	fixed[uint8]
	mem memory.Allocator
}

func (f *booleans) begin(mem memory.Allocator, rows int) {
	f.mem = mem
	f.fixed.begin(mem, rows)
}

func (f *booleans) finish() arrow.Array {
	buf, bits := vector.AllocBits(f.mem, len(f.out))
	for i, v := range f.out {
		bits[i>>3] |= v << (i & 7)
	}
	f.buf.Release()
	arr := vector.Make(f.typ, len(f.out), f.nulls, buf)
	f.buf, f.out, f.nulls = nil, nil, nil
	return arr
}
