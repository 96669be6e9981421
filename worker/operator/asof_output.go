package operator

import (
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"github.com/quern-engine/quern/compute/vector"
)

// asofOutput gathers the rows of an output batch.
type asofOutput struct {
	o       *AsofJoin
	left    []int32        // rows of the left batch
	sources []arrow.Record // of right rows; the first is the row of NULLs
	last    []asofSource   // by cursor
	held    int64
}

// asofSource is a right batch and its place among the sources.
type asofSource struct {
	b  *asofBatch
	at int32
}

func (o *AsofJoin) newOutput() *asofOutput {
	o.none.Retain()
	for i := range o.picks {
		o.picks[i] = o.picks[i][:0]
	}
	return &asofOutput{o: o, left: o.rows[:0], sources: []arrow.Record{o.none}, last: make([]asofSource, len(o.cursors))}
}

// none puts out a left row without a partner.
func (a *asofOutput) none(row int) {
	if !a.o.plan.Left {
		return
	}
	a.left = append(a.left, int32(row))
	for i := range a.o.picks {
		a.o.picks[i] = append(a.o.picks[i], vector.Pick{})
	}
}

// chosen puts out a left row with what the cursors have found.
func (a *asofOutput) chosen(row int) {
	main := a.o.cursors[0].choose(row)
	if main.b == nil {
		a.none(row)
		return
	}
	a.left = append(a.left, int32(row))
	a.pick(0, main)
	for i := 1; i < len(a.o.cursors); i++ {
		a.pick(i, a.o.cursors[i].choose(row))
	}
}

// pick gives a cursor's columns the values of a right row.
func (a *asofOutput) pick(cursor int, r asofRef) {
	p := vector.Pick{}
	if r.b != nil {
		if cursor == 0 {
			a.o.matched++
		}
		last := &a.last[cursor]
		if last.b != r.b {
			r.b.rec.Retain()
			*last = asofSource{r.b, int32(len(a.sources))}
			a.sources = append(a.sources, r.b.rec)
			a.held += r.b.size
		}
		p = vector.Pick{Source: last.at, Row: int32(r.row)}
	}
	a.o.picks[cursor] = append(a.o.picks[cursor], p)
}

// record is the batch, nil without rows.
func (a *asofOutput) record() (arrow.Record, error) {
	n := len(a.left)
	if n == 0 {
		return nil, nil
	}
	left := a.leftRows()
	defer left.Release()
	right, err := a.rightColumns()
	defer releaseArrays(right)
	if err != nil {
		return nil, err
	}
	cols := append(append([]arrow.Array(nil), left.Columns()...), right...)
	return vector.NewRecord(a.o.schema, cols, n), nil
}

// leftRows are the rows of the left batch, a slice of it if none was left out.
func (a *asofOutput) leftRows() arrow.Record {
	rec, n := a.o.left.rec, len(a.left)
	if from := int(a.left[0]); int(a.left[n-1])-from == n-1 { // they ascend
		return vector.Slice(rec, from, from+n)
	}
	return vector.TakeRecord(a.o.env.Mem, rec, a.left)
}

func (a *asofOutput) rightColumns() ([]arrow.Array, error) {
	fields := a.o.inputs[1].Schema().Fields
	cols, parts := make([]arrow.Array, len(fields)), make([]arrow.Array, len(a.sources))
	for c, f := range fields {
		for i, r := range a.sources {
			parts[i] = r.Column(c)
		}
		var err error
		if cols[c], err = vector.Interleave(a.o.env.Mem, parts, a.o.picks[a.o.owner[c]]); err != nil {
			return cols, fmt.Errorf("interleave column %s: %w", f.Name, err)
		}
	}
	return cols, nil
}

func (a *asofOutput) release() {
	a.o.rows = a.left
	releaseRecords(a.sources)
}
