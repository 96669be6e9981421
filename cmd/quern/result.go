package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/storage/parquetio"
)

// rowSource is a stream of result batches; io.EOF ends it.
type rowSource interface {
	Next(ctx context.Context) (arrow.Record, error)
}

// resultFormat writes all rows of a result.
type resultFormat func(ctx context.Context, w io.Writer, info resultInfo, rows rowSource) error

var resultFormats = map[string]resultFormat{
	"table": writeTable, "csv": writeCSV, "json": writeJSON, "parquet": writeParquet,
}

// eachBatch calls f for every batch and releases it.
func eachBatch(ctx context.Context, rows rowSource, f func(arrow.Record) error) error {
	for {
		rec, err := rows.Next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		err = f(rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
}

// maxTableRows bounds what a terminal gets; the other formats give everything.
const maxTableRows = 10_000

func writeTable(ctx context.Context, w io.Writer, info resultInfo, rows rowSource) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	header := make(table.Row, len(info.schema.Fields))
	var configs []table.ColumnConfig
	for i, f := range info.schema.Fields {
		header[i] = f.Name
		if f.Type.IsNumeric() {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	total := 0
	err := eachBatch(ctx, rows, func(rec arrow.Record) error {
		for i := range int(rec.NumRows()) {
			if total++; total > maxTableRows {
				continue
			}
			row := make(table.Row, rec.NumCols())
			for c, col := range rec.Columns() {
				row[c] = vector.FormatIn(col, i, info.zone)
			}
			t.AppendRow(row)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(w, t.Render()); err != nil {
		return fmt.Errorf("print rows: %w", err)
	}
	if total > maxTableRows {
		_, err = fmt.Fprintf(w, "(first %d of %d rows; --format csv or json prints all)\n", maxTableRows, total)
	} else {
		_, err = fmt.Fprintf(w, "(%d rows)\n", total)
	}
	return err
}

func writeCSV(ctx context.Context, w io.Writer, info resultInfo, rows rowSource) error {
	out := csv.NewWriter(w)
	if err := out.Write(info.schema.Names()); err != nil {
		return fmt.Errorf("write CSV: %w", err)
	}
	line := make([]string, len(info.schema.Fields))
	err := eachBatch(ctx, rows, func(rec arrow.Record) error {
		for i := range int(rec.NumRows()) {
			for c, col := range rec.Columns() {
				line[c] = ""
				if !isNull(col, i) {
					line[c] = vector.FormatIn(col, i, info.zone)
				}
			}
			if err := out.Write(line); err != nil {
				return fmt.Errorf("write CSV: %w", err)
			}
		}
		return nil
	})
	out.Flush()
	return errors.Join(err, out.Error())
}

// writeJSON prints one object a line, keys in column order. Numbers are numbers, except what JSON cannot say (NaN,
// infinities) and decimals, which are strings so that no reader rounds them.
func writeJSON(ctx context.Context, w io.Writer, info resultInfo, rows rowSource) error {
	out := bufio.NewWriter(w)
	keys := make([][]byte, len(info.schema.Fields))
	for i, f := range info.schema.Fields {
		key, err := json.Marshal(f.Name)
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		keys[i] = append(key, ':')
	}
	var line []byte
	err := eachBatch(ctx, rows, func(rec arrow.Record) error {
		for i := range int(rec.NumRows()) {
			line = append(line[:0], '{')
			for c, col := range rec.Columns() {
				if c > 0 {
					line = append(line, ',')
				}
				line = append(line, keys[c]...)
				line = appendJSON(line, info.schema.Fields[c].Type, col, i, info.zone)
			}
			line = append(line, '}', '\n')
			if _, err := out.Write(line); err != nil {
				return fmt.Errorf("write JSON: %w", err)
			}
		}
		return nil
	})
	return errors.Join(err, out.Flush())
}

// isNull knows columns of nothing but NULL too, which have no bitmap of them.
func isNull(col arrow.Array, i int) bool { return col.IsNull(i) || col.DataType().ID() == arrow.NULL }

func writeParquet(ctx context.Context, w io.Writer, info resultInfo, rows rowSource) error {
	out, err := parquetio.NewWriter(w, info.schema, parquetio.WriterOptions{Compression: "zstd"})
	if err != nil {
		return err
	}
	if err := eachBatch(ctx, rows, func(rec arrow.Record) error { return out.Write(ctx, rec) }); err != nil {
		return err
	}
	return out.Close()
}
