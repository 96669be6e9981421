package operator_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/worker/operator"
)

// share is a Memory with a limit.
type share struct {
	books
	limit, most int64
}

func (s *share) Reserve(n int64) error {
	if s.held+n > s.limit {
		return plan.Failf(plan.FailureOutOfMemory, "%d bytes are too many", n)
	}
	s.Take(n)
	s.most = max(s.most, s.held)
	return nil
}

// Many rows are put near their places before they are sorted where memory has room for them twice, and taken from where they
// are else.
func TestSortOfManyRows(t *testing.T) {
	const rows = 100_000
	in := schema(t, "k bigint, s string")
	var once, twice share
	for _, c := range []struct {
		name   string
		memory *share
		limit  int64
	}{{"twice", &twice, 1 << 40}, {"once", &once, 16 << 20}} {
		t.Run(c.name, func(t *testing.T) {
			c.memory.limit = c.limit
			op := operator.NewSort(operator.Env{Memory: c.memory, BatchRows: 1000}, &generated{in, rows, rows}, &plan.Sort{Keys: []plan.SortKey{{Column: 0}}, Limit: -1})
			next := int64(0)
			for {
				rec, err := op.Next(context.Background())
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				for i, k := range vector.Int64s(rec.Column(0)) {
					if text := vector.Format(rec.Column(1), i); k != next*1_000_003 || text != fmt.Sprintf("%060d", k) {
						t.Fatalf("row %d is %d, %s", next, k, text)
					}
					next++
				}
				rec.Release()
			}
			if err := op.Close(); err != nil || next != rows || c.memory.held != 0 {
				t.Errorf("%d rows, %v, %d bytes still reserved", next, err, c.memory.held)
			}
		})
	}
	if once.most >= twice.most*3/4 {
		t.Errorf("at most %d bytes reserved with little memory, %d with much", once.most, twice.most)
	}
}
