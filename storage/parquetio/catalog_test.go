package parquetio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"go.uber.org/goleak"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/parquetio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// numbers is a file with the column n: from, from+1, … in row groups of 10.
func numbers(t testing.TB, typ plan.Type, from, rows int) []byte {
	t.Helper()
	schema := plan.Schema{Fields: []plan.Field{{Name: "n", Type: typ}, {Name: "s", Type: plan.String, Nullable: true}}}
	n, s := array.NewBuilder(memory.DefaultAllocator, typ.Arrow()), array.NewStringBuilder(memory.DefaultAllocator)
	for i := range rows {
		appendValue(n, int64(from+i))
		s.Append(fmt.Sprintf("s%03d", from+i))
	}
	rec := vector.NewRecord(schema, []arrow.Array{n.NewArray(), s.NewArray()}, rows)
	return write(t, schema, parquetio.WriterOptions{GroupRows: 10}, rows, rec)
}

// folder writes files below a new folder.
func folder(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCatalogPartitions(t *testing.T) {
	file := numbers(t, plan.Int64, 0, 25)
	dir := folder(t, map[string][]byte{
		"dt=2001-01-02/hour=7/p=a%2Fb/x":                        file,
		"dt=2001-01-01/hour=11/p=__HIVE_DEFAULT_PARTITION__/x":  file,
		"dt=2001-01-01/hour=11/p=__HIVE_DEFAULT_PARTITION__/_x": nil,
		"_SUCCESS": nil,
	})
	store := storage.New()
	defer store.Close()
	catalog := parquetio.NewCatalog(store)
	table, err := catalog.Table(context.Background(), plan.Source{Name: "t", Path: dir})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := table.Schema.String(), "n bigint, s string, dt date not null, hour bigint not null, p string"; got != want {
		t.Errorf("schema is %s, want %s", got, want)
	}
	if len(table.Files) != 2 || table.Files[1].Partition[0].Int != 11324 || !table.Files[0].Partition[2].Null ||
		string(table.Files[1].Partition[2].Bytes) != "a/b" || table.Files[1].Partition[1].Int != 7 {
		t.Errorf("files: %+v", table.Files)
	}
	files, err := catalog.Statistics(context.Background(), table, table.Files[1:])
	if err != nil {
		t.Fatal(err)
	}
	groups := files[0].RowGroups
	if len(groups) != 3 || groups[2].Rows != 5 || groups[0].Bytes == 0 {
		t.Fatalf("row groups: %+v", groups)
	}
	n, s := groups[1].Columns[0], groups[1].Columns[1]
	if !n.HasBounds || n.Min.Int != 10 || n.Max.Int != 19 || n.NullCount != 0 {
		t.Errorf("statistics of n: %+v", n)
	}
	if !s.HasBounds || string(s.Min.Bytes) != "s010" || string(s.Max.Bytes) != "s019" || s.NullCount != 0 {
		t.Errorf("statistics of s: %+v", s)
	}

	// A declared type wins over what would be inferred; a glob's partitions begin after its fixed part.
	table, err = catalog.Table(context.Background(), plan.Source{Name: "t", Path: dir + "/dt=2001-01-*/hour=*/*/x",
		Partitions: map[string]plan.Type{"HOUR": plan.String}})
	if err != nil || table.Schema.Fields[3].Type.Kind != plan.KindString || len(table.Files) != 2 {
		t.Errorf("%+v, %v", table, err)
	}
}

func TestCatalogErrors(t *testing.T) {
	good, other := numbers(t, plan.Int32, 0, 5), numbers(t, plan.Int64, 0, 5)
	dir := folder(t, map[string][]byte{
		"mixed/a/x": good, "mixed/k=1/x": good, "types/1": good, "types/2": other, "dates/d=2001-13-01/x": good,
		"flights.parquet": good, "hollow/_SUCCESS": nil,
	})
	store := storage.New()
	defer store.Close()
	catalog := parquetio.NewCatalog(store)
	for _, c := range []struct {
		src  plan.Source
		want string
	}{
		{plan.Source{Path: dir + "/mixed"}, "all files of a source need the same"},
		{plan.Source{Path: dir + "/types"}, "column n has type bigint, but in " + dir + "/types/1 it has int"},
		{plan.Source{Path: dir + "/flihgts.parquet"}, "did you mean " + dir + "/flights.parquet?"},
		{plan.Source{Path: dir + "/hollow"}, "no data files"},
		{plan.Source{Path: dir + "/dates", Partitions: map[string]plan.Type{"d": plan.Date}}, "d=2001-13-01 is no date"},
		{plan.Source{Path: dir + "/dates", Partitions: map[string]plan.Type{"e": plan.Date}}, "no partition column e"},
		{plan.Source{Path: dir + "/flights.parquet", Options: map[string]string{"header": "true"}}, "the option header of Parquet is not supported"},
		{plan.Source{Path: "/dev/null"}, "not a regular file"},
	} {
		c.src.Name = "src"
		table, err := catalog.Table(context.Background(), c.src)
		if err == nil {
			_, err = catalog.Statistics(context.Background(), table, table.Files)
		}
		var f *plan.Failure
		if !errors.As(err, &f) || f.Kind != plan.FailureUser || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "source src") {
			t.Errorf("%s: got %v, want %q", c.src.Path, err, c.want)
		}
	}
}

