package api

import (
	"fmt"
	"math"
)

// Partition selects one partition whole.
func Partition(p int) Selection { return Selection{From: p, To: p + 1} }

// Validate says what is wrong with a selection of an output that has so many partitions.
func (s Selection) Validate(partitions int) error {
	switch {
	case s.From < 0 || s.To <= s.From || s.To > partitions:
		return fmt.Errorf("%s: there are %d partitions", s, partitions)
	case s.Begin.Task < 0 || s.Begin.Row < 0 || s.End.Task < 0 || s.End.Row < 0:
		return fmt.Errorf("%s: negative position", s)
	case s.End != (Position{}) && s.End.before(s.Begin):
		return fmt.Errorf("%s: it ends before it begins", s)
	case s.To-s.From > 1 && (s.Begin.Row != 0 || s.End.Row != 0):
		return fmt.Errorf("%s: several partitions, but not whole map outputs", s)
	case s.Slice.Number < 0 || s.Slice.Of < 0 || s.Slice != (Slice{}) && s.Slice.Number >= s.Slice.Of:
		return fmt.Errorf("%s: there is no such slice", s)
	case s.Share.Number < 0 || s.Share.Of < 0 || s.Share != (Share{}) && s.Share.Number >= s.Share.Of:
		return fmt.Errorf("%s: there is no such share", s)
	}
	return nil
}

// Whole reports that nothing of the selected partitions is left out.
func (s Selection) Whole() bool {
	return s.Begin == (Position{}) && s.End == (Position{}) && s.Slice == (Slice{}) && s.Share == (Share{})
}

// Rows are the rows that a selection takes of what a map task wrote to each of the partitions: from ≤ row < to, none where
// from ≥ to.
func (s Selection) Rows(task int) (from, to int64) {
	to = math.MaxInt64
	switch {
	case task < s.Begin.Task:
		to = 0
	case task == s.Begin.Task:
		from = s.Begin.Row
	}
	switch {
	case s.End == (Position{}) || task < s.End.Task:
	case task == s.End.Task:
		to = min(to, s.End.Row)
	default:
		to = 0
	}
	return from, to
}

// String names the selection in messages.
func (s Selection) String() string {
	text := fmt.Sprintf("partitions %d to %d", s.From, s.To-1)
	if s.To == s.From+1 {
		text = fmt.Sprintf("partition %d", s.From)
	}
	if s.Begin != (Position{}) {
		text += fmt.Sprintf(" from row %d of map task %d on", s.Begin.Row, s.Begin.Task)
	}
	if s.End != (Position{}) {
		text += fmt.Sprintf(" to row %d of map task %d", s.End.Row, s.End.Task)
	}
	if s.Slice != (Slice{}) {
		text += fmt.Sprintf(", slice %d of %d", s.Slice.Number+1, s.Slice.Of)
	}
	if s.Share != (Share{}) {
		text += fmt.Sprintf(", share %d of %d of the keys", s.Share.Number+1, s.Share.Of)
	}
	return text
}

func (p Position) before(q Position) bool {
	return p.Task < q.Task || (p.Task == q.Task && p.Row < q.Row)
}
