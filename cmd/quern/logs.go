package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
)

// followWait is how long one request waits for more lines.
const followWait = 30 * time.Second

func newLogsCommand() *cobra.Command {
	var (
		cluster target
		state   string
		output  outputFlag
		follow  bool
		level   string
		places  [3]int // stage, task, attempt
	)
	cmd := &cobra.Command{
		Use:   "logs RUN",
		Short: "Show what happened to a run, and what its tasks had to say",
		Long: "Show what happened to a run, and what its tasks had to say: what plugins print and log, and why attempts failed. Lines are in the\n" +
			"order of their times; with --follow, as they come until the run ends.\n\n" +
			"With --state and no --coordinator, the run is one of 'quern run --state': nobody works on it, so --follow does not wait.\n" +
			"With -o json, each line is an object.",
		Example: "  quern logs 20261122t201500-1f2e3d4c --level warn\n  quern logs 20261122t201500-1f2e3d4c --stage 1 --task 7 --follow",
		Args:    oneArg("a run id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := client.LogsQuery{Level: level}
			for i, field := range []**int{&query.Stage, &query.Task, &query.Attempt} {
				if name := []string{"stage", "task", "attempt"}[i]; cmd.Flags().Changed(name) {
					if places[i] < 0 {
						return usageError{fmt.Errorf("--%s %d: they are counted from 0", name, places[i])}
					}
					*field = &places[i]
				}
			}
			p := linePrinter{w: cmd.OutOrStdout(), json: output.json()}
			stateGiven := cmd.Flags().Changed("state") && !cmd.Flags().Changed("coordinator") // rather than what the context says
			if state != "" && (len(cluster.coordinators) == 0 || stateGiven) {
				return withState(state, func(c *client.Client) error { return showLogs(cmd.Context(), c, args[0], query, p) })
			}
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			if follow {
				return followLogs(cmd.Context(), c, args[0], query, p)
			}
			return showLogs(cmd.Context(), c, args[0], query, p)
		},
	}
	cluster.register(cmd)
	output.register(cmd)
	cmd.Flags().StringVar(&state, "state", "", "folder that 'quern run --state' was given (env QUERN_STATE)")
	inContext(cmd, "state")
	annotate(cmd, "state", noteEnv, "QUERN_STATE")
	cmd.Flags().IntVar(&places[0], "stage", 0, "only what is about this stage")
	cmd.Flags().IntVar(&places[1], "task", 0, "only what is about the task of this number, in whatever stage")
	cmd.Flags().IntVar(&places[2], "attempt", 0, "only what is about the attempt of this number")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	cmd.Flags().StringVar(&level, "level", "info", "the lowest level that is shown: debug, info, warn or error")
	return cmd
}

// pointToLogs says where a run that failed has left what its tasks had to say.
func pointToLogs(s *api.RunStatus, where string) {
	if s.State == api.RunFailed {
		fmt.Fprintf(os.Stderr, "What its tasks had to say: quern logs %s%s\n", s.RunID, where)
	}
}

// showLogs prints what there is, in the order of time.
func showLogs(ctx context.Context, c *client.Client, id string, q client.LogsQuery, p linePrinter) error {
	var all []api.LogLine // a run's logs are bounded
	for more := true; more; {
		page, err := c.Logs(ctx, id, q)
		if err != nil {
			return err
		}
		all, more, q.Cursor = append(all, page.Lines...), page.More, page.Cursor
	}
	slices.SortStableFunc(all, func(a, b api.LogLine) int { return a.Time.Compare(b.Time) })
	return p.print(all)
}

// followLogs prints lines as they come, until the run ends.
func followLogs(ctx context.Context, c *client.Client, id string, q client.LogsQuery, p linePrinter) error {
	q.Wait = followWait
	for {
		page, err := c.Logs(ctx, id, q)
		if err != nil {
			return err
		}
		if err := p.print(page.Lines); err != nil || page.End {
			return err
		}
		q.Cursor = page.Cursor
	}
}

// linePrinter prints lines, for people or for programs.
type linePrinter struct {
	w    io.Writer
	json bool
}

func (p linePrinter) print(list []api.LogLine) error {
	e := json.NewEncoder(p.w)
	for _, l := range list {
		var err error
		if p.json {
			err = e.Encode(l)
		} else {
			_, err = io.WriteString(p.w, lineText(l))
		}
		if err != nil {
			return fmt.Errorf("print lines: %w", err)
		}
	}
	return nil
}

// lineText is a line for people: time, level, place, what it is and what it says. Further lines of a text are indented.
func lineText(l api.LogLine) string {
	text := l.Message
	if l.Text != "" {
		text += ": " + l.Text
	}
	for _, name := range slices.Sorted(maps.Keys(l.Attributes)) {
		text += fmt.Sprintf("  %s=%s", name, l.Attributes[name])
	}
	if l.Worker != "" {
		text += "  worker=" + l.Worker
	}
	return fmt.Sprintf("%s %-5s %-9s %s\n", l.Time.Local().Format("2006-01-02 15:04:05.000"), l.Level, linePlace(l),
		strings.ReplaceAll(printable(text), "\n", "\n    "))
}

// linePlace is stage/task.attempt, as far as the line is about one.
func linePlace(l api.LogLine) string {
	switch {
	case l.Stage == nil:
		return "-"
	case l.Task == nil || l.Attempt == nil:
		return fmt.Sprint(*l.Stage)
	}
	return fmt.Sprintf("%d/%d.%d", *l.Stage, *l.Task, *l.Attempt)
}

// printable is a text without what a terminal would obey: what plugins print is anybody's.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return r
		case r == '\r':
			return -1
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
