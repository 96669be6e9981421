package schedule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator/state"
)

const (
	// worthATask is the part of a task's target, one in so many bytes, that is worth a task of its own: partitions are
	// read together up to that. A small part, since what a task costs is little and idle cores are much.
	worthATask = 8
	// skewed is how many times the size of the others a partition has before it is cut.
	skewed = 2
	// wholeSide and wholeBeside are when one side of a join is read whole by tasks that divide the other by map tasks:
	// it has at most one in wholeSide bytes of a task's target, and the other wholeBeside times as many.
	wholeSide   = 4
	wholeBeside = 8
	// mostSlices bounds by how many tasks a partition is read whole: reading is that much cheaper than what follows it, so
	// more of them would hardly end sooner.
	mostSlices = 16
	// sharedLess is what the largest share of a partition's keys may have of it, in percent: where a key has about half of the
	// rows, reading them several times saves too little.
	sharedLess = 67
)

// Adapt divides the tasks of a stage by the sizes of its inputs, which follow from the rows alone. So two leaders decide
// alike, and so do two runs over the same input.
func Adapt(z state.Sizes) state.AdaptStage {
	d := divider{Sizes: z, bytes: make([]int64, z.Tasks)}
	for i, in := range z.Inputs {
		for p, rows := range in.Rows {
			d.bytes[p] += rows * z.Rule.Inputs[i].RowBytes
		}
	}
	d.fair = max(d.median(), z.Rule.Target/2, 1)
	if !d.whole() {
		d.divide()
	}
	c := state.AdaptStage{RunID: z.Run, Stage: z.Stage, Note: strings.Join(d.notes, "; ")}
	if len(d.notes) > 0 {
		c.Tasks = d.tasks
	}
	return c
}

// divider makes the tasks of a stage.
type divider struct {
	state.Sizes
	bytes []int64 // of all inputs together, by partition
	fair  int64   // bytes of a task that is no larger than the others
	tasks [][]state.Part
	notes []string
}

// median is that of the partitions that have rows, the lower of two.
func (d *divider) median() int64 {
	var sizes []int64
	for _, b := range d.bytes {
		if b > 0 {
			sizes = append(sizes, b)
		}
	}
	if len(sizes) == 0 {
		return 0
	}
	slices.Sort(sizes)
	return sizes[(len(sizes)-1)/2]
}

// divide goes through the partitions: small neighbours are read together, large ones are cut where that is possible.
func (d *divider) divide() {
	from, sum := 0, int64(0)
	flush := func(to int) {
		if to > from {
			d.tasks = append(d.tasks, d.span(from, to))
		}
		from, sum = to, 0
	}
	for p, b := range d.bytes {
		if i := d.splits(p); i >= 0 || d.shares(i, p) > 1 {
			flush(p)
			switch n := d.shares(i, p); {
			case n > 1:
				d.share(n, p)
			case d.Rule.Inputs[i].Slices:
				d.slice(i, p)
			default:
				d.cut(i, p)
			}
			from = p + 1
			continue
		}
		if sum > 0 && sum+b > d.Rule.Target/worthATask {
			flush(p)
		}
		sum += b
	}
	flush(len(d.bytes))
	if n := len(d.tasks); n < len(d.bytes) {
		d.notes = append(d.notes, readBy(len(d.bytes), n))
	}
}

// readBy says that small partitions are read together.
func readBy(partitions, tasks int) string {
	if tasks == 1 {
		return fmt.Sprintf("%d partitions read by 1 task", partitions)
	}
	return fmt.Sprintf("%d partitions read by %d tasks", partitions, tasks)
}

// span reads neighbouring partitions of all inputs.
func (d *divider) span(from, to int) []state.Part {
	parts := make([]state.Part, len(d.Inputs))
	for i, in := range d.Inputs {
		parts[i] = state.Part{Stage: in.Stage, Selection: api.Selection{From: from, To: to}}
	}
	return parts
}

// splits is the input by whose rows a partition that is too large is to be cut or sliced, or -1.
func (d *divider) splits(p int) int {
	if d.bytes[p] <= skewed*d.fair {
		return -1
	}
	best, most := -1, d.fair
	for i, in := range d.Rule.Inputs {
		if in.Slices && d.Inputs[i].Rows[p] > 0 {
			return i
		}
		if b := d.Inputs[i].Rows[p] * in.RowBytes; in.Splits && b > most {
			best, most = i, b
		}
	}
	return best
}

// shares is among how many tasks the keys of a partition that is too large are best divided; 0 if not at all, or if its rows
// are better cut or sliced by input i, which is -1 if that cannot be. A key stays in one piece, so one that is larger than a task
// should be is rather cut; of many keys a share needs no more of the others' rows than its own.
func (d *divider) shares(i, p int) int {
	if !d.Rule.Shares || d.bytes[p] <= skewed*d.fair {
		return 0
	}
	most := d.mostFrequent(p)
	if i >= 0 {
		beside := d.bytes[p] - d.Inputs[i].Rows[p]*d.Rule.Inputs[i].RowBytes
		if most > d.fair || !d.Rule.Inputs[i].Slices && beside <= d.fair/2 {
			return 0
		}
	}
	size := max(d.fair, most)
	n := min((d.bytes[p]+size-1)/size, mostSlices)
	if n < 2 || 100*(most+(d.bytes[p]-most)/n) > sharedLess*d.bytes[p] {
		return 0
	}
	return int(n)
}

