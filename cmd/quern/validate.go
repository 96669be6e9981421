package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/scan"
)

// validation is the object that -o json prints: a contract.
type validation struct {
	File      string       `json:"file"`
	Job       string       `json:"job,omitempty"`
	Valid     bool         `json:"valid"`
	Checked   string       `json:"checked"` // text; columns: names and types, too; data: planned against sources and plugins
	Sources   int          `json:"sources"`
	Functions int          `json:"functions"`
	Steps     int          `json:"steps"`
	Outputs   int          `json:"outputs"`
	Missing   []string     `json:"missing_params"`
	Mistakes  []mistake    `json:"mistakes"`
	Warnings  []mistake    `json:"warnings"`       // what is allowed, and perhaps not meant
	Plan      *planSummary `json:"plan,omitempty"` // with --data
}

type mistake struct {
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	Class   string `json:"class,omitempty"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Width   int    `json:"width,omitempty"`
	shown   string
}

type planSummary struct {
	Digest string `json:"digest"` // as in the manifest
	Inputs int    `json:"inputs"` // files
	Bytes  int64  `json:"bytes"`
	Stages int    `json:"stages"`
	Tasks  int    `json:"tasks"`
}

func newValidateCommand() *cobra.Command {
	var (
		output outputFlag
		job    jobFlags
		data   bool
	)
	cmd := &cobra.Command{
		Use:   "validate JOB.yaml",
		Short: "Check a job file without running it",
		Long: "Check a job file: its fields, parameters, the syntax of SQL, the options of steps, and the names of sources and steps. Names and types\n" +
			"of columns are checked too where the sources declare their columns. Parameters need not be given. With --data the sources are looked\n" +
			"at, plugins built, and the job planned, as a run would.\n\n" +
			"Exit status: 0 nothing is wrong, 2 something is.",
		Example: `  quern validate testdata/jobs/flight_delay.yaml
  quern validate --data testdata/jobs/flight_delay.yaml -p ds=2001-01-10`,
		Args: oneArg("a job file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request, err := readJob(args[0], job)
			if err != nil {
				return err
			}
			v, err := validate(cmd.Context(), request, data)
			if err != nil {
				return err
			}
			return v.show(cmd.OutOrStdout(), output.json())
		},
	}
	output.register(cmd)
	job.register(cmd)
	cmd.Flags().BoolVar(&data, "data", false, "look at sources and plugins, too, and plan the job")
	return cmd
}

func validate(ctx context.Context, request *prepared, data bool) (*validation, error) {
	store := storage.New()
	defer store.Close()
	catalog := scan.NewCatalog(store)
	job := request.request.Job
	c := planner.CheckJob(ctx, planner.JobRequest{File: job.File, Dir: job.Dir, Work: job.Work, Text: job.Text, Params: job.Params}, catalog)
	v := &validation{
		File: job.File, Job: c.Name, Checked: "text", Sources: c.Sources, Functions: c.Functions, Steps: c.Steps, Outputs: c.Outputs,
		Missing: append([]string{}, c.Missing...), Mistakes: []mistake{}, Warnings: []mistake{},
	}
	if c.Typed {
		v.Checked = "columns"
	}
	for _, err := range c.Mistakes {
		if err := v.add(err); err != nil {
			return nil, err
		}
	}
	for _, err := range c.Doubts {
		var in *source.Error
		if errors.As(err, &in) {
			v.Warnings = append(v.Warnings, mistakeAt(in))
		}
	}
	if data && len(v.Mistakes) == 0 {
		v.Checked = "data"
		if err := v.add(v.plan(ctx, request, catalog)); err != nil {
			return nil, err
		}
	}
	v.Valid = len(v.Mistakes) == 0
	return v, nil
}

// plan plans the job as a run would.
func (v *validation) plan(ctx context.Context, p *prepared, catalog *scan.Catalog) error {
	if err := p.addFunctions(ctx); err != nil {
		return err
	}
	request, err := assembly.PlannerRequest(p.request)
	if err != nil {
		return err
	}
	job, err := planner.Plan(ctx, request, catalog)
	if err != nil {
		return err
	}
	encoded, err := job.Encode()
	if err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	v.Plan = &planSummary{Digest: plan.Digest(encoded), Inputs: len(job.Inputs), Stages: len(job.Stages)}
	for _, in := range job.Inputs {
		v.Plan.Bytes += in.Size
	}
	for _, s := range job.Stages {
		v.Plan.Tasks += s.Tasks
	}
	return nil
}

// add takes a mistake of the user's down; other errors come back.
func (v *validation) add(err error) error {
	var in *source.Error
	var failure *plan.Failure
	switch {
	case err == nil:
	case errors.As(err, &in):
		v.Mistakes = append(v.Mistakes, mistakeAt(in))
	case errors.As(err, &failure) && failure.Kind == plan.FailureUser:
		v.Mistakes = append(v.Mistakes, mistake{Message: err.Error(), shown: err.Error()})
	default:
		return err
	}
	return nil
}

func mistakeAt(e *source.Error) mistake {
	return mistake{e.Message, e.Hint, e.Class, e.Line, e.Column, e.Width, e.Error()}
}

func (v *validation) show(w io.Writer, asJSON bool) error {
	if asJSON {
		if err := printJSON(w, v); err != nil {
			return err
		}
	} else {
		v.print(w)
	}
	if v.Valid {
		return nil
	}
	return silentError{exitInvalid, errors.New("the job is not valid")}
}

func (v *validation) print(w io.Writer) {
	for _, m := range slices.Concat(v.Mistakes, v.Warnings) {
		fmt.Fprintln(os.Stderr, strings.TrimRight(m.shown, "\n"))
	}
	if !v.Valid {
		fmt.Fprintf(os.Stderr, "quern: %s: %s\n", v.File, counted(len(v.Mistakes), "mistake"))
		return
	}
	fmt.Fprintf(w, "%s: the job %s is valid (%s, %s, %s)\n", v.File, v.Job,
		counted(v.Sources, "source"), counted(v.Steps, "step"), counted(v.Outputs, "output"))
	if len(v.Missing) > 0 {
		fmt.Fprintf(w, "  to be given when it runs: %s\n", strings.Join(v.Missing, ", "))
	}
	switch v.Checked {
	case "text":
		fmt.Fprintln(w, "  names and types of columns were not checked: the sources do not declare them all; --data looks")
	case "data":
		fmt.Fprintf(w, "  planned: %s (%s), %s, %s\n", counted(v.Plan.Inputs, "input"),
			humanize.IBytes(uint64(v.Plan.Bytes)), counted(v.Plan.Stages, "stage"), counted(v.Plan.Tasks, "task"))
	}
}

// counted is a number of things: "1 step", "2 steps".
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return humanize.Comma(int64(n)) + " " + noun
}
