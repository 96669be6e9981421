package udf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quern-engine/quern/udf/udfpb"
)

// server answers the worker. It is safe for concurrent use if the functions are.
type server struct {
	plugin.NetRPCUnsupportedPlugin
	udfpb.UnimplementedPluginServer
	functions map[string]Function
	describe  *udfpb.DescribeReply
	stderr    *os.File // of the process as it was started; nil in tests
	shared    *sharedMemory
	direct    sync.Once

	mu        sync.Mutex           // guards the following
	instances map[uint64]*instance // nil while it opens
}

var (
	_ plugin.GRPCPlugin  = (*server)(nil)
	_ udfpb.PluginServer = (*server)(nil)
)

func newServer(functions []Function) (*server, error) {
	s := &server{functions: map[string]Function{}, instances: map[uint64]*instance{}, describe: &udfpb.DescribeReply{Library: library}}
	for _, f := range functions {
		if err := f.check(); err != nil {
			return nil, err
		}
		if _, dup := s.functions[f.describe.Name]; dup {
			return nil, fmt.Errorf("two functions named %s", f.describe.Name)
		}
		s.functions[f.describe.Name] = f
		s.describe.Functions = append(s.describe.Functions, f.describe)
	}
	if len(functions) == 0 {
		return nil, errors.New("no functions")
	}
	return s, nil
}

// GRPCServer registers the service.
func (s *server) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	udfpb.RegisterPluginServer(g, s)
	return nil
}

// GRPCClient is not used on this side.
func (s *server) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("a plugin has no client side")
}

// Describe lists the functions. It is the worker's first call, so it also gives standard error back to the author:
// go-plugin has redirected it through the connection, where the last words of a process that dies would get lost.
// Standard output goes there too, since the handshake owns the real one.
func (s *server) Describe(context.Context, *udfpb.DescribeRequest) (*udfpb.DescribeReply, error) {
	if s.stderr != nil {
		s.direct.Do(func() { os.Stdout, os.Stderr = s.stderr, s.stderr })
	}
	return s.describe, nil
}

// function is the function of that name.
func (s *server) function(name string) (Function, error) {
	f, ok := s.functions[name]
	if !ok {
		return f, status.Errorf(codes.NotFound, "the plugin has no function %q", name)
	}
	return f, nil
}

// Bind checks options and files.
func (s *server) Bind(_ context.Context, req *udfpb.BindRequest) (*udfpb.BindReply, error) {
	f, err := s.function(req.GetFunction())
	if err != nil {
		return nil, err
	}
	_, refusal := f.bind(req.GetOptions(), req.GetFiles())
	if refusal != nil {
		return &udfpb.BindReply{Refusal: refusal}, nil
	}
	return &udfpb.BindReply{Function: f.describe}, nil
}

// Open makes an instance.
func (s *server) Open(ctx context.Context, req *udfpb.OpenRequest) (*udfpb.OpenReply, error) {
	f, err := s.function(req.GetFunction())
	if err != nil {
		return nil, err
	}
	c, refusal := f.bind(req.GetOptions(), req.GetFiles())
	if refusal != nil {
		return &udfpb.OpenReply{Refusal: refusal}, nil
	}
	if err := s.reserve(req.GetInstance()); err != nil {
		return nil, err
	}
	in, err := f.start(ctx, c)
	s.settle(req.GetInstance(), in)
	if err != nil {
		return &udfpb.OpenReply{Refusal: &udfpb.Refusal{Message: err.Error()}, Report: c.told.take()}, nil
	}
	return &udfpb.OpenReply{Function: f.describe, Report: c.told.take()}, nil
}

// reserve takes a number for an instance.
func (s *server) reserve(number uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := s.instances[number]; used {
		return status.Errorf(codes.AlreadyExists, "instance %d is open", number)
	}
	s.instances[number] = nil
	return nil
}

// settle keeps an instance under its number, or frees that if there is none.
func (s *server) settle(number uint64, in *instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if in == nil {
		delete(s.instances, number)
		return
	}
	s.instances[number] = in
}

