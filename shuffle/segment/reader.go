package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/quern-engine/quern/plan"
)

// Reader reads a finished segment. It is safe for concurrent use until Close.
type Reader struct {
	f     Source
	id    plan.AttemptID
	parts []partitionIndex
}

// Open opens a segment file.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open shuffle segment: %w", err)
	}
	src, err := FileSource(f)
	if err != nil {
		return nil, err
	}
	return NewReader(src)
}

// Source is where a segment is read from. It is safe for concurrent use until Close.
type Source interface {
	io.ReaderAt
	io.Closer
	Size() int64
	Name() string // for messages
}

// FileSource reads a file, which it owns from now on, error or not.
func FileSource(f *os.File) (Source, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return fileSource{f, info.Size()}, nil
}

type fileSource struct {
	*os.File
	size int64
}

// Size is the file's when it was opened.
func (f fileSource) Size() int64 { return f.size }

// NewReader reads header, index and footer of a segment, whose source the reader owns from now on, error or not.
func NewReader(f Source) (*Reader, error) {
	r := &Reader{f: f}
	if err := r.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("open shuffle segment %s: %w", f.Name(), err), f.Close())
	}
	return r, nil
}

func (r *Reader) load() error {
	size := r.f.Size()
	head := make([]byte, min(size, fixedHeader+1<<16+4))
	if _, err := r.f.ReadAt(head[:min(len(head), fixedHeader)], 0); err != nil {
		return err
	}
	// The header's length is in its fixed part; read the rest only if the magic is right.
	if len(head) >= fixedHeader && string(head[:4]) == fileMagic {
		head = head[:min(len(head), fixedHeader+int(binary.LittleEndian.Uint16(head[6:]))+4)]
		if _, err := r.f.ReadAt(head, 0); err != nil {
			return err
		}
	}
	id, partitions, headSize, err := parseFileHeader(head)
	if err != nil {
		return err
	}
	r.id = id
	if size < int64(headSize+footerSize) {
		return fmt.Errorf("%w: %d bytes", ErrCorrupt, size)
	}
	foot := make([]byte, footerSize)
	if _, err := r.f.ReadAt(foot, size-int64(footerSize)); err != nil {
		return err
	}
	at, length, sum, err := parseFooter(foot, size)
	if err != nil {
		return err
	}
	index := make([]byte, length)
	if _, err := r.f.ReadAt(index, at); err != nil {
		return err
	}
	if crc32.Checksum(index, castagnoli) != sum {
		return fmt.Errorf("%w: checksum of the index", ErrCorrupt)
	}
	r.parts, err = parseIndex(index, partitions, int64(headSize), at)
	return err
}

// Attempt is whose output this is.
func (r *Reader) Attempt() plan.AttemptID { return r.id }

// Partitions is how many partitions there are.
func (r *Reader) Partitions() int { return len(r.parts) }

// Infos says what is in each partition, as Commit did.
func (r *Reader) Infos() []PartitionInfo { return infos(r.parts) }

// Blocks are a partition's blocks in order. The partition must exist; the slice must not be changed.
func (r *Reader) Blocks(partition int) []BlockRef { return r.parts[partition].blocks }

// Rows is a partition's row count.
func (r *Reader) Rows(partition int) int64 { return r.parts[partition].rows }

// Raw reads a frame as it is stored, unverified: the receiver does that.
func (r *Reader) Raw(ref BlockRef) *io.SectionReader {
	return io.NewSectionReader(r.f, ref.Offset, int64(ref.Length))
}

// ReadBlock reads and verifies one block of a partition, using buf as [ReadBlock] does.
func (r *Reader) ReadBlock(partition, sequence int, buf []byte) (Block, []byte, error) {
	ref := r.parts[partition].blocks[sequence]
	buf = grow(buf, ref.Length)
	if _, err := r.f.ReadAt(buf, ref.Offset); err != nil {
		return Block{}, buf, fmt.Errorf("read shuffle segment: %w", err)
	}
	b, err := ParseBlock(buf)
	if err == nil && (b.Partition != partition || b.Sequence != sequence || b.Rows != ref.Rows) {
		err = fmt.Errorf("%w: the index points to another block", ErrCorrupt)
	}
	if err != nil {
		return Block{}, buf, fmt.Errorf("read shuffle segment %s: %w", r.f.Name(), err)
	}
	return b, buf, nil
}

// Close closes the file.
func (r *Reader) Close() error { return r.f.Close() }
