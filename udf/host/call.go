package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/udfpb"
)

// Functions are a job's plugin functions, for one attempt, which has processes of its own. Safe for concurrent use. Close
// it when no call is under way.
type Functions struct {
	host   *Host
	byName map[string]plan.Function
	deadly atomic.Int64 // rows that have each cost a process, as often as they were tried
	told   reports
	log    *slog.Logger

	mu     sync.Mutex // guards the following
	leases map[kind]*lease
}

// lease is the process that the attempt has of one kind.
type lease struct {
	sem chan struct{} // capacity 1; held by whoever uses the following
	run *running      // nil before the first call, and after a process that had to go
}

// LogTo says where what the functions log and count, and what their processes print, goes instead of the host's log. It is called
// before the functions are.
func (f *Functions) LogTo(log *slog.Logger) { f.log, f.told.log = log, log }

// process is the attempt's process for a function, which it gets at the first call.
func (f *Functions) process(ctx context.Context, fn plan.Function) (*running, error) {
	k, err := f.host.kind(ctx, fn)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	l := f.leases[k]
	if l == nil {
		l = &lease{sem: make(chan struct{}, 1)}
		f.leases[k] = l
	}
	f.mu.Unlock()
	select {
	case l.sem <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-l.sem }()
	if l.run != nil && (l.run.unfit.Load() || !l.run.healthy()) {
		f.host.discard(l.run)
		l.run = nil
	}
	if l.run == nil {
		run, err := f.host.acquire(ctx, k, f.log)
		if err != nil {
			return nil, err
		}
		l.run = run
	}
	return l.run, nil
}

// Counters is what the functions have counted so far for themselves, by function and name, as "gaps.found".
func (f *Functions) Counters() map[string]int64 { return f.told.counted() }

// Close gives the processes back: those that have kept to the rules are kept warm for the next attempt.
func (f *Functions) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, l := range f.leases {
		if l.run != nil {
			f.host.release(l.run)
		}
	}
	clear(f.leases)
	f.told.close()
	return nil
}

// kind is what a function needs of its process.
func (h *Host) kind(ctx context.Context, fn plan.Function) (kind, error) {
	k := kind{sha256: fn.SHA256, limits: h.opts.Limits}
	if fn.Memory > 0 {
		k.limits.Memory = fn.Memory
	}
	if fn.CPUs > 0 {
		k.limits.CPUs = fn.CPUs
	}
	k.limits.Network = k.limits.Network || fn.Network
	files, err := h.sideFiles(ctx, fn)
	for _, f := range files {
		k.files += f.GetPath() + "\n"
	}
	return k, err
}

// Call runs a function on a batch with one plain column an argument, and returns a column of the same length, which
// the caller owns. Rows that the function could not do are NULL in it, and told beside it if they are to be quarantined. If the
// run is to fail of them: an error that the function returned is a plan.FailureUser with the row; a process that crashed,
// hung or answered nonsense is a plan.FailurePlugin. A crash is tried again first, and its row found.
func (f *Functions) Call(ctx context.Context, function string, args arrow.Record) (arrow.Array, []plan.Rejection, error) {
	fn, ok := f.byName[function]
	if !ok {
		return nil, nil, plan.Failf(plan.FailureInternal, "no plugin function %s in this job", function)
	}
	if err := checkColumns(fn, args); err != nil {
		return nil, nil, plan.Failf(plan.FailureInternal, "%s: %w", label(fn), err)
	}
	a, err := f.first(ctx, fn, args)
	var bad *fault
	if errors.As(err, &bad) && (bad.died || fn.OnError != plan.FailRun) {
		f.log.Warn("a batch went wrong; trying its rows in fresh processes", "function", fn.Name, "rows", args.NumRows(), "reason", bad.reason)
		a, err = f.retry(ctx, fn, args)
	}
	switch {
	case errors.As(err, &bad):
		return nil, nil, bad.failure
	case err != nil:
		return nil, nil, err
	case fn.OnError == plan.NullOnError:
		return a.column, nil, nil
	}
	return a.column, a.rejected, nil
}

// first is the try in the attempt's own process, which may be at other batches, too.
func (f *Functions) first(ctx context.Context, fn plan.Function, args arrow.Record) (answer, error) {
	c, err := f.begin(ctx, fn)
	if err != nil {
		return answer{}, err
	}
	defer c.end()
	return c.batch(ctx, args)
}

