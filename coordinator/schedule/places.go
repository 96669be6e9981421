package schedule

import (
	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
)

// places are where a partition is cut into about so many pieces of equal size: between map tasks, and inside of those
// that wrote many of its rows. Of the others it is not known how much each wrote; they are taken for equal.
func places(in state.InputSizes, partition int, pieces int64) []api.Position {
	rows, other := heavyRows(in, partition)
	total := int64(0)
	for _, n := range rows {
		total += max(n, other)
	}
	var list []api.Position
	seen, cut, last := int64(0), int64(1), api.Position{}
	for task, n := range rows {
		end := seen + max(n, other)
		for ; cut < pieces && total*cut/pieces < end; cut++ {
			place := api.Position{Task: task}
			if n > 0 {
				place.Row = total*cut/pieces - seen
			}
			if place != last {
				list = append(list, place)
				last = place
			}
		}
		seen = end
	}
	return list
}

// heavyRows is how many rows each map task wrote to a partition, 0 where that was too few to be told, and how many those
// wrote that did not tell, on average.
func heavyRows(in state.InputSizes, partition int) (rows []int64, other int64) {
	rows = make([]int64, len(in.Heavy))
	rest, untold := in.Rows[partition], int64(0)
	for task, list := range in.Heavy {
		for _, h := range list {
			if h.Partition == partition {
				rows[task] = h.Rows
				rest -= h.Rows
			}
		}
		if rows[task] == 0 {
			untold++
		}
	}
	if untold > 0 {
		other = max(0, rest) / untold
	}
	return rows, other
}
