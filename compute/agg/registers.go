package agg

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/hash"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// registers is approx_count_distinct by HyperLogLog++ with the hash that Spark uses, so that estimates agree. The
// correction by tables of estimates between 2.5 and 5 times the number of registers is left out: there results are some
// percent higher than Spark's.
type registers struct {
	precision uint
	cells     []sketch
	held      int64
	hashes    []uint64
}

// sketch is the registers of a group: while few are set, as numbers index<<8|value in order of index; then one by one.
type sketch struct {
	few   []uint32
	dense []byte
}

var _ Accumulator = (*registers)(nil)

// defaultDeviation gives 512 registers.
const defaultDeviation = 0.05

func newRegisters(a plan.Agg, _ plan.Session) (Accumulator, error) {
	if len(a.ArgTypes) != 1 || a.Type.Kind != plan.KindInt64 {
		return nil, nil
	}
	p, err := SketchPrecision(a.Params)
	if err != nil {
		return nil, err
	}
	return &registers{precision: p}, nil
}

// SketchPrecision is how many bits of a hash choose a register of approx_count_distinct, by the call's parameters.
func SketchPrecision(params []*plan.Expr) (uint, error) {
	deviation := defaultDeviation
	if len(params) > 0 {
		deviation = params[0].Value.Float()
	}
	p := math.Ceil(2 * math.Log(1.106/deviation) / math.Ln2)
	if !(p >= 4 && p <= 24) {
		return 0, plan.Failf(plan.FailureUser, "[FAILED_FUNCTION_CALL] approx_count_distinct: the relative deviation %v is "+
			"out of range: it must be between 0.00027 and 0.39.", deviation)
	}
	return uint(p), nil
}

// SketchRegister is the register that a hash falls to, and the number that the register has then at least.
func SketchRegister(h uint64, precision uint) (register uint32, number byte) {
	rest := h<<precision | 1<<(precision-1)
	return uint32(h >> (64 - precision)), byte(bits.LeadingZeros64(rest) + 1)
}

func (r *registers) Update(b Batch, args []arrow.Array) error {
	r.cells = extend(r.cells, b.Len)
	r.hashes = slices.Grow(r.hashes[:0], b.Rows)[:b.Rows]
	for i := range r.hashes {
		r.hashes[i] = hash.XX64Seed
	}
	hash.XX64(args[0], r.hashes)
	valid := vector.ValidityOf(args[0])
	for i, g := range b.groups() {
		if valid.IsNull(i) {
			continue
		}
		register, n := SketchRegister(r.hashes[i], r.precision)
		r.raise(g, register, n)
	}
	return nil
}

// raise sets a register of a group to n if that is more than it has.
func (r *registers) raise(g, register uint32, n byte) {
	s := &r.cells[g]
	if s.dense != nil {
		s.dense[register] = max(s.dense[register], n)
		return
	}
	at, found := slices.BinarySearchFunc(s.few, register, func(e, register uint32) int { return int(e>>8) - int(register) })
	switch {
	case found:
		s.few[at] = max(s.few[at], register<<8|uint32(n))
	case len(s.few) < 1<<r.precision/16:
		before := cap(s.few)
		s.few = slices.Insert(s.few, at, register<<8|uint32(n))
		r.held += int64(cap(s.few)-before) * 4
	default:
		s.dense = make([]byte, 1<<r.precision)
		r.held += 1<<r.precision - int64(cap(s.few))*4
		for _, e := range s.few {
			s.dense[e>>8] = byte(e)
		}
		s.few = nil
		s.dense[register] = max(s.dense[register], n)
	}
}

func (r *registers) Merge(b Batch, states []arrow.Array) error {
	r.cells = extend(r.cells, b.Len)
	plain := vector.Decode(memory.DefaultAllocator, states[0])
	defer plain.Release()
	values := vector.StringsOf(plain)
	for i, g := range b.groups() {
		state := values.At(i)
		if len(state) == 1<<r.precision {
			for k, n := range state {
				if n > 0 {
					r.raise(g, uint32(k), n)
				}
			}
			continue
		}
		for ; len(state) >= 4; state = state[4:] {
			e := binary.LittleEndian.Uint32(state)
			if e>>8 < 1<<r.precision {
				r.raise(g, e>>8, byte(e))
			}
		}
	}
	return nil
}

// States is the registers one by one, or where few are set those as little-endian numbers, which is shorter.
func (r *registers) States(mem memory.Allocator, from, to int) ([]arrow.Array, error) {
	r.cells = extend(r.cells, to)
	total := 0
	for _, s := range r.cells[from:to] {
		total += len(s.dense) + 4*len(s.few)
	}
	if total > math.MaxInt32 {
		return nil, plan.Failf(plan.FailureOutOfMemory, "approx_count_distinct: the states of one batch exceed 2 GiB")
	}
	offBuf, offsets := vector.Alloc[int32](mem, to-from+1)
	valBuf, values := vector.Alloc[uint8](mem, total)
	n := 0
	for i, s := range r.cells[from:to] {
		offsets[i] = int32(n)
		n += copy(values[n:], s.dense)
		for _, e := range s.few {
			binary.LittleEndian.PutUint32(values[n:], e)
			n += 4
		}
	}
	offsets[to-from] = int32(n)
	return []arrow.Array{vector.Make(arrow.BinaryTypes.Binary, to-from, nil, offBuf, valBuf)}, nil
}

func (r *registers) Result(mem memory.Allocator, from, to int) (arrow.Array, error) {
	r.cells = extend(r.cells, to)
	buf, out := vector.Alloc[int64](mem, to-from)
	for i, s := range r.cells[from:to] {
		out[i] = r.estimate(s)
	}
	return vector.Make(arrow.PrimitiveTypes.Int64, to-from, nil, buf), nil
}

func (r *registers) estimate(s sketch) int64 {
	var numbers SketchNumbers
	for _, n := range s.dense {
		numbers[min(n, 63)]++
	}
	for _, e := range s.few {
		numbers[min(byte(e), 63)]++
	}
	return numbers.Estimate(r.precision)
}

// SketchNumbers is how many registers have each number, but for those that have none: 0 is not looked at.
type SketchNumbers [64]int32

// Estimate is the harmonic mean of the registers, or where many are empty the count that this alone suggests.
func (n *SketchNumbers) Estimate(precision uint) int64 {
	m := float64(uint64(1) << precision)
	inverse, set := 0.0, int32(0)
	for number := len(n) - 1; number > 0; number-- {
		if n[number] > 0 {
			inverse += float64(n[number]) / float64(uint64(1)<<number)
			set += n[number]
		}
	}
	empty := m - float64(set)
	inverse += empty
	alpha := 0.7213 / (1 + 1.079/m)
	switch precision {
	case 4:
		alpha = 0.673
	case 5:
		alpha = 0.697
	case 6:
		alpha = 0.709
	}
	e := alpha * m * m / inverse
	if empty > 0 && e <= 2.5*m {
		e = m * math.Log(m/empty)
	}
	return int64(math.Floor(e + 0.5))
}

func (r *registers) Bytes() int64 { return r.held + int64(len(r.cells))*48 + int64(cap(r.hashes))*8 }
