package main

import (
	"fmt"
	"io"
	"math/big"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/cmd/quern/datagen"
	"github.com/quern-engine/quern/storage"
)

func newDatagenCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "datagen",
		Short: "Make data to try and to measure with",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDatagenEventsCommand())
	for _, c := range cmd.Commands() {
		c.Args = asUsageError(c.Args)
	}
	return cmd
}

func newDatagenEventsCommand() *cobra.Command {
	var (
		out    string
		start  string
		o      = datagen.Options{Impressions: 10_000, Users: 1000, Items: 500}
		output outputFlag
	)
	cmd := &cobra.Command{
		Use:   "events --out DIR",
		Short: "Make the logs of a service that shows ranked items",
		Long: "Make impressions, clicks, conversions, feature snapshots with late corrections, users and items, as Parquet files\n" +
			"in a folder for each day. The same options make the same bytes, whatever --parallel. See docs/datagen.md.",
		Example: `  quern datagen events --out events
  quern datagen events --out big --impressions 20M --users 2M --items 500k --days 7 --files 8`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			url, err := folderURL(out)
			if err != nil {
				return err
			}
			o.Out = url
			if o.Start, err = time.Parse(time.DateOnly, start); err != nil {
				return usageError{fmt.Errorf("--start %q: write a day as 2024-01-31", start)}
			}
			store := storage.New()
			defer store.Close()
			summary, err := datagen.Events(cmd.Context(), store, o)
			if err != nil {
				return err
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), summary)
			}
			return printTables(cmd.OutOrStdout(), summary)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&out, "out", "", "folder or URL to write to; it has no files yet")
	flags.Uint64Var(&o.Seed, "seed", 1, "what to draw random numbers from")
	flags.StringVar(&start, "start", "2024-01-01", "the first day")
	flags.IntVar(&o.Days, "days", 2, "days in a row")
	flags.Var((*countFlag)(&o.Impressions), "impressions", "impressions a day, such as 50000, 200k or 20M")
	flags.Var((*countFlag)(&o.Users), "users", "users, such as 2M")
	flags.Var((*countFlag)(&o.Items), "items", "items, such as 500k")
	flags.Float64Var(&o.Late, "late", 0.02, "share of feature snapshots that are corrected later")
	flags.Float64Var(&o.Hot, "hot", 0.05, "share of the traffic that the hottest user and the hottest item have, if it is more than their due by Zipf's law")
	flags.Float64Var(&o.Duplicates, "duplicates", 0.005, "share of log rows that are logged twice")
	flags.IntVar(&o.Files, "files", 2, "files of each table and day; they are part of what decides the rows")
	flags.IntVar(&o.Parallel, "parallel", runtime.GOMAXPROCS(0), "files to work on at once")
	output.register(cmd)
	return cmd
}

// folderURL is the URL of a folder to write to.
func folderURL(path string) (string, error) {
	if path == "" {
		return "", usageError{fmt.Errorf("which folder? give --out")}
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working folder: %w", err)
	}
	return storage.URL(dir, path)
}

func printTables(w io.Writer, s *datagen.Summary) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "table\tfiles\trows\tsize\t")
	for _, t := range s.Tables {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t\n", t.Table, humanize.Comma(t.Files), humanize.Comma(t.Rows), humanize.IBytes(uint64(t.Bytes)))
	}
	return table.Flush()
}

// countFlag is a number of things, for which k, M and G stand for thousands, millions and billions.
type countFlag int64

// String, Set and Type implement pflag.Value.
func (f *countFlag) String() string { return fmt.Sprint(int64(*f)) }

// Set accepts 20000000, 20M and 1.5M.
func (f *countFlag) Set(s string) error {
	wrong := fmt.Errorf("write a whole number, such as 50000, 200k, 1.5M or 1G")
	unit, digits := int64(1), s
	for suffix, u := range map[string]int64{"k": 1000, "m": 1_000_000, "g": 1_000_000_000} {
		if rest, ok := strings.CutSuffix(strings.ToLower(s), suffix); ok {
			unit, digits = u, rest
		}
	}
	if digits == "" || strings.Trim(digits, "0123456789.") != "" {
		return wrong
	}
	n, ok := new(big.Rat).SetString(digits)
	if !ok {
		return wrong
	}
	n.Mul(n, new(big.Rat).SetInt64(unit))
	if !n.IsInt() || !n.Num().IsInt64() {
		return wrong
	}
	*f = countFlag(n.Num().Int64())
	return nil
}

// Type is shown in the usage text.
func (f *countFlag) Type() string { return "count" }
