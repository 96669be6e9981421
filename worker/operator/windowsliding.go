package operator

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/agg"
	"github.com/quern-engine/quern/compute/vector"
)

// Frames of up to direct rows are folded row by row, in order, so that sums of doubles are those of a plain loop. Larger
// ones are put together from states of blocks. Why not always? The tree costs as much as some dozen rows, and rounds
// otherwise. The choice is each frame's own and depends on its rows alone.
type frameSizes struct {
	direct int // rows; no less than two blocks
	block  int // rows of a state of the lowest level
	fanOut int // states below one of the next level
	flush  int // bounds the copies of arguments that are made at a time
}

func defaultFrameSizes() frameSizes {
	return frameSizes{direct: 512, block: 64, fanOut: 16, flush: 1 << 16}
}

// slidingAggregate is an aggregate over frames whose both ends move.
type slidingAggregate struct {
	windowFold
	rows  cursor // around the frames that are folded directly
	left  cursor // around the starts of large frames
	right cursor // around their ends
	tree  *stateTree
	seg   *segment
	sizes frameSizes
}

func (s *slidingAggregate) start(_ context.Context, seg *segment) error {
	s.frame.begin(seg)
	s.seg, s.rows, s.left, s.right = seg, cursor{seg: seg}, cursor{seg: seg}, cursor{seg: seg}
	return nil
}

func (s *slidingAggregate) close() error {
	s.dropTree()
	return errors.Join(s.rows.close(), s.left.close(), s.right.close(), s.frame.close())
}

func (s *slidingAggregate) dropTree() {
	if s.tree != nil {
		s.tree.release()
		s.tree = nil
	}
}

// span is a run of rows to be folded into a group.
type span struct {
	group    uint32
	from, to int
}

func (s *slidingAggregate) column(ctx context.Context, c *chunk) (arrow.Array, error) {
	lo, hi, err := s.frame.bounds(ctx, c)
	if err != nil {
		return nil, err
	}
	acc, err := s.accumulator()
	if err != nil {
		return nil, err
	}
	n := len(lo)
	var direct []span
	for k := 0; k < n; {
		if hi[k]-lo[k] <= s.sizes.direct {
			if lo[k] < hi[k] {
				direct = append(direct, span{uint32(k), lo[k], hi[k]})
			}
			k++
			continue
		}
		end := k + 1
		for end < n && c.partStart[end] == c.partStart[k] {
			end++
		}
		if err := s.large(ctx, acc, c.partStart[k], c.partEnd[k], lo[:end], hi[:end], k, n); err != nil {
			return nil, err
		}
		for ; k < end; k++ {
			if d := hi[k] - lo[k]; d > 0 && d <= s.sizes.direct {
				direct = append(direct, span{uint32(k), lo[k], hi[k]})
			}
		}
	}
	if err := s.fold(ctx, acc, &s.rows, direct, n); err != nil {
		return nil, err
	}
	return acc.Result(s.env.Mem, 0, n)
}

// fold folds spans, whose ends ascend, into their groups, of which there are n.
func (s *slidingAggregate) fold(ctx context.Context, acc agg.Accumulator, rows *cursor, spans []span, n int) error {
	for len(spans) > 0 {
		count, total := 0, 0
		for count < len(spans) && total < s.sizes.flush {
			total += spans[count].to - spans[count].from
			count++
		}
		if err := s.foldSome(ctx, acc, rows, spans[:count], total, n); err != nil {
			return err
		}
		spans = spans[count:]
	}
	return nil
}

func (s *slidingAggregate) foldSome(ctx context.Context, acc agg.Accumulator, rows *cursor, spans []span, total, n int) error {
	from, to := spans[0].from, spans[len(spans)-1].to
	rows.forget(from)
	near, err := rows.columns(ctx, s.env.Mem, s.inputs(), from, to)
	if err != nil {
		return err
	}
	defer releaseArrays(near)
	idx, groups := make([]int32, 0, total), make([]uint32, 0, total)
	for _, x := range spans {
		for i := x.from; i < x.to; i++ {
			idx, groups = append(idx, int32(i-from)), append(groups, x.group)
		}
	}
	args := make([]arrow.Array, len(near))
	for i, a := range near {
		args[i] = vector.Take(s.env.Mem, a, idx)
	}
	defer releaseArrays(args)
	return s.update(acc, agg.Batch{Rows: len(idx), Groups: groups, Len: n}, args)
}

