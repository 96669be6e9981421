package udf

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quern-engine/quern/udf/udfpb"
)

// Fold folds a batch into states, or states into states.
func (s *server) Fold(ctx context.Context, req *udfpb.FoldRequest) (*udfpb.FoldReply, error) {
	in, err := s.instance(req.GetInstance())
	if err != nil {
		return nil, err
	}
	if in.fold == nil {
		return nil, wrongKind(in, "aggregate")
	}
	call := &foldCall{ctx: in.ctx.during(ctx), count: int(req.GetGroups()), finish: req.GetFinish(), row: -1}
	d := s.functions[in.ctx.function].describe
	types := d.Args
	if call.merge = req.GetStep() == udfpb.Step_STEP_MERGE; call.merge {
		types = types[:0:0]
		for _, c := range d.State {
			types = append(types, c.Type)
		}
	}
	rec, err := s.shared.read(req.GetSharedRows(), req.GetRows(), append([]string{string(Int)}, types...))
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "rows: %v", err)
	}
	defer rec.Release()
	if err := call.take(rec, types); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "function %s: %v", in.ctx.function, err)
	}
	defer call.rows.Release()
	begun := time.Now()
	out, failed := call.guard(in.fold)
	in.ctx.told.worked(begun)
	reply := &udfpb.FoldReply{Report: in.ctx.told.take()}
	if failed != nil {
		reply.Failures = []*udfpb.Failure{failed}
		return reply, nil
	}
	defer out.Release()
	if reply.SharedGroups = s.shared.put(req.GetRoom(), s.shared.room(req.GetRoom()), out); reply.SharedGroups != nil {
		return reply, nil
	}
	if reply.Groups, err = udfpb.NewPayload(out); err != nil {
		return nil, status.Errorf(codes.Internal, "result: %v", err)
	}
	return reply, nil
}

// take divides a batch into groups and the columns behind them.
func (c *foldCall) take(rec arrow.Record, types []string) error {
	if err := checkColumns(rec, append([]string{string(Int)}, types...)); err != nil {
		return err
	}
	groups, err := fixed[int32](Int).read(rec.Column(0))
	if err != nil {
		return err
	}
	for i, g := range groups {
		if g < 0 || int(g) >= c.count {
			return fmt.Errorf("row %d is of group %d of %d", i, g, c.count)
		}
	}
	c.groups = groups
	c.rows = array.NewRecord(arrow.NewSchema(rec.Schema().Fields()[1:], nil), rec.Columns()[1:], rec.NumRows())
	return nil
}

// guard is the door to the author's code.
func (c *foldCall) guard(f foldFunc) (out arrow.Record, failed *udfpb.Failure) {
	defer func() {
		if p := recover(); p != nil {
			out, failed = nil, panicFailure(p, c.row)
		}
	}()
	out, err := f(c)
	if err != nil {
		return nil, &udfpb.Failure{Message: err.Error(), Row: int64(c.row)}
	}
	return out, nil
}

// Table runs a table function over a partition.
func (s *server) Table(stream grpc.BidiStreamingServer[udfpb.TableRequest, udfpb.TableReply]) error {
	first, err := stream.Recv()
	if err != nil {
		return status.Errorf(codes.InvalidArgument, "the request's first message: %v", err)
	}
	in, err := s.instance(first.GetInstance())
	if err != nil {
		return err
	}
	if in.table == nil {
		return wrongKind(in, "table")
	}
	d := s.functions[in.ctx.function].describe
	call := &tableCall{ctx: in.ctx.during(stream.Context()), reply: stream.Send}
	for _, c := range d.Output {
		call.check = append(call.check, Type(c.Type))
	}
	var input []string
	for _, c := range d.Input {
		input = append(input, c.Type)
	}
	call.receive = func() (*tableBatch, error) { return receiveBatch(stream, input) }
	failed, err := call.guard(in.table)
	if err != nil {
		return err
	}
	last := &udfpb.TableReply{Done: call.done, Failures: call.failures, Report: in.ctx.told.take()}
	if failed != nil {
		last.Failures = append(last.Failures, failed)
	}
	return stream.Send(last)
}

