package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/plan"
)

func newClusterCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Show and change which coordinators there are",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newClusterStatusCommand(), newClusterAddCommand(), newClusterRemoveCommand(), newClusterTransferCommand(), newClusterRecoverCommand())
	for _, c := range cmd.Commands() {
		c.Args = asUsageError(c.Args)
	}
	return cmd
}

func newClusterStatusCommand() *cobra.Command {
	var (
		cluster target
		output  outputFlag
	)
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show the coordinators and how they are",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			status, err := c.Cluster(cmd.Context())
			if err != nil {
				return err
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), status)
			}
			return printCluster(cmd.OutOrStdout(), status)
		},
	}
	cluster.register(cmd)
	output.register(cmd)
	return cmd
}

func printCluster(w io.Writer, s *api.ClusterStatus) error {
	leader := "leader " + s.Leader
	if s.Leader == "" {
		leader = "no leader (as " + s.From + " sees it)"
	}
	if s.Cluster != "" {
		leader = "cluster " + s.Cluster + ", " + leader
	}
	fmt.Fprintf(w, "%s, term %d, log entries of version %d\n", leader, s.Term, s.EntryVersion)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tADDRESS\tROLE\tAPPLIED\tBEHIND\tSTATE\tHEARD LEADER\tDISK FREE\tBUILD\tNOTE")
	for _, m := range s.Members {
		fmt.Fprintln(table, strings.Join(memberLine(s, m), "\t"))
	}
	return table.Flush()
}

func memberLine(s *api.ClusterStatus, m api.MemberStatus) []string {
	role := "learner"
	switch {
	case m.ID == s.Leader:
		role = "leader"
	case m.Voter:
		role = "voter"
	}
	line := []string{m.ID, m.Address, role}
	if !m.Answers {
		return append(line, "-", "-", "-", "-", "-", "-", "does not answer")
	}
	heard := "-"
	if m.LastContact > 0 {
		heard = m.LastContact.Round(time.Millisecond).String() + " ago"
	}
	state := "-"
	if m.State != "" {
		state = m.State[:min(12, len(m.State))]
	}
	var notes []string
	if diverges(s, m) {
		notes = append(notes, "ITS STATE IS NOT THE LEADER'S")
	}
	if m.DiskLow {
		notes = append(notes, "disk_low")
	}
	if m.Trouble != "" {
		notes = append(notes, m.Trouble)
	}
	return append(line, fmt.Sprint(m.Applied), fmt.Sprint(m.Lag), state, heard, humanize.IBytes(m.DiskFree), m.Build, strings.Join(notes, "; "))
}

// diverges says that a member knows something else than the leader at the same place of the log, which must never be.
func diverges(s *api.ClusterStatus, m api.MemberStatus) bool {
	for _, l := range s.Members {
		if l.ID == s.Leader {
			return l.Applied == m.Applied && l.State != "" && m.State != "" && l.State != m.State
		}
	}
	return false
}

// changeCommand is a verb that changes membership, and says in a line what it has done.
func changeCommand(use, short string, args cobra.PositionalArgs, act func(*cobra.Command, *client.Client, []string) (string, error)) *cobra.Command {
	var cluster target
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  args,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			done, err := act(cmd, c, args)
			if err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), done)
			return nil
		},
	}
	cluster.register(cmd)
	return cmd
}

func newClusterAddCommand() *cobra.Command {
	check := func(_ *cobra.Command, args []string) error {
		if len(args) != 2 {
			return fmt.Errorf("expected an id and a host:port; got %d arguments", len(args))
		}
		if _, _, err := net.SplitHostPort(args[1]); err != nil {
			return fmt.Errorf("%s: %w", args[1], err)
		}
		return plan.ValidateID("coordinator id", args[0])
	}
	return changeCommand("add ID HOST:PORT", "Add a coordinator, or give one its new address", check,
		func(cmd *cobra.Command, c *client.Client, args []string) (string, error) {
			return args[0] + " at " + args[1] + " is a member and votes", c.AddMember(cmd.Context(), args[0], args[1])
		})
}

func newClusterRemoveCommand() *cobra.Command {
	var force bool
	cmd := changeCommand("remove ID", "Remove a coordinator", oneArg("the id of a coordinator"),
		func(cmd *cobra.Command, c *client.Client, args []string) (string, error) {
			return args[0] + " is not a member", c.RemoveMember(cmd.Context(), args[0], force)
		})
	cmd.Flags().BoolVar(&force, "force", false, "even if too few that answer are left to decide anything")
	return cmd
}

func newClusterTransferCommand() *cobra.Command {
	return changeCommand("transfer [ID]", "Hand leadership to a coordinator, or to whoever is closest", cobra.MaximumNArgs(1),
		func(cmd *cobra.Command, c *client.Client, args []string) (string, error) {
			to := ""
			if len(args) == 1 {
				to = args[0]
			}
			leader, err := c.Transfer(cmd.Context(), to)
			return leader + " leads", err
		})
}

func newClusterRecoverCommand() *cobra.Command {
	var (
		id, state string
		abandon   []string
	)
	cmd := &cobra.Command{
		Use:   "recover",
		Short: "Make a coordinator the only one, if the others are gone for good",
		Long: "Make a coordinator that is stopped the only member of its cluster, because so many of the others are gone for good that\n" +
			"nothing can be decided any more. What they have decided without it is lost. Its cluster has a new id then, so it refuses\n" +
			"them if they come back. Start it afterwards, and add new ones.",
		Example: "  quern cluster recover --id c1 --state /var/lib/quern/c1 --abandon c2,c3",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := plan.ValidateID("--id", id); err != nil {
				return usageError{err}
			}
			if state == "" {
				return usageError{fmt.Errorf("--state is needed: the folder that keeps the log")}
			}
			if err := coordinator.Recover(id, state, abandon); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is the only member; it can be started\n", id)
			return nil
		},
	}
	cmd.Flags().StringVar(&id, "id", "c1", "name of the coordinator")
	cmd.Flags().StringVar(&state, "state", "", "its folder for the log and plans")
	cmd.Flags().StringSliceVar(&abandon, "abandon", nil, "the other coordinators, comma separated: they must never start again on what they have")
	return cmd
}