// mostFrequent is about the bytes of the key that has most of a partition, of all inputs together, as far as map tasks that
// wrote much of it told.
func (d *divider) mostFrequent(p int) int64 {
	bytes := map[uint64]int64{} // by hash of the key
	for i, in := range d.Inputs {
		told, keys := int64(0), map[uint64]int64{}
		for _, list := range in.Heavy {
			for _, h := range list {
				if h.Partition != p {
					continue
				}
				told += h.Rows
				for _, k := range h.Keys {
					keys[k.Hash] += k.Rows
				}
			}
		}
		for hash, rows := range keys {
			bytes[hash] += int64(float64(rows) / float64(told) * float64(in.Rows[p]*d.Rule.Inputs[i].RowBytes))
		}
	}
	most := int64(0)
	for _, b := range bytes {
		most = max(most, b)
	}
	return most
}

// share has several tasks read a partition of all inputs, each for the keys of its share.
func (d *divider) share(n, p int) {
	for k := range n {
		parts := d.span(p, p+1)
		for i := range parts {
			parts[i].Share = api.Share{Number: k, Of: n}
		}
		d.tasks = append(d.tasks, parts)
	}
	d.notes = append(d.notes, fmt.Sprintf("partition %d, %d times as large as others, its keys divided among %d", p, d.bytes[p]/max(1, d.median()), n))
}

// cut divides the rows of an input in one partition among tasks, each of which reads the partition of the others whole.
func (d *divider) cut(i, p int) {
	in := d.Inputs[i]
	rows := in.Rows[p]
	pieces := (rows*d.Rule.Inputs[i].RowBytes + d.fair - 1) / d.fair
	places := places(in, p, pieces)
	begin := api.Position{}
	for n := range len(places) + 1 {
		end := api.Position{}
		if n < len(places) {
			end = places[n]
		}
		parts := d.span(p, p+1)
		parts[i].Begin, parts[i].End = begin, end
		d.tasks = append(d.tasks, parts)
		begin = end
	}
	d.notes = append(d.notes, fmt.Sprintf("partition %d, %d times as large as others, cut in %d", p, d.bytes[p]/max(1, d.median()), len(places)+1))
}

// slice has several tasks read a partition of all inputs, each for another slice of the rows of one.
func (d *divider) slice(i, p int) {
	n := int(min((d.bytes[p]+d.fair-1)/d.fair, mostSlices))
	for k := range n {
		parts := d.span(p, p+1)
		parts[i].Slice = api.Slice{Number: k, Of: n}
		d.tasks = append(d.tasks, parts)
	}
	d.notes = append(d.notes, fmt.Sprintf("partition %d, %d times as large as others, done in %d slices", p, d.bytes[p]/max(1, d.median()), n))
}

// whole divides one input by map tasks, and has each task read the other whole, if that other is small. It reports
// whether it did: the rows then stay where their map tasks ran, and no key is too frequent.
func (d *divider) whole() bool {
	if len(d.Inputs) != 2 {
		return false
	}
	for i, rule := range d.Rule.Inputs {
		large, small := d.size(i), d.size(1-i)
		maps := len(d.Inputs[i].Made)
		if !rule.Splits || small > d.Rule.Target/wholeSide || large < wholeBeside*small || maps < len(d.bytes) || len(d.bytes) < 2 {
			continue
		}
		from, sum := 0, int64(0)
		for j, made := range d.Inputs[i].Made {
			b := made * rule.RowBytes
			if sum > 0 && sum+b > d.fair {
				d.tasks = append(d.tasks, d.maps(i, from, j))
				from, sum = j, 0
			}
			sum += b
		}
		d.tasks = append(d.tasks, d.maps(i, from, maps))
		d.notes = append(d.notes, fmt.Sprintf("stage %d, %d rows, read whole by each of %d tasks", d.Inputs[1-i].Stage, rowsOf(d.Inputs[1-i]), len(d.tasks)))
		return true
	}
	return false
}

// maps reads what some map tasks wrote for input i, and all of the others.
func (d *divider) maps(i, from, to int) []state.Part {
	parts := d.span(0, len(d.bytes))
	parts[i].Begin = api.Position{Task: from}
	if to < len(d.Inputs[i].Made) {
		parts[i].End = api.Position{Task: to}
	}
	return parts
}

func (d *divider) size(i int) int64 { return rowsOf(d.Inputs[i]) * d.Rule.Inputs[i].RowBytes }

func rowsOf(in state.InputSizes) int64 {
	n := int64(0)
	for _, rows := range in.Rows {
		n += rows
	}
	return n
}
