package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/quern-engine/quern/cmd/quern/config"
	"github.com/quern-engine/quern/internal/source"
)

// Where the value of a flag comes from that the command line does not give, in this order: the context that --context names, the
// environment, the context that is current otherwise, the file's defaults. Flags of processes that serve come from a section of
// their own, and from no context: those are for callers.

// Annotations of flags.
const (
	noteEnv     = "quern_env"     // the variable that stands for the flag
	noteInstead = "quern_instead" // the variable that is used in place of the flag, by the verb itself
	noteContext = "quern_context" // it may stand in a context
	noteSection = "quern_section" // the section of the file that it may stand in
	noteFrom    = "quern_from"    // where the value is from, once it is known
)

// The settings that a context may have; the second also stand in defaults. A default token for all clusters would be sent to
// whoever is asked.
var (
	clusterSettings  = []string{"coordinator", "tls-ca", "tls-cert", "tls-key", "token-file"}
	embeddedSettings = []string{"workers", "slots", "memory", "state", "registry"}
	pathSettings     = []string{"tls-ca", "tls-cert", "tls-key", "token-file", "state", "scratch", "registry"}
)

func annotate(cmd *cobra.Command, flag, key, value string) {
	f := cmd.Flags().Lookup(flag)
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[key] = []string{value}
}

func note(f *pflag.Flag, key string) string {
	if v := f.Annotations[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// inContext says that flags may come from a context.
func inContext(cmd *cobra.Command, flags ...string) {
	for _, f := range flags {
		annotate(cmd, f, noteContext, f)
	}
}

// inSection says that all flags of a command may come from a section of the file, and from no context.
func inSection(cmd *cobra.Command, section string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		annotate(cmd, f.Name, noteSection, section)
		delete(f.Annotations, noteContext)
	})
}

// configuration is the file and the context that count for a command.
type configuration struct {
	file    *config.File // nil without one
	from    string       // why it is this file
	context config.Context
	chosen  string // why it is this context
	named   bool   // the context was named on the command line
}

// resolve gives every flag that the command line leaves open the value that counts.
func resolve(cmd *cobra.Command) error {
	var open, served bool
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		open = open || note(f, noteContext) != "" || note(f, noteEnv) != ""
		served = served || note(f, noteSection) != ""
	})
	if !open && !served {
		return nil
	}
	c, err := readConfiguration(cmd, served)
	if err != nil {
		return err
	}
	return c.apply(cmd)
}

// configPath is the file that counts, and why; "" if there is none.
func configPath(cmd *cobra.Command) (path, why string) {
	if f := cmd.Flags().Lookup("config"); f != nil && f.Changed {
		return f.Value.String(), "flag --config"
	}
	if env := os.Getenv("QUERN_CONFIG"); env != "" {
		return env, "environment QUERN_CONFIG"
	}
	if path := userConfig(); path != "" && config.Exists(path) {
		return path, "default"
	}
	return "", ""
}

// userConfig is where a user's file lies. The current folder is not looked at: a file there could send jobs and tokens to a cluster
// that its author has chosen.
func userConfig() string {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "quern", "quern.yaml")
}

func readConfiguration(cmd *cobra.Command, served bool) (*configuration, error) {
	c := &configuration{}
	path, why := configPath(cmd)
	if path != "" {
		var err error
		if c.file, err = loadConfig(cmd, path); err != nil {
			return nil, err
		}
		c.from = why
	}
	name, why := "", ""
	flag := cmd.Flags().Lookup("context")
	switch {
	case served:
		if flag != nil && flag.Changed {
			return nil, usageError{fmt.Errorf("--context is for verbs that ask a cluster; quern %s takes its flags from the section %s: of quern.yaml", cmd.Name(), cmd.Name())}
		}
		return c, nil
	case flag != nil && flag.Changed:
		name, why, c.named = flag.Value.String(), "flag --context", true
	case os.Getenv("QUERN_CONTEXT") != "":
		name, why = os.Getenv("QUERN_CONTEXT"), "environment QUERN_CONTEXT"
	case c.file != nil && c.file.Current.Text != "":
		name, why = c.file.Current.Text, c.file.Where(c.file.Current)
	default:
		return c, nil
	}
	if c.file == nil {
		return nil, usageError{fmt.Errorf("%s: there is no context %q, since there is no configuration; write one at %s", why, name, userConfig())}
	}
	var ok bool
	if c.context, ok = c.file.Context(name); !ok {
		return nil, usageError{fmt.Errorf("%s: there is no context %q in %s; it has %s", why, name, c.file.Path, orNone(c.file.Names()))}
	}
	c.chosen = why
	return c, nil
}

