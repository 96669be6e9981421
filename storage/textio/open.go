package textio

import (
	"bufio"
	"compress/bzip2"
	"compress/zlib"
	"context"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/quern-engine/quern/plan"
	"github.com/quern-engine/quern/storage"
)

// maxWindow bounds the memory that a compressed file makes its decoder take.
const maxWindow = 128 << 20

// text is the content of a file from an offset on, decompressed, in UTF-8.
type text struct {
	io.Reader
	url   string
	file  storage.ReaderAtCloser
	count *countingReader
	zstd  *zstd.Decoder
}

func openText(ctx context.Context, store *storage.Store, o *options, url string, size, from int64) (*text, error) {
	file, err := store.ReaderAt(ctx, url, size)
	if err != nil {
		return nil, err
	}
	t := &text{url: url, file: file, count: &countingReader{src: io.NewSectionReader(file, from, size-from)}}
	_, compression := storage.FormatOf(url)
	if t.Reader, err = t.decompress(compression); err != nil {
		t.Close()
		return nil, corrupt(url, err)
	}
	if o.charset != nil {
		t.Reader = o.charset.NewDecoder().Reader(t.Reader)
	}
	return t, nil
}

func (t *text) decompress(compression string) (io.Reader, error) {
	src := bufio.NewReaderSize(t.count, windowSize)
	switch compression {
	case "gz", "gzip":
		return gzip.NewReader(src)
	case "zst", "zstd":
		d, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		t.zstd = d
		return d, err
	case "bz2":
		return bzip2.NewReader(src), nil
	case "br":
		// Its decoder takes a file that was cut short for a whole one.
		return nil, plan.Failf(plan.FailureUser, "file %s: [UNSUPPORTED_FEATURE] text in Brotli is not supported; use gz, zst or bz2", storage.Display(t.url))
	case "lz4":
		return lz4.NewReader(src), nil
	case "deflate": // which is what Hadoop calls it
		return zlib.NewReader(src)
	case "snappy", "sz":
		return snappy.NewReader(src), nil
	}
	return t.count, nil
}

// Close closes the file.
func (t *text) Close() error {
	if t.zstd != nil {
		t.zstd.Close()
	}
	return t.file.Close()
}

// countingReader counts what is read of a file.
type countingReader struct {
	src io.Reader
	n   int64
}

func (r *countingReader) Read(p []byte) (int, error) {
	n, err := r.src.Read(p)
	r.n += int64(n)
	return n, err
}

// corrupt is the failure for a file whose content is not what it should be.
func corrupt(url string, err error) error {
	if f := plan.AsFailure(err); f != nil && f.Kind != plan.FailureInternal {
		return err
	}
	return plan.Failf(plan.FailureUser, "file %s: %w", storage.Display(url), err)
}
