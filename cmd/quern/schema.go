package main

import (
	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/planner"
)

func newSchemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print a JSON Schema of job files, for editors",
		Long: "Print a JSON Schema (draft 7) of job files. Editors that know YAML complete and check by it: put it somewhere and begin job files with\n" +
			"  # yaml-language-server: $schema=job.schema.json\n" +
			"It knows fields and forms; quern validate knows all the rest.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := planner.JobSchema()
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
}
