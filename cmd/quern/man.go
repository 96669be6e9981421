package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newDocsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "docs",
		Short: "Write documentation",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(&cobra.Command{
		Use:     "man DIR",
		Short:   "Write a manual page for each command",
		Long:    "Write a manual page for each command into a folder: quern.1, quern-run.1 and so on. 'man -l FILE' shows one; below a man1 folder of\nMANPATH, 'man quern-run' does.",
		Example: "  quern docs man ~/.local/share/man/man1",
		Args:    asUsageError(oneArg("a folder")),
		RunE: func(cmd *cobra.Command, args []string) error {
			n, err := writeManual(cmd.Root(), args[0])
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%d pages in %s\n", n, args[0])
			return nil
		},
	})
	return cmd
}

// writeManual writes the pages of a command and of those below it, and counts them.
func writeManual(root *cobra.Command, dir string) (int, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, fmt.Errorf("write the manual: %w", err)
	}
	root.DisableAutoGenTag = true // no line about when and by what
	header := &doc.GenManHeader{Section: "1", Source: "Quern " + version, Manual: "Quern", Date: builtAt()}
	if err := doc.GenManTree(root, header, dir); err != nil {
		return 0, fmt.Errorf("write the manual: %w", err)
	}
	pages, err := filepath.Glob(filepath.Join(dir, root.Name()+"*.1"))
	return len(pages), err
}

// builtAt is the time of the build's commit, so that a build writes the same pages each time; the present if it is not known.
func builtAt() *time.Time {
	at, err := time.Parse(time.RFC3339, setting("vcs.time"))
	if err != nil {
		at = time.Now()
	}
	return &at
}
