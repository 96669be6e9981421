package operator

import (
	"context"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// newWindowFunction makes what computes a call over the columns of in.
func newWindowFunction(env Env, in plan.Schema, w *plan.Window, call plan.WindowCall) (windowFunction, error) {
	switch call.Func {
	case "row_number", "rank", "dense_rank", "percent_rank", "cume_dist":
		return &ranking{env: env, name: call.Func}, nil
	case "ntile":
		n := int64(1)
		if len(call.Params) > 0 {
			n = call.Params[0].Value.Int
		}
		if n <= 0 {
			return nil, fmt.Errorf("%d buckets", n)
		}
		return &ranking{env: env, name: call.Func, buckets: int(n)}, nil
	case "lag", "lead":
		return newOffset(env, call)
	}
	frame, err := newFrame(env, in, w, call.Frame)
	if err != nil {
		return nil, err
	}
	switch call.Func {
	case "first", "last", "any_value", "nth_value":
		if call.Filter == 0 {
			return newFrameValue(env, call, frame)
		}
	}
	return newFrameAggregate(env, in, call, frame)
}

// ranking is the functions that only ask where a row stands.
type ranking struct {
	env     Env
	name    string
	buckets int
	dense   int32 // rank of the row before
}

func (r *ranking) start(context.Context, *segment) error {
	r.dense = 0
	return nil
}

func (r *ranking) close() error { return nil }

func (r *ranking) column(_ context.Context, c *chunk) (arrow.Array, error) {
	n := c.to - c.from
	if r.name == "percent_rank" || r.name == "cume_dist" {
		buf, out := vector.Alloc[float64](r.env.Mem, n)
		for k := range out {
			size := c.partEnd[k] - c.partStart[k]
			switch {
			case r.name == "cume_dist":
				out[k] = float64(c.peerEnd[k]-c.partStart[k]) / float64(size)
			case size == 1:
				out[k] = 0
			default:
				out[k] = float64(c.peerStart[k]-c.partStart[k]) / float64(size-1)
			}
		}
		return vector.Make(arrow.PrimitiveTypes.Float64, n, nil, buf), nil
	}
	buf, out := vector.Alloc[int32](r.env.Mem, n)
	for k := range out {
		switch i := c.from + k; r.name {
		case "row_number":
			out[k] = int32(i - c.partStart[k] + 1)
		case "rank":
			out[k] = int32(c.peerStart[k] - c.partStart[k] + 1)
		case "ntile":
			out[k] = bucket(i-c.partStart[k], c.partEnd[k]-c.partStart[k], r.buckets)
		default:
			if i == c.partStart[k] {
				r.dense = 0
			}
			if i == c.peerStart[k] {
				r.dense++
			}
			out[k] = r.dense
		}
	}
	return vector.Make(arrow.PrimitiveTypes.Int32, n, nil, buf), nil
}

// bucket is the number of the bucket of row i of n: the first n mod buckets of them have one row more.
func bucket(i, n, buckets int) int32 {
	size, more := n/buckets, n%buckets
	if large := more * (size + 1); i >= large {
		return int32(more + (i-large)/size + 1)
	}
	return int32(i/(size+1) + 1)
}
