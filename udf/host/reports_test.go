package host

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/quern-engine/quern/udf/udfpb"
)

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
