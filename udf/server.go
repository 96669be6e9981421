package udf

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
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
	direct    sync.Once

	mu        sync.Mutex // guards the following
	instances map[uint64]Function
}

var (
	_ plugin.GRPCPlugin  = (*server)(nil)
	_ udfpb.PluginServer = (*server)(nil)
)

var namePattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

func newServer(functions []Function) (*server, error) {
	s := &server{functions: map[string]Function{}, instances: map[uint64]Function{}, describe: &udfpb.DescribeReply{Library: library}}
	for _, f := range functions {
		if err := check(f.describe); err != nil {
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

func check(f *udfpb.Function) error {
	if f == nil {
		return errors.New("a zero Function: make functions with Scalar or Vector")
	}
	if !namePattern.MatchString(f.Name) {
		return fmt.Errorf("function name %q: use letters, digits and '_'", f.Name)
	}
	for _, t := range append([]string{f.Returns}, f.Args...) {
		if Type(t).Arrow() == nil {
			return fmt.Errorf("function %s: %q is no SQL type", f.Name, t)
		}
	}
	return nil
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

// refuse says what is wrong with options and files.
func refuse(f *udfpb.Function, options string, files []*udfpb.SideFile) *udfpb.Refusal {
	if options != "" && options != "{}" {
		return &udfpb.Refusal{Message: fmt.Sprintf("function %s takes no options", f.Name)}
	}
	if len(files) > 0 {
		return &udfpb.Refusal{Message: fmt.Sprintf("function %s takes no files", f.Name), File: files[0].GetName()}
	}
	return nil
}

// Bind checks options and files.
func (s *server) Bind(_ context.Context, req *udfpb.BindRequest) (*udfpb.BindReply, error) {
	f, err := s.function(req.GetFunction())
	if err != nil {
		return nil, err
	}
	return &udfpb.BindReply{Function: f.describe, Refusal: refuse(f.describe, req.GetOptions(), req.GetFiles())}, nil
}

// Open makes an instance.
func (s *server) Open(_ context.Context, req *udfpb.OpenRequest) (*udfpb.OpenReply, error) {
	f, err := s.function(req.GetFunction())
	if err != nil {
		return nil, err
	}
	if no := refuse(f.describe, req.GetOptions(), req.GetFiles()); no != nil {
		return &udfpb.OpenReply{Refusal: no}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, used := s.instances[req.GetInstance()]; used {
		return nil, status.Errorf(codes.AlreadyExists, "instance %d is open", req.GetInstance())
	}
	s.instances[req.GetInstance()] = f
	return &udfpb.OpenReply{Function: f.describe}, nil
}

// Close ends an instance.
func (s *server) Close(_ context.Context, req *udfpb.CloseRequest) (*udfpb.CloseReply, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.instances, req.GetInstance())
	return &udfpb.CloseReply{}, nil
}

// instance is what Open made.
func (s *server) instance(number uint64) (Function, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.instances[number]
	if !ok {
		return f, status.Errorf(codes.NotFound, "instance %d is not open", number)
	}
	return f, nil
}

// Call runs a function on a batch.
func (s *server) Call(ctx context.Context, req *udfpb.CallRequest) (*udfpb.CallReply, error) {
	f, err := s.instance(req.GetInstance())
	if err != nil {
		return nil, err
	}
	args, err := req.GetArgs().Record(memory.DefaultAllocator)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "arguments: %v", err)
	}
	defer args.Release()
	if err := checkArgs(f.describe, args); err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "%v", err)
	}
	col, failed := guard(ctx, f, args)
	if failed != nil {
		return &udfpb.CallReply{Failures: []*udfpb.Failure{failed}}, nil
	}
	defer col.Release()
	payload, err := encode(col)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "result: %v", err)
	}
	return &udfpb.CallReply{Column: payload}, nil
}

func checkArgs(f *udfpb.Function, args arrow.Record) error {
	if int(args.NumCols()) != len(f.Args) {
		return fmt.Errorf("function %s takes %d arguments, not %d", f.Name, len(f.Args), args.NumCols())
	}
	for i, t := range f.Args {
		if err := checkType(args.Column(i), Type(t)); err != nil {
			return fmt.Errorf("function %s, argument %d: %w", f.Name, i+1, err)
		}
	}
	return nil
}

// guard is the door to the author's code: its errors and its panics become answers. A panic is answered rather than
// left to end the process because the answer can name the row.
func guard(ctx context.Context, f Function, args arrow.Record) (col arrow.Array, failed *udfpb.Failure) {
	row := -1
	defer func() {
		if p := recover(); p != nil {
			col, failed = nil, &udfpb.Failure{Message: fmt.Sprint(p), Row: int64(row), Panicked: true, Stack: stack()}
		}
	}()
	col, err := f.call(ctx, args, &row)
	if err != nil {
		var at *rowError
		if errors.As(err, &at) {
			row = at.row
		}
		return nil, &udfpb.Failure{Message: err.Error(), Row: int64(row)}
	}
	if col == nil {
		return nil, &udfpb.Failure{Message: "the function returned no column", Row: -1}
	}
	return col, nil
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
