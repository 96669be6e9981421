package operator

import (
	"context"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/group"
	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// joiner joins left batches to build rows in memory: all of an input, those of one scratch file, or a part of the
// latter.
type joiner struct {
	o        *HashJoin
	build    *buildSide
	left     func(context.Context) (arrow.Record, error) // io.EOF at the end
	numbered bool                                        // left batches, and output, end with the rows' places
	leftRows int64                                       // numbered: how many rows the whole left input has

	// shared marks are those of all left rows, which outlive the joiner; nil where each batch has its own.
	shared []byte
	at     int // how many left rows came so far
	own    []byte

	probe   probe
	drained bool
	seen    int // the first build row of which it was not looked at yet what its mark says
}

// next is the next output batch, nil at the end.
func (j *joiner) next(ctx context.Context) (arrow.Record, error) {
	for !j.drained {
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if j.probe.done() {
			if err := j.nextLeft(ctx); err != nil {
				return nil, err
			}
			continue
		}
		out, err := j.some(ctx)
		if out != nil || err != nil {
			return out, err
		}
	}
	return j.nextOfBuild(), nil
}

// nextLeft takes the next left batch. Without build rows a join that needs a partner has no rows at all.
func (j *joiner) nextLeft(ctx context.Context) error {
	j.probe.release()
	if j.build.rec.NumRows() == 0 && needsPartner(j.o.plan.Type) {
		j.drained = true
		return nil
	}
	rec, err := j.left(ctx)
	if err == io.EOF {
		j.drained = true
		return nil
	}
	if err != nil {
		return err
	}
	rows := int(rec.NumRows())
	marks := j.shared
	if marks != nil {
		marks = marks[j.at : j.at+rows]
	} else {
		if cap(j.own) < rows {
			j.own = make([]byte, rows)
		}
		marks = j.own[:rows]
		clear(marks)
	}
	j.at += rows
	return j.probe.start(rec, j.build.index, j.o.plan.LeftKeys, marks)
}

// needsPartner reports a join that puts out nothing for rows without a partner.
func needsPartner(t plan.JoinType) bool {
	return t == plan.JoinInner || t == plan.JoinCross || t == plan.JoinLeftSemi || t.PutsOutRight()
}

// keepsLeft reports a join that puts out left rows without a partner beside NULLs.
func keepsLeft(t plan.JoinType) bool {
	return t == plan.JoinLeft || t == plan.JoinFull || t == plan.JoinSingle
}

// keepsRight reports a join that puts out right rows without a partner.
func keepsRight(t plan.JoinType) bool { return t == plan.JoinFull || t == plan.JoinRightAnti }

// marking reports a join that looks at the marks of rows only.
func marking(t plan.JoinType) bool {
	return t == plan.JoinLeftSemi || t == plan.JoinLeftAnti || t == plan.JoinMark
}

// some produces output from the next pairs of the current left batch; nil if none of them survives.
func (j *joiner) some(ctx context.Context) (arrow.Record, error) {
	p, o := &j.probe, j.o
	if o.plan.Type.PutsOutRight() {
		return nil, j.markBuild(ctx)
	}
	if marking(o.plan.Type) {
		if err := j.markBatch(ctx); err != nil || j.shared != nil {
			return nil, err
		}
		return o.takeMarked(p.rec, p.marks, j.numbered), nil
	}
	p.pairs(j.build.index, o.env.BatchRows, keepsLeft(o.plan.Type))
	keep, err := o.condition.holds(o.env, p, j.build.rec)
	if err != nil {
		return nil, err
	}
	if keep == nil && o.plan.Type == plan.JoinInner {
		return o.takePairs(p.rec, j.build.rec, p.left, p.right, j.numbered), nil
	}
	lonely := j.shared == nil && keepsLeft(o.plan.Type)
	if err := p.decide(lonely, o.plan.Type == plan.JoinSingle, keep, j.build.matched); err != nil {
		return nil, err
	}
	return o.takePairs(p.rec, j.build.rec, p.left, p.right, j.numbered), nil
}

// markBatch marks the rows of the current left batch.
func (j *joiner) markBatch(ctx context.Context) error {
	p, o := &j.probe, j.o
	if o.condition == nil {
		for i, id := range p.ids {
			if id != group.None {
				p.marks[i] = markTrue
			}
		}
		p.row = len(p.ids)
	}
	for !p.done() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		p.pairs(j.build.index, o.env.BatchRows, false)
		keep, err := o.condition.holds(o.env, p, j.build.rec)
		if err != nil {
			return err
		}
		p.note(keep)
		p.skipMarked()
	}
	if o.plan.NullAware {
		return j.markNulls(ctx)
	}
	return nil
}

// markBuild marks the build rows that have a partner in the current left batch. A row that has one already is no
// candidate any more.
func (j *joiner) markBuild(ctx context.Context) error {
	p, o := &j.probe, j.o
	if o.condition == nil {
		for _, id := range p.ids {
			if id == group.None || j.build.keySeen[id] {
				continue
			}
			j.build.keySeen[id] = true
			for _, row := range j.build.index.Rows(id) {
				j.build.matched[row] = true
			}
		}
		p.row = len(p.ids)
		return nil
	}
	for !p.done() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		p.openPairs(j.build.index, j.build.matched, o.env.BatchRows)
		keep, err := o.condition.holds(o.env, p, j.build.rec)
		if err != nil {
			return err
		}
		for i, holds := range keep {
			if holds {
				j.build.matched[p.right[i]] = true
			}
		}
	}
	return nil
}

