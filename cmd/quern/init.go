package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/plan"
)

//go:embed templates/*.yaml
var templates embed.FS

// templateNames are the templates, the default first, and what each is for.
var templateNames = []string{"minimal", "features", "training"}

func newInitCommand() *cobra.Command {
	var template string
	var sample bool
	cmd := &cobra.Command{
		Use:   "init NAME",
		Short: "Write a commented job file to begin with",
		Long: "Write NAME.yaml, a job file with comments. The templates are minimal (one question), features (of a day, from the days before) and\n" +
			"training (a training set: dedupe, windows, split, sample, shuffle). With --sample-data the data that they read is written, too:\n" +
			"data/impressions.csv, 2,000 made-up impressions of ten days. Files that are there already are left alone.",
		Example: "  quern init clicks --template training --sample-data\n  quern run clicks.yaml -p ds=2026-01-08",
		Args:    oneArg("the job's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := plan.ValidateID("the job's name", args[0]); err != nil {
				return usageError{err}
			}
			if !slices.Contains(templateNames, template) {
				return usageError{fmt.Errorf("--template %s: there are %s", template, strings.Join(templateNames, ", "))}
			}
			text, err := templates.ReadFile("templates/" + template + ".yaml")
			if err != nil {
				return fmt.Errorf("read template: %w", err)
			}
			files := []newFile{{args[0] + ".yaml", strings.ReplaceAll(string(text), "JOB", args[0])}}
			if sample {
				files = append(files, newFile{filepath.Join("data", "impressions.csv"), sampleImpressions()})
			}
			for _, f := range files {
				if err := f.write(); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), f.path)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&template, "template", templateNames[0], strings.Join(templateNames, ", "))
	cmd.Flags().BoolVar(&sample, "sample-data", false, "write the data that the template reads, too")
	return cmd
}

// newFile is a file that does not exist yet.
type newFile struct{ path, text string }

func (n newFile) write() error {
	if err := os.MkdirAll(filepath.Dir(n.path), 0o755); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	f, err := os.OpenFile(n.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usageError{fmt.Errorf("%s is there already; it was left alone", n.path)}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", n.path, err)
	}
	_, err = f.WriteString(n.text)
	return errors.Join(err, f.Close())
}

// sampleImpressions is 2,000 impressions of ten days as CSV, always the same. The numbers are those of a linear congruential
// sequence: arbitrary, with more clicks on some items than on others.
func sampleImpressions() string {
	var b strings.Builder
	b.WriteString("impression_id,user_id,item_id,shown_at,clicked\n")
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	state := uint32(1)
	next := func(n uint32) uint32 {
		state = state*1664525 + 1013904223
		return (state >> 8) % n
	}
	for i := range 2000 {
		user, item := next(150), next(40)
		at := begin.Add(time.Duration(i)*432*time.Second + time.Duration(next(400))*time.Second)
		fmt.Fprintf(&b, "%d,%d,%d,%s,%t\n", i+1, user, item, at.Format(time.DateTime), next(100) < 5+item)
	}
	return b.String()
}
