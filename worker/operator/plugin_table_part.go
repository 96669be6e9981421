package operator

import (
	"context"
	"io"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
	"github.com/quern-engine/quern/plan"
)

// partRows is about how many rows of whole groups go to a function at a time, and partBytes bounds one group: it has to be held until the
// function is done with it, since all of it may have to be put aside.
const (
	partRows  = 8192
	partBytes = 256 << 20
)

// tablePart is what a table function is called with at a time if rows that it cannot do are put aside.
type tablePart struct {
	ready   []arrow.Record // what it has given
	held    []arrow.Record // rows of groups that are not complete yet
	starts  []uint32       // where groups begin in what is held
	rows    int            // of those held
	bytes   int64
	read    int64 // rows that were given before
	drained bool
}

func (p *tablePart) release() {
	releaseRecords(p.ready)
	releaseRecords(p.held)
	p.ready, p.held = nil, nil
}

// nextPart is the next rows that the function gives, after having put aside what it could not do.
func (o *PluginTable) nextPart(ctx context.Context) (arrow.Record, error) {
	p := &o.part
	for len(p.ready) == 0 {
		rec, groups, err := o.whole(ctx)
		if err != nil {
			return nil, err
		}
		err = o.callPart(ctx, rec, groups)
		rec.Release()
		if err != nil {
			return nil, err
		}
	}
	rec := p.ready[0]
	p.ready = p.ready[1:]
	return o.checked(rec)
}

// callPart calls the function with some rows.
func (o *PluginTable) callPart(ctx context.Context, rec arrow.Record, groups []uint32) error {
	args := o.arguments(rec)
	defer args.Release()
	made, rejected, err := o.env.Caller.TablePart(ctx, o.plan.Function, args, groups)
	if err != nil {
		return err
	}
	o.part.ready = append(o.part.ready, made...)
	if len(rejected) > 0 && o.env.Rejects == nil {
		return plan.Failf(plan.FailureInternal, "plugin table %s: this task has nowhere to put rejected rows", o.plan.Function)
	}
	for _, r := range rejected {
		if err := o.env.Rejects.Reject(ctx, o.plan.Function, o.part.read+int64(r.Row), r, rec, args); err != nil {
			return err
		}
	}
	o.part.read += rec.NumRows()
	return nil
}

// whole is the next rows that can be done without the others: a batch, or whole groups and where they begin. The caller owns them.
func (o *PluginTable) whole(ctx context.Context) (arrow.Record, []uint32, error) {
	if o.plan.Per != plan.PerGroup {
		rec, err := o.pull(ctx, 0)
		return rec, nil, err
	}
	p := &o.part
	for !p.drained {
		rec, err := o.pull(ctx, 0)
		if err == io.EOF {
			p.drained = true
			break
		}
		if err != nil {
			return nil, nil, err
		}
		p.hold(rec, o.starts(rec), recordBytes(rec))
		// All but the last group are complete.
		if last := p.lastStart(); last >= partRows {
			return o.take(last)
		}
		if p.bytes > partBytes && p.lastStart() > 0 {
			return o.take(p.lastStart())
		}
		if p.bytes > partBytes {
			return nil, nil, plan.Failf(plan.FailureUser, "%s: a group has more than %d MiB, which is too much to hold with on_error: quarantine", o.plan.Function, partBytes>>20)
		}
	}
	if p.rows == 0 {
		return nil, nil, io.EOF
	}
	return o.take(p.rows)
}

// hold takes a batch over.
func (p *tablePart) hold(rec arrow.Record, starts []uint32, bytes int64) {
	for _, s := range starts {
		p.starts = append(p.starts, uint32(p.rows)+s)
	}
	p.held = append(p.held, rec)
	p.rows += int(rec.NumRows())
	p.bytes += bytes
}

// lastStart is where the group begins that may go on.
func (p *tablePart) lastStart() int {
	if len(p.starts) == 0 {
		return 0
	}
	return int(p.starts[len(p.starts)-1])
}

// take is the first rows that are held, up to where a group begins or all.
func (o *PluginTable) take(rows int) (arrow.Record, []uint32, error) {
	p := &o.part
	all, err := vector.ConcatRecords(o.env.Mem, o.inputs[0].Schema(), p.held)
	if err != nil {
		return nil, nil, err
	}
	defer all.Release()
	releaseRecords(p.held)
	groups, bytes := p.starts, p.bytes
	p.held, p.starts, p.rows, p.bytes = nil, nil, 0, 0
	if rows == int(all.NumRows()) {
		all.Retain()
		return all, groups, nil
	}
	rest := int(all.NumRows()) - rows
	p.hold(vector.Slice(all, rows, int(all.NumRows())), []uint32{0}, bytes*int64(rest)/all.NumRows())
	return vector.Slice(all, 0, rows), groups[:len(groups)-1], nil
}
