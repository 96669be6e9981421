package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/host"
)

func newUDFCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "udf",
		Short: "Begin, try, measure and publish plugins with functions for SQL",
		Long: "Plugins are programs with functions that SQL can call. A PLUGIN is the path of a folder with a Go package, which is built, or of an\n" +
			"executable; or NAME or NAME@SHA256 of one that was pushed to a registry, which is a folder or URL (--registry, env QUERN_REGISTRY).",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newUDFInitCommand(), newUDFBuildCommand(), newUDFDescribeCommand(), newUDFTestCommand(), newUDFBenchCommand(), newUDFPushCommand(), newUDFListCommand(),
	)
	for _, c := range cmd.Commands() {
		c.Args = asUsageError(c.Args)
	}
	return cmd
}

//go:embed templates/udf
var udfTemplates embed.FS

// udfLanguages are the languages that there are templates for, each a folder of templates/udf, and what to do next.
var udfLanguages = map[string]string{
	"go":     "cd %s && go mod tidy && go test .",
	"python": "cd %s && python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python -m pytest",
}

// udfModule is what plugins import.
const udfModule = "github.com/quern-engine/quern"

func newUDFInitCommand() *cobra.Command {
	var language, sources string
	cmd := &cobra.Command{
		Use:   "init NAME",
		Short: "Write a plugin to begin with, that builds and has tests",
		Long: "Write a plugin into a new folder NAME: functions of one or more kinds, with tests. Files that are there already are left alone.\n" +
			"With --source Quern's Go module, or Python package, is that of a folder with its sources; the Go module then needs no network.",
		Example: "  quern udf init texts\n  cd texts && go mod tidy && go test .",
		Args:    oneArg("the plugin's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkPluginName(args[0]); err != nil {
				return err
			}
			next, ok := udfLanguages[language]
			if !ok {
				return usageError{fmt.Errorf("--lang %s: there are %s", language, strings.Join(sortedNames(udfLanguages), ", "))}
			}
			files, err := udfFiles(args[0], language, sources)
			if err != nil {
				return err
			}
			for _, f := range files {
				if err := f.write(); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), f.path)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "next: "+next+"\n", args[0])
			return err
		},
	}
	cmd.Flags().StringVar(&language, "lang", "go", strings.Join(sortedNames(udfLanguages), ", "))
	cmd.Flags().StringVar(&sources, "source", "", "folder with Quern's sources, to take what plugins import from")
	return cmd
}

func sortedNames[V any](m map[string]V) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// udfFiles are the files of a template. A template's name has .txt behind it, lest Go tools take it for a part of this program.
func udfFiles(name, language, sources string) ([]newFile, error) {
	dir := "templates/udf/" + language
	entries, err := udfTemplates.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read templates: %w", err)
	}
	var files []newFile
	for _, e := range entries {
		text, err := udfTemplates.ReadFile(dir + "/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("read template: %w", err)
		}
		release, _, _ := strings.Cut(strings.TrimPrefix(runtime.Version(), "go"), " ")
		f := newFile{filepath.Join(name, strings.TrimSuffix(e.Name(), ".txt")), strings.NewReplacer("NAME", name, "GOVERSION", release).Replace(string(text))}
		if e.Name() == "go.mod.txt" && sources != "" {
			requires, sum, err := modulesOf(sources)
			if err != nil {
				return nil, err
			}
			f.text += requires
			files = append(files, newFile{filepath.Join(name, "go.sum"), sum})
		}
		if e.Name() == "requirements.txt.txt" && sources != "" {
			absolute, err := filepath.Abs(sources)
			if err != nil {
				return nil, fmt.Errorf("--source: %w", err)
			}
			f.text = strings.Replace(f.text, "\nquern-udf\n", "\n"+filepath.Join(absolute, "udf", "python")+"\n", 1)
		}
		files = append(files, f)
	}
	return files, nil
}

// modulesOf is what a go.mod file needs to build with the sources in a folder, and the checksums of the modules that these need.
func modulesOf(sources string) (requires, sum string, err error) {
	dir, err := filepath.Abs(sources)
	if err != nil {
		return "", "", fmt.Errorf("--source: %w", err)
	}
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err == nil && !strings.HasPrefix(string(mod), "module "+udfModule+"\n") {
		err = fmt.Errorf("%s is not Quern's go.mod", filepath.Join(dir, "go.mod"))
	}
	if err != nil {
		return "", "", usageError{fmt.Errorf("--source: %w", err)}
	}
	sums, err := os.ReadFile(filepath.Join(dir, "go.sum"))
	if err != nil {
		return "", "", usageError{fmt.Errorf("--source: %w", err)}
	}
	requires = fmt.Sprintf("\nrequire %s v0.0.0\n\nreplace %s => %s\n", udfModule, udfModule, dir)
	inside := false
	for line := range strings.Lines(string(mod)) {
		if inside = inside || strings.HasPrefix(line, "require ("); inside {
			requires += line
		}
		if strings.HasPrefix(line, ")") {
			inside = false
		}
	}
	return requires, string(sums), nil
}

