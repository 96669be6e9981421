package assembly

import (
	"fmt"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/plan"
)

// Analyzed is the plan of a run with what each stage and each operator did: summed over the stage's tasks, except for memory,
// which is the most that one task held. Texts of operators are cut to a width, other lines go on in a next one; with 0 all stay as they are.
func Analyzed(p *api.Profile, width int) string {
	var b strings.Builder
	for i := range p.Stages {
		if i > 0 {
			b.WriteByte('\n')
		}
		writeStage(&b, &p.Stages[i], p.Seconds, width)
	}
	return b.String()
}

// writeLine writes a line behind a margin. What does not fit a width goes on in lines below, two characters further in.
func writeLine(b *strings.Builder, margin, line string, width int) {
	if width > 0 {
		line = text.WrapSoft(line, max(width-text.StringWidthWithoutEscSequences(margin)-2, 20))
	}
	for i, part := range strings.Split(line, "\n") {
		if i == 1 {
			margin = strings.Repeat(" ", text.StringWidthWithoutEscSequences(margin)+2)
		}
		b.WriteString(margin + strings.TrimRight(part, " ") + "\n")
	}
}

func writeStage(b *strings.Builder, s *api.StageProfile, now float64, width int) {
	if len(s.Operators) > 0 {
		fmt.Fprintf(b, "%s\n", cut(fmt.Sprintf("stage %d: %d tasks → %s", s.ID, s.Tasks, s.Sink), width))
	} else { // the plan is not kept any more
		fmt.Fprintf(b, "%s\n", cut(fmt.Sprintf("stage %d: %d tasks, %s", s.ID, s.Tasks, s.Label), width))
	}
	for i := range s.Operators {
		o := &s.Operators[i]
		margin := strings.Repeat("  ", o.Depth+1)
		fmt.Fprintf(b, "%s%s\n", margin, cut(o.Text, width-len(margin)))
		if i < len(s.Counts.Operators) {
			writeLine(b, margin+"    · ", note(o, s.Counts), width)
		}
	}
	if s.Adapted != "" {
		writeLine(b, "  ", "adapted: "+s.Adapted, width)
	}
	for _, c := range s.Counts.Counters {
		writeLine(b, "  ", fmt.Sprintf("function counter %s: %s", c.Name, humanize.Comma(c.Value)), width)
	}
	fmt.Fprintf(b, "  out: %s rows, %s\n", humanize.Comma(s.Counts.RowsOut), bytesText(s.Counts.BytesOut))
	for _, line := range timeLines(s, now) {
		writeLine(b, "  ", line, width)
	}
}

// cut bounds a text to a width, if that is above 0.
func cut(text string, width int) string {
	if runes := []rune(text); width > 0 && len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return text
}

// note is what an operator did. Its time is its own, without that of its inputs.
func note(o *api.OperatorProfile, counts api.Counts) string {
	text := fmt.Sprintf("%s rows in %s batches, %s", humanize.Comma(o.Rows), humanize.Comma(o.Batches), time.Duration(o.Own).Round(10*time.Microsecond))
	if o.Peak > 0 {
		text += ", memory " + bytesText(o.Peak)
	}
	if o.Spilled > 0 {
		text += ", spilled " + bytesText(o.Spilled)
	}
	if o.Op == plan.NodeScan {
		text += fmt.Sprintf(", read %s rows and %s", humanize.Comma(counts.RowsRead), bytesText(counts.BytesRead))
		text += skipped(o, counts)
	}
	return text
}

// skipped is what planning ruled out, and what a scan did not read, or not of all columns.
func skipped(o *api.OperatorProfile, c api.Counts) string {
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
	add(int64(o.FoldersDropped), "folders when planned", 0, "")
	add(int64(o.FilesDropped), "files when planned", 0, "")
	add(int64(o.GroupsDropped), "row groups when planned", 0, "")
	add(c.GroupsPruned, "row groups", c.GroupsBloom, "by Bloom filters")
	add(c.PagesPruned, "pages", 0, "")
	add(c.RowsPruned, "rows", c.RowsLate, "late")
	if len(parts) == 0 {
		return ""
	}
	return ", skipped " + strings.Join(parts, ", ")
}

// timeLines says how long the stage and its tasks took, and for what; nothing of a stage that has not begun.
func timeLines(s *api.StageProfile, now float64) []string {
	if s.Done == 0 && len(s.Running) == 0 {
		return nil
	}
	line := fmt.Sprintf("tasks: %s of %s done", humanize.Comma(int64(s.Done)), humanize.Comma(int64(s.Tasks)))
	if s.AtOnce > 0 {
		line += fmt.Sprintf(", %d at once, in %s", s.AtOnce, Took(s.Wall(now)))
	}
	if s.Done > 0 {
		line += fmt.Sprintf("; median %s, %s to %s", Took(s.Took.Median), Took(s.Took.Least), Took(s.Took.Most))
	}
	if s.Twins > 0 {
		line += fmt.Sprintf("; second attempts: %d", s.Twins)
	}
	for _, l := range s.Lost {
		line += fmt.Sprintf("; %d lost", l.Attempts)
		if l.Kind != "" {
			line += " (" + strings.ReplaceAll(string(l.Kind), "_", " ") + ")"
		}
	}
	lines := []string{line}
	if s.RowsIn.Most > 0 {
		lines = append(lines, fmt.Sprintf("rows in: %s; median %s, %s to %s a task", humanize.Comma(s.Counts.RowsRead+s.Counts.RowsIn),
			humanize.Comma(int64(s.RowsIn.Median)), humanize.Comma(int64(s.RowsIn.Least)), humanize.Comma(int64(s.RowsIn.Most))))
	}
	if s.Busy == 0 {
		return lines
	}
	var parts []string
	for _, t := range TimesOf(s) {
		if t.Seconds >= 0.001 {
			parts = append(parts, t.Name+" "+Took(t.Seconds))
		}
	}
	return append(lines, "time: "+Took(s.Busy)+" of tasks: "+strings.Join(parts, ", "))
}

// TaskTime is what tasks did for some time.
type TaskTime struct {
	Name    string
	Seconds float64
}

// TimesOf divides the time of a stage's tasks. What is measured one within another, or beside each other, is cut so that all
// adds up.
func TimesOf(s *api.StageProfile) []TaskTime {
	f := s.Facts
	left := s.Worked
	take := func(nanos int64) float64 {
		seconds := min(left, time.Duration(nanos).Seconds())
		left -= seconds
		return seconds
	}
	times := []TaskTime{{"slot", take(f.Slot)}, {"fetch", take(f.Fetch)}, {"read", take(f.Read)}, {"plugins", take(f.Plugin)}, {"write", take(f.Write)}}
	return append([]TaskTime{{"compute", left}}, append(times, TaskTime{"handing out", max(0, s.Busy-s.Worked)})...)
}

// Took is a time as people read it.
func Took(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", seconds)
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

func bytesText(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }
