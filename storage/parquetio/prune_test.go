package parquetio_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage/parquetio"
)

// eventsSchema has a column that rises, some that do not, and nested ones.
func eventsSchema() plan.Schema {
	return plan.Schema{Fields: []plan.Field{
		{Name: "id", Type: plan.Int64},
		{Name: "user", Type: plan.String, Nullable: true},
		{Name: "score", Type: plan.Float64, Nullable: true},
		{Name: "tags", Type: plan.Array(plan.String, true), Nullable: true},
		{Name: "at", Type: plan.Struct(plan.Field{Name: "x", Type: plan.Int32, Nullable: true}), Nullable: true},
	}}
}

func events(t testing.TB, rows int) arrow.Record {
	rng, schema := rand.New(rand.NewPCG(5, 6)), eventsSchema()
	builders := make([]*vector.Builder, len(schema.Fields))
	for i, f := range schema.Fields {
		builders[i] = vector.NewBuilder(memory.DefaultAllocator, f.Type)
	}
	null := plan.Literal{Null: true}
	for i := range rows {
		user, score, tags, at := null, null, null, null
		if rng.IntN(10) > 0 {
			user = plan.Literal{Bytes: fmt.Appendf(nil, "user-%04d", rng.IntN(5000))}
		}
		if rng.IntN(10) > 0 {
			e, _ := plan.LiteralExpr(plan.Float64, rng.Float64())
			score = e.Value
		}
		if rng.IntN(5) > 0 {
			tags = plan.Literal{}
			for range rng.IntN(4) {
				tags.Items = append(tags.Items, plan.Literal{Bytes: fmt.Appendf(nil, "t%d", rng.IntN(1000)), Null: rng.IntN(5) == 0})
			}
		}
		if rng.IntN(5) > 0 {
			at = plan.Literal{Items: []plan.Literal{{Int: int64(i)}}}
		}
		for c, v := range []plan.Literal{{Int: int64(i)*2 + int64(rng.IntN(50))}, user, score, tags, at} {
			builders[c].AppendLiteral(v)
		}
	}
	cols := make([]arrow.Array, len(builders))
	for i, b := range builders {
		col, err := b.Finish()
		if err != nil {
			t.Fatal(err)
		}
		cols[i] = col
	}
	return vector.NewRecord(schema, cols, rows)
}

// TestPrunedRows reads with predicates: what is left out must not match them, and what is not must be as it was.
func TestPrunedRows(t *testing.T) {
	schema, rows := eventsSchema(), 30_000
	rec := events(t, rows)
	defer rec.Release()
	id, user, score := plan.ColumnExpr(0, schema.Fields[0]), plan.ColumnExpr(1, schema.Fields[1]), plan.ColumnExpr(2, schema.Fields[2])
	call := func(name string, args ...*plan.Expr) *plan.Expr { return plan.CallExpr(name, plan.Boolean, args...) }
	num, str := plan.Int64Literal, plan.StringLiteral
	middle := vector.Int64s(rec.Column(0))[12_345]
	half, _ := plan.LiteralExpr(plan.Float64, 0.999)
	ids, users, scores := vector.Int64s(rec.Column(0)), rec.Column(1), vector.Float64s(rec.Column(2))
	is := func(r int, names ...string) bool {
		for _, n := range names {
			if vector.Format(users, r) == n {
				return true
			}
		}
		return false
	}
	for _, c := range []struct {
		prune   []*plan.Expr
		match   func(r int) bool
		atMost  int  // rows put out
		byPages bool // the page index leaves something out
	}{
		{[]*plan.Expr{call("=", id, num(middle))}, func(r int) bool { return ids[r] == middle }, 2000, true},
		{[]*plan.Expr{call(">=", id, num(100)), call("<", id, num(300))}, func(r int) bool { return ids[r] >= 100 && ids[r] < 300 }, 2000, true},
		{[]*plan.Expr{call("or", call("<", id, num(50)), call(">", id, num(59_900)))}, func(r int) bool { return ids[r] < 50 || ids[r] > 59_900 }, 3000, true},
		{[]*plan.Expr{call("=", user, str("user-0017"))}, func(r int) bool { return is(r, "user-0017") }, 400, false},
		{[]*plan.Expr{call("in", user, str("user-0017"), str("user-4711"))}, func(r int) bool { return is(r, "user-0017", "user-4711") }, 800, false},
		{[]*plan.Expr{call("=", user, str("nobody"))}, func(int) bool { return false }, 0, false},
		{[]*plan.Expr{call(">", score, half)}, func(r int) bool { return scores[r] > 0.999 && rec.Column(2).IsValid(r) }, 1500, false},
		{[]*plan.Expr{call(">", score, half), call("<", id, num(10_000))}, func(r int) bool { return scores[r] > 0.999 && rec.Column(2).IsValid(r) && ids[r] < 10_000 }, 500, true},
		{[]*plan.Expr{call("isnotnull", user)}, func(r int) bool { return rec.Column(1).IsValid(r) }, rows, false},
	} {
		for name, opts := range map[string]parquetio.WriterOptions{
			"groups":  {GroupRows: 7000, PageBytes: 4 << 10},
			"one":     {PageBytes: 4 << 10, NoDictionary: true, Compression: "none"},
			"filters": {GroupRows: 10_000, PageBytes: 8 << 10, BloomFilters: []string{"user", "ID"}},
		} {
			path := saved(t, write(t, schema, opts, rows, rec))
			for _, batch := range []int{0, 1000} {
				checkPruned(t, fmt.Sprint(c.prune, name, batch), path, parquetio.ScanOptions{BatchRows: batch}, rec, c.prune, c.match, c.atMost, c.byPages && name == "one")
			}
		}
	}
}

