package udf

import (
	"encoding/json"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/udf/udfpb"
)

// Source is a function that makes rows out of nothing but its options and files, as a table in FROM or an input of a job.
// Split divides the work into tasks, which travel as JSON to the machines where read makes their rows; what it gives must
// depend on options and files alone. If T has a method Rows() uint64, it tells about how many rows a task makes. The fields of Row
// are columns, as of Each.
func Source[T, Row any](name string, split func(ctx *Context) ([]T, error), read func(ctx *Context, task T, emit func(Row)) error, opts ...Option) Function {
	fn := newFunction(name, udfpb.FunctionKind_FUNCTION_KIND_SOURCE, opts)
	rows, err := rowsOf[Row]()
	if err != nil {
		fn.err = err
	}
	fn.describe.Output = described(rows.columns)
	fn.open = func(ctx *Context) (*instance, error) {
		return &instance{ctx: ctx, split: func(ctx *Context) ([]*udfpb.SourceTask, error) {
			tasks, err := split(ctx)
			if err != nil {
				return nil, err
			}
			return encodeTasks(tasks)
		}, read: func(ctx *Context, payload []byte, columns []int, emit func(arrow.Record)) error {
			var task T
			if err := json.Unmarshal(payload, &task); err != nil {
				return fmt.Errorf("task: %w", err)
			}
			var made []Row
			err := read(ctx, task, func(row Row) {
				if made = append(made, row); len(made) == batchRows {
					emit(rows.build(made, columns))
					made = made[:0:0] // what was sent may still be read
				}
			})
			if err == nil && len(made) > 0 {
				emit(rows.build(made, columns))
			}
			return err
		}}, nil
	}
	return fn
}

func encodeTasks[T any](tasks []T) ([]*udfpb.SourceTask, error) {
	out := make([]*udfpb.SourceTask, len(tasks))
	for i, t := range tasks {
		payload, err := json.Marshal(t)
		if err != nil {
			return nil, fmt.Errorf("task %d: %w", i, err)
		}
		if len(payload) > udfpb.MaxTask {
			return nil, fmt.Errorf("task %d: %d bytes; a task has at most %d", i, len(payload), udfpb.MaxTask)
		}
		out[i] = &udfpb.SourceTask{Payload: payload}
		if sized, ok := any(t).(interface{ Rows() uint64 }); ok {
			out[i].Rows = sized.Rows()
		}
	}
	return out, nil
}
