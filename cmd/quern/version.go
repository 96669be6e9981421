package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/coordinator"
	"github.com/quern-engine/quern/udf/host"
)

// version is set by the release build (-ldflags -X main.version=…).
var version = "dev"

// setting is one of those that the build has recorded, or "".
func setting(key string) string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == key {
				return s.Value
			}
		}
	}
	return ""
}

// build is the version and, if it is known, the commit.
func build() string {
	if commit := setting("vcs.revision"); commit != "" {
		return version + " " + commit
	}
	return version
}

// buildInfo is what quern version -o json prints.
type buildInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"commit_time,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the tree differed from the commit
	Go       string `json:"go"`
	Platform string `json:"platform"`
	// What this build speaks: to clients, in its log, to plugins.
	API            string `json:"api"`
	LogEntries     int    `json:"log_entries"`
	PluginProtocol int    `json:"plugin_protocol"`
}

func newVersionCommand() *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !output.json() {
				fmt.Fprintf(cmd.OutOrStdout(), "quern %s %s %s/%s\n", build(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return nil
			}
			return printJSON(cmd.OutOrStdout(), buildInfo{
				Version: version, Commit: setting("vcs.revision"), Time: setting("vcs.time"), Modified: setting("vcs.modified") == "true",
				Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
				API: "v1", LogEntries: coordinator.EntryVersion, PluginProtocol: host.ProtocolVersion,
			})
		},
	}
	output.register(cmd)
	return cmd
}
