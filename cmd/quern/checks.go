package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/cmd/quern/assembly"
)

func newReleaseCommand() *cobra.Command {
	var (
		cluster target
		flags   clusterFlags
		output  outputFlag
		because string
	)
	cmd := &cobra.Command{
		Use:   "release RUN --because TEXT",
		Short: "Publish a run that its checks have blocked",
		Long: "Publish a run in spite of its checks. Who did so, and why, is recorded in the manifests of its outputs.\n\n" +
			"With --state and no --coordinator, the run is one of 'quern run --state'.",
		Example: "  quern release 20261122t201500-1f2e3d4c --because 'the drop in rows is the holiday'",
		Args:    oneArg("a run id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if because == "" {
				return usageError{errors.New("say why with --because")}
			}
			release := func(c *client.Client) error {
				if _, err := c.Publish(cmd.Context(), args[0], api.PublishRequest{Because: because, By: self()}); err != nil {
					return err
				}
				status, err := assembly.Wait(cmd.Context(), c, args[0], nil)
				if err != nil {
					return err
				}
				if output.json() {
					err = printJSON(cmd.OutOrStdout(), status)
				} else {
					printStatus(cmd.OutOrStdout(), status)
				}
				if err != nil {
					return err
				}
				return outcome(status)
			}
			stateGiven := cmd.Flags().Changed("state") && !cmd.Flags().Changed("coordinator") // rather than what the context says
			if flags.state != "" && (len(cluster.coordinators) == 0 || stateGiven) {
				return withEmbedded(&flags, func(e *assembly.Embedded) error { return release(e.Client) })
			}
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			return release(c)
		},
	}
	cluster.register(cmd)
	output.register(cmd)
	flags.register(cmd)
	cmd.Flags().StringVar(&because, "because", "", "why the run is to be published all the same")
	return cmd
}

// self is who runs the command, as far as the machine knows.
func self() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil && name != "" {
		return name + "@" + host
	}
	return name
}

// printChecks prints what came of a run's checks as a table.
func printChecks(w io.Writer, status *api.RunStatus) {
	if len(status.Checks) == 0 {
		return
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"output", "check", "severity", "outcome", "measured"})
	t.SetColumnConfigs([]table.ColumnConfig{
		{Number: 2, WidthMax: 40, WidthMaxEnforcer: text.WrapSoft}, {Number: 5, WidthMax: 80, WidthMaxEnforcer: text.WrapSoft},
	})
	for _, c := range status.Checks {
		t.AppendRow(table.Row{c.Output, c.Name, c.Severity, c.Outcome, c.Message})
	}
	fmt.Fprintln(w, t.Render())
	if o := status.Override; o != nil {
		fmt.Fprintf(w, "released by %s: %s\n", o.By, o.Because)
	}
}
