package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/quern-engine/quern/cmd/quern/dataset"
	"github.com/quern-engine/quern/coordinator"
)

// printSteps shows what was counted of the steps that made the newest published version of each dataset.
func printSteps(w io.Writer, list []datasetInfo) error {
	for _, d := range list {
		i := slices.IndexFunc(d.Versions, func(v versionInfo) bool { return v.State == dataset.Published })
		if i < 0 {
			continue
		}
		t := table.NewWriter()
		t.SetStyle(table.StyleLight)
		t.Style().Options.DrawBorder, t.Style().Options.SeparateColumns = false, false
		t.Style().Format.Header = text.FormatDefault
		t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, Align: text.AlignRight}, {Number: 4, Align: text.AlignRight}})
		t.AppendHeader(table.Row{"step", "operator", "rows in", "rows", ""})
		for _, s := range d.Versions[i].Steps {
			t.AppendRow(table.Row{s.Name, s.Operator, countWord(s.RowsIn), countWord(s.Rows), countWords(s)})
			for _, l := range s.Ledger {
				note := fmt.Sprintf("of %s, weight %g", humanize.Comma(l.Seen), l.Weight)
				if l.Rate != nil {
					note = fmt.Sprintf("of %s, rate %g, weight %g", humanize.Comma(l.Seen), *l.Rate, l.Weight)
				}
				t.AppendRow(table.Row{"", "  " + stratumWords(l.Where, l.By), "", humanize.Comma(l.Kept), note})
			}
		}
		if _, err := fmt.Fprintf(w, "%s\n%s\n", d.Versions[i].Path, t.Render()); err != nil {
			return err
		}
	}
	return nil
}

func countWord(n *int64) string {
	if n == nil {
		return ""
	}
	return humanize.Comma(*n)
}

func countWords(s coordinator.Step) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(s.Counts)) {
		words = append(words, name+" "+humanize.Comma(s.Counts[name]))
	}
	if s.Watermark != "" {
		words = append(words, "watermark "+s.Watermark)
	}
	return strings.Join(words, ", ")
}

// stratumWords names a stratum of a sample.
func stratumWords(where string, by map[string]*string) string {
	words := []string{where}
	if where == "" {
		words[0] = "all strata"
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		value := "NULL"
		if by[name] != nil {
			value = *by[name]
		}
		words = append(words, name+"="+value)
	}
	return strings.Join(words, " ")
}