func receiveBatch(stream grpc.BidiStreamingServer[udfpb.TableRequest, udfpb.TableReply], types []string) (*tableBatch, error) {
	req, err := stream.Recv()
	if err == io.EOF {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rec, err := req.GetRows().Record(memory.DefaultAllocator)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "rows: %v", err)
	}
	starts := req.GetGroups()
	if err = checkColumns(rec, types); err == nil && (!slices.IsSorted(starts) || len(starts) > 0 && int64(starts[len(starts)-1]) >= rec.NumRows()) {
		err = errors.New("places of groups are not in order")
	}
	if err != nil {
		rec.Release()
		return nil, status.Errorf(codes.InvalidArgument, "rows: %v", err)
	}
	return &tableBatch{rec: rec, starts: starts}, nil
}

// guard is the door to the author's code. An error is that of the connection.
func (c *tableCall) guard(f tableFunc) (failed *udfpb.Failure, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case broken:
			failed, err = nil, p.err
		default:
			failed = panicFailure(p, -1)
			failed.Batch = max(c.read, 1) - 1
		}
	}()
	if err := f(c); err != nil {
		return &udfpb.Failure{Message: err.Error(), Row: -1, Batch: max(c.read, 1) - 1}, nil
	}
	return nil, nil
}

// Split divides what a source function makes.
func (s *server) Split(ctx context.Context, req *udfpb.SplitRequest) (*udfpb.SplitReply, error) {
	in, err := s.instance(req.GetInstance())
	if err != nil {
		return nil, err
	}
	if in.split == nil {
		return nil, wrongKind(in, "source")
	}
	tasks, failed := in.splitTasks(ctx)
	reply := &udfpb.SplitReply{Tasks: tasks, Report: in.ctx.told.take()}
	if failed != nil {
		reply.Failures = []*udfpb.Failure{failed}
	}
	return reply, nil
}

func (in *instance) splitTasks(ctx context.Context) (tasks []*udfpb.SourceTask, failed *udfpb.Failure) {
	defer func() {
		if p := recover(); p != nil {
			tasks, failed = nil, panicFailure(p, -1)
		}
	}()
	tasks, err := in.split(in.ctx.during(ctx))
	if err == nil && len(tasks) > udfpb.MaxTasks {
		err = fmt.Errorf("%d tasks; make at most %d", len(tasks), udfpb.MaxTasks)
	}
	if err != nil {
		return nil, &udfpb.Failure{Message: err.Error(), Row: -1}
	}
	return tasks, nil
}

// Read makes the rows of a task.
func (s *server) Read(req *udfpb.ReadRequest, stream grpc.ServerStreamingServer[udfpb.ReadReply]) error {
	in, err := s.instance(req.GetInstance())
	if err != nil {
		return err
	}
	if in.read == nil {
		return wrongKind(in, "source")
	}
	columns := make([]int, len(req.GetColumns()))
	for i, c := range req.GetColumns() {
		if columns[i] = int(c); int(c) >= len(s.functions[in.ctx.function].describe.Output) {
			return status.Errorf(codes.InvalidArgument, "no column %d", c)
		}
	}
	failed, err := in.readTask(stream, req.GetPayload(), columns)
	if err != nil {
		return err
	}
	last := &udfpb.ReadReply{Report: in.ctx.told.take()}
	if failed != nil {
		last.Failures = []*udfpb.Failure{failed}
	}
	return stream.Send(last)
}

func (in *instance) readTask(stream grpc.ServerStreamingServer[udfpb.ReadReply], payload []byte, columns []int) (failed *udfpb.Failure, err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case broken:
			failed, err = nil, p.err
		default:
			failed = panicFailure(p, -1)
		}
	}()
	err = in.read(in.ctx.during(stream.Context()), payload, columns, func(rec arrow.Record) {
		defer rec.Release()
		err := sendParts(rec, func(p *udfpb.Payload) error {
			return stream.Send(&udfpb.ReadReply{Rows: p, Report: in.ctx.told.take()})
		})
		if err != nil {
			panic(broken{err})
		}
	})
	if err != nil {
		return &udfpb.Failure{Message: err.Error(), Row: -1}, nil
	}
	return nil, nil
}

// sendParts sends a batch, in halves if it is too large for a message.
func sendParts(rec arrow.Record, send func(*udfpb.Payload) error) error {
	p, err := udfpb.NewPayload(rec)
	if err == nil {
		return send(p)
	}
	if !errors.Is(err, udfpb.ErrTooLarge) || rec.NumRows() < 2 {
		return err
	}
	half := rec.NumRows() / 2
	for _, bounds := range [][2]int64{{0, half}, {half, rec.NumRows()}} {
		part := rec.NewSlice(bounds[0], bounds[1])
		err := sendParts(part, send)
		part.Release()
		if err != nil {
			return err
		}
	}
	return nil
}
