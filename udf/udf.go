// Package udf is what the author of a Quern plugin imports. A plugin is a program that serves functions, which SQL can
// then call by name:
//
//	func main() {
//		udf.Serve(
//			udf.Scalar("haul", func(miles int64) string {
//				if miles < 1500 {
//					return "short"
//				}
//				return "long"
//			}),
//		)
//	}
//
// There are four kinds of function: Scalar gives a value for each row, Aggregate one for many rows, Each and Table rows for
// rows, and Source rows for nothing. The types of the Go function give the SQL types; see Value. A NULL argument makes the
// result of a scalar function NULL without a call, unless the parameter is a pointer: then the function is called, with nil.
// A result that is a pointer may be nil, for NULL.
//
// What a function needs besides its arguments, it declares: options by Takes, side files by TakesFile. It gets at them by
// a Context, which OpenScalar and its kin hand out once in a process, before the first row.
//
// Functions must be deterministic, since a task that is run again has to give the same rows, and safe for concurrent
// use. Print to os.Stderr to debug: the last lines are part of the failure message when something goes wrong. An error that
// a function returns fails the job, with the row that it was for, unless the job says otherwise.
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
	if s.shared = openShared(); s.shared != nil {
		s.describe.SharedMemory, s.describe.SharedFolds = true, true
	}
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
