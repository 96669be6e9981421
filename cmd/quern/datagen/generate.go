package datagen

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/apache/arrow/go/v15/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/quern-engine/quern/internal/recycle"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// Count is what there is of a table.
type Count struct {
	Table string `json:"table"`
	Files int64  `json:"files"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// Summary says what was made, and of what. It lies beside the tables as _datagen.json.
type Summary struct {
	Version int     `json:"version"` // of the rules by which rows are made
	Options Options `json:"options"`
	Tables  []Count `json:"tables"`
}

// version is raised whenever the same options make other rows.
const version = 1

// summaryName is hidden from scans by its first letter.
const summaryName = "_datagen.json"

// generator makes one set.
type generator struct {
	Options
	*world
	store *storage.Store
	mem   memory.Allocator
	start int64 // µs
	end   int64 // of the last day

	mu     sync.Mutex
	counts map[*table]*Count // guarded by mu
	made   []string          // URLs of the files that are visible; guarded by mu
}

// Events makes a set of tables below a folder that has no files yet. After an error it leaves none.
func Events(ctx context.Context, store *storage.Store, o Options) (*Summary, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	there, err := store.List(ctx, o.Out)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", storage.Display(o.Out), err)
	}
	if len(there) > 0 {
		return nil, plan.Failf(plan.FailureUser, "--out %s: there are files already, such as %s; name a new folder, or remove it first",
			storage.Display(o.Out), storage.Display(there[0].URL))
	}
	g := &generator{
		Options: o, world: newWorld(&o), store: store, mem: recycle.New(int64(o.Parallel) * (8 << 20)),
		start: o.Start.UnixMicro(), end: o.Start.UnixMicro() + int64(o.Days)*dayLen, counts: map[*table]*Count{},
	}
	for _, t := range tables {
		g.counts[t] = &Count{Table: t.name}
	}
	summary, err := g.all(ctx)
	if err != nil {
		return nil, errors.Join(err, g.remove(context.WithoutCancel(ctx)))
	}
	return summary, nil
}

// all runs the tasks, the longest first, and tells of them.
func (g *generator) all(ctx context.Context) (*Summary, error) {
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(g.Parallel)
	for _, run := range []func(*task, context.Context) error{(*task).events, (*task).features} {
		for d := range g.Days {
			for f := range g.Files {
				group.Go(func() error { return g.task(running, d, f, run) })
			}
		}
	}
	for f := range g.Files {
		group.Go(func() error { return g.task(running, 0, f, (*task).dimensions) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	s := &Summary{Version: version, Options: g.Options}
	for _, t := range tables {
		s.Tables = append(s.Tables, *g.counts[t])
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", summaryName, err)
	}
	return s, g.store.Put(ctx, storage.Join(g.Out, summaryName), append(text, '\n'))
}

// remove takes back what a failed run has made.
func (g *generator) remove(ctx context.Context) error {
	var failed error
	for _, url := range g.made {
		if err := g.store.Delete(ctx, url); err != nil && failed == nil {
			failed = fmt.Errorf("remove %s, which is of a set that was not finished: %w", storage.Display(url), err)
		}
	}
	return failed
}

// task makes the files that one file's number and day stand for.
type task struct {
	*generator
	day, file int
	begin     int64 // of the day
	outputs   []*output
}

func (g *generator) task(ctx context.Context, day, file int, run func(*task, context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := &task{generator: g, day: day, file: file, begin: g.start + int64(day)*dayLen}
	defer func() {
		for _, o := range t.outputs {
			o.close()
		}
	}()
	if err := run(t, ctx); err != nil {
		return err
	}
	for _, o := range t.outputs {
		if err := o.finish(ctx); err != nil {
			return err
		}
		g.count(o)
	}
	return nil
}

// create begins a file of the task.
func (t *task) create(ctx context.Context, table *table, name string) (*output, error) {
	o, err := t.generator.create(ctx, table, storage.Join(t.Out, table.name, name))
	if err == nil {
		t.outputs = append(t.outputs, o)
	}
	return o, err
}

// part is the name of the task's file among those of its day or table.
func (t *task) part() string { return fmt.Sprintf("part-%04d", t.file) }

// slice is the part of 0 to before n that falls to the task's file.
func (t *task) slice(n int64) (from, to int64) {
	files, f := int64(t.Files), int64(t.file)
	// Without multiplying n, which may be large: n/files each, and one more for the first n%files.
	each, more := n/files, n%files
	return each*f + min(f, more), each*(f+1) + min(f+1, more)
}

// dayFolder is the folder of a day, as Hive names it.
func (g *generator) dayFolder(day int) string { return "day=" + g.date(day) }

func (g *generator) date(d int) string { return g.Start.AddDate(0, 0, d).Format(time.DateOnly) }

func (g *generator) count(o *output) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c := g.counts[o.table]
	c.Files++
	c.Rows += o.parquet.Rows()
	c.Bytes += o.file.Size()
	g.made = append(g.made, o.url)
}
