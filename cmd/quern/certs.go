package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api/secure"
)

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`)

func newCertsCommand() *cobra.Command {
	var (
		hosts []string
		days  int
	)
	cmd := &cobra.Command{
		Use:   "certs DIR",
		Short: "Make certificates and a token for a cluster",
		Long: "Make a certificate authority, a certificate for coordinators, one for workers, one for reading metrics, and a file with a token for callers.\n" +
			"The authority and the tokens that are in DIR already stay; the certificates are made anew. An authority of your own\n" +
			"does as well: see docs/security.md.",
		Example: "  quern certs certs --host node1.example,node2.example,192.0.2.7",
		Args:    oneArg("a folder"),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, h := range hosts {
				if net.ParseIP(h) == nil && !hostPattern.MatchString(h) {
					return usageError{fmt.Errorf("--host %s: neither an IP address nor a name", h)}
				}
			}
			if len(hosts) == 0 || days < 1 {
				return usageError{fmt.Errorf("--host names one host at least, and --days is 1 or more")}
			}
			files, err := makeCerts(args[0], hosts, time.Duration(days)*24*time.Hour)
			if err != nil {
				return fmt.Errorf("make certificates: %w", err)
			}
			for _, f := range files {
				fmt.Fprintln(cmd.OutOrStdout(), f)
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&hosts, "host", []string{"127.0.0.1", "::1", "localhost"}, "names and IP addresses of the machines, comma separated")
	cmd.Flags().IntVar(&days, "days", 365, "how long the certificates are good")
	return cmd
}

// makeCerts gives the files that processes need.
func makeCerts(dir string, hosts []string, life time.Duration) ([]string, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	authority, err := secure.OpenAuthority(dir)
	if err != nil {
		return nil, err
	}
	coordinator, err := authority.Issue(dir, "coordinator", secure.Coordinators, hosts, life)
	if err != nil {
		return nil, err
	}
	worker, err := authority.Issue(dir, "worker", secure.Workers, hosts, life)
	if err != nil {
		return nil, err
	}
	monitor, err := authority.Issue(dir, "monitor", secure.Monitors, nil, life)
	if err != nil {
		return nil, err
	}
	tokens := filepath.Join(dir, "tokens")
	if _, err := os.Stat(tokens); errors.Is(err, fs.ErrNotExist) {
		secret := make([]byte, 32)
		rand.Read(secret) // never fails
		if err := secure.WriteSecret(tokens, []byte("admin:"+hex.EncodeToString(secret)+"\n")); err != nil {
			return nil, err
		}
	}
	return []string{coordinator.CA, coordinator.Cert, coordinator.Key, worker.Cert, worker.Key, monitor.Cert, monitor.Key, tokens}, nil
}