// TestUnsupportedColumns reads the other columns of a file, and says of those that it cannot read what they are.
func TestUnsupportedColumns(t *testing.T) {
	path := dataFile(t, "parquet-testing/map_no_value.parquet")
	store := storage.New()
	defer store.Close()
	table, err := parquetio.NewCatalog(store).Table(context.Background(), plan.Source{Name: "t", Path: path})
	if err != nil {
		t.Fatal(err)
	}
	if got := table.Schema.String(); got != "my_map map<int,int>, my_list array<int>" {
		t.Errorf("schema %s", got)
	}
	if table.Unsupported["my_map_no_v"] != "map without a key and a value" {
		t.Errorf("unsupported %v", table.Unsupported)
	}
	_, err = scan(store, table.Files[0], plan.Schema{Fields: []plan.Field{{Name: "my_map_no_v", Type: plan.String}}})
	if err == nil || !strings.Contains(err.Error(), "column my_map_no_v has type map without a key and a value, which is not supported") {
		t.Errorf("got %v", err)
	}
}

// scan reads columns of one file and returns what it counted.
func scan(store *storage.Store, f plan.File, schema plan.Schema, prune ...*plan.Expr) (parquetio.Counts, error) {
	s, err := openScan(store, f, schema, prune...)
	if err != nil {
		return parquetio.Counts{}, err
	}
	defer s.Close()
	for {
		rec, err := s.Next(context.Background())
		if errors.Is(err, io.EOF) {
			return s.Counts(), nil
		}
		if err != nil {
			return s.Counts(), err
		}
		rec.Release()
	}
}

func openScan(store *storage.Store, f plan.File, schema plan.Schema, prune ...*plan.Expr) (*parquetio.Scanner, error) {
	node := &plan.Scan{Source: "t", Prune: prune}
	for _, c := range schema.Fields {
		node.Columns = append(node.Columns, plan.ScanColumn{Name: c.Name})
	}
	split := plan.Split{URL: f.URL, Size: f.Size, ETag: f.ETag, RowGroupEnd: max(len(f.RowGroups), 1)}
	return parquetio.OpenScan(context.Background(), store, node, schema, []plan.Split{split}, parquetio.ScanOptions{})
}

// numbersFile is numbers(0 … 99) as a file with statistics, in ten row groups.
func numbersFile(t *testing.T, store *storage.Store) (plan.File, plan.Schema) {
	t.Helper()
	dir := folder(t, map[string][]byte{"x": numbers(t, plan.Int64, 0, 100)})
	catalog := parquetio.NewCatalog(store)
	table, err := catalog.Table(context.Background(), plan.Source{Name: "t", Path: dir + "/x"})
	if err != nil {
		t.Fatal(err)
	}
	files, err := catalog.Statistics(context.Background(), table, table.Files)
	if err != nil {
		t.Fatal(err)
	}
	return files[0], table.Schema
}

