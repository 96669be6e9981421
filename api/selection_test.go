package api

import (
	"math"
	"testing"
)

func TestSelectionRows(t *testing.T) {
	const all = math.MaxInt64
	cut := Selection{To: 1, Begin: Position{Task: 2, Row: 5}, End: Position{Task: 4, Row: 7}}
	for _, c := range []struct {
		of       Selection
		task     int
		from, to int64
	}{
		{Partition(3), 0, 0, all},
		{Partition(3), 9, 0, all},
		{cut, 1, 0, 0},
		{cut, 2, 5, all},
		{cut, 3, 0, all},
		{cut, 4, 0, 7},
		{cut, 5, 0, 0},
		{Selection{To: 1, Begin: Position{Task: 2, Row: 5}, End: Position{Task: 2, Row: 6}}, 2, 5, 6},
		{Selection{To: 1, End: Position{Task: 2}}, 2, 0, 0},
	} {
		if from, to := c.of.Rows(c.task); from != c.from || to != c.to {
			t.Errorf("%s of map task %d: rows %d to %d, want %d to %d", c.of, c.task, from, to, c.from, c.to)
		}
	}
}

func TestSelectionValidate(t *testing.T) {
	for _, s := range []Selection{{To: 1}, Partition(2), {To: 3, Begin: Position{Task: 1}}, {To: 1, Begin: Position{Task: 1, Row: 4}, End: Position{Task: 1, Row: 4}}, {To: 1, Slice: Slice{Number: 1, Of: 2}}} {
		if err := s.Validate(3); err != nil {
			t.Errorf("%s: %v", s, err)
		}
	}
	for _, s := range []Selection{
		{}, {From: -1, To: 1}, {From: 2, To: 2}, {To: 4}, {To: 1, Begin: Position{Task: -1}}, {To: 1, End: Position{Row: -1}},
		{To: 1, Begin: Position{Task: 2}, End: Position{Task: 1}}, {To: 2, Begin: Position{Row: 1}}, {To: 2, End: Position{Task: 1, Row: 1}},
		{To: 1, Slice: Slice{Number: 2, Of: 2}}, {To: 1, Slice: Slice{Number: 1}}, {To: 1, Slice: Slice{Number: -1, Of: 2}},
	} {
		if s.Validate(3) == nil {
			t.Errorf("%+v is accepted", s)
		}
	}
}
