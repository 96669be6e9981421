package storage

import (
	"context"
	"errors"
	"io"
	"net/url"
	"strings"
	"time"

	gcs "cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	s3 "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // makes azblob:// known to blob.OpenBucket
	_ "gocloud.dev/blob/gcsblob"   // gs://
	"gocloud.dev/blob/memblob"
	_ "gocloud.dev/blob/s3blob" // s3://
	"gocloud.dev/gcerrors"

	"github.com/quern-engine/quern/plan"
)

// bucket is the driver of object stores. Keys are paths without the leading slash; folders do not exist.
type bucket struct {
	store *Store
	b     *blob.Bucket
}

var _ driver = (*bucket)(nil)

// bucket opens the bucket of a URL, or returns the one that is open already.
func (s *Store) bucket(ctx context.Context, u *url.URL) (*bucket, error) {
	key := u.Scheme + "://" + u.Host + "?" + u.RawQuery
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, plan.Failf(plan.FailureInternal, "open %s: the store is closed", Display(u.String()))
	}
	if b, ok := s.buckets[key]; ok {
		return b, nil
	}
	opened, err := openBucket(ctx, &url.URL{Scheme: u.Scheme, Host: u.Host, RawQuery: u.RawQuery})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, openError(u, err)
	}
	b := &bucket{store: s, b: opened}
	s.buckets[key] = b
	return b, nil
}

