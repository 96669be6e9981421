package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/udf/udfpb"
)

// localFiles pins side files by their content: files are paths by name. A *Refusal names one that cannot be read.
func localFiles(files map[string]string) ([]*udfpb.SideFile, []plan.FunctionFile, error) {
	var side []*udfpb.SideFile
	var pins []plan.FunctionFile
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		path, err := filepath.Abs(files[name])
		if err != nil {
			return nil, nil, fmt.Errorf("side file %s: %w", name, err)
		}
		info, err := os.Stat(path)
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is not a file", path)
		}
		if err != nil {
			return nil, nil, &Refusal{Message: err.Error(), File: name}
		}
		sha, err := Digest(path)
		if err != nil {
			return nil, nil, &Refusal{Message: err.Error(), File: name}
		}
		side = append(side, &udfpb.SideFile{Name: name, Path: path, Sha256: sha, Size: uint64(info.Size())})
		pins = append(pins, plan.FunctionFile{Name: name, SHA256: sha, Size: info.Size()})
	}
	return side, pins, nil
}

// sideFiles are a function's files, fetched if the cache lacks them. They lie in a folder that only this user can change, under
// their digests, and are checked when they come; what a plugin reads it cannot write.
func (h *Host) sideFiles(ctx context.Context, fn plan.Function) ([]*udfpb.SideFile, error) {
	var side []*udfpb.SideFile
	for _, f := range fn.Files {
		path, err := h.sideFile(ctx, f)
		if err != nil {
			return nil, fmt.Errorf("file %s: %w", f.Name, err)
		}
		side = append(side, &udfpb.SideFile{Name: f.Name, Path: path, Sha256: f.SHA256, Size: uint64(f.Size)})
	}
	return side, nil
}

func (h *Host) sideFile(ctx context.Context, f plan.FunctionFile) (string, error) {
	if !validDigest(f.SHA256) {
		return "", plan.Failf(plan.FailureInternal, "%q is no SHA-256", f.SHA256)
	}
	dir, err := filepath.Abs(filepath.Join(h.opts.CacheDir, "files"))
	if err != nil {
		return "", fmt.Errorf("plugin cache: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("plugin cache: %w", err)
	}
	path := filepath.Join(dir, f.SHA256)
	if h.fileIs(path, f) {
		return path, nil
	}
	if h.opts.Fetch == nil {
		return "", errors.New("it is not in the cache, and there is nowhere to fetch it from")
	}
	return path, h.fetchFile(ctx, dir, path, f)
}

// fileIs reports that a cached file has the right content. That is looked at once; from then on its time and size will do.
func (h *Host) fileIs(path string, f plan.FunctionFile) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Size() != f.Size {
		return false
	}
	stamp := fmt.Sprint(info.ModTime().UnixNano(), info.Size())
	h.mu.Lock()
	known := h.checked[path] == stamp
	h.mu.Unlock()
	if known {
		return true
	}
	if got, err := Digest(path); err != nil || got != f.SHA256 {
		h.opts.Log.Warn("side file in the plugin cache is damaged; fetching it again", "sha256", f.SHA256)
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checked[path] = stamp
	return true
}

func (h *Host) fetchFile(ctx context.Context, dir, path string, want plan.FunctionFile) error {
	return h.download(ctx, download{what: "fetch", sha256: want.SHA256, dir: dir, path: path, most: want.Size, mode: 0o444}, func(n int64, got string) error {
		if n != want.Size || got != want.SHA256 {
			return errors.New("what was fetched has another content; refused")
		}
		return nil
	})
}
