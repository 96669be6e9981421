// Command cluster measures what a coordinator can bear: real coordinators, each a process of its own with a durable log on
// disk, under workers that are simulated: they register, hold leases, take tasks over HTTP/2 and report them done at once,
// without doing anything. It prints tasks per second, the time from a submit to its first task, the leader's memory while
// it holds a large job and many workers, and how long no task was given out after the leader was killed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

// options are the command line.
type options struct {
	node, listen, peers, state string // of a coordinator process

	coordinators, workers, slots, tasks int
	heartbeat                           time.Duration
	data                                string
}

func main() {
	var o options
	flag.StringVar(&o.node, "node", "", "run as this coordinator (used by the program itself)")
	flag.StringVar(&o.listen, "listen", "", "its address")
	flag.StringVar(&o.peers, "peers", "", "its peers")
	flag.StringVar(&o.state, "state", "", "its state folder")
	flag.IntVar(&o.coordinators, "coordinators", 3, "how many coordinators: 1 or 3")
	flag.IntVar(&o.workers, "workers", 10_000, "how many workers")
	flag.IntVar(&o.slots, "slots", 16, "slots of each")
	flag.IntVar(&o.tasks, "tasks", 1_000_000, "tasks of the large job, in both its stages together")
	flag.DurationVar(&o.heartbeat, "heartbeat", 10*time.Second, "how often each worker speaks")
	flag.StringVar(&o.data, "data", "", "folder for the logs; a temporary one if empty")
	flag.Parse()
	var err error
	if o.node != "" {
		err = serve(o)
	} else {
		err = measure(o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func measure(o options) (err error) {
	if o.data == "" {
		if o.data, err = os.MkdirTemp("", "quern-bench-cluster-"); err != nil {
			return err
		}
		defer os.RemoveAll(o.data)
	}
	c, err := start(o)
	if err != nil {
		return err
	}
	defer c.stop()
	ctx, cancel := context.WithCancel(context.Background())
	f := newFleet(o, c)
	defer f.wait()
	defer cancel()
	fmt.Printf("%d coordinators with durable logs, %d workers of %d slots, heartbeats every %v, %d processors\n\n",
		o.coordinators, o.workers, o.slots, o.heartbeat, runtime.NumCPU())
	begin := time.Now()
	if err := f.join(ctx); err != nil {
		return err
	}
	report("workers registered", "%d in %.1f s; leader %s", o.workers, time.Since(begin).Seconds(), c.memory())
	steps := []func(context.Context) error{f.latency, f.throughput, f.failover}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return errors.Join(err, c.alive())
		}
	}
	return nil
}

// report prints a line of the table.
func report(what, format string, args ...any) {
	fmt.Printf("%-34s %s\n", what, fmt.Sprintf(format, args...))
}
