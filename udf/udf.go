// Package udf is what the author of a Quern plugin imports. A plugin is a program that serves functions, which SQL can
// then call by name:
//
//	func main() {
//		udf.Serve(
//			udf.Scalar("miles_to_km", udf.Of(func(miles float64) float64 { return miles * 1.609344 })),
//			udf.Scalar2("ratio", func(a, b int64) (float64, error) {
//				if b == 0 {
//					return 0, errors.New("ratio to zero")
//				}
//				return float64(a) / float64(b), nil
//			}),
//		)
//	}
//
// The types of a Go function give the SQL types. A NULL argument makes the result NULL without a call, unless the
// parameter is a pointer: then the function is called, with nil. A result that is a pointer may be nil, for NULL.
//
// Functions must be deterministic, since a task that is run again has to give the same rows, and safe for concurrent
// use, since one process serves all slots of a worker. Print to os.Stderr to debug: the last lines are part of the
// failure message when something goes wrong. An error that a function returns fails the job, with the row it was for.
package udf

import (
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/quern-engine/quern/udf/udfpb"
)

// library is how this package names itself to hosts.
const library = "quern udf for Go"

// Serve serves the functions until the worker ends the process. It is the last call of main.
func Serve(functions ...Function) {
	s, err := newServer(functions)
	if err != nil {
		fmt.Fprintf(os.Stderr, "udf.Serve: %v\n", err)
		os.Exit(2)
	}
	s.stderr = os.Stderr
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  udfpb.ProtocolVersion,
			MagicCookieKey:   udfpb.CookieKey,
			MagicCookieValue: udfpb.CookieValue,
		},
		Plugins: plugin.PluginSet{udfpb.ServiceName: s},
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			opts = append(opts, grpc.MaxRecvMsgSize(udfpb.MaxMessage), grpc.MaxSendMsgSize(udfpb.MaxMessage))
			return grpc.NewServer(opts...)
		},
		Logger: hclog.NewNullLogger(),
	})
}
