package operator

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// aggregation is the groups of the input, or of the rows of one scratch file, as far as memory goes.
type aggregation struct {
	o      *Aggregate
	depth  int // how often the rows were divided
	table  *groupTable
	first  []int64 // place of each group's first row
	frozen bool    // rows of groups that are not there go to disk
	dumped bool    // the groups have gone to disk as well, and all rows do

	// Where they go, all divided alike; nil before the first. Groups that were dumped come before those of states in
	// the order of first rows, and these before those that only raw rows are of.
	dump, states, raw *partitioner
}

// dividedFiles are scratch files of an aggregation: file k of each kind has the same keys.
type dividedFiles struct{ dump, states, raw [spillFanout]SpillFile }

func (d *dividedFiles) remove() error {
	return errors.Join(removeAll(d.dump[:]), removeAll(d.states[:]), removeAll(d.raw[:]))
}

func (o *Aggregate) newAggregation(depth int) (*aggregation, error) {
	table, err := newGroupTable(o.env, o.spec.keyTypes, o.spec.aggs)
	if err != nil {
		return nil, err
	}
	return &aggregation{o: o, depth: depth, table: table}, nil
}

// size is the number of groups to put out. Without keys there is one, even of no rows.
func (a *aggregation) size() int {
	switch {
	case a.dumped:
		return 0
	case a.table.keyed:
		return a.table.table.Len()
	}
	return 1
}

// add folds in rows; places are theirs in the input.
func (a *aggregation) add(f *folding, rec arrow.Record, places []int64) error {
	switch {
	case a.dumped:
		if err := a.spillRows(f, rec, places, nil); err != nil {
			return err
		}
		return a.settle()
	case a.frozen:
		return a.addFrozen(f, rec, places)
	}
	need := a.reserved() + grown(int64(len(places))*8) + a.table.growth(len(places))
	ok, err := a.o.tryHold(need)
	if err != nil {
		return err
	}
	if !ok && a.mayDivide() && a.table.table.Len() > 0 {
		a.frozen = true
		return a.addFrozen(f, rec, places)
	}
	if !ok { // some rows must be taken in, or dividing would not end; settle says when it is too much
		a.o.mustHold(min(need, floorBytes))
	}
	if err := a.table.add(f, rec); err != nil {
		return err
	}
	a.note(places)
	return a.settle()
}

// reserved is the memory to reserve for the groups.
func (a *aggregation) reserved() int64 { return a.table.reserved() + grown(int64(len(a.first))*8) }

// mayDivide reports that there are keys by which rows may go to disk.
func (a *aggregation) mayDivide() bool { return a.table.keyed && a.depth < maxSpillDepth }

// note notes where new groups appear first.
func (a *aggregation) note(places []int64) {
	if !a.table.keyed {
		return
	}
	for i, id := range a.table.ids {
		if int(id) == len(a.first) {
			a.first = append(a.first, places[i])
		}
	}
}

// addFrozen folds in the rows of known groups and writes the others.
func (a *aggregation) addFrozen(f *folding, rec arrow.Record, places []int64) error {
	others, err := a.table.addKnown(f, rec)
	if err != nil {
		return err
	}
	if len(others) > 0 {
		if err := a.spillRows(f, rec, places, others); err != nil {
			return err
		}
	}
	return a.settle()
}

// settle makes the reservation what is held. States that grow beyond it go to disk.
func (a *aggregation) settle() error {
	pending := a.pending()
	held := pending
	if !a.dumped {
		held += a.reserved()
	}
	ok, err := a.o.tryHold(held)
	switch {
	case ok || err != nil:
		return err
	case held-pending <= a.o.held || held <= floorBytes && !a.mayShrink():
		a.o.mustHold(held)
		return nil
	case a.mayShrink():
		return a.dumpGroups()
	}
	return a.o.hold(held)
}

// mayShrink reports that there are groups that can go to disk and come back apart.
func (a *aggregation) mayShrink() bool { return a.mayDivide() && !a.dumped && a.table.table.Len() > 1 }

func (a *aggregation) pending() int64 {
	n := int64(0)
	for _, p := range []*partitioner{a.dump, a.states, a.raw} {
		if p != nil {
			n += p.held
		}
	}
	return n
}

// spillRows writes rows of a batch, all if rows is nil, to disk.
func (a *aggregation) spillRows(f *folding, rec arrow.Record, places []int64, rows []int32) error {
	spec := &a.o.spec
	if f != &spec.state {
		if a.raw == nil {
			a.raw = a.o.newPartitioner(spec.rawRows, spec.raw.keys, a.depth)
		}
		out := a.o.rawRecord(f, rec, places, rows)
		defer out.Release()
		return a.raw.add(out)
	}
	if a.states == nil {
		a.states = a.o.newPartitioner(spec.states, spec.state.keys, a.depth)
	}
	if rows != nil {
		rec = vector.TakeRecord(a.o.env.Mem, rec, rows)
		defer rec.Release()
	}
	return a.states.add(rec)
}

