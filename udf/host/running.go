package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/quern-engine/quern/udf/host/contain"
	"github.com/quern-engine/quern/udf/udfpb"
)

// running is a started process and the connection to it.
type running struct {
	client    *goplugin.Client
	proc      *process
	rpc       udfpb.PluginClient
	output    *tail
	library   string
	ordered   []*udfpb.Function
	functions map[string]*udfpb.Function
	kind      kind
	shared    *shared           // nil: there is none
	shares    bool              // the process says that it has it
	folds     bool              // and takes the batches of aggregate functions there
	unfit     atomic.Bool       // not to be called again
	since     time.Time         // of being idle; guarded by the host's mutex
	opening   chan struct{}     // capacity 1; held by whoever uses the following
	opened    uint64            // the last number of an instance
	instances map[string]opened // what has been opened, by plan.Function.Instance
}

// opened is a function that a process has opened.
type opened struct {
	number   uint64
	function *udfpb.Function
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

// start starts a process and asks it for its functions.
func (h *Host) start(ctx context.Context, k kind, log *slog.Logger) (*running, error) {
	executable, err := h.sealed(ctx, k.sha256)
	if err != nil {
		return nil, err
	}
	interpreter := executable.Interpreter()
	if _, err := os.Stat(interpreter); interpreter != "" && err != nil {
		return nil, fmt.Errorf("start plugin: it needs the interpreter %s, which is not on this machine: %w", interpreter, err)
	}
	sockets, err := h.sockets()
	if err != nil {
		return nil, err
	}
	readable := strings.FieldsFunc(k.files, func(r rune) bool { return r == '\n' })
	spec := contain.Spec{Level: h.level(), Limits: k.limits, Executable: executable, ReadOnly: append(readable, pythonFolders(interpreter)...)}
	run := &running{kind: k, proc: newProcess(spec, h.cgroups()), output: &tail{}, opening: make(chan struct{}, 1), instances: map[string]opened{}}
	run.tell(log)
	config, err := h.clientConfig(run, sockets)
	if err != nil {
		return nil, err
	}
	run.client = goplugin.NewClient(config)
	if run.shared = newShared(); run.shared != nil {
		run.proc.spec.Files = run.shared.files
		run.proc.spec.Env = append(run.proc.spec.Env, udfpb.SharedVariable+"=3,4") // behind the standard three
	}
	// go-plugin's start knows no context: killing the process ends it.
	stop := context.AfterFunc(ctx, run.proc.kill)
	defer stop()
	stopClosed := context.AfterFunc(h.ctx, run.proc.kill)
	defer stopClosed()
	if err := run.connect(ctx, h.opts.StartTimeout); err != nil {
		run.stop()
		if ctx.Err() != nil {
			// The process was killed for that: what it did not say is not its fault.
			return nil, fmt.Errorf("start plugin: %w", context.Cause(ctx))
		}
		return nil, fmt.Errorf("start plugin: %s%s", clip(err.Error()), run.lastWords())
	}
	run.shared.closeFiles()
	if spec.Level == contain.Namespaces {
		// Connected, it needs its socket no more; what is not there cannot be left behind.
		if err := os.RemoveAll(run.proc.spec.Shared); err != nil {
			run.stop()
			return nil, fmt.Errorf("start plugin: %w", err)
		}
	}
	h.mu.Lock()
	h.all[run] = struct{}{}
	h.mu.Unlock()
	h.opts.Log.Info("plugin started", "sha256", k.sha256, "pid", run.proc.ID(), "functions", len(run.ordered), "contained", spec.Level, "cgroups", run.proc.groups)
	return run, nil
}

// level is how processes are contained; the log says once why not better.
func (h *Host) level() contain.Level {
	if h.opts.Level != "" {
		return h.opts.Level
	}
	here := contain.Here()
	h.warn.Do(func() {
		if here.Level != contain.Namespaces {
			h.opts.Log.Warn("plugins are contained less well than they could be: see docs/security.md", "level", here.Level, "reason", here.Reason)
		}
	})
	return here.Level
}

// cgroups is what makes those of processes, nil where there can be none; the log says once why.
func (h *Host) cgroups() *contain.Groups {
	h.group.Do(func() {
		groups, err := contain.NewGroups(h.level())
		if err != nil {
			h.opts.Log.Info("plugins have no cgroups, and the limits of single processes only: see docs/security.md", "reason", err)
		}
		h.groups = groups
	})
	return h.groups
}

func (h *Host) clientConfig(run *running, sockets string) (*goplugin.ClientConfig, error) {
	tlsConfig, certificate, err := identity()
	if err != nil {
		return nil, err
	}
	return &goplugin.ClientConfig{
		HandshakeConfig: goplugin.HandshakeConfig{
			ProtocolVersion:  udfpb.ProtocolVersion,
			MagicCookieKey:   udfpb.CookieKey,
			MagicCookieValue: udfpb.CookieValue,
		},
		Plugins: goplugin.PluginSet{udfpb.ServiceName: clientSide{}},
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, dir string) (runner.Runner, error) {
			run.proc.spec.Shared = dir
			for _, v := range cmd.Env {
				if !strings.HasPrefix(v, goplugin.EnvUnixSocketDir+"=") {
					run.proc.spec.Env = append(run.proc.spec.Env, v)
				}
			}
			run.proc.spec.Env = append(run.proc.spec.Env, goplugin.EnvUnixSocketDir+"="+run.proc.spec.Inside(), "PLUGIN_CLIENT_CERT="+certificate)
			return run.proc, nil
		},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		TLSConfig:        tlsConfig,
		SkipHostEnv:      true,
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: sockets},
		StartTimeout:     h.opts.StartTimeout,
		Stderr:           run.output,
		SyncStdout:       run.output,
		SyncStderr:       run.output,
		Logger:           hclog.NewNullLogger(),
		GRPCDialOptions: []grpc.DialOption{grpc.WithStreamInterceptor(withoutBroker), grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(udfpb.MaxMessage), grpc.MaxCallSendMsgSize(udfpb.MaxMessage))},
	}, nil
}

// withoutBroker keeps go-plugin from listening to what a plugin offers it to call: plugins do not call back, and each offer would
// be remembered here for some seconds, however many there are.
func withoutBroker(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, streamer grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	if strings.HasPrefix(method, "/plugin.GRPCBroker/") {
		return nil, status.Error(codes.Unimplemented, "plugins do not call back")
	}
	return streamer(ctx, desc, conn, method, opts...)
}

// tell has what the process prints logged.
func (r *running) tell(log *slog.Logger) {
	r.output.tellTo(func(text string) {
		log.Info("plugin says", "plugin", r.kind.sha256[:12], "pid", r.proc.ID(), "text", text)
	})
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
	r.library = clip(strings.TrimSpace(reply.GetLibrary() + " " + reply.GetLibraryVersion()))
	r.shares = r.shared != nil && reply.GetSharedMemory()
	r.folds = r.shares && reply.GetSharedFolds()
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
	r.shared.close()
}

// worn reports whether a process has used up enough of its processor time to be replaced now rather than killed in a call.
func (r *running) worn() bool {
	limit := r.kind.limits.CPU
	return limit > 0 && processorTime(r.proc) > limit/2
}
