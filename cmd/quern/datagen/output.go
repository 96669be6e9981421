package datagen

import (
	"context"
	"fmt"

	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/parquetio"
)

// output is one file under construction.
type output struct {
	*columns
	table   *table
	again   []repeat // rows of the batch that are logged twice
	url     string
	file    *storage.Writer
	parquet *parquetio.Writer
}

// repeat is a row to be logged again; later is by how much its like becomes available later, 0 if it is an exact
// duplicate.
type repeat struct {
	row   int
	later int64
}

func (g *generator) create(ctx context.Context, t *table, url string) (*output, error) {
	file, err := g.store.Create(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", storage.Display(url), err)
	}
	parquet, err := parquetio.NewWriter(file, t.schema, parquetio.WriterOptions{Plain: t.plain})
	if err != nil {
		file.Discard()
		return nil, fmt.Errorf("write %s: %w", storage.Display(url), err)
	}
	return &output{columns: newColumns(g.mem, t), table: t, url: url, file: file, parquet: parquet}, nil
}

// room makes sure that the batch has room for more rows, each of them twice, and those that are still to be repeated.
func (o *output) room(ctx context.Context, rows int) error {
	if o.n+len(o.again)+2*rows <= batchRows {
		return nil
	}
	if err := o.flush(ctx); err != nil {
		return err
	}
	o.begin()
	return nil
}

// flush hands the batch to the file, rows that are logged twice at its end.
func (o *output) flush(ctx context.Context) error {
	available := o.table.available()
	for _, r := range o.again {
		o.copyRow(o.n, r.row)
		o.longs[available][o.n] += r.later
		o.n++
	}
	o.again = o.again[:0]
	rec := o.record()
	defer rec.Release()
	if err := o.parquet.Write(ctx, rec); err != nil {
		return fmt.Errorf("write %s: %w", storage.Display(o.url), err)
	}
	return nil
}

// finish completes the file and makes it visible.
func (o *output) finish(ctx context.Context) error {
	if err := o.flush(ctx); err != nil {
		return err
	}
	if err := o.parquet.Close(); err != nil {
		return fmt.Errorf("write %s: %w", storage.Display(o.url), err)
	}
	if err := o.file.Commit(ctx); err != nil {
		return fmt.Errorf("write %s: %w", storage.Display(o.url), err)
	}
	return nil
}

// close releases memory, and drops the file if it is not finished.
func (o *output) close() {
	o.parquet.Discard()
	o.file.Discard()
	o.release()
}