// nextOfBuild is what comes after all left rows, in build order: the build rows without a partner in a full join and in
// a right anti join, those with one in a right semi join.
func (j *joiner) nextOfBuild() arrow.Record {
	var rows []int32
	wanted := j.o.plan.Type == plan.JoinRightSemi
	for ; j.seen < len(j.build.matched) && len(rows) < j.o.env.BatchRows; j.seen++ {
		if j.build.matched[j.seen] == wanted {
			rows = append(rows, int32(j.seen))
		}
	}
	return j.o.takeOfBuild(j.build.rec, rows, j.leftRows, j.numbered)
}

func (j *joiner) held() int64 { return j.build.bytes() + int64(len(j.own)+len(j.shared)) }

func (j *joiner) close() {
	if j == nil {
		return
	}
	j.probe.release()
	j.build.release()
	j.build = nil
}

// takeMarked is what a semi, anti or mark join puts out for a left batch; nil for nothing.
func (o *HashJoin) takeMarked(rec arrow.Record, marks []byte, numbered bool) arrow.Record {
	if o.plan.Type == plan.JoinMark {
		return o.withMark(rec, marks, numbered)
	}
	wanted := markNone
	if o.plan.Type == plan.JoinLeftSemi {
		wanted = markTrue
	}
	var rows []int32
	for i, m := range marks {
		if m == wanted {
			rows = append(rows, int32(i))
		}
	}
	switch len(rows) {
	case 0:
		return nil
	case len(marks):
		rec.Retain()
		return rec
	}
	return vector.TakeRecord(o.env.Mem, rec, rows)
}

// withMark is a left batch with its marks as a boolean column.
func (o *HashJoin) withMark(rec arrow.Record, marks []byte, numbered bool) arrow.Record {
	rows := len(marks)
	nulls := &vector.Nulls{Mem: o.env.Mem, Rows: rows}
	buf, bits := vector.AllocBits(o.env.Mem, rows)
	for i, m := range marks {
		switch m {
		case markTrue:
			bits[i>>3] |= 1 << (i & 7)
		case markNull:
			nulls.Set(i)
		}
	}
	mark := vector.Make(arrow.FixedWidthTypes.Boolean, rows, nulls, buf)
	defer mark.Release()
	width := len(o.inputs[0].Schema().Fields)
	cols := append(append([]arrow.Array(nil), rec.Columns()[:width]...), mark)
	schema := o.schema
	if numbered {
		cols, schema = append(cols, rec.Column(width)), withSequence(schema)
	}
	return vector.NewRecord(schema, cols, rows)
}

// takePairs is left rows beside build rows; row -1 is NULL in every column. With numbered the rows' places, in the left
// batch's last column, follow.
func (o *HashJoin) takePairs(rec, build arrow.Record, left, right []int32, numbered bool) arrow.Record {
	if len(right) == 0 {
		return nil
	}
	cols := make([]arrow.Array, 0, len(o.schema.Fields)+1)
	defer func() { releaseArrays(cols) }()
	all := whole(left, rec)
	take := func(c arrow.Array) {
		if all {
			c.Retain()
			cols = append(cols, c)
		} else {
			cols = append(cols, vector.Take(o.env.Mem, c, left))
		}
	}
	for i := range o.inputs[0].Schema().Fields {
		take(rec.Column(i))
	}
	for i := range o.inputs[1].Schema().Fields {
		cols = append(cols, vector.Take(o.env.Mem, build.Column(i), right))
	}
	if !numbered {
		return vector.NewRecord(o.schema, cols, len(right))
	}
	take(rec.Column(int(rec.NumCols()) - 1))
	return vector.NewRecord(withSequence(o.schema), cols, len(right))
}

// takeOfBuild is build rows, in a full join beside NULLs; nil for none. With numbered they are put behind all left rows.
func (o *HashJoin) takeOfBuild(build arrow.Record, rows []int32, leftRows int64, numbered bool) arrow.Record {
	if len(rows) == 0 {
		return nil
	}
	var cols []arrow.Array
	defer func() { releaseArrays(cols) }()
	if o.plan.Type == plan.JoinFull {
		for _, f := range o.inputs[0].Schema().Fields {
			cols = append(cols, vector.FromLiteral(o.env.Mem, f.Type, plan.Literal{Null: true}, len(rows)))
		}
	}
	for i := range o.inputs[1].Schema().Fields {
		cols = append(cols, vector.Take(o.env.Mem, build.Column(i), rows))
	}
	if !numbered {
		return vector.NewRecord(o.schema, cols, len(rows))
	}
	at, in := make([]int64, len(rows)), places(build)
	for i, r := range rows {
		at[i] = leftRows + in[r]
	}
	return o.numbered(withSequence(o.schema), cols, at)
}

// whole reports that rows are all rows of a batch once, in order, as they are when every row has one partner.
func whole(rows []int32, rec arrow.Record) bool {
	if len(rows) != int(rec.NumRows()) {
		return false
	}
	for i, r := range rows {
		if r != int32(i) {
			return false
		}
	}
	return true
}
