package compute

import (
	"encoding/binary"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/decimal128"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// chooser is the short way through a CASE whose values are all constants and whose conditions cannot fail, as labels
// and flags are written: a branch number per row, then one look-up in a table of the constants.
type chooser func(f *frame, branch []uint8) arrow.Array

// maxChoices keeps branch numbers in a byte.
const maxChoices = 255

// newChooser is nil where a CASE has to go the long way.
func newChooser(c *caseNode) chooser {
	if len(c.values) > maxChoices || anyFails(c.conditions) {
		return nil
	}
	literals := make([]plan.Literal, len(c.conditions)+1)
	literals[len(c.conditions)].Null = true // without an ELSE
	for i, v := range c.values {
		k, ok := v.(*constNode)
		if !ok {
			return nil
		}
		literals[i] = vector.LiteralAt(k.arr, 0)
	}
	integer := func(l plan.Literal) int64 { return l.Int }
	switch c.t.Kind {
	case plan.KindInt8:
		return choose(c.t, literals, func(l plan.Literal) int8 { return int8(integer(l)) })
	case plan.KindInt16:
		return choose(c.t, literals, func(l plan.Literal) int16 { return int16(integer(l)) })
	case plan.KindInt32, plan.KindDate, plan.KindYearMonthInterval:
		return choose(c.t, literals, func(l plan.Literal) int32 { return int32(integer(l)) })
	case plan.KindInt64, plan.KindTimestamp, plan.KindTimestampNTZ, plan.KindDayTimeInterval:
		return choose(c.t, literals, integer)
	case plan.KindFloat32:
		return choose(c.t, literals, func(l plan.Literal) float32 { return float32(l.Float()) })
	case plan.KindFloat64:
		return choose(c.t, literals, plan.Literal.Float)
	case plan.KindDecimal:
		return choose(c.t, literals, func(l plan.Literal) decimal128.Num { return l.Decimal() })
	case plan.KindString, plan.KindBinary:
		return chooseTexts(c.t, literals)
	}
	return nil
}

// chooseTexts gives all batches one dictionary, of the different texts.
func chooseTexts(t plan.Type, literals []plan.Literal) chooser {
	b := array.NewBinaryBuilder(memory.DefaultAllocator, t.Arrow().(arrow.BinaryDataType))
	var table [256]int32
	known := map[string]int32{}
	for i, l := range literals {
		code, ok := known[string(l.Bytes)]
		if !ok {
			code = int32(len(known))
			known[string(l.Bytes)] = code
			b.Append(l.Bytes)
		}
		table[i] = code
	}
	values := b.NewArray()
	codes := array.NewInt32Builder(memory.DefaultAllocator)
	dictionary := array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: t.Arrow()}, codes.NewArray(), values)
	return func(f *frame, branch []uint8) arrow.Array {
		buf, out := vector.Alloc[int32](f.mem, len(branch))
		nulls := &vector.Nulls{Mem: f.mem, Rows: len(branch)}
		for i, b := range branch {
			if out[i] = table[b]; literals[b].Null {
				nulls.Set(i)
			}
		}
		return vector.MakeDictionary(dictionary, len(branch), nulls, buf)
	}
}

func choose[T arrow.FixedWidthType](t plan.Type, literals []plan.Literal, get func(plan.Literal) T) chooser {
	var table [256]T
	var null [256]bool
	anyNull := false
	for i, l := range literals {
		if null[i] = l.Null; !l.Null {
			table[i] = get(l)
		}
		anyNull = anyNull || l.Null
	}
	return func(f *frame, branch []uint8) arrow.Array {
		buf, out := vector.Alloc[T](f.mem, len(branch))
		for i, b := range branch {
			out[i] = table[b]
		}
		nulls := &vector.Nulls{Mem: f.mem, Rows: len(branch)}
		if anyNull {
			for i, b := range branch {
				if null[b] {
					nulls.Set(i)
				}
			}
		}
		return vector.Make(t.Arrow(), len(branch), nulls, buf)
	}
}

// branchOf numbers for each row the first condition that is true; rows without one get the number after the last.
func (c *caseNode) branchOf(f *frame) ([]uint8, error) {
	branch := make([]uint8, (f.n+7)/8*8)
	for i := range branch {
		branch[i] = uint8(len(c.conditions))
	}
	for k := len(c.conditions) - 1; k >= 0; k-- { // from the last, so that the first has the last word
		t, err := evalTruth(c.conditions[k], f, nil)
		if err != nil {
			return nil, err
		}
		for i, bits := range t.yes[:len(branch)/8] {
			eight, yes := branch[8*i:8*i+8], spread(bits)
			was := binary.LittleEndian.Uint64(eight)
			binary.LittleEndian.PutUint64(eight, was&^yes|uint64(k)*everyByte&yes)
		}
	}
	return branch[:f.n], nil
}

const everyByte = 0x0101010101010101

// spread makes a byte of ones of each bit that is set, and of zeros of the others; the lowest is the first. Without a jump,
// since one that depends on data costs more than the arithmetic.
func spread(bits byte) uint64 {
	apart := uint64(bits) * everyByte & 0x8040201008040201 // in each byte the bit that has its number
	return (apart + 0x7f*everyByte) >> 7 & everyByte * 0xff
}