func newUDFBuildCommand() *cobra.Command {
	var out string
	var flags pluginFlags
	cmd := &cobra.Command{
		Use:     "build PLUGIN",
		Short:   "Build a plugin, and print its SHA-256",
		Example: "  quern udf build testdata/plugins/flights --out flights",
		Args:    oneArg("a plugin"),
		RunE: func(cmd *cobra.Command, args []string) error {
			exe, err := flags.find(cmd.Context(), args[0], "")
			if err != nil {
				return err
			}
			sha, err := host.Digest(exe)
			if err != nil {
				return err
			}
			if out != "" {
				if err := copyExecutable(exe, out); err != nil {
					return err
				}
				exe = out
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", sha, exe)
			return err
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&out, "out", "", "where the executable goes (default: a cache)")
	return cmd
}

// copyExecutable puts a copy in place of a file, whole or not at all.
func copyExecutable(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("copy plugin: %w", err)
	}
	defer in.Close()
	f, err := os.CreateTemp(filepath.Dir(to), ".quern-")
	if err != nil {
		return usageError{fmt.Errorf("--out: %w", err)}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = io.Copy(f, in)
	if err = errors.Join(err, f.Chmod(0o755), f.Close()); err != nil {
		return fmt.Errorf("copy plugin: %w", err)
	}
	return os.Rename(f.Name(), to)
}

// pluginInfo is the object that -o json prints of a plugin: a contract.
type pluginInfo struct {
	SHA256    string               `json:"sha256"`
	Path      string               `json:"path"`
	Library   string               `json:"library"`
	Functions []pluginFunctionInfo `json:"functions"`
}

type pluginFunctionInfo struct {
	Name             string            `json:"name"`
	Kind             plan.FunctionKind `json:"kind"`
	Signature        string            `json:"signature"`
	Doc              string            `json:"doc,omitempty"`
	Nondeterministic bool              `json:"nondeterministic,omitempty"`
	Options          string            `json:"options,omitempty"` // JSON Schema
	Files            []pluginFileInfo  `json:"files,omitempty"`
}

type pluginFileInfo struct {
	Name     string `json:"name"`
	Doc      string `json:"doc,omitempty"`
	Optional bool   `json:"optional,omitempty"`
}

func newUDFDescribeCommand() *cobra.Command {
	var output outputFlag
	var flags pluginFlags
	cmd := &cobra.Command{
		Use:     "describe PLUGIN",
		Short:   "Show the functions of a plugin: signatures, options, side files",
		Example: "  quern udf describe testdata/plugins/flights",
		Args:    oneArg("a plugin"),
		RunE: func(cmd *cobra.Command, args []string) error {
			exe, err := flags.find(cmd.Context(), args[0], "")
			if err != nil {
				return err
			}
			info, err := describePlugin(cmd.Context(), exe)
			if err != nil {
				return err
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), info)
			}
			return info.print(cmd.OutOrStdout())
		},
	}
	output.register(cmd)
	flags.register(cmd)
	return cmd
}

func describePlugin(ctx context.Context, exe string) (*pluginInfo, error) {
	asked, err := host.Ask(ctx, exe)
	if err != nil {
		return nil, err
	}
	defer asked.Close()
	functions, err := asked.Functions()
	if err != nil {
		return nil, err
	}
	info := &pluginInfo{SHA256: asked.SHA256, Path: exe, Library: asked.Library}
	for _, f := range functions {
		d := asked.Details(f.Export)
		out := pluginFunctionInfo{
			Name: f.Export, Kind: f.Kind, Signature: f.Signature(), Doc: d.Doc, Nondeterministic: f.Nondeterministic, Options: d.OptionsSchema,
		}
		if out.Kind == "" {
			out.Kind = plan.FunctionScalar
		}
		for _, file := range d.Files {
			out.Files = append(out.Files, pluginFileInfo(file))
		}
		info.Functions = append(info.Functions, out)
	}
	return info, nil
}

func (p *pluginInfo) print(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "%s  %s (%s)\n", p.SHA256, p.Path, p.Library); err != nil {
		return err
	}
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 3, WidthMax: 60, WidthMaxEnforcer: text.WrapSoft}, {Number: 4, WidthMax: 60, WidthMaxEnforcer: text.WrapSoft}})
	t.AppendHeader(table.Row{"function", "kind", "signature", "what it gives"})
	for _, f := range p.Functions {
		about := []string{f.Doc}
		if f.Options != "" {
			about = append(about, "options: "+f.Options)
		}
		for _, file := range f.Files {
			about = append(about, fmt.Sprintf("file %s%s: %s", file.Name, map[bool]string{true: " (optional)"}[file.Optional], file.Doc))
		}
		t.AppendRow(table.Row{f.Name, f.Kind, f.Signature, strings.Join(about, "\n")})
	}
	_, err := fmt.Fprintln(w, t.Render())
	return err
}