func TestPruning(t *testing.T) {
	store := storage.New()
	defer store.Close()
	file, schema := numbersFile(t, store)
	n, s := plan.ColumnExpr(0, schema.Fields[0]), plan.ColumnExpr(1, schema.Fields[1])
	call := func(name string, args ...*plan.Expr) *plan.Expr { return plan.CallExpr(name, plan.Boolean, args...) }
	num, str := plan.Int64Literal, plan.StringLiteral
	for _, c := range []struct {
		e    *plan.Expr
		kept int64
	}{
		{call("=", n, num(42)), 1},
		{call("=", n, num(1000)), 0},
		{call("<", n, num(20)), 2},
		{call("<=", n, num(20)), 3},
		{call("<", num(79), n), 2},
		{call(">=", num(9), n), 1},
		{call(">", s, str("s089")), 1},
		{call("in", n, num(5), num(7), num(55)), 2},
		{call("and", call(">=", n, num(30)), call("<", n, num(50))), 2},
		{call("or", call("<", n, num(1)), call(">", n, num(98))), 2},
		{call("isnull", s), 0},
		{call("isnotnull", s), 10},
		{call("=", n, plan.NullLiteral(plan.Int64)), 0},
		{call("<=>", n, plan.NullLiteral(plan.Int64)), 0},
		{call("=", plan.CallExpr("+", plan.Int64, n, num(1)), num(42)), 10},
		{plan.BoolLiteral(false), 0},
		{call("not", call("=", n, num(42))), 10},
	} {
		counts, err := scan(store, file, schema, c.e)
		if err != nil || counts.Rows+counts.RowsPruned != c.kept*10 || counts.GroupsPruned != 10-c.kept {
			t.Errorf("%s: %+v, %v; want %d groups", c.e, counts, err, c.kept)
		}
	}
}

func TestScanErrors(t *testing.T) {
	store := storage.New()
	defer store.Close()
	file, schema := numbersFile(t, store)
	for name, c := range map[string]struct {
		file   plan.File
		schema plan.Schema
		want   string
	}{
		"other type": {file, plan.Schema{Fields: []plan.Field{{Name: "N", Type: plan.String}}}, "column n has type bigint, which does not become the table's string"},
		"other size": {plan.File{URL: file.URL, Size: file.Size + 1, ETag: file.ETag}, schema, "changed after the job was planned"},
		"other etag": {plan.File{URL: file.URL, Size: file.Size, ETag: "x"}, schema, "changed after the job was planned"},
		"gone":       {plan.File{URL: file.URL + "x", Size: file.Size}, schema, "no such file"},
	} {
		s, err := openScan(store, c.file, c.schema)
		if err != nil {
			t.Fatal(err)
		}
		_, first := s.Next(context.Background())
		_, second := s.Next(context.Background())
		if first == nil || !errors.Is(second, first) || !strings.Contains(first.Error(), c.want) || plan.AsFailure(first).Kind != plan.FailureUser {
			t.Errorf("%s: %v, then %v; want %q", name, first, second, c.want)
		}
		s.Close()
		s.Close()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s, err := openScan(store, file, schema)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Next(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestNoColumns counts rows without reading any, and TestPartitionColumns adds constants.
func TestNoColumns(t *testing.T) {
	store := storage.New()
	defer store.Close()
	file, _ := numbersFile(t, store)
	counts, err := scan(store, file, plan.Schema{})
	if err != nil || counts.Rows != 100 || counts.Bytes != 0 {
		t.Errorf("%+v, %v", counts, err)
	}
}

func TestPartitionColumns(t *testing.T) {
	store := storage.New()
	defer store.Close()
	file, _ := numbersFile(t, store)
	node := &plan.Scan{Columns: []plan.ScanColumn{{Name: "dt", Partition: 2}, {Name: "n"}, {Name: "p", Partition: 1}}}
	schema := plan.Schema{Fields: []plan.Field{{Name: "dt", Type: plan.Date}, {Name: "n", Type: plan.Int64}, {Name: "p", Type: plan.String, Nullable: true}}}
	splits := []plan.Split{
		{URL: file.URL, Size: file.Size, ETag: file.ETag, RowGroupStart: 1, RowGroupEnd: 2, Partition: []plan.Literal{{Bytes: []byte("x")}, {Int: 366}}},
		{URL: file.URL, Size: file.Size, ETag: file.ETag, RowGroupStart: 9, RowGroupEnd: 10, Partition: []plan.Literal{{Null: true}, {Int: 0}}},
	}
	mem := memory.NewCheckedAllocator(recycle.Poison())
	defer mem.AssertSize(t, 0)
	s, err := parquetio.OpenScan(context.Background(), store, node, schema, splits, parquetio.ScanOptions{BatchRows: 7, Mem: mem})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var got []string
	for {
		rec, err := s.Next(context.Background())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %s %s ×%d", vector.Format(rec.Column(0), 0), vector.Format(rec.Column(1), 0), vector.Format(rec.Column(2), 0), rec.NumRows()))
		rec.Release()
	}
	want := "[1971-01-02 10 x ×7 1971-01-02 17 x ×3 1970-01-01 90 NULL ×7 1970-01-01 97 NULL ×3]"
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
