package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/plan"
)

// model is a side file.
var model = filepath.Join("..", "..", "testdata", "plugins", "flights", "model.json")

// askFlights starts the plugin with functions of all kinds.
func askFlights(t *testing.T) *Plugin {
	t.Helper()
	if built.dir == "" {
		t.Skip("no go command to build the test plugins with")
	}
	if built.flights == "" {
		built.flights = mustBuild(built.dir, "flights")
	}
	p, err := Ask(t.Context(), built.flights, model)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// bound is a function with options and files, and a host that can call it.
func bound(t *testing.T, p *Plugin, export, options string, files map[string]string) (*Functions, plan.Function) {
	t.Helper()
	fn, err := p.Bind(t.Context(), export, options, files)
	if err != nil {
		t.Fatal(err)
	}
	blobs := map[string]string{p.SHA256: p.Path}
	for i, f := range fn.Files {
		blobs[f.SHA256] = files[fn.Files[i].Name]
	}
	h, err := New(Options{CacheDir: t.TempDir(), CallTimeout: 20 * time.Second, Fetch: func(_ context.Context, sha string) (io.ReadCloser, error) {
		return os.Open(blobs[sha])
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	f, err := h.Open(t.Context(), []plan.Function{fn})
	if err != nil {
		t.Fatal(err)
	}
	return f, fn
}

// batch is columns of ints, texts, timestamps (time.Time) and doubles; nil is NULL.
func batch(t *testing.T, columns ...[]any) arrow.Record {
	t.Helper()
	var fields []arrow.Field
	var cols []arrow.Array
	for i, values := range columns {
		col := build(values)
		cols = append(cols, col)
		fields = append(fields, arrow.Field{Name: fmt.Sprint("c", i), Type: col.DataType(), Nullable: true})
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, int64(len(columns[0])))
}

func build(values []any) arrow.Array {
	types := map[string]arrow.DataType{
		"int32": arrow.PrimitiveTypes.Int32, "int": arrow.PrimitiveTypes.Int64, "string": arrow.BinaryTypes.String,
		"float64": arrow.PrimitiveTypes.Float64, "time.Time": arrow.FixedWidthTypes.Timestamp_us,
	}
	var dt arrow.DataType
	for _, v := range values {
		if v != nil {
			dt = types[fmt.Sprintf("%T", v)]
		}
	}
	b := array.NewBuilder(memory.DefaultAllocator, dt)
	defer b.Release()
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			b.AppendNull()
		case int32:
			b.(*array.Int32Builder).Append(v)
		case int:
			b.(*array.Int64Builder).Append(int64(v))
		case string:
			b.(*array.StringBuilder).Append(v)
		case float64:
			b.(*array.Float64Builder).Append(v)
		case time.Time:
			b.(*array.TimestampBuilder).Append(arrow.Timestamp(v.UnixMicro()))
		}
	}
	return b.NewArray()
}

// read shows all rows of a call.
func read(t *testing.T, b *Batches, err error) (string, error) {
	t.Helper()
	if err != nil {
		return "", err
	}
	defer b.Close()
	var rows []string
	for {
		rec, err := b.Next(t.Context())
		if err == io.EOF {
			return strings.Join(rows, " "), nil
		}
		if err != nil {
			return strings.Join(rows, " "), err
		}
		rows = append(rows, rowTexts(rec)...)
		rec.Release()
	}
}

func rowTexts(rec arrow.Record) (rows []string) {
	for i := range int(rec.NumRows()) {
		var cells []string
		for _, col := range rec.Columns() {
			cells = append(cells, col.ValueStr(i))
		}
		rows = append(rows, strings.Join(cells, ","))
	}
	return rows
}

// input gives batches with the groups that begin in them.
func input(batches []arrow.Record, groups ...[]uint32) Input {
	next := 0
	return func(context.Context) (arrow.Record, []uint32, error) {
		if next == len(batches) {
			return nil, nil, io.EOF
		}
		next++
		batches[next-1].Retain()
		if groups == nil {
			return batches[next-1], nil, nil
		}
		return batches[next-1], groups[next-1], nil
	}
}

func minute(n int) time.Time { return time.Date(2001, 1, 10, 0, n, 0, 0, time.UTC) }

func TestTableFunctions(t *testing.T) {
	p := askFlights(t)
	perGroup, fn := bound(t, p, "gaps", `{"minutes":30}`, nil)
	if want := "TABLE(origin string, date timestamp) per group → (origin string, since timestamp, minutes bigint)"; fn.Signature() != want {
		t.Errorf("signature %s, want %s", fn.Signature(), want)
	}
	batches := []arrow.Record{
		batch(t, []any{"A", "A", "B"}, []any{minute(0), minute(40), minute(0)}),
		batch(t, []any{"B", "C"}, []any{minute(29), minute(100)}),
		batch(t, []any{"C"}, []any{minute(130)}),
	}
	b, err := perGroup.Table(t.Context(), "gaps", input(batches, []uint32{0, 2}, []uint32{1}, nil))
	got, err := read(t, b, err)
	if want := "A,2001-01-10 00:00:00Z,40 C,2001-01-10 01:40:00Z,30"; err != nil || got != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	perPartition, _ := bound(t, p, "numbered", "", nil)
	b, err = perPartition.Table(t.Context(), "numbered", input(batches))
	if got, err = read(t, b, err); err != nil || len(strings.Split(got, "Z")) != 7 || !strings.HasPrefix(got, "1,A,") {
		t.Errorf("got %s, %v", got, err)
	}
	each, _ := bound(t, p, "endpoints", "", nil)
	var many []arrow.Record
	for range 20 { // more than may be under way
		many = append(many, batch(t, []any{"A", "B"}, []any{"C", "D"}))
	}
	b, err = each.Table(t.Context(), "endpoints", input(many))
	if got, err = read(t, b, err); err != nil || got != strings.TrimSpace(strings.Repeat("A,from C,to B,from D,to ", 20)) {
		t.Errorf("got %s, %v", got, err)
	}
	b, err = each.Table(t.Context(), "endpoints", input([]arrow.Record{batch(t, []any{"A", nil}, []any{"C", "D"})}))
	_, err = read(t, b, err)
	failure(t, err, plan.FailureUser, "column origin is NULL in the row (NULL, 'D')")
	b, err = each.Table(t.Context(), "endpoints", func(context.Context) (arrow.Record, []uint32, error) { return nil, nil, errors.New("no input") })
	if _, err = read(t, b, err); err == nil || err.Error() != "no input" {
		t.Errorf("an error of the input: %v", err)
	}
	// A call that is closed early leaves the function usable.
	b, err = each.Table(t.Context(), "endpoints", input(many))
	if err != nil {
		t.Fatal(err)
	}
	rec, err := b.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec.Release()
	if err := errors.Join(b.Close(), b.Close()); err != nil {
		t.Error(err)
	}
	b, err = each.Table(t.Context(), "endpoints", input(many[:1]))
	if got, err = read(t, b, err); err != nil || got != "A,from C,to B,from D,to" {
		t.Errorf("after an early end: %s, %v", got, err)
	}
}

func TestAggregateFunctions(t *testing.T) {
	f, fn := bound(t, askFlights(t), "weighted_mean", "", nil)
	if want := "(double, double) → double or NULL, state (sum double, weight double)"; fn.Signature() != want {
		t.Errorf("signature %s, want %s", fn.Signature(), want)
	}
	fold := func(fold Fold) string {
		t.Helper()
		rec, err := f.Fold(t.Context(), "weighted_mean", fold)
		if err != nil {
			t.Fatal(err)
		}
		defer rec.Release()
		return strings.Join(rowTexts(rec), " ")
	}
	rows := batch(t, []any{int32(1), int32(0), int32(1)}, []any{2.0, 10.0, 4.0}, []any{1.0, nil, 3.0})
	if got := fold(Fold{Rows: rows, Groups: 3}); got != "0,0 14,4 0,0" {
		t.Errorf("states %s", got)
	}
	if got := fold(Fold{Rows: rows, Groups: 2, Finish: true}); got != "(null) 3.5" {
		t.Errorf("results %s", got)
	}
	states := batch(t, []any{int32(0), int32(0)}, []any{14.0, 6.0}, []any{4.0, 1.0})
	if got := fold(Fold{Rows: states, Groups: 1, Merge: true, Finish: true}); got != "4" {
		t.Errorf("merged %s", got)
	}
	_, err := f.Fold(t.Context(), "weighted_mean", Fold{Rows: rows, Groups: 1})
	failure(t, err, plan.FailurePlugin, "row 0 is of group 1 of 1")
	if got := fold(Fold{Rows: rows, Groups: 3}); got != "0,0 14,4 0,0" {
		t.Errorf("after that, states %s", got)
	}
	if folds := f.leased().folds; folds != (runtime.GOOS == "linux") {
		t.Errorf("folds in shared memory: %t", folds)
	}
}

func TestSideFiles(t *testing.T) {
	p := askFlights(t)
	f, fn := bound(t, p, "late_probability", `{"temperature":2}`, map[string]string{"model": model})
	if len(fn.Files) != 1 || fn.Files[0].Name != "model" || len(fn.Blobs()) != 2 {
		t.Errorf("pinned %+v", fn.Files)
	}
	for range 2 {
		col, _, err := f.Call(t.Context(), "late_probability", batch(t, []any{2000, 2000}, []any{0, 18}))
		if err != nil {
			t.Fatal(err)
		}
		if got := col.String(); got != "[0.2689414213699951 0.34864513533394575]" {
			t.Errorf("got %s", got)
		}
		col.Release()
	}
	for want, c := range map[string]struct {
		options string
		files   map[string]string
	}{
		"option : file : temperature is 0, and has to be above 0":                                   {`{"temperature":0}`, map[string]string{"model": model}},
		`option /temprature: file : the function has no option "temprature"`:                        {`{"temprature":1}`, map[string]string{"model": model}},
		`option : file model: the function needs a file "model": JSON with bias, distance and hour`: {"", nil},
		"option : file model: stat /nothing.json: no such file or directory":                        {"", map[string]string{"model": "/nothing.json"}},
		`option : file vocabulary: the function takes no file "vocabulary"`:                         {"", map[string]string{"vocabulary": model}},
		"option /temperature: file : option temperature: a JSON string is no number":                {`{"temperature":"x"}`, map[string]string{"model": model}},
	} {
		_, err := p.Bind(t.Context(), "late_probability", c.options, c.files)
		var no *Refusal
		if !errors.As(err, &no) || fmt.Sprintf("option %s: file %s: %s", no.Option, no.File, no.Message) != want {
			t.Errorf("got %#v, want %s", err, want)
		}
	}
	// A worker's cache that holds something else under the digest fetches again; one that gets something else refuses.
	path := filepath.Join(f.host.opts.CacheDir, "files", fn.Files[0].SHA256)
	if err := errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("other"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if side, err := f.host.sideFiles(t.Context(), fn); err != nil {
		t.Error(err)
	} else if sha, err := Digest(side[0].Path); err != nil || sha != fn.Files[0].SHA256 {
		t.Errorf("the damaged file stayed: %v", err)
	}
	fn.Files[0].SHA256 = strings.Repeat("0", 64)
	f.host.opts.Fetch = func(context.Context, string) (io.ReadCloser, error) { return os.Open(model) }
	if _, err := f.host.sideFiles(t.Context(), fn); err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("another file was taken: %v", err)
	}
}

func TestSourceFunctions(t *testing.T) {
	p := askFlights(t)
	f, fn := bound(t, p, "calendar", `{"from":"2001-01-30","to":"2001-03-02"}`, nil)
	if len(fn.Tasks) != 3 || fn.Tasks[0].Rows != 2 || fn.Tasks[1].Rows != 28 {
		t.Errorf("tasks %+v", fn.Tasks)
	}
	b, err := f.Read(t.Context(), "calendar", 2, []int{2, 0})
	if got, err := read(t, b, err); err != nil || got != "false,2001-03-01 false,2001-03-02" {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := p.Bind(t.Context(), "calendar", `{"from":"x","to":"2001-03-02"}`, nil); err == nil || !strings.Contains(err.Error(), "from: parsing time") {
		t.Errorf("got %v", err)
	}
}