// begin opens a function in a process, for a call. End it.
func (f *Functions) begin(ctx context.Context, fn plan.Function) (*call, error) {
	run, err := f.process(ctx, fn)
	if err != nil {
		return nil, f.startFailure(ctx, fn, err)
	}
	c := &call{fn: fn, run: run, host: f.host, functions: f}
	if err := c.open(ctx); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// end gives up a process that must not be called again.
func (c *call) end() {
	if c.run.unfit.Load() {
		c.functions.drop(c.run)
	}
}

// drop ends a process of the attempt's that must not be called again, unless that has happened.
func (f *Functions) drop(run *running) {
	f.mu.Lock()
	l := f.leases[run.kind]
	f.mu.Unlock()
	l.sem <- struct{}{}
	defer func() { <-l.sem }()
	if l.run == run {
		l.run = nil
		f.host.discard(run)
	}
}

func (f *Functions) startFailure(ctx context.Context, fn plan.Function, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", label(fn), context.Cause(ctx))
	}
	return plan.Failf(plan.FailurePlugin, "%s: %w", label(fn), err)
}

func checkColumns(fn plan.Function, args arrow.Record) error {
	if int(args.NumCols()) != len(fn.Args) {
		return fmt.Errorf("%d argument columns for %d parameters", args.NumCols(), len(fn.Args))
	}
	for i, t := range fn.Args {
		if !arrow.TypeEqual(args.Column(i).DataType(), t.Arrow()) {
			return fmt.Errorf("argument %d is a column of %s, not %s", i+1, args.Column(i).DataType(), t)
		}
	}
	return nil
}

// call is one call of one function, which may take more than one message.
type call struct {
	fn        plan.Function
	run       *running
	host      *Host
	functions *Functions
	instance  uint64
}