func openBucket(ctx context.Context, u *url.URL) (*blob.Bucket, error) {
	if u.Scheme == schemeMem {
		return memblob.OpenBucket(nil), nil // gocloud's opener would take no name
	}
	if err := checkGoogle(ctx, u); err != nil {
		return nil, err
	}
	b, err := blob.OpenBucket(ctx, u.String())
	if err != nil {
		return nil, err
	}
	if err := checkAmazon(ctx, u, b); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

func (b *bucket) close() error { return b.b.Close() }

func keyOf(u *url.URL) string { return strings.TrimPrefix(u.Path, "/") }

// prefixOf is the key prefix of everything in the folder u.
func prefixOf(u *url.URL) string {
	key := strings.Trim(u.Path, "/")
	if key != "" {
		key += "/"
	}
	return key
}

func (b *bucket) stat(ctx context.Context, u *url.URL) (Info, error) {
	key := keyOf(u)
	if key == "" || strings.HasSuffix(key, "/") {
		return Info{}, plan.Failf(plan.FailureUser, "%s is a folder, not a file: %w", Display(u.String()), errIsFolder)
	}
	attrs, err := b.b.Attributes(ctx, key)
	if err != nil {
		return Info{}, blobError(ctx, "read", Display(u.String()), err)
	}
	return Info{URL: withPath(u, u.Path), Size: attrs.Size, ETag: plainETag(attrs.ETag), Modified: attrs.ModTime.UTC().Truncate(time.Second)}, nil
}

// listedETag finds the ETag in a listing's entry, and asks for it only where the listing has none: a request for each of
// many files takes long.
func (b *bucket) listedETag(ctx context.Context, obj *blob.ListObject) (string, error) {
	var (
		inS3    s3.Object
		inGCS   gcs.ObjectAttrs
		inAzure container.BlobItem
	)
	switch {
	case obj.As(&inS3) && inS3.ETag != nil:
		return plainETag(*inS3.ETag), nil
	case obj.As(&inGCS) && inGCS.Etag != "":
		return plainETag(inGCS.Etag), nil
	case obj.As(&inAzure) && inAzure.Properties != nil && inAzure.Properties.ETag != nil:
		return plainETag(string(*inAzure.Properties.ETag)), nil
	}
	attrs, err := b.b.Attributes(ctx, obj.Key)
	if err != nil {
		return "", blobError(ctx, "read", obj.Key, err)
	}
	return plainETag(attrs.ETag), nil
}

// plainETag strips the quotes, which some answers have and others lack.
func plainETag(etag string) string {
	return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
}

func (b *bucket) children(ctx context.Context, u *url.URL) []string {
	const enough = 1000 // one page of a listing
	prefix := prefixOf(u)
	objs, _, err := b.b.ListPage(ctx, blob.FirstPageToken, enough, &blob.ListOptions{Prefix: prefix, Delimiter: "/"})
	if err != nil {
		return nil
	}
	var names []string
	for _, obj := range objs {
		if name := strings.Trim(strings.TrimPrefix(obj.Key, prefix), "/"); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// requestBytes bounds one request, and so what is read again after one that failed.
const requestBytes = 32 << 20

// blobReader reads ranges of an object.
type blobReader struct {
	bucket *bucket
	key    string
	name   string
	size   int64
	ctx    func() context.Context // of the opener: io.ReaderAt has none of its own
}

func (b *bucket) readerAt(ctx context.Context, u *url.URL, size int64) (ReaderAtCloser, error) {
	return &blobReader{bucket: b, key: keyOf(u), name: Display(u.String()), size: size, ctx: func() context.Context { return ctx }}, nil
}

func (r *blobReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, plan.Failf(plan.FailureInternal, "read %s at %d", r.name, off)
	}
	if off >= r.size {
		return 0, io.EOF
	}
	want := p[:min(int64(len(p)), r.size-off)]
	ctx := r.ctx()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for done := 0; done < len(want); done += requestBytes {
		piece := want[done:min(done+requestBytes, len(want))]
		err := r.bucket.store.retry(ctx, func(ctx context.Context) error { return r.read(ctx, piece, off+int64(done)) })
		if err != nil {
			return done, err
		}
	}
	if len(want) < len(p) {
		return len(want), io.EOF
	}
	return len(want), nil
}

// read is one request.
func (r *blobReader) read(ctx context.Context, p []byte, off int64) error {
	rd, err := r.bucket.b.NewRangeReader(ctx, r.key, off, int64(len(p)), nil)
	if err != nil {
		return blobError(ctx, "read", r.name, err)
	}
	defer rd.Close()
	if rd.Size() != r.size {
		return plan.Failf(plan.FailureUser, "%s changed: it has %d bytes, not %d as when it was listed", r.name, rd.Size(), r.size)
	}
	if _, err := io.ReadFull(rd, p); err != nil {
		return blobError(ctx, "read", r.name, err)
	}
	return nil
}

func (r *blobReader) Close() error { return nil }

// blobUpload streams an object. Object stores show nothing before the last byte is in.
type blobUpload struct {
	name   string
	pipe   *io.PipeWriter
	cancel context.CancelFunc
	done   chan error // one, of the upload
}

func (b *bucket) create(ctx context.Context, u *url.URL) (upload, error) {
	// The upload outlives this call; cancelling its context is how one is abandoned.
	ctx, cancel := context.WithCancel(ctx)
	r, pipe := io.Pipe()
	w := &blobUpload{name: Display(u.String()), pipe: pipe, cancel: cancel, done: make(chan error, 1)}
	go func() {
		// Not with a blob.Writer: that of Azure may panic in Close after its upload has failed.
		err := b.b.Upload(ctx, keyOf(u), r, &blob.WriterOptions{ContentType: "application/octet-stream"})
		r.CloseWithError(errors.Join(err, io.ErrClosedPipe))
		w.done <- err
	}()
	return w, nil
}

func (w *blobUpload) Write(p []byte) (int, error) {
	n, err := w.pipe.Write(p)
	if err != nil {
		return n, blobError(context.Background(), "write", w.name, err)
	}
	return n, nil
}

func (w *blobUpload) commit(ctx context.Context) error {
	defer w.cancel()
	stop := context.AfterFunc(ctx, w.cancel)
	defer stop()
	w.pipe.Close()
	if err := <-w.done; err != nil {
		return blobError(ctx, "write", w.name, err)
	}
	return nil
}

func (w *blobUpload) discard() {
	w.cancel()
	w.pipe.CloseWithError(context.Canceled)
	<-w.done // it fails for the cancelled context, as it should
}

func (b *bucket) remove(ctx context.Context, u *url.URL) error {
	return b.removeKey(ctx, u, keyOf(u))
}

func (b *bucket) removeKey(ctx context.Context, u *url.URL, key string) error {
	err := b.b.Delete(ctx, key)
	if gcerrors.Code(err) == gcerrors.NotFound {
		return nil
	}
	return blobError(ctx, "delete", Display(u.String()), err)
}
