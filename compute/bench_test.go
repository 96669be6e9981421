package compute

import (
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

const benchRows = 16384

// benchBatch is a batch of every type of the property tests' schema, without NULLs, strings dictionary-encoded.
func benchBatch(encoded bool) arrow.Record {
	rows := make([][]plan.Literal, 64)
	for i := range rows {
		n := int64(i)
		rows[i] = []plan.Literal{
			{Int: n}, {Int: n * 1000}, {Bits: 0x3ff0000000000000 + uint64(i)}, {Bytes: []byte("value " + string(rune('a'+i%26)))},
			{Bytes: []byte("x")}, {Int: n & 1}, {Int: n * 7}, {Int: n},
		}
	}
	mem := memory.NewGoAllocator()
	small := batch(mem, rows, encoded, 0)
	index := make([]int32, benchRows)
	for i := range index {
		index[i] = int32(i*31) % 64
	}
	return vector.TakeRecord(mem, small, index)
}

func BenchmarkEval(b *testing.B) {
	col := func(i int) *plan.Expr { return plan.ColumnExpr(i, propertySchema.Fields[i]) }
	call := func(name string, args ...*plan.Expr) *plan.Expr {
		e, err := Call(name, args...)
		if err != nil {
			b.Fatal(err)
		}
		return e
	}
	for _, c := range []struct {
		name    string
		e       *plan.Expr
		encoded bool
	}{
		{"bigint less constant", call("<", col(1), plan.Int64Literal(30000)), false},
		{"bigint plus bigint", call("+", col(1), col(1)), false},
		{"bigint times bigint", call("*", col(1), col(1)), false},
		{"double divide", call("/", col(2), col(2)), false},
		{"decimal times decimal", call("*", col(6), col(6)), false},
		{"decimal divide", call("/", col(6), call("+", col(6), plan.Int64Literal(1))), false},
		{"like on dictionary", call("like", col(3), plan.StringLiteral("%e b%")), true},
		{"like on strings", call("like", col(3), plan.StringLiteral("%e b%")), false},
		{"upper on dictionary", call("upper", col(3)), true},
		{"upper on strings", call("upper", col(3)), false},
		{"case", call("case", call("<", col(0), plan.Int64Literal(30)), plan.StringLiteral("low"), plan.StringLiteral("high")), false},
		{"year of date", call("year", col(7)), false},
	} {
		b.Run(c.name, func(b *testing.B) {
			prog, err := Compile(c.e, propertySchema, plan.Session{})
			if err != nil {
				b.Fatal(err)
			}
			rec, mem := benchBatch(c.encoded), memory.NewGoAllocator()
			b.ResetTimer()
			for range b.N {
				arr, err := prog.Eval(mem, rec)
				if err != nil {
					b.Fatal(err)
				}
				arr.Release()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
		})
	}
}
