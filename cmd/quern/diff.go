package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/cmd/quern/dataset"
	"github.com/quern-engine/quern/storage"
)

// comparison is the object that -o json prints: a contract.
type comparison struct {
	A           string               `json:"a"`
	B           string               `json:"b"`
	Same        bool                 `json:"same"` // the bytes of all shards
	Differences []dataset.Difference `json:"differences"`
}

func newDiffCommand() *cobra.Command {
	var output outputFlag
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Say in what two versions of a dataset differ: what went in, the first step, the first column",
		Long: "Compare two versions, each given as its folder, its manifest, or a dataset (its latest version is meant then): parameters, plugins,\n" +
			"inputs, plan, columns, what was counted of each step of the job, and of the first shard with other bytes the first value that differs.\n\n" +
			"Exit status: 0 the shards have the same bytes, 1 they differ.",
		Example: "  quern diff out/flight_delay/examples/20261129t102758-5a0c9b1e out/flight_delay/examples",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("expected two versions; got %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			store := storage.New()
			defer store.Close()
			var sides [2]*dataset.Version
			for i, path := range args {
				url, err := localURL(path)
				if err != nil {
					return err
				}
				if sides[i], err = dataset.Load(cmd.Context(), store, url); err != nil {
					return err
				}
			}
			c, err := compare(cmd.Context(), store, sides[0], sides[1])
			if err != nil {
				return err
			}
			return c.show(cmd.OutOrStdout(), output.json())
		},
	}
	output.register(cmd)
	return cmd
}

func compare(ctx context.Context, store *storage.Store, a, b *dataset.Version) (*comparison, error) {
	found, err := dataset.Diff(ctx, store, a, b)
	if err != nil {
		return nil, err
	}
	c := &comparison{A: storage.Display(a.URL), B: storage.Display(b.URL), Same: true, Differences: append([]dataset.Difference{}, found...)}
	for _, d := range found {
		c.Same = c.Same && d.Part != "shard"
	}
	return c, nil
}

func (c *comparison) show(w io.Writer, asJSON bool) error {
	if asJSON {
		if err := printJSON(w, c); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(w, "A  %s\nB  %s\n", c.A, c.B)
		for _, d := range c.Differences {
			fmt.Fprintf(w, "%-9s  %s\n", d.Part, d.Text)
		}
		if c.Same {
			fmt.Fprintln(w, "the shards have the same bytes")
		}
	}
	if c.Same {
		return nil
	}
	return silentError{exitFailed, errors.New("the versions differ")}
}
