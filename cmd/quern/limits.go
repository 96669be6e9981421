package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/coordinator"
)

// limitFlags bound what a coordinator takes on and how long it is patient. Zero is the default of coordinator.Options.
type limitFlags struct {
	active, queued int
	retain, lease  time.Duration
}

func (f *limitFlags) register(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.active, "max-active", 0, "runs that are given tasks at a time; others wait in line (default 64)")
	cmd.Flags().IntVar(&f.queued, "max-queued", 0, "runs under way, those in line included; more are sent away for a while (default 1000)")
	cmd.Flags().DurationVar(&f.retain, "retain", 0, "how long runs that have ended are remembered (default 720h)")
	cmd.Flags().DurationVar(&f.lease, "lease", 0, "how long a worker may be silent before it counts as lost (default 10s)")
}

func (f *limitFlags) apply(o *coordinator.Options) {
	o.MaxActive, o.MaxQueued, o.Retain, o.Lease = f.active, f.queued, f.retain, f.lease
}
