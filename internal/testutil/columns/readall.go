package columns

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
)

// Batches is what scanners give.
type Batches interface {
	Next(ctx context.Context) (arrow.Record, error)
}

// ReadAll reads batches to their end, each row a text with sep between the values. Rows before an error are there, too.
func ReadAll(ctx context.Context, from Batches, sep string) (rows []string, err error) {
	for {
		rec, err := from.Next(ctx)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, err
		}
		cells := make([]string, rec.NumCols())
		for r := range int(rec.NumRows()) {
			for c := range cells {
				cells[c] = vector.Format(rec.Column(c), r)
			}
			rows = append(rows, strings.Join(cells, sep))
		}
		rec.Release()
	}
}
