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
		n := &logical.Scan{Table: &plan.Table{}}
		var want []string
		var total int64
		for i := range rapid.IntRange(0, 6).Draw(t, "files") {
			f := logical.FileScan{File: plan.File{URL: fmt.Sprint("f", i)}, Groups: []int{}}
			for g := range rapid.IntRange(0, 5).Draw(t, "groups") {
				f.File.RowGroups = append(f.File.RowGroups, plan.RowGroup{Rows: 10, Bytes: rapid.Int64Range(0, 40<<20).Draw(t, "bytes")})
				if rapid.Bool().Draw(t, "kept") {
					f.Groups = append(f.Groups, g)
					want = append(want, fmt.Sprint(f.File.URL, "/", g))
					total += f.File.RowGroups[g].Bytes
				}
			}
			n.Files = append(n.Files, f)
		}
		lists, err := splits(n)
		if err != nil {
			t.Fatal(err)
		}
		target := min(max(total/splitShare, minSplit), maxSplit)
		var got []string
		for i, list := range lists {
			var size int64
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
					size += bytesOf(n, s.URL, g)
					groups++
				}
			}
			if groups > 1 && size > target {
				t.Fatalf("task %d has %d bytes, over %d", i, size, target)
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
			return f.File.RowGroups[group].Bytes
		}
	}
	return 0
}

func TestSplitsNeedStatistics(t *testing.T) {
	n := &logical.Scan{Table: &plan.Table{}, Files: []logical.FileScan{{File: plan.File{URL: "f"}}}}
	if _, err := splits(n); err == nil {
		t.Fatal("files without statistics were split")
	}
}
