package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// The results of a check, the worst last.
const (
	checkOK   = "ok"
	checkWarn = "warn"
	checkFail = "fail"
)

// finding is a line of quern doctor.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Found  string `json:"found"`
	Do     string `json:"do,omitempty"` // what mends it
}

// doctor collects findings.
type doctor struct{ list []finding }

func (d *doctor) ok(check, format string, args ...any) {
	d.list = append(d.list, finding{check, checkOK, fmt.Sprintf(format, args...), ""})
}

func (d *doctor) warn(check, do, format string, args ...any) {
	d.list = append(d.list, finding{check, checkWarn, fmt.Sprintf(format, args...), do})
}

func (d *doctor) fail(check, do, format string, args ...any) {
	d.list = append(d.list, finding{check, checkFail, fmt.Sprintf(format, args...), do})
}

// doctorFlags say what a machine is to be used for.
type doctorFlags struct {
	cluster target
	dirs    []string
	listen  []string
	stores  []string
	memory  string
	output  outputFlag
}

func newDoctorCommand() *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look for what is wrong with this machine, its configuration and the cluster",
		Long: "Look for what is wrong with this machine, its configuration and the cluster that the configuration or --coordinator names, and say\n" +
			"what mends it. Without a cluster only the machine is looked at. A probe object is written to each --store, read and deleted.\n\n" +
			"Exit status: 0 nothing fails, 1 something does, 2 the command line is wrong.",
		Example: "  quern doctor --dir /var/lib/quern/c1 --listen 127.0.0.1:7071 --store s3://lake/tmp",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			memory, err := parseMemory(f.memory)
			if err != nil {
				return err
			}
			d := &doctor{}
			d.limits(memory)
			for _, dir := range f.dirs {
				d.folder(dir)
			}
			for _, address := range f.listen {
				d.port(address)
			}
			d.certificates(f.cluster.tls)
			for _, url := range f.stores {
				d.store(cmd.Context(), url)
			}
			if len(f.cluster.coordinators) > 0 {
				d.cluster(cmd.Context(), &f.cluster)
			}
			return d.report(cmd.Context(), cmd.OutOrStdout(), f.output.json())
		},
	}
	f.cluster.register(cmd)
	f.output.register(cmd)
	cmd.Flags().StringSliceVar(&f.dirs, "dir", nil, "folders for state or scratch data, comma separated: is there room, can they be written")
	cmd.Flags().StringSliceVar(&f.listen, "listen", nil, "addresses that a process here is to listen on, comma separated: are they free")
	cmd.Flags().StringArrayVar(&f.stores, "store", nil, "folder or URL of a store that jobs use; repeatable")
	cmd.Flags().StringVar(&f.memory, "memory", "4GiB", "what a worker here is to use")
	inContext(cmd, "memory")
	return cmd
}

// report prints the findings, and fails if one of them does.
func (d *doctor) report(ctx context.Context, w io.Writer, asJSON bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	failed := 0
	for _, f := range d.list {
		if f.Result == checkFail {
			failed++
		}
	}
	if asJSON {
		if err := printJSON(w, map[string]any{"findings": d.list, "failed": failed}); err != nil {
			return err
		}
	} else if err := d.print(w); err != nil {
		return err
	}
	if failed > 0 {
		return silentError{exitFailed, fmt.Errorf("%d checks fail", failed)}
	}
	return nil
}

func (d *doctor) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range d.list {
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.Result, f.Check, f.Found)
		if f.Do != "" {
			fmt.Fprintf(table, "\t\t→ %s\n", f.Do)
		}
	}
	return table.Flush()
}

// distinct are the values of a list, once each, in order.
func distinct[T cmp.Ordered](list []T) []T {
	slices.Sort(list)
	return slices.Compact(list)
}