// large folds the large frames of the rows from k on, all of one partition: the rows before the first whole block, the
// blocks, from small to large to small, and the rows behind the last, in this order, which is that of the rows.
func (s *slidingAggregate) large(ctx context.Context, acc agg.Accumulator, start, end int, lo, hi []int, k, n int) error {
	if s.tree == nil || s.tree.start != start {
		s.dropTree()
		tree, err := s.grow(ctx, start, end)
		if err != nil {
			return err
		}
		s.tree = tree
	}
	var before, blocks, behind []span
	for ; k < len(lo); k++ {
		if hi[k]-lo[k] <= s.sizes.direct {
			continue
		}
		// A frame of more rows than two blocks has a whole one.
		first := (lo[k] - start + s.sizes.block - 1) / s.sizes.block
		last := (hi[k] - start) / s.sizes.block
		before = append(before, span{uint32(k), lo[k], start + first*s.sizes.block})
		behind = append(behind, span{uint32(k), start + last*s.sizes.block, hi[k]})
		blocks = append(blocks, span{uint32(k), first, last})
	}
	if err := s.fold(ctx, acc, &s.left, before, n); err != nil {
		return err
	}
	if err := s.tree.fold(s, acc, blocks, n); err != nil {
		return err
	}
	return s.fold(ctx, acc, &s.right, behind, n)
}

// stateTree holds the states of a partition's blocks, and above them of runs of blocks, up to a level of few.
type stateTree struct {
	start  int
	levels [][]arrow.Array // state columns; level 0 is that of the blocks
}

func (t *stateTree) release() {
	for _, l := range t.levels {
		releaseArrays(l)
	}
}

// grow makes the tree of the partition that begins at start. It reads it once.
func (s *slidingAggregate) grow(ctx context.Context, start, end int) (*stateTree, error) {
	acc, err := s.accumulator()
	if err != nil {
		return nil, err
	}
	blocks := (end - start + s.sizes.block - 1) / s.sizes.block
	scan := cursor{seg: s.seg}
	err = s.foldBlocks(ctx, &scan, acc, start, end, blocks)
	if err = errors.Join(err, scan.close()); err != nil {
		return nil, err
	}
	t := &stateTree{start: start}
	for {
		states, err := acc.States(s.env.Mem, 0, blocks)
		if err != nil {
			t.release()
			return nil, err
		}
		if t.levels = append(t.levels, states); blocks <= s.sizes.fanOut {
			return t, nil
		}
		groups := make([]uint32, blocks)
		for i := range groups {
			groups[i] = uint32(i / s.sizes.fanOut)
		}
		b := agg.Batch{Rows: blocks, Groups: groups, Len: (blocks + s.sizes.fanOut - 1) / s.sizes.fanOut}
		if acc, err = s.accumulator(); err == nil {
			err = acc.Merge(b, states)
		}
		if err != nil {
			t.release()
			return nil, err
		}
		blocks = b.Len
	}
}

func (s *slidingAggregate) foldBlocks(ctx context.Context, scan *cursor, acc agg.Accumulator, start, end, blocks int) error {
	for at := start; at < end; {
		scan.forget(at)
		if err := scan.load(ctx, at+1); err != nil {
			return err
		}
		scan.forget(at)
		p := scan.pieces[0]
		to := min(p.to, end)
		b := agg.Batch{Rows: to - at, Groups: make([]uint32, to-at), Len: blocks}
		for i := range b.Groups {
			b.Groups[i] = uint32((at + i - start) / s.sizes.block)
		}
		cols := pick(p.rec, s.inputs())
		for i, col := range cols {
			cols[i] = sliceArray(col, at-p.from, to-p.from)
		}
		err := s.update(acc, b, cols)
		releaseArrays(cols)
		if err != nil {
			return err
		}
		at = to
	}
	return nil
}

// fold merges runs of blocks into their groups, in the order of the rows: on the way up the ends of a run that do not
// fill a state of the next level, and on the way down those at its other end.
func (t *stateTree) fold(s *slidingAggregate, acc agg.Accumulator, runs []span, n int) error {
	type pass struct {
		level int
		spans []span
	}
	var up, down []pass
	for level := range t.levels {
		top := level == len(t.levels)-1
		var left, right, rest []span
		for _, r := range runs {
			first, last := (r.from+s.sizes.fanOut-1)/s.sizes.fanOut, r.to/s.sizes.fanOut
			if top || first >= last {
				left = append(left, r)
				continue
			}
			left = append(left, span{r.group, r.from, first * s.sizes.fanOut})
			right = append(right, span{r.group, last * s.sizes.fanOut, r.to})
			rest = append(rest, span{r.group, first, last})
		}
		up, down = append(up, pass{level, left}), append(down, pass{level, right})
		runs = rest
	}
	for i := len(down) - 1; i >= 0; i-- {
		up = append(up, down[i])
	}
	for _, p := range up {
		if err := t.merge(s, acc, p.level, p.spans, n); err != nil {
			return err
		}
	}
	return nil
}

func (t *stateTree) merge(s *slidingAggregate, acc agg.Accumulator, level int, spans []span, n int) error {
	var idx []int32
	var groups []uint32
	for _, x := range spans {
		for i := x.from; i < x.to; i++ {
			idx, groups = append(idx, int32(i)), append(groups, x.group)
		}
	}
	if len(idx) == 0 {
		return nil
	}
	states := make([]arrow.Array, len(t.levels[level]))
	for i, c := range t.levels[level] {
		states[i] = vector.Take(s.env.Mem, c, idx)
	}
	defer releaseArrays(states)
	return acc.Merge(agg.Batch{Rows: len(idx), Groups: groups, Len: n}, states)
}
