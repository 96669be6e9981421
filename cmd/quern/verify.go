package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
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

// runVerification is the object that -o json prints of a run: a contract.
type runVerification struct {
	RunID    string          `json:"run_id"`
	Verified bool            `json:"verified"` // all outputs
	Outputs  []*verification `json:"outputs"`  // in order of their names
}

func newVerifyCommand() *cobra.Command {
	var (
		cluster  target
		flags    clusterFlags
		output   outputFlag
		job      string
		registry string
	)
	cmd := &cobra.Command{
		Use:   "verify VERSION|RUN [--job JOB.yaml]",
		Short: "Run the job of a version again, and compare the bytes",
		Long: "Check a version of a dataset, given as its folder, its manifest or a dataset (its latest version is meant then): that its files are what\n" +
			"the manifest says, and that its job, run here again with the version's parameters into a temporary folder, writes the same bytes.\n" +
			"The job is the one that is kept beside the manifest, or that of --job; plugins and inputs are looked for where they were.\n\n" +
			"What is no file or folder here is the id of a run, of which all outputs are checked: a run of the cluster of --coordinator or, with\n" +
			"--state, of 'quern run --state'.\n\n" +
			"Exit status: 0 it does, 1 it does not, or the run failed, 2 the job or the command line is wrong, 130 cancelled.",
		Example: "  quern verify out/flight_delay/examples\n  quern verify out/flight_delay/examples --job testdata/jobs/flight_delay.yaml\n" +
			"  quern verify 20261129t102758-5a0c9b1e --state state",
		Args: oneArg("a version or a run"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if isRunID(args[0]) && (len(cluster.coordinators) > 0 || flags.state != "") {
				r, err := verifyRun(cmd.Context(), args[0], job, registry, &cluster, &flags)
				if err != nil {
					return err
				}
				return r.show(cmd.OutOrStdout(), output.json())
			}
			url, err := localURL(args[0])
			if err != nil {
				return err
			}
			list, err := verify(cmd.Context(), []string{url}, job, registry, &flags)
			if err != nil {
				if isRunID(args[0]) {
					err = fmt.Errorf("%w; if it is a run, say with --coordinator or --state whose", err)
				}
				return err
			}
			return list[0].show(cmd.OutOrStdout(), output.json())
		},
	}
	cluster.register(cmd)
	flags.register(cmd)
	output.register(cmd)
	registryFlag(cmd, &registry)
	cmd.Flags().StringVar(&job, "job", "", "the job file (default: what made the version)")
	return cmd
}

// isRunID tells the id of a run from the path of something that is there.
func isRunID(text string) bool {
	_, err := os.Stat(text)
	return errors.Is(err, fs.ErrNotExist) && plan.ValidateID("run id", text) == nil
}

// verifyRun checks the versions that a run has published.
func verifyRun(ctx context.Context, run, jobFile, registry string, cluster *target, flags *clusterFlags) (*runVerification, error) {
	var urls []string
	look := func(c *client.Client) error {
		status, err := c.Status(ctx, run, 0, 0)
		if err != nil {
			return err
		}
		if status.State != api.RunSucceeded || len(status.Outputs) == 0 {
			return plan.Failf(plan.FailureUser, "the run %s has published nothing: it is %s", run, status.State)
		}
		for _, name := range slices.Sorted(maps.Keys(status.Outputs)) {
			url, err := localURL(status.Outputs[name].VersionPath)
			if err != nil {
				return err
			}
			urls = append(urls, url)
		}
		return nil
	}
	var err error
	if len(cluster.coordinators) > 0 {
		var c *client.Client
		if c, err = cluster.connect(); err == nil {
			err = look(c)
		}
	} else {
		err = withEmbedded(flags, func(e *assembly.Embedded) error { return look(e.Client) })
	}
	if err != nil {
		return nil, err
	}
	list, err := verify(ctx, urls, jobFile, registry, flags)
	if err != nil {
		return nil, err
	}
	return &runVerification{RunID: run, Outputs: list, Verified: !slices.ContainsFunc(list, func(v *verification) bool { return !v.Verified })}, nil
}

// verify checks versions that one run has made; its job is run once.
func verify(ctx context.Context, urls []string, jobFile, registry string, flags *clusterFlags) (list []*verification, err error) {
	store := storage.New()
	defer store.Close()
	var versions []*dataset.Version
	for _, url := range urls {
		version, err := dataset.Load(ctx, store, url)
		if err != nil {
			return nil, err
		}
		v := &verification{Version: storage.Display(version.URL), Damaged: []string{}}
		if err := v.lookFor(ctx, store, version); err != nil {
			return nil, err
		}
		versions, list = append(versions, version), append(list, v)
	}
	scratch, err := os.MkdirTemp("", "quern-verify-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	again, err := list[0].rerun(ctx, versions, jobFile, registry, scratch, flags)
	if err != nil {
		return nil, err
	}
	for i, v := range list {
		c, err := compare(ctx, store, versions[i], again[i])
		if err != nil {
			return nil, err
		}
		v.Rerun, v.SamePlan, v.SameInputs = *c, list[0].SamePlan, list[0].SameInputs
		v.Verified = c.Same && len(v.Damaged) == 0
	}
	return list, nil
}

// lookFor looks for files that are not what the manifest says.
func (v *verification) lookFor(ctx context.Context, store *storage.Store, version *dataset.Version) error {
	for _, s := range version.Manifest.Shards {
		sum, err := digestOf(ctx, store, storage.Join(version.URL, s.Key))
		if err != nil {
			return err
		}
		if sum != s.SHA256 {
			v.Damaged = append(v.Damaged, s.Key)
		}
	}
	return nil
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

// rerun runs the job of a version, and gives the versions that it makes of the outputs of some of the same run. The plan is that of the job as it
// stands, but for where its outputs go, and without checks: what is asked for is which bytes it writes, and not what is thought of
// them.
func (v *verification) rerun(ctx context.Context, versions []*dataset.Version, jobFile, registry, scratch string, flags *clusterFlags) ([]*dataset.Version, error) {
	m := versions[0].Manifest
	store := storage.New()
	defer store.Close()
	job, err := v.jobOf(ctx, store, versions[0], jobFile, registry)
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
	for _, version := range versions {
		output := version.Manifest.Output
		if _, ok := planned.Output(output); !ok || planned.Name != m.Job {
			return nil, plan.Failf(plan.FailureUser, "%s was made by the job %s as its output %s; %s is another job", storage.Display(version.URL), m.Job, output, job.request.Job.File)
		}
	}
	planned.Checks = nil
	for i := range planned.Outputs {
		o := &planned.Outputs[i]
		if o.URL, err = storage.URL(scratch, filepath.Join(scratch, o.Name)); err != nil {
			return nil, err
		}
	}
	flags.planned = planned
	var made []*dataset.Version
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
		for _, version := range versions {
			o, _ := planned.Output(version.Manifest.Output)
			again, err := dataset.Load(ctx, store, storage.Join(o.URL, status.RunID))
			if err != nil {
				return err
			}
			made = append(made, again)
		}
		return nil
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
	return verdict(v.Verified)
}

func (r *runVerification) show(w io.Writer, asJSON bool) error {
	if asJSON {
		if err := printJSON(w, r); err != nil {
			return err
		}
	} else {
		for _, v := range r.Outputs {
			v.print(w)
		}
	}
	return verdict(r.Verified)
}

func verdict(verified bool) error {
	if verified {
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
