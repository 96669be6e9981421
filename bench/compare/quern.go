package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/compute/vector"
)

// table is a name with the files behind it.
type table = api.Table

var queryNumber int

func queryQuern(e *assembly.Embedded, tables []table, text string) ([]string, error) {
	ctx := context.Background()
	queryNumber++
	id := fmt.Sprintf("q%d", queryNumber)
	_, err := e.Client.Submit(ctx, api.SubmitRequest{RunID: id, Query: &api.Query{SQL: text, Tables: tables}})
	if err != nil {
		return nil, err
	}
	status, err := assembly.Wait(ctx, e.Client, id, nil)
	if err != nil {
		return nil, err
	}
	if status.Failure != nil {
		return nil, status.Failure
	}
	rows := e.Rows(status)
	defer rows.Close()
	var out []string
	for {
		rec, err := rows.Next(ctx)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		for i := range int(rec.NumRows()) {
			line := make([]string, rec.NumCols())
			for c, col := range rec.Columns() {
				line[c] = strings.TrimSuffix(vector.Format(col, i), " 00:00:00")
			}
			out = append(out, strings.Join(line, "\t"))
		}
		rec.Release()
	}
}

// profileQuern runs a query over and over under the CPU profiler.
func profileQuern(tables []table, path, text string, runs int) error {
	e, err := assembly.StartEmbedded(assembly.Options{Workers: 1, Slots: threads, Memory: 4 << 30})
	if err != nil {
		return err
	}
	defer e.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	for range runs {
		if _, err := queryQuern(e, tables, text); err != nil {
			return err
		}
	}
	return nil
}
