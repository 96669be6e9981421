package storage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/quern-engine/quern/plan"
)

// local is the driver of file:// URLs.
type local struct{ store *Store }

var _ driver = local{}

func localPath(u *url.URL) string { return filepath.Clean(filepath.FromSlash("/" + u.Path)) }

// regular refuses everything that is not a plain file.
func regular(name string, info fs.FileInfo) error {
	switch mode := info.Mode(); {
	case mode.IsRegular():
		return nil
	case mode.IsDir():
		return plan.Failf(plan.FailureUser, "%s is a folder, not a file: %w", name, errIsFolder)
	default:
		return plan.Failf(plan.FailureUser, "%s is not a regular file (mode %s)", name, mode)
	}
}

func localInfo(u *url.URL, info fs.FileInfo) Info {
	return Info{
		URL:      withPath(u, u.Path),
		Size:     info.Size(),
		ETag:     fmt.Sprintf("%x-%x-%x", info.Size(), info.ModTime().UnixNano(), inode(info)),
		Modified: info.ModTime(),
	}
}

func (local) stat(_ context.Context, u *url.URL) (Info, error) {
	name := localPath(u)
	info, err := os.Stat(name)
	if err != nil {
		return Info{}, localError("read", name, err)
	}
	if err := regular(name, info); err != nil {
		return Info{}, err
	}
	return localInfo(u, info), nil
}

// list follows symbolic links to files but not to folders, so it always ends and stays inside.
func (l local) list(ctx context.Context, u *url.URL, q search) error {
	if q.long != nil { // each folder is read by itself
		if err := q.long(1, ""); err != nil {
			return err
		}
	}
	from := elements(q.head[:strings.LastIndexByte(q.head, '/')+1])
	var walk func(dir string, elems []string) error
	walk = func(dir string, elems []string) error {
		entries, err := l.entries(ctx, dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			below := append(elems[:len(elems):len(elems)], e.Name())
			name := filepath.Join(dir, e.Name())
			if e.IsDir() {
				if q.enter(below) {
					if err := walk(name, below); err != nil {
						return err
					}
				}
				continue
			}
			info, err := os.Stat(name)
			if err != nil || !info.Mode().IsRegular() {
				continue // vanished meanwhile, a dangling link, or a link to a folder, pipe or device
			}
			file := &url.URL{Scheme: schemeFile, Path: filepath.ToSlash(name)}
			if err := q.visit(below, localInfo(file, info)); err != nil {
				return err
			}
		}
		return nil
	}
	return walk(filepath.Join(localPath(u), filepath.Join(from...)), from)
}

func (l local) level(ctx context.Context, u *url.URL) (folders, files []string, err error) {
	entries, err := l.entries(ctx, localPath(u))
	for _, e := range entries {
		if e.IsDir() {
			folders = append(folders, e.Name())
		} else if info, err := os.Stat(filepath.Join(localPath(u), e.Name())); err == nil && info.Mode().IsRegular() {
			files = append(files, e.Name())
		}
	}
	return folders, files, err
}

// entries is what is in a folder; nothing if it is not there.
func (l local) entries(ctx context.Context, dir string) (entries []os.DirEntry, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	err = l.store.retry(ctx, func(context.Context) (err error) {
		if entries, err = os.ReadDir(dir); err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			return nil
		}
		return localError("list", dir, err)
	})
	return entries, err
}

