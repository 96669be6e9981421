package operator

import (
	"context"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// asofSearcher finds the partners of an as-of join with a condition, for which a row's place decides nothing alone: it
// holds the right rows of a key within the tolerance, and tries them from the nearest on.
type asofSearcher struct {
	o    *AsofJoin
	cur  int64 // right rows before it come before the current left row, as the direction has it
	low  int64 // the first right row within the tolerance
	high int64 // forward: behind the last one
}

// some puts out the rest of the current left batch. Candidates are tried in rounds: the best of every row at once, then
// the second best of those for which the condition did not hold, and so on.
func (s *asofSearcher) some(ctx context.Context) (arrow.Record, error) {
	o := s.o
	var searches []asofSearch
	partners := make([]int64, o.left.rec.NumRows())
	o.right.trim(min(s.low, s.cur))
	for row := range partners {
		partners[row] = -1
		if o.left.lonely[row] {
			continue
		}
		if err := s.advance(ctx, row); err != nil {
			return nil, err
		}
		found, err := s.candidates(ctx, row)
		if err != nil {
			return nil, err
		}
		if found.from < found.to {
			searches = append(searches, found)
		}
	}
	for len(searches) > 0 {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		var err error
		if searches, err = s.round(searches, partners); err != nil {
			return nil, err
		}
	}
	out := o.newOutput()
	defer out.release()
	for row, p := range partners {
		if p < 0 {
			out.none(row)
			continue
		}
		b, i := o.right.at(p)
		out.left = append(out.left, int32(row))
		out.pick(0, asofRef{b, i})
	}
	o.row = len(partners)
	return out.record()
}

// asofSearch is a left row with its candidates, from up to, not including, to.
type asofSearch struct {
	row      int
	from, to int64
}

// advance moves cur behind the right rows that come before a left row: those of smaller keys and, of the same key,
// those of an earlier time; backward, exact matches are among them, forward, they are when they do not count.
func (s *asofSearcher) advance(ctx context.Context, row int) error {
	o := s.o
	equalGoes := (o.plan.Direction == plan.AsofBackward) == o.plan.Exact
	for {
		ok, err := o.right.reaches(ctx, s.cur)
		if err != nil || !ok {
			return err
		}
		b, i := o.right.at(s.cur)
		if !b.lonely[i] {
			order := b.keys.compare(i, o.left.keys, row)
			if order == 0 {
				order = b.times.compare(i, &o.left.times, row)
			}
			if order > 0 || order == 0 && !equalGoes {
				return nil
			}
		}
		s.cur++
	}
}

// candidates are the rows that a left row may have.
func (s *asofSearcher) candidates(ctx context.Context, row int) (asofSearch, error) {
	w := &s.o.right
	found := asofSearch{row: row}
	if s.o.plan.Direction == plan.AsofBackward {
		s.low = max(s.low, w.firstHeld())
		for s.low < s.cur && !w.reachable(&s.o.left, row, s.low) {
			s.low++
		}
		found.from, found.to = s.low, s.cur
		return found, nil
	}
	s.low, s.high = s.cur, max(s.high, s.cur)
	for {
		ok, err := w.reaches(ctx, s.high)
		if err != nil {
			return found, err
		}
		if !ok || !w.reachable(&s.o.left, row, s.high) {
			break
		}
		s.high++
	}
	found.from, found.to = s.cur, s.high
	return found, nil
}

// next takes the best of the candidates.
func (s *asofSearch) next(backward bool) int64 {
	if backward {
		s.to--
		return s.to
	}
	s.from++
	return s.from - 1
}

// round tries one candidate of every row and returns the searches that go on.
func (s *asofSearcher) round(searches []asofSearch, partners []int64) ([]asofSearch, error) {
	o, backward := s.o, s.o.plan.Direction == plan.AsofBackward
	p := probe{rec: o.left.rec}
	sources, picks, tried := []arrow.Record(nil), make([]vector.Pick, len(searches)), make([]int64, len(searches))
	for i := range searches {
		tried[i] = searches[i].next(backward)
		b, row := o.right.at(tried[i])
		if len(sources) == 0 || sources[len(sources)-1] != b.rec {
			sources = append(sources, b.rec)
		}
		picks[i] = vector.Pick{Source: int32(len(sources) - 1), Row: int32(row)}
		p.left, p.right = append(p.left, int32(searches[i].row)), append(p.right, int32(i))
	}
	candidates, err := vector.InterleaveRecords(o.env.Mem, o.inputs[1].Schema(), sources, picks)
	if err != nil {
		return nil, err
	}
	defer candidates.Release()
	keep, err := o.condition.holds(o.env, &p, candidates)
	if err != nil {
		return nil, err
	}
	left := searches[:0]
	for i, search := range searches {
		if keep[i] {
			partners[search.row] = tried[i]
		} else if search.from < search.to {
			left = append(left, search)
		}
	}
	return left, nil
}

// reaches makes sure that a row is loaded; false if the input has no such row.
func (w *asofWindow) reaches(ctx context.Context, row int64) (bool, error) {
	for row >= w.rows {
		if err := w.load(ctx); err == io.EOF {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	return true, nil
}

// at finds a row that is loaded and not trimmed.
func (w *asofWindow) at(row int64) (*asofBatch, int) {
	k := len(w.batches) - 1
	for w.batches[k].first > row {
		k--
	}
	return w.batches[k], int(row - w.batches[k].first)
}

// trim lets go of the batches before a row.
func (w *asofWindow) trim(row int64) {
	for len(w.batches) > 0 && w.batches[0].first+w.batches[0].rec.NumRows() <= row {
		w.drop(w.batches[0])
		w.batches = w.batches[1:]
	}
}

// firstHeld is the first row that is not trimmed.
func (w *asofWindow) firstHeld() int64 {
	if len(w.batches) == 0 {
		return w.rows
	}
	return w.batches[0].first
}

// reachable reports whether a right row has the keys of a left one, a time, and lies within the tolerance.
func (w *asofWindow) reachable(left *asofBatch, row int, right int64) bool {
	b, i := w.at(right)
	return !b.lonely[i] && b.keys.compare(i, left.keys, row) == 0 && w.o.reach.within(&left.ticks, row, &b.ticks, i)
}
