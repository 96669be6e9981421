package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
	"github.com/quern-engine/quern/udf/host"
)

// A registry is a folder or URL with the plugins that were pushed: NAME/SHA256 is an executable, and NAME/_LATEST has the digest of
// the one that was pushed last. Executables are never changed.
const latestPlugin = "_LATEST"

var (
	pluginName   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
	pluginDigest = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

func checkPluginName(name string) error {
	if !pluginName.MatchString(name) {
		return usageError{fmt.Errorf("%q is no name of a plugin: use letters, digits, - and _, at most 64, and begin with a letter", name)}
	}
	return nil
}

// pluginFlags say where plugins are found, and how they are built.
type pluginFlags struct{ registry, python string }

func (f *pluginFlags) register(cmd *cobra.Command) {
	registryFlag(cmd, &f.registry)
	cmd.Flags().StringVar(&f.python, "python", "", "interpreter, or virtual environment, of a plugin in Python")
}

func registryFlag(cmd *cobra.Command, registry *string) {
	cmd.Flags().StringVar(registry, "registry", "", "folder or URL of pushed plugins (env QUERN_REGISTRY)")
	inContext(cmd, "registry")
	annotate(cmd, "registry", noteEnv, "QUERN_REGISTRY")
}

// require refuses a command that has no registry to look into.
func (f *pluginFlags) require() error {
	if f.registry == "" {
		return usageError{errors.New("which registry? give --registry or set QUERN_REGISTRY")}
	}
	return nil
}

// inRegistry reports that a plugin is called by its name in a registry, and not by a path relative to dir.
func inRegistry(plugin, dir string) bool {
	name, _, _ := strings.Cut(plugin, "@")
	_, err := os.Stat(pluginPath(plugin, dir))
	return err != nil && pluginName.MatchString(name)
}

func pluginPath(plugin, dir string) string {
	if filepath.IsAbs(plugin) {
		return plugin
	}
	return filepath.Join(dir, plugin)
}

// find gives the executable that a plugin is called by: a path, relative to dir, or a name in the registry.
func (f pluginFlags) find(ctx context.Context, plugin, dir string) (string, error) {
	path := pluginPath(plugin, dir)
	if !inRegistry(plugin, dir) {
		cache, err := pluginCache()
		if err != nil {
			return "", err
		}
		return host.Build(ctx, path, f.python, cache)
	}
	if f.registry == "" {
		return "", plan.Failf(plan.FailureUser, "plugin %s: there is no file %s, and no registry in which to look it up: give --registry or set QUERN_REGISTRY", plugin, path)
	}
	store := storage.New()
	defer store.Close()
	base, err := localURL(f.registry)
	if err != nil {
		return "", err
	}
	sha, err := pluginOf(ctx, store, base, plugin)
	if err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(plugin, "@")
	return download(ctx, store, storage.Join(base, name, sha), sha)
}

// latestOf is the digest of the plugin that was pushed last under a name.
func latestOf(ctx context.Context, store *storage.Store, base, name string) (string, error) {
	data, err := store.Get(ctx, storage.Join(base, name, latestPlugin))
	if errors.Is(err, fs.ErrNotExist) {
		return "", plan.Failf(plan.FailureUser, "no plugin %s was pushed to %s", name, storage.Display(base))
	}
	return strings.TrimSpace(string(data)), err
}

// pluginOf is the digest that a plugin has which is called NAME or NAME@SHA256.
func pluginOf(ctx context.Context, store *storage.Store, base, plugin string) (sha string, err error) {
	name, sha, pinned := strings.Cut(plugin, "@")
	if !pinned {
		if sha, err = latestOf(ctx, store, base, name); err != nil {
			return "", err
		}
	}
	if !pluginDigest.MatchString(sha) {
		return "", plan.Failf(plan.FailureUser, "plugin %s: write NAME@SHA256, with all 64 digits", plugin)
	}
	return sha, nil
}

// statPushed looks for an executable of a registry.
func statPushed(ctx context.Context, store *storage.Store, from string) (storage.Info, error) {
	info, err := store.Stat(ctx, from)
	if errors.Is(err, fs.ErrNotExist) {
		err = plan.Failf(plan.FailureUser, "no plugin %s", storage.Display(from))
	}
	return info, err
}

// openPushed reads an executable of a registry.
func openPushed(ctx context.Context, store *storage.Store, from string) (io.ReadCloser, error) {
	info, err := statPushed(ctx, store, from)
	if err != nil {
		return nil, err
	}
	content, err := store.ReaderAt(ctx, from, info.Size)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.NewSectionReader(content, 0, info.Size), content}, nil
}

