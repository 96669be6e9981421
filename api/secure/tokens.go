package secure

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
)

// minToken is the length of a token that nobody guesses if it is random.
const minToken = 16

var (
	tokenPattern = regexp.MustCompile(`^[A-Za-z0-9\-._~+/]+=*$`) // RFC 6750
	namePattern  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
)

// Tokens are those that callers may show, by the names of their owners. A nil set has none.
type Tokens struct {
	entries *watched[[]entry]
}

type entry struct {
	name, token string
	sum         [sha256.Size]byte
}

// OpenTokens reads a token file: a line name:token for each, empty lines and lines that begin with # aside. A name may
// have several tokens, as it does while one is replaced by another.
func OpenTokens(path string, log *slog.Logger) (*Tokens, error) {
	w, err := watch(log, []string{path}, func() ([]entry, error) { return readTokens(path, false) })
	if err != nil {
		return nil, fmt.Errorf("token file: %w", err)
	}
	return &Tokens{entries: w}, nil
}

// ReadToken is the first token of a file as [OpenTokens] reads it, where the name may be left out.
func ReadToken(path string) (string, error) {
	entries, err := readTokens(path, true)
	if err != nil {
		return "", fmt.Errorf("token file: %w", err)
	}
	return entries[0].token, nil
}

// CheckToken refuses what cannot be a token.
func CheckToken(token string) error {
	switch {
	case len(token) < minToken:
		return fmt.Errorf("a token has %d characters at least; make one with: openssl rand -hex 32", minToken)
	case !tokenPattern.MatchString(token):
		return fmt.Errorf("a token is letters, digits and -._~+/ only")
	}
	return nil
}

func readTokens(path string, nameless bool) ([]entry, error) {
	data, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	var entries []entry
	lines := map[string]int{}
	for i, line := range strings.Split(string(data), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		e, err := parseEntry(line, nameless)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err) // never the line itself: it is a secret
		}
		if first, twice := lines[e.token]; twice {
			return nil, fmt.Errorf("%s:%d: the token is that of line %d", path, i+1, first)
		}
		lines[e.token] = i + 1
		entries = append(entries, e)
	}
	if entries == nil {
		return nil, fmt.Errorf("%s has no token", path)
	}
	return entries, nil
}

func parseEntry(line string, nameless bool) (entry, error) {
	name, token, ok := strings.Cut(line, ":")
	switch {
	case !ok && nameless:
		name, token = "", line
	case !ok:
		return entry{}, fmt.Errorf("write name:token")
	case !namePattern.MatchString(name):
		return entry{}, fmt.Errorf("the name before the colon must be of a-z, 0-9 and -")
	}
	return entry{name: name, token: token, sum: sha256.Sum256([]byte(token))}, CheckToken(token)
}

// Owner is whose token it is. The time that it takes says nothing about how much of a wrong one is right.
func (t *Tokens) Owner(token string) (name string, ok bool) {
	if t == nil {
		return "", false
	}
	sum := sha256.Sum256([]byte(token))
	for _, e := range t.entries.get() {
		if subtle.ConstantTimeCompare(sum[:], e.sum[:]) == 1 {
			name, ok = e.name, true
		}
	}
	return name, ok
}
