package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/udfpb"
)

// Input gives the batches that a table function reads, and for functions per group the rows of each that begin a group. It ends with
// io.EOF. The batches are the callee's to release.
type Input func(ctx context.Context) (rec arrow.Record, groups []uint32, err error)

// Batches is what a table or source function gives. It is not safe for concurrent use.
type Batches struct {
	call    *call
	ctx     context.Context // of the call: done when Close is called
	cancel  context.CancelFunc
	input   Input // nil: there is none any more
	want    []plan.Field
	replies chan reply    // closed after an error
	queue   chan *request // to be sent; closed at the end of the input
	pending []*request    // encoded, not yet queued
	sent    []*request    // queued, and not done yet
	done    uint64        // how many batches are done with
	ended   bool
	closed  bool

	aside    bool             // rows that the function refuses do not end the call
	rejected []plan.Rejection // those rows, in order
}

type request struct {
	message *udfpb.TableRequest
	rec     arrow.Record // what the message has, to show rows of in messages
	first   int          // which of all rows its first one is
}

// reply is what both kinds of stream say.
type reply struct {
	rows     *udfpb.Payload
	done     uint64
	failures []*udfpb.Failure
	report   *udfpb.Report
	err      error
}

// inFlight is how many batches are sent ahead of those that are done with: one that is worked on, one that is decoded
// and one on the way.
const inFlight = 3

// Table runs a table function over the partition that input gives. Input is called by Next only. Close the result.
func (f *Functions) Table(ctx context.Context, function string, input Input) (*Batches, error) {
	fn, ok := f.byName[function]
	if !ok || !fn.Is(plan.FunctionTable) {
		return nil, plan.Failf(plan.FailureInternal, "no plugin table function %s in this job", function)
	}
	c, err := f.begin(ctx, fn)
	if err != nil {
		return nil, err
	}
	return c.table(ctx, input)
}

// table begins the call.
func (c *call) table(ctx context.Context, input Input) (*Batches, error) {
	b := &Batches{call: c, input: input, want: c.fn.Output, replies: make(chan reply), queue: make(chan *request, inFlight+1)}
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	stream, err := c.run.rpc.Table(b.ctx)
	if err != nil {
		return nil, b.refused(ctx, err)
	}
	b.queue <- &request{message: &udfpb.TableRequest{Instance: c.instance}}
	go func() {
		for r := range b.queue {
			if stream.Send(r.message) != nil {
				return // the other direction says why
			}
		}
		_ = stream.CloseSend() // it says why, too
	}()
	go b.receive(func() (reply, error) {
		r, err := stream.Recv()
		return reply{rows: r.GetRows(), done: r.GetDone(), failures: r.GetFailures(), report: r.GetReport()}, err
	})
	return b, nil
}

// Read makes the rows of a task of a source function, of the columns at these places of its output. Close the result.
func (f *Functions) Read(ctx context.Context, function string, task int, columns []int) (*Batches, error) {
	fn, ok := f.byName[function]
	if !ok || !fn.Is(plan.FunctionSource) || task < 0 || task >= len(fn.Tasks) {
		return nil, plan.Failf(plan.FailureInternal, "no plugin source function %s with task %d in this job", function, task)
	}
	req := &udfpb.ReadRequest{Payload: fn.Tasks[task].Payload}
	b := &Batches{replies: make(chan reply)}
	for _, i := range columns {
		if i < 0 || i >= len(fn.Output) {
			return nil, plan.Failf(plan.FailureInternal, "%s: no column %d", label(fn), i)
		}
		req.Columns = append(req.Columns, uint32(i))
		b.want = append(b.want, fn.Output[i])
	}
	c, err := f.begin(ctx, fn)
	if err != nil {
		return nil, err
	}
	b.call, req.Instance = c, c.instance
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	stream, err := c.run.rpc.Read(b.ctx, req)
	if err != nil {
		return nil, b.refused(ctx, err)
	}
	go b.receive(func() (reply, error) {
		r, err := stream.Recv()
		return reply{rows: r.GetRows(), failures: r.GetFailures(), report: r.GetReport()}, err
	})
	return b, nil
}

// refused ends a call that did not begin.
func (b *Batches) refused(ctx context.Context, err error) error {
	err = b.call.rpcFailure(ctx, b.ctx, err)
	b.cancel()
	b.call.end()
	return err
}

