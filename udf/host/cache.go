package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

func validDigest(s string) bool { return digestPattern.MatchString(s) }

// Digest is the hex SHA-256 of a file.
func Digest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("digest plugin: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("digest plugin: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// sealed is the path of a verified copy of an executable, fetched if the cache lacks it or holds something else. The
// copy is content-addressed, not writable, and in a folder that only this user can change; its digest is checked
// before each start.
func (h *Host) sealed(ctx context.Context, sha string) (string, error) {
	dir := filepath.Join(h.opts.CacheDir, "plugins")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("plugin cache: %w", err)
	}
	path := filepath.Join(dir, sha)
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() {
		if got, err := Digest(path); err == nil && got == sha {
			return path, nil
		}
		h.opts.Log.Warn("plugin cache entry is damaged; fetching it again", "sha256", sha)
	}
	if h.opts.Fetch == nil {
		return "", errors.New("the executable is not in the cache, and there is nowhere to fetch it from")
	}
	return path, h.fetch(ctx, dir, path, sha)
}

func (h *Host) fetch(ctx context.Context, dir, path, sha string) (err error) {
	src, err := h.opts.Fetch(ctx, sha)
	if err != nil {
		return fmt.Errorf("fetch executable: %w", err)
	}
	defer src.Close()
	f, err := os.CreateTemp(dir, ".fetch-")
	if err != nil {
		return fmt.Errorf("plugin cache: %w", err)
	}
	defer func() {
		if rerr := os.Remove(f.Name()); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}()
	digest := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, digest), io.LimitReader(src, h.opts.MaxExecutable+1))
	if cerr := errors.Join(f.Chmod(0o500), f.Close()); err == nil {
		err = cerr
	}
	switch got := hex.EncodeToString(digest.Sum(nil)); {
	case err != nil:
		return fmt.Errorf("fetch executable: %w", err)
	case n > h.opts.MaxExecutable:
		return fmt.Errorf("fetch executable: larger than %d MiB", h.opts.MaxExecutable>>20)
	case got != sha:
		return fmt.Errorf("fetch executable: its SHA-256 is %s; refused", got)
	}
	return os.Rename(f.Name(), path)
}
