package host

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/quern-engine/quern/udf/udfpb"
)

// Whatever an attempt's functions print and log before they answer goes to the attempt's log, and what the next attempt has done in
// the same process to that one's.
func TestAttemptsHaveLogsOfTheirOwn(t *testing.T) {
	h, _, fns := open(t, built.panicky, nil)
	for i := range 50 {
		var out bytes.Buffer
		f, err := h.Open(t.Context(), fns)
		if err != nil {
			t.Fatal(err)
		}
		f.LogTo(slog.New(slog.NewTextHandler(&out, nil)))
		ask(t, f, "says", ints(t, i, i+1000))
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		said := out.String() // nobody writes to it any more
		if strings.Count(said, "plugin says") != 2 || strings.Count(said, "plugin logs") != 2 {
			t.Errorf("attempt %d: %s", i, said)
		}
		for _, want := range []string{fmt.Sprintf(`text="this is row %d"`, i), fmt.Sprintf(`text="this is row %d"`, i+1000), `function=says text="a row"`} {
			if !strings.Contains(said, want) {
				t.Errorf("attempt %d: %q is not in %s", i, want, said)
			}
		}
	}
	if n := len(pids(h)); n != 1 {
		t.Errorf("%d processes", n)
	}
}

// The last words of a process that dies are in the log of the attempt that used it.
func TestLastWordsAreLogged(t *testing.T) {
	_, f, _ := open(t, built.panicky, nil)
	var out bytes.Buffer
	f.LogTo(slog.New(slog.NewTextHandler(&out, nil)))
	if _, _, err := f.Call(t.Context(), "exits_on_13", ints(t, 13)); err == nil {
		t.Fatal("it did not die")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if said := out.String(); !strings.Contains(said, `text="thirteen is too much for me"`) {
		t.Error(said)
	}
}

// A function that logs each row, or makes up counters, fills neither log nor memory.
func TestReportsAreBounded(t *testing.T) {
	var out bytes.Buffer
	r := reports{log: slog.New(slog.NewTextHandler(&out, nil))}
	for range 3 * mostRecords {
		r.take("f", &udfpb.Report{Logs: []*udfpb.LogRecord{{Level: 4, Message: "odd row", Attributes: `{"row":1}`}}})
	}
	for i := range 3 * mostCounters {
		r.take("f", &udfpb.Report{Counters: map[string]int64{strings.Repeat("x", i): 1, "rows": 2}})
	}
	r.take("f", nil)
	r.close()
	said := out.String()
	if n := strings.Count(said, "odd row"); n != mostRecords {
		t.Errorf("%d records in the log", n)
	}
	if strings.Count(said, "more than is kept") != 1 || strings.Count(said, "plugin counts") != mostCounters {
		t.Errorf("the log ends: %s", said[max(0, len(said)-500):])
	}
	if !strings.Contains(said, "counter=f.rows value=600") {
		t.Error("the counter of rows is not summed up")
	}
}
