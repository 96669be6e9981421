package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/api/secure"
)

// target is the cluster that a verb is about, and what to show there.
type target struct {
	coordinators []string
	tls          secure.Files
	tokenFile    string
}

func (t *target) register(cmd *cobra.Command) {
	coordinatorFlag(cmd, &t.coordinators)
	cmd.Flags().StringVar(&t.tls.CA, "tls-ca", "", "certificate authorities of the cluster, PEM (env QUERN_TLS_CA; default: the system's)")
	cmd.Flags().StringVar(&t.tls.Cert, "tls-cert", "", "certificate to show, PEM; a token does as well")
	cmd.Flags().StringVar(&t.tls.Key, "tls-key", "", "its key, PEM")
	cmd.Flags().StringVar(&t.tokenFile, "token-file", "", "file with the token to show (default: env QUERN_TOKEN)")
	inContext(cmd, "tls-ca", "tls-cert", "tls-key", "token-file")
	annotate(cmd, "tls-ca", noteEnv, "QUERN_TLS_CA")
	annotate(cmd, "token-file", noteInstead, "QUERN_TOKEN")
}

// connect makes a client. Nothing is asked yet.
func (t *target) connect() (*client.Client, error) {
	if err := requireCoordinator(t.coordinators); err != nil {
		return nil, err
	}
	o := client.Options{Traceparent: traceparent()}
	var err error
	if t.encrypted() {
		if o.Identity, err = secure.Open(t.tls, nil); err != nil {
			return nil, usageError{err}
		}
	}
	if o.Token, err = t.token(); err != nil {
		return nil, usageError{err}
	}
	c := client.New(t.coordinators, o)
	if err := c.Check(); err != nil {
		return nil, usageError{fmt.Errorf("--coordinator %w", err)}
	}
	return c, nil
}

// encrypted goes by the endpoints; by the other flags where they leave it open.
func (t *target) encrypted() bool {
	open := t.tls != secure.Files{}
	for _, c := range t.coordinators {
		switch scheme, _, ok := strings.Cut(strings.TrimSpace(c), "://"); {
		case ok && scheme == "https":
			return true
		case ok:
			open = false
		}
	}
	return open
}

func (t *target) token() (string, error) {
	if t.tokenFile != "" {
		return secure.ReadToken(t.tokenFile)
	}
	token := os.Getenv("QUERN_TOKEN")
	if token == "" {
		return "", nil
	}
	if err := secure.CheckToken(token); err != nil {
		return "", fmt.Errorf("QUERN_TOKEN: %w", err)
	}
	return token, nil
}

// serverFlags are the credentials of a process that listens.
type serverFlags struct {
	tls    secure.Files
	tokens string
}

func (f *serverFlags) register(cmd *cobra.Command, tokens bool) {
	cmd.Flags().StringVar(&f.tls.Cert, "tls-cert", "", "this process's certificate, PEM, with its role: see docs/security.md")
	cmd.Flags().StringVar(&f.tls.Key, "tls-key", "", "its key, PEM")
	cmd.Flags().StringVar(&f.tls.CA, "tls-ca", "", "authorities that sign the certificates of coordinators and workers, PEM")
	if tokens {
		cmd.Flags().StringVar(&f.tokens, "token-file", "", "tokens that callers may show, a line name:token for each")
	}
}

// check wants all credentials or, for a loopback address, none: whoever reaches the port can run code.
func (f *serverFlags) check(cmd *cobra.Command, listen string) error {
	if _, _, err := net.SplitHostPort(listen); err != nil {
		return usageError{fmt.Errorf("--listen %s: %w", listen, err)}
	}
	var given, missing []string
	for _, name := range []string{"tls-cert", "tls-key", "tls-ca", "token-file"} {
		flag := cmd.Flags().Lookup(name)
		switch {
		case flag == nil: // not every server has tokens
		case flag.Value.String() != "":
			given = append(given, "--"+name)
		default:
			missing = append(missing, "--"+name)
		}
	}
	switch {
	case len(missing) == 0, len(given) == 0 && secure.Loopback(listen):
		return nil
	case len(given) > 0:
		return usageError{fmt.Errorf("%s is given: %s are needed, too", strings.Join(given, ", "), strings.Join(missing, ", "))}
	}
	return usageError{fmt.Errorf("--listen %s: off loopback, %s are needed, because whoever reaches the port could run code; 'quern certs' makes them", listen, strings.Join(missing, ", "))}
}

// open reads the credentials; there are none on loopback.
func (f *serverFlags) open(log *slog.Logger) (identity *secure.Identity, tokens *secure.Tokens, err error) {
	if f.tls.Cert != "" {
		identity, err = secure.Open(f.tls, log)
	}
	if f.tokens != "" {
		var problem error
		tokens, problem = secure.OpenTokens(f.tokens, log)
		err = errors.Join(err, problem)
	}
	if err != nil {
		return nil, nil, usageError{err}
	}
	return identity, tokens, nil
}
