package main

import (
	"errors"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
)

// logFlags say what a process logs to standard error, and how.
type logFlags struct {
	verbose bool
	level   levelFlag
	format  outputFlag
}

func (f *logFlags) register(cmd *cobra.Command) {
	f.level, f.format = levelFlag(slog.LevelError), "text"
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "log all there is to standard error, whatever --log-level says")
	cmd.Flags().Var(&f.level, "log-level", "the lowest level that is logged to standard error: debug, info, warn or error")
	cmd.Flags().Var(&f.format, "log-format", "text or json, an object on each line")
}

func (f *logFlags) logger() *slog.Logger {
	options := &slog.HandlerOptions{Level: slog.Level(f.level)}
	if f.verbose {
		options.Level = slog.LevelDebug
	}
	if f.format.json() {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

// levelFlag is the name of a level.
type levelFlag slog.Level

// String, Set and Type implement pflag.Value.
func (f *levelFlag) String() string { return slog.Level(*f).String() }

// Set accepts a level's name.
func (f *levelFlag) Set(s string) error {
	if (*slog.Level)(f).UnmarshalText([]byte(s)) != nil {
		return errors.New("use debug, info, warn or error")
	}
	return nil
}

// Type is shown in the usage text.
func (f *levelFlag) Type() string { return "level" }
