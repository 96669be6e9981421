package datagen

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/internal/testutil/golden"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/parquetio"
)

// tiny is a set that is made in no time.
func tiny(out string) Options {
	return Options{
		Out: out, Seed: 1, Start: time.Date(2024, 2, 28, 0, 0, 0, 0, time.UTC), Days: 3, Impressions: 20_000,
		Users: 500, Items: 200, Late: 0.05, Hot: 0.1, Duplicates: 0.02, Files: 2, Parallel: 2,
	}
}

const out = "mem://set/out"

// set is one that was made.
type set struct {
	Options
	*Summary
	store *storage.Store
}

func made(t *testing.T, o Options) *set {
	t.Helper()
	store := storage.New()
	t.Cleanup(func() { store.Close() })
	summary, err := Events(t.Context(), store, o)
	if err != nil {
		t.Fatal(err)
	}
	return &set{Options: o, Summary: summary, store: store}
}

// digests has a line for each file.
func (s *set) digests(t *testing.T) string {
	t.Helper()
	files, err := s.store.List(t.Context(), s.Out)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		data, err := s.store.Get(t.Context(), f.URL)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%x %s\n", sha256.Sum256(data), strings.TrimPrefix(f.URL, s.Out+"/"))
	}
	return b.String()
}

// row is the values of a table's columns, and last the day of its folder if it has one.
type row []plan.Literal

