package parquetio_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/parquetio"
)

// TestReadAhead reads eight columns in four row groups from a store where each request takes 30 ms longer: with reading ahead and
// without it, all rows and those that a filter lets through, which come late. The rows are the same.
func TestReadAhead(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	backend := s3mem.New()
	if err := backend.CreateBucket("lake"); err != nil {
		t.Fatal(err)
	}
	var requests atomic.Int64
	var delay time.Duration
	s3 := gofakes3.New(backend, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		time.Sleep(delay) // what the way to a store takes
		s3.ServeHTTP(w, r)
	}))
	defer server.Close()
	url := "s3://lake/t.parquet?endpoint=" + server.URL + "&region=us-east-1&use_path_style=true"

	const groupRows = 4000
	var schema plan.Schema
	read := &plan.Scan{Source: "t", Format: "parquet"}
	for i := range 8 {
		f := plan.Field{Name: fmt.Sprint("c", i), Type: plan.Int64, Nullable: true}
		schema.Fields = append(schema.Fields, f)
		read.Columns = append(read.Columns, plan.ScanColumn{Name: f.Name})
	}
	rec := randomRecord(1, schema, 4*groupRows, false)
	data := write(t, schema, parquetio.WriterOptions{GroupRows: groupRows}, 4*groupRows, rec)
	setup := storage.New()
	defer setup.Close()
	if err := setup.Put(t.Context(), url, data); err != nil {
		t.Fatal(err)
	}
	info, err := setup.Stat(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	split := plan.Split{URL: url, Size: info.Size, ETag: info.ETag, RowGroupEnd: 4}

	scan := func(t *testing.T, ahead int64, prune []*plan.Expr) (rows [][]string, made int64, took time.Duration) {
		t.Helper()
		store := storage.New()
		defer store.Close()
		store.LimitAhead(ahead)
		delay = 30 * time.Millisecond
		defer func() { delay = 0 }()
		before, began := requests.Load(), time.Now()
		pruning := *read
		pruning.Prune = prune
		s, err := parquetio.OpenScan(t.Context(), store, &pruning, schema, []plan.Split{split}, parquetio.ScanOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var recs []arrow.Record
		for {
			rec, err := s.Next(t.Context())
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			recs = append(recs, rec)
		}
		rows, made, took = texts(recs...), requests.Load()-before, time.Since(began)
		for _, r := range recs {
			r.Release()
		}
		return rows, made, took
	}
	notNull := plan.CallExpr("isnotnull", plan.Boolean, plan.ColumnExpr(0, schema.Fields[0]))
	for name, prune := range map[string][]*plan.Expr{"all rows": nil, "filtered": {notNull}} {
		t.Run(name, func(t *testing.T) {
			want, naive, slow := scan(t, 0, prune)
			got, made, took := scan(t, 32<<20, prune)
			if len(got) == 0 || !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%d columns read ahead are not the same as %d", len(got), len(want))
			}
			t.Logf("%d requests in %v, without reading ahead %d in %v", made, took.Round(time.Millisecond), naive, slow.Round(time.Millisecond))
			if made*2 > naive || took*2 > slow {
				t.Error("reading ahead does not take half the requests, or half the time")
			}
			// A budget that holds little of it makes it no worse.
			if little, _, _ := scan(t, 40<<10, prune); !slices.EqualFunc(little, want, slices.Equal) {
				t.Error("with little room there are other rows")
			}
		})
	}
}
