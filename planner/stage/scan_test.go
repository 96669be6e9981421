package stage

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner/logical"
)

// Every row group is read once, in order, by tasks that are as full as the target allows.
func TestSplits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := &logical.Scan{Table: &plan.Table{}, Ordinals: []int{1}}
		var want []string
		var total int64
		for i := range rapid.IntRange(0, 6).Draw(t, "files") {
			f := logical.FileScan{File: plan.File{URL: fmt.Sprint("f", i)}, Groups: []int{}}
			for g := range rapid.IntRange(0, 5).Draw(t, "groups") {
				bytes := rapid.Int64Range(0, 40<<20).Draw(t, "bytes") // of the column that is read; the other is not counted
				f.File.RowGroups = append(f.File.RowGroups, plan.RowGroup{Rows: 10, Columns: []plan.ColumnStats{{Bytes: 1 << 30}, {Bytes: bytes}}})
				if rapid.Bool().Draw(t, "kept") {
					f.Groups = append(f.Groups, g)
					want = append(want, fmt.Sprint(f.File.URL, "/", g))
					total += f.File.RowGroups[g].Columns[1].Bytes
				}
			}
			n.Files = append(n.Files, f)
		}
		lists, err := splits(n, Options{MinSplit: defaultMinSplit})
		if err != nil {
			t.Fatal(err)
		}
		target := min(max(total/splitShare, defaultMinSplit), maxSplit)
		var got []string
		for i, list := range lists {
			var size, last int64
			groups := 0
			if len(list) == 0 && len(lists) > 1 || list == nil {
				t.Fatalf("task %d of %d has nothing to read", i, len(lists))
			}
			for _, s := range list {
				if s.Rows != 10*int64(s.RowGroupEnd-s.RowGroupStart) {
					t.Fatalf("%+v: wrong number of rows", s)
				}
				for g := s.RowGroupStart; g < s.RowGroupEnd; g++ {
					got = append(got, fmt.Sprint(s.URL, "/", g))
					last = bytesOf(n, s.URL, g)
					size += last
					groups++
				}
			}
			if groups > 1 && size-target > target-(size-last) {
				t.Fatalf("task %d has %d bytes: without its last row group it would be nearer to %d", i, size, target)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("read %v, want %v", got, want)
		}
	})
}

func bytesOf(n *logical.Scan, url string, group int) int64 {
	for _, f := range n.Files {
		if f.File.URL == url {
			return f.File.RowGroups[group].Columns[1].Bytes
		}
	}
	return 0
}

func TestSplitsNeedStatistics(t *testing.T) {
	n := &logical.Scan{Table: &plan.Table{}, Files: []logical.FileScan{{File: plan.File{URL: "f"}}}}
	if _, err := splits(n, Options{}); err == nil {
		t.Fatal("files without statistics were split")
	}
}
