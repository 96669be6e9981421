package operator

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// What is known of a left row's partners, as the marks of a batch say.
const (
	markNone byte = iota
	markNull      // null-aware joins: the comparison with some row is NULL
	markTrue
)

// probe walks one left batch of a join. It lays out a bounded chunk of candidate pairs, row by row, and then decides
// which of them are output. A row's candidates may spread over several chunks.
type probe struct {
	rec    arrow.Record
	ids    []uint32 // per row: its key in the index
	marks  []byte   // per row
	row    int      // the row whose candidates come next
	offset int      // how many of them were laid out already

	left, right []int32 // the chunk; right is -1 for a row without candidates
}

// start takes over a left batch. marks are those of its rows, from earlier parts of the build side.
func (p *probe) start(rec arrow.Record, index *group.Multimap, keys []int, marks []byte) error {
	p.rec, p.row, p.offset, p.marks = rec, 0, 0, marks
	var err error
	p.ids, err = index.Find(pick(rec, keys), int(rec.NumRows()), p.ids)
	return err
}

func (p *probe) done() bool { return p.rec == nil || p.row == int(p.rec.NumRows()) }

func (p *probe) release() {
	if p.rec != nil {
		p.rec.Release()
		p.rec = nil
	}
}

// pairs lays out the next chunk of at most size pairs, with lonely also rows without candidates.
func (p *probe) pairs(index *group.Multimap, size int, lonely bool) {
	p.left, p.right = p.left[:0], p.right[:0]
	if !lonely && index.Unique() && p.offset == 0 && len(p.ids)-p.row <= size {
		p.uniquePairs(index)
		return
	}
	for p.row < len(p.ids) && len(p.left) < size {
		matches := index.Rows(p.ids[p.row])
		if len(matches) == 0 {
			if lonely {
				p.left, p.right = append(p.left, int32(p.row)), append(p.right, -1)
			}
			p.row++
			continue
		}
		rest := matches[p.offset:]
		n := min(len(rest), size-len(p.left))
		for _, m := range rest[:n] {
			p.left = append(p.left, int32(p.row))
			p.right = append(p.right, m)
		}
		if p.offset += n; p.offset == len(matches) {
			p.row, p.offset = p.row+1, 0
		}
	}
}

// uniquePairs lays out all pairs that are left, of rows with one candidate at most.
func (p *probe) uniquePairs(index *group.Multimap) {
	p.left, p.right = slices.Grow(p.left, len(p.ids)), slices.Grow(p.right, len(p.ids))
	for ; p.row < len(p.ids); p.row++ {
		if id := p.ids[p.row]; id != group.None {
			p.left, p.right = append(p.left, int32(p.row)), append(p.right, index.Row(id))
		}
	}
}

// openPairs lays out the next chunk of at most size pairs with right rows that are not matched yet.
func (p *probe) openPairs(index *group.Multimap, matched []bool, size int) {
	p.left, p.right = p.left[:0], p.right[:0]
	for p.row < len(p.ids) && len(p.left) < size {
		matches := index.Rows(p.ids[p.row])
		for p.offset < len(matches) && len(p.left) < size {
			if m := matches[p.offset]; !matched[m] {
				p.left, p.right = append(p.left, int32(p.row)), append(p.right, m)
			}
			p.offset++
		}
		if p.offset == len(matches) {
			p.row, p.offset = p.row+1, 0
		}
	}
}

// skipMarked goes on to the next row when the current one has been found to have a partner and needs no more.
func (p *probe) skipMarked() {
	if p.row < len(p.ids) && p.offset > 0 && p.marks[p.row] == markTrue {
		p.row, p.offset = p.row+1, 0
	}
}

// note marks the rows with a pair that holds (keep; nil for all).
func (p *probe) note(keep []bool) {
	for i, l := range p.left {
		if p.right[i] >= 0 && (keep == nil || keep[i]) {
			p.marks[l] = markTrue
		}
	}
}

// decide turns candidates into output, in place: pairs that hold (keep; nil for all), and with lonely a row that has
// none. With single a second partner is an error. matched notes the build rows of pairs that hold, for full joins.
func (p *probe) decide(lonely, single bool, keep []bool, matched []bool) error {
	n := 0
	for i, l := range p.left {
		r := p.right[i]
		holds := r >= 0 && (keep == nil || keep[i])
		if holds {
			if single && p.marks[l] == markTrue {
				return tooManyRows()
			}
			p.marks[l] = markTrue
			if matched != nil {
				matched[r] = true
			}
			p.left[n], p.right[n] = l, r
			n++
			continue
		}
		// The row's last candidate: the next pair is of another row, or the walk has gone on to one.
		last := i+1 < len(p.left) && p.left[i+1] != l || i+1 == len(p.left) && p.row > int(l)
		if lonely && last && p.marks[l] != markTrue {
			p.left[n], p.right[n] = l, -1
			n++
		}
	}
	p.left, p.right = p.left[:n], p.right[:n]
	return nil
}

func tooManyRows() error {
	return plan.Failf(plan.FailureUser, "[SCALAR_SUBQUERY_TOO_MANY_ROWS] More than one row returned by a subquery used as "+
		"an expression.")
}

// residual is the part of a join's condition beyond its keys, over only the columns that it reads.
type residual struct {
	program *compute.Program
	schema  plan.Schema
	columns []int // of left then right
	split   int   // columns of left
	rows    []int32
}

func newResidual(condition *plan.Expr, left, right plan.Schema, s plan.Session) (*residual, error) {
	all := append(append([]plan.Field(nil), left.Fields...), right.Fields...)
	used := map[int]bool{}
	condition.Columns(used)
	r := &residual{split: len(left.Fields)}
	place := make([]int, len(all))
	for c, f := range all {
		if used[c] {
			place[c] = len(r.columns)
			r.columns = append(r.columns, c)
			r.schema.Fields = append(r.schema.Fields, f)
		}
	}
	narrow := condition.Transform(func(e *plan.Expr) *plan.Expr {
		if e.Op != plan.OpColumn {
			return e
		}
		moved := *e
		moved.Column = place[e.Column]
		return &moved
	})
	var err error
	if r.program, err = compute.Compile(narrow, r.schema, s); err != nil {
		return nil, fmt.Errorf("compile join condition %s: %w", condition, err)
	}
	return r, nil
}

// holds says for each candidate pair whether the condition is true; nil without a condition. A row without candidates
// is not asked about.
func (r *residual) holds(env Env, p *probe, build arrow.Record) ([]bool, error) {
	if r == nil {
		return nil, nil
	}
	var at, left, right []int32
	for i, b := range p.right {
		if b >= 0 {
			at, left, right = append(at, int32(i)), append(left, p.left[i]), append(right, b)
		}
	}
	keep := make([]bool, len(p.right))
	if len(at) == 0 {
		return keep, nil
	}
	cols := make([]arrow.Array, len(r.columns))
	defer releaseArrays(cols)
	for i, c := range r.columns {
		if c < r.split {
			cols[i] = vector.Take(env.Mem, p.rec.Column(c), left)
		} else {
			cols[i] = vector.Take(env.Mem, build.Column(c-r.split), right)
		}
	}
	rec := vector.NewRecord(r.schema, cols, len(at))
	defer rec.Release()
	var err error
	if r.rows, err = r.program.Select(env.Mem, rec, r.rows[:0]); err != nil {
		return nil, err
	}
	for _, i := range r.rows {
		keep[at[i]] = true
	}
	return keep, nil
}