// dumpGroups writes the groups to disk as states and gives their memory back.
func (a *aggregation) dumpGroups() error {
	spec := &a.o.spec
	a.dump = a.o.newPartitioner(spec.states, spec.state.keys, a.depth)
	n := a.table.table.Len()
	step := a.o.spillRows(int64(n), a.table.bytes(), outputBytes)
	for from := 0; from < n; from += step {
		to := min(from+step, n)
		if err := a.writeGroups(a.dump.add, spec.states, from, to, true); err != nil {
			return err
		}
	}
	a.frozen, a.dumped, a.table.accs, a.first = true, true, nil, nil
	a.table.table.Reset()
	return a.settle()
}

// writeGroups hands groups, as states or as results, with their places to write.
func (a *aggregation) writeGroups(write func(arrow.Record) error, schema plan.Schema, from, to int, states bool) error {
	cols, err := a.table.output(from, to, states)
	if err != nil {
		return err
	}
	defer releaseArrays(cols)
	rec := a.o.numbered(schema, cols, a.first[from:to])
	defer rec.Release()
	return write(rec)
}

// finish hands over the files, and drops the groups, also after an error.
func (a *aggregation) finish() (files dividedFiles, err error) {
	defer func() { err = errors.Join(err, a.close()) }()
	for _, p := range []struct {
		from *partitioner
		to   *[spillFanout]SpillFile
	}{{a.dump, &files.dump}, {a.states, &files.states}, {a.raw, &files.raw}} {
		if p.from == nil {
			continue
		}
		if *p.to, err = p.from.finish(); err != nil {
			return files, err
		}
	}
	return files, nil
}

func (a *aggregation) close() error {
	if a == nil {
		return nil
	}
	err := errors.Join(a.dump.close(), a.states.close(), a.raw.close())
	a.table, a.first, a.dump, a.states, a.raw = nil, nil, nil, nil, nil
	return err
}

// aggregateFiles aggregates divided rows file by file. It owns the files, also after an error.
func (o *Aggregate) aggregateFiles(ctx context.Context, files dividedFiles, depth int) (err error) {
	defer func() { err = errors.Join(err, files.remove()) }()
	for k := range spillFanout {
		if err := o.aggregateFile(ctx, &files, k, depth); err != nil {
			return err
		}
	}
	return nil
}

// aggregateFile aggregates the rows of one file of each kind, which it removes.
func (o *Aggregate) aggregateFile(ctx context.Context, files *dividedFiles, k, depth int) error {
	dump, states, raw := files.dump[k], files.states[k], files.raw[k]
	if dump == nil && states == nil && raw == nil {
		return nil
	}
	a, err := o.newAggregation(depth)
	if err != nil {
		return err
	}
	sub, err := a.run(ctx, dump, states, raw)
	if err != nil {
		return errors.Join(err, a.close(), sub.remove())
	}
	if err := o.hold(0); err != nil {
		return errors.Join(err, sub.remove())
	}
	for _, f := range []*SpillFile{&files.dump[k], &files.states[k], &files.raw[k]} {
		if *f != nil {
			if err := (*f).Remove(); err != nil {
				return errors.Join(err, sub.remove())
			}
			*f = nil
		}
	}
	return o.aggregateFiles(ctx, sub, depth+1)
}

// run folds in the files and writes the results of the groups that stayed in memory.
func (a *aggregation) run(ctx context.Context, dump, states, raw SpillFile) (dividedFiles, error) {
	spec := &a.o.spec
	for _, in := range []struct {
		file SpillFile
		f    *folding
	}{{dump, &spec.state}, {states, &spec.state}, {raw, &spec.raw}} {
		err := a.o.eachOf(in.file, func(rec arrow.Record) error {
			if err := context.Cause(ctx); err != nil {
				return err
			}
			return a.add(in.f, rec, places(rec))
		})
		if err != nil {
			return dividedFiles{}, err
		}
	}
	if n := a.size(); n > 0 {
		out, err := a.o.env.Scratch.Create(spec.results)
		if err != nil {
			return dividedFiles{}, err
		}
		a.o.outputs = append(a.o.outputs, out)
		step := a.o.spillRows(int64(n), a.table.bytes(), spillBytes)
		for from := 0; from < n; from += step {
			if err := a.writeGroups(out.Write, spec.results, from, min(from+step, n), false); err != nil {
				return dividedFiles{}, err
			}
		}
	}
	return a.finish()
}
