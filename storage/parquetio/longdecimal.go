package parquetio

import (
	"math/big"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// longDecimal is the type of decimals of more than 18 digits. parquet-go orders them as unsigned bytes, so that its
// bounds would lie, and without bounds it writes a page index that readers choke on: this one has bounds, those of the
// type itself. It has no dictionary, whose type would take its place.
type longDecimal struct {
	parquet.Type
	precision int
}

// decimalBytes is the width of a long decimal.
const decimalBytes = 16

func newLongDecimal(precision, scale int) parquet.Node {
	node := parquet.Decimal(scale, precision, parquet.FixedLenByteArrayType(decimalBytes))
	return parquet.Leaf(&longDecimal{Type: node.Type(), precision: precision})
}

// NewColumnIndexer makes the part of the page index that tells of values.
func (t *longDecimal) NewColumnIndexer(int) parquet.ColumnIndexer {
	most := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(t.precision)), nil)
	most.Sub(most, big.NewInt(1))
	x := &decimalIndexer{high: make([]byte, decimalBytes), low: make([]byte, decimalBytes)}
	most.FillBytes(x.high)
	wrap := new(big.Int).Lsh(big.NewInt(1), 8*decimalBytes)
	wrap.Sub(wrap, most).FillBytes(x.low) // two's complement
	return x
}

// decimalIndexer gives every page the same bounds.
type decimalIndexer struct {
	low, high  []byte
	nullPages  []bool
	nullCounts []int64
}

func (x *decimalIndexer) Reset() {
	x.nullPages, x.nullCounts = nil, nil // a column index may still refer to them
}

func (x *decimalIndexer) IndexPage(values, nulls int64, _, _ parquet.Value) {
	x.nullPages = append(x.nullPages, values == nulls)
	x.nullCounts = append(x.nullCounts, nulls)
}

func (x *decimalIndexer) ColumnIndex() format.ColumnIndex {
	out := format.ColumnIndex{NullPages: x.nullPages, NullCounts: x.nullCounts, BoundaryOrder: format.Unordered}
	for _, null := range x.nullPages {
		low, high := x.low, x.high
		if null {
			low, high = []byte{}, []byte{}
		}
		out.MinValues, out.MaxValues = append(out.MinValues, low), append(out.MaxValues, high)
	}
	return out
}
