package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/cmd/quern/assembly"
	"github.com/quern-engine/quern/cmd/quern/dataset"
	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/storage/scan"
)

// verification is the object that -o json prints: a contract.
type verification struct {
	Version  string `json:"version"`
	Verified bool   `json:"verified"`
	SamePlan bool   `json:"same_plan"` // the job plans now as it did then
	// SameInputs says that the job finds the files now that it read then.
	SameInputs bool     `json:"same_inputs"`
	Damaged    []string `json:"damaged"` // shards whose files are not what the manifest says
	// Rerun compares the version, A, with what the job writes now, B.
	Rerun comparison `json:"rerun"`
}

func newVerifyCommand() *cobra.Command {
	var (
		flags    clusterFlags
		output   outputFlag
		job      string
		registry string
	)
	cmd := &cobra.Command{
		Use:   "verify VERSION [--job JOB.yaml]",
		Short: "Run the job of a version again, and compare the bytes",
		Long: "Check a version of a dataset, given as its folder, its manifest or a dataset (its latest version is meant then): that its files are what\n" +
			"the manifest says, and that its job, run here again with the version's parameters into a temporary folder, writes the same bytes.\n" +
			"The job is the one that is kept beside the manifest, or that of --job; plugins and inputs are looked for where they were.\n\n" +
			"Exit status: 0 it does, 1 it does not, or the run failed, 2 the job or the command line is wrong, 130 cancelled.",
		Example: "  quern verify out/flight_delay/examples\n  quern verify out/flight_delay/examples --job testdata/jobs/flight_delay.yaml",
		Args:    oneArg("a version"),
		RunE: func(cmd *cobra.Command, args []string) error {
			url, err := localURL(args[0])
			if err != nil {
				return err
			}
			v, err := verify(cmd.Context(), url, job, registry, &flags)
			if err != nil {
				return err
			}
			return v.show(cmd.OutOrStdout(), output.json())
		},
	}
	flags.register(cmd)
	output.register(cmd)
	registryFlag(cmd, &registry)
	cmd.Flags().StringVar(&job, "job", "", "the job file (default: what made the version)")
	return cmd
}

