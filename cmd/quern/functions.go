package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/compute"
	"github.com/quern-engine/quern/internal/source"
)

// functionInfo is the object that -o json prints for each function: a contract.
type functionInfo struct {
	Name    string   `json:"name"`
	Aliases []string `json:"aliases,omitempty"`
	Kind    string   `json:"kind"` // scalar, aggregate, window, generator
	Usage   string   `json:"usage"`
	Summary string   `json:"summary"`
	Example string   `json:"example,omitempty"`
	Result  string   `json:"result,omitempty"`
}

var kindNames = map[compute.FunctionKind]string{
	compute.Scalar: "scalar", compute.Aggregate: "aggregate", compute.Window: "window", compute.Generator: "generator",
}

func newFunctionsCommand() *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "functions [TEXT]",
		Short: "List the SQL functions, or those whose name or description contains a text",
		Example: `  quern functions
  quern functions regexp`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted := strings.ToLower(strings.Join(args, ""))
			found := functionsLike(wanted)
			if len(found) == 0 {
				return usageError{noFunction(wanted)}
			}
			if output == "json" {
				return printJSON(cmd.OutOrStdout(), found)
			}
			return printFunctions(cmd.OutOrStdout(), found)
		},
	}
	output.register(cmd)
	return cmd
}

// functionsLike is the functions that a text is about, by name. A text that is a function's very name means that one.
func functionsLike(wanted string) []functionInfo {
	var found []functionInfo
	add := func(f *compute.Function) {
		found = append(found, functionInfo{f.Name, f.Aliases, kindNames[f.Kind], f.Usage, f.Summary, f.Example, f.ExampleResult})
	}
	if f, ok := compute.Lookup(wanted); ok {
		add(f)
		return found
	}
	for _, f := range compute.Functions() {
		about := strings.ToLower(strings.Join(append([]string{f.Name, f.Summary}, f.Aliases...), " "))
		if strings.Contains(about, wanted) {
			add(f)
		}
	}
	slices.SortFunc(found, func(a, b functionInfo) int { return strings.Compare(a.Name, b.Name) })
	return found
}

func noFunction(wanted string) error {
	var names []string
	for _, f := range compute.Functions() {
		names = append(append(names, f.Name), f.Aliases...)
	}
	if near := source.Nearest(wanted, names); near != "" {
		return fmt.Errorf("no function is about %q; did you mean %q?", wanted, near)
	}
	return fmt.Errorf("no function is about %q", wanted)
}

func printFunctions(w io.Writer, list []functionInfo) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options.SeparateRows = false
	t.Style().Format.Header = text.FormatDefault
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 1, WidthMax: 44}, {Number: 2, WidthMax: 60}, {Number: 3, WidthMax: 60}})
	t.AppendHeader(table.Row{"usage", "what it gives", "example"})
	for _, f := range list {
		example := f.Example
		if f.Result != "" {
			example += " → " + f.Result
		}
		t.AppendRow(table.Row{f.Usage, f.Summary, example})
	}
	_, err := fmt.Fprintf(w, "%s\n(%d functions)\n", t.Render(), len(list))
	return err
}
