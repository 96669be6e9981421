package storage_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// findFiltered finds a table by way of its folders, of which keep drops some, and then the files that keep leaves.
func findFiltered(t *testing.T, s *storage.Store, src plan.Source, keep func([]plan.Literal) bool) *plan.Table {
	t.Helper()
	table, err := s.FindTable(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	left := func() []plan.File {
		return slices.DeleteFunc(slices.Clone(table.Files), func(f plan.File) bool { return !keep(f.Partition) })
	}
	for table.Folders != nil {
		if table, err = s.Unfold(t.Context(), table, left()); err != nil {
			t.Fatal(err)
		}
	}
	table.Files = left()
	return table
}

// checkFolded compares what is found by folders with what is found without.
func checkFolded(t *testing.T, s *storage.Store, src plan.Source, filtered []string, keep func([]plan.Literal) bool) *plan.Table {
	t.Helper()
	src.Filtered = nil
	want := findFiltered(t, s, src, keep)
	src.Filtered = filtered
	got := findFiltered(t, s, src, keep)
	if !reflect.DeepEqual(got.Partitions, want.Partitions) || !reflect.DeepEqual(got.Schema, want.Schema) {
		t.Errorf("columns %+v, want %+v", got.Partitions, want.Partitions)
	}
	if !reflect.DeepEqual(got.Files, want.Files) && len(got.Files)+len(want.Files) > 0 {
		t.Errorf("files %+v\nwant %+v", got.Files, want.Files)
	}
	if got.Sample[0].URL != want.Sample[0].URL {
		t.Errorf("columns come from %s, want %s", got.Sample[0].URL, want.Sample[0].URL)
	}
	return got
}

// is keeps what may have a value in a column; what is not known may.
func is(column int, want func(plan.Literal) bool) func([]plan.Literal) bool {
	return func(values []plan.Literal) bool { return column >= len(values) || want(values[column]) }
}

// TestFoldedTables makes random layouts of folders and finds in each the same columns and files by way of folders as without, whatever is
// asked for.
func TestFoldedTables(t *testing.T) {
	layouts := 25
	for _, kind := range kinds()[:2] { // with folders, and without
		t.Run(kind.name, func(t *testing.T) {
			s := storage.New()
			defer s.Close()
			s.SetPage(8)
			base := kind.base(t)
			folded, skipped := 0, 0
			for seed := range uint64(layouts) {
				r := rand.New(rand.NewPCG(seed, 1))
				src := plan.Source{Name: "t", Path: storage.Join(base, fmt.Sprint(seed)), Partitions: layOut(t, s, r, storage.Join(base, fmt.Sprint(seed)))}
				whole, err := s.FindTable(t.Context(), src)
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				for range 4 {
					column := r.IntN(len(whole.Partitions))
					wanted := whole.Files[r.IntN(len(whole.Files))].Partition[column]
					keep := is(column, func(v plan.Literal) bool { return reflect.DeepEqual(v, wanted) })
					if r.IntN(3) == 0 {
						keep = is(0, func(v plan.Literal) bool { return !v.Null && v.Int%2 == 0 && len(v.Bytes)%2 == 0 })
					}
					got := checkFolded(t, s, src, []string{"A", "b"}, keep)
					if got.Listed > 0 {
						folded++
					}
					skipped += got.Skipped
					if t.Failed() {
						t.Fatalf("seed %d", seed)
					}
				}
			}
			if folded < layouts || skipped < layouts {
				t.Errorf("%d tables by folders, %d folders skipped: the test tests little", folded, skipped)
			}
			t.Logf("%d tables by folders, %d folders skipped", folded, skipped)
		})
	}
}

// layOut makes a source of folders with values of a, and maybe b below, and returns the types that it declares.
func layOut(t *testing.T, s *storage.Store, r *rand.Rand, base string) map[string]plan.Type {
	t.Helper()
	values := [][]string{
		{"1", "2", "3", "10", "11", "20"},
		{"2001-01-01", "2001-01-02", "2001-01-03", "2001-02-01"},
		{"de", "en", "fr", "1", "2001-01-01", "a b", "ä"},
	}
	as, bs := values[r.IntN(len(values))], values[r.IntN(len(values))]
	declared := map[string]plan.Type{}
	if r.IntN(2) == 0 {
		declared["a"] = plan.String
	}
	nested := r.IntN(2) == 0
	if nested && r.IntN(3) > 0 {
		declared["b"] = plan.String
	}
	put := func(file string, size int) {
		if err := s.Put(t.Context(), storage.Join(base, file), make([]byte, size)); err != nil {
			t.Fatal(err)
		}
	}
	folder := func(column, value string) string {
		name, err := storage.PartitionFolder(column, value, value == "")
		if err != nil {
			t.Fatal(err)
		}
		return name
	}
	if r.IntN(3) == 0 {
		as = append(slices.Clone(as), "")
	}
	for i, a := range as {
		in := folder("a", a)
		if r.IntN(6) == 0 && i > 0 { // a folder without data
			put(in+"/_SUCCESS", 0)
			continue
		}
		if r.IntN(6) == 0 { // a dataset in versions
			put(in+"/_LATEST", 0)
			if err := s.Put(t.Context(), storage.Join(base, in+"/_LATEST"), []byte("v2")); err != nil {
				t.Fatal(err)
			}
			if nested {
				put(in+"/v1/"+folder("b", bs[0])+"/x", 1)
				put(in+"/v2/"+folder("b", bs[0])+"/x", 1)
			} else {
				put(in+"/v1/x", 1)
				put(in+"/v2/x", 1)
				put(in+"/v2/manifest.json", 1)
				put(in+"/v2/_SUCCESS", 0)
			}
			continue
		}
		for k := range 5 + r.IntN(10) {
			below := ""
			if nested {
				below = "/" + folder("b", bs[r.IntN(len(bs))])
			}
			put(fmt.Sprintf("%s%s/part-%d", in, below, k), r.IntN(9))
		}
	}
	return declared
}

// TestFoldersNotListed has partitions ruled out before they are listed: which requests are made then, and that there are none more where no
// condition helps.
func TestFoldersNotListed(t *testing.T) {
	for _, kind := range kinds()[2:] {
		t.Run(kind.name, func(t *testing.T) {
			f, base := newFront(t, kind.base(t))
			var mu sync.Mutex
			var listed []string
			f.spoil = func(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
				if prefix := r.URL.Query().Get("prefix"); prefix != "" && r.Method == http.MethodGet {
					mu.Lock()
					listed = append(listed, prefix[strings.LastIndex(prefix, "table/")+len("table/"):])
					mu.Unlock()
				}
				return false
			}
			s := storage.New()
			defer s.Close()
			s.SetPage(20)
			base = storage.Join(base, "table")
			var names []string
			for day := range 12 {
				for hour := range 3 {
					for part := range 10 {
						names = append(names, fmt.Sprintf("day=2001-01-%02d/hour=%d/part-%d", day+1, hour, part))
					}
				}
			}
			fill(t, s, base, names)
			requests := func(filtered []string, keep func([]plan.Literal) bool) (*plan.Table, []string, int64) {
				listed = nil
				f.requests.Store(0)
				src := plan.Source{Name: "t", Path: base, Partitions: map[string]plan.Type{"hour": plan.Int64}, Filtered: filtered}
				table := findFiltered(t, s, src, keep)
				return table, listed, f.requests.Load()
			}
			all := func([]plan.Literal) bool { return true }
			whole, _, without := requests(nil, all)
			if _, _, n := requests([]string{"delay", "hour"}, all); n != without || len(whole.Files) != len(names) {
				t.Errorf("%d requests where no condition helps, without any %d", n, without)
			}
			third := whole.Files[60].Partition[0]
			day := is(0, func(v plan.Literal) bool { return v.Int == third.Int })
			table, prefixes, n := requests([]string{"Day"}, day)
			if len(table.Files) != 30 || table.Skipped != 11 || table.Listed != 1 || n >= without {
				t.Errorf("%d files, %d folders skipped, %d listed, %d requests (%d without a condition)", len(table.Files), table.Skipped, table.Listed, n, without)
			}
			for _, prefix := range prefixes { // the first day says what the columns are
				if prefix != "" && !strings.HasPrefix(prefix, "day=2001-01-01/") && !strings.HasPrefix(prefix, "day=2001-01-03/") {
					t.Errorf("listed %q", prefix)
				}
			}
			table, prefixes, _ = requests([]string{"day", "hour"}, func(v []plan.Literal) bool {
				return day(v) && is(1, func(v plan.Literal) bool { return v.Int == 2 })(v)
			})
			if len(table.Files) != 10 || table.Skipped != 13 || table.Listed != 1 || !slices.Contains(prefixes, "day=2001-01-03/hour=2/") {
				t.Errorf("%d files, %d folders skipped, %d listed: %q", len(table.Files), table.Skipped, table.Listed, prefixes)
			}
			if table, _, _ = requests([]string{"day"}, all); len(table.Files) != len(names) || table.Skipped != 0 {
				t.Errorf("%d files, %d folders skipped", len(table.Files), table.Skipped)
			}
		})
	}
}