// Close ends an instance.
func (s *server) Close(_ context.Context, req *udfpb.CloseRequest) (*udfpb.CloseReply, error) {
	in, err := s.instance(req.GetInstance())
	if err != nil {
		return nil, err
	}
	s.settle(req.GetInstance(), nil)
	if err := in.close(); err != nil {
		return nil, status.Errorf(codes.Unknown, "close: %v", err)
	}
	return &udfpb.CloseReply{Report: in.ctx.told.take()}, nil
}

func (in *instance) close() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panicked: %v", p)
		}
	}()
	return in.ctx.close()
}

// instance is what Open made.
func (s *server) instance(number uint64) (*instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.instances[number]
	if in == nil {
		return nil, status.Errorf(codes.NotFound, "instance %d is not open", number)
	}
	return in, nil
}

// Call runs a scalar function on a batch.
func (s *server) Call(ctx context.Context, req *udfpb.CallRequest) (*udfpb.CallReply, error) {
	in, err := s.instance(req.GetInstance())
	if err != nil {
		return nil, err
	}
	if in.scalar == nil {
		return nil, wrongKind(in, "scalar")
	}
	described := s.functions[in.ctx.function].describe
	args, err := s.shared.read(req.GetSharedArgs(), req.GetArgs(), described.Args)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "arguments: %v", err)
	}
	defer args.Release()
	if err := checkColumns(args, described.Args); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "function %s: %v", in.ctx.function, err)
	}
	call := &batchCall{ctx: ctx, args: args, every: req.GetEveryRow(), room: s.shared.room(req.GetRoom())}
	begun := time.Now()
	col, failed := call.guard(in.scalar)
	in.ctx.told.worked(begun)
	reply := &udfpb.CallReply{Failures: call.failures, Report: in.ctx.told.take()}
	if failed != nil {
		reply.Failures = append(reply.Failures, failed)
	}
	if col == nil {
		return reply, nil
	}
	defer col.Release()
	if err := s.shared.answer(reply, req.GetRoom(), call.room, described.Returns, col); err != nil {
		return nil, status.Errorf(codes.Internal, "result: %v", err)
	}
	return reply, nil
}

func wrongKind(in *instance, kind string) error {
	return status.Errorf(codes.InvalidArgument, "function %s is not a %s function", in.ctx.function, kind)
}

// checkColumns compares a batch with types; the worker has done that before.
func checkColumns(rec arrow.Record, types []string) error {
	if int(rec.NumCols()) != len(types) {
		return fmt.Errorf("takes %d columns, not %d", len(types), rec.NumCols())
	}
	for i, t := range types {
		if err := checkType(rec.Column(i), Type(t)); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
	}
	return nil
}

// guard is the door to the author's code: its errors and its panics become answers.
func (c *batchCall) guard(f scalarFunc) (col arrow.Array, failed *udfpb.Failure) {
	defer func() {
		if p := recover(); p != nil {
			col, failed = nil, panicFailure(p, -1)
		}
	}()
	col, err := f(c)
	if err != nil {
		return nil, &udfpb.Failure{Message: err.Error(), Row: -1}
	}
	if col == nil && len(c.failures) == 0 {
		return nil, &udfpb.Failure{Message: "the function returned no column", Row: -1}
	}
	return col, nil
}

// panicFailure tells of a panic that was recovered.
func panicFailure(p any, row int) *udfpb.Failure {
	return &udfpb.Failure{Message: fmt.Sprint(p), Row: int64(row), Panicked: true, Stack: stack()}
}

// stackLines is how much of a panic's stack goes into the answer: enough for the author's own frames.
const stackLines = 12

// stack is the stack below the panic that is being recovered.
func stack() string {
	lines := strings.Split(string(debug.Stack()), "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "panic(") && i+2 < len(lines) {
			lines = lines[i+2:]
			break
		}
	}
	return strings.Join(lines[:min(len(lines), stackLines)], "\n")
}

func encode(col arrow.Array) (*udfpb.Payload, error) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "result", Type: col.DataType(), Nullable: true}}, nil)
	rec := array.NewRecord(schema, []arrow.Array{col}, int64(col.Len()))
	defer rec.Release()
	return udfpb.NewPayload(rec)
}
