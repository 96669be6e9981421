package host

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/quern-engine/quern/udf/udfpb"
)

// running is a started process and the connection to it.
type running struct {
	client    *goplugin.Client
	proc      *process
	rpc       udfpb.PluginClient
	output    *tail
	ordered   []*udfpb.Function
	functions map[string]*udfpb.Function
	calls     int               // in progress; guarded by the plugin's semaphore
	opening   chan struct{}     // capacity 1; held by whoever uses the following
	opened    uint64            // the last instance's number
	instances map[string]uint64 // what has been opened, by exported name
}

// clientSide hands the connection out; go-plugin wants it as a plugin type.
type clientSide struct {
	goplugin.NetRPCUnsupportedPlugin
}

var _ goplugin.GRPCPlugin = clientSide{}

func (clientSide) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error {
	return errors.New("a worker serves no functions")
}

func (clientSide) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return udfpb.NewPluginClient(conn), nil
}

// start runs the executable with that digest and asks it for its functions.
func (h *Host) start(ctx context.Context, sha string) (*running, error) {
	path, err := h.sealed(ctx, sha)
	if err != nil {
		return nil, err
	}
	tlsConfig, certificate, err := identity()
	if err != nil {
		return nil, err
	}
	run := &running{proc: newProcess(path), output: &tail{}, opening: make(chan struct{}, 1), instances: map[string]uint64{}}
	run.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion:  udfpb.ProtocolVersion,
			MagicCookieKey:   udfpb.CookieKey,
			MagicCookieValue: udfpb.CookieValue,
		},
		Plugins: goplugin.PluginSet{udfpb.ServiceName: clientSide{}},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			run.proc.env = append(cmd.Env, "PLUGIN_CLIENT_CERT="+certificate)
			return run.proc, nil
		},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		TLSConfig:        tlsConfig,
		SkipHostEnv:      true,
		StartTimeout:     h.opts.StartTimeout,
		Stderr:           run.output,
		SyncStdout:       run.output,
		SyncStderr:       run.output,
		Logger:           hclog.NewNullLogger(),
		GRPCDialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(udfpb.MaxMessage), grpc.MaxCallSendMsgSize(udfpb.MaxMessage))},
	})
	// go-plugin's start knows no context: killing the process ends it.
	stop := context.AfterFunc(ctx, run.proc.kill)
	defer stop()
	if err := run.connect(ctx, h.opts.StartTimeout); err != nil {
		run.stop()
		if ctx.Err() != nil {
			// The process was killed for that: what it did not say is not its fault.
			return nil, fmt.Errorf("start plugin: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("start plugin: %s%s", clip(err.Error()), run.lastWords())
	}
	h.opts.Log.Info("plugin started", "sha256", sha, "pid", run.proc.ID(), "functions", len(run.ordered))
	return run, nil
}

func (r *running) connect(ctx context.Context, timeout time.Duration) error {
	conn, err := r.client.Client()
	if err != nil {
		return err
	}
	raw, err := conn.Dispense(udfpb.ServiceName)
	if err != nil {
		return err
	}
	rpc, ok := raw.(udfpb.PluginClient)
	if !ok {
		return fmt.Errorf("the connection is a %T", raw)
	}
	r.rpc = rpc
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	reply, err := rpc.Describe(ctx, &udfpb.DescribeRequest{})
	if err != nil {
		return fmt.Errorf("describe: %w", err)
	}
	r.ordered, r.functions = reply.GetFunctions(), make(map[string]*udfpb.Function, len(reply.GetFunctions()))
	for _, f := range r.ordered {
		r.functions[f.GetName()] = f
	}
	return nil
}

// healthy reports whether the process is alive.
func (r *running) healthy() bool {
	_, ended := r.ended(0)
	return !ended
}

// ended waits for the end of the process, for a while, and tells how it ended.
func (r *running) ended(wait time.Duration) (string, bool) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-r.proc.done:
	case <-timer.C:
		select {
		case <-r.proc.done:
		default:
			return "", false
		}
	}
	return r.proc.end(), true
}

// lastWords is the end of what the process printed, for a failure message.
func (r *running) lastWords() string {
	text := r.output.last(2048)
	if text == "" {
		return ""
	}
	return "\nlast output of the plugin:\n" + text
}

// stop kills the process group and waits until everything about it is gone. Plugins keep no state, so there is
// nothing to ask them first.
func (r *running) stop() {
	r.proc.kill()
	r.client.Kill()
}
