package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/dataset"
	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// datasetInfo and versionInfo are the objects that -o json prints: a contract.
type datasetInfo struct {
	Path     string        `json:"path"`
	Latest   string        `json:"latest,omitempty"`
	Versions []versionInfo `json:"versions"` // newest first
}

type versionInfo struct {
	RunID    string            `json:"run_id"`
	Path     string            `json:"path"`
	State    dataset.State     `json:"state"`
	Latest   bool              `json:"latest"`
	Modified time.Time         `json:"modified"` // of a published one, when that was
	Files    int               `json:"files"`
	Bytes    int64             `json:"bytes"`
	Job      string            `json:"job,omitempty"`
	Rows     int64             `json:"rows"`
	Shards   int               `json:"shards"`
	Params   map[string]string `json:"params,omitempty"`
	Plan     string            `json:"plan,omitempty"`
	// Checks counts the outcomes of the checks (passed, failed, skipped, error); Released is why it was published in spite of them.
	Checks   map[string]int     `json:"checks,omitempty"`
	Released string             `json:"released,omitempty"`
	Steps    []coordinator.Step `json:"steps,omitempty"`
	Purged   bool               `json:"purged,omitempty"` // by this command; with --dry-run: it would be
}

func newDatasetsCommand() *cobra.Command {
	var (
		output outputFlag
		older  string
		keep   int
		dryRun bool
		steps  bool
	)
	cmd := &cobra.Command{
		Use:   "datasets PATH",
		Short: "List the versions of a dataset, or of the datasets below a folder; purge old ones",
		Long: "List the versions of the dataset in a folder or URL, or of all datasets below it: which runs made them, when, of which parameters.\n\n" +
			"With --keep or --purge-older-than, published versions are removed: those that are not among the newest N, and older than that; both\n" +
			"must hold where both are given. The latest version stays, so does what was published within the last hour, and folders that are\n" +
			"incomplete (being written) or foreign are never touched.",
		Example: "  quern datasets out\n  quern datasets s3://lake/train/clicks?region=us-east-1 --keep 7 --purge-older-than 30d --dry-run",
		Args:    oneArg("a folder or URL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, purge, err := retention(cmd, keep, older)
			if err != nil {
				return err
			}
			if dryRun && !purge {
				return usageError{fmt.Errorf("--dry-run goes with --keep or --purge-older-than")}
			}
			store := storage.New()
			defer store.Close()
			url, err := localURL(args[0])
			if err != nil {
				return err
			}
			found, err := dataset.Find(cmd.Context(), store, url)
			if err != nil {
				return err
			}
			list := datasetInfos(found)
			if purge {
				if err := purgeVersions(cmd.Context(), store, found, list, r, dryRun); err != nil {
					return err
				}
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), map[string]any{"datasets": list})
			}
			if steps {
				return printSteps(cmd.OutOrStdout(), list)
			}
			return printDatasets(cmd.OutOrStdout(), list, dryRun)
		},
	}
	output.register(cmd)
	cmd.Flags().StringVar(&older, "purge-older-than", "", "remove versions that were published longer ago: 30d, 12h, 8w")
	cmd.Flags().IntVar(&keep, "keep", 0, "remove versions that are not among the newest N")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say what would be removed")
	cmd.Flags().BoolVar(&steps, "steps", false, "show what was counted of each step of the newest published version")
	return cmd
}

// retention reads the flags; purge is false if none was given.
func retention(cmd *cobra.Command, keep int, older string) (r dataset.Retention, purge bool, err error) {
	if cmd.Flags().Changed("keep") {
		if keep < 1 {
			return r, false, usageError{fmt.Errorf("--keep %d: at least 1", keep)}
		}
		r.Keep, purge = keep, true
	}
	if older != "" {
		micros, ok := plan.ParseDuration(older)
		if !ok {
			return r, false, usageError{fmt.Errorf("--purge-older-than %s: write a number and a unit, or several: 30d, 12h, 8w, 1d12h", older)}
		}
		r.Than, purge = time.Now().Add(-time.Duration(micros)*time.Microsecond), true
	}
	return r, purge, nil
}

