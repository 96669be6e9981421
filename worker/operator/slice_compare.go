package operator

import (
	"cmp"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// placeOrders is how the rows of a batch compare with a place: below zero, zero, or above. All tasks that do slices compare
// all rows of a partition, so that goes column by column.
type placeOrders struct {
	all  []int8
	keys []int8 // by all columns but the last, the time
}

// newPlaceOrders is nil for no place.
func newPlaceOrders(p *slicePlace, rec arrow.Record, order []plan.SortKey) *placeOrders {
	if p == nil {
		return nil
	}
	o := &placeOrders{keys: make([]int8, rec.NumRows())}
	last := len(order) - 1
	for i, k := range order[:last] {
		compareWith(rec.Column(k.Column), p.columns[i], p.row, o.keys)
	}
	o.all = slices.Clone(o.keys)
	compareWith(rec.Column(order[last].Column), p.columns[last], p.row, o.all)
	return o
}

// compareWith compares the values of a column with one of another, where rows are equal so far.
func compareWith(arr, place arrow.Array, row int, orders []int8) {
	id := arr.DataType().ID()
	if id == place.DataType().ID() && vector.ValidityOf(arr).AllValid() && !vector.ValidityOf(place).IsNull(row) {
		switch id {
		case arrow.INT64, arrow.TIMESTAMP:
			compareOrdered(vector.Int64s(arr), vector.Int64s(place)[row], orders)
			return
		case arrow.INT32, arrow.DATE32:
			compareOrdered(vector.Int32s(arr), vector.Int32s(place)[row], orders)
			return
		}
	}
	compare := vector.NewComparer(arr, place)
	for i, o := range orders {
		if o == 0 {
			orders[i] = int8(cmp.Compare(compare(i, row), 0))
		}
	}
}

// compareOrdered has no branches that depend on the values, which come in no order.
func compareOrdered[T cmp.Ordered](values []T, place T, orders []int8) {
	for i, v := range values {
		less, greater := 0, 0
		if v < place {
			less = 1
		}
		if v > place {
			greater = 1
		}
		order := int(orders[i])
		if order == 0 {
			order = greater - less
		}
		orders[i] = int8(order)
	}
}