func checkPruned(t *testing.T, name, path string, opts parquetio.ScanOptions, rec arrow.Record, prune []*plan.Expr, match func(int) bool, atMost int, byPages bool) {
	t.Helper()
	schema := eventsSchema()
	node := &plan.Scan{Source: "t", Prune: prune}
	for _, f := range schema.Fields {
		node.Columns = append(node.Columns, plan.ScanColumn{Name: f.Name})
	}
	node.Columns = append(node.Columns, plan.ScanColumn{Name: "row_index", Virtual: plan.VirtualRow})
	schema.Fields = append(schema.Fields, plan.Field{Name: "row_index", Type: plan.Int64})
	got, counts, err := scanText(path, node, schema, opts)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	seen := map[int]bool{}
	for _, row := range got {
		parts := strings.Split(row, "|")
		r, err := strconv.Atoi(parts[len(parts)-1])
		if err != nil || seen[r] {
			t.Fatalf("%s: row %s twice", name, row)
		}
		seen[r] = true
		for c := range int(rec.NumCols()) {
			if want := vector.Format(rec.Column(c), r); parts[c] != want {
				t.Fatalf("%s: row %d, column %d: got %s, want %s", name, r, c, parts[c], want)
			}
		}
	}
	for r := range int(rec.NumRows()) {
		if match(r) && !seen[r] {
			t.Fatalf("%s: row %d is missing", name, r)
		}
	}
	if len(got) > atMost {
		t.Errorf("%s: %d rows, want at most %d; %+v", name, len(got), atMost, counts)
	}
	if byPages && counts.PagesPruned == 0 {
		t.Errorf("%s: no pages left out: %+v", name, counts)
	}
}

// A set of numbers leaves out row groups, pages and rows, alone and beside predicates.
func TestRowsAmongSets(t *testing.T) {
	schema, rows := eventsSchema(), 30_000
	rec := events(t, rows)
	defer rec.Release()
	ids := vector.Int64s(rec.Column(0))
	member := func(v int64) bool { return v >= 20_000 && v < 20_100 || v == 41_000 }
	set := vector.NewBitmap(20_000, 41_000)
	for v := int64(20_000); v <= 41_000; v++ {
		if member(v) {
			set.Add(vector.FromInt64s(memory.DefaultAllocator, []int64{v}))
		}
	}
	match := func(r int) bool { return member(ids[r]) }
	score, _ := plan.LiteralExpr(plan.Float64, 0.5)
	above := plan.CallExpr(">", plan.Boolean, plan.ColumnExpr(2, schema.Fields[2]), score)
	scores := vector.Float64s(rec.Column(2))
	for name, opts := range map[string]parquetio.WriterOptions{"groups": {GroupRows: 7000, PageBytes: 4 << 10}, "one": {PageBytes: 4 << 10}} {
		path := saved(t, write(t, schema, opts, rows, rec))
		for _, batch := range []int{0, 1000} {
			o := parquetio.ScanOptions{BatchRows: batch, Among: map[int]*vector.Bitmap{0: set}}
			checkPruned(t, name, path, o, rec, nil, match, 300, name == "one")
			both := func(r int) bool { return match(r) && rec.Column(2).IsValid(r) && scores[r] > 0.5 }
			checkPruned(t, name+" and a predicate", path, o, rec, []*plan.Expr{above}, both, 200, name == "one")
		}
	}
}

// TestBloomFilters writes filters with every codec, in small pages and large ones: the writer reads its pages back for
// them. What is there is found, what is not rules out row groups.
func TestBloomFilters(t *testing.T) {
	schema, rows := eventsSchema(), 3000
	rec := events(t, rows)
	defer rec.Release()
	user := plan.ColumnExpr(1, schema.Fields[1])
	for _, codec := range []string{"zstd", "snappy", "gzip", "lz4", "brotli", "none"} {
		for _, page := range []int{1 << 10, 1 << 20} {
			opts := parquetio.WriterOptions{Compression: codec, GroupRows: 1000, PageBytes: page, BloomFilters: []string{"user", "id", "score"}}
			path := saved(t, write(t, schema, opts, 700, rec))
			wanted := vector.Format(rec.Column(1), 1234)
			for name, most := range map[string]int{wanted: 1000, "user-none": 0} {
				prune := []*plan.Expr{plan.CallExpr("=", plan.Boolean, user, plan.StringLiteral(name))}
				match := func(r int) bool { return vector.Format(rec.Column(1), r) == name }
				checkPruned(t, codec+" "+name, path, parquetio.ScanOptions{}, rec, prune, match, most, false)
			}
		}
	}
}

func TestVirtualColumns(t *testing.T) {
	schema := eventsSchema()
	rec := events(t, 2500)
	defer rec.Release()
	path := saved(t, write(t, schema, parquetio.WriterOptions{GroupRows: 1000}, 2500, rec))
	node := &plan.Scan{Columns: []plan.ScanColumn{{Virtual: plan.VirtualFile}, {Virtual: plan.VirtualRow}, {Name: "new"}}}
	got, _, err := scanText(path, node, plan.Schema{Fields: []plan.Field{
		{Name: "f", Type: plan.String}, {Name: "r", Type: plan.Int64}, {Name: "new", Type: plan.Array(plan.Int64, true), Nullable: true},
	}}, parquetio.ScanOptions{BatchRows: 300})
	if err != nil || len(got) != 2500 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	for r, row := range got {
		if want := fmt.Sprintf("file://%s|%d|NULL", path, r); row != want {
			t.Fatalf("got %s, want %s", row, want)
		}
	}
}
