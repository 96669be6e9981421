package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/quern-engine/quern/cmd/quern/config"
	"github.com/quern-engine/quern/storage"
)

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the configuration, and choose the cluster to ask",
		Long: "Settings come from flags, else from the environment, else from quern.yaml: the context that counts, then defaults. The file is that of\n" +
			"--config, else of QUERN_CONFIG, else ~/.config/quern/quern.yaml. See docs/cli.md.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newConfigViewCommand(), newConfigContextsCommand(), newConfigUseCommand())
	for _, c := range cmd.Commands() {
		c.Args = asUsageError(c.Args)
	}
	return cmd
}

// effective is a setting, its value, and where that is from.
type effective struct {
	Setting string `json:"setting"`
	Value   string `json:"value"`
	From    string `json:"from"`
}

func newConfigViewCommand() *cobra.Command {
	var (
		cluster  target
		embedded clusterFlags
		registry string
		output   outputFlag
	)
	cmd := &cobra.Command{
		Use:   "view",
		Short: "Show each setting that counts, and where it comes from",
		Long:  "Show each setting that counts, and where it comes from. Tokens, keys and the settings in URLs are not shown.",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := readConfiguration(cmd, false)
			if err != nil {
				return err
			}
			list := c.view(cmd)
			if output.json() {
				return printJSON(cmd.OutOrStdout(), map[string]any{"settings": list})
			}
			return printSettings(cmd.OutOrStdout(), list)
		},
	}
	cluster.register(cmd)
	embedded.register(cmd)
	registryFlag(cmd, &registry)
	output.register(cmd)
	return cmd
}

func (c *configuration) view(cmd *cobra.Command) []effective {
	file, context := effective{Setting: "config", From: "default"}, effective{"context", c.context.Name, c.chosen}
	if c.file != nil {
		file.Value, file.From = c.file.Path, c.from
	}
	if context.Value == "" {
		context.From = "default"
	}
	list := []effective{file, context}
	for _, name := range slices.Concat(clusterSettings, embeddedSettings) {
		list = append(list, effectiveOf(cmd.Flags().Lookup(name)))
	}
	if c.file != nil {
		list = c.sectionSettings(list, "coordinator", c.file.Coordinator)
		list = c.sectionSettings(list, "worker", c.file.Worker)
	}
	return list
}

func effectiveOf(f *pflag.Flag) effective {
	e := effective{f.Name, shown(strings.Trim(f.Value.String(), "[]")), note(f, noteFrom)}
	if instead := note(f, noteInstead); e.From == "" && os.Getenv(instead) != "" {
		return effective{"token", "(not shown)", "environment " + instead}
	}
	if e.From == "" {
		e.From = "default"
	}
	return e
}

// shown is a value without what a URL may have of secrets.
func shown(text string) string {
	parts := strings.Split(text, ",")
	for i, p := range parts {
		if strings.Contains(p, "://") {
			parts[i] = storage.Display(p)
		}
	}
	return strings.Join(parts, ",")
}

func (c *configuration) sectionSettings(list []effective, name string, s config.Section) []effective {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		list = append(list, effective{name + "." + key, shown(s[key].Text), c.file.Where(s[key])})
	}
	return list
}

func printSettings(w io.Writer, list []effective) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tVALUE\tFROM")
	for _, e := range list {
		value := e.Value
		if value == "" {
			value = "-"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", e.Setting, value, e.From)
	}
	return table.Flush()
}

// listedContext is a context as quern config contexts shows it.
type listedContext struct {
	Name         string   `json:"name"`
	Current      bool     `json:"current"`
	Coordinators []string `json:"coordinators"`
}

func newConfigContextsCommand() *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "contexts",
		Short: "List the contexts; the one that counts has a star",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := readConfiguration(cmd, false)
			if err != nil {
				return err
			}
			list := []listedContext{}
			if c.file != nil {
				for _, k := range c.file.Contexts {
					list = append(list, listedContext{k.Name, k.Name == c.context.Name, commaSeparated(shown(k.Section["coordinator"].Text))})
				}
			}
			if output.json() {
				return printJSON(cmd.OutOrStdout(), map[string]any{"contexts": list})
			}
			table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			for _, k := range list {
				star := " "
				if k.Current {
					star = "*"
				}
				fmt.Fprintf(table, "%s %s\t%s\n", star, k.Name, strings.Join(k.Coordinators, ","))
			}
			return table.Flush()
		},
	}
	output.register(cmd)
	return cmd
}

func commaSeparated(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}

func newConfigUseCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "use CONTEXT",
		Short: "Make a context the current one, in the file",
		Args:  oneArg("a context"),

		ValidArgsFunction: completeContexts,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, _ := configPath(cmd)
			if path == "" {
				return usageError{fmt.Errorf("there is no configuration; write one at %s", userConfig())}
			}
			file, err := loadConfig(cmd, path)
			if err != nil {
				return err
			}
			if err := file.Use(args[0]); err != nil {
				return usageError{err}
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is the current context of %s\n", args[0], file.Path)
			if env := os.Getenv("QUERN_CONTEXT"); env != "" && env != args[0] {
				fmt.Fprintf(cmd.ErrOrStderr(), "quern: QUERN_CONTEXT=%s counts before it\n", env)
			}
			return nil
		},
	}
}
