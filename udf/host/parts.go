package host

import (
	"context"
	"errors"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/plan"
)

// mostMade bounds what a table function gives for rows whose failures are put aside: it is held until all of them are done, since
// what comes before a failure does not count.
const mostMade = 256 << 20

// errMuch says that it gives more.
var errMuch = errors.New("too much to hold")

// TablePart runs a table function over some rows alone: of a function per batch any, of one per group whole groups, of which it is told
// where they begin. It returns what the function gives, and the rows that it could not do, in order: those of a function per batch one by
// one, those of one per group as the group, of which nothing is given. What goes wrong otherwise is tried again in fresh processes, with
// ever fewer rows.
func (f *Functions) TablePart(ctx context.Context, function string, rows arrow.Record, groups []uint32) ([]arrow.Record, []plan.Rejection, error) {
	fn, ok := f.byName[function]
	if !ok || !fn.Is(plan.FunctionTable) {
		return nil, nil, plan.Failf(plan.FailureInternal, "no plugin table function %s in this job", function)
	}
	all := part{rec: rows, groups: groups}
	t := &tableTrial{f: f, fn: fn}
	defer t.close()
	made, rejected, err := t.once(ctx, all)
	var bad *fault
	if !errors.As(err, &bad) && !errors.Is(err, errMuch) {
		return made, rejected, err
	}
	f.log.Info("rows went wrong; trying fewer of them", "function", fn.Name, "rows", rows.NumRows(), "reason", err)
	if err := t.part(ctx, all); err != nil {
		releaseAll(t.made)
		return nil, nil, err
	}
	return t.made, t.rejected, nil
}

// part is rows that a table function is called with alone.
type part struct {
	rec    arrow.Record
	groups []uint32 // rows that begin a group; nil for a function per batch
	first  int      // which row of all the first one is
}

// units is how many things there are in a part that can be done alone.
func (p part) units() int {
	if p.groups != nil {
		return len(p.groups)
	}
	return int(p.rec.NumRows())
}

// halves cuts a part of several units in two. Release their rows.
func (p part) halves() [2]part {
	cut := p.rec.NumRows() / 2
	var before, behind []uint32
	if p.groups != nil {
		half := len(p.groups) / 2
		cut, before = int64(p.groups[half]), p.groups[:half]
		for _, g := range p.groups[half:] {
			behind = append(behind, g-uint32(cut))
		}
	}
	return [2]part{
		{p.rec.NewSlice(0, cut), before, p.first},
		{p.rec.NewSlice(cut, p.rec.NumRows()), behind, p.first + int(cut)},
	}
}

// part is all that the function gives for some rows.
func (c *call) part(ctx context.Context, p part) (made []arrow.Record, rejected []plan.Rejection, err error) {
	defer func() {
		if err != nil {
			releaseAll(made)
			made, rejected = nil, nil
		}
	}()
	given := false
	b, err := c.table(ctx, func(context.Context) (arrow.Record, []uint32, error) {
		if given {
			return nil, nil, io.EOF
		}
		given = true
		p.rec.Retain()
		return p.rec, p.groups, nil
	})
	if err != nil {
		return nil, nil, err
	}
	defer b.Close()
	b.aside = p.groups == nil
	for bytes := int64(0); ; {
		rec, err := b.Next(ctx)
		if err == io.EOF {
			return made, appendRejections(nil, b.rejected, p.first), nil
		}
		if err != nil {
			b.settle(ctx)
			return made, nil, err
		}
		made = append(made, rec)
		if bytes += recordBytes(rec); bytes > mostMade {
			return made, nil, errMuch
		}
	}
}

// tableTrial is trial for table functions: rows are only to blame when they have gone wrong alone, twice. As long as no process is lost,
// it is the attempt's own that they are tried in.
type tableTrial struct {
	f        *Functions
	fn       plan.Function
	lost     bool
	run      *running // a fresh one, after one was lost; nil when that is lost, too
	made     []arrow.Record
	rejected []plan.Rejection
}