func (local) children(_ context.Context, u *url.URL) []string {
	entries, err := os.ReadDir(localPath(u))
	if err != nil {
		return nil
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}

// localFile is an open file whose reads heed a context.
type localFile struct {
	name string
	file *os.File
	done func() error // the context's Err
}

func (local) readerAt(ctx context.Context, u *url.URL, size int64) (ReaderAtCloser, error) {
	name := localPath(u)
	// Without O_NONBLOCK, opening a pipe waits for a writer.
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, localError("open", name, err)
	}
	info, err := f.Stat()
	if err == nil {
		err = regular(name, info)
	}
	if err == nil && info.Size() != size {
		err = plan.Failf(plan.FailureUser, "%s changed: it has %d bytes, not %d as when it was listed", name, info.Size(), size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &localFile{name: name, file: f, done: ctx.Err}, nil
}

func (f *localFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.done(); err != nil {
		return 0, err
	}
	return f.file.ReadAt(p, off)
}

func (f *localFile) Close() error { return f.file.Close() }

// localUpload writes to a hidden file beside the final one.
type localUpload struct {
	*os.File
	final string
}

func (local) create(_ context.Context, u *url.URL) (upload, error) {
	// Who deletes what lies beside this file may remove a folder above both, which is empty for a moment: it is made again.
	for try := 0; ; try++ {
		up, err := createLocal(localPath(u))
		if try == createTries || !errors.Is(err, fs.ErrNotExist) {
			return up, err
		}
	}
}

// createTries is how often folders are made again. Each time another run must have failed in that very moment.
const createTries = 20

func createLocal(name string) (upload, error) {
	if err := makeFolders(filepath.Dir(name)); err != nil {
		return nil, localError("create folder", filepath.Dir(name), err)
	}
	var unique [8]byte
	rand.Read(unique[:])
	hiddenName := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+"."+hex.EncodeToString(unique[:]))
	f, err := os.OpenFile(hiddenName, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return nil, localError("create", name, err)
	}
	return &localUpload{File: f, final: name}, nil
}

func (w *localUpload) Write(p []byte) (int, error) {
	n, err := w.File.Write(p)
	if err != nil {
		return n, localError("write", w.final, err)
	}
	return n, nil
}

// commit syncs the contents before the name appears, and the folder after, so that a crash leaves the whole file or none.
func (w *localUpload) commit(context.Context) error {
	err := w.Sync()
	if closeErr := w.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(w.Name(), w.final)
	}
	if err != nil {
		os.Remove(w.Name())
		return localError("commit", w.final, err)
	}
	if err := syncFolder(filepath.Dir(w.final)); err != nil {
		return localError("commit", w.final, err)
	}
	return nil
}

func (w *localUpload) discard() {
	w.Close()
	os.Remove(w.Name())
}

// makeFolders is MkdirAll that syncs the parent of each folder it makes.
func makeFolders(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeFolders(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		if info, statErr := os.Stat(dir); statErr == nil && info.IsDir() {
			return nil // somebody else made it meanwhile
		}
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

// syncFolder makes a folder's entries durable. File systems that cannot sync a folder say so with EINVAL or the like;
// there is nothing more to do on those.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return nil // a folder that may be written but not read cannot be synced
		}
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) && !errors.Is(err, fs.ErrPermission) {
		return err
	}
	return nil
}

func (local) remove(_ context.Context, u *url.URL) error {
	name := localPath(u)
	info, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && info.IsDir() {
		return plan.Failf(plan.FailureUser, "delete %s: it is a folder: %w", name, errIsFolder)
	}
	if err == nil {
		err = os.Remove(name)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return localError("delete", name, err)
	}
	return nil
}

func (l local) removeTree(ctx context.Context, u *url.URL) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	name := localPath(u)
	err := l.store.retry(ctx, func(context.Context) error {
		if err := os.RemoveAll(name); err != nil {
			return localError("delete", name, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	keep := keptFolders()
	for dir := filepath.Dir(name); dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		for _, k := range keep {
			if k == dir || strings.HasPrefix(k, dir+string(filepath.Separator)) {
				return nil
			}
		}
		// Remove refuses a folder that is not empty, which ends the climb. One that is gone already does not: a
		// half-written tree may lack its lower folders.
		if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil
		}
	}
	return nil
}

// keptFolders are never removed for being empty: where the process works, and where the system's temporary files go.
func keptFolders() []string {
	keep := []string{filepath.Clean(os.TempDir())}
	if wd, err := os.Getwd(); err == nil {
		keep = append(keep, wd)
	}
	return keep
}