// open finds the process's instance of the function, or makes it.
func (c *call) open(ctx context.Context) error {
	select {
	case c.run.opening <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", label(c.fn), context.Cause(ctx))
	}
	defer func() { <-c.run.opening }()
	if i, ok := c.run.instances[c.fn.Instance()]; ok {
		c.instance = i.number
		return c.checkSignature(i.function)
	}
	if _, ok := c.run.functions[c.fn.Export]; !ok {
		return plan.Failf(plan.FailurePlugin, "%s: the plugin has no function %s", label(c.fn), c.fn.Export)
	}
	files, err := c.host.sideFiles(ctx, c.fn)
	if err != nil {
		return fmt.Errorf("%s: %w", label(c.fn), err)
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	c.run.opened++ // a number whose call was given up may be in use over there
	n := c.run.opened
	reply, err := c.run.rpc.Open(limited, &udfpb.OpenRequest{Instance: n, Function: c.fn.Export, Options: c.fn.Options, Files: files})
	if err != nil {
		return c.rpcFailure(ctx, limited, err)
	}
	c.functions.told.take(c.fn.Name, reply.GetReport())
	if no := reply.GetRefusal(); no != nil {
		return plan.Failf(plan.FailureUser, "%s: %s", label(c.fn), clip(no.GetMessage()))
	}
	if err := c.checkSignature(reply.GetFunction()); err != nil {
		c.run.unfit.Store(true)
		return err
	}
	c.run.instances[c.fn.Instance()], c.instance = opened{n, reply.GetFunction()}, n
	return nil
}

func (c *call) timeout() time.Duration { return c.fn.BatchTimeout(c.host.opts.CallTimeout) }

func (c *call) checkSignature(d *udfpb.Function) error {
	described, err := pinned(d, c.fn.SHA256)
	if err != nil {
		return plan.Failf(plan.FailurePlugin, "%s: %w", label(c.fn), err)
	}
	if described.SameSignature(&c.fn) {
		return nil
	}
	return plan.Failf(plan.FailurePlugin, "%s: the plugin describes it as %s, the job was planned with %s",
		label(c.fn), described.Signature(), c.fn.Signature())
}

// batch calls with a batch, in halves if it is too large for a message.
func (c *call) batch(ctx context.Context, args arrow.Record) (answer, error) {
	req := &udfpb.CallRequest{Instance: c.instance, EveryRow: c.fn.OnError != plan.FailRun}
	give, err := c.pack(req, args)
	if errors.Is(err, udfpb.ErrTooLarge) {
		return c.halves(ctx, args)
	}
	if err != nil {
		return answer{}, plan.Failf(plan.FailureInternal, "%s: %w", label(c.fn), err)
	}
	limited, cancel := context.WithTimeout(ctx, c.timeout())
	defer cancel()
	c.functions.host.batches.Add(1)
	reply, err := c.run.rpc.Call(limited, req)
	if err != nil {
		give()
		return answer{}, c.rpcFailure(ctx, limited, err)
	}
	defer give()
	c.functions.told.take(c.fn.Name, reply.GetReport())
	answered := reply.GetColumn() != nil || reply.GetSharedColumn() != nil
	if failed := reply.GetFailures(); len(failed) > 0 && (!req.GetEveryRow() || !answered || failed[len(failed)-1].GetRow() < 0) {
		return answer{}, c.functionFailure(failed[len(failed)-1], args)
	}
	a, err := c.answer(req, reply, args)
	if err != nil {
		c.run.unfit.Store(true)
		return answer{}, c.fault(fmt.Errorf("result refused: %w", err), "")
	}
	return a, nil
}

// pack puts a batch into a request: into shared memory if the process has some and a slot is free. Give that back when the
// reply has been read.
func (c *call) pack(req *udfpb.CallRequest, args arrow.Record) (give func(), err error) {
	size, shareable := udfpb.SharedSize(args)
	if c.run.shares && shareable && size > slotSize && args.NumRows() > 1 {
		return nil, udfpb.ErrTooLarge // two messages are dearer than two halves
	}
	if c.run.shares {
		if req.SharedArgs, req.Room, give = c.share(args); req.SharedArgs != nil {
			return give, nil
		}
	}
	req.Args, err = udfpb.NewPayload(args)
	return func() {}, err
}

// share writes a batch into a slot of the shared memory, which is also the room for the answer; nil if it does not fit, or none is
// free. Give it back when the reply has been read.
func (c *call) share(rec arrow.Record) (*udfpb.SharedBatch, *udfpb.Extent, func()) {
	if size, ok := udfpb.SharedSize(rec); !ok || size > slotSize {
		return nil, nil, nil
	}
	offset, ok := c.run.shared.take()
	if !ok {
		return nil, nil, nil
	}
	return udfpb.Share(c.run.shared.args, offset, rec), room(offset), func() { c.run.shared.give(offset) }
}

// result is the batch that a reply has, wherever it is. Only while the call has a slot is the memory certain to be there.
func (c *call) result(room *udfpb.Extent, shared *udfpb.SharedBatch, message *udfpb.Payload, want ...plan.Field) (arrow.Record, error) {
	if shared == nil {
		return message.Record(c.host.opts.Mem)
	}
	if room == nil {
		return nil, errors.New("columns in shared memory where they were given no room")
	}
	types := make([]arrow.DataType, len(want))
	for i, f := range want {
		types[i] = f.Type.Arrow()
	}
	return shared.Copy(c.host.opts.Mem, c.run.shared.results, types)
}

// fault is a fault that no row is known to be the cause of.
func (c *call) fault(err error, words string) *fault {
	return &fault{failure: plan.Failf(plan.FailurePlugin, "%s: %w%s", label(c.fn), err, words), reason: clip(err.Error()), row: -1}
}

func (c *call) halves(ctx context.Context, args arrow.Record) (answer, error) {
	rows := args.NumRows()
	if rows < 2 {
		err := plan.Failf(plan.FailureUser, "%s: a row's arguments are larger than %d MiB", label(c.fn), udfpb.MaxPayload>>20)
		return answer{}, &fault{failure: err, reason: fmt.Sprintf("its arguments are larger than %d MiB", udfpb.MaxPayload>>20)}
	}
	var out answer
	var cols []arrow.Array
	defer func() {
		for _, col := range cols {
			col.Release()
		}
	}()
	for _, half := range [][2]int64{{0, rows / 2}, {rows / 2, rows}} {
		part := args.NewSlice(half[0], half[1])
		a, err := c.batch(ctx, part)
		part.Release()
		var bad *fault
		if errors.As(err, &bad) && bad.row >= 0 {
			bad.row += int(half[0])
		}
		if err != nil {
			return answer{}, err
		}
		cols = append(cols, a.column)
		out.rejected = appendRejections(out.rejected, a.rejected, int(half[0]))
	}
	var err error
	out.column, err = array.Concatenate(cols, heap)
	return out, err
}

// rpcFailure is for a call without an answer.
func (c *call) rpcFailure(ctx, limited context.Context, err error) error {
	// The other side sees a deadline pass by its own timer, sometimes a moment before this one.
	if status.Code(err) == codes.DeadlineExceeded {
		timer := time.NewTimer(time.Second)
		defer timer.Stop()
		select {
		case <-limited.Done():
		case <-timer.C:
		}
	}
	c.run.unfit.Store(true)
	if ctx.Err() != nil { // it may be at it still, but nobody waits
		return fmt.Errorf("%s: %w", label(c.fn), context.Cause(ctx))
	}
	if limited.Err() != nil {
		c.run.stop()
		return c.fault(fmt.Errorf("did not answer within %s and was killed", c.timeout()), c.run.lastWords())
	}
	// The connection goes down a moment before the process is seen to have ended.
	if code := status.Code(err); code == codes.Unavailable || code == codes.Canceled {
		if end, ok := c.run.ended(time.Second); ok {
			c.run.stop() // waits until all its output is here
			words := c.run.lastWords()
			bad := c.fault(fmt.Errorf("the plugin process died: %s", end), words)
			bad.reason += lastCause(words)
			bad.died = true
			return bad
		}
	}
	c.run.stop()
	return c.fault(err, c.run.lastWords())
}

// lastCause is the line in which Go says why a process ends, if it does.
func lastCause(words string) string {
	for line := range strings.Lines(words) {
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			return ", " + clip(strings.TrimSpace(line))
		}
	}
	return ""
}

