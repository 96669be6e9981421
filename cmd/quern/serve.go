package main

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/worker"
)

func newWorkerCommand() *cobra.Command {
	var (
		coordinators      []string
		listen, advertise string
		scratch, memory   string
		cache             string
		slots             int
		drain             time.Duration
		credentials       serverFlags
		logging           logFlags
		tracing           traceFlags
	)
	cmd := &cobra.Command{
		Use:     "worker",
		Short:   "Run a worker",
		Example: "  quern worker --coordinator http://127.0.0.1:7071,http://127.0.0.1:7072 --listen 127.0.0.1:7081 --scratch /var/tmp/quern --slots 2 --memory 4GiB",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := requireCoordinator(coordinators); err != nil {
				return err
			}
			if scratch == "" {
				return usageError{fmt.Errorf("--scratch is needed: a folder for shuffle data")}
			}
			if slots < 1 {
				return usageError{fmt.Errorf("--slots %d: use 1 or more", slots)}
			}
			bytes, err := parseMemory(memory)
			if err != nil {
				return err
			}
			cached, err := parseCache(cache)
			if err != nil {
				return err
			}
			if err := credentials.check(cmd, listen); err != nil {
				return err
			}
			if err := checkAdvertised(listen, advertise); err != nil {
				return err
			}
			log := logging.logger()
			identity, _, err := credentials.open(log)
			if err != nil {
				return err
			}
			id := worker.NewID()
			tracer, err := tracing.open("quern-worker", id, log)
			if err != nil {
				return err
			}
			defer tracer.Close()
			assembly.LimitMemory(bytes)
			store := storage.New()
			w, err := worker.New(worker.Options{
				ID: id, Coordinators: coordinators, Listen: listen, Advertise: advertise, Identity: identity,
				Scratch: scratch, Slots: slots, Memory: bytes, InputCache: cached, Store: store, Build: build(), Log: log, Traces: tracer,
			})
			if err != nil {
				return errors.Join(err, store.Close())
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "worker listens on %s\n", w.Addr())
			return errors.Join(runWorker(cmd.Context(), w, drain, cmd.ErrOrStderr()), store.Close())
		},
	}
	coordinatorFlag(cmd, &coordinators)
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:0", "address to serve shuffle data on")
	cmd.Flags().StringVar(&advertise, "advertise", "", "host:port where other workers reach it (default: as --listen)")
	cmd.Flags().StringVar(&scratch, "scratch", "", "folder for shuffle data")
	cmd.Flags().IntVar(&slots, "slots", 1, "tasks at once")
	cmd.Flags().StringVar(&memory, "memory", "4GiB", "memory for all tasks together")
	cmd.Flags().StringVar(&cache, "input-cache", "0", "scratch space for objects of blob stores that several tasks or runs read; 0 for none")
	cmd.Flags().DurationVar(&drain, "drain-timeout", 25*time.Second, "after a signal, how long it finishes and serves what runs need; 0: it leaves at once")
	credentials.register(cmd, false)
	logging.register(cmd)
	tracing.register(cmd)
	inSection(cmd, "worker")
	return cmd
}

// checkAdvertised wants an address that others can reach, which "all of this machine's" is none.
func checkAdvertised(listen, advertise string) error {
	flag, address := "advertise", advertise
	if address == "" {
		flag, address = "listen", listen
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return usageError{fmt.Errorf("--%s %s: %w", flag, address, err)}
	}
	if ip := net.ParseIP(host); host == "" || (ip != nil && ip.IsUnspecified()) {
		return usageError{fmt.Errorf("--%s %s: say with --advertise where others reach it", flag, address)}
	}
	return nil
}
