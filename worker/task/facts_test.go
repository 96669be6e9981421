package task

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/worker/operator"
)

// pluginRows answers an input a batch at a time, slowly.
type pluginRows struct {
	input operator.PluginInput
	slow  time.Duration
}

func (r pluginRows) Next(ctx context.Context) (arrow.Record, error) {
	time.Sleep(r.slow)
	_, _, err := r.input(ctx)
	return nil, err
}

func (pluginRows) Close() error { return nil }

type tableCaller struct {
	operator.Caller
	slow time.Duration
}

func (c tableCaller) Table(_ context.Context, _ string, input operator.PluginInput) (operator.PluginRows, error) {
	return pluginRows{input, c.slow}, nil
}

// The time in which the input of a table function is made is not counted as the function's.
func TestAskedTable(t *testing.T) {
	const own, making = 5 * time.Millisecond, 50 * time.Millisecond
	asked := &askedCaller{Caller: tableCaller{slow: own}}
	begin := time.Now()
	input := func(context.Context) (arrow.Record, []uint32, error) {
		time.Sleep(making) // stands for work
		return nil, nil, io.EOF
	}
	rows, err := asked.Table(t.Context(), "f", input)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rows.Next(t.Context()); err != io.EOF {
		t.Fatalf("the end came as %v", err)
	}
	all := time.Since(begin)
	facts := asked.facts()
	if len(facts) != 1 || facts[0].Name != "f" || facts[0].Calls != 1 {
		t.Fatalf("facts %+v", facts)
	}
	if took := time.Duration(facts[0].Nanos); took < own || took > all-making {
		t.Errorf("the function took %v of %v in which its input took %v", took, all, making)
	}
}
