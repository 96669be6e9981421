package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
)

const (
	// topRuns is how many runs are looked at, and topEnded how many that have ended are shown below those that go on.
	topRuns, topEnded = 50, 3
	// leastInterval is how often a table may be made anew: each costs the leader a look at all runs.
	leastInterval = 200 * time.Millisecond
)

func newTopCommand() *cobra.Command {
	var (
		cluster  target
		output   outputFlag
		once     bool
		interval time.Duration
	)
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Show what a cluster does: runs, stages, workers, their slots and memory",
		Long: "Show the runs that go on and their stages, those that have ended last, and the workers with their slots and memory, again and again until\n" +
			"Ctrl-C. With --once, with -o json, and where standard output is no terminal, once.\n\n" +
			"Exit status: 0, 2 the command line is wrong, 3 no coordinator reachable.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if interval < leastInterval {
				return usageError{fmt.Errorf("--interval %s: at least %s", interval, leastInterval)}
			}
			c, err := cluster.connect()
			if err != nil {
				return err
			}
			look, err := lookAtCluster(cmd.Context(), c)
			if err != nil {
				return err
			}
			w := cmd.OutOrStdout()
			if output.json() {
				return printJSON(w, look)
			}
			if once || !drawable(os.Stdout) {
				return printLook(w, look, outputWidth(w))
			}
			return watch(cmd.Context(), c, look, interval)
		},
	}
	cluster.register(cmd)
	output.register(cmd)
	cmd.Flags().BoolVar(&once, "once", false, "show it once")
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "from one look to the next")
	return cmd
}

// clusterLook is what a cluster does at a moment; -o json prints it: a contract.
type clusterLook struct {
	At      time.Time          `json:"at"`
	Leader  string             `json:"leader"`
	Members []api.MemberStatus `json:"members"`
	Runs    []api.RunStatus    `json:"runs"` // those that have not ended, then those that ended last, each the newest first
	Workers []api.WorkerStatus `json:"workers"`
}

func lookAtCluster(ctx context.Context, c *client.Client) (*clusterLook, error) {
	look := &clusterLook{At: time.Now().UTC()}
	cluster, err := c.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	look.Leader, look.Members = cluster.Leader, cluster.Members
	live, err := c.RunsIn(ctx, topRuns, liveStates()...)
	if err != nil {
		return nil, err
	}
	ended, err := c.RunsIn(ctx, topEnded, api.RunSucceeded, api.RunFailed, api.RunCancelled)
	if err != nil {
		return nil, err
	}
	look.Runs = append(append([]api.RunStatus{}, live.Runs...), ended.Runs...)
	workers, err := c.Workers(ctx)
	if err != nil {
		return nil, err
	}
	look.Workers = workers.Workers
	return look, nil
}

// summary is the cluster in one line.
func (l *clusterLook) summary() string {
	slots, busy, live := 0, 0, 0
	var memory, used int64
	for _, w := range l.Workers {
		slots, busy = slots+w.Slots, busy+len(w.Running)
		memory, used = memory+w.Memory, used+w.MemoryUsed
	}
	for i := range l.Runs {
		if !l.Runs[i].State.Terminal() {
			live++
		}
	}
	answer := 0
	for _, m := range l.Members {
		if m.Answers {
			answer++
		}
	}
	return fmt.Sprintf("%s UTC  %d of %s, leader %s  %s, %d of %s, %s of %s  %s", l.At.Format(time.TimeOnly), answer,
		counted(len(l.Members), "coordinator"), l.Leader, counted(len(l.Workers), "worker"), busy, counted(slots, "slot"),
		humanize.IBytes(uint64(max(used, 0))), humanize.IBytes(uint64(max(memory, 0))), counted(live, "live run"))
}

// lines are the tables, width characters wide at most. paces has how fast the runs go, as far as that is known.
func (l *clusterLook) lines(paces map[string]*pace, width int) []string {
	var out []string
	if len(l.Runs) == 0 {
		out = append(out, "", "no runs")
	} else {
		out = append(append(out, ""), tableLines(runsTable(l.Runs, l.At, width), width)...)
	}
	for i := range l.Runs {
		r := &l.Runs[i]
		if rows := liveRows(r, paces[r.RunID], width); len(rows) > 0 {
			out = append(append(out, "", r.RunID), renderRows(rows, rowWidth(width))...)
		}
	}
	if len(l.Workers) == 0 {
		return append(out, "", "no workers")
	}
	return append(append(out, ""), tableLines(workersTable(l.Workers), width)...)
}

// pipeWidth is how wide rows with bars are where no terminal says.
const pipeWidth = 120

func rowWidth(width int) int {
	if width == 0 {
		return pipeWidth
	}
	return width
}

// liveRows are the stages of a run that work, for a terminal of a width with colours; 0 is none.
func liveRows(r *api.RunStatus, p *pace, width int) []stageRow {
	var rows []stageRow
	for i := range r.Stages {
		s := &r.Stages[i]
		if r.State.Terminal() || s.Running == 0 {
			continue
		}
		var seen *stagePace
		if p != nil {
			seen = p.stages[s.ID]
		}
		row := newStageRow(s, seen, r.State)
		if width == 0 {
			row = row.plain()
		}
		if seen == nil {
			row.cells[columnTime] = "" // it does not wait: nothing is known of its time
		}
		rows = append(rows, row)
	}
	return rows
}

func printLook(w io.Writer, l *clusterLook, width int) error {
	lines := append([]string{l.summary()}, l.lines(nil, width)...)
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

// watcher shows a cluster on a terminal.
type watcher struct {
	mu    sync.Mutex
	look  *clusterLook     // guarded by mu
	note  string           // why the look is old; guarded by mu
	paces map[string]*pace // by run; guarded by mu
}

// watch looks at a cluster until ctx is done.
func watch(ctx context.Context, c *client.Client, look *clusterLook, interval time.Duration) error {
	w := &watcher{paces: map[string]*pace{}}
	w.set(look)
	s := newScreen(os.Stdout, w.frame)
	s.begin()
	defer s.end()
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil // the way to leave
		}
		look, err := lookAtCluster(ctx, c)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil { // a leader may be chosen just now: what was is shown until there is an answer
			w.fail(err)
			continue
		}
		w.set(look)
	}
}

func (w *watcher) set(look *clusterLook) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.look, w.note = look, ""
	paces := map[string]*pace{}
	for i := range look.Runs {
		r := &look.Runs[i]
		if r.State.Terminal() {
			continue
		}
		p := w.paces[r.RunID]
		if p == nil {
			p = newPace()
		}
		p.observe(look.At, r)
		paces[r.RunID] = p
	}
	w.paces = paces
}

func (w *watcher) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note = "no answer since " + w.look.At.Format(time.TimeOnly) + " UTC: " + err.Error()
}

func (w *watcher) frame(room int, _ time.Time) frame {
	w.mu.Lock()
	defer w.mu.Unlock()
	f := frame{head: w.look.summary(), lines: func(width int) []string {
		w.mu.Lock() // it is called later
		defer w.mu.Unlock()
		lines := w.look.lines(w.paces, width)
		return lines[:min(len(lines), room)]
	}}
	if w.note != "" {
		f.head = w.note
	}
	return f
}