// functionFailure is for what the author's code said, or how it went down.
func (c *call) functionFailure(failed *udfpb.Failure, args arrow.Record) error {
	bad := &fault{row: -1}
	at := ""
	if failed.GetRow() >= 0 && failed.GetRow() < args.NumRows() {
		bad.row = int(failed.GetRow())
		at = fmt.Sprintf(" for (%s)", rowText(args, bad.row))
	}
	message := clip(failed.GetMessage())
	if bad.reason = reason(failed); failed.GetPanicked() {
		bad.failure = plan.Failf(plan.FailurePlugin, "%s panicked%s: %s\n%s", label(c.fn), at, message, clip(failed.GetStack()))
	} else {
		bad.failure = plan.Failf(plan.FailureUser, "%s failed%s: %s", label(c.fn), at, message)
	}
	return bad
}

// reason is what the rejects say of a failure. A stack has addresses in it, which are not the same the next time.
func reason(failed *udfpb.Failure) string {
	if failed.GetPanicked() {
		return "panicked: " + clip(failed.GetMessage())
	}
	return clip(failed.GetMessage())
}

// rowText shows a row's arguments as they are in SQL, shortened.
func rowText(args arrow.Record, row int) string {
	values := make([]string, args.NumCols())
	for i, col := range args.Columns() {
		values[i] = "NULL"
		if col.IsValid(row) {
			values[i] = col.ValueStr(row)
		}
		if s, ok := col.(*array.String); ok && col.IsValid(row) {
			values[i] = "'" + s.Value(row) + "'"
		}
		if len(values[i]) > 200 {
			values[i] = strings.ToValidUTF8(values[i][:200], "") + "…"
		}
	}
	return strings.Join(values, ", ")
}

// clip bounds text that comes from a plugin.
func clip(text string) string {
	const most = 4096
	text = strings.ToValidUTF8(text, "�")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// answer checks a reply: the right type and length, and NULL only where the signature allows it or a failure explains it.
func (c *call) answer(req *udfpb.CallRequest, reply *udfpb.CallReply, args arrow.Record) (answer, error) {
	rec, err := c.result(req.GetRoom(), reply.GetSharedColumn(), reply.GetColumn(), plan.Field{Type: c.fn.Returns})
	if err != nil {
		return answer{}, err
	}
	defer rec.Release()
	if rec.NumCols() != 1 || rec.NumRows() != args.NumRows() {
		return answer{}, fmt.Errorf("%d columns of %d rows, not 1 of %d", rec.NumCols(), rec.NumRows(), args.NumRows())
	}
	out := answer{column: rec.Column(0)}
	if !arrow.TypeEqual(out.column.DataType(), c.fn.Returns.Arrow()) {
		return answer{}, fmt.Errorf("a column of %s, not %s", out.column.DataType(), c.fn.Returns)
	}
	last := -1
	for _, failed := range reply.GetFailures() {
		row := failed.GetRow()
		if row <= int64(last) || row >= args.NumRows() || out.column.IsValid(int(row)) {
			return answer{}, fmt.Errorf("a failure of row %d, which is no row, out of order, or has a value", row)
		}
		last = int(row)
		out.rejected = append(out.rejected, plan.Rejection{Row: last, Reason: reason(failed)})
	}
	if !c.fn.Nullable && out.column.NullN() > len(out.rejected) {
		if row := unexplainedNull(out, args); row >= 0 {
			return answer{}, fmt.Errorf("NULL for (%s), from a function that never gives NULL", rowText(args, row))
		}
	}
	out.column.Retain()
	return out, nil
}

// unexplainedNull is a row with a NULL result that did not fail and has no NULL argument, or -1.
func unexplainedNull(a answer, args arrow.Record) int {
	rejected := a.rejected
	for row := range a.column.Len() {
		if len(rejected) > 0 && rejected[0].Row == row {
			rejected = rejected[1:]
			continue
		}
		if a.column.IsValid(row) {
			continue
		}
		explained := false
		for _, arg := range args.Columns() {
			explained = explained || arg.IsNull(row)
		}
		if !explained {
			return row
		}
	}
	return -1
}