// localURL is a path of the command line as a URL.
func localURL(path string) (string, error) {
	work, err := workingFolder()
	if err != nil {
		return "", err
	}
	return storage.URL(work, path)
}

func datasetInfos(found []dataset.Dataset) []datasetInfo {
	list := make([]datasetInfo, len(found))
	for i, d := range found {
		list[i] = datasetInfo{Path: storage.Display(d.URL), Latest: d.Latest, Versions: []versionInfo{}}
		for _, v := range d.Versions {
			info := versionInfo{RunID: v.ID, Path: storage.Display(v.URL), State: v.State, Latest: v.Latest, Modified: v.Modified.UTC(), Files: v.Files, Bytes: v.Bytes}
			if m := v.Manifest; m != nil {
				info.Job, info.Rows, info.Shards, info.Plan, info.Params = m.Job, m.Rows, len(m.Shards), m.Plan, map[string]string{}
				info.Steps = m.Steps
				info.checked(m)
				for _, p := range m.Params {
					info.Params[p.Name] = p.Value
				}
			}
			list[i].Versions = append(list[i].Versions, info)
		}
	}
	return list
}

func purgeVersions(ctx context.Context, store *storage.Store, found []dataset.Dataset, list []datasetInfo, r dataset.Retention, dryRun bool) error {
	for i := range found {
		for _, v := range found[i].Expired(r, time.Now()) {
			if !dryRun {
				if err := found[i].Remove(ctx, store, v); err != nil {
					return err
				}
			}
			for k := range list[i].Versions {
				if list[i].Versions[k].RunID == v.ID {
					list[i].Versions[k].Purged = true
				}
			}
		}
	}
	return nil
}

func printDatasets(w io.Writer, list []datasetInfo, dryRun bool) error {
	for i, d := range list {
		if i > 0 {
			fmt.Fprintln(w)
		}
		t := table.NewWriter()
		t.SetStyle(table.StyleLight)
		t.Style().Options.DrawBorder, t.Style().Options.SeparateColumns = false, false
		t.Style().Format.Header = text.FormatDefault
		t.SetColumnConfigs([]table.ColumnConfig{{Number: 4, Align: text.AlignRight}, {Number: 5, Align: text.AlignRight}, {Number: 6, Align: text.AlignRight}})
		t.AppendHeader(table.Row{"version", "state", "written (UTC)", "rows", "shards", "bytes", "checks", "parameters"})
		for _, v := range d.Versions {
			rows, shards := "", ""
			if v.State == dataset.Published {
				rows, shards = humanize.Comma(v.Rows), strconv.Itoa(v.Shards)
			}
			t.AppendRow(table.Row{v.RunID, stateWords(v, dryRun), v.Modified.Format(time.DateTime), rows, shards, humanize.IBytes(uint64(v.Bytes)), checkWords(v), paramWords(v.Params)})
		}
		if _, err := fmt.Fprintf(w, "%s\n%s\n", d.Path, t.Render()); err != nil {
			return err
		}
	}
	return nil
}

func stateWords(v versionInfo, dryRun bool) string {
	switch {
	case v.Purged && dryRun:
		return string(v.State) + ", would be purged"
	case v.Purged:
		return "purged"
	case v.Latest:
		return string(v.State) + ", latest"
	}
	return string(v.State)
}

// checked counts what came of the checks.
func (v *versionInfo) checked(m *coordinator.Manifest) {
	for _, r := range m.Checks {
		if v.Checks == nil {
			v.Checks = map[string]int{}
		}
		v.Checks[string(r.Outcome)]++
	}
	if m.Override != nil {
		v.Released = m.Override.Because
	}
}

func checkWords(v versionInfo) string {
	var words []string
	for _, outcome := range []api.CheckOutcome{api.CheckPassed, api.CheckFailed, api.CheckError, api.CheckSkipped} {
		if n := v.Checks[string(outcome)]; n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, outcome))
		}
	}
	if v.Released != "" {
		words = append(words, "released")
	}
	return strings.Join(words, ", ")
}

func paramWords(params map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		words = append(words, name+"="+params[name])
	}
	return strings.Join(words, " ")
}
