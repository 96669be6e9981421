package main

import (
	"fmt"
	"math"
	"runtime"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/plan"
)

// clusterFlags say how large the embedded cluster is.
type clusterFlags struct {
	workers int
	slots   int
	memory  string
	state   string
	log     logFlags
	traces  traceFlags
	// snapshot is no flag: the verb wants each source looked up once.
	snapshot bool
	// inputCache is in bytes; not every verb has the flag.
	inputCache int64
	planned    *plan.Job // what is run whatever is asked for; nil plans requests
}

func (f *clusterFlags) register(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.workers, "workers", 1, "number of embedded workers")
	cmd.Flags().IntVar(&f.slots, "slots", 0, "tasks at once in each worker (default: cores divided by workers)")
	cmd.Flags().StringVar(&f.memory, "memory", "4GiB", "memory for all tasks together")
	cmd.Flags().StringVar(&f.state, "state", "", "folder for the coordinator's log and scratch data (default: a temporary one; env QUERN_STATE)")
	f.log.register(cmd)
	f.traces.register(cmd)
	inContext(cmd, "workers", "slots", "memory", "state")
	annotate(cmd, "state", noteEnv, "QUERN_STATE")
}

func (f *clusterFlags) validate() (memory int64, err error) {
	if f.workers < 1 || f.workers > 1000 {
		return 0, usageError{fmt.Errorf("--workers %d: use 1 to 1000", f.workers)}
	}
	if f.slots < 0 {
		return 0, usageError{fmt.Errorf("--slots %d: use a positive number", f.slots)}
	}
	if f.slots == 0 {
		f.slots = max(1, runtime.GOMAXPROCS(0)/f.workers)
	}
	return parseMemory(f.memory)
}

// parseCache reads the size of an input cache; 0 is none.
func parseCache(text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > math.MaxInt64 {
		return 0, usageError{fmt.Errorf("--input-cache %q: write a size such as 10GiB, or 0", text)}
	}
	return int64(n), nil
}

// parseMemory reads a size such as 4GiB or 512MB.
func parseMemory(text string) (int64, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil {
		return 0, usageError{fmt.Errorf("--memory %q: write a size such as 4GiB or 512MiB", text)}
	}
	if n < 16<<20 {
		return 0, usageError{fmt.Errorf("--memory %s: at least 16MiB is needed", text)}
	}
	return int64(n), nil
}

// parseParams reads -p name=value pairs.
func parseParams(pairs []string) (map[string]string, error) {
	params := make(map[string]string, len(pairs))
	for _, p := range pairs {
		name, value, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, usageError{fmt.Errorf("-p %s: write name=value", p)}
		}
		if _, twice := params[name]; twice {
			return nil, usageError{fmt.Errorf("-p %s: given twice", name)}
		}
		params[name] = value
	}
	return params, nil
}

// outputFlag is -o text|json.
type outputFlag string

func (f *outputFlag) register(cmd *cobra.Command) {
	*f = "text"
	cmd.Flags().VarP(f, "output", "o", "text or json")
}

// String, Set and Type implement pflag.Value.
func (f *outputFlag) String() string { return string(*f) }

// Set accepts text and json.
func (f *outputFlag) Set(s string) error {
	if s != "text" && s != "json" {
		return fmt.Errorf("use text or json")
	}
	*f = outputFlag(s)
	return nil
}

// Type is shown in the usage text.
func (f *outputFlag) Type() string { return "format" }

func (f *outputFlag) json() bool { return *f == "json" }

// coordinatorFlag is --coordinator URL[,URL…].
func coordinatorFlag(cmd *cobra.Command, urls *[]string) {
	cmd.Flags().StringSliceVar(urls, "coordinator", nil, "coordinators, comma separated: http://host:port, or https:// with TLS (env QUERN_COORDINATOR)")
	inContext(cmd, "coordinator")
	annotate(cmd, "coordinator", noteEnv, "QUERN_COORDINATOR")
}

func requireCoordinator(urls []string) error {
	if len(urls) == 0 {
		return usageError{fmt.Errorf("which coordinator? give --coordinator, set QUERN_COORDINATOR, or name a context of quern.yaml with --context")}
	}
	return nil
}

func oneArg(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != 1 {
			return fmt.Errorf("expected exactly one argument, %s; got %d", name, len(args))
		}
		return nil
	}
}
