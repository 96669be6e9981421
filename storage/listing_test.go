package storage_test

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// fill makes small files below a URL, many at a time.
func fill(t *testing.T, s *storage.Store, base string, names []string) {
	t.Helper()
	var group errgroup.Group
	group.SetLimit(32)
	for _, name := range names {
		group.Go(func() error { return s.Put(t.Context(), storage.Join(base, name), []byte("x")) })
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
}

// checkLongList lists, sweeps and deletes more than stores list with one request: in many folders, in few, in one, and beside
// folders with names that begin alike.
func checkLongList(t *testing.T, s *storage.Store, base string) {
	var names []string
	for i := range 240 {
		names = append(names, fmt.Sprintf("days/day=2001-%02d-%02d/hour=%d/part", i%12+1, i/48+1, i/12%4))
	}
	s.SetPage(20)
	defer s.SetPage(1000)
	for i := range 50 {
		names = append(names, fmt.Sprintf("flat/part-%04d", i))
	}
	names = append(names, "days/day=2001-0", "days/day=2001-01", "days/day=2001-01-01.txt", "days/ä/ö", "days/å/ö", "days/_hidden/x", "days/day=2001-01-01/.part")
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	fill(t, s, base, names)
	wanted := func(keep func(string) bool) (out []string) {
		for _, n := range names {
			if keep(n) {
				out = append(out, "/"+n)
			}
		}
		return out
	}
	in := func(folder string) func(string) bool {
		return func(n string) bool {
			return strings.HasPrefix(n, folder) && !strings.Contains(n, "/_") && !strings.Contains(n, "/.")
		}
	}
	for _, folder := range []string{"", "days/", "flat/", "days/day=2001-01-01/"} {
		got := list(t, s, storage.Join(base, folder), base)
		if want := wanted(in(folder)); !slices.Equal(sorted(got), want) {
			t.Errorf("%q has %d files, want %d: %s", folder, len(got), len(want), difference(sorted(got), want))
		}
	}
	found, err := s.Resolve(t.Context(), storage.Join(base, "days/day=2001-0[12]-*/hour=*/part"))
	if got, want := sorted(relative(found, base)), wanted(func(n string) bool {
		return in("days/day=2001-01-")(n) && strings.Count(n, "/") == 3 || in("days/day=2001-02-")(n)
	}); err != nil || !slices.Equal(got, want) {
		t.Errorf("the pattern finds %d files, want %d: %v, %s", len(got), len(want), err, difference(got, want))
	}
	swept, err := s.Sweep(t.Context(), storage.Join(base, "flat"), func(name string) bool { return name < "part-0010" })
	if err != nil || swept != 40 {
		t.Errorf("swept %d, %v; want 40", swept, err)
	}
	if err := s.DeleteTree(t.Context(), storage.Join(base, "days")); err != nil {
		t.Error(err)
	}
	if tree, err := s.Tree(t.Context(), base); err != nil || len(tree) != 10 {
		t.Errorf("%d files are left, %v; want 10", len(tree), err)
	}
}

func sorted(names []string) []string { return slices.Sorted(slices.Values(names)) }

// difference is the first name that only one of two sorted lists has.
func difference(got, want []string) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%s instead of %s", got[i], want[i])
		}
	}
	return ""
}

// TestLongListing lists QUERN_OBJECTS objects (default 300) in folders of 100 on every store: how many requests that takes, how
// much memory, and how long where each request takes 30 ms longer.
func TestLongListing(t *testing.T) {
	objects, page := 300, 100
	if n, err := strconv.Atoi(os.Getenv("QUERN_OBJECTS")); err == nil {
		objects, page = n, 1000
	}
	for _, kind := range kinds() {
		t.Run(kind.name, func(t *testing.T) {
			base := kind.base(t)
			remote := !strings.HasPrefix(base, "file:") && !strings.HasPrefix(base, "mem:")
			f := &front{}
			if remote {
				f, base = newFront(t, base)
			}
			s := storage.New()
			defer s.Close()
			s.SetPage(page)
			var names []string
			for i := range objects {
				day := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, i/100)
				names = append(names, fmt.Sprintf("day=%s/part-%02d.parquet", day.Format(time.DateOnly), i%100))
			}
			fill(t, s, base, names)
			f.requests.Store(0)
			f.delay = 30 * time.Millisecond
			peak := watchMemory()
			began := time.Now()
			infos, err := s.List(t.Context(), base)
			took, requests := time.Since(began), f.requests.Load()
			grown, resident := peak()
			if err != nil || len(infos) != objects {
				t.Fatalf("%d objects, %v", len(infos), err)
			}
			if most := int64(objects/page + objects/page/2 + 100); remote && requests > most {
				t.Errorf("%d requests, want at most %d", requests, most)
			}
			if most := uint64(objects)*2048 + 32<<20; grown > most {
				t.Errorf("the heap grew by %d bytes, want at most %d", grown, most)
			}
			f.delay = 0
			checkOneDay(t, s, f, base, objects)
			t.Logf("%d objects: %d requests, %v, heap +%d MB, RSS +%d MB", objects, requests, took.Round(time.Millisecond), grown>>20, resident>>20)
		})
	}
}

// checkOneDay finds the files of one folder of 100 as a condition asks for it, which takes few requests however many there are.
func checkOneDay(t *testing.T, s *storage.Store, f *front, base string, objects int) {
	t.Helper()
	f.requests.Store(0)
	began := time.Now()
	day := int64(time.Date(2001, 1, 2, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	src := plan.Source{Name: "t", Path: base, Filtered: []string{"day"}}
	table := findFiltered(t, s, src, is(0, func(v plan.Literal) bool { return v.Int == day }))
	if len(table.Files) != 100 || f.requests.Load() > int64(10+objects/100_000) {
		t.Errorf("%d files of one day, with %d requests", len(table.Files), f.requests.Load())
	}
	t.Logf("one day of them: %d requests, %v", f.requests.Load(), time.Since(began).Round(time.Millisecond))
}

// watchMemory looks at the heap, and at what is resident of the process, until it is asked by how much they have grown at most.
func watchMemory() (grown func() (heap, resident uint64)) {
	var stats runtime.MemStats
	look := func() (heap, resident uint64) {
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc, residentBytes()
	}
	debug.FreeOSMemory()
	heapBefore, residentBefore := look()
	heap, resident := heapBefore, residentBefore
	var watching sync.WaitGroup
	stop := make(chan struct{})
	watching.Go(func() {
		for {
			h, r := look()
			heap, resident = max(heap, h), max(resident, r)
			select {
			case <-stop:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	})
	return func() (uint64, uint64) {
		close(stop)
		watching.Wait()
		return heap - heapBefore, resident - residentBefore
	}
}

// residentBytes is how much of the process is in memory; 0 where the system does not say it as Linux does.
func residentBytes() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	var size, pages uint64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}
