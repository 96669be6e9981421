package operator

import (
	"context"
	"errors"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// spilledJoin joins inputs of which the build side is too large for memory. Both are divided into files by a hash of
// their keys, and joined file by file. Where that does not help, since there are no keys, or one key has too many rows,
// or a NULL may match any key, the left file is read again for each part of the right one that memory has room for.
type spilledJoin struct {
	o        *HashJoin
	ctx      context.Context
	left     plan.Schema // with the place
	right    plan.Schema // with the place
	results  plan.Schema // with the place
	leftRows int64
}

// joinSpilled reads both inputs to disk, the batches loaded so far and next among them, and joins them there.
func (o *HashJoin) joinSpilled(ctx context.Context, next arrow.Record) error {
	j := &spilledJoin{
		o: o, ctx: ctx, results: withSequence(o.schema),
		left: withSequence(o.inputs[0].Schema()), right: withSequence(o.inputs[1].Schema()),
	}
	err := j.run(next)
	if err != nil {
		return err
	}
	keys, outputs := sequenceKeys(j.results), o.outputs
	o.outputs = nil
	if outputs, err = o.reduce(ctx, j.results, keys, outputs); err != nil {
		return err
	}
	o.merge = o.openMerge(j.results, keys, outputs)
	return nil
}

func (j *spilledJoin) run(next arrow.Record) (err error) {
	divide := len(j.o.plan.LeftKeys) > 0 && !j.o.plan.NullAware
	right, lonely, err := j.spillRight(next, divide)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, right.close()) }()
	left, err := j.spillLeft(divide)
	if err != nil {
		return errors.Join(err, removeFile(lonely))
	}
	defer func() { err = errors.Join(err, left.close()) }()
	if lonely != nil {
		if err := j.putOrphans(lonely); err != nil {
			return err
		}
	}
	if !divide {
		return j.joinParts(left.files[0], right.files[0])
	}
	return j.joinFiles(left, right, 1)
}

func removeFile(f SpillFile) error {
	if f == nil {
		return nil
	}
	return f.Remove()
}

// fileSet is the files of one input, one if the rows are not divided.
type fileSet struct{ files []SpillFile }

func (f *fileSet) close() error {
	if f == nil {
		return nil
	}
	err := removeAll(f.files)
	f.files = nil
	return err
}

// spiller writes an input to disk.
type spiller struct {
	add    func(arrow.Record) error
	finish func() (*fileSet, error)
	close  func() error
}

// spiller makes one that divides rows by keys, or that writes one file.
func (j *spilledJoin) spiller(schema plan.Schema, keys []int, depth int, divide bool) (*spiller, error) {
	if divide {
		p := j.o.newPartitioner(schema, keys, depth)
		return &spiller{
			add: func(rec arrow.Record) error {
				err := p.add(rec)
				j.o.mustHold(max(j.o.held, p.held))
				return err
			},
			finish: func() (*fileSet, error) {
				files, err := p.finish()
				return &fileSet{files[:]}, err
			},
			close: p.close,
		}, nil
	}
	f, err := j.o.env.Scratch.Create(schema)
	if err != nil {
		return nil, err
	}
	return &spiller{
		add:    func(rec arrow.Record) error { return j.o.writeParts(f, rec) },
		finish: func() (*fileSet, error) { out := &fileSet{[]SpillFile{f}}; f = nil; return out, nil },
		close:  func() error { return removeFile(f) },
	}, nil
}

// spillRight writes the right input. Rows with a NULL key, which have no partner, go to a file of their own in a
// join that keeps them, and are left out in others, when rows are divided: there might be too many of them for one file.
func (j *spilledJoin) spillRight(next arrow.Record, divide bool) (files *fileSet, lonely SpillFile, err error) {
	o := j.o
	out, err := j.spiller(j.right, o.plan.RightKeys, 0, divide)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err = errors.Join(err, out.close()); err != nil {
			err = errors.Join(err, removeFile(lonely))
		}
	}()
	rows, numbers := int64(0), []int64(nil)
	put := func(rec arrow.Record) error {
		numbers = counting(numbers, rows, int(rec.NumRows()))
		rows += rec.NumRows()
		rec = o.numbered(j.right, rec.Columns(), numbers)
		defer rec.Release()
		if !divide {
			return out.add(rec)
		}
		return j.putKeyed(rec, out, &lonely)
	}
	for len(o.loading.batches) > 0 {
		if err := put(o.loading.batches[0]); err != nil {
			return nil, lonely, err
		}
		o.loading.batches[0].Release()
		o.loading.batches = o.loading.batches[1:]
	}
	o.loading.drop()
	if err := o.hold(0); err != nil {
		return nil, lonely, err
	}
	if err := put(next); err != nil {
		return nil, lonely, err
	}
	err = o.each(j.ctx, 1, func(rec arrow.Record) error {
		if err := o.publisher.observe(rec); err != nil {
			return err
		}
		return put(rec)
	})
	if err != nil {
		return nil, lonely, err
	}
	o.publisher.publish(nil)
	files, err = out.finish()
	return files, lonely, err
}

