package operator

import (
	"context"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// Limit skips some rows, passes some, and then asks its input for no more.
type Limit struct {
	stream
	skip int64
	left int64 // negative: all
}

var _ Operator = (*Limit)(nil)

// NewLimit makes a limit over input.
func NewLimit(env Env, input Operator, l *plan.Limit) *Limit {
	return &Limit{stream: newStream(env, input.Schema(), input), skip: l.Offset, left: l.Count}
}

// Next returns the next rows inside of the limits.
func (o *Limit) Next(ctx context.Context) (arrow.Record, error) { return o.step(ctx, o.next) }

func (o *Limit) next(ctx context.Context) (arrow.Record, error) {
	for o.left != 0 {
		rec, err := o.pull(ctx, 0)
		if err != nil {
			return nil, err
		}
		rows := rec.NumRows()
		from := min(o.skip, rows)
		o.skip -= from
		to := rows
		if o.left >= 0 {
			to = min(rows, from+o.left)
			o.left -= to - from
		}
		if from == 0 && to == rows {
			return rec, nil
		}
		var out arrow.Record
		if from < to {
			out = vector.Slice(rec, int(from), int(to))
		}
		rec.Release()
		if out != nil {
			return out, nil
		}
	}
	return nil, io.EOF
}
