package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/udf/host"
)

// prepared is a job ready to submit: the request, and the plugin executables that go to the coordinator first.
type prepared struct {
	request     api.SubmitRequest
	executables map[string]string // digest -> path
}

// newRunID names a run by the second it was asked for and some randomness. It appears in paths, never in file contents.
func newRunID() string {
	var b [4]byte
	rand.Read(b[:]) // never fails, by its contract
	return time.Now().UTC().Format("20060102t150405") + "-" + hex.EncodeToString(b[:])
}

// prepareJob reads a job file, and builds and describes its plugins.
func prepareJob(ctx context.Context, path string, pairs []string) (*prepared, error) {
	p, err := readJob(path, pairs)
	if err != nil {
		return nil, err
	}
	return p, p.addFunctions(ctx)
}

// readJob reads a job file.
func readJob(path string, pairs []string) (*prepared, error) {
	params, err := parseParams(pairs)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, plan.Failf(plan.FailureUser, "job file %s does not exist", path)
		}
		return nil, plan.Failf(plan.FailureUser, "read job file: %w", err)
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("find job file: %w", err)
	}
	work, err := workingFolder()
	if err != nil {
		return nil, err
	}
	p := &prepared{executables: map[string]string{}}
	p.request.RunID = newRunID()
	p.request.Job = &api.Job{File: path, Dir: filepath.Dir(absolute), Work: work, Text: string(text), Params: params}
	return p, nil
}

func workingFolder() (string, error) {
	work, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the working folder: %w", err)
	}
	return work, nil
}

// addFunctions builds each plugin once, asks it what it offers, and pins the job's functions to its digest.
func (p *prepared) addFunctions(ctx context.Context) error {
	wanted, err := planner.FunctionsWanted(p.request.Job.File, p.request.Job.Text)
	if err != nil {
		return err
	}
	plugins := map[string]*plugin{}
	for _, ref := range wanted {
		path := ref.Plugin
		if !filepath.IsAbs(path) {
			path = filepath.Join(p.request.Job.Dir, path)
		}
		pl, ok := plugins[path]
		if !ok {
			if pl, err = openPlugin(ctx, path); err != nil {
				return fmt.Errorf("function %s: %w", ref.Name, err)
			}
			plugins[path] = pl
			p.executables[pl.digest] = pl.executable
		}
		fn, err := pl.bind(ref)
		if err != nil {
			return err
		}
		p.request.Functions = append(p.request.Functions, fn)
	}
	return nil
}

// plugin is a built executable and what it offers.
type plugin struct {
	path, executable, digest string
	functions                []plan.Function
}

func openPlugin(ctx context.Context, path string) (*plugin, error) {
	cache, err := pluginCache()
	if err != nil {
		return nil, err
	}
	pl := &plugin{path: path}
	if pl.executable, err = host.Build(ctx, path, cache); err != nil {
		return nil, err
	}
	if pl.digest, err = host.Digest(pl.executable); err != nil {
		return nil, err
	}
	pl.functions, err = host.Describe(ctx, pl.executable)
	return pl, err
}

// bind finds the function that a job file means and pins it.
func (pl *plugin) bind(ref planner.FunctionRef) (plan.Function, error) {
	if ref.SHA256 != "" && ref.SHA256 != pl.digest {
		return plan.Function{}, plan.Failf(plan.FailureUser, "function %s: plugin %s has SHA-256 %s, but the job file pins %s", ref.Name, pl.path, pl.digest, ref.SHA256)
	}
	var offered []string
	for _, fn := range pl.functions {
		if fn.Export == ref.Export {
			fn.Name, fn.SHA256 = ref.Name, pl.digest
			return fn, nil
		}
		offered = append(offered, fn.Export)
	}
	return plan.Function{}, plan.Failf(plan.FailureUser, "function %s: plugin %s has no function %q; it offers %v", ref.Name, pl.path, ref.Export, offered)
}

// pluginCache is where built plugins stay between runs, so that an unchanged one is not linked again.
func pluginCache() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	dir := filepath.Join(base, "quern", "plugins")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make plugin cache: %w", err)
	}
	return dir, nil
}

// submit uploads the executables and submits. A run whose submission is interrupted is cancelled.
func (p *prepared) submit(ctx context.Context, c *client.Client) (*api.RunStatus, error) {
	for digest, path := range p.executables {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("open plugin: %w", err)
		}
		err = c.PutBlob(ctx, digest, f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("upload plugin %s: %w", path, err)
		}
	}
	status, err := c.Submit(ctx, p.request)
	if err != nil && ctx.Err() != nil {
		// Interrupted without an answer: the run may exist all the same.
		if _, cancelling := cancelAndWait(ctx, c, p.request.RunID, noProgress{}); cancelling == nil {
			return nil, fmt.Errorf("run %s was cancelled: %w", p.request.RunID, err)
		}
	}
	return status, err
}