func (t *tableTrial) close() {
	if t.run != nil {
		t.f.host.release(t.run)
	}
}

// part does some rows, in halves if they go wrong.
func (t *tableTrial) part(ctx context.Context, p part) error {
	if p.rec.NumRows() == 0 {
		return nil
	}
	made, rejected, err := t.once(ctx, p)
	var bad *fault
	if errors.As(err, &bad) && p.units() == 1 {
		made, rejected, err = t.once(ctx, p)
	}
	switch {
	case err == nil:
		t.made, t.rejected = append(t.made, made...), append(t.rejected, rejected...)
		return nil
	case !errors.As(err, &bad) && !errors.Is(err, errMuch):
		return err
	case p.units() == 1 && bad != nil:
		return t.reject(p, bad)
	case p.units() == 1:
		return plan.Failf(plan.FailureUser, "%s gives more than %d MiB for (%s), which is too much with on_error: quarantine", label(t.fn), mostMade>>20, rowText(p.rec, 0))
	}
	halves := p.halves()
	defer halves[0].rec.Release()
	defer halves[1].rec.Release()
	if err := t.part(ctx, halves[0]); err != nil {
		return err
	}
	return t.part(ctx, halves[1])
}

// once calls the function in a process that has done nothing wrong before.
func (t *tableTrial) once(ctx context.Context, p part) (made []arrow.Record, rejected []plan.Rejection, err error) {
	if err := checkInput(t.fn, p.rec); err != nil {
		return nil, nil, err
	}
	if !t.lost {
		c, err := t.f.begin(ctx, t.fn)
		if err != nil {
			return nil, nil, err
		}
		made, rejected, err = c.part(ctx, p)
		t.lost = c.run.unfit.Load()
		return made, rejected, err
	}
	if t.run == nil {
		if t.run, err = t.f.freshFor(ctx, t.fn); err != nil {
			return nil, nil, err
		}
	}
	c := &call{fn: t.fn, run: t.run, host: t.f.host, functions: t.f}
	if err = c.open(ctx); err == nil {
		made, rejected, err = c.part(ctx, p)
	}
	if t.run.unfit.Load() {
		t.f.host.discard(t.run)
		t.run = nil
	}
	return made, rejected, err
}

// reject is for a row or group that has gone wrong alone, twice.
func (t *tableTrial) reject(p part, bad *fault) error {
	if t.lost && t.run == nil {
		if n := t.f.deadly.Add(1); n > maxDeadly {
			return t.f.tooDeadly(t.fn, n, p.rec, bad)
		}
	}
	for row := range int(p.rec.NumRows()) {
		t.rejected = append(t.rejected, plan.Rejection{Row: p.first + row, Reason: bad.reason})
	}
	return nil
}

// tooDeadly says that too many rows of a task have cost a process.
func (f *Functions) tooDeadly(fn plan.Function, n int64, row arrow.Record, bad *fault) error {
	return plan.Failf(plan.FailurePlugin, "%s: %d rows of this task have gone wrong, each in a process that did nothing else: "+
		"it is the function that is at fault; the last was (%s): %w", label(fn), n, rowText(row, 0), bad.failure)
}

// freshFor is a process for a function that has done nothing yet.
func (f *Functions) freshFor(ctx context.Context, fn plan.Function) (*running, error) {
	k, err := f.host.kind(ctx, fn)
	var run *running
	if err == nil {
		run, err = f.host.fresh(ctx, k, f.log)
	}
	if err != nil {
		return nil, f.startFailure(ctx, fn, err)
	}
	return run, nil
}

func recordBytes(rec arrow.Record) (bytes int64) {
	for _, c := range rec.Columns() {
		bytes += columnBytes(c)
	}
	return bytes
}

func columnBytes(c arrow.Array) (bytes int64) {
	for _, b := range c.Data().Buffers() {
		if b != nil {
			bytes += int64(b.Len())
		}
	}
	return bytes
}

func releaseAll(recs []arrow.Record) {
	for _, r := range recs {
		r.Release()
	}
}
