// Command quern is the one binary: embedded runs, queries, coordinators, workers and the client verbs. It is the only
// reader of flags and environment, and it wires the other rooms together.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // the same time zones on every machine

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
)

// Exit statuses: a contract with scripts and schedulers.
const (
	exitOK          = 0
	exitFailed      = 1   // the run failed
	exitInvalid     = 2   // the job, the query or the command line is wrong
	exitUnreachable = 3   // no coordinator answers
	exitBlocked     = 4   // a check does not hold, and nothing was published
	exitCancelled   = 130 // cancelled by the caller or by somebody else
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	ctx, stop := untilSignal()
	defer stop()

	root := newRoot()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	var silent silentError
	if !errors.As(err, &silent) {
		fmt.Fprintf(os.Stderr, "quern: %s\n", err)
		var usage usageError
		if errors.As(err, &usage) {
			fmt.Fprintf(os.Stderr, "See '%s --help'.\n", cmd.CommandPath())
		}
	}
	return exitStatus(err)
}

// untilSignal is done at the first signal, which lets the run in hand clean up; the second ends the process at once. What a second
// one does is settled before anybody hears of the first.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case <-signals:
			signal.Stop(signals)
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel() }
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "quern",
		Short:         "Grind raw event logs into training data",
		Long:          "Quern is a distributed batch engine that turns raw event logs into training data.\nIt runs jobs embedded, with no server to start, or on a cluster of coordinators and workers.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentFlags().String("config", "", "configuration file (env QUERN_CONFIG; default: ~/.config/quern/quern.yaml)")
	root.PersistentFlags().String("context", "", "cluster of the configuration to ask, before what the environment says (env QUERN_CONTEXT)")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return resolve(cmd) }
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		newRunCommand(), newSQLCommand(), newExplainCommand(), newFunctionsCommand(), newValidateCommand(), newInitCommand(), newSchemaCommand(), newDatasetsCommand(), newBackfillCommand(), newDiffCommand(), newVerifyCommand(),
		newSubmitCommand(), newRunsCommand(), newStatusCommand(), newLogsCommand(), newCancelCommand(), newRetryCommand(), newTopCommand(), newReleaseCommand(), newPurgeCommand(), newProfileCommand(), newWhySlowCommand(), newWorkersCommand(), newClusterCommand(),
		newCoordinatorCommand(), newWorkerCommand(), newCertsCommand(), newUDFCommand(), newDatagenCommand(), newConfigCommand(), newDoctorCommand(), newDocsCommand(), newVersionCommand(),
	)
	for _, c := range root.Commands() {
		c.Args = asUsageError(c.Args)
	}
	completeArguments(root)
	return root
}

// usageError is a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// silentError ends the process with a status when everything has been said already.
type silentError struct {
	status int
	error
}

func asUsageError(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if check == nil {
			return nil
		}
		if err := check(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// exitStatus maps an error to the contract above.
func exitStatus(err error) int {
	var (
		silent  silentError
		usage   usageError
		invalid *source.Error
		failure *plan.Failure
		remote  *api.Error
	)
	switch {
	case errors.As(err, &silent):
		return silent.status
	case errors.Is(err, client.ErrUnreachable):
		return exitUnreachable
	case errors.As(err, &usage), errors.As(err, &invalid):
		return exitInvalid
	case errors.As(err, &failure):
		return failureStatus(failure)
	case errors.As(err, &remote):
		switch remote.Code {
		case api.CodeInvalid, api.CodeUnauthorized, api.CodeForbidden, api.CodeNotFound, api.CodeConflict:
			return exitInvalid
		}
	case errors.Is(err, context.Canceled):
		return exitCancelled
	}
	return exitFailed
}

// failureStatus is for failures before a run exists: planning and the preparation of plugins.
func failureStatus(f *plan.Failure) int {
	switch f.Kind {
	case plan.FailureUser:
		return exitInvalid
	case plan.FailureCancelled:
		return exitCancelled
	}
	return exitFailed
}
