package operator

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
)

// join writes the results of the rows loaded with those of a left file to a file. shared are the marks of the left rows
// when the rows loaded are but a part of those that they must be joined with.
func (j *spilledJoin) join(left SpillFile, shared []byte) (err error) {
	side, err := j.o.loading.finish(j.o)
	if err != nil {
		return err
	}
	r, err := readerOf(left)
	if err != nil {
		side.release()
		return err
	}
	work := &joiner{
		o: j.o, build: side, numbered: true, leftRows: j.leftRows, shared: shared,
		left: func(context.Context) (arrow.Record, error) { return r.Next() },
	}
	defer func() {
		work.close()
		err = errors.Join(err, r.Close(), j.o.hold(0))
	}()
	j.o.mustHold(work.held())
	var out SpillFile
	for {
		rec, err := work.next(j.ctx)
		if err != nil || rec == nil {
			return err
		}
		if out == nil {
			if out, err = j.output(); err != nil {
				rec.Release()
				return err
			}
		}
		err = j.o.writeParts(out, rec)
		rec.Release()
		if err != nil {
			return err
		}
	}
}

// joinParts joins a left file to a right one part by part. What depends on all of them, it settles in the end by the
// marks of the left rows.
func (j *spilledJoin) joinParts(left, right SpillFile) (err error) {
	o, rows := j.o, int64(0)
	if left != nil {
		rows = left.Rows()
	}
	marks := make([]byte, rows)
	r, err := readerOf(right)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	var rest arrow.Record // read but not yet loaded
	defer func() {
		if rest != nil {
			rest.Release()
		}
	}()
	for more := true; more; {
		o.loading = loader{s: &o.stream, schema: j.right, keys: o.plan.RightKeys}
		if more, err = j.loadPart(r, &rest); err != nil {
			return err
		}
		if err := j.join(left, marks); err != nil {
			return err
		}
	}
	if !marking(o.plan.Type) && !keepsLeft(o.plan.Type) {
		return nil
	}
	return j.settle(left, marks)
}

// loadPart loads right rows from rest on until memory is full, which it says by more.
func (j *spilledJoin) loadPart(r SpillReader, rest *arrow.Record) (more bool, err error) {
	for {
		rec := *rest
		*rest = nil
		if rec == nil {
			if rec, err = r.Next(); err == io.EOF {
				return false, nil
			}
			if err != nil {
				return false, err
			}
		}
		taken, err := j.o.loading.add(rec)
		if err == nil && !taken {
			*rest = rec
			return true, nil
		}
		rec.Release()
		if err != nil {
			return false, err
		}
	}
}

// settle puts out what the marks of all left rows of a file say.
func (j *spilledJoin) settle(left SpillFile, marks []byte) error {
	out, err := j.output()
	if err != nil {
		return err
	}
	o := j.o
	empty, err := vector.ConcatRecords(o.env.Mem, j.right, nil)
	if err != nil {
		return err
	}
	defer empty.Release()
	return o.eachOf(left, func(rec arrow.Record) error {
		if err := context.Cause(j.ctx); err != nil {
			return err
		}
		mine := marks[:rec.NumRows()]
		marks = marks[rec.NumRows():]
		var joined arrow.Record
		if marking(o.plan.Type) {
			joined = o.takeMarked(rec, mine, true)
		} else {
			var rows, none []int32
			for i, m := range mine {
				if m != markTrue {
					rows, none = append(rows, int32(i)), append(none, -1)
				}
			}
			joined = o.takePairs(rec, empty, rows, none, true)
		}
		if joined == nil {
			return nil
		}
		defer joined.Release()
		return o.writeParts(out, joined)
	})
}

// readerOf reads a file; no file has no rows.
func readerOf(f SpillFile) (SpillReader, error) {
	if f == nil {
		return nothing{}, nil
	}
	r, err := f.Reader()
	if err != nil {
		return nil, fmt.Errorf("join: %w", err)
	}
	return r, nil
}

// nothing is the reader of no file.
type nothing struct{}

func (nothing) Next() (arrow.Record, error) { return nil, io.EOF }
func (nothing) Close() error                { return nil }
