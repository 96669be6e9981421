package coordinator

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/quern-engine/quern/api"
	"github.com/quern-engine/quern/api/client"
	"github.com/quern-engine/quern/coordinator/consensus"
	"github.com/quern-engine/quern/plan"
)

const (
	// maxBlob bounds a blob. Plans are a few MB, plugin executables tens.
	maxBlob = 1 << 30
	// copyTimeout bounds copying one blob to one peer.
	copyTimeout = 30 * time.Second
	// blobGrace is how long a blob that no run names is kept: it may be waiting for its run, or serve the next one.
	blobGrace = 24 * time.Hour
	// localHeader on a request says: do not ask your peers.
	localHeader = "Quern-Local"
)

var digestPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// blobs keeps plans and plugin executables by digest, in a folder, and knows how to get at those of the peers. What is
// there never changes, so there is no lock: a blob appears whole, by the rename of a finished file.
type blobs struct {
	dir      string
	peers    func() []string // host:port
	cluster  func() string   // the id that peers must have, too
	volatile bool
	scheme   string // of the peers
	http     *http.Client
	copies   sync.WaitGroup
}

func openBlobs(o *Options, peers func() []string, cluster func() string) (*blobs, error) {
	dir := filepath.Join(o.StateDir, "blobs")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create blob folder: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".upload-*"))
	if err != nil {
		return nil, fmt.Errorf("look for unfinished blobs: %w", err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("remove unfinished blob: %w", err)
		}
	}
	return &blobs{
		dir: dir, peers: peers, cluster: cluster, volatile: o.Volatile,
		scheme: o.Identity.Scheme(), http: &http.Client{Transport: client.NewTransport(o.Identity)},
	}, nil
}

func (b *blobs) close() error {
	if b != nil {
		b.copies.Wait()
		b.http.CloseIdleConnections()
	}
	return nil
}

func (b *blobs) path(digest string) string { return filepath.Join(b.dir, digest) }

func (b *blobs) has(digest string) bool {
	_, err := os.Stat(b.path(digest))
	return err == nil
}

// touch marks a blob as wanted now.
func (b *blobs) touch(digest string) error {
	now := time.Now()
	if err := os.Chtimes(b.path(digest), now, now); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("touch blob: %w", err)
	}
	return nil
}

// collect deletes blobs that nobody has wanted since a time and that are not to be kept.
func (b *blobs) collect(keep func(digest string) bool, before time.Time) (deleted int, err error) {
	entries, err := os.ReadDir(b.dir)
	if err != nil {
		return 0, fmt.Errorf("list blobs: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !digestPattern.MatchString(e.Name()) || keep(e.Name()) || !info.ModTime().Before(before) {
			continue
		}
		if err := os.Remove(b.path(e.Name())); err != nil {
			return deleted, fmt.Errorf("delete blob: %w", err)
		}
		deleted++
	}
	return deleted, nil
}

// put stores content that must have the digest.
func (b *blobs) put(digest string, content io.Reader) (err error) {
	if b.has(digest) {
		return b.touch(digest)
	}
	temporary := filepath.Join(b.dir, ".upload-"+rand.Text())
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("create blob: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(temporary))
		}
	}()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(content, maxBlob+1))
	if err != nil {
		return fmt.Errorf("receive blob: %w", err)
	}
	if n > maxBlob {
		return api.Errorf(api.CodeInvalid, "blob %s is larger than %d bytes", digest, maxBlob)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != digest {
		return api.Errorf(api.CodeInvalid, "blob %s: what was sent has the digest %s", digest, got)
	}
	return b.keep(f, temporary, digest)
}

func (b *blobs) keep(f *os.File, temporary, digest string) error {
	if !b.volatile {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("store blob: %w", err)
		}
	}
	if err := os.Rename(temporary, b.path(digest)); err != nil {
		return fmt.Errorf("store blob: %w", err)
	}
	if !b.volatile {
		if err := syncFolder(b.dir); err != nil {
			return fmt.Errorf("store blob: %w", err)
		}
	}
	return f.Close()
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// open gives a blob, fetched from a peer if it is not here.
func (b *blobs) open(ctx context.Context, digest string) (*os.File, error) {
	f, err := os.Open(b.path(digest))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return f, err
	}
	var problems []error
	for _, peer := range b.peers() {
		err := b.fetch(ctx, peer, digest)
		if err == nil {
			return os.Open(b.path(digest))
		}
		problems = append(problems, err)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, err := range problems {
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, api.Errorf(api.CodeUnavailable, "blob %s is not here, and not every coordinator could be asked: %v", digest, err)
		}
	}
	return nil, api.Errorf(api.CodeNotFound, "no coordinator has blob %s", digest)
}

