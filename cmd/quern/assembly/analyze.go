package assembly

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// Analyzed is the plan of a run that has ended, with what each operator did: summed over the stage's tasks, except for
// memory, which is the most that one task held.
func Analyzed(job *plan.Job, status *api.RunStatus) string {
	var b strings.Builder
	for i, s := range job.Stages {
		if i >= len(status.Stages) {
			break
		}
		counts := status.Stages[i].Counts
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(s.Annotated(func(place int, n *plan.Node) string { return note(counts, place, n) }))
		if adapted := status.Stages[i].Adapted; adapted != "" {
			fmt.Fprintf(&b, "  adapted: %s\n", adapted)
		}
		for _, c := range counts.Counters {
			fmt.Fprintf(&b, "  function counter %s: %s\n", c.Name, humanize.Comma(c.Value))
		}
		fmt.Fprintf(&b, "  out: %s rows, %s\n", humanize.Comma(counts.RowsOut), humanize.IBytes(uint64(max(counts.BytesOut, 0))))
	}
	return b.String()
}

// note is what an operator did. Its time is its own, without that of its inputs.
func note(counts api.Counts, place int, n *plan.Node) string {
	if place >= len(counts.Operators) {
		return ""
	}
	o := counts.Operators[place]
	own := o.Nanos
	for _, in := range inputsOf(n, place) {
		if in < len(counts.Operators) {
			own -= counts.Operators[in].Nanos
		}
	}
	text := fmt.Sprintf("\n%s· %s rows in %s batches, %s", strings.Repeat(" ", 8), humanize.Comma(o.Rows), humanize.Comma(o.Batches),
		time.Duration(max(own, 0)).Round(10*time.Microsecond))
	if o.Peak > 0 {
		text += ", memory " + humanize.IBytes(uint64(o.Peak))
	}
	if o.Spilled > 0 {
		text += ", spilled " + humanize.IBytes(uint64(o.Spilled))
	}
	if n.Op == plan.NodeScan {
		text += fmt.Sprintf(", read %s rows and %s", humanize.Comma(counts.RowsRead), humanize.IBytes(uint64(max(counts.BytesRead, 0))))
		text += skipped(n.Scan, counts)
	}
	return text
}

// skipped is what planning ruled out, and what a scan did not read, or not of all columns.
func skipped(scan *plan.Scan, c api.Counts) string {
	var parts []string
	add := func(n int64, what string, of int64, by string) {
		if n == 0 {
			return
		}
		part := humanize.Comma(n) + " " + what
		if of > 0 {
			part += " (" + humanize.Comma(of) + " " + by + ")"
		}
		parts = append(parts, part)
	}
	if d := scan.Dropped; d != nil {
		add(int64(d.Files), "files when planned", 0, "")
		add(int64(d.RowGroups), "row groups when planned", 0, "")
	}
	add(c.GroupsPruned, "row groups", c.GroupsBloom, "by Bloom filters")
	add(c.PagesPruned, "pages", 0, "")
	add(c.RowsPruned, "rows", c.RowsLate, "late")
	if len(parts) == 0 {
		return ""
	}
	return ", skipped " + strings.Join(parts, ", ")
}

// inputsOf is the places of a node's inputs, when parents come first.
func inputsOf(n *plan.Node, place int) []int {
	var places []int
	next := place + 1
	for _, in := range n.Inputs {
		places = append(places, next)
		in.Walk(func(*plan.Node) { next++ })
	}
	return places
}
