// Command liar is a plugin that does not keep to the protocol: it answers calls with what no library would send.
package main

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/quern-engine/quern/udf/udfpb"
)

// answers are what there is to answer, by the name of the function that does.
var answers = map[string]func(args *udfpb.Payload) *udfpb.CallReply{
	"nothing":  func(*udfpb.Payload) *udfpb.CallReply { return &udfpb.CallReply{} },
	"garbage":  func(*udfpb.Payload) *udfpb.CallReply { return column(bytes.Repeat([]byte("garbage "), 100)) },
	"cut":      func(args *udfpb.Payload) *udfpb.CallReply { return column(args.GetArrow()[:len(args.GetArrow())/2]) },
	"echo":     func(args *udfpb.Payload) *udfpb.CallReply { return column(args.GetArrow()) },
	"oversize": func(*udfpb.Payload) *udfpb.CallReply { return column(make([]byte, 200<<20)) },
	"checksum": func(args *udfpb.Payload) *udfpb.CallReply {
		return &udfpb.CallReply{Column: &udfpb.Payload{Arrow: args.GetArrow(), Crc32C: args.GetCrc32C() + 1}}
	},
	"claims": func(args *udfpb.Payload) *udfpb.CallReply {
		damaged := bytes.Clone(args.GetArrow())
		for i := 0; i+8 < len(damaged); i += 64 {
			copy(damaged[i:], []byte{0xff, 0xff, 0xff, 0x7f})
		}
		return column(damaged)
	},
	"strange_row": func(*udfpb.Payload) *udfpb.CallReply {
		return &udfpb.CallReply{Failures: []*udfpb.Failure{{Message: "a row that is not there", Row: 1 << 40}}}
	},
	"long_reason": func(*udfpb.Payload) *udfpb.CallReply {
		return &udfpb.CallReply{Failures: []*udfpb.Failure{{Message: string(bytes.Repeat([]byte("long "), 4<<20)), Row: 0, Panicked: true}}}
	},
	"elsewhere": func(*udfpb.Payload) *udfpb.CallReply {
		return &udfpb.CallReply{SharedColumn: &udfpb.SharedBatch{Rows: 2, Columns: []*udfpb.SharedColumn{{Buffers: []*udfpb.Extent{{}, {Length: 16}}}}}}
	},
	"floods": func(args *udfpb.Payload) *udfpb.CallReply { return column(args.GetArrow()) }, // see flood
	"slow": func(args *udfpb.Payload) *udfpb.CallReply {
		time.Sleep(time.Minute)
		return column(args.GetArrow())
	},
}

func column(arrow []byte) *udfpb.CallReply {
	return &udfpb.CallReply{Column: &udfpb.Payload{Arrow: arrow, Crc32C: crc32.Checksum(arrow, crc32.MakeTable(crc32.Castagnoli))}}
}

type server struct {
	plugin.NetRPCUnsupportedPlugin
	udfpb.UnimplementedPluginServer
	opened   map[uint64]string
	flooding chan struct{} // closed when it begins
}

// flood offers the host services to call, as many as it can in a second, in the stream that is go-plugin's for that. An offer is a
// message whose first field is a number.
func (s *server) flood(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if info.FullMethod != "/plugin.GRPCBroker/StartStream" {
		return handler(srv, stream)
	}
	<-s.flooding
	for id, begun := uint64(0), time.Now(); time.Since(begun) < time.Second; id++ {
		if err := stream.SendMsg(&udfpb.CloseRequest{Instance: id}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) Describe(context.Context, *udfpb.DescribeRequest) (*udfpb.DescribeReply, error) {
	reply := &udfpb.DescribeReply{}
	for name := range answers {
		reply.Functions = append(reply.Functions, describe(name))
	}
	return reply, nil
}

func describe(name string) *udfpb.Function {
	return &udfpb.Function{Name: name, Kind: udfpb.FunctionKind_FUNCTION_KIND_SCALAR, Args: []string{"bigint"}, Returns: "bigint"}
}

func (s *server) Open(_ context.Context, req *udfpb.OpenRequest) (*udfpb.OpenReply, error) {
	s.opened[req.GetInstance()] = req.GetFunction()
	return &udfpb.OpenReply{Function: describe(req.GetFunction())}, nil
}

func (s *server) Call(_ context.Context, req *udfpb.CallRequest) (*udfpb.CallReply, error) {
	name := s.opened[req.GetInstance()]
	if name == "floods" {
		close(s.flooding)
		time.Sleep(time.Second)
	}
	return answers[name](req.GetArgs()), nil
}

func (s *server) GRPCServer(_ *plugin.GRPCBroker, g *grpc.Server) error {
	udfpb.RegisterPluginServer(g, s)
	return nil
}

func (s *server) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("no client")
}

func main() {
	s := &server{opened: map[uint64]string{}, flooding: make(chan struct{})}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{ProtocolVersion: udfpb.ProtocolVersion, MagicCookieKey: udfpb.CookieKey, MagicCookieValue: udfpb.CookieValue},
		Plugins:         plugin.PluginSet{udfpb.ServiceName: s},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts, grpc.StreamInterceptor(s.flood), grpc.MaxRecvMsgSize(1<<30), grpc.MaxSendMsgSize(1<<30))...)
		},
		Logger: hclog.NewNullLogger(),
	})
}
