package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/storage"
)

// coordinatorFlags are those of a coordinator.
type coordinatorFlags struct {
	id, listen, advertise, state, peers string
	join                                []string
	registry                            string
	credentials                         serverFlags
	limits                              limitFlags
	log                                 logFlags
	traces                              traceFlags
}

func newCoordinatorCommand() *cobra.Command {
	var f coordinatorFlags
	cmd := &cobra.Command{
		Use:   "coordinator",
		Short: "Run a coordinator",
		Example: "  quern coordinator --id c1 --listen 127.0.0.1:7071 --state /var/lib/quern/c1\n" +
			"  quern coordinator --id c2 --listen 127.0.0.1:7072 --state /var/lib/quern/c2 --join http://127.0.0.1:7071\n" +
			"  quern coordinator --id c1 --listen 127.0.0.1:7071 --state /var/lib/quern/c1 \\\n" +
			"    --peers c1=127.0.0.1:7071,c2=127.0.0.1:7072,c3=127.0.0.1:7073",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			options, err := f.options(cmd)
			if err != nil {
				return err
			}
			store := storage.New()
			options.Plan, options.Store = assembly.PlanWith(store, planner.Options{}), store
			options.Bind = binder{store, f.registry}.bind
			options.PlanChecks = assembly.PlanChecksWith(store, planner.Options{})
			if options.Traces, err = f.traces.open("quern-coordinator", f.id, options.Log); err != nil {
				return errors.Join(err, store.Close())
			}
			defer options.Traces.Close()
			return errors.Join(runCoordinator(cmd.Context(), options, cmd.ErrOrStderr()), store.Close())
		},
	}
	cmd.Flags().StringVar(&f.id, "id", "c1", "name of this coordinator among its peers")
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:7071", "address to listen on")
	cmd.Flags().StringVar(&f.advertise, "advertise", "", "host:port where other coordinators reach it (default: as in --peers, or as --listen)")
	cmd.Flags().StringVar(&f.state, "state", "", "folder for the log and plans")
	cmd.Flags().StringVar(&f.peers, "peers", "", "coordinators that begin a cluster together, this one included: id=host:port,… (default: this one alone)")
	cmd.Flags().StringSliceVar(&f.join, "join", nil, "coordinators of a cluster that this one is to be added to, comma separated: http://host:port, or https:// with TLS")
	registryFlag(cmd, &f.registry)
	cmd.Flags().Lookup("registry").Usage = "folder or URL of pushed plugins, for jobs whose callers do not send theirs along (env QUERN_REGISTRY)"
	f.credentials.register(cmd, true)
	f.limits.register(cmd)
	f.log.register(cmd)
	f.traces.register(cmd)
	inSection(cmd, "coordinator")
	return cmd
}

func (f *coordinatorFlags) options(cmd *cobra.Command) (o coordinator.Options, err error) {
	if err := plan.ValidateID("--id", f.id); err != nil {
		return o, usageError{err}
	}
	peers, err := parsePeers(f.peers, f.id)
	if err != nil {
		return o, err
	}
	switch {
	case f.state == "":
		return o, usageError{fmt.Errorf("--state is needed: the folder that keeps the log")}
	case len(f.join) > 0 && len(peers) > 0:
		return o, usageError{fmt.Errorf("--peers begins a cluster, --join joins one: give one of them")}
	}
	if err := f.credentials.check(cmd, f.listen); err != nil {
		return o, err
	}
	if peers[f.id] == "" {
		if err := checkAdvertised(f.listen, f.advertise); err != nil {
			return o, err
		}
	}
	o = coordinator.Options{
		ID: f.id, Listen: f.listen, Advertise: f.advertise, StateDir: f.state, Peers: peers, Join: f.join, Build: build(), Log: f.log.logger(),
	}
	f.limits.apply(&o)
	o.Identity, o.Tokens, err = f.credentials.open(o.Log)
	return o, err
}

// runCoordinator runs one until it is told to stop, or cannot go on.
func runCoordinator(ctx context.Context, options coordinator.Options, stderr io.Writer) error {
	node, err := coordinator.New(options)
	if err != nil {
		return err
	}
	if err := node.Start(ctx); err != nil {
		return errors.Join(err, node.Close())
	}
	fmt.Fprintf(stderr, "coordinator %s listens on %s\n", options.ID, node.Addr())
	select {
	case <-ctx.Done():
		return node.Close()
	case <-node.Failed():
	}
	if err := errors.Join(node.Failure(), node.Close()); err != nil {
		return err
	}
	fmt.Fprintf(stderr, "coordinator %s was removed from its cluster; its state directory is not needed any more\n", options.ID)
	return nil
}

// parsePeers reads id=host:port pairs.
func parsePeers(text, id string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	members := map[string]string{}
	for _, pair := range strings.Split(text, ",") {
		name, address, ok := strings.Cut(pair, "=")
		if !ok || plan.ValidateID("peer", name) != nil {
			return nil, usageError{fmt.Errorf("--peers %s: write id=host:port,…", text)}
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			return nil, usageError{fmt.Errorf("--peers %s: %w", pair, err)}
		}
		if _, twice := members[name]; twice {
			return nil, usageError{fmt.Errorf("--peers: %s is given twice", name)}
		}
		members[name] = address
	}
	if _, ok := members[id]; !ok {
		return nil, usageError{fmt.Errorf("--peers must include this coordinator, %s", id)}
	}
	return members, nil
}