func (s *set) rows(t *testing.T, of *table) (rows []row) {
	t.Helper()
	catalog := parquetio.NewCatalog(s.store)
	source, err := catalog.Table(t.Context(), plan.Source{Name: of.name, Path: storage.Join(s.Out, of.name)})
	if err != nil {
		t.Fatal(err)
	}
	files, err := catalog.Statistics(t.Context(), source, source.Files)
	if err != nil {
		t.Fatal(err)
	}
	scan, splits := &plan.Scan{Source: of.name, Format: "parquet"}, []plan.Split{}
	for i, f := range source.Schema.Fields {
		c := plan.ScanColumn{Name: f.Name}
		if i == len(of.schema.Fields) {
			c.Partition = 1
		}
		scan.Columns = append(scan.Columns, c)
	}
	for _, f := range files {
		splits = append(splits, plan.Split{URL: f.URL, Size: f.Size, ETag: f.ETag, RowGroupEnd: len(f.RowGroups), Partition: f.Partition})
	}
	batches, err := parquetio.OpenScan(t.Context(), s.store, scan, source.Schema, splits, parquetio.ScanOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer batches.Close()
	for {
		rec, err := batches.Next(t.Context())
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		for i := range int(rec.NumRows()) {
			var r row
			for _, c := range rec.Columns() {
				r = append(r, vector.LiteralAt(c, i))
			}
			rows = append(rows, r)
		}
		rec.Release()
	}
}

func (r row) text() string {
	var b []byte
	for _, v := range r {
		if v.Null {
			b = append(b, "NULL "...)
			continue
		}
		b = strconv.AppendInt(b, v.Int, 10)
		b = append(strconv.AppendUint(append(b, '/'), v.Bits, 16), v.Bytes...)
		b = append(b, ' ')
	}
	return string(b)
}

// byID is the rows by their first column, later ones of an id left out.
func byID(rows []row) map[int64]row {
	ids := map[int64]row{}
	for _, r := range rows {
		if _, twice := ids[r[0].Int]; !twice {
			ids[r[0].Int] = r
		}
	}
	return ids
}

// TestGolden holds the files of a tiny set to their digests. If they differ where only the writer of Parquet files has
// changed, -rewrite is the answer; if the rows have, version goes up, too.
func TestGolden(t *testing.T) {
	golden.Check(t, "testdata/tiny.txt", made(t, tiny(out)).digests(t))
}

func TestParallelChangesNothing(t *testing.T) {
	o := tiny(out)
	o.Files, o.Parallel = 5, 1
	one := made(t, o)
	o.Parallel = 4
	four := made(t, o)
	if one.digests(t) != four.digests(t) {
		t.Errorf("with --parallel 1:\n%s\nwith --parallel 4:\n%s", one.digests(t), four.digests(t))
	}
	o.Seed = 2
	if other := made(t, o); other.digests(t) == one.digests(t) {
		t.Error("another seed makes the same files")
	}
}

// TestSummary compares what is said with what is there.
func TestSummary(t *testing.T) {
	s := made(t, tiny(out))
	for i, of := range tables {
		if rows, c := s.rows(t, of), s.Tables[i]; int64(len(rows)) != c.Rows || c.Table != of.name {
			t.Errorf("%d rows of %s, said: %+v", len(rows), of.name, c)
		}
	}
	text, err := s.store.Get(t.Context(), storage.Join(s.Out, "_datagen.json"))
	if err != nil || !strings.Contains(string(text), `"seed": 1`) {
		t.Errorf("_datagen.json: %s (%v)", text, err)
	}
}

// TestSmallSets makes sets in which some files have no rows.
func TestSmallSets(t *testing.T) {
	for _, n := range []int64{1, 2, 3} {
		o := tiny(out)
		o.Users, o.Items, o.Impressions, o.Files, o.Hot = n, n, 20, 4, 0
		s := made(t, o)
		if got := len(s.rows(t, items)); int64(got) != n {
			t.Errorf("%d items, want %d", got, n)
		}
		if got := len(byID(s.rows(t, impressions))); got == 0 || got > 60 {
			t.Errorf("%d impressions, want 60 less those after the last day", got)
		}
	}
}

func TestRefusals(t *testing.T) {
	for flag, change := range map[string]func(*Options){
		"--out:":                          func(o *Options) { o.Out = "" },
		"--start 2024-02-28 01:00":        func(o *Options) { o.Start = o.Start.Add(time.Hour) },
		"--start 1969-12-31":              func(o *Options) { o.Start = time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC) },
		"--days 0":                        func(o *Options) { o.Days = 0 },
		"--files 0":                       func(o *Options) { o.Files = 0 },
		"--files 5000: 20000 impressions": func(o *Options) { o.Files = 5000 },
		"--files 1: 500000000 impressions": func(o *Options) {
			o.Files, o.Impressions = 1, 500_000_000
		},
		"--impressions 4":    func(o *Options) { o.Impressions = 4 },
		"--users 0":          func(o *Options) { o.Users = 0 },
		"--items 2000000001": func(o *Options) { o.Items = 2_000_000_001 },
		"--parallel 0":       func(o *Options) { o.Parallel = 0 },
		"--late 1":           func(o *Options) { o.Late = 1 },
		"--hot -0.1":         func(o *Options) { o.Hot = -0.1 },
		"--duplicates 2":     func(o *Options) { o.Duplicates = 2 },
	} {
		o := tiny(out)
		change(&o)
		store := storage.New()
		_, err := Events(t.Context(), store, o)
		if plan.AsFailure(err).Kind != plan.FailureUser || !strings.HasPrefix(err.Error(), flag) {
			t.Errorf("%s: %v", flag, err)
		}
		store.Close()
	}
}

func TestFolderHasFiles(t *testing.T) {
	s := made(t, tiny(out))
	before := s.digests(t)
	_, err := Events(t.Context(), s.store, tiny(out))
	if err == nil || !strings.Contains(err.Error(), "there are files already, such as mem://set/out/clicks/") {
		t.Errorf("made a set over another: %v", err)
	}
	if s.digests(t) != before {
		t.Error("the set that was there has changed")
	}
}

// TestNothingIsLeft cancels once there is a file.
func TestNothingIsLeft(t *testing.T) {
	store := storage.New()
	defer store.Close()
	ctx, cancel := context.WithCancel(t.Context())
	o := tiny(out)
	o.Days, o.Parallel = 60, 1 // long enough to be stopped
	seen := make(chan int)
	go func() {
		for {
			if files, err := store.List(ctx, o.Out); err != nil || len(files) > 0 {
				cancel()
				seen <- len(files)
				return
			}
		}
	}()
	_, err := Events(ctx, store, o)
	if n := <-seen; n == 0 || !errors.Is(err, context.Canceled) {
		t.Fatalf("%d files were there, then: %v", n, err)
	}
	if files, err := store.List(t.Context(), o.Out); err != nil || len(files) > 0 {
		t.Errorf("%d files are left (%v)", len(files), err)
	}
}