// loadConfig reads a file that was asked for, or found.
func loadConfig(cmd *cobra.Command, path string) (*config.File, error) {
	file, err := config.Load(path, schemaOf(cmd.Root()))
	var mistake *source.Error
	if err != nil && !errors.As(err, &mistake) {
		return nil, usageError{err}
	}
	return file, err
}

func orNone(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// schemaOf knows what quern.yaml may have: contexts and defaults have settings of their own, the sections the flags of their commands.
func schemaOf(root *cobra.Command) config.Schema {
	flags := func(verb string) (names []string) {
		for _, c := range root.Commands() {
			if c.Name() == verb {
				c.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
					if f.Name != "help" {
						names = append(names, f.Name)
					}
				})
			}
		}
		return names
	}
	return config.Schema{
		Context: slices.Concat(clusterSettings, embeddedSettings), Defaults: embeddedSettings,
		Coordinator: flags("coordinator"), Worker: flags("worker"), Paths: pathSettings,
	}
}

// apply sets the flags that are open: first which coordinators are asked, since what else a context says goes by that.
func (c *configuration) apply(cmd *cobra.Command) error {
	asked := cmd.Flags().Lookup("coordinator")
	if asked != nil {
		if err := c.set(asked, true); err != nil {
			return err
		}
	}
	trusted := !c.elsewhere(cmd)
	var failure error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if failure == nil && f != asked {
			failure = c.set(f, trusted)
		}
	})
	return failure
}

// elsewhere says that coordinators are asked that are not of the context, so that what is shown to those of the context must not
// be shown to them.
func (c *configuration) elsewhere(cmd *cobra.Command) bool {
	asked, _ := cmd.Flags().GetStringSlice("coordinator") // no such flag: nobody is asked
	known := strings.Split(c.context.Section["coordinator"].Text, ",")
	return slices.ContainsFunc(asked, func(a string) bool { return !slices.Contains(known, strings.TrimSpace(a)) })
}

// set gives a flag its value. Credentials of the context count only if trusted.
func (c *configuration) set(f *pflag.Flag, trusted bool) error {
	if f.Changed {
		annotateFrom(f, "flag --"+f.Name)
		return nil
	}
	env := note(f, noteEnv)
	text := os.Getenv(env)
	instead := note(f, noteInstead)
	name := note(f, noteContext)
	v, ok := c.context.Section[name]
	ok = ok && (trusted || !slices.Contains(clusterSettings, name))
	switch {
	case ok && c.named:
		return c.fromFile(f, v)
	case env != "" && text != "":
		if err := f.Value.Set(text); err != nil {
			return usageError{fmt.Errorf("%s=%s: %w", env, text, err)}
		}
		annotateFrom(f, "environment "+env)
		return nil
	case instead != "" && os.Getenv(instead) != "":
		return nil
	case ok:
		return c.fromFile(f, v)
	case c.file == nil:
		return nil
	}
	v, ok = c.file.Defaults[name]
	switch note(f, noteSection) {
	case "coordinator":
		v, ok = c.file.Coordinator[f.Name]
	case "worker":
		v, ok = c.file.Worker[f.Name]
	}
	if ok {
		return c.fromFile(f, v)
	}
	return nil
}

func (c *configuration) fromFile(f *pflag.Flag, v config.Value) error {
	if err := f.Value.Set(v.Text); err != nil {
		return c.file.Errorf(v, "%s: %q cannot be read as %s", f.Name, v.Text, f.Value.Type())
	}
	annotateFrom(f, c.file.Where(v))
	return nil
}

func annotateFrom(f *pflag.Flag, from string) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[noteFrom] = []string{from}
}
