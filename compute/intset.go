package compute

import (
	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
)

// inIntSet looks integers up among constants. A NULL in the list makes NULL of every miss.
func inIntSet[T integer](list []node) kernel {
	hasNull, members := false, make([]int64, 0, len(list))
	for _, n := range list {
		c := n.(*constNode)
		if c.arr.IsNull(0) {
			hasNull = true
			continue
		}
		members = append(members, int64(load[T](&scratch{}, value{c.arr, true}, 0).at(0)))
	}
	set := vector.NewIntSet(members)
	if hasNull {
		return mapSome1(func(v T) (bool, bool, error) {
			found := set.Has(int64(v))
			return found, found, nil
		})
	}
	return func(c *context, args []value) (arrow.Array, error) {
		a, out := load[T](c.scratch, args[0], 0), newOutput[bool](c)
		for i := range out.rows {
			out.rows[i] = set.Has(int64(a.values[i&a.mask]))
		}
		return out.array(both(c.mem, c.n, args...)), nil
	}
}
