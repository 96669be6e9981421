package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/cmd/quern/assembly"
)

func newProfileCommand() *cobra.Command {
	cmd, output := aboutProfile(func(w io.Writer, p *api.Profile) {
		printHeading(w, p)
		fmt.Fprintf(w, "\n%s", assembly.Analyzed(p, terminalWidth()))
	}, func(p *api.Profile) any { return p })
	cmd.Use, cmd.Short = "profile RUN", "Show the plan of a run with what each stage and operator did"
	cmd.Example = "  quern profile 20261122t201500-1f2e3d4c"
	output.register(cmd)
	return cmd
}

// slowness is the object that why-slow -o json prints: a contract.
type slowness struct {
	RunID    string         `json:"run_id"`
	State    api.RunState   `json:"state"`
	Seconds  float64        `json:"seconds"`
	Phases   api.PhaseTimes `json:"phases"`
	Findings []api.Finding  `json:"findings"`
}

func newWhySlowCommand() *cobra.Command {
	cmd, output := aboutProfile(func(w io.Writer, p *api.Profile) { printSlowness(w, p, lineWidth()) }, func(p *api.Profile) any {
		return slowness{RunID: p.RunID, State: p.State, Seconds: p.Seconds, Phases: p.Phases, Findings: p.Findings}
	})
	cmd.Use, cmd.Short = "why-slow RUN", "Say what made a run slow, most important first, and what would help"
	cmd.Example = "  quern why-slow 20261122t201500-1f2e3d4c"
	output.register(cmd)
	return cmd
}

// aboutProfile is a verb that shows a run's profile in one of two ways.
func aboutProfile(show func(io.Writer, *api.Profile), object func(*api.Profile) any) (*cobra.Command, *outputFlag) {
	var (
		cluster target
		state   string
		output  outputFlag
	)
	cmd := &cobra.Command{
		Long: "The run may go on or have ended; workers and coordinators may have been restarted since.\n\n" +
			"With --state and no --coordinator, the run is one of 'quern run --state'.",
		Args: oneArg("a run id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			print := func(c *client.Client) error {
				return printProfile(cmd.Context(), cmd.OutOrStdout(), c, args[0], output.json(), show, object)
			}
			if len(cluster.coordinators) == 0 && state != "" {
				return withState(state, print)
			}
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			return print(c)
		},
	}
	cluster.register(cmd)
	cmd.Flags().StringVar(&state, "state", "", "folder that 'quern run --state' was given (env QUERN_STATE)")
	inContext(cmd, "state")
	annotate(cmd, "state", noteEnv, "QUERN_STATE")
	return cmd, &output
}

func printProfile(ctx context.Context, w io.Writer, c *client.Client, run string, asJSON bool, show func(io.Writer, *api.Profile), object func(*api.Profile) any) error {
	p, err := c.Profile(ctx, run)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(w, object(p))
	}
	show(w, p)
	return nil
}

func printHeading(w io.Writer, p *api.Profile) {
	fmt.Fprintf(w, "run %s (%s): %s", p.RunID, p.Name, p.State)
	if p.State.Terminal() {
		fmt.Fprintf(w, " after %s\n", assembly.Took(p.Seconds))
	} else {
		fmt.Fprintf(w, " since %s\n", assembly.Took(p.Seconds))
	}
	if p.Failure != nil {
		fmt.Fprintf(w, "%s\n", text.WrapSoft("failure ("+string(p.Failure.Kind)+"): "+p.Failure.Message, lineWidth()))
	}
	if p.Partial {
		fmt.Fprintln(w, "Its times were not taken: coordinators of an older build began it.")
	}
}

// terminalWidth is how wide the terminal on standard output is; 0 if there is none.
func terminalWidth() int {
	width, _, err := term.GetSize(int(os.Stdout.Fd()))
	if err != nil {
		return 0
	}
	return width
}

// widestLine is how wide texts are for people where the terminal is not narrower.
const widestLine = 100

// lineWidth is how wide texts are.
func lineWidth() int {
	if width := terminalWidth(); width > 0 {
		return min(width, widestLine)
	}
	return widestLine
}