// putKeyed writes right rows, those that can have no partner elsewhere.
func (j *spilledJoin) putKeyed(rec arrow.Record, out *spiller, lonely *SpillFile) error {
	o := j.o
	var strict []int
	for i, c := range o.plan.RightKeys {
		if i >= len(o.plan.NullSafe) || !o.plan.NullSafe[i] {
			strict = append(strict, c)
		}
	}
	with, without := anyNull(rec, strict, nil)
	if len(with) == 0 {
		return out.add(rec)
	}
	if keepsRight(o.plan.Type) {
		if *lonely == nil {
			var err error
			if *lonely, err = o.env.Scratch.Create(j.right); err != nil {
				return err
			}
		}
		part := vector.TakeRecord(o.env.Mem, rec, with)
		err := o.writeParts(*lonely, part)
		part.Release()
		if err != nil {
			return err
		}
	}
	if len(without) == 0 {
		return nil
	}
	part := vector.TakeRecord(o.env.Mem, rec, without)
	defer part.Release()
	return out.add(part)
}

// spillLeft writes the left input.
func (j *spilledJoin) spillLeft(divide bool) (files *fileSet, err error) {
	o := j.o
	out, err := j.spiller(j.left, o.plan.LeftKeys, 0, divide)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	var numbers []int64
	err = o.each(j.ctx, 0, func(rec arrow.Record) error {
		numbers = counting(numbers, j.leftRows, int(rec.NumRows()))
		j.leftRows += rec.NumRows()
		rec = o.numbered(j.left, rec.Columns(), numbers)
		defer rec.Release()
		return out.add(rec)
	})
	if err != nil {
		return nil, err
	}
	return out.finish()
}

// putOrphans makes output of the right rows that were known to have no partner. It owns the file.
func (j *spilledJoin) putOrphans(f SpillFile) (err error) {
	defer func() { err = errors.Join(err, f.Remove()) }()
	out, err := j.output()
	if err != nil {
		return err
	}
	return j.o.eachOf(f, func(rec arrow.Record) error {
		rows := make([]int32, rec.NumRows())
		for i := range rows {
			rows[i] = int32(i)
		}
		joined := j.o.takeOfBuild(rec, rows, j.leftRows, true)
		defer joined.Release()
		return j.o.writeParts(out, joined)
	})
}

// output starts a file of results.
func (j *spilledJoin) output() (SpillFile, error) {
	f, err := j.o.env.Scratch.Create(j.results)
	if err == nil {
		j.o.outputs = append(j.o.outputs, f)
	}
	return f, err
}

// joinFiles joins files that were divided depth times, pair by pair, and removes them as it goes.
func (j *spilledJoin) joinFiles(left, right *fileSet, depth int) error {
	total := int64(0)
	for _, f := range right.files {
		if f != nil {
			total += f.Rows()
		}
	}
	for k := range left.files {
		l, r := left.files[k], right.files[k]
		if l == nil && (r == nil || !keepsRight(j.o.plan.Type)) || r == nil && needsPartner(j.o.plan.Type) {
			continue
		}
		// Most rows in one file: dividing them again would not help, they have one key.
		hopeless := depth >= maxSpillDepth || depth > 1 && r != nil && r.Rows() > total/10*9
		if err := j.joinFile(l, r, depth, hopeless); err != nil {
			return err
		}
		for _, f := range []*SpillFile{&left.files[k], &right.files[k]} {
			if err := removeFile(*f); err != nil {
				return err
			}
			*f = nil
		}
	}
	return nil
}

// joinFile joins one pair of files, either of which may be missing.
func (j *spilledJoin) joinFile(left, right SpillFile, depth int, hopeless bool) (err error) {
	whole, err := j.load(right)
	if err != nil {
		return err
	}
	if whole {
		return j.joinLoaded(left)
	}
	j.o.loading.drop()
	if err := j.o.hold(0); err != nil {
		return err
	}
	if hopeless {
		return j.joinParts(left, right)
	}
	r, err := j.divide(right, j.right, j.o.plan.RightKeys, depth)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	l, err := j.divide(left, j.left, j.o.plan.LeftKeys, depth)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	return j.joinFiles(l, r, depth+1)
}

// divide divides the rows of a file.
func (j *spilledJoin) divide(f SpillFile, schema plan.Schema, keys []int, depth int) (files *fileSet, err error) {
	out, err := j.spiller(schema, keys, depth, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	err = j.o.eachOf(f, func(rec arrow.Record) error {
		if err := context.Cause(j.ctx); err != nil {
			return err
		}
		return out.add(rec)
	})
	if err != nil {
		return nil, err
	}
	return out.finish()
}

// load loads the rows of a right file; false if memory has no room for all of them.
func (j *spilledJoin) load(f SpillFile) (whole bool, err error) {
	j.o.loading = loader{s: &j.o.stream, schema: j.right, keys: j.o.plan.RightKeys}
	if f == nil {
		return true, nil
	}
	whole = true
	err = j.o.eachOf(f, func(rec arrow.Record) error {
		if err := context.Cause(j.ctx); err != nil {
			return err
		}
		taken, err := j.o.loading.add(rec)
		if err == nil && !taken {
			whole, err = false, errFull
		}
		return err
	})
	if errors.Is(err, errFull) {
		err = nil
	}
	return whole, err
}

var errFull = errors.New("no room")

// joinLoaded joins a left file to the rows loaded.
func (j *spilledJoin) joinLoaded(left SpillFile) error {
	return j.join(left, nil)
}