// download gets an executable into the cache, and checks it.
func download(ctx context.Context, store *storage.Store, from, sha string) (string, error) {
	cache, err := pluginCache()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "registry")
	path := filepath.Join(dir, sha)
	if got, err := host.Digest(path); err == nil && got == sha {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("plugin cache: %w", err)
	}
	src, err := openPushed(ctx, store, from)
	if err != nil {
		return "", err
	}
	defer src.Close()
	f, err := os.CreateTemp(dir, ".download-")
	if err != nil {
		return "", fmt.Errorf("plugin cache: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = io.Copy(f, src)
	if err = errors.Join(err, f.Chmod(0o755), f.Close()); err != nil {
		return "", fmt.Errorf("download plugin: %w", err)
	}
	if got, err := host.Digest(f.Name()); err != nil || got != sha {
		return "", errors.Join(err, plan.Failf(plan.FailureUser, "%s has SHA-256 %s; refused", storage.Display(from), got))
	}
	return path, os.Rename(f.Name(), path)
}

func newUDFPushCommand() *cobra.Command {
	var flags pluginFlags
	cmd := &cobra.Command{
		Use:   "push NAME PLUGIN",
		Short: "Put a plugin into a registry, from where jobs find it by its name",
		Long: "Build a plugin, ask it for its functions, and put it into the registry under a name. Jobs find it as NAME, which is the one that was\n" +
			"pushed last, or as NAME@SHA256. Executables that are there already are never changed.",
		Example: "  quern udf push flights testdata/plugins/flights --registry s3://lake/plugins",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("expected a name and a plugin; got %d arguments", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkPluginName(args[0]); err != nil {
				return err
			}
			if err := flags.require(); err != nil {
				return err
			}
			exe, err := flags.find(cmd.Context(), args[1], "")
			if err != nil {
				return err
			}
			info, err := describePlugin(cmd.Context(), exe)
			if err != nil {
				return err
			}
			if err := push(cmd.Context(), flags.registry, args[0], info.SHA256, exe); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s@%s\n", args[0], info.SHA256)
			return err
		},
	}
	flags.register(cmd)
	return cmd
}

func push(ctx context.Context, registry, name, sha, exe string) error {
	store := storage.New()
	defer store.Close()
	base, err := localURL(registry)
	if err != nil {
		return err
	}
	if _, err := store.Stat(ctx, storage.Join(base, name, sha)); errors.Is(err, fs.ErrNotExist) {
		if err := upload(ctx, store, storage.Join(base, name, sha), exe); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return store.Put(ctx, storage.Join(base, name, latestPlugin), []byte(sha+"\n"))
}

func upload(ctx context.Context, store *storage.Store, to, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("push plugin: %w", err)
	}
	defer f.Close()
	w, err := store.Create(ctx, to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, f); err != nil {
		w.Discard()
		return fmt.Errorf("push plugin: %w", err)
	}
	return w.Commit(ctx)
}

// pushedInfo is the object that -o json prints for each pushed executable: a contract.
type pushedInfo struct {
	Name   string    `json:"name"`
	SHA256 string    `json:"sha256"`
	Latest bool      `json:"latest"`
	Bytes  int64     `json:"bytes"`
	Pushed time.Time `json:"pushed"`
}

func newUDFListCommand() *cobra.Command {
	var output outputFlag
	var flags pluginFlags
	cmd := &cobra.Command{
		Use:   "list [NAME]",
		Short: "List the plugins of a registry",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := flags.require(); err != nil {
				return err
			}
			list, err := pushed(cmd.Context(), flags.registry, strings.Join(args, ""))
			if err != nil {
				return err
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), map[string]any{"plugins": list})
			}
			return printPushed(cmd.OutOrStdout(), list)
		},
	}
	output.register(cmd)
	flags.register(cmd)
	return cmd
}

// pushed lists a registry, by name, then newest first.
func pushed(ctx context.Context, registry, only string) ([]pushedInfo, error) {
	store := storage.New()
	defer store.Close()
	base, err := localURL(registry)
	if err != nil {
		return nil, err
	}
	found, err := store.Tree(ctx, base)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	list := []pushedInfo{}
	for _, f := range found {
		path, _, _ := strings.Cut(f.URL, "?")
		parts := strings.Split(path, "/")
		if len(parts) < 2 || !pluginDigest.MatchString(parts[len(parts)-1]) {
			continue
		}
		p := pushedInfo{Name: parts[len(parts)-2], SHA256: parts[len(parts)-1], Bytes: f.Size, Pushed: f.Modified}
		if only != "" && p.Name != only {
			continue
		}
		latest, err := latestOf(ctx, store, base, p.Name)
		if err != nil {
			return nil, err
		}
		p.Latest = latest == p.SHA256
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b pushedInfo) int {
		if a.Name != b.Name {
			return strings.Compare(a.Name, b.Name)
		}
		if c := b.Pushed.Compare(a.Pushed); c != 0 {
			return c
		}
		return strings.Compare(a.SHA256, b.SHA256)
	})
	return list, nil
}

func printPushed(w io.Writer, list []pushedInfo) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{"plugin", "sha256", "size", "pushed"})
	for _, p := range list {
		name := p.Name
		if p.Latest {
			name += " (latest)"
		}
		t.AppendRow(table.Row{name, p.SHA256, humanize.IBytes(uint64(p.Bytes)), p.Pushed.UTC().Format(time.DateTime)})
	}
	_, err := fmt.Fprintf(w, "%s\n(%d plugins)\n", t.Render(), len(list))
	return err
}
