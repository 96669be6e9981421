package shuffle

import (
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"pgregory.net/rapid"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/internal/recycle"
)

// breaks cuts answers off, each after as many bytes as are next on its list.
type breaks struct {
	left  atomic.Pointer[[]int]
	next  atomic.Int64
	times atomic.Int64
}

func (b *breaks) wrap(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if list := b.left.Load(); list != nil {
			if n := int(b.next.Add(1)) - 1; n < len(*list) {
				b.times.Add(1)
				w = &breaker{ResponseWriter: w, left: (*list)[n]}
			}
		}
		h.ServeHTTP(w, r)
	})
}

// divided is a cluster with its rows by partition and map task.
type divided struct {
	*cluster
	breaks *breaks
	rows   [][][]int64
	self   string
}

// fill sorts the rows of whole partitions by map task.
func (d *divided) fill(t *testing.T, partitions int, mapOf func(id int64) int) {
	for p := range partitions {
		byMap := make([][]int64, len(d.outputs.Tasks))
		for _, id := range readIDs(t, NewClient(d.client, ClientOptions{}).Fetch(d.outputs, api.Partition(p), schema, "", nil)) {
			byMap[mapOf(id)] = append(byMap[mapOf(id)], id)
		}
		d.rows = append(d.rows, byMap)
	}
}

// want is what a selection should give.
func (d *divided) want(s api.Selection) (ids []int64) {
	for p := s.From; p < s.To; p++ {
		for m, rows := range d.rows[p] {
			for i, id := range rows {
				at := api.Position{Task: m, Row: int64(i)}
				if !less(at, s.Begin) && (s.End == (api.Position{}) || less(at, s.End)) {
					ids = append(ids, id)
				}
			}
		}
	}
	return ids
}

func less(a, b api.Position) bool { return a.Task < b.Task || (a.Task == b.Task && a.Row < b.Row) }

// selections draws a division of some partitions: of one by rows, of several by map tasks.
func (d *divided) selections(t *rapid.T) []api.Selection {
	parts, maps := len(d.rows), len(d.outputs.Tasks)
	from := rapid.IntRange(0, parts-1).Draw(t, "from")
	to := rapid.IntRange(from+1, parts).Draw(t, "to")
	places := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) api.Position {
		at := api.Position{Task: rapid.IntRange(0, maps).Draw(t, "task")}
		if to == from+1 && at.Task < maps {
			at.Row = rapid.Int64Range(0, int64(len(d.rows[from][at.Task]))+2).Draw(t, "row")
		}
		return at
	}), 0, 6).Draw(t, "places")
	slices.SortFunc(places, func(a, b api.Position) int {
		if less(a, b) {
			return -1
		}
		return 1
	})
	places = slices.DeleteFunc(places, func(p api.Position) bool { return p == api.Position{} })
	var out []api.Selection
	begin := api.Position{}
	for _, end := range append(places, api.Position{}) {
		out = append(out, api.Selection{From: from, To: to, Begin: begin, End: end})
		begin = end
	}
	return out
}

// check reads every selection of a drawn division, with connections that break in between.
func (d *divided) check(t *rapid.T) {
	list := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, 20_000)), 0, 12).Draw(t, "breaks")
	d.breaks.next.Store(0)
	d.breaks.left.Store(&list)
	defer d.breaks.left.Store(nil)
	local := d.stores[0]
	if d.self == "" {
		local = nil
	}
	for _, sel := range d.selections(t) {
		if err := sel.Validate(len(d.rows)); err != nil {
			t.Fatal(err)
		}
		mem := memory.NewCheckedAllocator(recycle.Poison())
		s := NewClient(d.client, ClientOptions{Mem: mem, Attempts: 20, Backoff: time.Microsecond}).Fetch(d.outputs, sel, schema, d.self, local)
		ids, err := drain(t.Context(), s)
		if err != nil {
			t.Fatalf("%s: %v", sel, err)
		}
		if want := d.want(sel); !slices.Equal(ids, want) || s.Counts().Rows != int64(len(want)) {
			t.Fatalf("%s: %d rows, %d counted, want %d, or another order", sel, len(ids), s.Counts().Rows, len(want))
		}
		mem.AssertSize(t, 0)
	}
}

// TestSelections: however the rows of a partition, or the map tasks of several, are divided, the parts are the whole in the same
// order, wherever the segments are and however often the connection breaks.
func TestSelections(t *testing.T) {
	const maps, partitions = 7, 4
	segments := func(t *testing.T) *divided {
		b := &breaks{}
		d := &divided{breaks: b, cluster: newCluster(t, 2, maps, partitions, 900, 30, b.wrap)}
		d.outputs.Tasks[3] = api.TaskLocation{Worker: 1} // no rows, no segment
		d.fill(t, partitions, func(id int64) int { return int(id / 1_000_000) })
		return d
	}
	kept := func(t *testing.T) *divided {
		b := &breaks{}
		d := &divided{breaks: b, cluster: newCluster(t, 1, 0, partitions, 0, 0, b.wrap)}
		d.stores[0].KeepBatches(1<<30, nothing)
		for m := range maps {
			d.keep(t, memory.DefaultAllocator, m, partitions, 600)
		}
		d.fill(t, partitions, func(id int64) int { return int(id / 600) })
		return d
	}
	for _, c := range []struct {
		name  string
		make  func(t *testing.T) *divided
		local bool
	}{{"remote", segments, false}, {"half local", segments, true}, {"kept", kept, true}, {"kept, remote", kept, false}} {
		t.Run(c.name, func(t *testing.T) {
			d := c.make(t)
			if c.local {
				d.self = d.outputs.Workers[0]
			}
			rapid.Check(t, d.check)
			if c.name == "remote" && d.breaks.times.Load() < 50 {
				t.Errorf("%d connections broke: the test tests little", d.breaks.times.Load())
			}
		})
	}
}

// What is left out is not sent, but for the block that the first row lies in.
func TestSelectionSkipsBlocks(t *testing.T) {
	c := newCluster(t, 1, 1, 1, 6400, 100, nil)
	read := func(part api.Selection) StreamCounts {
		s := NewClient(c.client, ClientOptions{}).Fetch(c.outputs, part, schema, "", nil)
		if _, err := drain(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		return s.Counts()
	}
	whole := read(api.Partition(0))
	some := read(api.Selection{To: 1, Begin: api.Position{Row: 3210}, End: api.Position{Row: 3290}})
	if some.Rows != 80 || some.RemoteBytes*20 > whole.RemoteBytes {
		t.Errorf("%d rows in %d bytes, of %d in %d", some.Rows, some.RemoteBytes, whole.Rows, whole.RemoteBytes)
	}
}
