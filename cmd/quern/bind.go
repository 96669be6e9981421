package main

import (
	"context"
	"io"
	"slices"
	"strings"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/planner"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/udf/host/contain"
)

// binder describes, for a coordinator, the plugin functions of jobs whose callers have not: those that have no quern of their own.
// It knows plugins by their names in a registry only, since paths are the caller's.
type binder struct {
	store    *storage.Store
	registry string // "" for none
}

// bind is coordinator.Options.Bind.
func (b binder) bind(ctx context.Context, request api.SubmitRequest, keep coordinator.KeepExecutable) ([]plan.Function, error) {
	job := request.Job
	wanted, err := planner.FunctionsWanted(job.File, job.Dir, job.Text, job.Params)
	if err != nil {
		return nil, err
	}
	wanted = slices.DeleteFunc(wanted, func(ref planner.FunctionRef) bool {
		return slices.ContainsFunc(request.Functions, func(f plan.Function) bool { return f.Name == ref.Name })
	})
	var functions []plan.Function
	plugins := map[string]*plugin{} // as the job file calls them: the same digest for all functions of one
	defer func() {
		for _, pl := range plugins {
			pl.asked.Close()
		}
	}()
	for i := range wanted {
		ref := &wanted[i]
		if err := b.check(ref); err != nil {
			return nil, err
		}
		pl := plugins[ref.Plugin]
		if pl == nil {
			if pl, err = b.start(ctx, ref.Plugin, keep); err != nil {
				return nil, ofFunction(ref, err)
			}
			plugins[ref.Plugin] = pl
		}
		fn, err := pl.bind(ctx, ref)
		if err != nil {
			return nil, err
		}
		functions = append(functions, fn)
	}
	return functions, nil
}

// check refuses what only the caller's machine has, and what this machine cannot do.
func (b binder) check(ref *planner.FunctionRef) error {
	const hint = "quern submit sends plugins and their files along"
	name, _, _ := strings.Cut(ref.Plugin, "@")
	here := contain.Here()
	switch {
	case !pluginName.MatchString(name):
		return ref.PluginErrorf("plugin %s is a path, and coordinators do not take plugins from paths", ref.Plugin).
			WithHint("push it to their registry (quern udf push) and give it by its name; or %s", hint)
	case b.registry == "":
		return ref.PluginErrorf("the coordinators have no registry in which to look plugin %s up", ref.Plugin).
			WithHint("start them with --registry; or %s", hint)
	case len(ref.Files) > 0:
		return ref.PluginErrorf("files of functions are paths, and coordinators do not take them from paths").WithHint("%s", hint)
	case here.Level == contain.Bare:
		return ref.PluginErrorf("this coordinator starts no plugins to ask them, since it cannot contain them: %s", here.Reason).WithHint("%s", hint)
	}
	return nil
}

// start has the executable of a plugin kept, and starts it to be asked.
func (b binder) start(ctx context.Context, name string, keep coordinator.KeepExecutable) (*plugin, error) {
	base, err := localURL(b.registry)
	if err != nil {
		return nil, err
	}
	sha, err := pluginOf(ctx, b.store, base, name)
	if err != nil {
		return nil, err
	}
	short, _, _ := strings.Cut(name, "@")
	from := storage.Join(base, short, sha)
	// What is kept by that digest already may be what a caller has sent: it is not started here unless it was pushed.
	if _, err := statPushed(ctx, b.store, from); err != nil {
		return nil, err
	}
	exe, err := keep(ctx, sha, func() (io.ReadCloser, error) { return openPushed(ctx, b.store, from) })
	if err != nil {
		return nil, err
	}
	return askPlugin(ctx, exe, nil)
}
