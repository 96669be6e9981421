package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/scan"
)

// completionPatience bounds what completion asks a cluster: a shell waits for it.
const completionPatience = 2 * time.Second

// completeArguments says what a shell can propose: runs of the cluster, contexts, job files and their parameters.
func completeArguments(root *cobra.Command) {
	every := func(api.RunState) bool { return true }
	live := func(s api.RunState) bool { return !s.Terminal() }
	for _, c := range root.Commands() {
		switch c.Name() {
		case "status", "logs", "profile", "why-slow":
			c.ValidArgsFunction = completeRuns(1, every)
		case "cancel":
			c.ValidArgsFunction = completeRuns(1, live)
		case "retry":
			c.ValidArgsFunction = completeRuns(1, func(s api.RunState) bool { return s == api.RunFailed || s == api.RunCancelled })
		case "release":
			c.ValidArgsFunction = completeRuns(1, func(s api.RunState) bool { return s == api.RunBlocked })
		case "purge":
			c.ValidArgsFunction = completeRuns(-1, func(s api.RunState) bool { return s.Terminal() || s == api.RunBlocked })
		case "run", "submit", "validate", "explain", "backfill":
			c.ValidArgsFunction = completeJobFile
			propose(c, "param", completeParams)
		}
		if c.Flags().Lookup("output") != nil {
			propose(c, "output", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
				return []string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp
			})
		}
	}
	propose(root, "context", completeContexts)
}

// propose completes the value of a flag. That the flag is not there is a defect which the tests meet.
func propose(c *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := c.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}

// completeRuns proposes up to most ids of runs in some states, newest first; any number if most is negative.
func completeRuns(most int, wanted func(api.RunState) bool) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) == most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		runs, err := runsFor(cmd)
		if err != nil {
			cobra.CompErrorln(err.Error())
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var list []string
		for _, r := range runs {
			if wanted(r.State) && strings.HasPrefix(r.RunID, begun) && !slices.Contains(args, r.RunID) {
				list = append(list, cobra.CompletionWithDesc(r.RunID, string(r.State)+" "+r.Name))
			}
		}
		return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// runsFor asks the cluster that the command line so far is about.
func runsFor(cmd *cobra.Command) ([]api.RunStatus, error) {
	if err := resolve(cmd); err != nil {
		return nil, err
	}
	flags := cmd.Flags()
	var t target
	t.coordinators, _ = flags.GetStringSlice("coordinator") // all verbs about runs have these flags
	t.tls.CA, _ = flags.GetString("tls-ca")
	t.tls.Cert, _ = flags.GetString("tls-cert")
	t.tls.Key, _ = flags.GetString("tls-key")
	t.tokenFile, _ = flags.GetString("token-file")
	c, err := t.connect()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), completionPatience)
	defer cancel()
	list, err := c.Runs(ctx)
	if err != nil {
		return nil, err
	}
	return list.Runs, nil
}

func completeContexts(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	path, _ := configPath(cmd)
	if path == "" || len(args) > 0 && cmd.Name() == "use" {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	file, err := loadConfig(cmd, path)
	if err != nil {
		cobra.CompErrorln(err.Error())
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return file.Names(), cobra.ShellCompDirectiveNoFileComp
}

func completeJobFile(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeParams proposes the parameters of the job file that have no value yet.
func completeParams(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	none := cobra.ShellCompDirectiveNoFileComp
	if len(args) != 1 {
		return nil, none
	}
	job, err := readJob(args[0], jobFlags{})
	if err != nil {
		return nil, none
	}
	store := storage.New()
	defer store.Close()
	j := job.request.Job
	checked := planner.CheckJob(cmd.Context(), planner.JobRequest{File: j.File, Dir: j.Dir, Work: j.Work, Text: j.Text}, scan.NewCatalog(store))
	given, _ := cmd.Flags().GetStringArray("param") // the verbs that this is for have it
	var list []string
	for _, name := range checked.Missing {
		if !slices.ContainsFunc(given, func(g string) bool { return strings.HasPrefix(g, name+"=") }) {
			list = append(list, name+"=")
		}
	}
	return list, none | cobra.ShellCompDirectiveNoSpace
}