func verify(ctx context.Context, url, jobFile, registry string, flags *clusterFlags) (v *verification, err error) {
	store := storage.New()
	defer store.Close()
	version, err := dataset.Load(ctx, store, url)
	if err != nil {
		return nil, err
	}
	v = &verification{Version: storage.Display(version.URL), Damaged: []string{}}
	for _, s := range version.Manifest.Shards {
		sum, err := digestOf(ctx, store, storage.Join(version.URL, s.Key))
		if err != nil {
			return nil, err
		}
		if sum != s.SHA256 {
			v.Damaged = append(v.Damaged, s.Key)
		}
	}
	scratch, err := os.MkdirTemp("", "quern-verify-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	again, err := v.rerun(ctx, version, jobFile, registry, scratch, flags)
	if err != nil {
		return nil, err
	}
	c, err := compare(ctx, store, version, again)
	if err != nil {
		return nil, err
	}
	v.Rerun = *c
	v.Verified = c.Same && len(v.Damaged) == 0
	return v, nil
}

// digestOf is the SHA-256 of a file.
func digestOf(ctx context.Context, store *storage.Store, url string) (string, error) {
	info, err := store.Stat(ctx, url)
	if err != nil {
		return "", err
	}
	r, err := store.ReaderAt(ctx, url, info.Size)
	if err != nil {
		return "", err
	}
	sum := sha256.New()
	_, err = io.CopyBuffer(sum, io.NewSectionReader(r, 0, info.Size), make([]byte, 1<<20))
	if err := errors.Join(err, r.Close()); err != nil {
		return "", fmt.Errorf("read %s: %w", storage.Display(url), err)
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// jobOf gives the job that is run again: that of a file, with the version's parameters, or the one that made the version, with
// the plugins that it had.
func (v *verification) jobOf(ctx context.Context, store *storage.Store, version *dataset.Version, jobFile, registry string) (*prepared, error) {
	m := version.Manifest
	if jobFile != "" {
		var params []string
		for _, p := range m.Params {
			params = append(params, p.Name+"="+p.Value)
		}
		return prepareJob(ctx, jobFile, jobFlags{params, registry})
	}
	made, err := version.MadeBy(ctx, store)
	if err != nil {
		return nil, err
	}
	if made == nil {
		return nil, plan.Failf(plan.FailureUser, "%s has no %s, because a SQL statement made it, or an older version of quern: say with --job which job file it was",
			v.Version, coordinator.MadeByName)
	}
	p := &prepared{request: api.SubmitRequest{RunID: newRunID(), Job: made.Job}, blobs: map[string]string{}, pins: map[string]string{}, registry: registry}
	for _, f := range m.Functions {
		p.pins[f.Name] = f.SHA256
	}
	if err := p.addFunctions(ctx); err != nil {
		return nil, fmt.Errorf("the job of %s cannot be run again as it was: %w", v.Version, err)
	}
	return p, nil
}

// rerun runs the job of a version, and gives the version that it makes of the same output. The plan is that of the job as it
// stands, but for where its outputs go, and without checks: what is asked for is which bytes it writes, and not what is thought of
// them.
func (v *verification) rerun(ctx context.Context, version *dataset.Version, jobFile, registry, scratch string, flags *clusterFlags) (*dataset.Version, error) {
	m := version.Manifest
	store := storage.New()
	defer store.Close()
	job, err := v.jobOf(ctx, store, version, jobFile, registry)
	if err != nil {
		return nil, err
	}
	request, err := assembly.PlannerRequest(job.request)
	if err != nil {
		return nil, err
	}
	planned, err := planner.Plan(ctx, request, scan.NewCatalog(store))
	if err != nil {
		return nil, fmt.Errorf("the job of %s cannot be run again: %w", v.Version, err)
	}
	encoded, err := planned.Encode()
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	v.SamePlan, v.SameInputs = plan.Digest(encoded) == m.Plan, slices.Equal(planned.Inputs, m.Inputs)
	if _, ok := planned.Output(m.Output); !ok || planned.Name != m.Job {
		return nil, plan.Failf(plan.FailureUser, "%s was made by the job %s as its output %s; %s is another job", v.Version, m.Job, m.Output, job.request.Job.File)
	}
	planned.Checks = nil
	for i := range planned.Outputs {
		o := &planned.Outputs[i]
		if o.URL, err = storage.URL(scratch, filepath.Join(scratch, o.Name)); err != nil {
			return nil, err
		}
	}
	flags.planned = planned
	var made *dataset.Version
	err = withEmbedded(flags, func(e *assembly.Embedded) error {
		if _, err := job.submit(ctx, e.Client); err != nil {
			return err
		}
		status, err := follow(ctx, e.Client, job.request.RunID, noProgress{})
		if err != nil {
			return err
		}
		if err := outcome(status); err != nil {
			return err
		}
		o, _ := planned.Output(m.Output)
		made, err = dataset.Load(ctx, store, storage.Join(o.URL, status.RunID))
		return err
	})
	return made, err
}

func (v *verification) show(w io.Writer, asJSON bool) error {
	if asJSON {
		if err := printJSON(w, v); err != nil {
			return err
		}
	} else {
		v.print(w)
	}
	if v.Verified {
		return nil
	}
	return silentError{exitFailed, errors.New("the version is not verified")}
}

func (v *verification) print(w io.Writer) {
	for _, name := range v.Damaged {
		fmt.Fprintf(w, "damaged: %s is not what the manifest says\n", name)
	}
	switch {
	case v.Verified:
		fmt.Fprintf(w, "%s: verified; its job writes the same bytes\n", v.Version)
	case v.Rerun.Same:
		fmt.Fprintf(w, "%s: damaged; its job writes the bytes that the manifest says\n", v.Version)
	default:
		fmt.Fprintf(w, "%s: its job writes other bytes (A: the version, B: the job now)\n", v.Version)
		for _, d := range v.Rerun.Differences {
			if d.Part != "plan" { // where outputs go is part of it
				fmt.Fprintf(w, "%-9s  %s\n", d.Part, d.Text)
			}
		}
		if !v.SameInputs {
			fmt.Fprintln(w, "Its inputs have changed since: from what is there now, nobody can tell whether it is what its job made of what was there then.")
		}
		if v.SamePlan {
			fmt.Fprintln(w, "The plan is the same as then: a plugin, or this program, does not do the same twice.")
		}
	}
}