// read gives the whole of a blob.
func (b *blobs) read(ctx context.Context, digest string) ([]byte, error) {
	f, err := b.open(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", digest, err)
	}
	if got := plan.Digest(data); got != digest {
		return nil, fmt.Errorf("blob %s is damaged on disk: it has the digest %s; delete %s to have it fetched again", digest, got, b.path(digest))
	}
	return data, nil
}

func (b *blobs) fetch(ctx context.Context, peer, digest string) error {
	response, err := b.ask(ctx, http.MethodGet, peer, digest, nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return b.put(digest, response.Body)
}

// ask sends a request about a blob to a peer, for what it has itself.
func (b *blobs) ask(ctx context.Context, method, peer, digest string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, b.scheme+"://"+peer+"/v1/blobs/"+digest, body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	r.Header.Set(localHeader, "1")
	r.Header.Set(consensus.ClusterHeader, b.cluster())
	response, err := b.http.Do(r)
	if err != nil {
		return nil, fmt.Errorf("ask coordinator %s: %w", peer, err)
	}
	switch {
	case response.StatusCode/100 == 2:
		return response, nil
	case response.StatusCode == http.StatusNotFound:
		err = fmt.Errorf("coordinator %s: blob %s: %w", peer, digest, fs.ErrNotExist)
	default:
		err = fmt.Errorf("coordinator %s: blob %s: %s", peer, digest, response.Status)
	}
	return nil, errors.Join(err, response.Body.Close())
}

// spread copies blobs to the peers and returns when a majority of the coordinators, this one included, has each of
// them. The other copies go on: life bounds them.
func (b *blobs) spread(ctx, life context.Context, digests ...string) error {
	peers := b.peers()
	if len(peers) == 0 {
		return nil
	}
	results := make(chan error, len(peers))
	for _, peer := range peers {
		b.copies.Go(func() { results <- b.copyAll(life, peer, digests) })
	}
	majority := (len(peers)+1)/2 + 1
	have, failed := 1, []string(nil)
	for range peers {
		if have >= majority {
			break
		}
		select {
		case err := <-results:
			if err == nil {
				have++
			} else {
				failed = append(failed, err.Error())
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if have < majority {
		return api.Errorf(api.CodeUnavailable, "the plan could be copied to %d of %d coordinators only: %s", have, len(peers)+1, strings.Join(failed, "; "))
	}
	return nil
}

func (b *blobs) copyAll(ctx context.Context, peer string, digests []string) error {
	ctx, cancel := context.WithTimeout(ctx, copyTimeout)
	defer cancel()
	for _, digest := range digests {
		if err := b.copy(ctx, peer, digest); err != nil {
			return err
		}
	}
	return nil
}

func (b *blobs) copy(ctx context.Context, peer, digest string) error {
	response, err := b.ask(ctx, http.MethodHead, peer, digest, nil)
	if err == nil {
		return response.Body.Close()
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.Open(b.path(digest))
	if err != nil {
		return fmt.Errorf("open blob: %w", err)
	}
	defer f.Close()
	response, err = b.ask(ctx, http.MethodPut, peer, digest, f)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// ofBlob is the digest that a request is about. One by a coordinator of another cluster, which takes this one for a peer of
// its own that was at this address before, is refused: it would count on what is here.
func (c *Coordinator) ofBlob(r *http.Request) (digest string, err error) {
	digest = r.PathValue("digest")
	if !digestPattern.MatchString(digest) {
		return "", api.Errorf(api.CodeInvalid, "%q is not a hex SHA-256", digest)
	}
	if theirs, ours := r.Header.Get(consensus.ClusterHeader), c.node.Cluster(); theirs != "" && theirs != ours {
		return "", api.Errorf(api.CodeConflict, "coordinator %s is of cluster %q, not of %q", c.options.ID, ours, theirs)
	}
	return digest, nil
}

func (c *Coordinator) putBlob(w http.ResponseWriter, r *http.Request) error {
	digest, err := c.ofBlob(r)
	if err != nil {
		return err
	}
	if err := c.blobs.put(digest, r.Body); err != nil {
		if gone := r.Context().Err(); gone != nil {
			return gone // the caller broke off: nothing of ours failed
		}
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// getBlob answers GET, from a peer if need be, and HEAD, about what is here.
func (c *Coordinator) getBlob(w http.ResponseWriter, r *http.Request) error {
	digest, err := c.ofBlob(r)
	if err != nil {
		return err
	}
	if (r.Method == http.MethodHead || r.Header.Get(localHeader) != "") && !c.blobs.has(digest) {
		return api.Errorf(api.CodeNotFound, "blob %s is not here", digest)
	}
	f, err := c.blobs.open(r.Context(), digest)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read blob: %w", err)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", fmt.Sprint(info.Size()))
	if r.Method == http.MethodHead {
		return c.blobs.touch(digest) // whoever asks counts on it, and will not send it again
	}
	if _, err := io.Copy(w, f); err != nil {
		// The head is out: all that is left is to break the stream, which the other side notices.
		panic(http.ErrAbortHandler)
	}
	return nil
}
