package host

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/plan"
)

// quarantining binds the functions of panicky, so that what they cannot do is put aside.
func quarantining(t *testing.T) (*Host, *Functions) {
	h, _, fns := open(t, built.panicky, func(o *Options) { o.CallTimeout = 10 * time.Second })
	for i := range fns {
		fns[i].OnError = plan.QuarantineRow
	}
	f, err := h.Open(t.Context(), fns)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return h, f
}

// partOf is what a table function gives for rows, and the rows that it could not do, with their reasons.
func partOf(t *testing.T, f *Functions, function string, groups []uint32, values ...any) (gave []int64, rejected []string) {
	t.Helper()
	made, gone, err := f.TablePart(t.Context(), function, ints(t, values...), groups)
	if err != nil {
		t.Fatalf("%s: %v", function, err)
	}
	for _, rec := range made {
		gave = append(gave, rec.Column(0).(*array.Int64).Int64Values()...)
		rec.Release()
	}
	for _, r := range gone {
		rejected = append(rejected, fmt.Sprintf("%d %s", r.Row, r.Reason))
	}
	return gave, rejected
}

// Rows that a function per batch refuses, or that end its process, are told; the others are done, in order.
func TestTableRowsPutAside(t *testing.T) {
	h, f := quarantining(t)
	var rows []any
	var want []int64
	for i := range 400 {
		v := i % 50
		rows = append(rows, v)
		if v != 13 {
			want = append(want, int64(v), int64(v))
		}
	}
	gave, rejected := partOf(t, f, "each_fails_on_13", nil, rows...)
	if !slices.Equal(gave, want) || len(rejected) != 8 || rejected[1] != "63 thirteen" {
		t.Errorf("%d values, rejected %v", len(gave), rejected)
	}
	if n := len(pids(h)); n != 1 {
		t.Errorf("rows that were refused took %d processes", n)
	}
	rows[300] = nil // the function takes none
	gave, rejected = partOf(t, f, "each_dies_on_13", nil, rows[200:302]...)
	if len(gave) != 2*(102-3) || len(rejected) != 3 || !strings.Contains(rejected[0], "13 the plugin process died: exit status 2, panic: thirteen") ||
		!strings.HasPrefix(rejected[2], "100 column v is NULL") {
		t.Errorf("%d values, rejected %v", len(gave), rejected)
	}
}

// Of a function per group, the group goes with all of its rows, and what it gave before it failed does not count.
func TestTableGroupsPutAside(t *testing.T) {
	_, f := quarantining(t)
	rows := []any{1, 2, 3, 12, 13, 14, 5, 13, 7}
	groups := []uint32{0, 3, 6, 7, 8}
	want := []int64{-1, -2, -3, 6, -5, 5, -7, 7}
	for function, reason := range map[string]string{"group_fails_on_13": "thirteen", "group_dies_on_13": "the plugin process died: exit status 2, panic: thirteen, out of reach"} {
		gave, rejected := partOf(t, f, function, groups, rows...)
		if !slices.Equal(gave, want) {
			t.Errorf("%s gave %v, not %v", function, gave, want)
		}
		if wanted := []string{"3 " + reason, "4 " + reason, "5 " + reason, "7 " + reason}; !reflect.DeepEqual(rejected, wanted) {
			t.Errorf("%s rejected %q", function, rejected)
		}
	}
}

// A function that loses a process with each row is at fault, not the rows.
func TestTableThatAlwaysDies(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes two hundred processes")
	}
	_, f := quarantining(t)
	thirteens := slices.Repeat([]any{13}, maxDeadly+1)
	_, _, err := f.TablePart(t.Context(), "each_dies_on_13", ints(t, thirteens...), nil)
	failure(t, err, plan.FailurePlugin, "101 rows of this task have gone wrong")
}

func TestTreatmentsThatMakeNoSense(t *testing.T) {
	_, _, fns := open(t, built.panicky, nil)
	byName := map[string]*plan.Function{"fold": {Kind: plan.FunctionAggregate}, "source": {Kind: plan.FunctionSource}}
	for i := range fns {
		byName[fns[i].Name] = &fns[i]
	}
	for _, c := range []struct {
		function  string
		treatment plan.OnError
		why       string
	}{
		{"fails_on_13", plan.NullOnError, ""}, {"fails_on_13", plan.QuarantineRow, ""}, {"fold", plan.FailRun, ""},
		{"each_fails_on_13", plan.QuarantineRow, ""}, {"group_fails_on_13", plan.QuarantineRow, ""},
		{"each_fails_on_13", plan.NullOnError, "no value that could be NULL"},
		{"partition_fails_on_13", plan.QuarantineRow, "per group"},
		{"fold", plan.QuarantineRow, "FILTER"}, {"fold", plan.NullOnError, "FILTER"}, {"source", plan.QuarantineRow, "no rows"},
	} {
		if why := c.treatment.WhyNot(byName[c.function]); (why == "") != (c.why == "") || !strings.Contains(why, c.why) {
			t.Errorf("%s, %s: %q", c.function, c.treatment, why)
		}
	}
}