func printSlowness(w io.Writer, p *api.Profile, width int) {
	printHeading(w, p)
	if len(p.Findings) == 0 {
		fmt.Fprintln(w, "\nNothing stands out.")
	}
	for i, f := range p.Findings {
		fmt.Fprintf(w, "\n%d. %s\n", i+1, indented(f.Title, width-3, "   "))
		for _, why := range f.Why {
			fmt.Fprintf(w, "   %s\n", indented(why, width-5, "     "))
		}
		if f.Seconds > 0 {
			fmt.Fprintf(w, "   about %s of the run\n", assembly.Took(f.Seconds))
		}
		fmt.Fprintf(w, "   → %s\n", indented(f.Do, width-5, "     "))
	}
	fmt.Fprintf(w, "\nWhere the time went: %s\n", phasesText(p))
	if len(p.Stages) > 0 && !p.Partial {
		fmt.Fprintln(w, timesTable(p, width))
	}
}

// indented wraps a text; the lines after the first are indented.
func indented(s string, width int, by string) string {
	lines := strings.Split(text.WrapSoft(s, width), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n"+by)
}

func phasesText(p *api.Profile) string {
	var parts []string
	for _, t := range []assembly.TaskTime{
		{Name: "no worker", Seconds: p.Phases.NoWorker}, {Name: "waiting", Seconds: p.Phases.Waiting}, {Name: "tasks", Seconds: p.Phases.Tasks},
		{Name: "checks", Seconds: p.Phases.Checks}, {Name: "blocked", Seconds: p.Phases.Blocked}, {Name: "publishing", Seconds: p.Phases.Publish},
		{Name: "ending", Seconds: p.Phases.Ending},
	} {
		if t.Seconds >= 0.001 {
			parts = append(parts, t.Name+" "+assembly.Took(t.Seconds))
		}
	}
	if len(parts) == 0 {
		return "that is not known"
	}
	return strings.Join(parts, ", ")
}

// timesTable is a line for each stage: how long it took, and what its tasks did in that time, in percent. Where it does not fit, the
// frame goes, and so do the number of tasks and what no stage spent time on.
func timesTable(p *api.Profile, width int) string {
	narrow := width < widestLine
	header := table.Row{"stage", "took", "tasks", "median", "slowest"}
	for _, name := range shareColumns {
		header = append(header, name)
	}
	t, label := newTable(header...), 12
	if !narrow {
		t, label = newFramedTable(header), 17
	}
	columns := []table.ColumnConfig{{Number: 1, WidthMax: label, WidthMaxEnforcer: snip}}
	for i := 2; i <= len(header); i++ {
		columns = append(columns, table.ColumnConfig{Number: i, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	for i := range p.Stages {
		s := &p.Stages[i]
		row := table.Row{fmt.Sprintf("%d %s", s.ID, s.Label), assembly.Took(s.Wall(p.Seconds)), s.Tasks, assembly.Took(s.Took.Median), assembly.Took(s.Took.Most)}
		if narrow {
			row[2] = ""
		}
		for _, part := range timeShares(s) {
			if narrow && part == noShare {
				part = ""
			}
			row = append(row, part)
		}
		t.AppendRow(row)
	}
	if !narrow {
		return t.Render()
	}
	return strings.Join(tableLines(t, width), "\n")
}

// newFramedTable is a table in a frame.
func newFramedTable(header table.Row) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.Style().Options.SeparateColumns = false
	t.AppendHeader(header)
	return t
}

// noShare stands for no time.
const noShare = "·"

// snip cuts what is too long for its column.
func snip(s string, width int) string { return text.Snip(s, width, "…") }

// shareColumns are what tasks spend time on.
var shareColumns = []string{"compute", "fetch", "read", "plugins", "write", "other"}

// timeShares are the parts of the table's columns in the time of a stage's tasks.
func timeShares(s *api.StageProfile) []string {
	by := map[string]float64{}
	for _, t := range assembly.TimesOf(s) {
		by[t.Name] += t.Seconds
	}
	by["other"] = by["slot"] + by["handing out"]
	var shares []string
	for _, name := range shareColumns {
		text := noShare
		if share := by[name] / max(s.Busy, 0.001); share >= 0.005 {
			text = fmt.Sprintf("%.0f %%", 100*share)
		}
		shares = append(shares, text)
	}
	return shares
}
