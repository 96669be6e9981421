package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/quern-engine/quern/internal/source"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/udf/host"
)

// addFunctions builds each plugin once, asks it for the functions that the job wants with their options and files, and pins
// these. A mistake is shown at its place in the job file.
func (p *prepared) addFunctions(ctx context.Context) error {
	job := p.request.Job
	wanted, err := planner.FunctionsWanted(job.File, job.Dir, job.Text, job.Params)
	if err != nil {
		return err
	}
	p.request.Functions = nil
	plugins := map[[2]string]*plugin{} // by path and interpreter
	defer func() {
		for _, pl := range plugins {
			pl.asked.Close()
		}
	}()
	for i := range wanted {
		ref := &wanted[i]
		if pin := p.pins[ref.Name]; pin != "" && inRegistry(ref.Plugin, job.Dir) && !strings.Contains(ref.Plugin, "@") {
			ref.Plugin += "@" + pin
		}
		key := [2]string{ref.Plugin, ref.Python}
		pl, ok := plugins[key]
		if !ok {
			if pl, err = p.openPlugin(ctx, ref, filesOf(ref.Plugin, wanted)); err != nil {
				return err
			}
			plugins[key] = pl
			p.blobs[pl.asked.SHA256] = pl.asked.Path
		}
		if pin := p.pins[ref.Name]; pin != "" && pl.asked.SHA256 != pin {
			return ref.PluginErrorf("plugin %s has SHA-256 %s now, and had %s", ref.Plugin, pl.asked.SHA256, pin).
				WithHint("with --job FILE the job is run with the plugin as it is")
		}
		fn, err := pl.bind(ctx, ref)
		if err != nil {
			return err
		}
		for _, f := range fn.Files {
			p.blobs[f.SHA256] = ref.Files[f.Name]
		}
		p.request.Functions = append(p.request.Functions, fn)
	}
	return nil
}

// filesOf lists the side files of all functions of a plugin.
func filesOf(plugin string, wanted []planner.FunctionRef) []string {
	var paths []string
	for _, ref := range wanted {
		if ref.Plugin == plugin {
			for _, path := range ref.Files {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// plugin is a built executable that was started to be asked.
type plugin struct {
	asked   *host.Plugin
	offered []plan.Function
}

// openPlugin finds a plugin, builds it if that is to be done, and starts it.
func (p *prepared) openPlugin(ctx context.Context, ref *planner.FunctionRef, readable []string) (*plugin, error) {
	var pl *plugin
	exe, err := pluginFlags{p.registry, ref.Python}.find(ctx, ref.Plugin, p.request.Job.Dir)
	if err == nil {
		pl, err = askPlugin(ctx, exe, readable)
	}
	if err != nil {
		return nil, ofFunction(ref, err)
	}
	return pl, nil
}

// ofFunction says of which function an error is; a mistake is shown at its place.
func ofFunction(ref *planner.FunctionRef, err error) error {
	var f *plan.Failure
	if errors.As(err, &f) && f.Kind == plan.FailureUser {
		return ref.PluginErrorf("%s", f.Message)
	}
	return fmt.Errorf("function %s: %w", ref.Name, err)
}

// askPlugin starts an executable that may read some files.
func askPlugin(ctx context.Context, exe string, readable []string) (*plugin, error) {
	var err error
	pl := &plugin{}
	if pl.asked, err = host.Ask(ctx, exe, readable...); err != nil {
		return nil, err
	}
	if pl.offered, err = pl.asked.Functions(); err != nil {
		pl.asked.Close()
		return nil, err
	}
	return pl, nil
}

// bind finds the function that a job file means, and pins it.
func (pl *plugin) bind(ctx context.Context, ref *planner.FunctionRef) (plan.Function, error) {
	if ref.SHA256 != "" && ref.SHA256 != pl.asked.SHA256 {
		return plan.Function{}, ref.PluginErrorf("plugin %s has SHA-256 %s, but the job file pins %s", ref.Plugin, pl.asked.SHA256, ref.SHA256)
	}
	names := make([]string, len(pl.offered))
	for i, fn := range pl.offered {
		names[i] = fn.Export
	}
	if !slices.Contains(names, ref.Export) {
		err := ref.ExportErrorf("plugin %s has no function %q; it offers %v", ref.Plugin, ref.Export, names)
		if near := source.Nearest(ref.Export, names); near != "" {
			err = err.WithHint("did you mean %q?", near)
		}
		return plan.Function{}, err
	}
	fn, err := pl.asked.Bind(ctx, ref.Export, ref.Options, ref.Files)
	var refused *host.Refusal
	if errors.As(err, &refused) {
		return fn, ref.Refused(refused.Option, refused.File, refused.Message)
	}
	if err != nil {
		return fn, fmt.Errorf("function %s: %w", ref.Name, err)
	}
	if why := ref.OnError.WhyNot(&fn); why != "" {
		return fn, ref.ExportErrorf("%s cannot have on_error: %s: %s", ref.Export, ref.OnError, why)
	}
	fn.Name, fn.Treatment = ref.Name, ref.Treatment
	return fn, nil
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
