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

	"github.com/quern-engine/quern/udf/host/contain"
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

// image is an executable in memory, from which processes are started.
type image struct {
	sem        chan struct{} // capacity 1; held by whoever uses the following
	executable *contain.Executable
}

func (i *image) close() error {
	if i.executable == nil {
		return nil
	}
	return i.executable.Close()
}

// sealed is the executable of a digest: what runs is what was checked, whatever happens to any file afterwards.
func (h *Host) sealed(ctx context.Context, sha string) (*contain.Executable, error) {
	h.mu.Lock()
	i := h.images[sha]
	if i == nil {
		i = &image{sem: make(chan struct{}, 1)}
		h.images[sha] = i
	}
	h.mu.Unlock()
	select {
	case i.sem <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { <-i.sem }()
	if i.executable == nil {
		e, err := h.seal(ctx, sha)
		if err != nil {
			return nil, err
		}
		i.executable = e
	}
	return i.executable, nil
}

// seal reads an executable from the cache, after fetching it if the cache lacks it or holds something else.
func (h *Host) seal(ctx context.Context, sha string) (*contain.Executable, error) {
	dir := filepath.Join(h.opts.CacheDir, "plugins")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("plugin cache: %w", err)
	}
	path := filepath.Join(dir, sha)
	for try := 0; ; try++ {
		e, got, err := contain.Seal(path)
		if err == nil && got == sha {
			return e, nil
		}
		if err == nil {
			err = errors.Join(fmt.Errorf("its SHA-256 is %s", got), e.Close())
		}
		if try > 0 {
			return nil, fmt.Errorf("plugin cache: %w", err)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			h.opts.Log.Warn("plugin cache entry is damaged; fetching it again", "sha256", sha, "err", err)
		}
		if h.opts.Fetch == nil {
			return nil, errors.New("the executable is not in the cache, and there is nowhere to fetch it from")
		}
		if err := h.fetch(ctx, dir, path, sha); err != nil {
			return nil, err
		}
	}
}

func (h *Host) fetch(ctx context.Context, dir, path, sha string) error {
	most := h.opts.MaxExecutable
	return h.download(ctx, download{what: "fetch executable", sha256: sha, dir: dir, path: path, most: most, mode: 0o500}, func(n int64, got string) error {
		switch {
		case n > most:
			return fmt.Errorf("fetch executable: larger than %d MiB", most>>20)
		case got != sha:
			return fmt.Errorf("fetch executable: its SHA-256 is %s; refused", got)
		}
		return nil
	})
}

// download is something that is fetched into the cache.
type download struct {
	what   string // for messages
	sha256 string
	dir    string // of path
	path   string
	most   int64 // bytes; one more is read, to tell what is larger
	mode   os.FileMode
}

// download fetches into a temporary file, which takes the place of d.path once check is content with its size and SHA-256.
func (h *Host) download(ctx context.Context, d download, check func(n int64, sha256 string) error) (err error) {
	src, err := h.opts.Fetch(ctx, d.sha256)
	if err != nil {
		return fmt.Errorf("%s: %w", d.what, err)
	}
	defer src.Close()
	f, err := os.CreateTemp(d.dir, ".fetch-")
	if err != nil {
		return fmt.Errorf("plugin cache: %w", err)
	}
	defer func() {
		if rerr := os.Remove(f.Name()); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}()
	digest := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, digest), io.LimitReader(src, d.most+1))
	if cerr := errors.Join(f.Chmod(d.mode), f.Close()); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("%s: %w", d.what, err)
	}
	if err := check(n, hex.EncodeToString(digest.Sum(nil))); err != nil {
		return err
	}
	return os.Rename(f.Name(), d.path)
}