// receive hands replies on until the stream ends.
func (b *Batches) receive(next func() (reply, error)) {
	defer close(b.replies)
	for {
		r, err := next()
		r.err = err
		b.call.functions.told.take(b.call.fn.Name, r.report)
		select {
		case b.replies <- r:
		case <-b.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// Next is the next batch, or io.EOF. The caller owns it. Errors are as those of Call.
func (b *Batches) Next(ctx context.Context) (arrow.Record, error) {
	for !b.ended {
		if err := b.feed(ctx); err != nil {
			return nil, err
		}
		r, err := b.wait(ctx)
		if err != nil {
			return nil, err
		}
		if r.err == io.EOF {
			b.ended = true
			break
		}
		rec, err := b.take(r)
		if err != nil || rec != nil {
			return rec, err
		}
	}
	return nil, io.EOF
}

// feed sends batches ahead, as many as may be under way: the queue has room for those.
func (b *Batches) feed(ctx context.Context) error {
	for len(b.sent) < inFlight {
		if len(b.pending) == 0 {
			if b.input == nil {
				return nil
			}
			if err := b.pull(ctx); err != nil {
				return err
			}
			continue
		}
		b.queue <- b.pending[0]
		b.call.functions.host.batches.Add(1)
		b.sent, b.pending = append(b.sent, b.pending[0]), b.pending[1:]
	}
	return nil
}

// pull makes requests of the next batch of the input.
func (b *Batches) pull(ctx context.Context) error {
	rec, groups, err := b.input(ctx)
	if err == io.EOF {
		b.input = nil
		close(b.queue)
		return nil
	}
	if err != nil {
		return err
	}
	defer rec.Release()
	b.pending, err = b.requests(rec, groups)
	return err
}

// requests encodes a batch, in halves if it is too large for a message.
func (b *Batches) requests(rec arrow.Record, groups []uint32) ([]*request, error) {
	fn := b.call.fn
	if err := checkInput(fn, rec); err != nil {
		return nil, err
	}
	payload, err := udfpb.NewPayload(rec)
	if err == nil {
		rec.Retain()
		return []*request{{message: &udfpb.TableRequest{Rows: payload, Groups: groups}, rec: rec}}, nil
	}
	if !errors.Is(err, udfpb.ErrTooLarge) {
		return nil, plan.Failf(plan.FailureInternal, "%s: %w", label(fn), err)
	}
	if rec.NumRows() < 2 {
		return nil, plan.Failf(plan.FailureUser, "%s: a row is larger than %d MiB", label(fn), udfpb.MaxPayload>>20)
	}
	half := rec.NumRows() / 2
	cut := 0
	for cut < len(groups) && int64(groups[cut]) < half {
		cut++
	}
	behind := make([]uint32, 0, len(groups)-cut)
	for _, g := range groups[cut:] {
		behind = append(behind, g-uint32(half))
	}
	var out []*request
	for i, part := range []arrow.Record{rec.NewSlice(0, half), rec.NewSlice(half, rec.NumRows())} {
		rs, err := b.requests(part, [][]uint32{groups[:cut], behind}[i])
		part.Release()
		if err != nil {
			return nil, err
		}
		for _, r := range rs {
			r.first += i * int(half)
		}
		out = append(out, rs...)
	}
	return out, nil
}

// checkInput refuses a batch that the function does not take.
func checkInput(fn plan.Function, rec arrow.Record) error {
	if int(rec.NumCols()) != len(fn.Input) {
		return plan.Failf(plan.FailureInternal, "%s: %d columns for %d", label(fn), rec.NumCols(), len(fn.Input))
	}
	for i, f := range fn.Input {
		col := rec.Column(i)
		if !arrow.TypeEqual(col.DataType(), f.Type.Arrow()) {
			return plan.Failf(plan.FailureInternal, "%s: column %s is of %s, not %s", label(fn), f.Name, col.DataType(), f.Type)
		}
		if f.Nullable || col.NullN() == 0 {
			continue
		}
		row := 0
		for col.IsValid(row) {
			row++
		}
		err := plan.Failf(plan.FailureUser, "%s: column %s is NULL in the row (%s), and the function takes no NULL there: leave such rows out, or COALESCE it",
			label(fn), f.Name, rowText(rec, row))
		return &fault{failure: err, reason: fmt.Sprintf("column %s is NULL, and the function takes no NULL there", f.Name), row: row}
	}
	return nil
}

// wait waits for an answer, for as long as one may take.
func (b *Batches) wait(ctx context.Context) (reply, error) {
	timer := time.NewTimer(b.call.timeout())
	defer timer.Stop()
	select {
	case r := <-b.replies:
		if r.err != nil && r.err != io.EOF {
			return r, b.call.rpcFailure(ctx, b.ctx, r.err)
		}
		return r, nil
	case <-ctx.Done():
		b.call.run.unfit.Store(true)
		return reply{}, fmt.Errorf("%s: %w", label(b.call.fn), context.Cause(ctx))
	case <-timer.C:
		b.call.run.unfit.Store(true)
		b.call.run.stop()
		return reply{}, b.call.fault(fmt.Errorf("did not answer within %s and was killed", b.call.timeout()), b.call.run.lastWords())
	}
}

// take checks an answer; the batch is nil if it has none.
func (b *Batches) take(r reply) (arrow.Record, error) {
	if err := b.failed(r.failures); err != nil {
		return nil, err
	}
	if b.queue != nil {
		if r.done > b.done+uint64(len(b.sent)) {
			b.call.run.unfit.Store(true)
			return nil, b.call.fault(fmt.Errorf("the plugin is done with %d batches of %d", r.done, b.done+uint64(len(b.sent))), "")
		}
		for b.done < r.done {
			b.sent[0].rec.Release()
			b.sent, b.done = b.sent[1:], b.done+1
		}
	}
	if r.rows == nil {
		return nil, nil
	}
	rec, err := b.call.rows(r.rows, b.want)
	if err != nil {
		b.call.run.unfit.Store(true)
		return nil, b.call.fault(fmt.Errorf("result refused: %w", err), "")
	}
	if rec.NumRows() == 0 {
		rec.Release()
		return nil, nil
	}
	return rec, nil
}

// failed ends the call for what a reply says has failed, or notes the rows.
func (b *Batches) failed(failures []*udfpb.Failure) error {
	for _, f := range failures {
		i := f.GetBatch() - b.done
		if !b.aside || f.GetRow() < 0 || f.GetBatch() < b.done || i >= uint64(len(b.sent)) {
			return b.failure(f)
		}
		row := b.sent[i].first + int(f.GetRow())
		if f.GetRow() >= b.sent[i].rec.NumRows() || len(b.rejected) > 0 && row <= b.rejected[len(b.rejected)-1].Row {
			b.call.run.unfit.Store(true)
			return b.call.fault(fmt.Errorf("a failure of row %d, which is no row or out of order", f.GetRow()), "")
		}
		b.rejected = append(b.rejected, plan.Rejection{Row: row, Reason: reason(f)})
	}
	return nil
}

// settle waits for the end of a call that the function has failed: then its process is fit for the next one.
func (b *Batches) settle(ctx context.Context) {
	if b.ended || b.call.run.unfit.Load() {
		return
	}
	if r, err := b.wait(ctx); err == nil && r.err == io.EOF {
		b.ended = true
	}
}

// failure is for what the author's code said, with the row if that is known.
func (b *Batches) failure(f *udfpb.Failure) error {
	rec := borrowed(nil, nil, 0)
	if i := f.GetBatch() - b.done; f.GetBatch() >= b.done && i < uint64(len(b.sent)) {
		rec = b.sent[i].rec
	}
	return b.call.functionFailure(f, rec)
}

// borrowed is a batch of columns that are somebody else's.
func borrowed(fields []arrow.Field, cols []arrow.Array, rows int64) arrow.Record {
	return array.NewRecord(arrow.NewSchema(fields, nil), cols, rows)
}

// Close ends the call, whether all was read or not.
func (b *Batches) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	if !b.ended && b.call.run.healthy() && !b.call.run.unfit.Load() {
		b.call.run.unfit.Store(true) // the function may be at it still
	}
	b.cancel()
	if b.input != nil && b.queue != nil {
		close(b.queue)
	}
	for range b.replies {
	}
	for _, r := range append(b.sent, b.pending...) {
		r.rec.Release()
	}
	b.sent, b.pending, b.input, b.ended = nil, nil, nil, true
	b.call.end()
	return nil
}
